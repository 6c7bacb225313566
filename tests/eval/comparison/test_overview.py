"""Several tables of a comparison at a glance."""

import pytest
from PIL import Image
from tracked_runs import observation, track

from biodeephashing.commands.compare import compare
from biodeephashing.eval.comparison import build_groups
from biodeephashing.eval.comparison._overview import draw_overview, overview, short_titles


@pytest.fixture
def blocks():
    runs = [
        observation("bp", 0, 0.5, number_of_bits="16"),
        observation("bp", 1, 0.7, number_of_bits="16"),
        observation("usf", 0, 0.4, number_of_bits="16"),
        observation("bp", 0, 0.2, number_of_bits="16", loss="CSQ"),
        observation("fa", 0, 0.9, number_of_bits="16", loss="CSQ"),
    ]
    return build_groups(runs, "m")[0]


def test_a_row_per_block_and_a_column_per_rule(blocks):
    assert overview(blocks, "m") == (
        ["settings", "bp", "fa", "usf"],
        [["CSQ", "0.2000", "0.9000", "-"], ["DCH", "0.6000 ± 0.1414", "-", "0.4000"]],  # sd of 0.5 and 0.7
    )


def test_titles_say_what_differs_and_no_more(blocks):
    assert short_titles(blocks) == ["CSQ", "DCH"]
    assert short_titles(blocks[:1]) == ["CSQ, 16 bits"]


def test_every_dot_is_drawn_at_its_value(blocks, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.axes.Axes.scatter", lambda self, x, y, **style: drawn.append((float(x), round(float(y)))))
    draw_overview(tmp_path / "overview.png", blocks, "m", "title", "caption")
    assert sorted(drawn) == [(0.2, 0), (0.4, 1), (0.6, 1), (0.9, 0)]  # 0.6 is the mean of two seeds
    with Image.open(tmp_path / "overview.png") as picture:
        assert picture.size[0] > 1000


def test_compare_draws_it_where_there_are_several_tables(tracked_home, capsys):
    track("bp", 0, value=0.9)
    track("fa", 0, value=0.7)
    folder = compare("TINY", "trial")
    assert not (folder / "comparison-overview.png").exists()
    assert "at a glance" not in (folder / "comparison.md").read_text("utf-8")
    track("fa", 0, value=0.8, loss="DPSH")
    capsys.readouterr()
    folder = compare("TINY", "trial")
    assert (folder / "comparison-overview.png").exists()
    text = (folder / "comparison.md").read_text("utf-8")
    assert "| DCH | 0.9000 | 0.7000 |" in text
    assert "| DPSH | - | 0.8000 |" in text
    assert "comparison-curves.png, comparison-overview.png" in capsys.readouterr().out
