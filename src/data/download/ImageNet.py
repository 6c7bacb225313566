"""Download ImageNet (Russakovsky et al., ImageNet large scale visual recognition challenge, 2015) from Kaggle to data/raw/ImageNet/."""

from biodeephashing.data.download import entrance
from biodeephashing.errors import guard

main = entrance("ImageNet", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
