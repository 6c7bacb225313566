"""A small dataset of images with texts."""

from __future__ import annotations

import numpy as np
from PIL import Image

from biodeephashing.data.prepare.content import DatasetContent, Texts
from biodeephashing.data.prepare.splits import Protocol
from biodeephashing.data.prepare.write import prepare

CLASSES = ["blue", "green", "red", "round"]
SIZES = {"train": 20, "val": 10, "query": 8, "database": 14}


def prepare_pairs(name: str = "PAIRS", *, without_image: tuple[int, ...] = (), without_text: tuple[int, ...] = ()) -> str:
    """Prepare images of a colour, some of them also round, with words for both; text alone, or image alone, for some rows."""
    count, generator = sum(SIZES.values()), np.random.default_rng(0)
    colours, is_round = np.arange(count) % 3, np.arange(count) % 2
    pixels = np.full((count, 32, 32, 3), 90) + generator.integers(-60, 61, size=(count, 32, 32, 3))
    for row in range(count):
        pixels[row, ..., colours[row]] += 60
        if is_round[row]:
            pixels[row, 8:24, 8:24] += 40
    labels = np.concatenate([np.eye(3, dtype=np.uint8)[colours], is_round[:, None].astype(np.uint8)], axis=1)
    words = ["{} {} word{}".format(CLASSES[colours[row]], "ball" if is_round[row] else "flat", row % 5) for row in range(count)]
    lines = ["" if row in without_text else text for row, text in enumerate(words)]
    ends = np.cumsum(list(SIZES.values()))
    content = DatasetContent(
        files=["-" if row in without_image else f"{row:03d}.png" for row in range(count)],
        labels=labels,
        classes=CLASSES,
        folds=dict(zip(SIZES, np.split(np.arange(count), ends[:-1]), strict=True)),
        write_image=lambda row, path: Image.fromarray(pixels[row].clip(0, 255).astype(np.uint8)).save(path),
        protocol=Protocol("disjoint", "in turn"),
        source="drawn at random",
        texts=Texts(lines, least=1),
    )
    prepare(name, lambda: content)
    return name
