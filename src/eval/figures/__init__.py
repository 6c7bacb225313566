"""Figures of one run, and the style that all figures share."""

from .query_examples import Gallery
from .run_figures import draw_run
from .style import IRRELEVANT, RELEVANT, colour_of, pen_of

__all__ = ["IRRELEVANT", "RELEVANT", "Gallery", "colour_of", "draw_run", "pen_of"]
