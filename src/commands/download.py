"""Bring a public data set to ``data/raw/``."""

from __future__ import annotations

from argparse import Namespace
from importlib import import_module


def download(name: str, options: Namespace) -> int:
    """Download a data set or take it from disk, print what there is, and return 0 when it is complete, else 1.

    Args:
        name: its module in ``data/sets/``.
        options: the arguments of its ``obtain``.
    """
    text, complete = import_module(f"biodeephashing.data.sets.{name}").obtain(**vars(options))
    print(text)
    return 0 if complete else 1
