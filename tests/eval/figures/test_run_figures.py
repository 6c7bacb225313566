"""The figures of a run: the values in them and beside them, and that no data are too poor to be drawn."""

from __future__ import annotations

import csv
from itertools import pairwise
from statistics import median_low
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.image import AxesImage
from PIL import Image
from ranking_oracle import Sample

from biodeephashing.errors import DataError
from biodeephashing.eval import Curves, RetrievalTask, retrieval
from biodeephashing.eval.figures import IRRELEVANT, RELEVANT, Gallery, _curve_figures, draw_run
from biodeephashing.eval.figures._curve_figures import median, spread_out
from biodeephashing.eval.records import FoldCodes, LabeledCodes
from biodeephashing.eval.records.run_tables import write_radius
from biodeephashing.runs import Run

RUN = Run("TINY", "experiment", "-loss=DCH-nbits=12-trf=none-arch=bio-lenet-seed=0-bs=128-mode=fa-ep=20")
NAMES = ["precision_recall.png", "distances.png", "precision_at_n.png", "bits.png", "nearest.png"]
NAMES += ["radius.csv", "depth.csv", "bits.csv", "bit_correlation.csv", "nearest.csv"]


def curves_of(sample: Sample) -> Curves:
    return retrieval(RetrievalTask(*sample.arrays, bits=sample.bits), []).curves


def side(features: np.ndarray, codes: np.ndarray, labels: np.ndarray) -> LabeledCodes:
    return LabeledCodes(FoldCodes(codes, features.shape[1], 0, features, "", ""), labels)


def gallery(name: str, count: int, missing: tuple[int, ...] = ()) -> Gallery:
    def image(row: int) -> Image.Image:
        if row in missing:
            raise DataError(f"row {row} is missing")
        return Image.new("RGB", (20 + row, 30), (row, 100, 200))

    return Gallery([f"images/{name}_{row}.png" for row in range(count)], image)


def draw(sample: Sample, *, missing: tuple[int, ...] = (), **more):
    """Draw a sample, and return the files."""
    queries = side(sample.query_features, sample.query_codes, sample.query_labels)
    database = side(sample.database_features, sample.database_codes, sample.database_labels)
    galleries = (gallery("q", len(sample.query_labels)), gallery("d", len(sample.database_labels), missing))
    files = draw_run(
        RUN, "query", curves_of(sample), queries, database, galleries, split="TINY, disjoint split", folder=RUN.evaluation, **more
    )
    return {file.name.removeprefix("query-"): file for file in files}


def rows_of(file):
    with file.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    return header, rows


def nearest_by_sort(sample: Sample, query: int, count: int) -> list[tuple[int, int, int]]:
    distances, relevance, _ = list(sample.per_query())[query]
    order = sorted(range(len(distances)), key=lambda row: (distances[row], row))[:count]
    return [(row, distances[row], relevance[row]) for row in order]


def test_every_file_is_named_and_written(project_home, drawn):
    files = draw(Sample(0, 9, 30, 12))
    assert sorted(files) == sorted(NAMES)
    assert {file.parent for file in files.values()} == {RUN.evaluation}
    assert sorted(path.name for path in RUN.evaluation.iterdir()) == sorted(f"query-{name}" for name in NAMES)  # nothing temporary is left
    for name in NAMES[:5]:
        with Image.open(files[name]) as image:
            assert image.format == "PNG"
            assert min(image.size) > 600
            assert len(image.convert("RGB").getcolors(1 << 20)) > 20


@pytest.mark.usefixtures("unrendered")
def test_the_tables_hold_the_curves(project_home, drawn):
    sample = Sample(1, 6, 25, 9)
    files = draw(sample)
    curves = curves_of(sample)
    header, rows = rows_of(files["radius.csv"])
    assert header == ["radius", "items", "nonempty", "precision", "recall", "irrelevant_pairs", "relevant_pairs"]
    wanted = zip(range(10), curves.items, curves.nonempty, curves.precision, curves.recall, *curves.distances.T, strict=True)
    assert [list(map(float, row)) for row in rows] == [list(map(float, row)) for row in wanted]  # not rounded
    assert all("." not in cell for row in rows for cell in (row[0], *row[5:]))
    header, rows = rows_of(files["depth.csv"])
    assert header == ["n", "precision", "recall"]
    assert [row[0] for row in rows] == list(map(str, curves.depths))
    assert [float(row[1]) for row in rows] == curves.precision_at.tolist()
    assert [float(row[2]) for row in rows] == curves.recall_at.tolist()


