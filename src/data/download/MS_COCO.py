"""Download MS COCO 2014 (Lin et al., Microsoft COCO: common objects in context, 2014) to data/raw/MS_COCO/."""

from biodeephashing.data.download import entrance
from biodeephashing.errors import guard

main = entrance("MS_COCO", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
