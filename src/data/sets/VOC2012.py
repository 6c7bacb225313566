"""PASCAL VOC 2012 (Everingham et al., The PASCAL visual object classes challenge, 2015): where it is published, and its splits."""

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
from . import _voc
from ._dealt import dealt


def published() -> Published:
    """Return where PASCAL VOC 2012 is published and what is wanted of it: images, boxes, and the lists of the classification task."""
    archive = Archive(
        "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        (
            Part("VOCdevkit/VOC2012/ImageSets/Main/*.txt", 63),
            Part("VOCdevkit/VOC2012/Annotations/*.xml", 17_125),
            Part("VOCdevkit/VOC2012/JPEGImages/*.jpg", 17_125),
        ),
        size=1 << 31,
        unpacked=1 << 32,
        md5="6cd6e144f989b92b3379bac3b3de84fd",
    )
    return Published("VOC2012", "PASCAL VOC 2012", (archive,))


def obtain(source: Path | None = None, url: str | None = None) -> tuple[str, bool]:
    """Bring PASCAL VOC 2012 to ``data/raw/VOC2012/``.

    Args:
        source: an archive or a folder that is already on disk; None downloads.
        url: a mirror; None is the publisher's address.

    Returns:
        What there is to say about it, and whether it is complete.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: when the files cannot be had or are damaged.
    """
    missing = bring(published(), source, url)
    return summary(published(), missing), not missing


def process(protocol: str = "VOC2012", *, no_skip: bool = False, skip_unreadable: Fraction = Fraction()) -> tuple[Split, bool]:
    """Write PASCAL VOC 2012 to ``data/processed/<protocol>/``, unless it is there already; images are linked, not copied, where possible.

    Args:
        protocol: "VOC2012" (all disjoint) or "voc2012" (same folds, but the database also holds the val images).
        no_skip: write it again even if it is there.
        skip_unreadable: the largest share of the images that may be left out because they cannot be decoded.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UnknownNameError: for an unknown protocol.
        DataError: when the download or an image is missing or damaged.
    """
    check_protocol("VOC2012", protocol)
    return prepare(protocol, lambda: _content(protocol), no_skip=no_skip, skip_unreadable=skip_unreadable)


def _content(name: str) -> Content:
    table = _voc.read(raw_folder("VOC2012"))
    table.check_present(_voc.ADVICE)
    return dealt(table, name, disjoint=name == "VOC2012", source=_voc.SOURCE)
