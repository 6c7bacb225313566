"""mAP against the number of bits: which blocks share a panel, the numbers, the lines, and that everything can be read."""

from __future__ import annotations

import csv
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from tracked_runs import observation, track

from biodeephashing.commands.compare import compare
from biodeephashing.eval.comparison import _code_lengths_figure, build_groups, write_bits_csv
from biodeephashing.eval.comparison._code_lengths import bits_panels
from biodeephashing.eval.comparison._code_lengths_figure import draw_code_lengths
from biodeephashing.eval.figures import pen_of

RULES = ["bp", "brsf", "dfa", "drtp", "fa", "frsf", "kp", "usf", "wm"]
MAPS = [f"features.{number}=frsf,classifier.*=fa,hash_layer=bp,*=usf" for number in range(4)]


def blocks_of(runs):
    """Build blocks from (rule, seed, bits, value, loss)."""
    return build_groups(
        [observation(rule, seed, value, number_of_bits=str(bits), loss=loss) for rule, seed, bits, value, loss in runs], "m"
    )[0]


@pytest.fixture
def study():
    """Two losses with several numbers of bits, and one that has a single one."""
    runs = [("bp", seed, bits, round(0.1 * place + 0.04 * seed, 2), "DCH") for place, bits in enumerate((8, 16, 64)) for seed in (0, 1)]
    runs += [("fa", 0, 8, 0.5, "DCH"), ("fa", 0, 64, 0.7, "DCH"), ("fa", 1, 64, 0.9, "DCH")]
    runs += [("bp", 3, bits, 0.3, "DPSH") for bits in (16, 12)]
    return blocks_of([*runs, ("bp", 0, 16, 0.2, "CSQ")])


def draw(blocks, tmp_path, monkeypatch):
    """Draw, check that nothing reaches beyond the page, and return the figure and its panels."""
    kept = []
    real = _code_lengths_figure.save
    monkeypatch.setattr(_code_lengths_figure, "save", lambda figure, file: (kept.append(figure), real(figure, file)))
    draw_code_lengths(tmp_path / "bits.png", bits_panels(blocks), "m", "title", "caption")
    with Image.open(tmp_path / "bits.png") as picture:
        edges = np.asarray(picture.convert("L"))
    assert edges[:, 0].min() == edges[:, -1].min() == edges[0].min() == edges[-1].min() == 255
    [figure] = kept
    return figure, figure.axes


def test_blocks_that_differ_in_bits_only_share_a_panel(study):
    assert [(panel.title, list(panel.groups)) for panel in bits_panels(study)] == [("DCH", [8, 16, 64]), ("DPSH", [12, 16])]
    assert bits_panels(study)[0].curves("bp", "m") == [[(8, 0.0), (16, 0.1), (64, 0.2)], [(8, 0.04), (16, 0.14), (64, 0.24)]]
    assert bits_panels(study)[0].curves("fa", "m") == [[(8, 0.5), (64, 0.7)], [(64, 0.9)]]


def test_other_splits_and_settings_keep_apart():
    runs = [observation("bp", 0, 0.5, number_of_bits=bits, epochs=epochs) for bits, epochs in (("8", "1"), ("16", "2"))]
    assert bits_panels(build_groups(runs, "m")[0]) == []


def test_the_numbers_by_hand(study, tmp_path):
    assert write_bits_csv(tmp_path / "bits.csv", study, "m")
    with (tmp_path / "bits.csv").open(newline="") as stream:
        rows = [tuple(row.values()) for row in csv.DictReader(stream)]
    # loss, split, rule, bits, metric, seeds and their names, mean, lowest, highest
    assert [row[:7] for row in rows] == [
        ("DCH", "split", "bp", "8", "m", "2", "0 1"),
        ("DCH", "split", "bp", "16", "m", "2", "0 1"),
        ("DCH", "split", "bp", "64", "m", "2", "0 1"),
        ("DCH", "split", "fa", "8", "m", "1", "0"),
        ("DCH", "split", "fa", "64", "m", "2", "0 1"),
        ("DPSH", "split", "bp", "12", "m", "1", "3"),
        ("DPSH", "split", "bp", "16", "m", "1", "3"),
    ]
    expected = [(0.02, 0.0, 0.04), (0.12, 0.1, 0.14), (0.22, 0.2, 0.24), (0.5, 0.5, 0.5), (0.8, 0.7, 0.9), (0.3, 0.3, 0.3), (0.3, 0.3, 0.3)]
    assert [tuple(map(float, row[7:])) for row in rows] == [pytest.approx(values) for values in expected]


