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

from ..errors import DataError, UsageError
from ..runs import processed_folder
from ..settings.own_images import absolute, name_of_own
from . import _splits
from ._catalogue import OWN_FRACTIONS, OWN_SEED, check_own_name
from ._label_table import LabelTable
from ._own_images import file_names, fingerprint, read_own
from ._prepare import prepare
from ._unreadable import words_of_left_out
from .content import Content
from .split import Split, read_facts, read_split

_TAKEN = ("train", "query", "val")  # in this order; the rest is database
_DEFAULTS: Mapping[str, Any] = {"separator": " ", "least": 1}


@dataclass(frozen=True)
class Outcome:
    """What :func:`prepare_own` did.

    Args:
        split: the facts about the split.
        written: whether it was written now.
        left_out: in words, what in the folder is not used.
    """

    split: Split
    written: bool
    left_out: str = ""


def prepare_own(
    place: Path,
    name: str | None = None,
    *,
    fractions: str | None = None,
    seed: int | None = None,
    separator: str | None = None,
    least: int | None = None,
    no_skip: bool = False,
    skip_unreadable: Fraction = Fraction(),
) -> Outcome:
    """Prepare own images as a data set, unless they are prepared; linked, not copied, where possible.

    Where every image has one class, each fold gets its fraction of every class; else of all images, after one shuffle.

    Args:
        place: a folder with one sub-folder per class, or a CSV file with the columns ``file`` and ``labels``.
        name: what to call the data set; None for FOLDER and the name of the folder or file.
        fractions: of the images for train, val and query; None for those it is prepared with, or "train=0.5,val=0.1,query=0.1".
        seed: of the shuffle; None for the one it is prepared with, or 0.
        separator: what stands between the labels of an image in a CSV file; None for the one it is prepared with, or blanks.
        least: images a class must have, smaller ones are left out; None for what it is prepared with, or all classes.
        no_skip: prepare it again even if it is there.
        skip_unreadable: the largest share of the images that may be left out because they cannot be decoded; what remains is split.

    Raises:
        UsageError: for a name, fractions or a separator that cannot be used.
        DataError: when the images cannot be used, were changed since they were prepared, or the name belongs to others.
    """
    place = absolute(place)
    name = name or name_of_own(place)
    check_own_name(name)
    shares, drawn = parse_fractions(fractions or OWN_FRACTIONS), OWN_SEED if seed is None else seed
    check_place(name, place)
    if processed_folder(name).exists() and not no_skip and not place.exists():
        return Outcome(read_split(name), False)  # the images are there under their second names
    reading = _reading(name, separator, least, no_skip=no_skip)
    whole, left_out = read_own(place, reading.get("separator", _DEFAULTS["separator"]))
    table, reading = _with_least(whole, reading)
    source, single = _source(place, table), _is_single(table)
    rule = _rule(single, shares)
    content = partial(_content, single=single, shares=shares, seed=drawn, source=source, reading=reading)
    split, written = prepare(name, lambda: content(table), no_skip=no_skip, skip_unreadable=skip_unreadable)
    if split.source != source:
        _check_reading(split, reading)
        flags = "".join(f" -{flag} {shlex.quote(str(value))}" for flag, value in reading.items() if flag in _DEFAULTS)
        raise DataError(
            f"{place} was changed after {name} was prepared from it: prepare it again with "
            f"`python src/data/process/FOLDER.py {place} -name {name}{flags} -no_skip`, or use it as it was with -db {name}"
        )
    if (fractions is not None and split.rule != rule) or (seed is not None and split.seed != seed):
        raise DataError(
            f"{name} is prepared with another split ({split.rule}; seed {split.seed}): give -no_skip to replace it, "
            f"or -name for a second data set"
        )
    if "left_out" in split.reading:
        left_out = [*left_out, str(split.reading["left_out"])]
    return Outcome(split, written, f"left out: {', '.join(left_out)}" if left_out else "")


def check_place(name: str, place: Path) -> None:
    """Check that a data set, if it is there, was prepared from a place.

    Raises:
        DataError: naming both places, when it stems from elsewhere.
    """
    if not processed_folder(name).exists():
        return
    source = read_facts(name).source
    if _place_of(source) != str(place):
        raise DataError(
            f"the data set {name} was prepared from {_place_of(source)}, not from {place}: choose another name for these images, "
            f"`python src/data/process/FOLDER.py {place} -name NAME`, and then give -db NAME"
        )


def check_given(place: Path | None) -> None:
    """Check that what ``-db FOLDER:PATH`` names, if it is prepared, was prepared from that place; None passes.

    Raises:
        DataError: naming both places, when it stems from elsewhere.
    """
    if place is not None:
        check_place(name_of_own(place), place)


