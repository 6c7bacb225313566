"""Precision and recall side by side: what is read, what is drawn, and what is said about runs without them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tracked_runs import track

from biodeephashing.commands.compare import compare
from biodeephashing.errors import RunError
from biodeephashing.eval.comparison import RunRecord, _retrieval_figure, build_groups, draw_pictures
from biodeephashing.eval.comparison._retrieval_figure import draw_retrieval
from biodeephashing.eval.figures import pen_of
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run
from biodeephashing.runs.retrieval_csv import RetrievalCurves, read_retrieval

RADIUS = (
    "radius,items,nonempty,precision,recall,irrelevant_pairs,relevant_pairs\n0,1,0.5,0.5,0.1,1,2\n1,2,1,0.75,0.4,1,2\n2,9,1,0.25,1,7,2\n"
)
DEPTH = "n,precision,recall\n1,1.0,0.1\n10,0.5,0.5\n"


def write(folder, fold="query", radius=RADIUS, depth=DEPTH):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{fold}-radius.csv").write_text(radius)
    (folder / f"{fold}-depth.csv").write_text(depth)


def run(rule, seed, *, loss="DCH", bits=16):
    """A run whose precision and recall at radius r are known by its seed."""
    radii = range(bits + 1)
    recall = [(radius, (radius + seed) / (bits + 8)) for radius in radii]
    precision = [(radius, 0.8 - 0.02 * radius - 0.1 * seed) for radius in radii]
    found = RetrievalCurves(precision, recall, [(n, 0.9 / (1 + 0.1 * seed) / n) for n in (1, 10, 100)])
    return RunRecord(rule, seed, {"loss": loss, "number_of_bits": str(bits)}, "split", {"m": 0.5}, {}, {}, found)


def draw(runs, tmp_path, monkeypatch):
    """Draw, check that nothing reaches beyond the page, and return the figure and its panels, row by row."""
    kept = []
    real = _retrieval_figure.save
    monkeypatch.setattr(_retrieval_figure, "save", lambda figure, file: (kept.append(figure), real(figure, file)))
    draw_retrieval(tmp_path / "retrieval.png", build_groups(runs, "m")[0], "title", "caption")
    with Image.open(tmp_path / "retrieval.png") as picture:
        edges = np.asarray(picture.convert("L"))
    assert edges[:, 0].min() == edges[:, -1].min() == edges[0].min() == edges[-1].min() == 255
    [figure] = kept
    return figure, figure.axes


def test_what_is_read(tmp_path):
    write(tmp_path)
    assert read_retrieval(tmp_path, "query") == RetrievalCurves(
        [(0, 0.5), (1, 0.75), (2, 0.25)], [(0, 0.1), (1, 0.4), (2, 1.0)], [(1, 1.0), (10, 0.5)]
    )
    assert read_retrieval(tmp_path, "val") is None
    write(tmp_path, depth=f"n,precision,recall\n1,{1 + 2**-52!r},0.1\n")
    assert read_retrieval(tmp_path, "query").precision_at == [(1, pytest.approx(1))]
    (tmp_path / "query-depth.csv").unlink()
    assert read_retrieval(tmp_path, "query") is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("radius", ""),
        ("radius", "radius,precision,recall\n"),
        ("radius", "radius,precision\n0,0.5\n"),
        ("radius", "radius,precision,recall\n0,0.5\n"),
        ("radius", "radius,precision,recall\n0.5,0.5,0.5\n"),
        ("radius", "radius,precision,recall\n0,much,0.5\n"),
        ("depth", "n,precision\n1,nan\n"),
        ("depth", "n,precision\n1,1.5\n"),
        ("depth", "n,precision\n,1\n"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content):
    write(tmp_path, **{name: content})
    with pytest.raises(RunError, match=rf"query-{name}\.csv is damaged \(.+\): remove it, or .*-make_plots"):
        read_retrieval(tmp_path, "query")


def test_lines_are_means_and_bands_extremes(tmp_path, monkeypatch):
    _, (left, right) = draw([run("fa", 0), run("fa", 2), run("bp", 1)], tmp_path, monkeypatch)
    bp, fa = left.lines
    assert (bp.get_color(), fa.get_color()) == (pen_of("bp")["color"], pen_of("fa")["color"])
    radii = np.arange(17)
    assert fa.get_xdata().tolist() == pytest.approx((radii + 1) / 24)  # mean recall of seeds 0 and 2
    assert fa.get_ydata().tolist() == pytest.approx(0.7 - 0.02 * radii)
    _, _, band, dot = left.collections  # of bp, then of fa
    assert dot.get_offsets().tolist() == [pytest.approx([3 / 24, 0.66])]  # radius 2
    corners = band.get_paths()[0].vertices
    at_first = corners[np.isclose(corners[:, 0], 1 / 24)][:, 1]
    assert (at_first.min(), at_first.max()) == pytest.approx((0.6, 0.8))
    assert right.lines[1].get_xdata().tolist() == [1, 10, 100]
    assert right.lines[1].get_ydata().tolist() == pytest.approx(np.array([0.9, 0.09, 0.009]) * (1 + 1 / 1.2) / 2)
    assert right.get_xscale() == "log"


def test_a_row_per_block(tmp_path, monkeypatch):
    figure, panels = draw([run("fa", 0, loss=loss) for loss in ("CSQ", "DCH", "DPSH")], tmp_path, monkeypatch)
    assert [panel.get_title(loc="left") for panel in panels[::2]] == ["CSQ, 16 bits", "DCH, 16 bits", "DPSH, 16 bits"]
    boxes = [panel.get_tightbbox(figure.canvas.get_renderer()) for panel in panels]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[place + 1 :])


def test_rows_can_be_compared(tmp_path, monkeypatch):
    _, panels = draw([run("fa", 0, loss="CSQ"), run("fa", 3, loss="DCH")], tmp_path, monkeypatch)
    [limits] = {panel.get_ylim() for panel in panels}
    assert limits == pytest.approx((0, 1.06 * 0.9))  # of seed 0, whose first item is right 9 times of 10


def test_one_bit_has_no_radius_2_worth_a_dot(tmp_path, monkeypatch):
    _, (left, _) = draw([run("fa", 0, bits=1)], tmp_path, monkeypatch)
    assert len(left.lines[0].get_xdata()) == 2
    _, dot = left.collections
    assert len(dot.get_offsets()) == 0


def test_the_caption_counts_the_runs_without(tmp_path, monkeypatch):
    captions = []
    monkeypatch.setattr("biodeephashing.eval.comparison.drawing.draw_retrieval", lambda *given: captions.append(given[-1]))
    without = RunRecord("usf", 0, run("fa", 0).settings, "split", {"m": 0.5}, {})
    for runs in ([run("fa", 0), run("fa", 1)], [run("fa", 0), run("fa", 1), without]):
        blocks = build_groups(runs, "m")[0]
        assert "comparison-retrieval.png" in draw_pictures(tmp_path, blocks, "query_mAP_expected", "name")
    assert "Drawn" not in captions[0]
    assert "Seeds: 2." in captions[0]
    assert "Drawn: 2 of 3 runs" in captions[1]


def test_compare_draws_the_fold_of_the_metric(tracked_home, capsys):
    for seed in (0, 1):
        track("fa", seed, value=0.7)
    folder = compare("TINY", "trial")
    file = folder / "comparison-retrieval.png"
    assert not file.exists()
    file.write_text("of an earlier comparison")
    compare("TINY", "trial", quiet=True)
    assert not file.exists()
    assert "retrieval" not in capsys.readouterr().out + (folder / "comparison.md").read_text("utf-8")
    settings = Settings(
        database="TINY", experiment_name="trial", loss="DCH", architecture="bio-lenet", number_of_bits=16, mode="fa", seed=1
    )  # fmt: skip
    write(Run.of(settings).evaluation, "val")
    compare("TINY", "trial", quiet=True)
    assert not file.exists()  # the metric is of the fold query
    write(Run.of(settings).evaluation, "query")
    compare("TINY", "trial")
    with Image.open(file) as picture:
        assert picture.size[0] > 1000
    assert "![precision and recall](comparison-retrieval.png)" in (folder / "comparison.md").read_text("utf-8")
    assert "comparison-curves.png, comparison-retrieval.png" in capsys.readouterr().out
    write(Run.of(settings).evaluation, "query", depth="n\n1\n")
    with pytest.raises(RunError, match=r"query-depth\.csv is damaged"):
        compare("TINY", "trial")
