"""What a comparison reads of its runs: precision and recall, and alignment."""

from __future__ import annotations

import pytest
from tracked_runs import track

from biodeephashing.commands.compare import compare
from biodeephashing.errors import RunError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run
from biodeephashing.runs.alignment_csv import alignment_curves, read_alignment
from biodeephashing.runs.retrieval_csv import RetrievalCurves, read_retrieval

RADIUS = (
    "radius,items,nonempty,precision,recall,irrelevant_pairs,relevant_pairs\n0,1,0.5,0.5,0.1,1,2\n1,2,1,0.75,0.4,1,2\n2,9,1,0.25,1,7,2\n"
)
DEPTH = "n,precision,recall\n1,1.0,0.1\n10,0.5,0.5\n"
ANGLES = "epoch,layer,rule,weight_angle,update_angle\n"


def write(folder, fold="query", radius=RADIUS, depth=DEPTH):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{fold}-radius.csv").write_text(radius)
    (folder / f"{fold}-depth.csv").write_text(depth)


def test_precision_and_recall(tmp_path):
    write(tmp_path)
    assert read_retrieval(tmp_path, "query") == RetrievalCurves(
        [(0, 0.5), (1, 0.75), (2, 0.25)], [(0, 0.1), (1, 0.4), (2, 1.0)], [(1, 1.0), (10, 0.5)]
    )
    assert read_retrieval(tmp_path, "val") is None
    write(tmp_path, depth=f"n,precision,recall\n1,{1 + 2**-52!r},0.1\n")
    assert read_retrieval(tmp_path, "query").precision_at == [(1, pytest.approx(1))]
    (tmp_path / "query-depth.csv").unlink()
    assert read_retrieval(tmp_path, "query") is None


def test_alignment_keeps_the_order_of_the_layers(tmp_path):
    file = tmp_path / "alignment.csv"
    file.write_text(f"{ANGLES}0,z,fa,90.5,\n0,a,dfa,,1e-3\n2,z,fa,80,nan\n2,a,dfa,,2\n")
    found = alignment_curves(read_alignment(file))
    assert found["weight_angle"] == {"z": [(0, 90.5), (2, 80.0)], "a": []}
    assert list(found["weight_angle"]) == ["z", "a"]
    assert found["update_angle"] == {"z": [], "a": [(0, 0.001), (2, 2.0)]}
    file.write_text(ANGLES)
    assert read_alignment(file) == []


def test_a_damaged_file_is_named(tmp_path):
    radius = ["", "radius,precision,recall\n", "radius,precision\n0,0.5\n"]
    radius += [f"radius,precision,recall\n{row}\n" for row in ("0,0.5", "0.5,0.5,0.5", "0,much,0.5")]
    for name, contents in {"radius": radius, "depth": [f"n,precision\n{row}\n" for row in ("1,nan", "1,1.5", ",1")]}.items():
        for content in contents:
            write(tmp_path, **{name: content})
            with pytest.raises(RunError, match=rf"query-{name}\.csv .*-make_plots"):
                read_retrieval(tmp_path, "query")
    file = tmp_path / "alignment.csv"
    header = "epoch,layer,rule,update_angle\n"
    for content in ("nonsense\n1\n", f"{header}0,a,fa,much\n", f"{header}x,a,fa,1\n", f"{header}0,a\n"):
        file.write_text(content)
        with pytest.raises(RunError, match=r"alignment\.csv .* -no_skip"):
            read_alignment(file)


@pytest.mark.usefixtures("unrendered")
def test_they_are_drawn_where_they_were_measured(tracked_home, capsys):
    for seed in (0, 1):
        track("fa", seed, value=0.7)
    folder = compare("TINY", "trial")
    files = {name: folder / f"comparison-{name}.png" for name in ("retrieval", "alignment")}
    for file in files.values():
        file.write_text("of an earlier comparison")
    known = {"database": "TINY", "experiment_name": "trial", "loss": "DCH", "architecture": "bio-lenet", "number_of_bits": 16}
    run = Run.of(Settings(**known, mode="fa", seed=1))
    write(run.evaluation, "val")
    compare("TINY", "trial")
    said = capsys.readouterr().out + (folder / "comparison.md").read_text("utf-8")
    assert not any(file.exists() or name in said for name, file in files.items())  # the metric is of the fold query
    write(run.evaluation)
    run.alignment_file.parent.mkdir(parents=True, exist_ok=True)
    run.alignment_file.write_text(f"{ANGLES}0,b,fa,,80\n0,a,fa,80,80\n")
    compare("TINY", "trial")
    text = (folder / "comparison.md").read_text("utf-8")
    assert all(file.exists() for file in files.values())
    assert "![precision and recall](comparison-retrieval.png)" in text
    assert "![alignment with backpropagation](comparison-alignment.png)" in text
    assert "comparison-curves.png, comparison-retrieval.png, comparison-alignment.png" in capsys.readouterr().out
    write(run.evaluation, depth="n\n1\n")
    with pytest.raises(RunError, match=r"query-depth\.csv is damaged"):
        compare("TINY", "trial")
