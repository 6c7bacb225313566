"""What the val fold is ranked against, and what happens where its mAP cannot tell one epoch from another."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from biodeephashing import codes
from biodeephashing.backbones import build_network
from biodeephashing.commands.train import train
from biodeephashing.data import ImageFold, Metadata, load_fold
from biodeephashing.errors import UsageError
from biodeephashing.eval import RetrievalTask, mean_average_precision
from biodeephashing.training import fit
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.validation import Validation


def fold(name: str, labels: np.ndarray, paths: list[str] | None = None) -> Metadata:
    return Metadata(Path(f"{name}_metadata.txt"), paths or [f"{name}{row}.png" for row in range(len(labels))], labels.astype(np.uint8))


def test_partners_are_counted_as_one_by_one():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        classes = rng.integers(1, 6)
        labels = {name: rng.random((rng.integers(1, 7), classes)) < rng.choice([0.0, 0.2, 0.5, 1.0]) for name in ("val", "train")}
        paths = [f"val{row}.png" if row == 0 and rng.random() < 0.3 else f"train{row}.png" for row in range(len(labels["train"]))]
        got = Validation.of(fold("train", labels["train"], paths), fold("val", labels["val"]))

        def others(row, with_train, labels=labels, paths=paths):
            """Labels of all items but the image itself, wherever it lies."""
            own = [vector for other, vector in enumerate(labels["val"]) if other != row]
            inside = {f"val{other}.png" for other in range(len(labels["val"]))}
            return own + [vector for path, vector in zip(paths, labels["train"], strict=True) if with_train and path not in inside]

        rows = range(len(labels["val"]))
        partners = {
            joined: [[bool((labels["val"][row] & other).any()) for other in others(row, joined)] for row in rows]
            for joined in (False, True)
        }
        alone, unreachable = ([not any(found) for found in partners[joined]] for joined in (False, True))
        helped = any(one and not other for one, other in zip(alone, unreachable, strict=True))
        assert (got.without_partner, got.unreachable, got.companions is not None) == (sum(alone), sum(unreachable), helped)
        assert got.can_move == any(any(found) and not all(found) for found in partners[helped])
        seen.add((helped, got.can_move, sum(unreachable) > 0))
    assert len(seen) >= 7  # of 8 kinds: what is helped can be ranked


@pytest.mark.parametrize("val", [1, 4])
def test_val_images_are_ranked_against_train_only_where_one_is_alone(prepare_tiny, settings, capsys, val):
    database = prepare_tiny(f"VAL{val}", {"train": 8, "val": val, "query": 4, "database": 8})
    settings = replace(settings, database=database, batch_size=31, min_delta=0.0, seed=2**64 - 1)
    run = train(settings)
    best = read_checkpoint(run.best_checkpoint)
    network = build_network("lenet", bits=12).eval()
    network.load_state_dict(best["network"])
    packed, labels = {}, {}
    for name in ("val", "train"):
        images = ImageFold(load_fold(database, name), "none")
        batch, wanted, _ = images.batch(range(len(images)))
        with torch.no_grad():
            packed[name], labels[name] = (
                codes.pack(network(images.transformation.to_network_input(batch)).numpy()),
                wanted.numpy().astype(np.uint8),
            )
    ranked = ["val", "train"] if val == 1 else ["val"]
    all_codes, all_labels = (np.concatenate([part[name] for name in ranked]) for part in (packed, labels))
    wanted = []
    for row in range(4 * val):
        rest = np.arange(len(all_codes)) != row
        wanted.append(mean_average_precision(RetrievalTask(packed["val"][[row]], all_codes[rest], labels["val"][[row]], all_labels[rest])))
    assert best["val_mAP"] == pytest.approx(np.mean(wanted), abs=1e-12)
    out = capsys.readouterr().out
    assert ("the 3 others and the 32 of train, because 4 of them" if val == 1 else "the 15 others\n") in out
    assert "train 32 images of 4 classes" in out
    assert "1 of 31 images an epoch; the last has 32" in out


def test_an_mean_average_precision_that_cannot_move_chooses_nothing(prepare_tiny, settings, capsys, monkeypatch):
    database = prepare_tiny("VAL1", {"train": 8, "val": 1, "query": 4, "database": 8})
    told = Validation.of(fold("train", np.zeros((2, 4))), fold("val", np.eye(4)))
    assert (told.unreachable, told.companions, told.can_move) == (4, None, False)
    monkeypatch.setattr(fit.Validation, "of", lambda train, val: told)
    run = train(replace(settings, database=database, epochs=3, patience=1, min_delta=0.9))
    assert run.best_checkpoint.name == "best-epoch=2.ckpt"
    assert "val mAP cannot change" in capsys.readouterr().out


def test_batch_norm_and_batches_of_one_image(settings):
    settings = replace(settings, architecture="resnet18", mode="bp", weights="none", epochs=1, batch_size=31)  # 32 images of 32 × 32
    assert train(settings, quiet=True).status == "finished"
    with pytest.raises(UsageError, match="give at least -bs 2"):
        train(replace(settings, batch_size=1), quiet=True)
