"""A rule of one's own and somebody else's network: the examples run to their end, and what they print is true."""

import re
from pathlib import Path

import any_network
import new_rule
import pytest
import torch

from biodeephashing.bio import RULES

ROOT = Path(__file__).parents[2]


def test_every_example_guards_its_main_and_is_run_here():
    guarded = {path.stem: '\nif __name__ == "__main__":\n' in path.read_text("utf-8") for path in (ROOT / "examples").glob("*.py")}
    assert guarded.pop("cifar10_training") is False  # what classify_cifar10 trains, no command
    assert guarded.pop("cluster_demo") is True  # make cluster-demo; tests/executors has what it shows
    assert guarded == dict.fromkeys(("new_rule", "new_method", "any_network", "classify_cifar10", "own_images"), True)


class TestNewRule:
    @pytest.mark.slow
    def test_what_is_learned_and_measured(self, capsys):
        outcomes = new_rule.main()
        out = capsys.readouterr().out
        assert list(outcomes) == ["bp", "strong", "fa"]
        assert outcomes["bp"].accuracy > 0.95
        assert outcomes["bp"].accuracy > outcomes["fa"].accuracy > 0.5
        assert outcomes["strong"].accuracy > 0.9
        assert all(layer.update_angle < 0.01 for layer in outcomes["bp"].layers)
        assert all(0 < layer.weight_angle < 60 for layer in outcomes["strong"].layers)
        assert all(outcome.layers[-1].update_angle < 0.01 for outcome in outcomes.values())
        for name, outcome in outcomes.items():
            assert re.search(rf"^{name} +{100 * outcome.accuracy:.1f} %  ", out, re.MULTILINE)

    def test_feedback_by_hand(self):
        rule = new_rule.StrongSynapses(threshold=0.5)
        weight = torch.tensor([[0.3, -0.3, 0.19], [-0.21, 0.0, -9.0]])
        expected = torch.tensor([[0.4, -0.4, 0.0], [-0.4, 0.0, -0.4]])  # s = 0.4: strong is what exceeds 0.2
        assert torch.equal(rule.feedback(weight, None, 0.4), expected)

    def test_it_does_not_stay_registered(self):
        assert "strong" not in RULES


class TestAnyNetwork:
    def test_the_walk(self, capsys):
        outcome = any_network.main()
        out = capsys.readouterr().out
        rules = {f"{row.name}.{row.parameter}": row.rule for row in outcome.report.converted}
        assert rules.pop("conv_proj.weight") == "bp"
        assert rules.pop("heads.head.weight") == "kp"
        attention = {name: rule for name, rule in rules.items() if ".self_attention." in name}
        assert set(attention.values()) == {"frsf"}
        assert len(attention) == 4
        assert {rule for name, rule in rules.items() if name not in attention} == {"fa"}
        assert outcome.losses[-1] < outcome.losses[0]
        assert outcome.resumed == outcome.losses[len(outcome.losses) // 2 :]
        assert outcome.difference < 1e-5
        assert str(outcome.report) in out
