"""Sources of images that are encoded in shards: folds, directories, lists, Parquet files and tar archives."""

from ._interface import Images, Shard, Source
from ._open import open_source
from ._parquet import arrow, write_table

__all__ = ["Images", "Shard", "Source", "arrow", "open_source", "write_table"]
