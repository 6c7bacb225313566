"""What methods share when they train: the Lightning module, its callbacks, checkpoints, feeding and validation."""
