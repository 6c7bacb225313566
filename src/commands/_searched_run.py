"""A run that answers queries: its index, its codes of whole folds, and the network that makes codes of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import Metadata, PreparedDataset
from ..data.images.decoding import UnreadableError, decode
from ..errors import BioDeepHashingError, DataError, RunError, UsageError
from ..eval.records.code_files import FoldCodes, current_predictions, read_fold
from ..models import Classifier, classifier_of
from ..preprocessing import Preprocessing
from ..runs import Run, home
from ..search import Answer, Index, Item
from ..search.results import Prediction, Result, result_of
from ..settings import FOLDS
from ..settings.strict_parser import command_line
from ._search_codes import index_of, of_images, stored_path

if TYPE_CHECKING:
    from ..data.images._geometry import Geometry
    from ..models.encoder import Encoded, Encoder

MOST_PIXELS = 64_000_000  # of a query image


@dataclass(frozen=True)
class Query:
    """What is searched for.

    Args:
        source: in words: a file, or a fold and a row.
        code: packed, (bytes,).
        features: of the network, float32 (bits,); None where only the code is known.
        labels: 0 or 1, (C,); None where they are not known.
        path: of the image, as an index has it; empty where there is none.
        image: decodes it; None where there is none.
        note: what was done to it before the network.
    """

    source: str
    code: NDArray[np.uint8]
    features: NDArray[np.float32] | None = None
    labels: NDArray[np.uint8] | None = None
    path: str = ""
    image: Callable[[], Image.Image] | None = None
    note: str = ""


@dataclass(frozen=True)
class Question:
    """How to search.

    Args:
        k: how many neighbours.
        radius: all within this distance, in place of k; None for k.
        most: how many within the radius at most.
        classes: only neighbours of one of these; None for all.
        not_itself: leave out the item that is the query's own image.
        ties: "id" or "features".
    """

    k: int = 10
    radius: int | None = None
    most: int = 1000
    classes: Sequence[str] | None = None
    not_itself: bool = False
    ties: str = "id"


class SearchedRun:
    """A run that answers queries.

    Args:
        run: a predicted run.
        folder: where its index lies; None for its place in the run's directory. It is built where there is none.

    Raises:
        RunError: if the run has neither index nor codes, or the index is of another checkpoint.
    """

    def __init__(self, run: Run, folder: Path | None = None) -> None:
        self.run, self.index, self.hparams = run, index_of(run, folder), run.hparams()

    @cached_property
    def prepared(self) -> PreparedDataset:
        """The dataset of the run."""
        return PreparedDataset(self.run.database)

    @cached_property
    def classifier(self) -> Classifier | None:
        """What the method learned to tell classes by; None for nothing."""
        return classifier_of(self.run)

    @cached_property
    def encoder(self) -> Encoder:
        """The network of the run, and what happens to images before it."""
        from ..models.encoder import Encoder  # seconds of PyTorch, for those who ask with images

        return Encoder.of(self.run)

    @cached_property
    def geometry(self) -> Geometry | None:
        """What brings an image to the one size that the network knows; None where the encoder does that for any size."""
        usual = self.encoder.transformation
        if usual.geometry is not None:
            return None
        width, height = image_of(self.prepared.fold("database").image(0)).size
        return replace(usual, preprocessing=Preprocessing((height, width), crop=1.0)).geometry

    def warmed(self) -> SearchedRun:
        """Load all that the first query would wait for, and return this run."""
        _ = self.encoder, self.geometry, self.classifier
        return self

    def row(self, text: str) -> Query:
        """Return the query that ``FOLD:ROW`` names.

        Raises:
            UsageError: for an unknown fold or row.
            RunError: if the fold was not predicted.
        """
        fold, colon, number = text.partition(":")
        if not colon or fold not in FOLDS or not number.isdecimal():
            raise UsageError(f"-row {text!r} is not FOLD:ROW, as in query:17; folds are {', '.join(FOLDS)}")
        metadata, codes = self.fold(fold)
        row = int(number)
        if row >= len(metadata):
            raise UsageError(f"-row {text}: the last row of the fold {fold} is {len(metadata) - 1}")
        features = None if codes.features is None else codes.features[row]
        path, file = metadata.paths[row], metadata.image(row)
        return Query(f"{fold}:{row}", codes.codes[row], features, metadata.labels[row], path, lambda: image_of(file))

    def fold(self, fold: str) -> tuple[Metadata, FoldCodes]:
        """Return metadata and codes of a fold, and its features if they were stored."""
        if fold not in self._folds:
            predictions, metadata = current_predictions(self.run), self.prepared.fold(fold)
            if fold not in predictions.folds:
                known = ", ".join(predictions.folds)
                predict = command_line(f"src/models/{self.run.method}/predict.py")
                raise RunError(f"{self.run} has codes of {known}, not of {fold}: {predict} -p {self.run.quoted} -dfs {fold}")
            checksum, there = self.prepared.split.sha256[metadata.file.name], _has_features(self.run, fold, predictions.folds[fold])
            views = read_fold(self.run, fold, predictions, rows=len(metadata), metadata_sha256=checksum, with_features=there)
            self._folds[fold] = metadata, of_images(self.run, views)
        return self._folds[fold]

    @cached_property
    def _folds(self) -> dict[str, tuple[Metadata, FoldCodes]]:
        return {}

    def encode(self, images: Sequence[Image.Image]) -> tuple[Encoded, list[str]]:
        """Return features and codes of decoded images, and for each what was done to it, in words."""
        notes = [""] * len(images)
        if self.geometry is not None:
            height, width = self.geometry.size
            notes = [
                "" if one.size == (width, height) else f"scaled from {one.width} x {one.height} to {width} x {height}" for one in images
            ]
            images = [self.geometry(image) if note else image for image, note in zip(images, notes, strict=True)]
        return self.encoder.encode(images), notes

    def image(self, source: str, image: Image.Image, path: str = "") -> Query:
        """Return the query that an image is; its classes are known where the index has its path."""
        encoded, (note,) = self.encode([image])
        number = self.index.find(path) if path else None
        labels = self.index.item(number).labels if number is not None else None
        return Query(source, encoded.codes[0], encoded.features[0], labels, path, lambda: image, note)

    def image_file(self, file: Path) -> Query:
        """Return the query that an image file is.

        Raises:
            DataError: if it is missing, damaged or too large.
        """
        return self.image(str(file), image_of(file), stored_path(file))

    def answer(self, query: Query, question: Question) -> Result:
        """Search, and tell the class that the query most likely has.

        Raises:
            UsageError: for a class that does not exist, or an impossible number.
            RunError: for ties by features where there are none.
        """
        index, excluded = self.index, [-1]
        if question.not_itself and query.path and (own := index.find(query.path)) is not None:
            excluded = [own]

        def within(radius: int, most: int) -> Answer:
            return index.within(query.code[None], radius, most, question.classes, excluded)[0]

        if question.radius is None:
            (answer,) = index.search(query.code[None], question.k, question.classes, excluded)
        else:
            answer = within(question.radius, question.most)
        if question.ties == "features" and len(answer.ids):
            wider = within(int(answer.distances[-1]), len(answer.ids) + answer.tied)
            answer = self._by_features(query, wider, len(answer.ids), answer.total)
        return result_of(index, answer, source=query.source, code=query.code, labels=query.labels,
                         prediction=self._prediction(query), note=query.note)  # fmt: skip

    def _by_features(self, query: Query, wider: Answer, count: int, total: int) -> Answer:
        """Return as many items of an answer, tied ones in the order of their features' distance at unit length."""
        if query.features is None:
            raise RunError(f"-ties features needs the features of the query, and of {query.source} only the code is known")
        features = np.array([self._features_of(item) for item in self.index.items(wider.ids)], np.float64)
        separations = np.linalg.norm(_units(features) - _units(query.features[None].astype(np.float64)), axis=1)
        order = np.lexsort((wider.ids, separations, wider.distances))[:count]
        last = wider.distances[order[-1]]
        tied = int((wider.distances == last).sum() - (wider.distances[order] == last).sum())
        return Answer(wider.ids[order], wider.distances[order], tied, total)

    def _features_of(self, item: Item) -> NDArray[np.float32]:
        if item.fold is None or item.row is None:
            raise RunError(f"-ties features needs the features of all tied items, and {item.path} was added without: use -ties id")
        features = self.fold(item.fold)[1].features
        if features is None:
            raise RunError(f"-ties features needs {self.run.features_file(item.fold)}, which is missing: predict the fold again")
        return features[item.row]

    def _prediction(self, query: Query) -> Prediction | None:
        """Return what the head or the centres of the run tell; None to let the neighbours vote."""
        if query.features is None or self.classifier is None:
            return None
        (probabilities,) = self.classifier.probabilities(query.features[None])
        best = int(probabilities.argmax())
        return Prediction(self.index.facts.classes[best], float(probabilities[best]), f"by {self.classifier.name}")


