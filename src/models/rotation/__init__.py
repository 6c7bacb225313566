"""Rotations of finished runs: what H2Q and ITQ share. Each derives a run from another one's features, and reads no image."""
