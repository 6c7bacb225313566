"""Texts that do not belong to their images: noticed, and only then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biodeephashing.data import PreparedDataset
from biodeephashing.data.prepare.content import DatasetContent, Texts
from biodeephashing.data.prepare.pairing import neighbour_agreement, pairing_remarks, partner_rank
from biodeephashing.data.prepare.splits import Protocol, one_hot
from biodeephashing.data.prepare.write import prepare

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200), "grey": (120, 120, 120)}


def test_by_hand() -> None:
    """Each of three items is nearest to another by cosine: 0 and 1, which share a label, to each other, 2 to 1. Of 3 pairs one shares."""
    assert neighbour_agreement(np.array([[1.0, 0], [5, 1], [0, 1]]), np.eye(2, dtype=np.uint8)[[0, 0, 1]]) == (2 / 3, 1 / 3)
    # the four images are the texts: the map is the identity up to scale, and each own text is first; two that are equal share a place
    views = np.tile(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]), (2, 1))
    assert partner_rank(views, views) == 0
    twins = np.tile(np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]]), (2, 1))
    assert partner_rank(twins, twins) == pytest.approx(0.5 / 3)


def prepared_with(order: Sequence[int], classes: np.ndarray) -> PreparedDataset:
    """Images in the colour of their class, and the texts of the images that ``order`` names."""
    names = list(COLOURS)
    noise = np.random.default_rng(1).integers(-25, 26, (len(classes), 8, 8, 3))

    def write(row: int, path: Path) -> None:
        Image.fromarray((np.array(COLOURS[names[classes[row]]]) + noise[row]).clip(0, 255).astype(np.uint8)).save(path)

    content = DatasetContent(
        files=[f"{row}.png" for row in range(len(classes))],
        labels=one_hot(classes, 4),
        classes=names,
        folds={"train": np.arange(200), "val": np.arange(200, 220), "query": np.arange(220, 240), "database": np.arange(240, 260)},
        write_image=write,
        protocol=Protocol("disjoint", "by hand"),
        source="a test",
        texts=Texts([f"a {names[classes[row]]} thing" for row in order], 2),
    )
    prepare("COLOURS", lambda: content, no_skip=True)
    return PreparedDataset("COLOURS")


def test_only_what_is_not_paired_is_remarked(project_home: Path) -> None:
    classes = np.random.default_rng(0).integers(0, 4, 260)
    assert list(pairing_remarks(prepared_with(range(260), classes))) == []
    remarks = list(pairing_remarks(prepared_with(np.random.default_rng(2).permutation(260).tolist(), classes)))
    assert [remark.partition(" of train")[0] for remark in remarks] == ["texts", "texts"]
    assert "line by line" in remarks[1]
