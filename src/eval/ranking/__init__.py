"""The engine: every query against every database item, counted and ranked."""

from .groups import Counts, Groups, Reals
from .nearest import Neighbours, choose_queries, nearest_items
from .pair_checks import WIDEST
from .pairs import Pairs

__all__ = ["WIDEST", "Counts", "Groups", "Neighbours", "Pairs", "Reals", "choose_queries", "nearest_items"]
