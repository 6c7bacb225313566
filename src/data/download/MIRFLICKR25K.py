"""Download MIRFLICKR-25K (Huiskes and Lew, The MIR Flickr retrieval evaluation, 2008) to data/raw/MIRFLICKR25K/."""

from biodeephashing.data.download import entrance
from biodeephashing.errors import guard

main = entrance("MIRFLICKR25K", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
