"""Training: the files of a run, rules, losses, penalties, devices, and what is said when something is wrong."""

import json
import math
from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from many_cases import each_case
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException
from training_cases import equal, interrupt_in_epoch, steps_by_hand, weights

from biodeephashing.backbones import build_network
from biodeephashing.bio import QUANTITIES, RULES, FeedbackUpdater
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.data import ImageFold, load_fold, loader
from biodeephashing.errors import BioDeepHashingError, DataError, RunError, UsageError
from biodeephashing.losses import LOSSES
from biodeephashing.models.PenaltyStrategies.loss import build_loss
from biodeephashing.models.PenaltyStrategies.train import main as train_main
from biodeephashing.runs import Run
from biodeephashing.runs.alignment_csv import read_alignment
from biodeephashing.training import fit, loop
from biodeephashing.training.callbacks import BoardLogger
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.module import HashingModule


def test_tensorboard_logs_lie_in_a_root_that_looks_like_a_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("BOARD", "elsewhere")
    logger = BoardLogger(str(tmp_path / "$BOARD"), name="run")
    logger.log_metrics({"val_mAP": 0.5}, 0)
    assert list((tmp_path / "$BOARD" / "run" / "version_0").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["$BOARD"]


def test_a_run_holds_exactly_the_promised_files(settings):
    run = train(replace(settings, epochs=6, patience=6, min_delta=0.0), quiet=True)
    files = {path.name for path in run.directory.iterdir() if not path.name.startswith(".")}
    best = run.best_checkpoint.name
    periodic = {name for name in files if name.startswith("epoch=")}
    assert files == {"status=finished.out", "hparams.json", "split.json", "last.ckpt", best} | periodic
    assert sorted(name.split("-val_mAP=")[0] for name in periodic) == ["epoch=2", "epoch=5"]  # every patience // 2 = 3
    assert all(len(name.removesuffix(".ckpt").split(".")[-1]) == 8 for name in periodic)
    assert (run.directory / "status=finished.out").read_bytes() == b""
    hparams = json.loads(run.hparams_file.read_text())
    assert hparams["model"] == "PenaltyStrategies"
    assert hparams["number_of_bits"] == 12
    assert run.hparams_file.read_text().startswith('{\n "experiment_name"')  # indent 1
    assert [path.name for path in run.logs.iterdir()] == ["version_0"]


def test_the_best_checkpoint_holds_each_weight_once_and_nothing_else(settings):
    run = train(settings, quiet=True)
    content = read_checkpoint(run.best_checkpoint)
    assert set(content) == {"epoch", "val_mAP", "hparams", "learning_rule", "network", "loss"}
    plain = build_network("lenet", bits=12)
    assert content["network"].keys() == plain.state_dict().keys()  # no feedback matrix, no head
    numbers = sum(parameter.numel() for parameter in plain.parameters())
    assert run.best_checkpoint.stat().st_size < 4 * numbers + 20_000
    assert "optimizer_states" in read_checkpoint(run.last_checkpoint)


def test_best_is_the_best_epoch(settings):
    run = train(replace(settings, patience=2), quiet=True)
    kept = {float(path.stem.split("val_mAP=")[1]) for path in run.directory.glob("epoch=*.ckpt")}
    assert read_checkpoint(run.best_checkpoint)["val_mAP"] == pytest.approx(max(kept), abs=1e-8)
    assert len(list(run.directory.glob("best-epoch=*.ckpt"))) == 1


@pytest.mark.parametrize(("rule", "loss"), [(rule, "DCH") for rule in RULES] + [("frsf", loss) for loss in LOSSES if loss != "DCH"])
def test_every_rule_and_every_loss_trains(settings, rule, loss):
    run = train(replace(settings, mode=rule, loss=loss, epochs=1), quiet=True)
    torch.manual_seed(0)
    start = build_network("lenet", bits=12)
    trained = read_checkpoint(run.best_checkpoint)["network"]
    build_network("lenet", bits=12).load_state_dict(trained, strict=True)  # no feedback, learned or not
    assert read_checkpoint(run.last_checkpoint)["follower"]["step"] == 4
    moved = [key for key, value in start.state_dict().items() if not torch.equal(value, trained[key])]
    assert moved == list(start.state_dict())


@pytest.fixture
def batches(settings):
    """Two batches of the train fold."""
    images = ImageFold(load_fold(settings.database, "train"), settings.transformations)
    return list(islice(loader(images, batch_size=settings.batch_size, num_workers=0, shuffle=True, seed=0), 2))


@pytest.mark.parametrize("loss", LOSSES)
@each_case("rule", RULES)
def test_every_rule_trains_with_every_loss(settings, batches, rule, loss):
    """Two steps on the module of a run, without what a whole training does around them."""
    module = steps_by_hand(replace(settings, mode=rule, loss=loss), batches)
    torch.manual_seed(0)
    plain = build_network("lenet", bits=12)
    trained = module.checkpoint_content()["network"]
    assert module.learner.follower.step == 2
    moved = [key for key, value in plain.state_dict().items() if not torch.equal(value, trained[key])]
    assert moved == list(plain.state_dict())
    plain.load_state_dict(trained, strict=True)
    assert all(value.isfinite().all() for value in trained.values())


def test_rules_train_differently_and_bp_like_a_plain_network(settings):
    trained = {rule: weights(train(replace(settings, mode=rule, epochs=1), quiet=True)) for rule in RULES}
    names = list(trained)
    for position, one in enumerate(names):
        for other in names[position + 1 :]:
            assert not equal(trained[one], trained[other]), (one, other)
    plain = weights(train(replace(settings, architecture="lenet", mode="bp", epochs=1), quiet=True))
    assert all(torch.allclose(plain[key], trained["bp"][key], atol=1e-6) for key in plain)


def test_penalties_act(settings):
    free = weights(train(replace(settings, epochs=1), quiet=True))
    for name in ("L2_penalty", "HSWD_penalty"):
        assert not equal(free, weights(train(replace(settings, epochs=1, **{name: 1.0}), quiet=True))), name


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_the_hash_layer_learns_ten_times_faster(settings, optimizer):
    chosen = replace(settings, optimizer=optimizer)
    module = fit.build_module(chosen, load_fold(chosen.database, "train"), build_loss, fresh=True)
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert [group["lr"] for group in groups[:2]] == [1e-3, 1e-2]
    assert {id(p) for p in groups[1]["params"]} == {id(p) for p in module.network.hash_layer.parameters()}
    assert all(group["weight_decay"] == 0.0005 for group in groups)
    assert groups[0].get("momentum", 0) == (0.9 if optimizer == "sgd" else 0)


@pytest.mark.slow
def test_two_processes_give_the_gradient_of_one(settings):
    """Pair losses over the joined batch: two gloo processes with 4 + 4 images train like one with 8, and measure the same."""
    mode = "features.0=wm,features.3=brsf,classifier.0=kp,hash_layer=dfa"  # all that draws afresh, learns or looks at the whole network
    settings = replace(settings, epochs=2, optimizer="sgd", learning_rate=1e-3, mode=mode, align_every=1)
    alone = train(settings, quiet=True)
    one = weights(alone)
    two = replace(settings, devices=2, experiment_name="two")
    other = weights(train(two, quiet=True))
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[key], other[key], rtol=1e-4, atol=1e-6) for key in one)
    torch.manual_seed(0)
    start = build_network("lenet", bits=12).state_dict()
    assert all((one[f"network.{key}"] - start[key]).abs().max() > 1e-4 for key in start)
    measured = [read_alignment(run.alignment_file) for run in (alone, Run.of(two))]
    assert len(measured[0]) == 3 * 4
    for here, there in zip(*measured, strict=True):
        assert (here.epoch, here.layer, here.rule) == (there.epoch, there.layer, there.rule)
        for quantity in QUANTITIES:  # degrees
            assert here.values[quantity] == pytest.approx(there.values[quantity], abs=0.05, nan_ok=True)
        assert math.isfinite(here.values["update_angle"])