def test_lines_are_means_and_bands_extremes(study, tmp_path, monkeypatch):
    _, (first, second) = draw(study, tmp_path, monkeypatch)
    bp, fa = first.lines
    assert (bp.get_color(), fa.get_color()) == (pen_of("bp")["color"], pen_of("fa")["color"])
    assert bp.get_xdata().tolist() == [3, 4, 6]  # log2 of 8, 16 and 64
    assert bp.get_ydata().tolist() == pytest.approx([0.02, 0.12, 0.22])
    assert fa.get_xdata().tolist() == [3, 6]
    assert fa.get_ydata().tolist() == pytest.approx([0.5, 0.8])
    corners = first.collections[1].get_paths()[0].vertices
    assert [(corners[corners[:, 0] == x][:, 1].min(), corners[corners[:, 0] == x][:, 1].max()) for x in (3, 6)] == [(0.5, 0.5), (0.7, 0.9)]
    assert second.lines[0].get_ydata().tolist() == [0.3, 0.3]
    for panel in (first, second):
        assert [label.get_text() for label in panel.get_xticklabels()] == ["8", "12", "16", "64"]
        assert panel.get_xticks().tolist() == pytest.approx([3, np.log2(12), 4, 6])


@pytest.mark.parametrize("lengths", [(8, 16), (12, 24, 32, 48, 64), (16, 63, 64, 65), (1, 2, 1024)])
@pytest.mark.parametrize("losses", [1, 2, 7])
def test_ticks_can_be_read(tmp_path, monkeypatch, lengths, losses):
    names = [f"Loss{number}" for number in range(losses)]
    figure, panels = draw(blocks_of([("bp", 0, bits, bits / 2000, loss) for bits in lengths for loss in names]), tmp_path, monkeypatch)
    assert len(panels) == losses
    for panel in panels:
        labels = panel.get_xticklabels()
        assert [label.get_text() for label in labels] == [str(bits) for bits in lengths]
        boxes = [label.get_window_extent(figure.canvas.get_renderer()) for label in labels]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize("rules", [["bp"], RULES, ["bp", *MAPS]])
def test_every_rule_is_drawn_and_named(tmp_path, monkeypatch, rules):
    runs = [(rule, 0, bits, 0.02 * place, loss) for place, rule in enumerate(rules) for bits in (8, 16) for loss in ("A", "B")]
    figure, panels = draw(blocks_of(runs), tmp_path, monkeypatch)
    assert [len(panel.lines) for panel in panels] == [len(rules)] * 2
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(rules)
    box = legend.get_window_extent(figure.canvas.get_renderer())
    assert box.x1 < figure.bbox.x1
    titles = [panel._left_title.get_window_extent(figure.canvas.get_renderer()) for panel in panels]
    assert not any(box.overlaps(title) for title in titles)


def test_long_settings_keep_to_their_panels(tmp_path, monkeypatch):
    schedules = ("steps:1000:0.1", "steps:3000:0.5", "cosine", "constant")
    shared = {"architecture": "hrnet18", "no_cube": "True"}
    runs = [
        observation("bp", 0, 0.5, number_of_bits=bits, schedule=schedule, constants=f"gamma={place},period=100,proxy_tanh=true", **shared)
        for bits in ("8", "16")
        for place, schedule in enumerate(schedules)
    ]
    figure, panels = draw(build_groups(runs, "m")[0], tmp_path, monkeypatch)
    boxes = [panel._left_title.get_window_extent(figure.canvas.get_renderer()) for panel in panels]
    assert len(boxes) == 4
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[place + 1 :])


def test_a_rule_with_one_number_of_bits_is_a_dot(tmp_path, monkeypatch):
    runs = [("bp", 0, bits, 0.5, "A") for bits in (8, 16)] + [("fa", seed, 16, 0.2 + 0.1 * seed, "A") for seed in (0, 1)]
    _, (panel,) = draw(blocks_of(runs), tmp_path, monkeypatch)
    (dot,) = [line for line in panel.lines if len(line.get_xdata()) == 1]
    assert (dot.get_marker(), dot.get_ydata().tolist()) == ("o", [0.25])


@pytest.mark.usefixtures("unrendered")
def test_compare_draws_it_where_bits_differ(tracked_home, capsys):
    track("bp", 0, value=0.9)
    folder = compare("TINY", "trial", quiet=True)
    stale = [folder / "comparison-bits.png", folder / "comparison-bits.csv"]
    for file in stale:
        file.write_text("of an earlier comparison")
    compare("TINY", "trial")
    assert not any(file.exists() for file in stale)
    assert "bits.png" not in capsys.readouterr().out + (folder / "comparison.md").read_text("utf-8")
    track("bp", 0, value=0.8, number_of_bits=64)
    compare("TINY", "trial")
    said = capsys.readouterr().out
    assert all(file.exists() and file.name in said for file in stale)
    assert "![mAP against the number of bits](comparison-bits.png)" in (folder / "comparison.md").read_text("utf-8")
    with stale[1].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["number_of_bits"], row["mean"], row["metric"]) for row in rows] == [
        ("16", "0.9", "query_mAP_expected"),
        ("64", "0.8", "query_mAP_expected"),
    ]
