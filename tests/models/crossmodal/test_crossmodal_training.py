"""Training of two towers: every loss, the order of the passes, rules in each tower, resuming, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_cases import equal, train_and_break_off

from biodeephashing.bio import give_target
from biodeephashing.commands.train import train
from biodeephashing.data import PreparedDataset, TextTransformation
from biodeephashing.errors import BioDeepHashingError, DataError, RuleError, UsageError
from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES
from biodeephashing.models.CrossModal import Settings
from biodeephashing.models.CrossModal.feeding import CrossModalFeeding
from biodeephashing.models.CrossModal.fit import build_module
from biodeephashing.models.CrossModal.module import CrossModalModule
from biodeephashing.models.CrossModal.train import main as script
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.devices import lay_out

RULES = {"DCMH": "kp", "DSPH": "fa", "DNpH": "dfa", "CHN": "wm", "CMHH": "drtp", "PRDH": "brsf", "Contrastive": "usf", "SCAHN": "dfa"}


ALONE = SimpleNamespace(  # what a feeding asks of a trainer with one device
    global_rank=0, world_size=1, strategy=SimpleNamespace(root_device=torch.device("cpu")),
    fit_loop=SimpleNamespace(epoch_progress=SimpleNamespace(current=SimpleNamespace(processed=0))),
)  # fmt: skip


def built(settings: Settings) -> tuple[CrossModalModule, CrossModalFeeding]:
    prepared = PreparedDataset(settings.database)
    texts = TextTransformation.of(prepared, settings.text_weights, settings.captions)
    loss = CROSSMODAL_LOSSES[settings.loss]
    feeding = CrossModalFeeding(prepared, texts, settings, alternates=loss.alternates, pairwise=loss.pairwise)
    return build_module(settings, feeding, fresh=True), feeding


def gradients(settings: Settings) -> dict[str, torch.Tensor]:
    """Return the gradient of every weight after the loss of one batch in each tower."""
    module, feeding = built(settings)
    for learner in module.learners.values():
        learner.convert({})
    module.loss.on_fit_start(feeding.labels)
    module.join = lambda *shares: shares  # there is no trainer
    for views in feeding.passes().values():
        module.loss_of(module.on_after_batch_transfer(views.batch([3, 1, 7, 4]), 0)).backward()
    return {name: parameter.grad for name, parameter in module.towers.named_parameters()}


@pytest.mark.parametrize("loss", CROSSMODAL_LOSSES)
def test_every_loss_trains_two_towers(settings, loss, capsys):
    run = train(replace(settings, loss=loss, mode=RULES.get(loss, "fa")))
    out = capsys.readouterr().out
    assert run.status == "finished"
    assert out.count("val_mAP_i2t") == out.count("val_mAP_t2i") == 2
    content = read_checkpoint(run.best_checkpoint)
    weights = "hash_layer.heads.2.1.weight", "hash_layer.heads.0.0.weight"
    image, text = weights if CROSSMODAL_LOSSES[loss].levels else ["hash_layer.weight"] * 2
    assert content["network"][image].shape == (12, 500)
    assert content["text"]["network"][text].shape == (12, 16)
    assert all(torch.isfinite(value).all() for part in (content, content["text"]) for value in part["network"].values())
    assert math.isfinite(content["val_mAP"])


@pytest.mark.parametrize("loss", [name for name, kind in CROSSMODAL_LOSSES.items() if kind.alternates])
def test_codes_remembered_at_the_start(settings, loss):
    module, feeding = built(replace(settings, loss=loss))
    (inputs, _, rows), buffer = feeding.train_views["text"].batch([2, 0, 1]), module.loss.text
    with torch.inference_mode():
        outputs = module.loss.relax(module.towers["text"].eval()(feeding.texts.to_network_input(inputs)))
    assert torch.allclose(buffer[rows], outputs, atol=1e-6) == module.loss.starts_from_towers
    if loss == "CMHH":  # drawn: tanh of N(0, 1)
        assert 0.55 < buffer.std().item() < 0.7


@pytest.mark.parametrize("first", ["image", "text"])
def test_an_epoch_is_one_pass_of_each_tower_as_by_hand(settings, first):
    chosen = replace(settings, first=first, architecture="lenet", text_architecture="mlp:16", mode="bp", epochs=1, schedule="constant")
    run = train(chosen, quiet=True)
    module, feeding = built(chosen)
    module.loss.on_fit_start(feeding.labels)
    optimizers = {name: learner.optimizer() for name, learner in module.learners.items()}
    module.train()
    lay_out(module.towers["image"], torch.device("cpu"))
    feeding.trainer = ALONE
    for name, one in zip(feeding.passes(), feeding.train_dataloader().loaders, strict=True):
        modality = name.removesuffix("s")
        for batch in one:
            inputs, labels, index = module.on_after_batch_transfer(batch, 0)[modality]
            optimizers[modality].zero_grad()
            module.loss(module.towers[modality](inputs), labels, index, modality).backward()
            optimizers[modality].step()
    module.loss.refresh()
    state = read_checkpoint(run.last_checkpoint)["state_dict"]
    assert equal(state, module.state_dict())
    assert list(feeding.passes()) == [f"{first}s", "texts" if first == "image" else "images"]


@pytest.mark.parametrize(("loss", "rule"), [("DCMH", "kp"), ("DSPH", "wm"), ("DNpH", "image.*=frsf,text.*=bp"), ("SCAHN", "dfa")])
def test_a_resumed_training_equals_an_uninterrupted_one(settings, monkeypatch, loss, rule):
    sampling = "independent" if rule == "kp" else "permutation"
    chosen = replace(settings, loss=loss, mode=rule, sampling=sampling, epochs=3, clip_norm=1.0, constrain_norm=rule == "wm")
    whole = train_and_break_off(monkeypatch, chosen, epoch=1)
    resumed = train(chosen, quiet=True)
    one, other = (read_checkpoint(run.last_checkpoint) for run in (whole, resumed))
    assert equal(one["state_dict"], other["state_dict"])
    assert _flat(one["optimizer_states"]) == _flat(other["optimizer_states"])
    assert one["lr_schedulers"] == other["lr_schedulers"]
    assert len(one["optimizer_states"]) == 2 + (loss == "DSPH")


def _flat(value: object) -> object:
    """Return nested states with lists in place of tensors, which compare."""
    if isinstance(value, dict):
        return {key: _flat(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_flat(entry) for entry in value]
    return value.tolist() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("loss", ["DCMH", "DSPH", "SCAHN"])
def test_bp_is_plain_autograd_in_both_towers(settings, loss):
    chosen = replace(settings, loss=loss)
    ours = gradients(replace(chosen, mode="bp"))
    plain = gradients(replace(chosen, mode="bp", architecture="lenet", text_architecture="mlp:16"))
    assert equal(ours, plain)
    assert all(gradient.abs().sum() > 0 for gradient in ours.values())


@pytest.mark.parametrize("loss", ["DCMH", "DSPH", "SCAHN"])
def test_a_rule_in_the_image_tower_leaves_the_text_tower_exact(settings, loss):
    exact, mixed = (gradients(replace(settings, loss=loss, mode=mode)) for mode in ("bp", "image.*=fa,text.*=bp"))
    same = {name: torch.equal(exact[name], mixed[name]) for name in exact}
    assert all(same[name] for name in same if name.startswith("text."))
    heads = [name for name in same if name.startswith("image.hash_layer.") and name.endswith("weight") and exact[name].ndim == 2]
    assert heads
    assert all(same[name] for name in heads)  # the error at the hash layer is exact under every rule
    assert not same["image.backbone.features.0.weight"]


def test_independent_batches_are_another_run_with_as_many_steps(settings):
    chosen = replace(settings, sampling="independent")
    assert chosen.name.endswith("-sampling=independent")
    _, feeding = built(chosen)
    feeding.trainer = ALONE
    passes = [[batch[next(iter(batch))][2].tolist() for batch in one] for one in feeding.train_dataloader().loaders]
    assert [[len(rows) for rows in one] for one in passes] == [[8, 8, 4], [8, 8, 4]]
    assert any(set(rows) & set(one[0]) for one in passes for rows in one[1:])


def test_copied_feedback_steps_with_its_own_tower(settings, monkeypatch):
    steps = []
    original = CrossModalModule.on_save_checkpoint

    def saved(self, checkpoint):
        steps.append({name: learner.follower.step for name, learner in self.learners.items()})
        original(self, checkpoint)

    monkeypatch.setattr(CrossModalModule, "on_save_checkpoint", saved)
    train(replace(settings, mode="kp"), quiet=True)
    assert steps == [{"image": 3, "text": 3}, {"image": 6, "text": 6}]  # batches of 20 items, 8 at a time
    monkeypatch.undo()


def test_each_tower_has_its_rates_and_its_schedule(settings):
    module, _ = built(replace(settings, loss="DSPH", text_learning_rate=0.01, text_hash_rate=3.0, hash_rate=2.0))
    image, text, own = [entry["optimizer"] for entry in module.configure_optimizers()]
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in (image, text, own)]
    assert rates == [[1e-3, 2e-3], [0.01, pytest.approx(0.03)], [pytest.approx(0.02)]]  # proxies at ten times the hash layer's rate
    assert all("lr_scheduler" in entry for entry in module.configure_optimizers())


def test_targets_reach_both_towers(settings):
    module, feeding = built(replace(settings, mode="drtp"))
    for name, learner in module.learners.items():
        learner.convert({})
        inputs, labels, _ = module.on_after_batch_transfer(feeding.passes()[f"{name}s"].batch([0, 1]), 0)[name]
        give_target(module.towers[name], labels)
        module.towers[name](inputs).sum().backward()


@pytest.mark.parametrize("weights", ["tfidf", "centred"])
def test_weighted_words_train_in_half_precision(settings, weights):
    assert train(replace(settings, text_weights=weights, precision="bf16-mixed", epochs=1), quiet=True).status == "finished"


@pytest.mark.slow
def test_several_processes_see_the_batches_of_one(settings):
    runs = [train(replace(settings, mode="bp", epochs=1, devices=devices, experiment_name=f"d{devices}"), quiet=True) for devices in (1, 2)]
    one, two = (read_checkpoint(run.last_checkpoint)["state_dict"] for run in runs)
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("loss", "terms"), [("DCMH", {"image_loss/nll", "text_loss/nll"}), ("DSPH", {"loss/pairs"})])
def test_each_epoch_has_its_curves(settings, loss, terms):
    run = train(replace(settings, loss=loss), quiet=True)
    board = EventAccumulator(str(run.logs / "version_0")).Reload()
    for name in {"train_loss", "val_mAP/epoch", "val_mAP_i2t", "val_mAP_t2i"} | terms:
        assert [event.step for event in board.Scalars(name)] == [0, 1], name
    across = [board.Scalars(f"val_mAP_{direction}")[1].value for direction in ("i2t", "t2i")]
    assert sum(across) / 2 == pytest.approx(board.Scalars("val_mAP/epoch")[1].value)


def test_a_finished_run_is_skipped(settings, capsys):
    train(settings, quiet=True)
    capsys.readouterr()
    train(settings)
    assert capsys.readouterr().out.startswith("skipped")


def test_images_without_texts_are_refused(settings, tiny_database):
    with pytest.raises(DataError, match="TINY have no texts"):
        train(replace(settings, database=tiny_database), quiet=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "DNpH", "batch_size": 1}, "-bs 1.*at least 2"),
        ({"text_mode": "frfs"}, "-text_mode 'frfs'.*did you mean 'frsf'"),
        ({"mode": "text.*=frfs"}, "-mode 'frfs'.*did you mean 'frsf'"),
        ({"text_architecture": "mlp", "text_mode": "fa"}, "-text_arch mlp always trains with bp, so -text_mode fa.*-text_arch bio-mlp"),
        ({"text_mode": "image.*=fa,*=bp"}, "-text_mode image.*holds for the text tower alone"),
        ({"architecture": "lenet", "text_architecture": "mlp", "mode": "fa"}, "-arch bio-lenet"),
        ({"text_architecture": "bio-mpl"}, "'bio-mpl'.*did you mean 'bio-mlp'"),
        ({"text_architecture": "mlp:many"}, "mlp:many.*mlp:2048,512"),
        ({"text_architecture": "linear:3"}, "nothing behind a colon"),
        ({"precision": "16-mixed"}, "bf16-mixed"),
        ({"align_every": 1}, "-align_every"),
        ({"constants": "gama=2"}, "did you mean 'gamma'"),
        ({"constants": "bits=2"}, "not a constant of the method"),
        ({"loss": "DCHM"}, "did you mean 'DCMH'"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_run_begins(settings, change, message):
    with pytest.raises(UsageError, match=message):
        train(replace(settings, **change), quiet=True)


def test_a_map_of_image_layers_says_that_the_text_tower_has_none(settings):
    with pytest.raises(RuleError, match=r"text tower.*features\.\*.*hidden"):
        train(replace(settings, mode="features.*=frsf,*=bp"), quiet=True)


def test_outputs_that_are_not_finite_end_the_training_in_words(settings):
    with pytest.raises(BioDeepHashingError, match=r"not finite|diverged"):
        train(replace(settings, loss="DSPH", optimizer="sgd", learning_rate=1e30), quiet=True)


def test_the_command_says_what_comes_next(settings, capsys):
    flags = ("-exp", "test", "-db", settings.database, "-loss", "DSPH", "-nbits", "8", "-arch", "lenet", "-text_arch", "linear")
    script([*flags, "-trf", "none", "-bs", "8", "-ep", "1", "-nw", "0", "-device", "cpu", "-tracking", "off"])
    out = capsys.readouterr().out
    assert "src/models/CrossModal/predict.py" in out
    assert "text network: linear" in out


@pytest.mark.parametrize(
    ("mode", "text_mode", "image", "text"),
    [
        ("fa", "", "fa", "fa"),
        ("fa", "usf", "fa", "usf"),
        ("image.*=frsf,text.*=bp", "", "frsf", "bp"),
        ("image.features.*=fa,*=usf", "", "features.*=fa,*=usf", "usf"),
        ("classifier-only:fa", "bp", "classifier-only:fa", "bp"),
    ],
)
def test_a_rule_holds_for_both_towers_or_for_one(mode, text_mode, image, text):
    settings = Settings(architecture="bio-lenet", mode=mode, text_mode=text_mode)
    assert (settings.tower("image").mode, settings.tower("text").mode) == (image, text)


def test_a_plain_tower_leaves_the_rule_to_the_other():
    settings = Settings(architecture="bio-lenet", text_architecture="mlp", mode="features.*=frsf,*=bp")
    assert (settings.tower("image").mode, settings.tower("text").mode) == ("features.*=frsf,*=bp", "bp")


def test_what_means_the_same_has_one_name():
    settings = Settings(architecture="bio-lenet", mode="fa")
    assert replace(settings, text_mode="fa", text_learning_rate=1e-3, text_hash_rate=1.0).name == settings.name
    assert "-text_arch=bio-mlp-" in settings.name


def test_one_code_for_all_images_is_warned_of_once(settings):
    with pytest.warns(UserWarning, match="same code") as caught:
        train(replace(settings, loss="CMHH", constants="focus=2", learning_rate=1.0, epochs=3, clip_norm=1.0))
    said = [str(warning.message) for warning in caught if "same code" in str(warning.message)]
    assert len(said) == len({message.split(" have")[0] for message in said}) >= 1
    assert all("focus=0" in message for message in said)
