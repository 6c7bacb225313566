"""Prepare GLYPHS: characters drawn with the fonts inside matplotlib, and the words of their names as texts."""

from biodeephashing.data.process import entrance
from biodeephashing.errors import guard

main = entrance("GLYPHS", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
