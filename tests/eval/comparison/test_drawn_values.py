"""What the figures of a comparison show: every value at its place."""

from __future__ import annotations

import numpy as np
import pytest
from tracked_runs import METRIC, compared, observation

from biodeephashing.eval.comparison import RunRecord, draw_figures
from biodeephashing.eval.figures import colour_of
from biodeephashing.runs.retrieval_csv import RetrievalCurves

pytestmark = pytest.mark.usefixtures("unrendered")
SETTINGS = {"loss": "DCH", "number_of_bits": "16"}


def dots(axes) -> dict[int, list[list[float]]]:
    """Return the x of the marks of each row: mean and seeds."""
    found: dict[int, list[list[float]]] = {}
    for marks in axes.collections:
        points = np.asarray(marks.get_offsets())
        if len(points):
            found.setdefault(round(points[0, 1]), []).append(points[:, 0].round(6).tolist())
    return found


def band(axes, number: int, at: float) -> tuple[float, float]:
    corners = axes.collections[number].get_paths()[0].vertices
    heights = corners[np.isclose(corners[:, 0], at)][:, 1]
    return heights.min(), heights.max()


def test_bars(tmp_path, drawn):
    values = {"bp": (0.96, 0.98), "usf": (0.95, 0.96), "kp": (0.94, 0.96), "fa": (0.9, 0.94), "drtp": (0.5, 0.54)}
    draw_figures(
        tmp_path, compared(observation(rule, seed, value, **SETTINGS) for rule in values for seed, value in enumerate(values[rule]))
    )
    means, differences = drawn["comparison-bars.png"].axes
    assert [label.get_text() for label in means.get_yticklabels()] == [f"{rule} (2)" for rule in values]
    assert dots(means)[0] == [[0.97], [0.96, 0.98]]
    assert dots(means)[3] == [[0.92], [0.9, 0.94]]
    sd = 0.04 / 2**0.5
    assert means.lines[3].get_xdata() == pytest.approx([0.92 - sd, 0.92 + sd])
    assert means.lines[3].get_color() == colour_of("fa")
    assert dots(differences)[3] == [[-0.05], [-0.06, -0.04]]
    half = 12.7062 * 0.01  # Student's t for one degree of freedom, times the standard error
    assert differences.lines[4].get_xdata() == pytest.approx([-0.05 - half, -0.05 + half], abs=1e-5)
    start = means.get_xlim()[0]
    assert 0.54 < start < 0.89
    assert [text.get_text() for text in means.texts] == ["◂ 0.5200"], "a rule far below the others stands at the edge"
    assert f"(axis from {start:.3g})" in means.get_xlabel()
    [right] = means.child_axes
    assert right.get_yticklabels()[4].get_text() == "0.5200 ± 0.0283"


def test_rows_of_several_methods_are_told_apart_by_what_differs(tmp_path, drawn):
    shared = {"architecture": "efficientnet_lite0", "number_of_bits": "16"}
    runs = [observation("bp", 0, 0.5, model="ITQ", loss="HyP2", **shared)]
    for loss, penalty in (("HyP2", "0.75"), ("GreedyHash", "0.1")):
        runs += [observation(rule, 0, 0.5, model="PenaltyStrategies", loss=loss, penalty=penalty, **shared) for rule in ("bp", "frsf")]
    draw_figures(tmp_path, compared(runs))
    means = drawn["comparison-bars.png"].axes[0]
    assert means.get_title(loc="left") == "16 bits, efficientnet_lite0"
    assert {label.get_text() for label in means.get_yticklabels()} == {
        "ITQ, HyP2, bp (1)", "PenaltyStrategies, HyP2, bp (1)", "PenaltyStrategies, HyP2, frsf (1)",
        "PenaltyStrategies, GreedyHash, bp (1)", "PenaltyStrategies, GreedyHash, frsf (1)",
    }  # fmt: skip


def test_an_axis_from_zero_is_not_called_cut(tmp_path, drawn):
    draw_figures(tmp_path, compared(observation(rule, 0, value, **SETTINGS) for rule, value in (("bp", 0.9), ("fa", 0.5), ("usf", 0.1))))
    means = drawn["comparison-bars.png"].axes[0]
    assert means.get_xlim()[0] == 0
    assert "axis from" not in means.get_xlabel()


def test_without_a_baseline_there_are_no_differences(tmp_path, drawn):
    draw_figures(tmp_path, compared(observation(rule, 0, 0.5, **SETTINGS) for rule in ("fa", "usf")))
    [means] = drawn["comparison-bars.png"].axes
    assert "difference" not in drawn["comparison-bars.png"].get_supxlabel()
    runs = [observation(rule, 0, 0.5, loss=loss, number_of_bits="16") for rule, loss in (("bp", "A"), ("fa", "A"), ("fa", "B"))]
    draw_figures(tmp_path, compared(runs))
    assert [text.get_text() for text in drawn["comparison-bars.png"].axes[3].texts] == ["no run with bp"]
    assert means.get_xlim()[0] < 0.5 < means.get_xlim()[1]


def test_overview(tmp_path, drawn):
    runs = [observation("bp", seed, value, **SETTINGS) for seed, value in enumerate((0.5, 0.7))]
    runs += [observation("fa", 0, 0.9, loss="CSQ", number_of_bits="16"), observation("usf", 0, 0.4, **SETTINGS)]
    draw_figures(tmp_path, compared(runs))
    [axes] = drawn["comparison-overview.png"].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["CSQ", "DCH"]
    marks = {(line.get_color(), round(x, 6), round(y)) for line in axes.lines for x, y in zip(*line.get_data(), strict=True)}
    assert marks == {(colour_of("bp"), 0.6, 1), (colour_of("fa"), 0.9, 0), (colour_of("usf"), 0.4, 1)}


