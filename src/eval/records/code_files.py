"""The files that prediction leaves in a run directory, read with every check that prevents a wrong result."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checksums import digest
from ...codes import pack
from ...errors import DataError, RunError
from ...runs import Run
from ...runs.predictions_json import PREDICT, Predictions, read_predictions
from ..arrays.array_files import read_npy
from ..arrays.text_files import in_short


@dataclass(frozen=True)
class FoldCodes:
    """Codes of one view of a fold, and the features they are the signs of.

    Args:
        codes: packed codes, uint8 (n, bytes).
        bits: length of a code.
        zeros: entries that are exactly zero; their bits count as +1.
        features: raw hash-layer outputs, (n, bits); None if they were not stored or not requested.
        codes_sha256: checksum of the file the codes were read from.
        features_sha256: checksum of the file of the features; None without them.
        absent: rows of items that have no such view, whose codes say nothing.
    """

    codes: NDArray[np.uint8]
    bits: int
    zeros: int
    features: NDArray[Any] | None
    codes_sha256: str
    features_sha256: str | None
    absent: tuple[int, ...] = ()


def current_predictions(run: Run) -> Predictions:
    """Read ``predictions.json`` and check that it speaks of the run's present best checkpoint, if its method has checkpoints.

    Raises:
        RunError: if the run was not trained, not predicted, or was trained again since.
    """
    predictions = read_predictions(run.predictions_file)
    made_with = predictions.fingerprint
    if made_with.checkpoint and made_with.sha256 != digest(checkpoint := run.best_checkpoint):
        raise RunError(
            f"the codes of {run.directory} were made with another checkpoint ({made_with.checkpoint}) "
            f"than the present {checkpoint.name}: {PREDICT}"
        )
    return predictions


def read_fold(
    run: Run, fold: str, predictions: Predictions, *, rows: int, metadata_sha256: str, made_from: Mapping[str, str] | None = None,
    with_features: bool = True,
) -> dict[str, FoldCodes]:  # fmt: skip
    """Read codes and features of a fold, by view.

    Args:
        run: the run.
        fold: the fold.
        predictions: what prediction says about it.
        rows: images of the fold, by its metadata.
        metadata_sha256: checksum of that metadata file.
        made_from: checksums of further files that views are made from, texts and ready features, by the names of the facts.
        with_features: False leaves the file of the features alone, be it there or not.

    Raises:
        RunError: if a file is missing, damaged, of the wrong shape, or not what prediction wrote.
    """
    views = predictions.folds.get(fold)
    if views is None:
        raise RunError(f"the fold {fold} of {run.directory} has no codes: {PREDICT} (-dfs {' '.join([*predictions.folds, fold])})")
    shape = (rows, predictions.bits)
    for name, checksum in (made_from or {}).items():
        if any(facts.get(name, checksum) != checksum for facts in views.values()):
            what = name.removesuffix("_sha256").replace("_", " ")
            codes = f"the codes of the fold {fold} of {run.directory}"
            raise RunError(f"{codes} were made from other {what} than the dataset has now: {PREDICT}")
    return {view: _read_view(run, (fold, view), facts, shape, metadata_sha256, with_features) for view, facts in views.items()}


def _read_view(
    run: Run, part: tuple[str, str], facts: Mapping[str, Any], shape: tuple[int, int], metadata_sha256: str, with_features: bool
) -> FoldCodes:
    """Read codes and features of a view of a fold."""
    codes, codes_file = _read_codes(run, part, shape)
    features = _read_features(run.features_file(*part), shape) if with_features else None
    if facts.get("metadata_sha256") != metadata_sha256:
        raise RunError(f"the codes of the fold {part[0]} of {run.directory} were made from another version of the dataset: {PREDICT}")
    codes_sha256, absent = digest(codes_file), tuple(facts.get("absent", ()))
    # packed anew, codes that are read from text are the bytes that were predicted
    _check_unchanged(run, codes_file, facts.get("codes_sha256"), codes_sha256 if codes_file.suffix == ".npy" else _digest_of(codes))
    if features is None:
        return FoldCodes(codes, shape[1], _recorded_zeros(run, part[0], facts), None, codes_sha256, None, absent)
    features_sha256 = digest(run.features_file(*part))
    _check_unchanged(run, run.features_file(*part), facts.get("features_sha256"), features_sha256)
    if not np.array_equal(codes, pack(features)):
        raise RunError(f"{codes_file} does not hold the signs of {run.features_file(*part).name}: {PREDICT}")
    zeros = int(np.count_nonzero(features == 0)) - len(absent) * shape[1]
    return FoldCodes(codes, shape[1], zeros, features, codes_sha256, features_sha256, absent)


def _check_unchanged(run: Run, file: Path, recorded: object, found: str) -> None:
    if recorded != found:
        raise RunError(f"{file} was changed after it was predicted (its checksum is not that of {run.predictions_file.name}): {PREDICT}")


def _recorded_zeros(run: Run, fold: str, facts: Mapping[str, Any]) -> int:
    zeros = facts.get("zeros")
    if not isinstance(zeros, int):
        raise RunError(f"{run.predictions_file} is damaged (no zeros of the fold {fold}): {PREDICT}")
    return zeros


def _digest_of(codes: NDArray[np.uint8]) -> str:
    """Return the checksum of the file that packed codes would be saved as."""
    stream = BytesIO()
    np.save(stream, codes)
    return sha256(stream.getbuffer()).hexdigest()


def _read_features(file: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    if not file.exists():
        raise RunError(f"{file} is missing, and the tie rule feature needs it: {PREDICT}; -no_features measures the rest")
    features = _load(file)
    if features.shape != shape or features.dtype != np.float32:
        raise RunError(f"{file} holds {features.dtype} {features.shape}, but float32 {shape} (images, bits) is expected: {PREDICT}")
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise RunError(f"row {row} of {file} {features.shape} holds NaN or infinity: the training of this run diverged")
    return features


def _read_codes(run: Run, part: tuple[str, str], shape: tuple[int, int]) -> tuple[NDArray[np.uint8], Path]:
    """Read packed codes, or codes as text where there are no packed ones."""
    file, text = run.codes_file(*part), run.hashes_file(*part)
    if not file.exists() and text.exists():
        return _read_text(text, shape), text
    if not file.exists():
        raise RunError(f"{file} is missing: {PREDICT}")
    codes, expected = _load(file), (shape[0], (shape[1] + 7) // 8)
    if codes.shape != expected or codes.dtype != np.uint8:
        raise RunError(f"{file} holds {codes.dtype} {codes.shape}, but uint8 {expected} ({shape[1]} bits, packed) is expected: {PREDICT}")
    return codes, file


def _read_text(file: Path, shape: tuple[int, int]) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "input contained no data": the check of the shape reports it
            values = np.loadtxt(file, dtype=np.int8, delimiter="\t", ndmin=2, comments=None)
    except (ValueError, OverflowError, UnicodeDecodeError) as error:
        raise RunError(f"{file} is not a table of -1, 0 and 1: {in_short(error)}") from error
    if values.shape != shape:
        raise RunError(f"{file} holds {values.shape}, but {shape} (images, bits) is expected: {PREDICT}")
    if not np.isin(values, (-1, 0, 1)).all():
        raise RunError(f"{file} holds values other than -1, 0 and 1")
    return pack(values)


def _load(file: Path) -> NDArray[Any]:
    try:
        return read_npy(file)
    except DataError as error:
        raise RunError(f"{error}: {PREDICT}") from error
