"""Work on many images in several threads, with a progress bar."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from tqdm import tqdm

from ...surroundings import has_terminal

_CHUNK = 64  # images a thread works on between two looks at Ctrl-C
T = TypeVar("T")
R = TypeVar("R")


def in_threads(work: Callable[[T], R], images: Sequence[T], label: str) -> list[R]:
    """Do work on each image, several at once; after an error or Ctrl-C no further ones are begun.

    Args:
        work: called with one image from several threads.
        images: what it is called with.
        label: name of the progress bar.

    Returns:
        What the work returns, in the order of the images.

    Example:
        >>> in_threads(len, ["cat", "horse"], "animals")
        [3, 5]
    """

    def chunk(start: int) -> list[R]:
        return [work(image) for image in images[start : start + _CHUNK]]

    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        tqdm(total=len(images), desc=label, unit="img", disable=not has_terminal()) as bar,
    ):
        warnings.simplefilter("ignore")  # Pillow's, of images that it can read all the same
        waiting = [pool.submit(chunk, start) for start in range(0, len(images), _CHUNK)]
        try:
            for done in as_completed(waiting):
                bar.update(len(done.result()))
        except BaseException:  # a full disk or Ctrl-C: do not work on the rest first
            pool.shutdown(cancel_futures=True)
            raise
    return [result for done in waiting for result in done.result()]