@pytest.mark.usefixtures("unrendered")
def test_the_tables_of_the_bits(project_home, drawn):
    sample = Sample(2, 7, 20, 10)
    sample.query_features[:, 3] = -1  # dead among the queries only
    files = draw(sample)
    sides = [np.where(features >= 0, 1, -1) for features in (sample.query_features, sample.database_features)]
    header, rows = rows_of(files["bits.csv"])
    assert header == ["bit", "query", "database"]
    assert [list(map(float, row)) for row in rows] == [[k, *(float((values[:, k] > 0).mean()) for values in sides)] for k in range(10)]
    header, rows = rows_of(files["bit_correlation.csv"])
    assert header == ["bit", "other_bit", "query", "database"]
    assert [tuple(map(int, row[:2])) for row in rows] == [(k, other) for k in range(10) for other in range(k + 1, 10)]
    for bit, other, *cells in rows:
        for cell, values in zip(cells, sides, strict=True):
            if len(set(values[:, int(bit)])) == len(set(values[:, int(other)])) == 2:
                assert float(cell) == pytest.approx(np.corrcoef(values[:, int(bit)], values[:, int(other)])[0, 1], abs=1e-12)
            else:
                assert cell == ""
    assert {row[2] for row in rows if "3" in row[:2]} == {""}


@pytest.mark.usefixtures("unrendered")
def test_the_nearest_images(project_home, drawn):
    sample = Sample(3, 40, 25, 5, classes=3)
    hidden = nearest_by_sort(sample, 0, 1)[0][0]
    files = draw(sample, missing=(hidden,), classes=["cat", "dog", "car"])
    header, rows = rows_of(files["nearest.csv"])
    assert header == ["query_row", "query_file", "rank", "database_row", "database_file", "distance", "relevant"]
    queries = list(dict.fromkeys(int(row[0]) for row in rows))
    wanted = [
        [query, f"images/q_{query}.png", rank, row, f"images/d_{row}.png", distance, relevant]
        for query in queries
        for rank, (row, distance, relevant) in enumerate(nearest_by_sort(sample, query, 10), start=1)
    ]
    assert len(queries) == 8
    assert rows == [list(map(str, row)) for row in wanted]

    [axes] = drawn["query-nearest.png"].axes
    borders = [to_hex(patch.get_edgecolor()) for patch in axes.patches]
    colours = []
    for query in queries:
        items = [row for row in wanted if row[0] == query]
        colours += ["#222222", *((RELEVANT if row[-1] else IRRELEVANT).lower() for row in items)]
    assert borders == colours
    hits = sum(row[3] == hidden for row in wanted)
    assert 0 < hits < len(wanted)
    assert len([child for child in axes.get_children() if isinstance(child, AxesImage)]) == len(borders) - hits
    said = [text.get_text() for text in axes.texts]
    assert sum(f"d_{hidden}.png" in text for text in said) == hits
    assert [text for text in said if text.isdecimal()] == [
        *map(str, range(1, 11)), *(str(row[5]) for row in wanted)
    ]  # fmt: skip
    found = [text for text in said if text.endswith(" of 10")]
    assert found == [f"{sum(row[-1] for row in wanted if row[0] == query)} of 10" for query in queries]
    words = [", ".join(np.array(["cat", "dog", "car"])[sample.query_labels[query] > 0]) or "no class" for query in queries]
    assert [text.replace("\n", " ") for text in said if text.replace("\n", " ") in words] == words


