"""Download a public dataset to ``data/raw/``."""

from __future__ import annotations

from argparse import Namespace

from ..data.sets.dataset import public_dataset


def download(name: str, options: Namespace) -> int:
    """Download a dataset or import it from disk, print what there is, and return 0 if it is complete, else 1.

    Args:
        name: its file in ``data/sets/``.
        options: the options of its ``download`` script.
    """
    fetch = public_dataset(name).download
    assert fetch is not None  # it has such a script
    text, complete = fetch(**vars(options))
    print(text)
    return 0 if complete else 1
