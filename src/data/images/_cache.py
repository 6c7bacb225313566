"""Decoded images in a file beside the prepared set: written once, mapped into memory from then on."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray
from tqdm import tqdm

from ...errors import DataError
from ...interrupts import defer_interrupts
from ...runs import only_process, replacing
from ...surroundings import has_terminal

VERSION = 1  # of what is written; another one makes every cache anew
FOLDER = "cache"
OWN = "own"  # the form of images at their own size, which transformations share
Decode = Callable[[int], NDArray[np.uint8]]  # of a row
Work = Callable[[int], NDArray[np.uint8]]  # on the chunk that starts at a row
_CHUNK = 32  # images that are decoded between two looks at the writer
_MANY = 3 * 2**20  # bytes of decoded images for which processes are started: that takes as long as decoding a tenth of them
_READ_ONLY, _FULL = (errno.EACCES, errno.EPERM, errno.EROFS), (errno.ENOSPC, errno.EDQUOT)
_work: Work  # of a process that works for another one


class NotMappableError(Exception):
    """Images that cannot be mapped in this form: they differ in size, or are too large for it."""


class PixelMap:
    """The images of a fold, uint8 (n, 3, H, W), in a file that is mapped: a batch costs its own pages and no heap.

    Args:
        file: the NumPy file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def form(self) -> str:
        """The form they are cached in."""
        return self.file.name.split("-")[1]

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """All images, read-only."""
        return np.asarray(np.load(self.file, mmap_mode="r"))

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.take(self.pixels, rows, axis=0)

    def __getstate__(self) -> dict[str, Path]:
        return {"file": self.file}  # with the map all images would travel to a worker


def pixel_map(
    folder: Path, fold: str, root: Path, paths: Sequence[str], forms: Mapping[str, Decode], *, workers: int = 0
) -> PixelMap | None:
    """Return the cached images of a fold; they are decoded now if they are not there yet or were decoded from other files.

    The file's name holds a checksum of the images' paths, sizes and times of change, of this format and of Pillow's version. It is
    written under a hidden name and renamed, by one process at a time; others wait for it.

    Args:
        folder: where the file goes; caches of the fold made from other images are removed from it.
        fold: name of the fold.
        root: directory that the images lie below.
        paths: its image files below that, n of them.
        forms: forms to cache them in, by name, the best one first: each returns the pixels of a row, uint8 (3, H, W), or raises
            :class:`NotMappableError`.
        workers: threads or processes that decode; 0 for one per processor.

    Returns:
        The images, or None where they fit no form or nothing can be written there; a warning then tells the latter.

    Raises:
        DataError: if an image cannot be read, the disk is full, or a file may not be so large.
    """
    key = _checksum(root, paths)
    files = {form: folder / f"{fold}-{form}-{key}.npy" for form in forms}
    if cached := _find(files.values(), len(paths)):
        return cached
    try:
        with only_process(folder / ".lock"):
            if cached := _find(files.values(), len(paths)):  # another process was faster
                return cached
            for leftover in [*folder.glob(".*.npy"), *(old for old in folder.glob(f"{fold}-*-*.npy") if not old.stem.endswith(key))]:
                with suppress(OSError):  # a file that is mapped elsewhere stays on some systems
                    leftover.unlink()
            return _make(files, len(paths), forms, workers)
    except BrokenExecutor as error:
        raise DataError(
            f"a process that decoded images of the fold {fold} was ended from outside, perhaps because memory ran out; start again with "
            "fewer processors (taskset) or with -cache off"
        ) from error
    except OSError as error:
        if error.errno in _READ_ONLY:
            warnings.warn(
                f"decoded images are not cached, every epoch decodes them again: {folder} cannot be written ({os.strerror(error.errno)}); "
                "-cache off goes without and says nothing",
                stacklevel=2,
            )
            return None
        if error.errno in _FULL:
            raise DataError(
                f"the disk is full: decoded images of the fold {fold} do not fit into {folder}; free some space, or decode them again in "
                "every epoch with -cache off"
            ) from error
        if error.errno == errno.EFBIG:
            raise DataError(
                f"decoded images of the fold {fold} are more than a file in {folder} may hold (`ulimit -f`, or the file system): raise "
                "that limit, or decode them again in every epoch with -cache off"
            ) from error
        raise


