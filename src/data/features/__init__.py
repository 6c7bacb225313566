"""Ready features of a prepared dataset: rows of numbers in place of images, of texts, or of both."""
