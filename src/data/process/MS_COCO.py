"""Prepare MS COCO 2014: by default 10,000 train, 5,000 query and 5,000 val images, the rest database; all disjoint."""

from biodeephashing.data.process import entrance
from biodeephashing.errors import guard

main = entrance("MS_COCO", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