@pytest.mark.usefixtures("unrendered")
def test_images_keep_their_shape_inside_their_borders(project_home, drawn):
    draw(Sample(3, 4, 25, 5))
    [axes] = drawn["query-nearest.png"].axes
    images = [child for child in axes.get_children() if isinstance(child, AxesImage)]
    for image, border in zip(images, axes.patches, strict=True):
        left, right, bottom, top = image.get_extent()
        height, width = image.get_array().shape[:2]
        assert (right - left) / (bottom - top) == pytest.approx(width / height)
        assert left >= border.get_x() - 1e-9
        assert right <= border.get_x() + border.get_width() + 1e-9
        assert top >= border.get_y() - 1e-9
        assert bottom <= border.get_y() + border.get_height() + 1e-9


@pytest.mark.usefixtures("unrendered")
def test_the_curves_are_drawn(project_home, drawn):
    sample = Sample(4, 3, 12, 16)
    draw(sample)
    curves = curves_of(sample)
    first = next(radius for radius, share in enumerate(curves.nonempty) if share > 0)
    assert first > 0
    chance, finding, everyone = drawn["query-precision_recall.png"].axes[0].lines
    assert everyone.get_xydata().tolist() == np.stack((curves.recall, curves.precision), axis=1)[first:].tolist()
    assert finding.get_ydata() == pytest.approx((curves.precision[first:] / curves.nonempty[first:]).tolist())
    assert chance.get_ydata()[0] == pytest.approx(curves.relevant.sum() / (3 * 12))
    assert drawn["query-precision_recall.png"].axes[0].texts[0].get_text() == str(first)
    line = drawn["query-precision_at_n.png"].axes[0].lines[1]
    assert line.get_xydata().tolist() == np.stack((curves.depths, curves.precision_at), axis=1).tolist()
    assert drawn["query-precision_at_n.png"].axes[0].get_xscale() == "log"


def test_the_radius_is_written_where_no_line_goes_on(tmp_path, drawn):
    recall, precision, nonempty = np.array([0.1, 0.5, 1.0]), np.array([0.5, 0.4, 0.1]), np.array([0.5, 1.0, 1.0])
    curves = SimpleNamespace(recall=recall, precision=precision, nonempty=nonempty, relevant=np.ones(1), distances=np.ones((3, 2)))
    _curve_figures.draw_precision_recall(tmp_path / "curve.png", curves, "title", "caption")
    offsets = [text.xyann[1] < 0 for text in drawn["curve.png"].axes[0].texts]
    assert offsets == [True, False, False], "below, where the dotted line runs above"


@pytest.mark.usefixtures("unrendered")
def test_distances_are_shares_and_medians(project_home, drawn):
    sample = Sample(5, 8, 20, 16)
    draw(sample)
    [axes] = drawn["query-distances.png"].axes
    pairs = [(d, r) for distances, relevance, _ in sample.per_query() for d, r in zip(distances, relevance, strict=True)]
    for kind, step, line in zip((1, 0), axes.patches, axes.lines, strict=True):
        distances = [d for d, r in pairs if r == kind]
        values, edges, _ = step.get_data()
        assert values == pytest.approx([distances.count(d) / len(distances) for d in range(17)])
        assert edges.tolist() == [d - 0.5 for d in range(18)]
        assert set(line.get_xdata()) == {median_low(distances)}


@pytest.mark.usefixtures("unrendered")
def test_bits_are_drawn(project_home, drawn):
    sample = Sample(6, 30, 40, 12)
    sample.database_features[:, [2, 5]] = 1
    draw(sample)
    balance, *matrices, bar = drawn["query-bits.png"].axes
    sides = [np.where(features >= 0, 1.0, -1.0) for features in (sample.query_features, sample.database_features)]
    for number, (values, axes) in enumerate(zip(sides, matrices, strict=True)):
        live, dead = (found.get_offsets() for found in balance.collections[2 * number : 2 * number + 2])
        shares = [[k, (column > 0).mean()] for k, column in enumerate(values.T)]
        assert np.asarray(live).tolist() == [one for one in shares if 0 < one[1] < 1]
        assert np.asarray(dead).tolist() == [one for one in shares if one[1] in (0, 1)]
        [image] = axes.images
        shown = np.ma.filled(image.get_array().astype(float), np.nan)
        with np.errstate(invalid="ignore"):
            assert shown == pytest.approx(np.abs(np.corrcoef(values.T)), nan_ok=True)
        assert image.get_clim() == (0, 1)
    assert bar.get_ylim() == (0, 1)
    assert len(drawn["query-bits.png"].axes) == 4


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("bits", [1, 12, 64])
def test_no_tick_beyond_the_last_bit(project_home, drawn, bits):
    draw(Sample(6, 5, 9, bits))
    ticks = drawn["query-bits.png"].axes[0].get_xticks()
    assert ticks[0] == 0
    assert set(ticks) <= set(range(bits))


