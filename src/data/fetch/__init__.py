"""Bringing published files to ``data/raw/``: downloads that resume, checksums, archives."""
