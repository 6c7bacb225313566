"""Parquet files: of images as a source, each file a shard, and of codes."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, UsageError
from ._files import ImageFiles, fingerprint
from ._interface import Images, Shard, Source
from ._labels import label_vectors

_AT_A_TIME = 64  # rows that are read together from a column of images
_KINDS = {"image": bytes, "path": str}  # what a column must hold
_readings = itertools.count()


class _StoredImages(Images):
    """Images that a Parquet file holds, some of its rows; a process keeps a reader for those of one ``reading``, not of a changed file."""

    def __init__(self, file: Path, rows: range, reading: int) -> None:
        self._file, self._rows, self._reading = file, rows, reading

    def __len__(self) -> int:
        return len(self._rows)

    def file(self, row: int) -> IO[bytes]:
        """Return a stream of the bytes of an image."""
        return io.BytesIO(_reader(self._file, self._reading).image(self._rows[row]))

    def where(self, row: int) -> str:
        """Return the row and the file."""
        return f"of {_row_of(self._file, self._rows[row])}"

    def part(self, rows: slice) -> Images:
        """Return images that follow each other."""
        return _StoredImages(self._file, self._rows[rows], self._reading)


class _Reader:
    """Reads the images of a Parquet file in their order, a few at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._columns: Iterator[Any] = iter(())
        self._rows, self._values = range(0), list[bytes | None]()

    def image(self, row: int) -> bytes:
        """Return the bytes of an image; one before the last ones is read from the beginning."""
        if row < self._rows.start or not self._values:
            self._columns, self._rows = _column(self._file, "image"), range(0)
        while row >= self._rows.stop:
            values = next(self._columns)
            self._rows, self._values = range(self._rows.stop, self._rows.stop + len(values)), values
        return self._values[row - self._rows.start] or b""


@lru_cache(maxsize=1)
def _reader(file: Path, reading: int) -> _Reader:
    return _Reader(file)


def parquet_source(files: Sequence[Path], names: Sequence[str], title: str, classes: Sequence[str]) -> Source:
    """Return Parquet files as a source: a column ``image`` of bytes or ``path`` of paths, and ``key`` and ``labels`` where there are such.

    Args:
        files: the files, in their order.
        names: what they are called.
        title: what they are called together.
        classes: the classes that labels name, or number from 0; none to leave labels out.

    Raises:
        UsageError: if pyarrow is not installed.
        DataError: if a file is damaged, empty, or lacks a column.
    """
    first, shards, labelled = 0, list[Shard](), set[bool]()
    for number, file in enumerate(files):
        count, columns = _facts(file)
        labelled.add("labels" in columns)
        shards.append(Shard(number, first, count, partial(_of_file, file, count, tuple(classes))))
        first += count
    if len(labelled) > 1:
        raise DataError(f"some of the files {title} have a column labels, and others not")
    sha256 = fingerprint([(name, file.stat().st_size) for name, file in zip(names, files, strict=True)])
    return Source("parquet", title, sha256, tuple(shards), tuple(classes) if labelled == {True} else ())


