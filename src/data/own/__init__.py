"""Datasets of somebody's own: a directory of class directories, a CSV table, lists of images."""
