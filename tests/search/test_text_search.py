"""Search with texts and for texts, in a run of two views some of whose items lack one."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from biodeephashing.checksums import digest
from biodeephashing.codes import hamming
from biodeephashing.commands.search_serve import service_of
from biodeephashing.commands.searching.searched_run import SearchedRun
from biodeephashing.data import load_fold, load_texts
from biodeephashing.errors import guard
from biodeephashing.models.CrossModal.encoder import CrossEncoder
from biodeephashing.runs import processed_folder
from biodeephashing.search import Index
from biodeephashing.search.export import main as export_main
from biodeephashing.search.index import main as index_main
from biodeephashing.search.query import main as query_main
from biodeephashing.search.service import MOST_LETTERS, application

# rows of the database, see paired_home
WITH = {"image": [row for row in range(14) if row not in (0, 3)], "text": [row for row in range(14) if row not in (5,)]}


def call(main, *words):
    return guard(lambda: main([str(word) for word in words]))


def answers(run, tmp_path, *words):
    """Return what a command line finds, by the view in which it was found."""
    file = tmp_path / "answer.json"
    assert call(query_main, "-p", run, *words, "-o", file, "-no_skip") == 0
    return {one["index"]["view"]: one["queries"] for one in json.loads(file.read_text())["runs"]}


def expected(run, code, view, k):
    """Return the rows of the database that are nearest to a code, by a stable sort of those that have the view."""
    rows = np.array(WITH[view])
    distances = hamming(code[None], np.load(run.codes_file("database", view))[rows])[0]
    return rows[np.argsort(distances, kind="stable")[:k]].tolist()


def rows_of(run, view, query):
    index = Index.of(run, view)
    return [index.item(one["id"]).row for one in query["neighbours"]]


def test_a_run_of_two_views_has_two_indexes(pairs, tmp_path, capsys):
    assert call(index_main, "-p", pairs) == 0
    for view, rows in WITH.items():
        index = Index.of(pairs, view)
        assert np.array_equal(index.codes()[1], np.load(pairs.codes_file("database", view))[rows])
        assert [item.row for item in index.items(index.codes()[0])] == rows
    text_alone = Index.of(pairs, "text").find("database:0")  # without an image, so without a path of its own
    assert text_alone is not None
    capsys.readouterr()
    assert call(index_main, "-p", pairs) == 0
    assert capsys.readouterr().out.count("skipped: ") == 2
    assert call(index_main, "-p", pairs, "-facts") == 0
    assert call(index_main, "-p", pairs, "-check") == 0
    said = capsys.readouterr().out
    assert "13 texts" in said
    assert "12 items" in said
    assert call(index_main, "-p", pairs, "-in", "text", "-add", "a.png") == 2
    assert call(index_main, "-p", pairs, "-o", tmp_path / "elsewhere") == 2
    assert call(index_main, "-p", pairs, "-in", "text", "-o", pairs.index("image")) == 1
    assert "index of images" in capsys.readouterr().err
    assert call(index_main, "-p", pairs, "-remove", "3") == 0
    assert (len(Index.of(pairs)), len(Index.of(pairs, "text"))) == (11, 13)


def test_a_text_finds_images_and_texts(pairs, tmp_path, capsys):
    found = answers(pairs, tmp_path, "-text", "Red  ball", "green", "-in", "both", "-k", 5)
    codes = CrossEncoder.of(pairs).encode_texts(["red ball", "green"]).codes
    lines = load_texts("PAIRS", "database").texts
    for view, queries in found.items():
        for query, code in zip(queries, codes, strict=True):
            assert bytes.fromhex(query["code"]) == code.tobytes()
            assert rows_of(pairs, view, query) == expected(pairs, code, view, 5)
            assert {one["relevant"] for one in query["neighbours"]} == {None}
        assert queries[0]["text"] == queries[0]["source"] == "Red ball"
        texts = [one["text"] for one in queries[0]["neighbours"]]
        assert texts == ([lines[row] for row in rows_of(pairs, view, queries[0])] if view == "text" else [""] * 5)
    said = capsys.readouterr().out
    assert "\nimages\n" in said
    assert "\ntexts\n" in said
    assert texts[0] in said
    assert list(answers(pairs, tmp_path, "-text", "red")) == ["image"]  # by default


@pytest.mark.parametrize("of", ["image", "text"])
def test_a_row_is_an_image_or_a_text(pairs, tmp_path, of):
    labels, own = load_fold("PAIRS", "database").labels, load_fold("PAIRS", "query").labels[4]
    for view, (query,) in answers(pairs, tmp_path, "-row", "query:4", "-of", of, "-in", "both", "-k", 6).items():
        rows = rows_of(pairs, view, query)
        assert rows == expected(pairs, np.load(pairs.codes_file("query", of))[4], view, 6)
        assert [one["relevant"] for one in query["neighbours"]] == (labels[rows] @ own > 0).tolist()
        assert query["text"] == (load_texts("PAIRS", "query").texts[4] if of == "text" else "")
    for view, (query,) in answers(pairs, tmp_path, "-row", "database:8", "-of", of, "-in", "both", "-k", 99, "-not_itself").items():
        assert sorted(rows_of(pairs, view, query)) == [row for row in WITH[view] if row != 8]


def test_an_image_file_finds_texts(pairs, tmp_path):
    fold = load_fold("PAIRS", "database")
    (query,) = answers(pairs, tmp_path, "-img", fold.image(6), "-in", "text", "-k", 4)["text"]
    assert rows_of(pairs, "text", query) == expected(pairs, np.load(pairs.codes_file("database", "image"))[6], "text", 4)
    assert query["classes"]  # those of the item whose image it is


def test_ties_in_the_order_of_features(pairs, tmp_path):
    (query,) = answers(pairs, tmp_path, "-row", "query:4", "-in", "text", "-ties", "features", "-k", 9)["text"]
    rows, own = np.array(WITH["text"]), np.load(pairs.features_file("query", "image"))[4].astype(float)
    features = np.load(pairs.features_file("database", "text"))[rows].astype(float)
    apart = np.linalg.norm(features / np.linalg.norm(features, axis=1, keepdims=True) - own / np.linalg.norm(own), axis=1)
    distances = hamming(np.load(pairs.codes_file("query", "image"))[4:5], np.load(pairs.codes_file("database", "text"))[rows])[0]
    assert rows_of(pairs, "text", query) == rows[np.lexsort((apart, distances))[:9]].tolist()


def test_words_that_are_not_in_the_vocabulary_are_named(pairs, tmp_path, capsys):
    (query,) = answers(pairs, tmp_path, "-text", "gren ball")["image"]
    assert "'gren' (the nearest is 'green')" in query["note"]
    assert "'gren'" in capsys.readouterr().out
    assert call(query_main, "-p", pairs, "-text", "gren bal") == 2
    said = capsys.readouterr().err
    assert "'ball'" in said
    assert len(said.strip().splitlines()) == 1


REFUSED = [
    (("-text", "red"), "text"),
    (("-row", "query:1", "-in", "text"), "texts"),
    (("-row", "query:1", "-of", "text"), "texts"),
    (("-row", "query:1", "-in", "both"), "texts"),
]


@pytest.mark.parametrize(("words", "fact"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_a_run_of_images_alone_takes_no_texts(run, capsys, words, fact):
    call(index_main, "-p", run)
    capsys.readouterr()
    assert call(query_main, "-p", run, *words) == 1
    said = capsys.readouterr().err
    assert fact in said
    assert "CrossModal" in said
    assert len(said.strip().splitlines()) == 1


def test_what_cannot_be_asked(pairs, tmp_path, capsys):
    for words, status, fact in (
        (("-row", "query:1", "-of", "text"), 2, "no text"),
        (("-row", "database:0"), 2, "no image"),
        (("-text", "red", "-of", "text"), 2, "-row"),
        (("-text", "red", "-in", "both", "-index", tmp_path), 2, "-index"),
        (("-text", "red", "-in", "text", "-index", pairs.index()), 1, "index of images"),
    ):
        call(index_main, "-p", pairs)
        capsys.readouterr()
        assert call(query_main, "-p", pairs, *words) == status, words
        assert fact in capsys.readouterr().err


def test_other_texts_make_the_index_of_texts_old(pairs, capsys):
    call(index_main, "-p", pairs)
    folder = processed_folder("PAIRS")
    texts, split = folder / "database_texts.txt", json.loads((folder / "split.json").read_text())
    texts.write_text(texts.read_text().replace("ball", "flat"))
    split["sha256"][texts.name] = digest(texts)
    (folder / "split.json").write_text(json.dumps(split))
    assert call(query_main, "-p", pairs, "-row", "query:2", "-in", "text") == 1
    assert "other texts" in capsys.readouterr().err
    assert call(query_main, "-p", pairs, "-row", "query:2") == 0


def test_the_network_of_images_is_exported(pairs, capsys):
    assert call(export_main, "-p", pairs) == 0
    assert "texts is not exported" in capsys.readouterr().out


def test_sheets_show_texts(pairs, tmp_path):
    folder, text = tmp_path / "found", "red $5 and $6 " * 30
    assert call(query_main, "-p", pairs, "-text", text, "-in", "both", "-k", 3, "-save_path", folder) == 0
    images, texts = sorted(folder.glob("*-neighbours.png"), key=lambda file: "-in-text" in file.name)
    for file in (images, texts):
        with Image.open(file) as sheet:
            assert min(sheet.size) > 200
    with texts.with_suffix(".csv").open() as stream:
        assert all(row["text"] for row in csv.DictReader(stream))
    assert len(list(folder.glob("*-d*.png"))) == 3  # copies of the images


@pytest.fixture
def client(pairs):
    return TestClient(application(service_of([SearchedRun(pairs)])), base_url="http://127.0.0.1:7860")


def test_the_api_takes_and_finds_texts(client, pairs):
    known = client.get("/api/runs").json()
    assert known["runs"][0]["views"] == ["image", "text"]
    assert known["folds"] == {"query": 8, "database": 14}
    code = CrossEncoder.of(pairs).encode_texts(["red ball"]).codes[0]
    for view in ("image", "text"):
        found = client.get(f"/api/search?text=red+ball+zzz&in={view}&k=4").json()
        (answered,) = found["runs"]
        assert rows_of(pairs, view, answered) == expected(pairs, code, view, 4)
        assert found["query"]["text"] == "red ball zzz"
        assert found["query"]["image"] is None
        assert "'zzz'" in found["query"]["note"]
        assert [bool(one["image"]) for one in answered["neighbours"]] == [view == "image"] * 4
    by_id = client.get(f"/api/search?id={answered['neighbours'][0]['id']}&of=text&in=image&k=4").json()
    by_row = client.get(f"/api/search?row=database:{rows_of(pairs, 'text', answered)[0]}&of=text&k=4").json()
    assert by_id == by_row | {"runs": [by_row["runs"][0] | {"milliseconds": by_id["runs"][0]["milliseconds"]}]}
    assert by_id["query"]["text"] == answered["neighbours"][0]["text"]
    sent = client.post("/api/search?k=4&in=text", content=load_fold("PAIRS", "query").image(2).read_bytes()).json()
    assert all(one["text"] for one in sent["runs"][0]["neighbours"])


@pytest.mark.parametrize(
    ("request_", "status", "fact"),
    [
        ("text=bal", 400, "'ball'"),
        ("text=", 400, "no word"),
        (f"text={'red ' * MOST_LETTERS}", 413, "letters"),
        ("text=red&in=sound", 400, "image or text"),
        ("row=query:1&of=text", 400, "no text"),
    ],
)
def test_what_the_api_refuses(client, request_, status, fact):
    answer = client.get(f"/api/search?{request_}")
    assert answer.status_code == status
    assert fact in answer.json()["error"]


def test_a_run_of_images_alone_is_served_without_texts(run):
    client = TestClient(application(service_of([SearchedRun(run)])), base_url="http://127.0.0.1:7860")
    assert client.get("/api/runs").json()["runs"][0]["views"] == ["image"]
    refused = client.get("/api/search?text=red")
    assert refused.status_code == 404
    assert "takes no texts" in refused.json()["error"]