@pytest.mark.parametrize("what", ["best", "last"])
def test_a_truncated_checkpoint_is_named(settings, monkeypatch, what):
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(settings, quiet=True)
    run = Run.of(settings)
    damaged = run.best_checkpoint if what == "best" else run.last_checkpoint
    damaged.write_bytes(damaged.read_bytes()[:1000])
    if what == "best":
        run.mark("finished")
    with pytest.raises(RunError, match=r"truncated or damaged \(1,000 bytes\)"):
        predict(settings, quiet=True) if what == "best" else train(settings, quiet=True)
    assert damaged.stat().st_size == 1000


@pytest.mark.parametrize(("cache", "status"), [("train", None), ("off", "interrupted")])
def test_a_corrupt_image_is_named_before_the_run_begins_or_marks_it(settings, cache, status):
    fold = load_fold(settings.database, "train")
    fold.image(5).write_bytes(b"no image")
    with pytest.raises(DataError, match="line 6 of"):
        train(replace(settings, cache=cache), quiet=True)
    assert Run.of(settings).status == status


def test_divergence_is_said(settings):
    with pytest.raises(BioDeepHashingError, match="diverged"):
        train(replace(settings, loss="DPSH", learning_rate=1e30, no_cube=True), quiet=True)


def test_images_a_network_cannot_take_are_refused_before_anything_is_written(settings):
    for architecture, words in {
        "bio-alexnet": "alexnet cannot take images of 32×32 pixels.*-trf imagenet, which brings every image to 224×224",
        "timm:vit_tiny_patch16_224": "vit_tiny_patch16_224 cannot take images of 32×32 pixels .*-trf weights, .* every image to 224×224",
    }.items():
        chosen = replace(settings, architecture=architecture, weights="none", mode="bp")
        with pytest.raises(UsageError, match=words):
            train(chosen, quiet=True)
        assert not Run.of(chosen).directory.exists()


