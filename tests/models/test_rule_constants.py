"""Constants of learning rules that a run sets: which rule takes them, and what is refused before anything is written."""

from dataclasses import replace

import pytest

from biodeephashing.bio import RULES, WeightMirror
from biodeephashing.commands.train import train
from biodeephashing.errors import BioDeepHashingError, UsageError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run
from biodeephashing.runs.hparams_json import hparams_of
from biodeephashing.training.checkpoints import read_checkpoint
from biodeephashing.training.rules import rules_of

LAYERS = ["features.0", "classifier.0", "hash_layer"]


def with_constants(mode, constants):
    return Settings(architecture="bio-lenet", mode=mode, rule_constants=constants)


def test_every_rule_that_has_a_constant_takes_it():
    assert rules_of(with_constants("wm", "samples=7 , rate=0.5"), LAYERS) == WeightMirror(0.5, 7)
    assert rules_of(with_constants("features.*=wm,*=fa", "rate=1"), LAYERS) == {"features.*": WeightMirror(1), "*": RULES["fa"]()}
    assert rules_of(with_constants("all-but-hash-layer:wm", "samples=3"), LAYERS)["*"] == WeightMirror(samples=3)
    for rule in RULES:
        assert rules_of(with_constants(rule, ""), LAYERS) == RULES[rule]()


def test_name_and_hparams_hold_them_only_when_changed():
    plain, changed = with_constants("wm", ""), with_constants("wm", "samples=7,rate=.50")
    assert changed.name == f"{plain.name}-rule_constants=rate%3D0.5,samples%3D7"
    assert hparams_of(changed) == hparams_of(plain) | {"rule_constants": "rate=0.5,samples=7"}
    assert "rule_constants" not in hparams_of(plain)
    assert Settings.from_mapping(hparams_of(changed), "hparams.json") == changed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "wm", "rule_constants": "rates=0.1"}, "'rates': did you mean 'rate'"),
        ({"mode": "*.0=wm,*=fa", "rule_constants": "sample=1"}, "'sample': did you mean 'samples'"),
        ({"mode": "fa", "rule_constants": "rate=0.1"}, "rules of -mode fa 'rate'"),
        ({"mode": "wm", "rule_constants": "rate=2"}, "rate=2"),
        ({"mode": "wm", "rule_constants": "rate=fast"}, "rate='fast'"),
        ({"mode": "features.*=drtp,*=bp", "precision": "16-mixed"}, "-mode drtp propagates the target"),
    ],
)
def test_what_is_refused_before_anything_is_written(changes, message, settings):
    wrong = replace(settings, **changes)
    with pytest.raises(BioDeepHashingError) as error:
        train(wrong, quiet=True)
    assert message in str(error.value)
    assert not Run.of(wrong).directory.exists()


def test_a_plain_network_has_no_rules_to_set_constants_of():
    with pytest.raises(UsageError, match="-arch vgg16 has none: write -arch bio-vgg16"):
        Settings(architecture="vgg16", rule_constants="rate=0.1")


def test_a_training_takes_them(settings):
    run = train(replace(settings, mode="hash_layer=wm,*=fa", rule_constants="samples=5", epochs=1), quiet=True)
    rules = read_checkpoint(run.best_checkpoint)["learning_rule"]
    assert {name: state["options"] for name, state in rules.items() if state["rule"] == "wm"} == {
        "hash_layer": {"rate": 0.05, "samples": 5}
    }
