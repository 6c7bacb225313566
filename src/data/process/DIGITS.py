"""Prepare DIGITS, the handwritten digits inside scikit-learn: per class 80 train, 20 query, 20 val, the rest database."""

from biodeephashing.data.process import entrance
from biodeephashing.errors import guard

main = entrance("DIGITS", __doc__)

if __name__ == "__main__":
    raise SystemExit(guard(main))
