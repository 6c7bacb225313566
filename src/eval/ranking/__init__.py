"""The engine: every query against every database item, counted and ranked."""

from .histograms import Counts, DistanceHistogram, Reals
from .nearest import Neighbours, choose_queries, nearest_items
from .pair_checks import WIDEST
from .task import RetrievalTask

__all__ = ["WIDEST", "Counts", "DistanceHistogram", "Neighbours", "Reals", "RetrievalTask", "choose_queries", "nearest_items"]
