"""One script per data set: writes its images, split and labels to ``data/processed/``."""
