"""A loss of one's own: the template trains as it stands, its file is found again, and what cannot be learned from is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_cases import equal, train_and_break_off

from biodeephashing.checksums import digest
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.new_loss import TEMPLATE, new_loss
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.errors import BioDeepHashingError, RunError, UsageError
from biodeephashing.models.CrossModal import Settings
from biodeephashing.models.CrossModal.new_method import main as script
from biodeephashing.models.CrossModal.own_loss import loss_class
from biodeephashing.runs import Run
from biodeephashing.training.checkpoints import read_checkpoint


@pytest.fixture(autouse=True)
def another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the files that a test has loaded: the name of a module belongs to one file."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in [name for name, one in sys.modules.items() if str(getattr(one, "__file__", "")).startswith(str(tmp_path))]:
        del sys.modules[name]


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Callable[[str, str], Settings]:
    """Return the settings of a run with a loss whose objective is given, and the name of its file."""

    def with_objective(body: str, name: str = "Ours") -> Settings:
        file = tmp_path / f"{name}.py"
        head, _, _ = TEMPLATE.read_text("utf-8").replace("Template", name).partition('        """Return the loss of codes')
        file.write_text(f"{head}        {body}\n")
        return replace(settings, loss=f"{file}:{name}")

    return with_objective


def test_the_template_trains_as_it_stands(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    script(["Nearby"])
    assert "-loss Nearby.py:Nearby" in capsys.readouterr().out
    file = tmp_path / "Nearby.py"
    assert len(file.read_text().splitlines()) <= 40
    chosen = replace(settings, loss="Nearby.py:Nearby", constants="across=1")
    run = train(chosen, quiet=True)
    assert f"-loss=Nearby~{digest(file)[:12]}-" in run.name
    hparams = json.loads(run.hparams_file.read_text())
    assert (hparams["loss_file"], hparams["loss_sha256"]) == (str(file), digest(file))
    file.unlink()  # prediction and evaluation need the towers alone
    predict(run.settings(), quiet=True)
    assert 0 < evaluate(run, quiet=True)["query"]["mAP"] <= 1


def test_the_template_by_hand(settings):
    kind = loss_class(replace(settings, loss=f"{TEMPLATE}:Template"))
    loss = kind(bits=2, classes=2, train_size=2, similar_probability=0.5, across=3.0)
    images, texts = torch.tensor([[1.0, 1.0], [1.0, -1.0]]), torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    # images are orthogonal, as they should be; of the texts, cosines of -1 should be 0; across, (1, -1, 0, 0) should be (1, 0, 0, 1)
    assert loss(images, texts, torch.eye(2), torch.arange(2)).item() == pytest.approx(0 + 2 / 4 + 3 * 2 / 4)


def test_an_interrupted_run_goes_on(own, monkeypatch):
    chosen = own("return self.total(across=(normalize(image_codes) - normalize(text_codes)).square().sum(1).mean())")
    whole = train_and_break_off(monkeypatch, chosen, epoch=1)
    resumed = train(chosen, quiet=True)
    one, other = (read_checkpoint(run.last_checkpoint)["state_dict"] for run in (whole, resumed))
    assert equal(one, other)


def test_a_file_that_was_changed_is_another_run(own):
    before = own("return self.total(near=(image_codes - text_codes).square().mean())")
    after = own("return self.total(near=(image_codes - text_codes).abs().mean())")
    assert Run.of(before) != Run.of(after)
    assert loss_class(after).__name__ == "Ours"
    with pytest.raises(RunError, match=r"Ours\.py was changed"):
        train(before, quiet=True)
    Path(after.loss_file).unlink()
    with pytest.raises(RunError, match=r"Ours.*Ours\.py \(No such file"):
        train(before, quiet=True)
    assert not Run.of(before).directory.exists()


def test_a_loss_that_alternates_trains(settings, tmp_path):
    file = tmp_path / "turns.py"
    file.write_text(
        "from biodeephashing.losses.crossmodal import AlternatingLoss, other_modality\n\n"
        "class Turns(AlternatingLoss):\n"
        "    def phase(self, codes, labels, index, modality):\n"
        "        other, known = self.remembered(other_modality(modality), codes.dtype)\n"
        "        return self.total(near=(codes @ other.T / self.bits - (labels @ known.T > 0).to(codes.dtype)).square().mean())\n"
    )
    run = train(replace(settings, loss=f"{file}:Turns"), quiet=True)
    assert (run.status, read_checkpoint(run.best_checkpoint)["loss"]["image"].shape) == ("finished", (20, 12))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return image_codes.square().mean()", "no gradient in a tower"),
        ("return (image_codes * text_codes).detach().mean()", "has no gradient"),
        ("return (image_codes * text_codes).mean(1)", r"a tensor \(6,\) and not a scalar"),
        ("return 0.0", "a float and not a scalar"),
        ("return (image_codes * text_codes).mean() / 0", "inf|nan"),
        ("return (image_codes * text_codes).abs().mean().log() * self.alpha", r"fails.*AttributeError.*alpha"),
        ("return ((image_codes - image_codes).norm() + text_codes.mean() + 0 * image_codes.mean())", "not finite|no gradient"),
    ],
)  # fmt: skip
def test_what_no_tower_can_learn_from_is_refused(own, body, message):
    chosen = own(body)
    with pytest.raises(UsageError, match=message):
        train(chosen, quiet=True)
    assert not Run.of(chosen).directory.exists()


