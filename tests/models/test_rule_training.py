"""What the command line says about rules: maps and presets from training to evaluation, held norms, clipped gradients."""

import json
from dataclasses import replace

import pytest
import torch
from training_cases import equal, weights

from biodeephashing.backbones import build_network
from biodeephashing.commands.train import train
from biodeephashing.data import ImageFold, load_fold, normalise
from biodeephashing.errors import BioDeepHashingError, RuleError
from biodeephashing.eval.eval_map import main as eval_main
from biodeephashing.models.PenaltyStrategies.loss import build_loss
from biodeephashing.models.PenaltyStrategies.predict import main as predict_main
from biodeephashing.models.PenaltyStrategies.train import main as train_main
from biodeephashing.runs import Run
from biodeephashing.training import fit
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.learner import convert

LENET = ["features.0", "features.3", "classifier.0", "hash_layer"]
LONG = "[f]eature[s].0=fa,[f]eature[s].3=frsf,[c]lassifie[r].0=usf,[h]ash_laye[r]=bp,*=bp"


@pytest.mark.parametrize(
    ("mode", "rules"),
    [
        ("features.* = frsf , classifier.*=kp,*=bp", ["frsf", "frsf", "kp", "bp"]),
        ("all-but-hash-layer:frsf", ["frsf", "frsf", "frsf", "bp"]),
        ("classifier-only:fa", ["bp", "bp", "fa", "fa"]),
        (LONG, ["fa", "frsf", "usf", "bp"]),
    ],
)
def test_maps_from_training_to_evaluation(tiny_database, project_home, capsys, mode, rules):
    train_main(
        ["-exp", "maps", "-db", tiny_database, "-loss", "DCH", "-nbits", "8", "-trf", "none", "-arch", "bio-lenet", "-mode", mode,
         "-bs", "8", "-ep", "1", "-nw", "0", "-device", "cpu", "-tracking", "off"]
    )  # fmt: skip
    [directory] = (project_home / "models" / "PenaltyStrategies" / tiny_database / "maps").iterdir()
    assert not set(directory.name) & set('<>:"/\\|?*')
    assert ("-mode=map~" in directory.name) == (mode == LONG)
    counted = ", ".join(f"{rule} on {rules.count(rule)} weight{'s' * (rules.count(rule) > 1)}" for rule in dict.fromkeys(rules))
    assert f"parameters, {counted}, 0 others" in capsys.readouterr().out
    predict_main([f"--path={directory}", "-nw", "0", "-device", "cpu"])
    eval_main([f"--path={directory}"])
    run = Run.at(directory)
    known = read_checkpoint(run.best_checkpoint)["learning_rule"]
    assert {name.removeprefix("backbone."): entry["rule"] for name, entry in known.items()} == dict(zip(LENET, rules, strict=True))
    result = json.loads(run.evaluation_file("query").read_text())
    assert result["hparams"]["mode"] == mode.replace(" ", "")
    assert 0 < result["mAP_expected"] <= 1


def test_a_map_is_the_rule_it_gives_everywhere(settings):
    one, other = (weights(train(replace(settings, epochs=1, mode=mode), quiet=True)) for mode in ("frsf", "features.*=frsf,*=frsf"))
    assert equal(one, other)


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("feature.*=frsf,*=bp", r"pattern 'feature.\*' for rule 'frsf' matches no layer: did you mean 'features.\*'"),
        ("conv1=frsf,*=bp", r"pattern 'conv1' .* The layers are features.0, features.3, classifier.0, hash_layer"),
        ("backbone.features.*=frsf,*=bp", r"matches no layer: .*did you mean 'features.\*'"),
        ("features.*=fa,features.3=usf,*=bp", r"pattern 'features.3' for rule 'usf' never applies: 'features.\*' before it"),
        ("features.*=frsf,hash_layer=bp", r"says nothing about 1 of 4 layers \('classifier.0'\): end it with '\*=bp'"),
    ],
)
def test_maps_that_do_not_fit_are_refused_before_anything_is_written(settings, mode, message):
    chosen = replace(settings, mode=mode)
    with pytest.raises(RuleError, match=message):
        train(chosen, quiet=True)
    assert not Run.of(chosen).directory.exists()


