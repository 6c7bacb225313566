"""Prepare ICONS: the icons of Font Awesome Free, and the words of their names and search terms as texts."""

from biodeephashing.data.process import entrance
from biodeephashing.errors import guard

main = entrance("ICONS", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
