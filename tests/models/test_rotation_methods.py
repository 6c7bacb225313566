"""Runs that are rotations of other runs: names, files, codes, what is skipped, and what is refused."""

import hashlib
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from rotated_parents import finish

from biodeephashing.cli import main
from biodeephashing.codes import binarise, pack
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.rotate import rotate
from biodeephashing.data import load_fold
from biodeephashing.errors import BioDeepHashingError
from biodeephashing.eval import leave_one_out_average_precision
from biodeephashing.models import H2Q, ITQ
from biodeephashing.models.encoder import Encoder
from biodeephashing.models.H2Q.predict import main as predict
from biodeephashing.models.H2Q.rotate import main as rotate_h2q
from biodeephashing.models.ITQ.rotate import main as rotate_itq
from biodeephashing.models.PenaltyStrategies.method import PenaltyStrategies
from biodeephashing.runs import Run, home, runs_of
from biodeephashing.training.checkpoints import read_checkpoint

FOLDS = ("train", "val", "query", "database")
H2Q_FLAGS = ("-r_ep", "4", "-r_bs", "16")


@pytest.fixture
def settings(settings):
    """Return the settings of a run that may be rotated."""
    return replace(settings, loss="DSH", no_cube=True, penalty=0.0)


def features(run, fold):
    return np.load(run.features_file(fold)).astype(np.float64)


def rotated(method: str, parent: Run) -> list[Run]:
    return [run for run in runs_of(f"{method}/{parent.database}/{parent.experiment}") if run.name.endswith(parent.name)]


@pytest.mark.parametrize(
    ("method", "flags", "own"),
    [
        *(("H2Q", f"-r_ep 4 -r_loss {loss}", f"-r_ep=4-r_bs=128-r_lr=0.1-r_loss={loss}") for loss in ("L2", "L1", "min_entry")),
        ("H2Q", "-r_loss=bit_var -r_ep 2 -r_bs 5", "-r_ep=2-r_bs=5-r_lr=0.01-r_loss=bit_var"),
        ("H2Q", "-r_lr 1 -r_ep 2", "-r_ep=2-r_bs=128-r_lr=1.0-r_loss=L2"),
        *(("ITQ", flags, flags.replace(" ", "")) for flags in ("", "-r_norm", "-r_center", "-r_center -r_norm")),
    ],
)
def test_a_rotated_run(settings, method, flags, own):
    parent = finish(settings)
    main(["rotate", method, "-p", f"{parent.directory}/", *flags.split()])  # the slash is no part of the name
    (run,) = rotated(method, parent)
    assert (run.name, run.status) == (own + parent.name, "finished")
    hparams = json.loads(run.hparams_file.read_text())
    assert (hparams["model"], hparams["parent"]) == (method, f"PenaltyStrategies/{parent.name}")
    assert hparams["preprocessing"] == json.loads(parent.hparams_file.read_text())["preprocessing"]
    content, former = (read_checkpoint(one.best_checkpoint) for one in (run, parent))
    assert content.keys() == {*former, "rotation"}
    turn, mean = content["rotation"]["matrix"].double().numpy(), content["rotation"]["mean"]
    np.testing.assert_allclose(turn @ turn.T, np.eye(12), atol=1e-6)
    if method == "H2Q":
        assert np.linalg.det(turn) == pytest.approx((-1) ** 12)
    centre = features(parent, "train").mean(0) if "center" in own else np.zeros(12)
    np.testing.assert_allclose(np.zeros(12) if mean is None else mean.numpy(), centre, atol=1e-5)
    predict_again = {fold: np.load(run.codes_file(fold)) for fold in FOLDS}
    for fold in FOLDS:
        np.testing.assert_allclose(features(run, fold), (features(parent, fold) - centre) @ turn.T, atol=1e-4)
        assert np.array_equal(predict_again[fold], pack(features(run, fold)))
    record = json.loads(run.rotation_file.read_text())
    for one, word in ((parent, "before"), (run, "after")):
        value = leave_one_out_average_precision(np.load(one.codes_file("val")), load_fold("TINY", "val").labels)
        assert record["val_mAP"][word] == value
    assert content["val_mAP"] == record["val_mAP"]["after"]
    main(["predict", "-p", str(run.directory), "-no_skip", "-device", "cpu"])  # from pixels
    for fold in FOLDS:
        clear = np.abs((features(parent, fold) - centre) @ turn.T) > 1e-4
        assert np.array_equal(binarise(features(run, fold))[clear], binarise((features(parent, fold) - centre) @ turn.T)[clear])
        assert clear.mean() > 0.99
    paths = [home() / path for path in load_fold("TINY", "query").paths[:3]]
    np.testing.assert_allclose(Encoder.of(run).encode(paths).features, features(run, "query")[:3], atol=1e-4)
    assert evaluate(run, quiet=True).keys() == {"query", "val"}