def test_a_missing_data_set_is_refused_before_anything_is_written(settings):
    chosen = replace(settings, database="CIFAR_01")
    with pytest.raises(BioDeepHashingError, match="did you mean 'CIFAR_10'"):
        train(chosen, quiet=True)
    assert not Run.of(chosen).directory.exists()


def test_pretrained_weights_are_really_loaded(settings, tmp_path):
    donor = build_network("lenet", bits=4)
    torch.save(donor.backbone.state_dict(), tmp_path / "donor.pth")
    chosen = replace(settings, weights=str(tmp_path / "donor.pth"), learning_rate=1e-12, epochs=1)
    trained = read_checkpoint(train(chosen, quiet=True).best_checkpoint)["network"]
    assert torch.allclose(trained["backbone.classifier.0.weight"], donor.backbone.classifier[0].weight, atol=1e-9)


@pytest.mark.parametrize("precision", ["bf16-mixed", "64"])
def test_precisions_train(settings, precision):
    run = train(replace(settings, precision=precision, epochs=1), quiet=True)
    predict(replace(settings, precision=precision, epochs=1), quiet=True)
    dtypes = {value.dtype for value in read_checkpoint(run.best_checkpoint)["network"].values()}
    assert dtypes == {torch.float64 if precision == "64" else torch.float32}
    assert np.load(run.features_file("query")).dtype == np.float32


def test_the_command_line_trains_and_says_what_comes_next(settings, capsys):
    train_main(
        ["-exp", "cli", "-db", settings.database, "-loss", "DPSH", "-nbits", "8", "-trf", "none", "-arch", "bio-lenet", "-mode", "usf",
         "-bs", "8", "-ep", "1", "-nw", "0", "-device", "cpu", "-tracking", "off"]
    )  # fmt: skip
    out = capsys.readouterr().out
    assert "usf on 4 weights" in out
    assert "epoch 1/1" in out
    assert 'predict.py -p "' in out
    assert 'eval_map.py -p "' in out


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
def test_a_gpu_trains_and_predicts(settings, precision):
    chosen = replace(settings, device="cuda", precision=precision)
    run = train(chosen, quiet=True)
    predict(chosen, quiet=True)
    on_gpu = np.load(run.features_file("query"))
    predict(replace(chosen, device="cpu", no_skip=True), quiet=True)
    np.testing.assert_allclose(on_gpu, np.load(run.features_file("query")), atol=1e-3 if precision == "32" else 0.1)


@pytest.mark.gpu
@pytest.mark.parametrize("rule", RULES)
def test_no_batch_waits_for_a_gpu(settings, monkeypatch, rule):
    """After the first one, which brings things there: from then on PyTorch raises where the processor would wait."""

    def without_waiting(kind, name):
        method, calls = getattr(kind, name), Counter()

        def call(self, *arguments):
            calls[id(self)] += 1
            torch.cuda.set_sync_debug_mode("error" if calls[id(self)] > 1 else "default")
            try:
                return method(self, *arguments)
            finally:
                torch.cuda.set_sync_debug_mode("default")

        monkeypatch.setattr(kind, name, call)
        return calls

    counted = [without_waiting(HashingModule, name) for name in ("on_after_batch_transfer", "loss_of", "validation_step")]
    counted.append(without_waiting(FeedbackUpdater, "_after_step"))
    train(replace(settings, device="cuda", mode=rule, epochs=2), quiet=True)
    assert all(max(calls.values()) > 1 for calls in counted)


@pytest.mark.gpu
def test_features_for_a_loss_leave_a_gpu_empty(settings):
    chosen, reserved = replace(settings, device="cuda", loss="BiHalf"), []
    for _ in range(2):  # the first time leaves what cuBLAS works in
        fit.build_module(chosen, load_fold(chosen.database, "train"), build_loss, fresh=True)
        reserved.append(torch.cuda.memory_reserved())
        torch.cuda.empty_cache()
    assert reserved[1] == torch.cuda.memory_reserved()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ProcessRaisedException("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", 0, 7), "GPU has"),
        (ProcessExitedException("process 1 terminated with signal SIGKILL", 1, 7, -9, "SIGKILL"), "from outside.* signal SIGKILL"),
    ],
)
def test_what_ended_one_of_several_processes_is_said(settings, monkeypatch, error, message):
    def caught(*args, **kwargs):
        raise error

    monkeypatch.setattr(loop.pl.Trainer, "fit", caught)
    with pytest.raises(RunError, match=message):
        train(settings, quiet=True)


def test_a_missing_gpu_is_said(settings, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device"):
        train(replace(settings, device="cuda"), quiet=True)


def test_half_precision_without_a_gpu_is_refused_not_replaced(settings):
    with pytest.raises(UsageError, match=r"16-mixed needs a CUDA device.*bf16-mixed"):
        train(replace(settings, precision="16-mixed"), quiet=True)
    assert not Run.of(replace(settings, precision="16-mixed")).directory.exists()