def test_training_curves(tmp_path, drawn):
    runs = [
        RunRecord("fa", seed, SETTINGS, "split", {METRIC: 0.5}, {"val_mAP": [(epoch, 0.1 * epoch + seed) for epoch in range(last)]})
        for seed, last in ((0, 3), (1, 2))
    ]
    draw_figures(tmp_path, compared(runs))
    axes = drawn["comparison-curves.png"].axes[0]
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert axes.lines[0].get_ydata() == pytest.approx([0.5, 0.6, 0.2])  # the second seed had stopped before the third epoch
    assert band(axes, 0, 2) == pytest.approx((0.1, 1.1))


def test_code_lengths(tmp_path, drawn):
    runs = [observation("bp", seed, 0.1 * place + 0.04 * seed, loss="DCH", number_of_bits=bits)
            for place, bits in enumerate(("8", "16", "64")) for seed in (0, 1)]  # fmt: skip
    runs += [observation("fa", seed, value, loss="DCH", number_of_bits="64") for seed, value in enumerate((0.7, 0.9))]
    runs += [observation("bp", 3, 0.3, loss="DPSH", number_of_bits=bits) for bits in ("16", "12")]
    draw_figures(tmp_path, compared([*runs, observation("bp", 0, 0.2, loss="CSQ", number_of_bits="16")]))
    first, second = drawn["comparison-bits.png"].axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["DCH", "DPSH"]
    assert first.lines[0].get_xdata().tolist() == [3, 4, 6]  # log2 of 8, 16 and 64
    assert first.lines[0].get_ydata() == pytest.approx([0.02, 0.12, 0.22])
    assert band(first, 0, 4) == pytest.approx((0.1, 0.14))
    assert (first.lines[1].get_marker(), first.lines[1].get_ydata()) == ("o", pytest.approx([0.8]))
    assert [label.get_text() for label in second.get_xticklabels()] == ["8", "12", "16", "64"]
    assert "Left out: 1 settings" in drawn["comparison-bits.png"].get_supxlabel().replace("\n", " ")


def retrieving(rule: str, seed: int, bits: int = 16) -> RunRecord:
    """A run whose precision and recall at radius r are known by its seed."""
    recall = [(radius, (radius + seed) / (bits + 8)) for radius in range(bits + 1)]
    precision = [(radius, 0.8 - 0.02 * radius - 0.1 * seed) for radius in range(bits + 1)]
    found = RetrievalCurves(precision, recall, [(n, 0.9 / (1 + 0.1 * seed) / n) for n in (1, 10, 100)])
    return RunRecord(rule, seed, SETTINGS, "split", {METRIC: 0.5}, {}, {}, found)


def test_precision_and_recall(tmp_path, drawn):
    without = RunRecord("usf", 0, SETTINGS, "split", {METRIC: 0.5}, {})
    draw_figures(tmp_path, compared([retrieving("fa", 0), retrieving("fa", 2), retrieving("bp", 1), without]))
    left, right = drawn["comparison-retrieval.png"].axes
    radii = np.arange(17)
    assert left.lines[1].get_xdata() == pytest.approx((radii + 1) / 24)  # mean recall of the seeds 0 and 2
    assert left.lines[1].get_ydata() == pytest.approx(0.7 - 0.02 * radii)
    assert left.collections[3].get_offsets().tolist() == [pytest.approx([3 / 24, 0.66])]  # radius 2
    assert band(left, 2, 1 / 24) == pytest.approx((0.6, 0.8))
    assert right.lines[1].get_ydata() == pytest.approx(np.array([0.9, 0.09, 0.009]) * (1 + 1 / 1.2) / 2)
    assert (right.get_xscale(), left.get_ylim()) == ("log", pytest.approx((0, 1.06 * 0.9)))
    assert "Seeds: 1 to 2. Drawn: 3 of 4 runs" in drawn["comparison-retrieval.png"].get_supxlabel().replace("\n", " ")


def test_alignment(tmp_path, drawn):
    runs = []
    for seed, epochs in ((0, (0, 2, 3)), (1, (0, 2, 3)), (5, (0, 2))):
        curves = {layer: [(epoch, 80 + number + seed - epoch) for epoch in epochs] for number, layer in enumerate("ba")}
        runs.append(RunRecord("fa", seed, SETTINGS, "split", {METRIC: 0.5}, {}, {"weight_angle": curves, "update_angle": curves}))
    draw_figures(tmp_path, compared([*runs, observation("usf", 0, 0.9, **SETTINGS)]))
    *panels, _ = drawn["comparison-alignment.png"].axes
    assert len(panels) == 2, "a rule that was not measured has no panel"
    for axes in panels:
        level, *lines = axes.lines
        assert set(level.get_ydata()) == {90}
        for number, line in enumerate(lines):
            assert line.get_xdata().tolist() == [0, 2, 3]
            assert line.get_ydata() == pytest.approx([82 + number, 80 + number, 77.5 + number])
            assert band(axes, number, 2) == (78 + number, 83 + number)
        assert axes.get_ylim()[0] < 0
        assert axes.get_ylim()[1] > 90
