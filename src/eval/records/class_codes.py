"""Images classified by the codes of classes: all numbers of a run whose method learns a codebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checksums import digest
from ...codes import unpack
from ...codes.codebooks import (
    area_under_roc,
    check_codebook,
    class_code_predictions,
    codebook_facts,
    exact_accuracy,
    nearest_distance,
    outside,
    softmax_score,
    top_k_accuracy,
)
from ...errors import BioDeepHashingError, DataError, RunError
from ...runs.class_codes_json import CODEBOOK, TRAIN, UNKNOWN, UNSEEN
from ..arrays.array_files import read_npy
from .code_files import FoldCodes, read_fold
from .run_codes import RunCodes
from .text_table import text_table

TIES = {
    "expected": "classes at equal distance in every order alike; ed: an image whose code several classes share counts a share",
    "index": "of classes at equal distance the one with the smaller number first",
}
_HEADINGS = {
    "class_code_accuracy": "class codes", "mhd_expected": "mhd, expected", "mhd_index": "mhd, index", "mhd_top_5_expected": "mhd top 5",
    "ed": "ed", "ed_expected": "ed, expected", "outside": "outside",
}  # fmt: skip


@dataclass(frozen=True)
class _Images:
    """Some images: their codes as ±1 or, where they are read, the outputs behind them (n, K), and their classes (n,)."""

    outputs: NDArray[Any]
    classes: NDArray[np.intp]

    def __getitem__(self, rows: NDArray[np.bool_]) -> _Images:
        return _Images(self.outputs[rows], self.classes[rows])


def read_codebook(codes: RunCodes) -> NDArray[np.float32]:
    """Read the codebook of a run.

    Returns:
        Real, (C, K).

    Raises:
        RunError: when it is damaged, or does not fit the run.
    """
    file, labels = codes.run.codebook_file, codes.sides["database"][""].labels
    try:
        codebook: NDArray[np.float32] = read_npy(file)
        check_codebook(codebook, labels.shape[1], codes.predictions.bits)
    except BioDeepHashingError as error:
        raise RunError(f"{file}: {error}") from error
    return codebook


def class_code_facts(codes: RunCodes) -> dict[str, Any]:
    """Return what the numbers of a run are made from: checksums of codebook, metadata and codes of each fold."""
    folds = [fold for fold in ("query", "database", "train") if fold in codes.sides or fold in codes.predictions.folds]
    return {
        "codebook_sha256": digest(codes.run.codebook_file),
        "codes_sha256": {fold: codes.predictions.fact(fold, "codes_sha256") for fold in folds},
        "metadata_sha256": {fold: codes.prepared.split.sha256[f"{fold}_metadata.txt"] for fold in (*folds, "train")},
    }


def measure_class_codes(codes: RunCodes, codebook: NDArray[Any], *, with_features: bool) -> dict[str, Any]:
    """Return all numbers of a run.

    Unseen images are those of query and database that are not among train and val. A class without an image in train is unknown: its
    images are told apart by how far their codes are from every class's, and its own code, which nothing was drawn to, does not count.

    Args:
        codes: what the run predicted.
        codebook: real, (C, K).
        with_features: whether features may be read; without them nothing is known of what is not binarised.

    Raises:
        DataError: for an image with several classes, or none.
        RunError: when a file of the run cannot be used.
    """
    known = codes.prepared.fold("train").labels.any(axis=0)
    numbers = np.cumsum(known) - 1  # of the known classes, among themselves
    book = codebook[known]
    found: dict[str, Any] = {CODEBOOK: _facts_of(codebook)}
    unseen = _unseen(codes, with_features)
    unknown = unseen[~known[unseen.classes]]
    unseen = unseen[known[unseen.classes]]
    if len(unseen.classes):
        folds = [fold for fold in ("query", "database") if fold in codes.sides]
        found[UNSEEN] = {"folds": folds} | _numbers(_Images(unseen.outputs, numbers[unseen.classes]), book, with_features)
    if TRAIN in codes.predictions.folds:
        train = _images(codes, TRAIN, with_features)
        found[TRAIN] = _numbers(_Images(train.outputs, numbers[train.classes]), book, with_features)
    if len(unknown.classes) and len(unseen.classes):
        left_out = [codes.prepared.split.classes[number] for number in np.flatnonzero(~known)]
        found[UNKNOWN] = {"classes": left_out} | _unknown(unseen.outputs, unknown.outputs, book, with_features)
    return found


def class_code_lines(content: Mapping[str, Any]) -> str:
    """Return the numbers of a run as text, each with what must be stated beside it."""
    facts = content[CODEBOOK]
    lines = [
        f"codebook: {facts['distinct']} distinct codes of {facts['classes']} classes, distance at least {facts['least']}, mean "
        f"{facts['mean']:.2f}; {facts['constant_bits']} bits equal in all classes, {facts['repeated_bits']} pairs equal or opposite"
    ]
    measured = {part: content[part] for part in (UNSEEN, TRAIN) if part in content}
    if UNSEEN in measured:
        lines += [f"unseen: images of {' and '.join(content[UNSEEN]['folds'])} that are in neither train nor val"]
    lines += [f"ties {name}: {words}" for name, words in TIES.items()]
    rows = [
        [part, f"{numbers['images']:,}", *(f"{numbers[name]:.4f}" if name in numbers else "" for name in _HEADINGS)]
        for part, numbers in measured.items()
    ]
    lines += ["", text_table(["images", "count", *_HEADINGS.values()], rows)]
    if UNKNOWN in content:
        lines += ["", _unknown_line(content[UNKNOWN])]
    return "\n".join(lines)


def _facts_of(codebook: NDArray[Any]) -> dict[str, Any]:
    facts = codebook_facts(codebook)
    return {"classes": len(codebook), "bits": codebook.shape[1]} | vars(facts) | {"balance": list(facts.balance)}


def _numbers(images: _Images, codebook: NDArray[Any], with_features: bool) -> dict[str, Any]:
    z, y = images.outputs, images.classes
    found: dict[str, Any] = {"images": len(y)}
    if with_features:
        found["class_code_accuracy"] = float((class_code_predictions(z, codebook) == y).mean())
    for k, top in ((1, ""), (5, "_top_5")):
        found |= {f"mhd{top}_{ties}": top_k_accuracy(z, codebook, y, k=k, ties=ties) for ties in TIES}
    found |= {"ed": exact_accuracy(z, codebook, y), "ed_expected": exact_accuracy(z, codebook, y, ties="expected")}
    return found | {"outside": float(outside(z, codebook).mean())}


def _unknown(known: NDArray[Any], unknown: NDArray[Any], codebook: NDArray[Any], with_features: bool) -> dict[str, Any]:
    found = {"images": len(unknown), "outside": float(outside(unknown, codebook).mean())}
    found["auroc_distance"] = area_under_roc(nearest_distance(known, codebook), nearest_distance(unknown, codebook))
    if with_features:
        found["auroc_softmax"] = area_under_roc(softmax_score(known, codebook), softmax_score(unknown, codebook))
    return found


def _unknown_line(numbers: Mapping[str, Any]) -> str:
    softmax = f", of the largest softmax probability {numbers['auroc_softmax']:.4f}" if "auroc_softmax" in numbers else ""
    return (
        f"classes without an image in train ({', '.join(numbers['classes'])}): {numbers['images']:,} images, {numbers['outside']:.4f} "
        f"outside; area under the ROC curve of the distance to the nearest class code {numbers['auroc_distance']:.4f}{softmax}"
    )


def _unseen(codes: RunCodes, with_features: bool) -> _Images:
    seen = {path for fold in ("train", "val") for path in codes.prepared.fold(fold).paths}
    parts: list[_Images] = []
    for fold in (fold for fold in ("query", "database") if fold in codes.sides):
        paths: Sequence[str] = codes.prepared.fold(fold).paths
        parts.append(_images(codes, fold, with_features)[np.array([path not in seen for path in paths])])
        seen |= {*paths}  # an image that is in both counts once
    return _Images(*(np.concatenate(both) for both in zip(*((one.outputs, one.classes) for one in parts), strict=True)))


def _images(codes: RunCodes, fold: str, with_features: bool) -> _Images:
    metadata = codes.prepared.fold(fold)
    if fold in codes.sides:
        one: FoldCodes = codes.sides[fold][""].codes
    else:
        checksum = codes.prepared.split.sha256[metadata.file.name]
        one = read_fold(
            codes.run, fold, codes.predictions, rows=len(metadata), metadata_sha256=checksum, with_features=with_features
        )[""]  # fmt: skip
    counts = metadata.labels.sum(axis=1)
    if len(bad := np.flatnonzero(counts != 1)):
        raise DataError(f"{metadata.where(bad[0])} has {counts[bad[0]]} classes: images are classified by their one class")
    outputs = one.features if with_features and one.features is not None else unpack(one.codes, one.bits)
    return _Images(outputs, metadata.labels.argmax(axis=1))
