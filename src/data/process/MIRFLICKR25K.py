"""Prepare MIRFLICKR-25000: by default 4,000 train, 1,000 query and 1,000 val images, the rest database; all disjoint."""

from biodeephashing.data.process import entrance
from biodeephashing.errors import guard

main = entrance("MIRFLICKR25K", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