def prepare_given(place: Path | None, skip_unreadable: Fraction = Fraction()) -> list[str]:
    """Prepare what ``-db FOLDER:PATH`` names, unless it is prepared; nothing for None.

    Args:
        place: the folder or the CSV file, or None.
        skip_unreadable: see :func:`prepare_own`.

    Returns:
        What there is to say about it.

    Raises:
        UsageError: if images may be left out but none are prepared.
        DataError: as :func:`prepare_own`.
    """
    if place is None:
        if skip_unreadable:
            raise UsageError(
                "-skip_unreadable is for -db FOLDER:PATH, which prepares images, but -db names a prepared data set: leave the flag out"
            )
        return []
    outcome = prepare_own(place, skip_unreadable=skip_unreadable)
    if not outcome.written:
        return []
    split = outcome.split
    return [line for line in (outcome.left_out, *words_of_left_out(split.database), split.caption, *split.understood) if line]


def parse_fractions(text: str) -> dict[str, Fraction]:
    """Return the fractions of train, query and val, exactly as they are written.

    Args:
        text: ``train=0.5,val=0.1,query=0.1``, in any order.

    Raises:
        UsageError: for another form, a fraction that is not above 0, or fractions that leave nothing for the database.

    Example:
        >>> parse_fractions("train=0.29,val=0.1,query=0.1")["train"]
        Fraction(29, 100)
    """
    pairs = [part.strip().partition("=") for part in text.split(",")]
    given = {fold: value.strip() for fold, _, value in pairs}
    if len(pairs) != len(_TAKEN) or set(given) != set(_TAKEN) or not all(re.fullmatch(r"\d*\.?\d+", value) for value in given.values()):
        raise UsageError(f"-fractions {text!r} is not of the form {OWN_FRACTIONS}")
    shares = {fold: Fraction(given[fold]) for fold in _TAKEN}
    if min(shares.values()) <= 0 or sum(shares.values()) >= 1:
        raise UsageError(f"-fractions {text}: each must be above 0 and all together below 1, as the rest is the database")
    return shares


def _reading(name: str, separator: str | None, least: int | None, *, no_skip: bool) -> dict[str, Any]:
    """Return how to read the source, as ``split.json`` records it: as asked for, or else as before."""
    if separator == "":
        raise UsageError("-separator needs a text, as in -separator ';'")
    before = read_facts(name).reading if processed_folder(name).exists() and not no_skip else {}
    asked = {"separator": separator, "least": least}
    wanted = {flag: before.get(flag, default) if asked[flag] is None else asked[flag] for flag, default in _DEFAULTS.items()}
    return {flag: value for flag, value in wanted.items() if value != _DEFAULTS[flag]}


def _check_reading(split: Split, reading: Mapping[str, Any]) -> None:
    for flag, default in _DEFAULTS.items():
        before, now = split.reading.get(flag, default), reading.get(flag, default)
        if before != now:
            raise DataError(
                f"{split.database} is prepared with -{flag} {before!r}, not {now!r}, which makes other labels: "
                f"give -no_skip to replace it, or -name for a second data set"
            )


def _with_least(table: LabelTable, reading: dict[str, Any]) -> tuple[LabelTable, dict[str, Any]]:
    """Leave out what small classes hold, if that was asked for, and record it."""
    if "least" not in reading:
        return table, reading
    kept, small = table.with_least(reading["least"])
    words = ", ".join(filter(None, (reading.get("left_out"), small)))
    return kept, {**reading, "left_out": words} if words else reading


def _source(place: Path, table: LabelTable) -> str:
    return f"{place} ({len(table):,} images, SHA-256 of names, sizes and labels {fingerprint(table)})"


def _place_of(source: str) -> str:
    return re.sub(r" \([\d,]+ images, SHA-256 of names, sizes and labels \w+\)$", "", source)


def _rule(single: bool, shares: Mapping[str, Fraction]) -> str:
    words = f"{_splits.words_of(shares)}, rounded down but at least 1, the rest database"
    return f"per class, after one shuffle of all images: {words}" if single else f"of all images, shuffled: {words}"


def _is_single(table: LabelTable) -> bool:
    return bool((table.labels.sum(axis=1) == 1).all())


def _content(
    table: LabelTable, *, single: bool, shares: Mapping[str, Fraction], seed: int, source: str, reading: dict[str, Any]
) -> Content:
    if single:
        folds = _splits.per_class_share(table.labels.argmax(axis=1), shares, names=table.classes, seed=seed)
    else:
        folds = _splits.deal(len(table), _splits.share_sizes(len(table), shares), seed=seed)
        _splits.check_findable(table.labels, folds, table.classes)
    content = table.content(folds, _splits.Protocol("disjoint", _rule(single, shares), seed), source=source)

    def without(rows: NDArray[np.int64]) -> Content:
        kept, read = _with_least(table.rows(np.setdiff1d(np.arange(len(table)), rows)), reading)
        return _content(kept, single=single, shares=shares, seed=seed, source=source, reading=read)

    return dataclasses.replace(content, files=file_names(table.paths), without=without, reading={**content.reading, **reading})
