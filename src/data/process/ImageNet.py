"""Prepare ImageNet-100 from the lists of the HashNet release: 13,000 train inside 128,503 database, 2,500 query and 2,500 val images."""

from biodeephashing.data.process import entrance
from biodeephashing.errors import guard

main = entrance("ImageNet", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
