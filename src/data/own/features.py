"""Preparing ready features as a dataset: what ``process/FEATURES.py`` does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ...settings import FOLDS
from ..catalogue import OWN_FRACTIONS, OWN_SEED, check_own_name
from ..prepare import splits
from ..prepare.content import DatasetContent
from ..prepare.labels import unused_classes, without_images
from ..prepare.write import prepare
from ..split import Split
from .feature_files import read_feature_files
from .feature_layouts import read_layout
from .feature_table import FeatureTable
from .shares import dealt, is_single, parse_fractions, rule_of

SHARED = ("train-database", "val-database")  # pairs of folds that may share items

Folds = Mapping[str, NDArray[np.int64]]


def prepare_features(
    name: str,
    *,
    source: Path | None = None,
    features: Sequence[str] = (),
    texts: Sequence[str] = (),
    labels: Sequence[str] = (),
    classes: Path | None = None,
    fractions: str | None = None,
    sizes: str | None = None,
    seed: int | None = None,
    share: Collection[str] = (),
    val_size: int | None = None,
    no_skip: bool = False,
) -> tuple[Split, bool]:
    """Write ready features to ``data/processed/<name>/``, unless they are there already.

    Args:
        name: what to call the dataset.
        source: a file or a directory of a known layout, see :func:`~.feature_layouts.read_layout`; None for files of their own.
        features: ``FILE.npy`` of all items, or ``FOLD=FILE.npy`` of each fold.
        texts: the same of a second view; empty for none.
        labels: the same, ``.npy``, ``.txt`` or ``.csv``.
        classes: class names, one in a line, which class numbers index from 0.
        fractions: of all items for train, val and query, the rest is database.
        sizes: their numbers, in place of fractions.
        seed: of the shuffle.
        share: "train-database", "val-database": items of train, of val, that lie in the database as well.
        val_size: with folds that have no val: how many items of train are drawn for it; None for a tenth.
        no_skip: write it again even if it is there.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: naming the file, if one cannot be used.
    """
    check_own_name(name)
    if (source is None) == (not features):
        raise UsageError("give either -features FILE.npy with -labels FILE, or -from PATH for a layout that is known")
    if unknown := [pair for pair in share if pair not in SHARED]:
        raise UsageError(f"-share {unknown[0]}: folds that may share items are {', '.join(SHARED)}")
    if fractions and sizes:
        raise UsageError("-fractions and -sizes both say how many items a fold gets: give one of them")
    if source is not None and (texts or labels or classes):
        raise UsageError("-from PATH has labels, and texts, of its own: leave out -texts, -labels and -classes")
    parts = partial(_folds, fractions=fractions, sizes=sizes, seed=OWN_SEED if seed is None else seed, share=share, val_size=val_size)

    def content() -> DatasetContent:
        table = read_layout(source) if source is not None else read_feature_files(features, texts, labels, classes)
        return _content(table, *parts(table))

    return prepare(name, content, no_skip=no_skip)


def _folds(
    table: FeatureTable, *, fractions: str | None, sizes: str | None, seed: int, share: Collection[str], val_size: int | None
) -> tuple[Folds, splits.Protocol]:
    """Return the folds of a table, and the rule that made them."""
    if table.parts:
        if fractions or sizes:
            raise UsageError(f"{'-fractions' if fractions else '-sizes'} splits items, but these come as folds: leave it out")
        folds, rule, shared = _completed(table.parts, val_size, seed)
    elif val_size is not None:
        raise UsageError("-val_size is for features that come as folds without val: give -sizes or -fractions")
    else:
        folds, rule = _drawn(table, fractions, sizes, seed)
        shared = []
    both = [*shared, *(pair for pair in share if pair not in shared)]
    merged = splits.merge_folds(folds, [pair for pair in both if pair not in shared])
    if added := [pair.partition("-")[0] for pair in both if pair not in shared]:
        rule += f"; {' and '.join(added)} also in the database"
    return merged, splits.Protocol("disjoint" if not both else "features", rule, seed, tuple(both))


def _completed(parts: Folds, val_size: int | None, seed: int) -> tuple[Folds, str, list[str]]:
    """Return the folds that a source has, val drawn from train where it has none, and the pairs that share items then."""
    folds, rule, shared = dict(parts), f"as they come: {', '.join(parts)}", list[str]()
    if "val" in parts and val_size is not None:
        raise UsageError("-val_size is for features without a fold val, and there is one")
    if "val" not in parts:
        free = parts["train"]
        size = max(1, len(free) // 10) if val_size is None else val_size
        if not 0 < size < len(free):
            raise UsageError(f"-val_size {size} is not possible: train has {len(free):,} items, of which at least 1 must stay")
        drawn = free[splits.random_split(len(free), {"val": size}, seed=seed)["val"]]
        folds |= {"val": drawn, "train": free[~np.isin(free, drawn)]}
        rule += f"; val: {size:,} items of train, drawn after one shuffle"
    if "database" not in parts:
        folds["database"] = np.union1d(folds["train"], folds["val"])
        rule, shared = f"{rule}; the database is train and val", list(SHARED)
    return folds, rule, shared


def _drawn(table: FeatureTable, fractions: str | None, sizes: str | None, seed: int) -> tuple[Folds, str]:
    """Return folds drawn at random, by fractions or by sizes."""
    if sizes is None:
        shares, single = parse_fractions(fractions or OWN_FRACTIONS), is_single(table.labels)
        return dealt(table.labels, table.classes, shares, single=single, seed=seed), rule_of(shares, single=single)
    counts = splits.parse_sizes(sizes)
    words = ", ".join(f"{fold} {count:,}" for fold, count in counts.items())
    return splits.random_split(len(table), counts, seed=seed), f"of all items, shuffled: {words}, the rest database"


def _content(table: FeatureTable, folds: Folds, protocol: splits.Protocol) -> DatasetContent:
    empty = unused_classes(table.labels[np.unique(np.concatenate([folds[fold] for fold in FOLDS]))], table.classes)
    return DatasetContent(
        files=table.names,
        labels=table.labels,
        classes=table.classes,
        folds=folds,
        write_image=None,
        protocol=protocol,
        source=table.source,
        unused=empty,
        where=lambda row: f"row {row + 1:,}",
        reading={"labels": table.form},
        remarks=without_images(empty, "item"),
        features=table.features,
    )