def poor(kind: str) -> Sample:
    sizes = {"one bit": (5, 9, 1), "one query": (1, 9, 8), "one of each": (1, 1, 3), "long codes": (3, 6, 1024)}
    sample = Sample(7, *sizes.get(kind, (5, 9, 12)))
    if kind == "equal codes":
        sample.query_features[:], sample.database_features[:] = 1, 1
    if kind == "opposite codes":
        sample.query_features[:], sample.database_features[:] = 1, -1
    if kind == "nothing relevant":
        sample.query_labels[:] = 0
    if kind == "all relevant":
        sample.query_labels[:], sample.database_labels[:] = 1, 1
    return sample


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "kind",
    ["one bit", "one query", "one of each", "long codes", "equal codes", "opposite codes", "nothing relevant", "all relevant"],
)
def test_poor_data_are_drawn(project_home, drawn, kind):
    sample = poor(kind)
    everything = tuple(range(len(sample.database_labels)))
    files = draw(sample, missing=everything if kind == "one of each" else ())
    assert sorted(files) == sorted(NAMES)
    for figure in drawn.values():
        for text in figure.texts:  # title and caption
            box = text.get_window_extent()
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1
        for axes in figure.axes:
            assert np.isfinite([*axes.get_xlim(), *axes.get_ylim()]).all()
            if axes.get_xlabel() in ("bit", "Hamming distance of query and item", "N, items nearest to the query"):
                names = [label.get_text() for label in axes.get_xticklabels(which="both")]
                assert all(name == "" or name.lstrip("−").replace(",", "").isdecimal() for name in names)
            assert axes.get_window_extent().y1 < figure.texts[0].get_window_extent().y0


@pytest.mark.usefixtures("unrendered")
def test_captions_state_split_run_and_rules(project_home, drawn):
    draw(Sample(0, 4, 12, 6))
    rules = {"precision_at_n.png": "tie rule expected", "nearest.png": "tie rule index", "precision_recall.png": "No tie rule is needed"}
    for name in NAMES[:5]:
        title, caption = (text.get_text() for text in drawn[f"query-{name}"].texts[:2])
        assert title.startswith("TINY, query fold: ")
        said = caption.replace("-\n", "-").replace("\n", " ")
        assert "TINY, disjoint split" in said
        assert f"experiment / {RUN.name}" in said
        assert rules.get(name, "") in said


def test_a_table_that_cannot_be_written_leaves_the_last_one(project_home):
    curves = curves_of(Sample(0, 3, 5, 4))
    file = project_home / "radius.csv"
    write_radius(file, curves)
    before = file.read_bytes()
    broken = Curves(**{**vars(curves), "recall": curves.recall[:2]})
    with pytest.raises(ValueError, match="zip"):
        write_radius(file, broken)
    assert file.read_bytes() == before
    assert list(project_home.iterdir()) == [file]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_the_median_is_that_of_the_pairs(counts):
    pairs = [distance for distance, count in enumerate(counts) for _ in range(count)]
    assert median(np.array(counts)) == (median_low(pairs) if pairs else None)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30), st.floats(0, 1))
def test_kept_points_are_apart_and_as_many_as_can_be(points, apart):
    kept = spread_out(np.array(points), apart)
    assert kept[0] == 0
    steps = [np.hypot(*np.subtract(points[b], points[a])) for a, b in pairwise(kept)]
    assert all(step >= apart for step in steps)
    for last, following in pairwise([*kept, len(points)]):  # and none is left out that is far enough from the last one kept
        assert all(np.hypot(*np.subtract(points[left], points[last])) < apart for left in range(last + 1, following))
