"""Measure codes of images and texts in closed form, which a learned method should beat."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..codes import pack
from ..codes.closed_form import Linear, canonical_correlation, class_targets, ridge_regression
from ..data import FeatureFold, ImageFold, PreparedDataset, Transformation, has_features, load_features
from ..data.features.rows import statistics_of
from ..errors import UsageError
from ..eval import RetrievalTask, mean_average_precision
from ..eval.records.directions import directions_of
from ..eval.records.text_table import text_table
from ..modalities import MODALITIES
from ..models.CrossModal import Settings
from ..models.CrossModal.views import OfTexts, View, texts_of, transformation_of_texts
from ..preprocessing import Preprocessing

DRAWS = 3  # of the codes of the classes
SIDE = 32  # pixels of the images that the maps see
_ROWS = 1024  # items that are decoded at a time

Maps: TypeAlias = dict[str, Linear]  # by view
Items: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # codes and labels


def baselines(database: str, bits: Sequence[int] = (16, 32, 64)) -> dict[tuple[str, int], list[dict[str, float]]]:
    """Return the mAP of each direction, whole ranking and ties expected, for each baseline and length of code, one for each draw.

    - ``CCA``: canonical correlation of the principal components of both views.
    - ``ridge``: ridge regression of each view to random codes of the classes.
    - ``chance``: all codes are equal; its length is 0.

    Images are squashed to 32×32 pixels in colour, texts are bags of words; columns of ready features are divided by their deviation
    over train. An item that lacks a view is left out where that counts.

    Args:
        database: a prepared dataset whose images have texts.
        bits: lengths of the codes.

    Raises:
        UsageError: for a length that is not possible.
        DataError: if the dataset cannot be used, or has no texts.
    """
    if impossible := [length for length in bits if length < 1]:
        raise UsageError(f"-nbits {impossible[0]} is not possible: a code has at least 1 bit")
    prepared = PreparedDataset(database)
    texts = transformation_of_texts(prepared, Settings())
    train = _folds(prepared, "train", texts)
    scales = {view: _scale(fold) for view, fold in train.items()}
    maps = _learned(train, scales, bits)
    sides: list[dict[str, dict[tuple[str, int, int], Items]]] = []
    for fold in ("query", "database"):
        views = _folds(prepared, fold, texts)
        sides.append({view: _coded(views[view], scales[view], {key: one[view] for key, one in maps.items()}) for view in MODALITIES})
    results: dict[tuple[str, int], list[dict[str, float]]] = {}
    for name, length, draw in [("chance", 0, 0), *maps]:
        results.setdefault((name, length), []).append(
            {
                direction: _mean_average_precision(sides[0][query][name, length, draw], sides[1][item][name, length, draw])
                for direction, (query, item) in directions_of(MODALITIES).items()
            }
        )
    return results


def _folds(prepared: PreparedDataset, fold: str, texts: OfTexts) -> dict[str, View]:
    metadata = prepared.fold(fold)
    small = Transformation(Preprocessing((SIDE, SIDE), crop=1.0, crop_mode="squash"))
    images = FeatureFold(metadata, load_features(metadata)) if has_features(metadata) else ImageFold(metadata, small)
    return {"image": images, "text": texts_of(prepared, metadata, texts)}


def _scale(fold: View) -> NDArray[np.float32]:
    """Return what the numbers of a view are divided by: 255 for bytes, 1 for words, the deviation of each column of ready features."""
    if isinstance(fold, FeatureFold):
        return statistics_of(fold.values)[1]
    return np.array(255 if isinstance(fold, ImageFold) else 1, np.float32)


def _learned(train: Mapping[str, View], scales: Mapping[str, NDArray[np.float32]], bits: Sequence[int]) -> dict[tuple[str, int, int], Maps]:
    """Return the maps of both views by baseline, length and draw."""
    labels = train["image"].metadata.labels
    items = {view: _matrix(fold, np.arange(len(fold)), scales[view]) for view, fold in train.items()}
    paired = train["image"].present & train["text"].present
    correlated = canonical_correlation(items["image"][paired], items["text"][paired], max(bits))
    drawn = [(length, draw) for length in bits for draw in range(DRAWS)]
    targets = np.concatenate([class_targets(labels, *one) for one in drawn], axis=1)  # one regression for all of them
    regressed = [ridge_regression(items[view][fold.present], targets[fold.present]) for view, fold in train.items()]
    ends = np.cumsum([0, *(length for length, _ in drawn)])
    maps = {("CCA", length, 0): _of_views(correlated, slice(length)) for length in bits}
    for (length, draw), start in zip(drawn, ends[:-1].tolist(), strict=True):
        maps["ridge", length, draw] = _of_views(regressed, slice(start, start + length))
    return maps


def _of_views(both: Sequence[Linear], bits: slice) -> Maps:
    return {view: one.part(bits) for view, one in zip(MODALITIES, both, strict=True)}


def _matrix(fold: View, rows: NDArray[np.int64], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return items as rows of numbers, float32 (n, d); zeros for what is not there."""
    there = np.flatnonzero(fold.present[rows])
    parts = [fold.batch(rows[part].tolist())[0].flatten(1).numpy() / scale for part in _parts(there)]
    matrix = np.zeros((len(rows), parts[0].shape[1]), np.float32)
    matrix[there] = np.concatenate(parts)
    return matrix


def _coded(fold: View, scale: NDArray[np.float32], maps: Mapping[tuple[str, int, int], Linear]) -> dict[tuple[str, int, int], Items]:
    """Return packed codes of the items that are there, by every map, with their labels."""
    rows = np.flatnonzero(fold.present)
    labels = fold.metadata.labels[rows]
    codes: dict[Any, list[NDArray[np.uint8]]] = {key: [] for key in maps}
    for part in _parts(rows):
        matrix = _matrix(fold, part, scale)
        for key, one in maps.items():
            codes[key].append(pack(one(matrix)))
    equal = np.zeros((len(rows), 1), np.uint8)
    return {key: (np.concatenate(parts), labels) for key, parts in codes.items()} | {("chance", 0, 0): (equal, labels)}


def _parts(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.array_split(rows, range(_ROWS, len(rows), _ROWS))


def _mean_average_precision(queries: Items, database: Items) -> float:
    task = RetrievalTask(queries[0], database[0], queries[1], database[1])
    return float(mean_average_precision(task))


def from_arguments(arguments: Namespace) -> None:
    """Print the table of the dataset that ``baselines.py`` names."""
    results = baselines(arguments.database, arguments.number_of_bits)
    directions = list(directions_of(MODALITIES))
    rows = []
    for (name, length), draws in results.items():
        values = {direction: [draw[direction] for draw in draws] for direction in directions}
        cells = [f"{np.mean(of):.3f}" + (f" ± {np.std(of, ddof=1):.3f}" if len(of) > 1 else "") for of in values.values()]
        rows.append([name, str(length or "any"), *cells])
    print(PreparedDataset(arguments.database).split.caption)
    print(f"mAP of the query fold, whole ranking, ties expected; ridge: mean ± standard deviation of {DRAWS} draws of the classes' codes")
    print("\n" + text_table(["baseline", "bits", *directions], rows))