def test_what_is_no_loss_is_refused(own, settings, tmp_path):
    chosen = own("return self.total(near=(image_codes - text_codes).square().mean())")
    for kind, message in (("Our", "did you mean 'Ours'"), ("Tensor", "Tensor.*no class that derives from"), ("Any", "Any.*derives")):
        with pytest.raises(UsageError, match=message):
            train(replace(settings, loss=f"{chosen.loss_file}:{kind}"), quiet=True)
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_this_name\n")
    with pytest.raises(UsageError, match=r"broken\.py cannot be run: ModuleNotFoundError.*nothing_of_this_name"):
        train(replace(settings, loss=f"{broken}:Loss"), quiet=True)
    with pytest.raises(UsageError, match=r"-constants|constant of Ours 'acros'.*did you mean 'across'"):
        train(replace(chosen, constants="acros=1"), quiet=True)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("missing.py:Loss", r"missing\.py \(No such file"),
        ("missing.py", r"missing\.py:CLASS"),
        ("missing.py:3rd", "no name of a class"),
        ("DHNp", "did you mean 'DNpH'"),
        ("Loss~0123456789ab", "value for -loss"),
    ],
)  # fmt: skip
def test_a_loss_that_does_not_exist_is_refused(project_home, loss, message):
    with pytest.raises(UsageError, match=message):
        Settings(loss=loss)


def test_a_loss_of_the_library_has_no_file(own):
    assert replace(own("return 0"), loss="DSPH").loss_file == ""
    assert "loss_file" not in Settings(loss="DSPH").as_dict("train")


def test_a_file_like_a_module_is_refused(settings, tmp_path):
    for name in ("json", "my-loss"):
        file = tmp_path / f"{name}.py"
        file.write_text("")
        with pytest.raises(UsageError, match="rename it"):
            train(replace(settings, loss=f"{file}:Loss"), quiet=True)


def test_files_are_not_overwritten(tmp_path):
    file = new_loss("Ours", tmp_path)
    before = file.read_bytes()
    for name in ("Ours", "no-name", "class", "json"):
        with pytest.raises(BioDeepHashingError, match=name):
            new_loss(name, tmp_path)
    assert file.read_bytes() == before


@pytest.mark.slow
def test_several_processes_find_the_file(settings, tmp_path):
    file = new_loss("Shared", tmp_path)
    assert train(replace(settings, loss=f"{file}:Shared", mode="bp", epochs=1, devices=2), quiet=True).status == "finished"


@pytest.mark.parametrize("name", ["SCAHN", "JointLoss"])
def test_a_loss_of_ones_own_may_take_several_levels(settings, tmp_path, name):
    file = tmp_path / "Levelled.py"
    objective = "    def objective(self, x, y, labels, index):\n        return self.total(all=(x - y[:, -1:]).square().mean())\n"
    body = f"    levels = True\n\n{objective}" if name == "JointLoss" else "    pass\n"
    file.write_text(f"from biodeephashing.losses.crossmodal import {name}\n\n\nclass Levelled({name}):\n{body}")
    chosen = replace(settings, loss=f"{file}:Levelled", text_architecture="bio-mlp:16,12", epochs=1)
    run = train(chosen, quiet=True)
    file.unlink()  # prediction needs the towers alone
    predict(run.settings(), quiet=True)
    assert read_checkpoint(run.best_checkpoint)["network"]["hash_layer.attention"].shape == (3, 12)
