"""Images that no command can decode: detected when a dataset is prepared, and refused or left out."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...runs import processed_folder
from ...settings.flags import SKIPPED
from ..images.decoding import fault_of
from ..images.threads import in_threads
from .content import DatasetContent, LeftOut

LEFT_OUT_FILE = "images_left_out.csv"
_HEADER = ("file", "reason")
_SHOWN = 20  # unreadable images that a refusal names
_FEW = 3  # and that a report does


def without_unreadable(content: DatasetContent, share: Fraction, label: str) -> DatasetContent:
    """Decode every image of a content and leave out those that cannot be decoded.

    Args:
        content: what is to be prepared.
        share: the largest share of its images that may be left out.
        label: name of the progress bar.

    Returns:
        The content, without them; its note and ``left_out`` say what is missing.

    Raises:
        DataError: if there are more; with their number, and the first of them by name.
    """
    if content.image is None:
        return content
    rows = content.with_image()
    files = [content.image(row) for row in rows.tolist()]
    faults = in_threads(fault_of, files, f"{label}: checking")
    unreadable = [(row, str(file), fault) for row, file, fault in zip(rows.tolist(), files, faults, strict=True) if fault]
    if len(unreadable) > share * len(rows):
        raise _refusal(content, unreadable, len(rows), share)
    if not unreadable:
        return content
    note = f"{len(unreadable):,} of {len(rows):,} images left out as unreadable"
    left_out = [(file, fault) for _, file, fault in unreadable]
    rest = _without(content, np.array([row for row, *_ in unreadable]))
    return dataclasses.replace(rest, note=f"{content.note}; {note}" if content.note else note, left_out=left_out)


def write_left_out(folder: Path, left_out: LeftOut) -> None:
    """Write which images were left out beside a dataset's metadata; nothing where all are there."""
    if left_out:
        with (folder / LEFT_OUT_FILE).open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([_HEADER, *left_out])


def read_left_out(database: str) -> LeftOut:
    """Return file and reason of each image that was left out when a dataset was prepared."""
    file = processed_folder(database) / LEFT_OUT_FILE
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return [(row[0], row[1]) for row in csv.reader(stream)][1:]


def check_left_out(database: str, images: int, share: Fraction) -> None:
    """Check that a prepared dataset lacks no more images than a command allows.

    Args:
        database: the dataset.
        images: how many images it has.
        share: the largest share that may have been left out.

    Raises:
        DataError: with their number.
    """
    count = len(read_left_out(database))
    if count > share * (count + images):
        raise DataError(
            f"{database} was prepared without {count:,} of {count + images:,} images, which could not be read (see "
            f"{processed_folder(database) / LEFT_OUT_FILE}), but {_words(share)} may be left out: {_way_out(count, count + images)} "
            f"keeps it as it is, its script in src/data/process/ prepares it again with -no_skip"
        )


def words_of_left_out(database: str) -> list[str]:
    """Return in words how many images were left out when a dataset was prepared, and the first of them; nothing where none was."""
    left_out = read_left_out(database)
    if not left_out:
        return []
    examples = "; ".join(f"{file} {reason}" for file, reason in left_out[:_FEW]) + ("; ..." if len(left_out) > _FEW else "")
    return [f"left out as unreadable: {len(left_out):,} (all in {processed_folder(database) / LEFT_OUT_FILE}): {examples}"]


def _without(content: DatasetContent, rows: NDArray[np.int64]) -> DatasetContent:
    if content.without is not None:
        return content.without(rows)
    return dataclasses.replace(content, folds={fold: members[~np.isin(members, rows)] for fold, members in content.folds.items()})


def _refusal(content: DatasetContent, unreadable: Sequence[tuple[int, str, str]], total: int, share: Fraction) -> DataError:
    named = [f"{file}{f' ({content.where(row)})' if content.where else ''} {fault}" for row, file, fault in unreadable[:_SHOWN]]
    more = [f"and {len(unreadable) - _SHOWN:,} more"] if len(unreadable) > _SHOWN else []
    return DataError(
        f"{len(unreadable):,} of {total:,} images cannot be used, and {_words(share)} may be left out: replace or remove them, or leave "
        f"them out with {_way_out(len(unreadable), total)}\n" + "\n".join(f"  {line}" for line in named + more)
    )


def _words(share: Fraction) -> str:
    return f"at most {float(share):g} of them" if share else "none"


def _way_out(count: int, total: int) -> str:
    """Return the flag that leaves so many images out, its share rounded up to hundredths."""
    return "-skip_unreadable" if count <= SKIPPED * total else f"-skip_unreadable {-(-100 * count // total) / 100:g}"