def test_cosines_stay_and_the_seed_decides(settings):
    parent = finish(settings)
    own = {"rotation_epochs": 3, "rotation_batch_size": 8}
    runs = [rotate(H2Q.Settings.rotating(settings, no_skip=bool(again), **own), quiet=True) for again in (0, 1)]
    first = features(runs[0], "train")
    assert np.array_equal(first, features(runs[1], "train"))
    for fold in FOLDS:
        before, after = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (features(parent, fold), features(runs[0], fold)))
        np.testing.assert_allclose(after @ after.T, before @ before.T, atol=1e-6)
    draws = [rotate(ITQ.Settings.rotating(one), quiet=True) for one in (settings, replace(settings, seed=1)) if finish(one)]
    assert draws[0].name != draws[1].name


def test_an_experiment_in_one_call(settings, capsys):
    parents = [finish(replace(settings, seed=seed)) for seed in (0, 1)]
    finish(replace(settings, loss="CSQ"))
    with pytest.raises(BioDeepHashingError, match="1 of 3 runs could not be rotated"):
        rotate_h2q(["-p", "TINY/test", *H2Q_FLAGS])
    out, err = capsys.readouterr()
    assert "CSQ" in err
    assert "corners of the cube" in err
    made = [run for parent in parents for run in rotated("H2Q", parent)]
    assert len(made) == 2
    assert out.splitlines()[-1] == "next: python src/eval/eval_map.py -p H2Q/TINY/test"
    finish(replace(settings, seed=1), weights=7)  # trained again, to other features
    evaluate(made[1], quiet=True)
    capsys.readouterr()
    rotate_h2q(["-p", "TINY/test/*-loss=DSH*", *H2Q_FLAGS])  # their rotations are among them, and are left alone
    out = capsys.readouterr().out
    assert out.count("learnt from the same features") == 1
    assert out.count("before the rotation") == 1
    assert out.count("is up to date") == 4
    assert not made[1].evaluation_file("query").exists()
    np.testing.assert_allclose(np.linalg.norm(features(made[1], "val")), np.linalg.norm(features(parents[1], "val")), rtol=1e-5)
    assert [run.name for run in runs_of("TINY/test/*-r_loss=L2*")] == [run.name for run in made]


def test_folds_that_the_parent_predicts_later(settings):
    parent = finish(settings, folds=("train", "val"))
    rotate_itq(["-p", str(parent.directory)])
    (run,) = rotated("ITQ", parent)
    assert [run.codes_file(fold).exists() for fold in FOLDS] == [True, True, False, False]
    before = run.best_checkpoint.read_bytes()
    main(["predict", "-p", str(parent.directory)])
    rotate_itq(["-p", str(parent.directory)])
    assert all(run.codes_file(fold).exists() for fold in FOLDS)
    assert run.best_checkpoint.read_bytes() == before


def refused(words, *named):
    with pytest.raises(BioDeepHashingError) as error:
        main(["rotate", *words])
    assert all(part in str(error.value) for part in named), str(error.value)


