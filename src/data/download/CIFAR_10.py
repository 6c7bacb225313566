"""Download CIFAR-10 (Krizhevsky, Learning multiple layers of features from tiny images, 2009) to data/raw/CIFAR_10/."""

from biodeephashing.data.download import entrance
from biodeephashing.errors import guard

main = entrance("CIFAR_10", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
