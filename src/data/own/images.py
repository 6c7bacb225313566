"""Preparing somebody's own images, and finding them again: what ``-db FOLDER:PATH`` and ``process/FOLDER.py`` do."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, UsageError
from ...runs import processed_folder
from ...settings.own_images import absolute, name_of_own
from ..catalogue import OWN_FRACTIONS, OWN_SEED, check_own_name
from ..prepare import splits
from ..prepare.content import DatasetContent
from ..prepare.label_table import LabelTable
from ..prepare.labels import without_images
from ..prepare.unreadable import words_of_left_out
from ..prepare.write import prepare
from ..split import Split, read_facts, read_split
from .folder import file_names, fingerprint, read_own
from .shares import dealt, is_single, parse_fractions, rule_of

_DEFAULTS: Mapping[str, Any] = {"separator": " ", "least": 1}


@dataclass(frozen=True)
class Outcome:
    """What :func:`prepare_own` did.

    Args:
        split: the facts about the split.
        written: whether it was written now.
        left_out: in words, what in the directory is not used.
    """

    split: Split
    written: bool
    left_out: str = ""


def prepare_own(
    path: Path,
    name: str | None = None,
    *,
    fractions: str | None = None,
    seed: int | None = None,
    separator: str | None = None,
    least: int | None = None,
    no_skip: bool = False,
    skip_unreadable: Fraction = Fraction(),
) -> Outcome:
    """Prepare own images as a dataset, unless they are prepared; linked, not copied, where possible.

    Where every image has one class, each fold gets its fraction of every class; else of all images, after one shuffle.

    Args:
        path: a directory with one subdirectory per class, or a CSV file with the columns ``file`` and ``labels``.
        name: what to call the dataset; None for FOLDER and the name of the directory or file.
        fractions: of the images for train, val and query; None for those it is prepared with, or "train=0.5,val=0.1,query=0.1".
        seed: of the shuffle; None for the one it is prepared with, or 0.
        separator: what stands between the labels of an image in a CSV file; None for the one it is prepared with, or blanks.
        least: images a class must have, smaller ones are left out; None for what it is prepared with, or all classes.
        no_skip: prepare it again even if it is there.
        skip_unreadable: the largest share of the images that may be left out because they cannot be decoded; what remains is split.

    Raises:
        UsageError: for a name, fractions or a separator that cannot be used.
        DataError: if the images cannot be used, were changed since they were prepared, or the name belongs to others.
    """
    path = absolute(path)
    name = name or name_of_own(path)
    check_own_name(name)
    shares, drawn = parse_fractions(fractions or OWN_FRACTIONS), OWN_SEED if seed is None else seed
    _check_origin(name, path)
    if processed_folder(name).exists() and not no_skip and not path.exists():
        return Outcome(read_split(name), False)  # the images are there under their second names
    reading = _reading(name, separator, least, no_skip=no_skip)
    whole, left_out = read_own(path, reading.get("separator", _DEFAULTS["separator"]))
    table, reading = _with_least(whole, reading)
    source, single = _source(path, table), is_single(table.labels)
    rule = rule_of(shares, single=single)
    content = partial(_content, single=single, shares=shares, seed=drawn, source=source, reading=reading)
    split, written = prepare(name, lambda: content(table), no_skip=no_skip, skip_unreadable=skip_unreadable)
    if split.source != source:
        _check_reading(split, reading)
        flags = "".join(f" -{flag} {shlex.quote(str(value))}" for flag, value in reading.items() if flag in _DEFAULTS)
        raise DataError(
            f"{path} was changed after {name} was prepared from it: prepare it again with "
            f"`python src/data/process/FOLDER.py {path} -name {name}{flags} -no_skip`, or use it as it was with -db {name}"
        )
    if (fractions is not None and split.rule != rule) or (seed is not None and split.seed != seed):
        raise DataError(
            f"{name} is prepared with another split ({split.rule}; seed {split.seed}): give -no_skip to replace it, "
            f"or -name for a second dataset"
        )
    if "left_out" in split.reading:
        left_out = [*left_out, str(split.reading["left_out"])]
    return Outcome(split, written, f"left out: {', '.join(left_out)}" if left_out else "")


def _check_origin(name: str, path: Path) -> None:
    """Check that a dataset, if it is there, was prepared from a path.

    Raises:
        DataError: naming both paths, if it stems from elsewhere.
    """
    if not processed_folder(name).exists():
        return
    source = read_facts(name).source
    if _origin_of(source) != str(path):
        raise DataError(
            f"the dataset {name} was prepared from {_origin_of(source)}, not from {path}: choose another name for these images, "
            f"`python src/data/process/FOLDER.py {path} -name NAME`, and then give -db NAME"
        )


def check_source(path: Path | None) -> None:
    """Check that what ``-db FOLDER:PATH`` names, if it is prepared, was prepared from that path; None passes.

    Raises:
        DataError: naming both paths, if it stems from elsewhere.
    """
    if path is not None:
        _check_origin(name_of_own(path), path)


def prepare_source(path: Path | None, skip_unreadable: Fraction = Fraction()) -> list[str]:
    """Prepare what ``-db FOLDER:PATH`` names, unless it is prepared; nothing for None.

    Args:
        path: the directory or the CSV file, or None.
        skip_unreadable: see :func:`prepare_own`.

    Returns:
        What there is to say about it.

    Raises:
        UsageError: if images may be left out but none are prepared.
        DataError: as :func:`prepare_own`.
    """
    if path is None:
        if skip_unreadable:
            raise UsageError(
                "-skip_unreadable is for -db FOLDER:PATH, which prepares images, but -db names a prepared dataset: leave the flag out"
            )
        return []
    outcome = prepare_own(path, skip_unreadable=skip_unreadable)
    if not outcome.written:
        return []
    split = outcome.split
    return [line for line in (outcome.left_out, *words_of_left_out(split.database), split.caption, *split.understood) if line]


def _reading(name: str, separator: str | None, least: int | None, *, no_skip: bool) -> dict[str, Any]:
    """Return how to read the source, as ``split.json`` records it: as the options say, or else as before."""
    if separator == "":
        raise UsageError("-separator needs a text, as in -separator ';'")
    before = read_facts(name).reading if processed_folder(name).exists() and not no_skip else {}
    options = {"separator": separator, "least": least}
    values = {flag: before.get(flag, default) if options[flag] is None else options[flag] for flag, default in _DEFAULTS.items()}
    return {flag: value for flag, value in values.items() if value != _DEFAULTS[flag]}


def _check_reading(split: Split, reading: Mapping[str, Any]) -> None:
    for flag, default in _DEFAULTS.items():
        before, now = split.reading.get(flag, default), reading.get(flag, default)
        if before != now:
            raise DataError(
                f"{split.database} is prepared with -{flag} {before!r}, not {now!r}, which makes other labels: "
                f"give -no_skip to replace it, or -name for a second dataset"
            )


def _with_least(table: LabelTable, reading: dict[str, Any]) -> tuple[LabelTable, dict[str, Any]]:
    """Leave out what small classes hold, if there is such an option, and record it."""
    if "least" not in reading:
        return table, reading
    large, small = table.with_least(reading["least"])
    words = ", ".join(filter(None, (reading.get("left_out"), small)))
    return large, {**reading, "left_out": words} if words else reading


def _source(path: Path, table: LabelTable) -> str:
    return f"{path} ({len(table):,} images, SHA-256 of names, sizes and labels {fingerprint(table)})"


def _origin_of(source: str) -> str:
    return re.sub(r" \([\d,]+ images, SHA-256 of names, sizes and labels \w+\)$", "", source)


def _content(
    table: LabelTable, *, single: bool, shares: Mapping[str, Fraction], seed: int, source: str, reading: dict[str, Any]
) -> DatasetContent:
    counts = table.labels.sum(axis=0, dtype=np.int64).tolist()
    empty = [name for name, count in zip(table.classes, counts, strict=True) if count == 0]
    remarks = without_images(empty)
    folds = dealt(table.labels, table.classes, shares, single=single, seed=seed)
    if single:
        remarks += splits.too_small(counts, shares, table.classes)
    table = dataclasses.replace(table, unused=empty)
    content = table.content(folds, splits.Protocol("disjoint", rule_of(shares, single=single), seed), source=source)

    def without(rows: NDArray[np.int64]) -> DatasetContent:
        rest, read = _with_least(table.rows(np.setdiff1d(np.arange(len(table)), rows)), reading)
        return _content(rest, single=single, shares=shares, seed=seed, source=source, reading=read)

    return dataclasses.replace(
        content, files=file_names(table.paths), without=without, reading={**content.reading, **reading}, remarks=remarks
    )
