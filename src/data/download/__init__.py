"""One script per data set: brings its files to ``data/raw/``."""
