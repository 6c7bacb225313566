"""Directions of retrieval where items have several views: from one of the queries to one of the database (``i2t``: image to text)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

DIRECTION = "[a-z]2[a-z]"


def directions_of(views: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return every direction between some views: the view of the queries and that of the database.

    Example:
        >>> list(directions_of(["image", "text"])), directions_of([""])
        (['i2t', 't2i', 'i2i', 't2t'], {'': ('', '')})
    """
    pairs = sorted(((query, item) for query in views for item in views), key=lambda pair: pair[0] == pair[1])
    return {f"{query[0]}2{item[0]}" if query else "": (query, item) for query, item in pairs}


def headline(directions: Iterable[str]) -> list[str]:
    """Return the directions whose mean stands for a run: those between different views, or the only one.

    Example:
        >>> headline(["i2t", "t2i", "i2i", "t2t"]), headline([""])
        (['i2t', 't2i'], [''])
    """
    return [name for name in directions if not name or name[0] != name[-1]]


def joined(blocks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a result file holds of the numbers of each direction: those of the only one, or all of them below the headline's means.

    Example:
        >>> joined({"i2t": {"mAP": 0.5, "n_queries": 9}, "t2i": {"mAP": 0.25}, "i2i": {"mAP": 1.0}, "t2t": {"mAP": 1.0}})["mAP"]
        0.375
    """
    if "" in blocks:
        return dict(blocks[""])
    across = [blocks[name] for name in headline(blocks)]
    means = {key: sum(block[key] for block in across) / len(across) for key, value in across[0].items() if isinstance(value, float)}
    rules = {key: value for key, value in across[0].items() if isinstance(value, str)}
    return rules | means | dict(blocks)


def blocks_of(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the numbers of each direction of a result file.

    Example:
        >>> blocks_of({"mAP": 0.5}), blocks_of({"mAP": 0.5, "i2t": {"mAP": 0.5}})
        ({'': {'mAP': 0.5}}, {'i2t': {'mAP': 0.5}})
    """
    return {key: value for key, value in result.items() if re.fullmatch(DIRECTION, key)} or {"": result}


def describe_headline(directions: Iterable[str]) -> str:
    """Return the directions whose mean stands for a run with several views, in words.

    Example:
        >>> describe_headline(["i2t", "t2i", "i2i", "t2t"])
        'i2t and t2i'
    """
    return " and ".join(headline(directions))
