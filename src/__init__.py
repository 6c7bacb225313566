"""Deep hashing with bio-plausible learning rules: images become short binary codes for retrieval."""

__version__ = "0.1.0"
