"""Codes and labels of other code bases."""