def arrow() -> Any:
    """Return pyarrow, which reads and writes Parquet files.

    Raises:
        UsageError: if it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            f"pyarrow cannot be imported ({error}): Parquet files need the extra `parquet`, `pip install 'biodeephashing[parquet]'`, "
            "and in a checkout `pip install -e '.[parquet]'`"
        ) from error
    return pyarrow


def write_table(
    stream: IO[bytes],
    ids: NDArray[np.int64],
    codes: NDArray[np.uint8],
    keys: Sequence[str] | None,
    labels: NDArray[np.uint8] | None,
    present: NDArray[np.bool_],
) -> None:
    """Write codes as a Parquet table; a code of 64 bits takes 8.0 bytes with its id.

    Args:
        stream: where to.
        ids: of the images, (n,).
        codes: packed codes, (n, bytes).
        keys: names of the images, or None.
        labels: packed labels, (n, bytes), or None.
        present: which images are written, (n,).
    """
    pyarrow = arrow()

    def packed(rows: NDArray[np.uint8]) -> Any:
        buffers = [None, pyarrow.py_buffer(rows[present].tobytes())]
        return pyarrow.FixedSizeBinaryArray.from_buffers(pyarrow.binary(rows.shape[1]), int(present.sum()), buffers)

    columns = {"id": pyarrow.array(ids[present]), "code": packed(codes)}
    if keys is not None:
        columns["key"] = pyarrow.array([_printable(keys[row]) for row in np.flatnonzero(present).tolist()], pyarrow.string())
    if labels is not None:
        columns["labels"] = packed(labels)
    # ids that follow each other take no space as differences, and codes are hardly ever the same
    details = {"compression": "zstd", "use_dictionary": False, "column_encoding": {"id": "DELTA_BINARY_PACKED"}}
    pyarrow.parquet.write_table(pyarrow.table(columns), stream, **details)


def _printable(key: str) -> str:
    """Return a key as text: of the name of a file every byte may come that is no UTF-8."""
    return key.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _facts(file: Path) -> tuple[int, set[str]]:
    """Return how many rows a file has, and which columns."""
    facts = _opened(file).metadata
    columns = set(facts.schema.to_arrow_schema().names)
    if not {"image", "path"} & columns:
        raise DataError(f"{file} has neither a column image (bytes) nor path, but {', '.join(sorted(columns))}")
    if not facts.num_rows:
        raise DataError(f"{file} holds no row")
    return facts.num_rows, columns


def _opened(file: Path) -> Any:
    reader = arrow().parquet
    try:
        return reader.ParquetFile(file)
    except (OSError, ValueError) as error:  # pyarrow's errors are both
        raise DataError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def _column(file: Path, name: str) -> Iterator[list[Any]]:
    """Yield the values of a column, a few rows at a time."""
    try:
        for batch in _opened(file).iter_batches(_AT_A_TIME, columns=[name], use_threads=False):
            (column,) = batch.columns
            values = [value.get("bytes") if isinstance(value, dict) else value for value in column.to_pylist()]  # Hugging Face's images
            for value in values:
                if value is not None and not isinstance(value, _KINDS.get(name, object)):
                    raise DataError(f"the column {name} of {file} holds {column.type}, not {_KINDS[name].__name__}")
            yield values
    except (OSError, ValueError) as error:
        raise DataError(f"the column {name} of {file} cannot be read: {str(error).splitlines()[0]}") from error


def _of_file(file: Path, count: int, classes: tuple[str, ...]) -> Images:
    now, columns = _facts(file)
    if now != count:
        raise DataError(f"{file} was changed while it is encoded: it had {count:,} rows, and now has {now:,}")

    def whole(name: str) -> list[Any] | None:
        return [value for values in _column(file, name) for value in values] if name in columns else None

    keys, labels = whole("key"), whole("labels") if classes else None
    vectors = None if labels is None else label_vectors(labels, classes, partial(_row_of, file))
    texts = None if keys is None else _distinct(file, keys)
    if "image" in columns:
        images = _StoredImages(file, range(count), next(_readings))
        images.keys, images.labels = texts, vectors
        return images
    paths = whole("path")
    assert paths is not None
    if None in paths:
        raise DataError(f"row {paths.index(None):,} of {file} has no path")
    return ImageFiles(file.parent, paths, partial(_in_row, file), texts, vectors)


def _in_row(file: Path, row: int) -> str:
    return f" ({_row_of(file, row)})"


def _row_of(file: Path, row: int) -> str:
    return f"row {row:,} of {file}"


def _distinct(file: Path, keys: Sequence[Any]) -> list[str]:
    """Return keys as texts.

    Raises:
        DataError: if two are the same.
    """
    seen: dict[str, int] = {}
    for row, key in enumerate(map(str, keys)):
        if seen.setdefault(key, row) != row:
            raise DataError(f"the key {key!r} comes twice in {file}: rows {seen[key]:,} and {row:,}")
    return list(seen)
