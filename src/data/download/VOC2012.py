"""Download PASCAL VOC 2012 (Everingham et al., The PASCAL visual object classes challenge: a retrospective, 2015) to data/raw/VOC2012/."""

from biodeephashing.data.download import entrance
from biodeephashing.errors import guard

main = entrance("VOC2012", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