def initial(settings):
    torch.manual_seed(settings.seed)
    return build_network(settings.backbone, bits=settings.number_of_bits).state_dict()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("architecture", "mode"), [("lenet", "bp"), ("bio-lenet", "bp"), ("bio-lenet", "frsf"), ("bio-lenet", "kp")])
def test_norms_are_held(settings, architecture, mode, optimizer):
    chosen = replace(settings, architecture=architecture, mode=mode, optimizer=optimizer, epochs=2)
    held = weights(train(replace(chosen, constrain_norm=True), quiet=True))
    first = {name: value.double().norm().item() for name, value in initial(chosen).items() if value.dim() > 1}
    assert {name: held[f"network.{name}"].double().norm().item() for name in first} == pytest.approx(first, rel=1e-5)
    assert not torch.equal(held["network.hash_layer.weight"], initial(chosen)["hash_layer.weight"])
    free = weights(train(chosen, quiet=True))
    assert abs(free["network.hash_layer.weight"].double().norm().item() / first["hash_layer.weight"] - 1) > 0.01


def test_a_norm_that_cannot_be_held_is_refused_before_anything_is_written(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    donor = build_network("lenet", bits=4).backbone.state_dict()
    donor["features.3.weight"].zero_()
    torch.save(donor, "donor.pth")
    chosen = replace(settings, weights="donor.pth", constrain_norm=True)
    with pytest.raises(BioDeepHashingError, match=r"the weight of layer 'backbone.features.3' has norm 0\.0"):
        train(chosen, quiet=True)
    assert not Run.of(chosen).directory.exists()


def gradients_of_the_first_step(settings):
    """The network before the first step and its gradients for all images at once."""
    fold = load_fold(settings.database, "train")
    module = fit.build_module(settings, fold, build_loss, fresh=True)
    convert(module.network, settings)
    images, labels, index = zip(*(ImageFold(fold, "none")[row] for row in range(len(fold.labels))), strict=True)
    labels, index = torch.stack([torch.as_tensor(row) for row in labels]), torch.as_tensor(index)
    module.loss(module.network(normalise(torch.stack(images))), labels, index).backward()
    return module, {name: parameter.grad for name, parameter in module.network.named_parameters()}


@pytest.mark.parametrize(("architecture", "mode"), [("lenet", "bp"), ("bio-lenet", "frsf")])
@pytest.mark.parametrize("clipped", [True, False])
def test_one_clipped_step_by_hand(settings, architecture, mode, clipped):
    """All 32 images in one batch, so the only step is W - lr (c g + wd W), where c brings the joint norm down to -clip_norm."""
    chosen = replace(settings, architecture=architecture, mode=mode, optimizer="sgd", batch_size=32, epochs=1, weight_decay=0.01)
    module, gradients = gradients_of_the_first_step(chosen)
    total = torch.stack([gradient.double().square().sum() for gradient in gradients.values()]).sum().sqrt().item()
    limit = total / 4 if clipped else total * 4
    trained = weights(train(replace(chosen, clip_norm=limit), quiet=True))
    for name, weight in module.network.named_parameters():
        rate = 1e-2 if name.startswith("hash_layer") else 1e-3
        expected = weight.detach() - rate * (gradients[name] * (0.25 if clipped else 1.0) + 0.01 * weight.detach())
        moved = (expected - weight.detach()).abs().max()
        assert (trained[f"network.{name}"] - expected).abs().max() < 1e-3 * moved, name


def test_clipping_bounds_what_diverges(settings):
    chosen = replace(settings, optimizer="sgd", learning_rate=10.0, loss="DPSH", no_cube=True, epochs=1)
    with pytest.raises(BioDeepHashingError, match="diverged"):
        train(chosen, quiet=True)
    assert train(replace(chosen, clip_norm=1e-3), quiet=True).status == "finished"
