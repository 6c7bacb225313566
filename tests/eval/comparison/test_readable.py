"""Every figure of a comparison can be read, whatever the number of rules, seeds, settings, code lengths and layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from readable import check_readable
from tracked_runs import METRIC, RULES, compared

from biodeephashing.eval.comparison import RunRecord, draw_figures
from biodeephashing.runs.retrieval_csv import RetrievalCurves

MAPS = [f"features.{number}=frsf,classifier.*=fa,hash_layer=bp,*=usf" for number in range(8)]
LAYERS = [f"stages.{number // 9}.blocks.{number % 9}.fuse_layers.conv_{number}" for number in range(60)]
LONG = {"architecture": "hrnet18", "no_cube": "True", "constants": "gamma=1,period=100,proxy_tanh=true"}
SPLIT = "TINY, disjoint split (train 800, val 200, query 200, database 597)"


def run(rule: str, seed: int, layers: Sequence[str] = (), **settings: str) -> RunRecord:
    """A run whose drtp lies far below the others, and has no weight angle."""
    value = (0.5 if rule == "drtp" else 0.97) + 0.002 * seed - 0.0001 * (sum(map(ord, rule)) % 100)
    angles = {layer: [(epoch, 60.0 + place) for epoch in range(5 + seed)] for place, layer in enumerate(layers)}
    alignment = {"update_angle": angles, "weight_angle": {} if rule == "drtp" else angles} if layers else {}
    return RunRecord(rule, seed, settings, SPLIT, {METRIC: value}, {}, alignment)


def curved(rule: str, seed: int, layers: Sequence[str] = (), **settings: str) -> RunRecord:
    """A run with training curves, precision and recall."""
    curve = [(place, 0.9 / (1 + place)) for place in range(1, 50, 7 + seed)]
    return replace(
        run(rule, seed, layers, **settings), curves={"val_mAP": curve, "train_loss": curve}, retrieval=RetrievalCurves(curve, curve, curve)
    )  # fmt: skip


def loss(name: str, bits: int = 16) -> dict[str, str]:
    return {"loss": name, "number_of_bits": str(bits)}


CASES = {
    "one rule, one seed": [run("fa", 0, ["hash_layer"], **loss("DCH"))],
    "two rules, ten seeds": [curved(rule, seed, LAYERS[:4], **loss("DCH")) for rule in ("bp", "fa") for seed in range(10)],
    "four rules, no baseline": [run(rule, seed, LAYERS[:18], **loss("DCH")) for rule in ("fa", "usf", "kp", "drtp") for seed in range(3)],
    "nine rules": [run(rule, seed, LAYERS[:4], **loss("DCH", 32)) for rule in RULES for seed in range(3)],
    "twenty rules": [curved(rule, seed, **loss("DCH")) for rule in (*RULES, *MAPS, "a=fa", "b=fa", "c=fa") for seed in range(3)],
    "many layers": [run("fa", 0, LAYERS, **loss("DCH"))],
    "seven losses": [run("bp", 0, **loss(f"Loss{number}", bits)) for number in range(7) for bits in (16, 64)],
    "close lengths": [curved(rule, 0, **loss("DCH", bits)) for rule in ("bp", "fa") for bits in (16, 63, 64, 65)],
    "far lengths": [run(rule, 0, **loss("DCH", bits)) for rule in ("bp", "fa") for bits in (1, 2, 1024)],
    "long settings": [
        run("bp", 0, **loss("DCH", bits), **LONG, schedule=schedule) for bits in (8, 16) for schedule in ("steps:1000:0.1", "cosine")
    ],
    "own rates, frozen": [
        curved(rule, seed, **loss(name), learning_rate="0.0001") for rule in (*RULES, MAPS[0], "all-but-hash-layer:frsf", "frozen")
        for name in ("CSQ", "DCH") for seed in range(3)
    ],
    "methods": [
        run(rule, seed, model=method, **loss("DCH", bits))
        for method, rule in (("PenaltyStrategies", "bp"), ("PenaltyStrategies", "fa"), ("LSH", "—"))
        for bits in (8, 16)
        for seed in (0, 1)
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_covered_and_nothing_leaves_the_page(tmp_path, drawn, case):
    files = draw_figures(tmp_path, compared(CASES[case], "learning_rate"))
    assert sorted(files) == sorted(drawn) == sorted(path.name for path in tmp_path.iterdir())
    for figure in drawn.values():
        check_readable(figure)


def test_what_covers_is_noticed(tmp_path, drawn):
    draw_figures(tmp_path, compared(CASES["one rule, one seed"]))
    figure = drawn["comparison-bars.png"]
    figure.text(0.02, 0.03, "over the caption")
    with pytest.raises(AssertionError, match="over the caption"):
        check_readable(figure)


def test_layers_are_named_from_the_image_on(tmp_path, drawn):
    draw_figures(tmp_path, compared(CASES["many layers"]))
    figure = drawn["comparison-alignment.png"]
    names = [label.get_text() for axes in figure.axes if axes.get_title(loc="left") == "layer" for label in axes.get_yticklabels()]
    assert (len(names), names[0][:8], names[-1][-7:]) == (18, "stages.0", "conv_59")
    colors = [line.get_color() for line in figure.axes[0].lines[1:]]
    brightness = [np.dot(color[:3], (0.2, 0.7, 0.1)) for color in colors]
    assert len(colors) == 60
    assert brightness == sorted(brightness)


def test_a_panel_per_rule(tmp_path, drawn):
    draw_figures(tmp_path, compared(CASES["nine rules"]))
    panels = [axes for axes in drawn["comparison-alignment.png"].axes if axes.lines]
    assert sorted(axes.get_title() for axes in panels if axes.get_title()) == sorted(RULES)
    assert [text.get_text() for axes in panels for text in axes.texts] == ["no B in W's place"]  # of drtp
    assert all(90 in axes.get_yticks() for axes in panels)
