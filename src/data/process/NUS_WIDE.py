"""Prepare NUS-WIDE: by default its 21 most frequent concepts, 10,500 train, 2,100 query and 2,100 val images, the rest database."""

from biodeephashing.data.process import entrance
from biodeephashing.errors import guard

main = entrance("NUS_WIDE", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
