"""Download NUS-WIDE (Chua et al., NUS-WIDE: a real-world web image database, 2009) to data/raw/NUS_WIDE/: lists, labels, photographs."""

from biodeephashing.data.download import entrance
from biodeephashing.errors import guard

main = entrance("NUS_WIDE", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
