"""MIRFLICKR-25K (Huiskes and Lew, The MIR Flickr retrieval evaluation, 2008): where it is published, and its splits."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ...runs import raw_folder
from ..catalogue import check_protocol
from ..fetch.members import Part
from ..fetch.published import Archive, Published, bring, summary
from ..prepare.content import Content
from ..prepare.write import prepare
from ..split import Split
from . import _mirflickr
from ._dealt import dealt

_PROMINENT = ("baby", "bird", "car", "clouds", "dog", "female", "flower", "male", "night", "people", "portrait", "river", "sea", "tree")
_LESSER = ("animals", "food", "indoor", "lake", "plant_life", "sky", "structures", "sunset", "transport", "water")
_ANNOTATIONS = (*_PROMINENT, *_LESSER, *(f"{name}_r1" for name in _PROMINENT))


def published() -> Published:
    """Return where MIRFLICKR-25K is published and what it consists of.

    The publisher states a checksum of the images and none of the annotations: 24 subjects that can be seen, and the 14 among
    them that have a file (``_r1``) of where they are prominent.
    """
    server = "http://press.liacs.nl/mirflickr/mirflickr25k.v3b"
    return Published(
        "MIRFLICKR25K",
        "MIRFLICKR-25K",
        (
            Archive(
                f"{server}/mirflickr25k_annotations_v080.zip",
                tuple(Part(f"{name}.txt", 1, into="mirflickr25k_annotations_v080") for name in _ANNOTATIONS),
                size=1 << 24,
                unpacked=1 << 26,
            ),
            Archive(
                f"{server}/mirflickr25k.zip",
                (Part("mirflickr/im*.jpg", 25_000),),
                size=1 << 32,
                unpacked=1 << 33,
                md5="a23d0a8564ee84cda5622a6c2f947785",
            ),
        ),
    )


def obtain(source: Path | None = None, url: str | None = None, *, connections: int = 2) -> tuple[str, bool]:
    """Bring MIRFLICKR-25K to ``data/raw/MIRFLICKR25K/``.

    Args:
        source: an archive or a folder that is already on disk; None downloads.
        url: a mirror; None is the publisher's address.
        connections: archives to download at a time.

    Returns:
        What there is to say about it, and whether it is complete.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: when the files cannot be had or are damaged.
    """
    missing = bring(published(), source, url, connections=connections)
    return summary(published(), missing), not missing


def process(protocol: str = "MIRFLICKR25K", *, no_skip: bool = False, skip_unreadable: Fraction = Fraction()) -> tuple[Split, bool]:
    """Write MIRFLICKR-25000 to ``data/processed/<protocol>/``, unless it is there already; images are linked, not copied, where possible.

    Args:
        protocol: "MIRFLICKR25K" (all disjoint) or "mirflickr" (same folds, but the database also holds the val images).
        no_skip: write it again even if it is there.
        skip_unreadable: the largest share of the images that may be left out because they cannot be decoded.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UnknownNameError: for an unknown protocol.
        DataError: when the download or an image is missing or damaged.
    """
    check_protocol("MIRFLICKR25K", protocol)
    return prepare(protocol, lambda: _content(protocol), no_skip=no_skip, skip_unreadable=skip_unreadable)


def _content(name: str) -> Content:
    table = _mirflickr.read(raw_folder("MIRFLICKR25K"))
    table.check_present(_mirflickr.ADVICE)
    return dealt(table, name, disjoint=name == "MIRFLICKR25K", source=_mirflickr.SOURCE)
