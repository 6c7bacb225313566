"""From texts to what a text network takes: bags of words, weighted as the training texts say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import RunError, unknown_name
from ..catalogue import CAPTIONS, TEXT_WEIGHTS
from ..metadata import PreparedDataset
from .rows import load_texts
from .vocabulary import Vocabulary
from .words import first_caption

_OF_EACH_ALONE = ("binary", "unit")  # weights that need no statistics


@dataclass(frozen=True, eq=False)
class TextTransformation:
    r"""What happens to a text before a network: a bag of words :math:`x \in \{0, 1\}^{d_t}`, then weights.

    .. math::
        \text{binary: } x \qquad
        \text{unit: } \frac{x}{\lVert x \rVert_2} \qquad
        \text{tfidf: } \frac{w \odot x}{\lVert w \odot x \rVert_2}, \; w_j = \ln \frac{1 + n}{1 + n_j} + 1 \qquad
        \text{centred: } x - \bar{x}, \; \bar{x}_j = \frac{n_j}{n}

    Of the n training texts, :math:`n_j` have word j. A text without a known word is all zero before it is centred.

    References: "Term-weighting approaches in automatic text retrieval", G. Salton, C. Buckley, 1988 (tfidf);
    "Deep cross-modal hashing", Q.-Y. Jiang, W.-J. Li, 2017 (centred, as their code does).

    Args:
        vocabulary: the words of the columns.
        weights: "binary", "unit", "tfidf" or "centred".
        captions: of a line with several captions, "first" takes the first one, "all" the words of all.
        statistics: per column w for "tfidf", the mean for "centred", (d_t,) float32; empty for "binary" and "unit".

    Raises:
        UnknownNameError: for other weights or another rule for captions.

    Example:
        >>> binary = TextTransformation(Vocabulary(("cat", "dog", "runs")))
        >>> binary(["a dog runs", "two cats"]).tolist()
        [[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """

    vocabulary: Vocabulary
    weights: str = "binary"
    captions: str = "first"
    statistics: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32), repr=False)
    _on_devices: dict[torch.device, torch.Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.weights not in TEXT_WEIGHTS:
            raise unknown_name("text weight", self.weights, TEXT_WEIGHTS)
        if self.captions not in CAPTIONS:
            raise unknown_name("rule for captions", self.captions, CAPTIONS)

    @classmethod
    def of(cls, database: str | PreparedDataset, weights: str = "binary", captions: str = "first") -> TextTransformation:
        """Return the transformation of a prepared dataset, with the statistics of its train fold.

        Args:
            database: the dataset, or its name.
            weights: see above.
            captions: see above.

        Raises:
            UnknownNameError: for an unknown dataset, other weights or another rule for captions.
            DataError: if the dataset was not prepared, was changed afterwards, or has no texts.
        """
        prepared = database if isinstance(database, PreparedDataset) else PreparedDataset(database)
        rows = load_texts(prepared, "train")
        texts = [text for text, present in zip(rows.texts, rows.present.tolist(), strict=True) if present]
        return cls.fitted(Vocabulary.of(prepared), texts, weights, captions)

    @classmethod
    def fitted(
        cls, vocabulary: Vocabulary, texts: Sequence[str], weights: str = "binary", captions: str = "first"
    ) -> TextTransformation:  # fmt: skip
        """Return the transformation whose statistics are those of n training texts.

        Example:
            >>> TextTransformation.fitted(Vocabulary(("cat", "dog")), ["a dog", "a cat and a dog"], "centred").statistics.tolist()
            [0.5, 1.0]
        """
        unweighted = cls(vocabulary, weights, captions)
        if weights in _OF_EACH_ALONE:
            return unweighted
        counts = unweighted.bags(texts).sum(axis=0, dtype=np.int64)
        statistics = np.log((1 + len(texts)) / (1 + counts)) + 1 if weights == "tfidf" else counts / max(len(texts), 1)
        return cls(vocabulary, weights, captions, statistics.astype(np.float32))

    def bags(self, texts: Sequence[str]) -> NDArray[np.uint8]:
        """Return the bags of n texts, each 0 or 1, (n, d_t)."""
        return self.vocabulary.bags([first_caption(text) for text in texts] if self.captions == "first" else texts)

    def to_network_input(self, bags: torch.Tensor) -> torch.Tensor:
        """Return what a network takes, float32 (n, d_t), on the device of the bags.

        Args:
            bags: uint8 (n, d_t), as :meth:`bags` and :class:`~biodeephashing.data.TextFold` give them.
        """
        counts = bags.to(torch.float32)
        if self.weights == "binary":
            return counts
        if self.weights == "unit":
            return torch.nn.functional.normalize(counts, dim=1)
        if bags.device not in self._on_devices:
            self._on_devices[bags.device] = torch.from_numpy(self.statistics).to(bags.device)
        statistics = self._on_devices[bags.device]
        if self.weights == "centred":
            return counts - statistics
        return torch.nn.functional.normalize(counts * statistics, dim=1)

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Return what a network takes for n texts, float32 (n, d_t)."""
        return self.to_network_input(torch.from_numpy(self.bags(texts)))

    def record(self) -> dict[str, Any]:
        """Return what a JSON file keeps of it."""
        return {
            "weights": self.weights,
            "captions": self.captions,
            "words": list(self.vocabulary.words),
            "statistics": self.statistics.tolist(),
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> TextTransformation:
        """Return the transformation that a record was made of.

        Raises:
            RunError: if something is missing, or the numbers of words and statistics differ.

        Example:
            >>> record = TextTransformation.fitted(Vocabulary(("cat", "dog")), ["a dog"], "tfidf").record()
            >>> TextTransformation.of_record(record).record() == record
            True
        """
        try:
            vocabulary = Vocabulary(tuple(record["words"]))
            statistics = np.array(record["statistics"], dtype=np.float32)
            restored = cls(vocabulary, record["weights"], record["captions"], statistics)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"the record of a run's texts is damaged ({type(error).__name__}: {error}): train the run again") from error
        expected = 0 if restored.weights in _OF_EACH_ALONE else len(vocabulary)
        if statistics.shape != (expected,):
            raise RunError(f"the record of a run's texts has {statistics.size:,} statistics for {expected:,} columns: train the run again")
        return restored

    def check_same(self, other: TextTransformation, owner: str) -> None:
        """Refuse another transformation: its columns or weights would mean something else to the network.

        Args:
            other: the one to compare with.
            owner: whose it is, in words.

        Raises:
            RunError: naming the first difference.
        """
        if self.vocabulary.words != other.vocabulary.words:
            here, there = len(self.vocabulary), len(other.vocabulary)
            only = sorted(set(self.vocabulary.words) ^ set(other.vocabulary.words))
            example = f", {only[0]!r} is in one of them only" if only else ", the same words in another order"
            raise RunError(f"the vocabulary ({here:,} words) is not that of {owner} ({there:,} words{example}): train anew with -no_skip")
        if (self.weights, self.captions) != (other.weights, other.captions) or not np.array_equal(self.statistics, other.statistics):
            raise RunError(
                f"the texts are weighted otherwise than those of {owner} ({self.weights}, captions {self.captions}, and there "
                f"{other.weights}, captions {other.captions}, or from other training texts): train anew with -no_skip"
            )
