"""What a run tells its loss, what the loss learns and keeps, and what becomes of it in the network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_cases import train_and_break_off

from biodeephashing import codes
from biodeephashing.backbones import build_network
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.data import ImageFold, load_fold, normalise
from biodeephashing.errors import UnknownNameError, UsageError
from biodeephashing.losses import LOSSES, HashingLoss
from biodeephashing.losses.dch import DCH
from biodeephashing.models.PenaltyStrategies.loss import build_loss
from biodeephashing.runs import Run
from biodeephashing.training import fit
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.learner import convert


class Normalised(DCH):
    """A loss on outputs that are normalised by statistics over the data."""

    def __init__(self, **shared):
        super().__init__(**shared)
        self.norm = torch.nn.BatchNorm1d(self.bits)

    def relax(self, outputs):
        return super().relax(self.norm(outputs))

    def affine(self):
        scale = self.norm.weight / (self.norm.running_var + self.norm.eps).sqrt()
        return scale.detach(), (self.norm.bias - scale * self.norm.running_mean).detach()


class Referring(DCH):
    """A loss that asks codes to be as alike as the features of a network that does not learn."""

    needs_reference = True

    def objective(self, codes, labels, index):
        codes, features = (torch.nn.functional.normalize(rows) for rows in (codes, self.reference[index].to(codes.dtype)))
        return (codes @ codes.T - features @ features.T).square().mean()


class Remembering(DCH):
    """A loss with a memory of the whole train fold, which moves between epochs."""

    def on_fit_start(self, labels):
        self.register_buffer("bank", labels.clone())
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    def on_epoch_end(self):
        self.epochs += 1

    def objective(self, codes, labels, index):
        assert torch.equal(self.bank[index], labels)
        return super().objective(codes, labels, index) * (1 + self.epochs)


def built(name):
    torch.manual_seed(0)
    return LOSSES[name](bits=12, classes=4, train_size=32, similar_probability=0.25, penalty=0.1)


OWN = {"own normalisation": Normalised, "own reference": Referring, "own memory": Remembering}
LEARNING = sorted(name for name in LOSSES if list(built(name).parameters()))
REFERRING = sorted(name for name in LOSSES if LOSSES[name].needs_reference)
NORMALISING = sorted(name for name in LOSSES if LOSSES[name].affine is not HashingLoss.affine)


@pytest.fixture
def choose(settings, monkeypatch):
    """Settings of a short run with a loss of the registry, or one of those above."""

    def chosen(name, **changes):
        if name in OWN:
            monkeypatch.setitem(LOSSES._entries, "DCH", OWN[name])
        return replace(settings, **({} if name in OWN else {"loss": name}), **changes)

    return chosen


def state_of(run):
    return read_checkpoint(run.last_checkpoint)["state_dict"]


# ---------------------------------------------------------------- constants and facts


def test_a_constant_reaches_the_loss(settings):
    fold = load_fold(settings.database, "train")
    loss = build_loss(replace(settings, constants="gamma=20"), fold)
    assert loss.gamma == 20
    loss = build_loss(replace(settings, loss="HashNet", constants="period=7,alpha=2e-1"), fold)
    assert (loss.period, loss.alpha) == (7, 0.2)


@pytest.mark.parametrize(
    ("constants", "error", "message"),
    [
        ("gama=20", UnknownNameError, "unknown constant of DCH 'gama': did you mean 'gamma'? Known: gamma."),
        ("period=20", UnknownNameError, "unknown constant of DCH 'period'. Known: gamma."),
        ("penalti=0.1", UnknownNameError, "unknown constant of DCH 'penalti'. Known: gamma."),  # a name that is refused is not offered
        ("bits=20", UsageError, "-constants bits=...: bits is not a constant of the method, the run sets it"),
        ("penalty=0.1", UsageError, "-constants penalty=..."),
        ("multi_label=true", UsageError, "-constants multi_label=..."),
        ("gamma=wide", UsageError, "gamma='wide' is not a number"),
        ("gamma=true", UsageError, "gamma=True is not a number"),
        ("gamma=-1", UsageError, "gamma=-1 is not possible"),
        ("gamma=nan", UsageError, "gamma=nan is not possible"),
    ],
)
def test_a_constant_that_cannot_be_is_named_before_anything_is_written(settings, constants, error, message):
    settings = replace(settings, constants=constants)
    with pytest.raises(error) as caught:
        train(settings, quiet=True)
    assert message in str(caught.value)
    assert not Run.of(settings).directory.exists()


def test_the_facts_of_the_train_fold_reach_the_loss(settings):
    fold = load_fold(settings.database, "train")
    loss = build_loss(settings, fold)
    assert (loss.bits, loss.classes, loss.train_size, loss.similar_probability) == (12, 4, 32, 0.25)
    assert loss.multi_label is False
    labels = fold.labels.copy()
    labels[3] = 0  # an image without a class makes none of many
    assert build_loss(settings, replace(fold, labels=labels)).multi_label is False
    labels[5] = [1, 0, 1, 0]
    assert build_loss(settings, replace(fold, labels=labels)).multi_label is True


# ---------------------------------------------------------------- weights, features and statistics


@pytest.mark.parametrize("name", ["own normalisation", "own reference", *sorted({*LEARNING, *REFERRING, *NORMALISING})])
def test_what_a_loss_learns_and_keeps_survives_a_resume(choose, monkeypatch, name):
    settings = choose(name, epochs=3, patience=9, optimizer="sgd")
    whole = train_and_break_off(monkeypatch, settings, 1)
    run = train(settings, quiet=True)
    one, other = state_of(run), state_of(whole)
    assert any(key.startswith("loss.") for key in one)
    assert one.keys() == other.keys()
    for key in one:
        assert torch.equal(one[key], other[key]), key
    best = read_checkpoint(run.best_checkpoint)
    assert best["loss"].keys() == {key.removeprefix("loss.") for key in one if key.startswith("loss.")}


def test_a_loss_gets_the_labels_of_the_train_fold_and_hears_of_each_epoch(choose, monkeypatch):
    settings = choose("own memory", epochs=2)
    whole, run = train_and_break_off(monkeypatch, settings, 1), train(settings, quiet=True)
    for state in (state_of(whole), state_of(run)):
        assert state["loss.epochs"] == 2
        assert np.array_equal(state["loss.bank"], load_fold(settings.database, "train").labels)
    assert torch.equal(state_of(run)["network.hash_layer.weight"], state_of(whole)["network.hash_layer.weight"])


@pytest.mark.parametrize("name", ["own normalisation", *LEARNING])
def test_what_a_loss_learns_moves_with_its_own_group(choose, name):
    settings = choose(name, epochs=1)
    module = fit.build_module(settings, load_fold(settings.database, "train"), build_loss, fresh=True)
    own = [id(p) for group in module.configure_optimizers()["optimizer"].param_groups[2:] for p in group["params"]]
    assert sorted(own) == sorted(id(p) for p in module.loss.parameters())
    start = {key: value.clone() for key, value in module.loss.named_parameters()}
    state = state_of(train(settings, quiet=True))
    for key, value in start.items():
        assert not torch.equal(state[f"loss.{key}"], value), key


@pytest.mark.parametrize("name", ["own reference", *REFERRING])
def test_features_are_those_of_the_untrained_backbone_by_data_set_index(choose, name):
    settings = choose(name, epochs=1, predict_batch_size=5)
    kept = state_of(train(settings, quiet=True))["loss.reference"]
    torch.manual_seed(settings.seed)
    network = build_network("lenet", bits=12).eval()
    images = ImageFold(load_fold(settings.database, "train"), "none")
    with torch.no_grad():
        features = torch.stack([network.backbone(normalise(images[row][0].unsqueeze(0)))[0] for row in range(len(images))])
    torch.testing.assert_close(kept, features, rtol=1e-4, atol=1e-5)


def test_features_of_images_the_network_cannot_take_are_refused(choose):
    with pytest.raises(UsageError, match=r"alexnet cannot take images of 32×32 pixels"):
        train(choose("own reference", architecture="bio-alexnet", weights="none"), quiet=True)


@pytest.mark.parametrize("name", ["own normalisation", *NORMALISING])
def test_codes_are_the_signs_of_normalised_outputs(choose, name):
    settings = choose(name, epochs=1)
    run = train(settings, quiet=True)
    predict(settings, quiet=True)
    fold = load_fold(settings.database, "val")
    module = fit.build_module(settings, load_fold(settings.database, "train"), build_loss, fresh=False).eval()
    convert(module.network, settings)
    module.load_state_dict(state_of(run))
    images = ImageFold(fold, "none")
    with torch.no_grad():
        outputs = torch.stack([module.network(normalise(images[row][0].unsqueeze(0)))[0] for row in range(len(images))])
    scale, shift = module.loss.affine()
    assert not torch.equal(scale, torch.ones_like(scale))
    np.testing.assert_allclose(np.load(run.features_file("val")), (scale * outputs + shift).numpy(), atol=1e-4)
    assert np.array_equal(codes.unpack(np.load(run.codes_file("val")), 12), codes.binarise((scale * outputs + shift).numpy()))
