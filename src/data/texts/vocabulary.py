"""``vocabulary.txt``: the words that a bag of words counts, one a line, in the order of its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, UsageError, nearest
from ...runs import processed_folder, replacing
from ..metadata import PreparedDataset
from ..split import VOCABULARY_FILE, how_to_fix
from .words import words_of


@dataclass(frozen=True)
class Vocabulary:
    """The words that have a column in a bag of words.

    Args:
        words: d_t different words, in the order of the columns.

    Raises:
        DataError: if there is no word, a word occurs twice, or one is not a single word in lower case.

    Example:
        >>> vocabulary = Vocabulary(("cat", "dog", "runs"))
        >>> vocabulary.bag("A dog runs.").tolist(), len(vocabulary), vocabulary.unknown("the dgo runs")
        ([0, 1, 1], 3, [('the', None), ('dgo', 'dog')])
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.words:
            raise DataError("a vocabulary needs at least one word")
        for column, word in enumerate(self.words):
            if words_of(word) != [word]:
                raise DataError(f"word {column + 1} of the vocabulary is {word!r}, which is not one word in lower case")
        if len(self.columns) < len(self.words):
            raise DataError(f"the vocabulary holds the word {Counter(self.words).most_common(1)[0][0]!r} twice")

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def of(cls, database: str | PreparedDataset) -> Vocabulary:
        """Read the vocabulary of a prepared dataset.

        Args:
            database: the dataset, or its name.

        Raises:
            UnknownNameError: for an unknown dataset.
            DataError: if the dataset was not prepared, was changed afterwards, or has no texts.
        """
        prepared = database if isinstance(database, PreparedDataset) else PreparedDataset(database)
        prepared.split.check_texts()
        return read_vocabulary(processed_folder(prepared.database) / VOCABULARY_FILE)

    @classmethod
    def built(cls, texts: Sequence[str], least: int, items: Sequence[Hashable] | None = None) -> Vocabulary:
        """Return the words, in alphabetical order, that at least so many items have.

        Args:
            texts: n texts.
            least: the items a word must be in.
            items: what each text is a text of, n of them: a word counts once for all texts of one item; None for an item per text.

        Raises:
            DataError: if no word is in so many items.

        Example:
            >>> Vocabulary.built(["a cat", "a dog", "a dog"], 2).words, Vocabulary.built(["a cat", "a dog", "a dog"], 2, [0, 1, 1]).words
            (('a', 'dog'), ('a',))
        """
        owners = range(len(texts)) if items is None else items
        pairs = {(word, owner) for text, owner in zip(texts, owners, strict=True) for word in words_of(text)}
        counts = Counter(word for word, _ in pairs)
        words = tuple(sorted(word for word, count in counts.items() if count >= least))
        if not words:
            raise DataError(f"no word is in the texts of {least:,} items of database and train, so the vocabulary would be empty")
        return cls(words)

    @cached_property
    def columns(self) -> dict[str, int]:
        """The column of each word."""
        return {word: column for column, word in enumerate(self.words)}

    def bag(self, text: str) -> NDArray[np.uint8]:
        """Return for each word whether a text has it, 0 or 1, (d_t,)."""
        return self.bags([text])[0]

    def bags(self, texts: Sequence[str]) -> NDArray[np.uint8]:
        """Return the bags of n texts, (n, d_t)."""
        columns = self.columns
        bags = np.zeros((len(texts), len(self)), dtype=np.uint8)
        for row, text in enumerate(texts):
            bags[row, [columns[word] for word in words_of(text) if word in columns]] = 1
        return bags

    def unknown(self, text: str) -> list[tuple[str, str | None]]:
        """Return the words of a text that have no column, each with the most similar word that has one, None where none is similar."""
        return [(word, nearest(word, self.words)) for word in words_of(text) if word not in self.columns]

    def check_known(self, text: str) -> None:
        """Refuse a text of which no word has a column.

        Raises:
            UsageError: naming its words and the nearest ones.
        """
        unknown = self.unknown(text)
        if len(unknown) == len(words_of(text)):
            words = ", ".join(f"{word!r} (did you mean {near!r}?)" if near else repr(word) for word, near in unknown)
            what = f"none of its words is among the {len(self):,} that the run knows: {words}" if unknown else "it holds no word"
            raise UsageError(f"the text {text!r} cannot be encoded: {what}")


def read_vocabulary(file: Path) -> Vocabulary:
    """Read a vocabulary.

    Raises:
        DataError: naming the file, if it is missing or is no list of different words.
    """
    fix = how_to_fix(file.parent.name)
    try:
        return Vocabulary(tuple(file.read_text("utf-8").splitlines()))
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing: {fix}") from error
    except (UnicodeDecodeError, DataError) as error:
        raise DataError(f"{file} cannot be used, {error}: {fix}") from error


def write_vocabulary(file: Path, vocabulary: Vocabulary) -> None:
    """Write a vocabulary, a word a line."""
    with replacing(file) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(chain.from_iterable((word, "\n") for word in vocabulary.words))
