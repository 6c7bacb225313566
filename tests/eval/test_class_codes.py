"""Images classified by the codes of classes: every number of an evaluation against plain loops, and the tables of a codebook."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from biodeephashing.backbones import build_network
from biodeephashing.cli import main
from biodeephashing.codes.codebooks import class_tree
from biodeephashing.commands.compare import compare
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.predict import predict
from biodeephashing.data import load_fold
from biodeephashing.data.prepare.content import DatasetContent
from biodeephashing.data.prepare.splits import Protocol, one_hot
from biodeephashing.data.prepare.write import prepare
from biodeephashing.errors import DataError, RunError
from biodeephashing.models.LLC import Settings
from biodeephashing.runs import Run
from biodeephashing.runs.hparams_json import hparams_of
from biodeephashing.tracking import open_tracker, tracked_runs
from biodeephashing.training.checkpoints import write_checkpoint
from biodeephashing.training.status import recorded_training

CLASSES = ["ant", "bee", "cat", "dog", "owl"]  # no image of the last is in train
CODEBOOK = np.array([[1, 1, 1, 1], [1, 1, -1, 1], [1, 1, -1, 1], [-1, -1, 1, -1], [1, -1, 1, 1]]) * np.float32(0.01)


LABELS = one_hot(np.array([*(np.arange(24) % 4), *(np.arange(30) % 5)]), 5)


@pytest.fixture
def settings(project_home):
    """Prepare a dataset with a class that is not in train, and return the settings of a run."""
    return prepared("PETS", LABELS)


def prepared(name, labels):
    rows = np.arange(54)
    folds = {"train": rows[:16], "val": rows[16:24], "query": rows[24:34], "database": np.array([*rows[34:], 0, 1])}
    pixels = np.random.default_rng(0).integers(0, 256, (54, 8, 8, 3), dtype=np.uint8)
    content = DatasetContent(
        files=[f"{row:02d}.png" for row in rows], labels=labels, classes=CLASSES, folds=folds,
        write_image=lambda row, path: Image.fromarray(pixels[row]).resize((32, 32)).save(path),
        protocol=Protocol("own", "in turn", shared=("train-database",)), source="drawn at random",
    )  # fmt: skip
    prepare(name, lambda: content)
    return Settings(
        experiment_name="e", database=name, number_of_bits=4, transformations="none", architecture="lenet", num_workers=0,
        device="cpu", tracking="off", epochs=2, codebook_epochs=3,
    )  # fmt: skip


def finish(settings, *, codebook=CODEBOOK, seed=0, folds=("train", "val", "query", "database")):
    """Leave a finished and predicted run of a random network with a codebook."""
    torch.manual_seed(seed)
    network = build_network("lenet", bits=4)
    torch.nn.init.normal_(network.hash_layer.weight)
    run = Run.of(settings)
    with recorded_training(run, settings, anew=True):
        content = {"epoch": 1, "val_mAP": 0.5, "hparams": hparams_of(settings), "learning_rule": {}, "loss": {}}
        write_checkpoint(run.directory / "best-epoch=1.ckpt", content | {"network": network.state_dict()})
        np.save(run.codebook_file, codebook)
    predict(replace(settings, datafolds=folds), quiet=True)
    return run


def images(run, *folds):
    return (
        np.concatenate([np.load(run.features_file(fold)) for fold in folds]).astype(float),
        np.concatenate([load_fold("PETS", fold).labels.argmax(1) for fold in folds]),
        [path for fold in folds for path in load_fold("PETS", fold).paths],
    )


def by_loop(z, y, codes):
    """Return every number of some images of known classes."""
    ds = [[sum(a != b for a, b in zip(row, code, strict=True)) for code in codes] for row in np.where(z >= 0, 1, -1)]
    tied = [[c for c, d in enumerate(row) if d == row[own]] for row, own in zip(ds, y, strict=True)]
    closer = [sum(d < row[own] for d in row) for row, own in zip(ds, y, strict=True)]
    index = [sorted(range(len(row)), key=lambda c, row=row: (row[c], c)).index(own) for row, own in zip(ds, y, strict=True)]
    found = {"images": len(y), "class_code_accuracy": np.mean([(codes @ row).argmax() == own for row, own in zip(z, y, strict=True)])}
    for k, top in ((1, ""), (5, "_top_5")):
        shares = [np.mean([c + place < k for place in range(len(t))]) for c, t in zip(closer, tied, strict=True)]
        found |= {f"mhd{top}_expected": np.mean(shares), f"mhd{top}_index": np.mean([place < k for place in index])}
    exact = [row[own] == 0 for row, own in zip(ds, y, strict=True)]
    found |= {"ed": np.mean(exact), "ed_expected": np.mean([e / len(t) for e, t in zip(exact, tied, strict=True)])}
    return found | {"outside": np.mean([min(row) > 0 for row in ds])}


def test_every_number_against_loops(settings, capsys):
    run, codes = finish(settings), np.sign(CODEBOOK[:4])
    evaluate(run)
    found = json.loads(run.class_codes_file.read_text())
    z, y, paths = images(run, "query", "database")
    seen = {*load_fold("PETS", "train").paths}
    assert sum(path in seen for path in paths) == 2, "two images of train are in the database"
    new = np.array([path not in seen for path in paths])
    known, unknown = new & (y < 4), new & (y == 4)
    assert {key: found["unseen"][key] for key in by_loop(z[known], y[known], codes)} == pytest.approx(by_loop(z[known], y[known], codes))
    train, own, _ = images(run, "train")
    assert found["train"] == pytest.approx(by_loop(train, own, codes))
    nearest = ((4 - np.where(z >= 0, 1, -1) @ codes.T) / 2).min(1)
    shares = np.exp(z @ codes.T)
    plain = -(shares / shares.sum(1, keepdims=True)).max(1)
    for name, score in (("auroc_distance", nearest), ("auroc_softmax", plain)):
        assert found["unknown"][name] == pytest.approx(roc_auc_score(unknown[known | unknown], score[known | unknown]))
    assert found["unknown"]["classes"] == ["owl"]
    assert (found["unknown"]["images"], found["unknown"]["outside"]) == (unknown.sum(), pytest.approx((nearest[unknown] > 0).mean()))
    facts = found["codebook"]
    assert [facts[name] for name in ("classes", "bits", "distinct", "duplicates", "least")] == [5, 4, 4, 1, 0]
    out = capsys.readouterr().out
    assert f"{found['unseen']['mhd_expected']:.4f}" in out
    assert f"{found['unknown']['auroc_distance']:.4f}" in out
    assert "ties expected" in out


def test_what_is_measured_again(settings):
    run = finish(settings, folds=("query", "database"))
    evaluate(run, no_features=True, quiet=True)
    first = json.loads(run.class_codes_file.read_text())
    assert "class_code_accuracy" not in first["unseen"]
    assert "auroc_softmax" not in first["unknown"]
    assert "train" not in first
    evaluate(run, quiet=True)
    second = json.loads(run.class_codes_file.read_text())
    assert {key: second["unseen"][key] for key in first["unseen"]} == first["unseen"]
    assert "class_code_accuracy" in second["unseen"]
    for step, changes in enumerate([False, False, True, True]):
        if step == 2:
            np.save(run.codebook_file, CODEBOOK[::-1])
        before = run.class_codes_file.stat().st_mtime_ns
        evaluate(run, no_features=step == 1, no_skip=step == 3, quiet=True)
        assert (run.class_codes_file.stat().st_mtime_ns != before) == changes, step


@pytest.mark.parametrize(
    ("content", "told"),
    [(CODEBOOK[:3], r"\(3, 4\)"), (CODEBOOK * np.nan, "class 0"), (np.ones((5, 4)), "one code"), (b"nothing", "codebook.npy")],
)
def test_a_damaged_codebook(settings, content, told):
    run = finish(settings)
    if isinstance(content, bytes):
        run.codebook_file.write_bytes(content)
    else:
        np.save(run.codebook_file, content)
    with pytest.raises(RunError, match=told) as error:
        evaluate(run, quiet=True)
    assert str(run.codebook_file) in str(error.value)


def test_tables_of_a_codebook(settings):
    run = finish(settings)
    evaluate(run, quiet=True, plots=True)
    with Image.open(run.evaluation / "codebook.png") as picture:
        assert min(picture.size) > 300
    with (run.evaluation / "codebook-bits.csv").open(newline="") as stream:
        bits = list(csv.DictReader(stream))
    for bit, row in enumerate(bits):
        plus, minus = ([name for name, code in zip(CLASSES, CODEBOOK, strict=True) if (code[bit] > 0) == up] for up in (True, False))
        assert [row["classes_with_+1"].split(), row["classes_with_-1"].split()] == [plus, minus]
        assert float(row["share_of_+1"]) == len(plus) / 5
    with (run.evaluation / "codebook-tree.csv").open(newline="") as stream:
        tree = list(csv.DictReader(stream))
    assert [float(row["mean_distance"]) for row in tree] == pytest.approx(class_tree(CODEBOOK)[:, 2].tolist(), abs=1e-6)
    assert (tree[0]["first"], tree[0]["second"]) == ("bee", "cat")
    assert {*tree[-1]["first"].split(", "), *tree[-1]["second"].split(", ")} == {*CLASSES}
    text = (run.evaluation / "codebook.md").read_text("utf-8")
    assert "| bee | cat | 0.00 |" in text
    assert "| duplicates | 1 |" in text
    drawn = (run.evaluation / "codebook.png").read_bytes()
    np.save(run.codebook_file, CODEBOOK * [1, 1, 1, -1])
    evaluate(run, quiet=True)
    assert (run.evaluation / "codebook.png").read_bytes() != drawn, "once drawn, it is drawn again with the numbers"


@pytest.mark.usefixtures("unrendered")
def test_comparisons_and_the_store(settings, capsys):
    settings = replace(settings, tracking="on")
    first, run = finish(replace(settings, phase="codebook")), finish(settings)
    for one in (first, run):
        with open_tracker(one, one.hparams(), phase="train"):
            pass
    evaluate(run, quiet=True)
    tracked = {one.settings["phase"]: one.metrics for one in tracked_runs("PETS", "e")}
    found = json.loads(run.class_codes_file.read_text())
    assert tracked["codes"]["unseen_mhd_expected"] == found["unseen"]["mhd_expected"]
    assert tracked["codes"]["train_outside"] == found["train"]["outside"]
    assert tracked["codes"]["unknown_auroc_softmax"] == found["unknown"]["auroc_softmax"]
    assert tracked["codes"]["codebook_distinct"] == 4
    folder = compare("PETS", "e")
    out = capsys.readouterr().out
    header = next(line for line in out.splitlines() if line.startswith("rule"))
    assert "class codes" in header
    assert f"{found['unseen']['ed_expected']:.4f}" in out
    assert "left out" not in out, "the first phase is no run that somebody forgot to evaluate"
    assert "unseen_mhd_expected" in (folder / "comparison.csv").read_text("utf-8")
    main(["predict", "-p", str(first.directory)])
    evaluate(first, quiet=True)
    compare("PETS", "e")
    assert not (folder / "comparison-rotations.md").exists()


def test_an_image_of_several_classes_cannot_be_decoded(project_home):
    labels = LABELS.copy()
    labels[26, 0] = labels[26, 3] = 1
    run = finish(prepared("PAIRS", labels))
    with pytest.raises(DataError, match=r"line 3 of .*query_metadata.txt has 3 classes"):
        evaluate(run, quiet=True)
    assert not run.class_codes_file.exists()
