"""Prepare CIFAR-10: by default, per class 500 train, 100 query and 100 val images, the rest database; all disjoint."""

from biodeephashing.data.process import entrance
from biodeephashing.errors import guard

main = entrance("CIFAR_10", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
