"""Runs with a memory bank: names and refusals, resuming, several processes, and what is said of codes that are all equal."""

import warnings
from dataclasses import replace

import pytest
import torch
from training_cases import equal, train_and_break_off

from biodeephashing.codes.signs import signs
from biodeephashing.codes.solvers import DSDHWeights, dsdh_update
from biodeephashing.commands.train import train
from biodeephashing.data import load_fold
from biodeephashing.errors import UsageError
from biodeephashing.losses import LOSSES
from biodeephashing.models.PenaltyStrategies.loss import build_loss
from biodeephashing.runs import Run
from biodeephashing.training.checkpoints import read_checkpoint

OPTIONAL = ["DBDH", "DHN", "DPSH", "DSH", "IDHN", "ISDH"]


def state_of(run: Run) -> dict[str, torch.Tensor]:
    return read_checkpoint(run.last_checkpoint)["state_dict"]


# ---------------------------------------------------------------- settings


def test_the_switch_is_in_names_and_files_only_where_it_is_on(settings):
    off, on = replace(settings, loss="DPSH"), replace(settings, loss="DPSH", bank=True)
    assert on.name == f"{off.name}-bank"
    assert "bank" not in off.as_dict("train")
    assert on.as_dict("train")["bank"] is True
    for name in ("DSDH", "DFH"):  # which always have one: what means the same is one run
        assert replace(settings, loss=name, bank=True) == replace(settings, loss=name)


def test_a_bank_is_refused_where_nothing_is_compared_with_it(settings):
    with pytest.raises(UsageError, match="-loss DCH compares no codes with a memory bank: -bank is for DBDH, DHN, DPSH, DSH, IDHN, ISDH"):
        replace(settings, bank=True)
    with pytest.raises(UsageError, match="-constants bank="):
        build_loss(replace(settings, loss="DPSH", constants="bank=true"), load_fold(settings.database, "train"))


@pytest.mark.parametrize("name", OPTIONAL)
def test_the_switch_reaches_the_loss(settings, name):
    fold = load_fold(settings.database, "train")
    assert build_loss(replace(settings, loss=name, bank=True), fold).has_bank
    assert not build_loss(replace(settings, loss=name), fold).has_bank


# ---------------------------------------------------------------- training


@pytest.mark.parametrize(
    "changes", [{"loss": "DPSH", "bank": True}, {"loss": "DSDH", "constants": "balance=true"}, {"loss": "DFH", "constants": "steps=20"}]
)
def test_a_run_with_a_bank_resumes_to_the_same_bits(settings, monkeypatch, changes):
    settings = replace(settings, epochs=2, **changes)
    whole = train_and_break_off(monkeypatch, settings, 1)
    run = train(settings, quiet=True)
    assert equal(state_of(run), state_of(whole))
    assert state_of(run)["loss.memory.written"].all()
    assert state_of(run)["loss.memory.codes"].shape == (32, 12)


def test_the_last_codes_of_all_training_images_are_solved_for(settings):
    """After the last epoch DSDH solved from the bank, starting with the codes of the epoch before."""
    settings, labels = replace(settings, loss="DSDH", penalty=0.1), torch.from_numpy(load_fold(settings.database, "train").labels)
    weights = DSDHWeights(1.0, 1.0, 0.1 * 32)
    codes = None
    for epochs in (1, 2):  # the same trainings up to there: seed and epoch alone decide what is drawn
        state = state_of(train(replace(settings, epochs=epochs), quiet=True))
        bank = state["loss.memory.codes"]
        codes, classifier = dsdh_update(signs(bank) if codes is None else codes, bank, labels, weights)
        assert torch.equal(state["loss.solved_codes"], codes)
        torch.testing.assert_close(state["loss.classifier"], classifier)
        assert state["loss.solved"]


def test_dfh_moves_its_centres_in_training(settings):
    state = state_of(train(replace(settings, loss="DFH", epochs=1, constants="steps=20"), quiet=True))
    centres = state["loss.centres"]
    assert centres.isfinite().all()
    assert (centres.abs() > 0.1).float().mean() > 0.5


@pytest.mark.slow
def test_two_processes_keep_the_bank_of_one(settings):
    """Each of two gloo processes sees half of a batch, and the first one's bank has every image's code."""
    settings = replace(settings, loss="DSDH", penalty=0.1, epochs=2, optimizer="sgd", constants="balance=true")
    one, two = (state_of(train(chosen, quiet=True)) for chosen in (settings, replace(settings, devices=2, experiment_name="two")))
    for key in one:
        if key.startswith("loss."):
            torch.testing.assert_close(one[key], two[key], rtol=1e-4, atol=1e-5)
    assert two["loss.memory.written"].all()


# ---------------------------------------------------------------- codes that are all equal


class Constant(LOSSES["DPSH"]):
    """A loss that draws all outputs to 1."""

    def objective(self, codes, labels, index):
        return 100 * (codes - 1).square().mean()


def test_codes_that_are_all_equal_are_reported_once_with_a_cure(settings, monkeypatch):
    settings = replace(settings, loss="DPSH", epochs=2, learning_rate=1e-2, no_cube=True)
    monkeypatch.setitem(LOSSES._entries, "DPSH", Constant)
    with pytest.warns(UserWarning, match="the same code") as caught:
        train(settings, quiet=True)
    (said,) = (str(warning.message) for warning in caught if "the same code" in str(warning.message))
    assert "all 16 val images" in said
    assert "-constants balance=true" in said
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*the same code")
        train(replace(settings, loss="DCH", learning_rate=1e-3, no_cube=False), quiet=True)
