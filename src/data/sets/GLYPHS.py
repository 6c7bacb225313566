"""GLYPHS: characters as the DejaVu fonts inside matplotlib draw them, with the words of their Unicode names: 16,777 images with texts."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError
from ...runs import only_process, raw_folder, replacing_folder
from ..images.decoding import UnreadableError, decode
from ..images.threads import in_threads
from ..prepare.content import DatasetContent, Texts
from ..prepare.label_table import link
from ..prepare.splits import Protocol
from ..texts.words import words_of
from ._characters import LABELS, labels_of
from ._drawing import SIDE, draw_character, drawn_order
from .dataset import FIRST_SMALL_PAIR_TRAINING, Flags, PublicDataset

_RULE = (
    "by character, those that look alike in any font as one: 10 % of them query, 5 % val, the rest database; "
    "train: 5,000 images of the database"
)
PROTOCOLS = {
    "GLYPHS": Protocol("by-character", _RULE, shared=("train-database",)),
    "glyphs-hard": Protocol("by-character-hard", f"{_RULE}; texts without the words that name a label", shared=("train-database",)),
}
PREPARE_FLAGS: Flags = {"-protocol": {}, "-no_skip": {}}
FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold")
TRAIN = 5_000
LEAST = 3  # characters of the database that a word must name
SHA256 = "e8025812d46b72f5c10d7d1de11cfdbf5476c7ec83f58ab878670f0d711c46f0"  # of the bytes of all images, one after the other
# Words that name a label.
TELLTALE = words_of(
    "latin greek cyrillic armenian georgian hebrew arabic canadian syllabics braille lao nko tifinagh lisu ogham letter capital small "
    "combining modifier digit number arrow mathematical box drawings domino tile card playing hexagram tetragram face"
)
_UNSEEN = ("Zs", "Zl", "Zp", "Cc", "Cf")
_MOVED = 0x295  # its category is not the same in all versions of Unicode
_NAME = re.compile(r"u([0-9A-F]{4,6})_([\w-]+)\.png")


@dataclass(frozen=True)
class Glyph:
    """A character in a font.

    Args:
        code: its code point.
        font: index into :data:`FONTS`.
    """

    code: int
    font: int

    @property
    def file(self) -> str:
        """Name of its image file.

        Example:
            >>> Glyph(ord("ἀ"), 1).file
            'u1F00_DejaVuSerif.png'
        """
        return f"u{self.code:04X}_{FONTS[self.font]}.png"


def drawable(font: int) -> list[int]:
    """Return the code points of a font, ascending, that have a name and something to see."""
    codes = sorted(FT2Font(str(_font_file(font))).get_charmap())
    return [code for code in codes if code != _MOVED and unicodedata.category(chr(code)) not in _UNSEEN and _is_named(code)]


def draw(glyph: Glyph) -> NDArray[np.uint8]:
    """Draw a character, see :func:`draw_character`.

    Returns:
        (32, 32) uint8, 0 is black.

    Example:
        >>> draw(Glyph(ord("-"), 0)).shape, int(draw(Glyph(ord("-"), 0)).min())
        ((32, 32), 0)
    """
    return draw_character(chr(glyph.code), _font_file(glyph.font))


def words(code: int) -> list[str]:
    """Return the different words of a character's name.

    Example:
        >>> words(ord("ἀ"))
        ['greek', 'small', 'letter', 'alpha', 'with', 'psili']
    """
    return list(dict.fromkeys(re.findall("[a-z0-9]+", unicodedata.name(chr(code)).lower())))


def alike(codes: Sequence[int], images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for each image the smallest code point of the characters that look like its own: with an equal image, or through others.

    Args:
        codes: n code points.
        images: (n, 32, 32).

    Returns:
        (n,).

    Example:
        >>> alike([65, 66, 913, 913], np.array([[[0]], [[1]], [[0]], [[2]]], dtype=np.uint8)).tolist()
        [65, 66, 65, 65]
    """
    leaders = {code: code for code in codes}

    def leader(code: int) -> int:
        while leaders[code] != code:
            code = leaders[code]
        return code

    first: dict[bytes, int] = {}
    for code, image in zip(codes, images, strict=True):
        one, other = leader(first.setdefault(image.tobytes(), code)), leader(code)
        leaders[max(one, other)] = min(one, other)
    return np.array([leader(code) for code in codes], dtype=np.int64)


