"""The index on disk: codes in segments, items in SQLite, and the exact search over them."""
