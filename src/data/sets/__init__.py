"""Data sets, one file each: how it is obtained, and which splits of it are prepared."""
