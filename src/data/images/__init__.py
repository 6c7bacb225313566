"""From image files to batches: decoding, caching, augmenting, loading."""