def image_of(file: Path | IO[bytes], name: str = "") -> Image.Image:
    """Return an image upright and in RGB.

    Args:
        file: the file, or a stream of its bytes.
        name: what to call it in the error; its path if left out.

    Raises:
        DataError: if it is missing, damaged, too large or no image.
    """
    try:
        return decode(file, MOST_PIXELS)[0]
    except UnreadableError as error:
        raise DataError(f"the image {name or file} {error}") from error


def stored_image(path: str) -> Image.Image:
    """Return the image of a path that an index has.

    Raises:
        DataError: if it is missing or damaged.
    """
    return image_of(home() / path)


def _has_features(run: Run, fold: str, views: Mapping[str, object]) -> bool:
    return all(run.features_file(fold, view).is_file() for view in views)


def _units(features: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths, lengths, 1)


def codes_of_file(file: Path, index: Index) -> list[Query]:
    """Return the queries that a file of codes holds.

    Raises:
        UsageError: if they are of another length.
        DataError: if the file cannot be read.
    """
    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file} is no array of codes (.npy): {error}") from error
    try:
        codes = index.packed(values)
    except BioDeepHashingError as error:
        raise type(error)(f"{file}: {error}") from error
    return [Query(f"{file.name}[{row}]", code) for row, code in enumerate(codes)]
