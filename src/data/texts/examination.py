"""Looking at the texts of a prepared dataset: how many there are, and how much of them its vocabulary covers."""

from __future__ import annotations

from collections.abc import Iterator

from ...settings import FOLDS
from ..metadata import PreparedDataset
from .rows import TextRows, load_texts
from .vocabulary import Vocabulary
from .words import captions_of

_SHOWN = 3  # examples of each finding
_SHORT = 60  # characters of a text that is shown


def text_facts(prepared: PreparedDataset) -> Iterator[str]:
    """Yield lines that describe the texts of a dataset; none for images alone.

    Raises:
        DataError: if texts and metadata do not match line by line, or a file cannot be read.
    """
    if not prepared.split.has_texts:
        return
    vocabulary = Vocabulary.of(prepared)
    yield f"texts: a vocabulary of {len(vocabulary):,} words"
    for fold in FOLDS:
        rows = load_texts(prepared, fold)
        known = vocabulary.bags(rows.texts).sum(axis=1)[rows.present]
        captions = sum(len(captions_of(text)) for text in rows.texts) / max(len(known), 1)
        alone = int((~prepared.fold(fold).present).sum())
        yield (
            f"{fold}: {len(known):,} texts of {len(rows):,} items, {alone:,} of them without image, {captions:.1f} captions and "
            f"{known.mean() if len(known) else 0:.1f} known words a text, {int((known == 0).sum()):,} texts without a known word"
        )


def text_remarks(prepared: PreparedDataset) -> Iterator[str]:
    """Yield what is odd about the texts of a dataset: those of which the vocabulary has no word, which all look alike to a network."""
    if not prepared.split.has_texts:
        return
    vocabulary = Vocabulary.of(prepared)
    for fold in FOLDS:
        rows = load_texts(prepared, fold)
        wordless = (rows.present & ~vocabulary.bags(rows.texts).any(axis=1)).nonzero()[0].tolist()
        if wordless:
            examples = ", ".join(_example(rows, row) for row in wordless[:_SHOWN]) + (", ..." if len(wordless) > _SHOWN else "")
            yield f"texts of {fold} without a word of the vocabulary: {len(wordless):,} ({examples})"


def _example(rows: TextRows, row: int) -> str:
    text = rows.texts[row]
    return f"line {row + 1}: {text[:_SHORT]!r}" + ("..." if len(text) > _SHORT else "")
