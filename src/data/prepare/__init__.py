"""Dividing images among folds, checking what comes out, and writing it: label tables, splits, checks, prepared datasets."""