def test_what_cannot_be_rotated_leaves_nothing(settings, project_home):
    losses = ("BiHalf", "CSQ", "DBDH", "DPN", "GreedyHash", "IDHN", "ISDH", "LCDSH", "OrthoHash")
    for loss in losses:
        one = replace(settings, loss=loss, no_cube=False)
        refused(["H2Q", "-p", str(finish(one, folds=()).directory)], loss, "fixed axes")
    unfinished = finish(replace(settings, seed=1), folds=())
    unfinished.mark("interrupted")
    refused(["ITQ", "-p", str(unfinished.directory)], "interrupted", "train it first")
    refused(["ITQ", "-p", str(finish(replace(settings, seed=2), folds=()).directory)], "predictions.json", "predict the run")
    refused(["ITQ", "-p", str(finish(replace(settings, seed=3), folds=("val", "query")).directory)], "features of train", "predict the run")
    refused(["-p", str(finish(replace(settings, number_of_bits=1)).directory)], "one bit")
    spoilt = finish(replace(settings, seed=4))
    values = np.load(spoilt.features_file("val"))
    values[2, 5] = np.nan
    np.save(spoilt.features_file("val"), values)
    refused(["-p", str(spoilt.directory)], "row 2", "val-features.npy")
    run = str(finish(settings).directory)
    for flags, named in (
        ("-r_lr 0", "-r_lr 0.0"),
        ("-r_lr -1", "-r_lr -1.0"),
        ("-r_ep 0", "-r_ep 0"),
        ("-r_loss L3", "did you mean 'L2'"),
        ("-r_norm", "-r_norm is a setting of ITQ, H2Q has none"),
        ("-loss DSH", "-loss"),
        ("-r_lr 1e30 -r_ep 2", "reflections"),
    ):
        refused(["H2Q", "-p", run, *flags.split()], named)
    refused(["PenaltyStrategies", "-p", run], "PenaltyStrategies", "H2Q, ITQ")
    assert {path.name for path in (project_home / "models").iterdir()} == {"PenaltyStrategies"}


def test_a_rotation_is_not_rotated_again(settings, project_home):
    parent = finish(settings)
    rotate_itq(["-p", str(parent.directory)])
    (run,) = rotated("ITQ", parent)
    refused(["H2Q", "-p", str(run.directory)], str(run), "already", parent.name)
    assert not (project_home / "models" / "H2Q").exists()


def test_warnings(settings):
    settings = replace(settings, mode="bp")
    for changes, named in (
        ({"no_cube": False}, "with tanh, which draws"),
        ({"penalty": 0.5}, "with -penalty 0.5, which draws"),
        ({"L2_penalty": 0.1, "no_cube": False}, "with tanh and -L2_penalty 0.1, which draw "),
        ({"loss": "HashNet", "no_cube": False}, "with tanh"),
    ):
        finish(changed := replace(settings, **changes))
        with pytest.warns(UserWarning, match=named):
            rotate(ITQ.Settings.rotating(changed), quiet=True)
    for changes in ({}, {"loss": "HyP2", "penalty": 0.75}):
        finish(changed := replace(settings, **changes))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rotate(ITQ.Settings.rotating(changed), quiet=True)


def test_a_row_of_zeros_is_named_and_keeps_its_code(settings, monkeypatch):
    def encode(self, run, settings, folds, *, quiet):
        for views in usual(self, run, settings, folds, quiet=quiet):
            values = views[""].features
            values[3] = 0
            yield {"": type(views[""])(values, pack(values))}

    usual = PenaltyStrategies.encode
    monkeypatch.setattr(PenaltyStrategies, "encode", encode)
    finish(settings)
    path = load_fold("TINY", "train").paths[3]
    with pytest.warns(UserWarning, match=f"row 3 of train .*{path}"):
        run = rotate(H2Q.Settings.rotating(settings, rotation_epochs=2), quiet=True)
    assert np.all(binarise(features(run, "train"))[3] == 1)


def test_a_name_that_would_be_too_long(settings):
    parent = finish(replace(settings, constants="margin=" + "1" * 60, mode="fa"))
    run = rotate(H2Q.Settings.rotating(parent.settings(), rotation_epochs=2), quiet=True)
    own, _, digest = run.name.partition("parent~")
    assert own == "-r_ep=2-r_bs=128-r_lr=0.1-r_loss=L2"
    assert digest == hashlib.sha256(parent.name.encode()).hexdigest()[:12]
    assert json.loads(run.hparams_file.read_text())["parent"] == f"PenaltyStrategies/{parent.name}"
    assert run.settings().parent == parent.settings()
    predict(["-p", str(run.directory)])
