"""The texts of a prepared dataset: lines of words or captions beside the images, their vocabulary, and their bags of words."""