def _checksum(root: Path, paths: Sequence[str]) -> str:
    state = hashlib.sha256(f"{VERSION} {PIL.__version__}".encode())
    for path in paths:
        facts = ""
        with suppress(OSError):  # decoding it will say more
            status = (root / path).stat()
            facts = f"{status.st_size} {status.st_mtime_ns}"
        state.update(f"\n{path},{facts}".encode())
    return state.hexdigest()[:16]


def _find(files: Iterable[Path], count: int) -> PixelMap | None:
    """Return the first of the files that is there and whole."""
    for file in files:
        with suppress(OSError, ValueError, EOFError):  # missing, cut off, or no NumPy file
            array = np.load(file, mmap_mode="r")
            if array.dtype == np.uint8 and array.ndim == 4 and len(array) == count and file.stat().st_size == array.offset + array.nbytes:
                return PixelMap(file)
    return None


def _make(files: Mapping[str, Path], count: int, forms: Mapping[str, Decode], workers: int) -> PixelMap | None:
    for form, decode in forms.items():
        try:
            _write(files[form], count, decode, workers or _processors())
        except NotMappableError:
            continue
        return PixelMap(files[form])
    return None


def _write(file: Path, count: int, decode: Decode, workers: int) -> None:
    shape = decode(0).shape
    size = count * int(np.prod(shape))
    if shutil.disk_usage(file.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    def chunk(start: int) -> NDArray[np.uint8]:
        images = [decode(row) for row in range(start, min(start + _CHUNK, count))]
        if any(image.shape != shape for image in images):
            raise NotMappableError
        return np.stack(images)

    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    with (
        replacing(file) as temporary,
        temporary.open("wb") as stream,
        tqdm(total=count, desc=f"decoding {file.name.split('-')[0]}", unit="img", disable=not has_terminal(), leave=False) as bar,
    ):
        np.lib.format.write_array_header_1_0(stream, header)
        for images in _in_order(_pool(chunk, count, size, workers), range(0, count, _CHUNK), 2 * workers):
            stream.write(images.data)  # not through a map: there, a full disk would end the process
            bar.update(len(images))


def _in_order(pool: tuple[Executor, Work], starts: Sequence[int], most: int) -> Iterator[NDArray[np.uint8]]:
    """Let others work, at most so many pieces ahead of what is taken."""
    executor, work = pool
    with executor:
        ahead: deque = deque()
        try:
            with defer_interrupts():  # the first piece has the processes forked
                ahead.append(executor.submit(work, starts[0]))
            for start in starts[1:]:
                ahead.append(executor.submit(work, start))
                if len(ahead) > most:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BaseException:  # an unusable image, a full disk or Ctrl-C: the rest is not decoded first
            executor.shutdown(cancel_futures=True)
            raise


def _pool(work: Work, count: int, size: int, workers: int) -> tuple[Executor, Work]:
    """Return who works on so many images, of so many bytes together, and what to hand in there.

    Pillow decodes without the interpreter's lock, but opens files with it: of small images threads decode no more than one thread does,
    of photographs less than processes do. Those can be forked on Linux; elsewhere a process imports everything anew, which takes seconds.
    """
    if size < _MANY or workers < 2 or sys.platform != "linux":
        return ThreadPoolExecutor(workers), work
    fork = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(min(workers, -(-count // _CHUNK)), fork, initializer=_serve, initargs=(work,)), _served


def _serve(work: Work) -> None:
    """Begin as a process that works: it leaves Ctrl-C to its parent, and ends with it, because it shares the lock on the cache."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(process: BaseProcess) -> None:
    process.join()
    os._exit(1)


def _served(start: int) -> NDArray[np.uint8]:
    return _work(start)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
