"""Evaluation of a database in shards: what is counted in each of them adds up to what is counted in the whole."""

from .counts import ShardCounts, count_shards
from .equal_codes import count_equal_codes
from .items import PackedItems
from .lists import NearestLists, listed_average_precision, merge_lists, nearest_lists
from .precisions import PrecisionSums, cuts_of, sum_precisions

__all__ = [
    "NearestLists",
    "PackedItems",
    "PrecisionSums",
    "ShardCounts",
    "count_equal_codes",
    "count_shards",
    "cuts_of",
    "listed_average_precision",
    "merge_lists",
    "nearest_lists",
    "sum_precisions",
]
