"""A run that answers queries: its indexes, its codes of whole folds, and the networks that make codes of images and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...data import Metadata, PreparedDataset, load_texts
from ...data.images.geometry import Geometry
from ...data.texts.words import captions_of
from ...errors import RunError, UsageError
from ...eval.records.code_files import FoldCodes, current_predictions
from ...models import Classifier, classifier_of
from ...preprocessing import Preprocessing
from ...runs import Run, home
from ...runs.split_json import read_split_facts
from ...search import Answer, Index, IndexParts, Item
from ...search.results import Prediction, Result, result_of
from ...settings import FOLDS
from ...settings.strict_parser import command_line
from .codes import codes_of, index_of, paths_of, stored_path, views_of
from .exported import image_of
from .question import Query, Question

if TYPE_CHECKING:
    from ...models.CrossModal.encoder import TextEncoder
    from ...models.encoder import Encoded, Encoder


class SearchedRun:
    """A run that answers queries.

    Args:
        run: a predicted run.
        folders: where the index of a view lies that is not in its place in the run's directory.
        database: the index of images in shards that is searched in place of the run's own; None for that.
    """

    def __init__(self, run: Run, folders: Mapping[str, Path] | None = None, database: IndexParts | None = None) -> None:
        self.run, self.hparams, self.database = run, run.hparams(), database
        self._folders, self._indexes = folders or {}, dict[str, Index | IndexParts]()
        if database is not None:
            self._indexes["image"] = database

    def index(self, view: str = "image") -> Index | IndexParts:
        """Return the index of a view, which is built where there is none.

        Raises:
            RunError: if the run has neither the index nor such codes, or the index is of another checkpoint.
        """
        if view not in self._indexes:
            self._indexes[view] = index_of(self.run, self._folders.get(view), view)
        return self._indexes[view]

    @cached_property
    def views(self) -> tuple[str, ...]:
        """The views of its items: images, or images and texts."""
        return views_of(self.run) if self.database is None else ("image",)

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
        from ...models.encoder import Encoder  # seconds of PyTorch, for those who ask with images

        return Encoder.of(self.run)

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """The network of the run that takes texts, and what happens to them before it."""
        from ...models.CrossModal.encoder import TextEncoder  # seconds of PyTorch, for those who ask with texts

        return TextEncoder.of(self.run)

    @cached_property
    def geometry(self) -> Geometry | None:
        """What brings an image to the one size that the network knows; None where the encoder does that for any size."""
        usual = self.encoder.transformation.preprocessing
        return Geometry.of(sized(usual, self.prepared)) if usual.size is None else None

    def warmed(self) -> SearchedRun:
        """Load all that the first query would wait for, and return this run."""
        _ = self.encoder, self.geometry, self.classifier
        for view in self.views:
            self.index(view)
        _ = self.text_encoder if "text" in self.views else None
        return self

    def row(self, text: str, view: str = "image") -> Query:
        """Return the query that the image, or the text, of ``FOLD:ROW`` is.

        Raises:
            UsageError: for an unknown fold or row, or one that has no such view.
            RunError: if the fold was not predicted, or the run has no such view.
        """
        fold, colon, number = text.partition(":")
        if not colon or fold not in FOLDS or not number.isdecimal():
            raise UsageError(f"-row {text!r} is not FOLD:ROW, as in query:17; folds are {', '.join(FOLDS)}")
        metadata, codes = self.fold(fold, view)
        row = int(number)
        if row >= len(metadata):
            raise UsageError(f"-row {text}: the last row of the fold {fold} is {len(metadata) - 1}")
        if row in codes.absent:
            raise UsageError(f"-row {text}: that item has no {view}")
        features = None if codes.features is None else codes.features[row]
        query = Query(f"{fold}:{row}", codes.codes[row], features, metadata.labels[row], paths_of(metadata)[row])
        if view == "text":
            return replace(query, source=f"{fold}:{row} text", text=self.texts(fold)[row])
        file = metadata.image(row)
        return replace(query, image=lambda: image_of(file))

    def text(self, words: str) -> Query:
        """Return the query that a text is; its note names the words that do not count.

        Raises:
            UsageError: if no word is in the vocabulary of the run.
            RunError: if the run takes no texts.
        """
        words = " ".join(words.split())
        encoded, vocabulary = self.text_encoder.encode([words]), self.text_encoder.transformation.vocabulary
        unknown = [f"{word!r} (the nearest is {near!r})" if near else repr(word) for word, near in vocabulary.unknown(words)]
        note = f"not in the vocabulary: {', '.join(unknown)}" if unknown else ""
        return Query(words, encoded.codes[0], encoded.features[0], text=words, note=note)

    def texts(self, fold: str) -> list[str]:
        """Return the texts of a fold, a line each."""
        if fold not in self._texts:
            self._texts[fold] = [" / ".join(captions_of(text)) for text in load_texts(self.prepared, fold).texts]
        return self._texts[fold]

    def text_of(self, item: Item) -> str:
        """Return the text of an item; an empty one for an image that was added."""
        return "" if item.fold is None or item.row is None else self.texts(item.fold)[item.row]

    def fold(self, fold: str, view: str = "image") -> tuple[Metadata, FoldCodes]:
        """Return metadata and codes of a view of a fold, and its features if they were stored."""
        if (fold, view) not in self._folds:
            predictions, metadata = current_predictions(self.run), self.prepared.fold(fold)
            if fold not in predictions.folds:
                known = ", ".join(predictions.folds)
                predict = command_line(f"src/models/{self.run.method}/predict.py")
                raise RunError(f"{self.run} has codes of {known}, not of {fold}: {predict} -p {self.run.quoted} -dfs {fold}")
            there = _has_features(self.run, fold, predictions.folds[fold])
            codes = codes_of(self.run, self.prepared, predictions, fold, view, with_features=there)
            self._folds[fold, view] = metadata, codes
        return self._folds[fold, view]

    @cached_property
    def _folds(self) -> dict[tuple[str, str], tuple[Metadata, FoldCodes]]:
        return {}

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
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
        """Return the query that an image is."""
        encoded, (note,) = self.encode([image])
        return Query(source, encoded.codes[0], encoded.features[0], path=path, image=lambda: image, note=note)

    def image_file(self, file: Path) -> Query:
        """Return the query that an image file is.

        Raises:
            DataError: if it is missing, damaged or too large.
        """
        return self.image(str(file), image_of(file), stored_path(file))

    def answer(self, query: Query, question: Question) -> Result:
        """Answer one query, see :meth:`answers`."""
        return self.answers([query], question)[0]

    def answers(self, queries: Sequence[Query], question: Question) -> list[Result]:
        """Search, and tell the class that each query most likely has; its classes are known where the index has its path.

        Raises:
            UsageError: for a class that does not exist, or an impossible number.
            RunError: for ties by features where there are none.
        """
        if not queries:
            return []
        index, codes = self.index(question.view), np.stack([query.code for query in queries])
        own = [index.find(query.path) if query.path else None for query in queries]
        excluded = [number if question.not_itself and number is not None else -1 for number in own]
        if question.radius is None:
            answers = index.search(codes, question.k, question.classes, excluded)
        else:
            answers = index.within(codes, question.radius, question.most, question.classes, excluded)
        if question.ties == "features":
            answers = [self._by_features(*one, question) for one in zip(queries, answers, excluded, strict=True)]
        return [self._result(*one, question.view) for one in zip(queries, answers, own, strict=True)]

    def _result(self, query: Query, answer: Answer, own: int | None, view: str) -> Result:
        index = self.index(view)
        classes = index.facts.classes if self.database is None else self._learned  # a database in shards may have others, or none
        labels = query.labels if classes == index.facts.classes else None
        if labels is None and own is not None:
            labels = index.item(own).labels
        return result_of(index, answer, source=query.source, code=query.code, labels=labels, prediction=self._prediction(query, classes),
                         note=query.note, text=query.text, text_of=self.text_of if view == "text" else None)  # fmt: skip

    def _by_features(self, query: Query, answer: Answer, excluded: int, question: Question) -> Answer:
        """Return as many items as an answer has, tied ones in the order of their features' distance at unit length."""
        if not len(answer.ids):
            return answer
        if query.features is None:
            raise RunError(f"-ties features needs the features of the query, and of {query.source} only the code is known")
        index, view, count = self.index(question.view), question.view, len(answer.ids)
        (wider,) = index.within(query.code[None], int(answer.distances[-1]), count + answer.tied, question.classes, [excluded])
        features = np.array([self._features_of(item, view) for item in index.items(wider.ids.tolist())], np.float64)
        separations = np.linalg.norm(_units(features) - _units(query.features[None].astype(np.float64)), axis=1)
        order = np.lexsort((wider.ids, separations, wider.distances))[:count]
        last = wider.distances[order[-1]]
        tied = int((wider.distances == last).sum() - (wider.distances[order] == last).sum())
        return Answer(wider.ids[order], wider.distances[order], tied, answer.total)

    def _features_of(self, item: Item, view: str) -> NDArray[np.float32]:
        if item.fold is None or item.row is None:
            how = "was added" if self.database is None else "is in a shard"
            raise RunError(f"-ties features needs the features of all tied items, and {item.path} {how} without: use -ties id")
        features = self.fold(item.fold, view)[1].features
        if features is None:
            raise RunError(f"-ties features needs the features of the fold {item.fold}, whose file is missing: predict the fold again")
        return features[item.row]

    @cached_property
    def _learned(self) -> tuple[str, ...]:
        """The class names that the run learned."""
        return tuple((read_split_facts(self.run.directory) or {}).get("classes", ()))

    def _prediction(self, query: Query, classes: Sequence[str]) -> Prediction | None:
        """Return what the head or the centres of the run tell; None to let the neighbours vote."""
        if query.features is None or self.classifier is None:
            return None
        (probabilities,) = self.classifier.probabilities(query.features[None])
        best = int(probabilities.argmax())
        return Prediction(classes[best], float(probabilities[best]), f"by {self.classifier.name}")


def sized(preprocessing: Preprocessing, prepared: PreparedDataset) -> Preprocessing:
    """Return a preprocessing that brings images of any size to one: where a network takes images as they are, to that of the dataset's."""
    if preprocessing.size is not None:
        return preprocessing
    database = prepared.fold("database")
    width, height = image_of(database.image(int(database.present.argmax()))).size
    return replace(preprocessing, size=(height, width), interpolation="bilinear", crop=1.0, crop_mode="center")


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
