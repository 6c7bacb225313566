"""What a word of a text is, and what a caption is: one rule for prepared texts, tags and what a user types."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SEPARATORS = re.compile(r"[\s,;/|]+")
_EDGES = string.punctuation + "“”‘’«»„…–—¡¿"


def words_of(text: str) -> list[str]:
    """Return the different words of a text in lower case, in the order in which they first occur.

    Blanks, commas, semicolons, slashes and bars separate words; punctuation at their ends is dropped, inside it stays, so that a tag
    remains one word.

    Example:
        >>> words_of("A dog, and a second DOG (black-and-white).")
        ['a', 'dog', 'and', 'second', 'black-and-white']
    """
    stripped = (word.strip(_EDGES) for word in _SEPARATORS.split(text.lower()))
    return list(dict.fromkeys(word for word in stripped if word))


def with_frequent_word(texts: Sequence[str], least: int) -> NDArray[np.bool_]:
    """Return which texts have a word that at least so many of them have.

    Example:
        >>> with_frequent_word(["sea", "a blue sea", "", "eel"], 2).tolist()
        [True, True, False, False]
    """
    words = [words_of(text) for text in texts]
    counts = Counter(word for of_one in words for word in of_one)
    return np.array([any(counts[word] >= least for word in of_one) for of_one in words], dtype=bool)


def captions_of(text: str) -> list[str]:
    r"""Return the captions of a line, which tabs separate; none for a blank line.

    Example:
        >>> captions_of("a dog runs\ttwo animals"), captions_of(" ")
        (['a dog runs', 'two animals'], [])
    """
    return [caption.strip() for caption in text.split("\t") if caption.strip()]


def first_caption(text: str) -> str:
    r"""Return the first caption of a line; an empty one for a blank line.

    Example:
        >>> first_caption("a dog runs\ttwo animals"), first_caption("")
        ('a dog runs', '')
    """
    return next(iter(captions_of(text)), "")
