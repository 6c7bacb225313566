"""ICONS: the icons of Font Awesome Free 6.6 (fontawesome.com, CC BY 4.0) with the words of their names and search terms: 1,487 images."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError
from ..images.threads import in_threads
from ..prepare.content import DatasetContent, Texts
from ..prepare.splits import Protocol
from ._drawing import draw_character, drawn_order
from .dataset import Flags, PublicDataset

PROTOCOLS = {
    "ICONS": Protocol(
        "by-icon", "by icon, both styles of it as one: 15 % of them query, 5 % val, the rest database; train: the whole database", seed=1,
        shared=("train-database",),
    )
}  # fmt: skip
PREPARE_FLAGS: Flags = {"-no_skip": {}}
FONTS = {"solid": "fa-solid-900", "regular": "fa-regular-400"}  # by style
LEAST_LABELLED = 20  # icons that a category must have
LEAST = 3  # icons of the database that a word must be of
SHA256 = "405da6c9ac6f78c2e1655e2fdd11fbb3aaa01375aafc23c80dae6c24469c4320"  # of the bytes of all images, one after the other
_PACKAGE, _VERSION = "fontawesomefree", "6.6.0"


@dataclass(frozen=True)
class Icon:
    """An icon in a style.

    Args:
        name: its name, "address-book".
        style: "solid" or "regular".
        character: the character that stands for it in the font.
        text: the words of its name and its search terms.
    """

    name: str
    style: str
    character: str
    text: str


def read(folder: Path) -> tuple[list[Icon], NDArray[np.uint8], list[str]]:
    """Read the icons that have a frequent category, by name, with one row of labels for each.

    Args:
        folder: ``metadata/icons.json`` and ``metadata/categories.yml``.

    Returns:
        n icons, labels (n, C), and the C categories.

    Raises:
        DataError: naming the file, if one is missing or does not hold what it should.
    """
    try:
        icons = json.loads((folder / "metadata" / "icons.json").read_text("utf-8"))
        categories = yaml.safe_load((folder / "metadata" / "categories.yml").read_text("utf-8"))
        styles = {name: [style for style in FONTS if style in icon["free"]] for name, icon in sorted(icons.items())}
        members = {str(category["label"]): {name for name in category["icons"] if styles.get(name)} for category in categories.values()}
        frequent = {label: names for label, names in sorted(members.items()) if len(names) >= LEAST_LABELLED}
        labelled = set[str]().union(*frequent.values())
        found = [_icon(name, style, icons[name]) for name, of_one in styles.items() if name in labelled for style in of_one]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        words = " ".join(str(error).split())
        raise DataError(f"{folder} does not hold the icons of Font Awesome Free ({type(error).__name__}: {words}): {_advice()}") from error
    labels = np.array([[icon.name in names for names in frequent.values()] for icon in found], dtype=np.uint8)
    return found, labels, list(frequent)


def _icon(name: str, style: str, facts: Mapping[str, Any]) -> Icon:
    words = re.findall("[a-z0-9]+", " ".join([name, *map(str, facts["search"]["terms"])]).lower())
    return Icon(name, style, chr(int(facts["unicode"], 16)), " ".join(dict.fromkeys(words)))


def divide(names: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Return the indices of each fold, ascending: whole icons are drawn.

    Args:
        names: name of the icon of each image.
    """
    distinct, numbers = np.unique(np.array(names), return_inverse=True)
    order, first, second = drawn_order(len(distinct), PROTOCOLS["ICONS"].seed), round(0.15 * len(distinct)), round(0.05 * len(distinct))
    chosen = {"query": order[:first], "val": order[first : first + second], "database": order[first + second :]}
    folds = {fold: np.flatnonzero(np.isin(numbers, members)) for fold, members in chosen.items()}
    return folds | {"train": folds["database"]}


def _content(protocol: str) -> DatasetContent:
    folder = _folder()
    icons, labels, classes = read(folder)
    images = np.stack(
        in_threads(lambda icon: draw_character(icon.character, folder / "webfonts" / f"{FONTS[icon.style]}.ttf"), icons, "ICONS")
    )
    return DatasetContent(
        files=[f"{icon.name}_{icon.style}.png" for icon in icons],
        labels=labels,
        classes=classes,
        folds=divide([icon.name for icon in icons]),
        write_image=lambda row, target: Image.fromarray(images[row]).save(target),
        protocol=PROTOCOLS[protocol],
        source="Font Awesome Free, solid and regular styles, of the package fontawesomefree",
        note=_difference(images),
        reading={"labels": "categories of icons"},
        texts=Texts([icon.text for icon in icons], LEAST, np.unique([icon.name for icon in icons], return_inverse=True)[1]),
    )


def _folder() -> Path:
    """Return where the package keeps its files.

    Raises:
        DataError: if it is not installed.
    """
    found = find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise DataError(f"ICONS draws the icons of the package {_PACKAGE}, which is not installed: {_advice()}")
    return Path(found.submodule_search_locations[0]) / "static" / _PACKAGE


def _advice() -> str:
    return f"run `pip install {_PACKAGE}=={_VERSION}`"


def _difference(images: NDArray[np.uint8]) -> str:
    """Return in words that other images were drawn than those that numbers elsewhere speak of; empty if they are the same."""
    if hashlib.sha256(images.tobytes()).hexdigest() == SHA256:
        return ""
    return f"{len(images):,} images, not the 1,487 known ones: drawn from another version than {_VERSION}, or by another Pillow"


DATASET = PublicDataset(
    "ICONS", _content, first_pair_training="-trf dataset -arch bio-lenet -text_arch bio-mlp -loss DNpH -nbits 32 -mode frsf -bs 128 -ep 40"
)
