"""Figures of one run, and the style that all figures share."""
