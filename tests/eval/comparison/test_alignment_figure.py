"""The picture of alignment: the numbers in it, and that it stays readable whatever the number of layers and rules."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from biodeephashing.errors import RunError
from biodeephashing.eval.comparison import RunRecord, _alignment_figure, build_groups
from biodeephashing.eval.comparison._alignment_figure import draw_alignment
from biodeephashing.eval.figures.style import shortened
from biodeephashing.runs.alignment_csv import alignment_curves, read_alignment

RULES = ["bp", "brsf", "dfa", "drtp", "fa", "frsf", "kp", "usf", "wm"]


def run(rule, seed, layers, *, angle=80.0, epochs=(0, 2, 3), architecture="lenet"):
    """A run whose layer number i has the angle + i + seed at each epoch, minus the epoch."""
    curves = {layer: [(epoch, angle + number + seed - epoch) for epoch in epochs] for number, layer in enumerate(layers)}
    alignment = {"weight_angle": dict(curves), "update_angle": dict(curves)}
    if rule == "drtp":
        alignment["weight_angle"] = dict.fromkeys(layers, ())
    settings = {"loss": "DCH", "architecture": architecture, "number_of_bits": "16"}
    return RunRecord(rule, seed, settings, "split", {"m": 0.5}, {}, alignment)


def draw(runs, tmp_path, monkeypatch):
    """Draw, and return the figure and the panels with their titles."""
    kept = []
    real = _alignment_figure.save
    monkeypatch.setattr(_alignment_figure, "save", lambda figure, file: (kept.append(figure), real(figure, file)))
    draw_alignment(tmp_path / "a.png", build_groups(runs, "m")[0], "title", "caption")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    [figure] = kept
    return figure, [axes for axes in figure.axes if axes.get_title() != "" or axes.get_xlabel()]


def test_lines_are_means_and_bands_extremes(tmp_path, monkeypatch):
    runs = [run("fa", 0, ["a", "b"]), run("fa", 1, ["a", "b"]), run("fa", 5, ["a", "b"], epochs=(0, 2))]
    figure, _ = draw(runs, tmp_path, monkeypatch)
    for panel in figure.axes[:2]:
        level, *lines = panel.lines
        assert set(level.get_ydata()) == {90}
        for number, line in enumerate(lines):
            assert line.get_xdata().tolist() == [0, 2, 3]
            # seeds 0, 1 and 5 at epochs 0 and 2; the last had stopped before epoch 3
            assert line.get_ydata().tolist() == pytest.approx([82 + number, 80 + number, 77.5 + number])
        for number, band in enumerate(panel.collections):
            heights = {x: band.get_paths()[0].vertices[band.get_paths()[0].vertices[:, 0] == x][:, 1] for x in (0.0, 2.0, 3.0)}
            spans = [(found.min(), found.max()) for found in heights.values()]
            assert spans == [(80 + number, 85 + number), (78 + number, 83 + number), (77 + number, 78 + number)]
        assert panel.get_ylim()[0] < 0
        assert panel.get_ylim()[1] > 90


@pytest.mark.parametrize("angles", [20.0, 175.0])
def test_nothing_leaves_the_panels(tmp_path, monkeypatch, angles):
    figure, _ = draw([run("fa", seed, ["a"], angle=angles) for seed in (0, 1)], tmp_path, monkeypatch)
    for panel in figure.axes[:2]:
        low, high = panel.get_ylim()
        assert all(low < value < high for line in panel.lines for value in line.get_ydata())
        assert 90 in panel.get_yticks()


@pytest.mark.parametrize("count", [1, 4, 18, 60])
def test_names_of_layers_do_not_touch(tmp_path, monkeypatch, count):
    layers = [f"stages.{number // 9}.blocks.{number % 9}.fuse_layers.conv_{number}" for number in range(count - 1)] + ["hash_layer"]
    figure, _ = draw([run(rule, 0, layers) for rule in ("dfa", "fa", "kp")], tmp_path, monkeypatch)
    renderer = figure.canvas.get_renderer()
    bars = [axes for axes in figure.axes if axes.get_title(loc="left") == "layer"]
    assert bars
    for bar in bars:
        labels = bar.get_yticklabels()
        assert labels[0].get_text() == shortened(layers[0], 27)
        assert labels[-1].get_text() == "hash_layer"
        boxes = sorted((label.get_window_extent(renderer) for label in labels), key=lambda box: box.y0)
        assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes))
        assert all(box.x1 < figure.bbox.x1 for box in boxes)
    colours = [line.get_color() for line in figure.axes[0].lines[1:]]
    assert len(set(colours)) == count
    if count > 1:
        brightness = [np.dot(colour[:3], (0.2, 0.7, 0.1)) for colour in colours]
        assert brightness == sorted(brightness)


def test_many_rules_are_broken_into_rows(tmp_path, monkeypatch):
    figure, _ = draw([run(rule, 0, ["a", "b"]) for rule in RULES], tmp_path, monkeypatch)
    panels = [axes for axes in figure.axes if axes.lines]
    assert len(panels) == 2 * len(RULES)
    assert sorted(axes.get_title() for axes in panels if axes.get_title()) == RULES
    assert max(axes.get_position().x1 for axes in panels) < 0.85
    boxes = [axes.get_position() for axes in panels]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[place + 1 :])
    said = [text.get_text() for axes in panels for text in axes.texts]
    assert said == ["no B in W's place"]  # of drtp


def test_one_rule_in_every_group_takes_the_whole_width(tmp_path, monkeypatch):
    runs = [run("fa", 0, ["a", "b"], architecture=name) for name in ("lenet", "alexnet")]
    figure, _ = draw(runs, tmp_path, monkeypatch)
    bars = [axes for axes in figure.axes if axes.get_title(loc="left") == "layer"]
    panels = [axes for axes in figure.axes if axes not in bars]
    assert (len(bars), len(panels)) == (2, 4)
    for panel in panels:
        gap = bars[0].get_position().x0 - panel.get_position().x1
        assert 0 < gap * figure.get_figwidth() < 0.2  # inches


def test_long_maps_keep_to_their_panels(tmp_path, monkeypatch):
    rules = [f"features.{number}=frsf,classifier.*=fa,hash_layer=bp,*=usf" for number in range(5)]
    figure, _ = draw([run(rule, 0, ["a"]) for rule in rules], tmp_path, monkeypatch)
    titles = [axes.title.get_window_extent(figure.canvas.get_renderer()) for axes in figure.axes if axes.get_title()]
    titles = sorted((box for box in titles if box.width > 1), key=lambda box: box.x0)
    assert len(titles) == 5
    assert all(left.x1 <= right.x0 for left, right in pairwise(titles))


def test_only_rules_that_were_measured_have_a_panel(tmp_path, monkeypatch):
    unmeasured = RunRecord("usf", 0, run("fa", 0, ["a"]).settings, "split", {"m": 0.9}, {})
    figure, _ = draw([run("fa", 0, ["a"]), unmeasured], tmp_path, monkeypatch)
    assert [axes.get_title() for axes in figure.axes if axes.lines and axes.get_title()] == ["fa"]


def test_a_table_keeps_the_order_of_the_layers(tmp_path):
    file = tmp_path / "alignment.csv"
    file.write_text("epoch,layer,rule,weight_angle,update_angle\n0,z,fa,90.5,\n0,a,dfa,,1e-3\n2,z,fa,80,nan\n2,a,dfa,,2\n")
    found = alignment_curves(read_alignment(file))
    assert found["weight_angle"] == {"z": [(0, 90.5), (2, 80.0)], "a": []}
    assert list(found["weight_angle"]) == ["z", "a"]
    assert found["update_angle"] == {"z": [], "a": [(0, 0.001), (2, 2.0)]}
    file.write_text("epoch,layer,rule,weight_angle,update_angle\n")
    assert read_alignment(file) == []


@pytest.mark.parametrize(
    "content",
    [
        "nonsense\n1\n",
        "epoch,layer,rule,update_angle\n0,a,fa,much\n",
        "epoch,layer,rule,update_angle\nx,a,fa,1\n",
        "epoch,layer,rule,update_angle\n0,a\n",
    ],
)
def test_a_damaged_table_is_named(tmp_path, content):
    file = tmp_path / "alignment.csv"
    file.write_text(content)
    with pytest.raises(RunError, match=r"alignment\.csv is damaged .* -no_skip"):
        read_alignment(file)
