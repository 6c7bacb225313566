"""The engine: every query against every database item, counted and ranked."""

from .groups import Counts, Groups, Reals
from .nearest import Neighbours, choose_queries, nearest_items
from .pair_checks import WIDEST
from .task import RetrievalTask

__all__ = ["WIDEST", "Counts", "Groups", "Neighbours", "Reals", "RetrievalTask", "choose_queries", "nearest_items"]
