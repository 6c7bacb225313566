"""Small batches like the official ones, results, and images shifted pixel by pixel."""

import json
import pickle

import numpy as np
import torch

PER_BATCH = 40


def write_batch(folder, name, seed):
    """Write a batch as the official ones are: images of a class share a colour, so there is something to learn."""
    numbers = np.random.default_rng(seed)
    labels = [int(label) for label in numbers.permutation(np.arange(PER_BATCH) % 10)]
    colours = np.random.default_rng(0).integers(40, 216, size=(10, 3, 1))
    noise = numbers.integers(-30, 31, size=(PER_BATCH, 3, 1024))
    data = (colours[labels] + noise).astype(np.uint8).reshape(PER_BATCH, 3072)
    names = [f"{name}_{row:03d}.png".encode() for row in range(PER_BATCH)]
    (folder / name).write_bytes(pickle.dumps({b"data": data, b"labels": labels, b"filenames": names}))


def results(tmp_path, out="out"):
    """What the one run below a folder wrote."""
    [folder] = (tmp_path / out).iterdir()
    return json.loads((folder / "result.json").read_text("utf-8"))


def shifted_by_hand(image, top, left, mirrored):
    """One image, pixel by pixel."""
    expected = torch.zeros_like(image)
    for row in range(32):
        for column in range(32):
            source_row, source_column = row + top - 4, (31 - column if mirrored else column) + left - 4
            if 0 <= source_row < 32 and 0 <= source_column < 32:
                expected[:, row, column] = image[:, source_row, source_column]
    return expected