def divide(groups: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return the indices of each fold, ascending: whole groups are drawn, and training images among those of the database.

    Args:
        groups: number of the group of each image, (n,).
    """
    distinct = np.unique(groups)
    shuffled, first, second = distinct[drawn_order(len(distinct), 0)], round(len(distinct) / 10), round(len(distinct) / 20)
    chosen = {"query": shuffled[:first], "val": shuffled[first : first + second], "database": shuffled[first + second :]}
    folds = {fold: np.flatnonzero(np.isin(groups, members)) for fold, members in chosen.items()}
    return folds | {"train": np.sort(folds["database"][drawn_order(len(folds["database"]), 1)[:TRAIN]])}


def _content(protocol: str) -> DatasetContent:
    folder = raw_folder("GLYPHS")
    with only_process(folder.with_name(f".{folder.name}.lock")):
        if not folder.is_dir():
            _draw_all(folder)
    glyphs, images = _read(folder)
    codes = [glyph.code for glyph in glyphs]
    without = TELLTALE if protocol == "glyphs-hard" else ()
    return DatasetContent(
        files=[glyph.file for glyph in glyphs],
        labels=np.array([[label in having for label in LABELS] for having in map(labels_of, codes)], dtype=np.uint8),
        classes=LABELS,
        folds=divide(alike(codes, images)),
        write_image=lambda row, target: link(folder / glyphs[row].file, target),
        protocol=PROTOCOLS[protocol],
        source="DejaVu fonts inside matplotlib, names and properties of the Unicode character database",
        note=_difference(folder, images),
        reading={"labels": "kinds of characters"},
        texts=Texts(list(_lines(codes, without)), LEAST, np.array(codes)),
    )


def _lines(codes: Sequence[int], without: Collection[str]) -> Iterator[str]:
    for code in codes:
        yield " ".join(word for word in words(code) if word not in without)


def _draw_all(folder: Path) -> None:
    """Write all images; those without anything dark are left out, and those that equal an earlier one of the same character."""
    glyphs = [Glyph(code, font) for font in range(len(FONTS)) for code in drawable(font)]
    images = in_threads(draw, glyphs, "GLYPHS: drawing")
    first: dict[tuple[int, bytes], Glyph] = {}
    with replacing_folder(folder) as new:
        for glyph, image in zip(glyphs, images, strict=True):
            if (image <= 128).any() and first.setdefault((glyph.code, image.tobytes()), glyph) is glyph:
                Image.fromarray(image).save(new / glyph.file)


def _read(folder: Path) -> tuple[list[Glyph], NDArray[np.uint8]]:
    """Return the characters that were drawn, by font and code point, and their images, (n, 32, 32)."""
    names = (_NAME.fullmatch(path.name) for path in folder.glob("u*.png"))
    drawn = [Glyph(int(name[1], 16), FONTS.index(name[2])) for name in names if name and name[2] in FONTS]
    glyphs = sorted(drawn, key=lambda glyph: (glyph.font, glyph.code))
    advice = f"delete {folder} and run this command again"

    def pixels(glyph: Glyph) -> NDArray[np.uint8]:
        try:
            return np.asarray(decode(folder / glyph.file)[0])[..., 0]
        except UnreadableError as error:
            raise DataError(f"{folder / glyph.file} {error}: {advice}") from error

    images = in_threads(pixels, glyphs, "GLYPHS: reading")
    if {image.shape for image in images} != {(SIDE, SIDE)}:
        raise DataError(f"{folder} holds images of another size than those of GLYPHS, or none: {advice}")
    return glyphs, np.stack(images)


def _difference(folder: Path, images: NDArray[np.uint8]) -> str:
    """Return in words that other images were drawn than those that numbers elsewhere speak of; empty if they are the same."""
    if hashlib.sha256(images.tobytes()).hexdigest() == SHA256:
        return ""
    return f"{len(images):,} images in {folder.name}, not the 16,777 known ones: drawn by another matplotlib or Pillow, or changed since"


def _is_named(code: int) -> bool:
    name = unicodedata.name(chr(code), "")
    return bool(name) and not name.startswith("VARIATION SELECTOR")


def _font_file(font: int) -> Path:
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{FONTS[font]}.ttf"


DATASET = PublicDataset("GLYPHS", _content, first_pair_training=FIRST_SMALL_PAIR_TRAINING)
