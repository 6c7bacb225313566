"""The page on learning rules: its examples run and print what it says, and it names every rule."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from biodeephashing.bio import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "learning_rules.md").read_text("utf-8")


def test_examples_run_and_print_what_the_page_shows(capsys):
    names = {}
    torch.manual_seed(0)
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, names)
    shown = "".join(re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL))
    assert shown
    assert capsys.readouterr().out == shown


def test_every_rule_is_on_the_page():
    assert [rule for rule in RULES if f"| `{rule}` |" not in PAGE] == []


def test_the_page_says_what_training_by_some_rules_needs():
    needed = {"track_optimizer(": any(kind.changes for kind in RULES.values())}
    needed["give_target("] = any(getattr(kind, "needs_target", False) for kind in RULES.values())
    assert [call for call, wanted in needed.items() if wanted and call not in PAGE] == []
