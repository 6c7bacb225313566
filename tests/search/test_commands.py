"""index.py, query.py: what a person sees, what is written, and what bad input gets."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from biodeephashing.codes import hamming
from biodeephashing.commands.predict import predict
from biodeephashing.data import load_fold
from biodeephashing.errors import guard
from biodeephashing.search import Index
from biodeephashing.search.index import main as index_main
from biodeephashing.search.query import main as query_main
from biodeephashing.training.status import recorded_training


def call(main, *words):
    return guard(lambda: main([str(word) for word in words]))


@pytest.fixture
def photos(home):
    folder = home / "photos"
    for name, colour in (("cat.png", (180, 60, 60)), ("red/one.png", (180, 60, 60)), ("green/deep/two.png", (60, 180, 60))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (50, 40), colour).save(folder / name)
    return folder


def test_an_index_has_the_codes_of_the_database(run, capsys):
    assert call(index_main, "-p", run) == 0
    index, metadata = Index.of(run), load_fold("TINY", "database")
    ids, codes = index.codes()
    assert ids.tolist() == list(range(len(metadata)))
    assert np.array_equal(codes, np.load(run.codes_file("database")))
    assert [item.path for item in index.items(ids)] == metadata.paths
    assert np.array_equal([item.labels for item in index.items(ids)], metadata.labels)
    assert call(index_main, "-p", run) == 0
    assert "skipped: " in capsys.readouterr().out


def test_every_database_image_finds_itself_and_has_the_stored_code(run, tmp_path):
    metadata = load_fold("TINY", "database")
    answer = tmp_path / "answer.json"
    assert call(query_main, "-p", run, "-img", *map(metadata.image, range(len(metadata))), "-k", 1, "-o", answer) == 0
    codes = np.load(run.codes_file("database"))
    for row, query in enumerate(json.loads(answer.read_text())["runs"][0]["queries"]):
        assert bytes.fromhex(query["code"]) == codes[row].tobytes()
        assert query["neighbours"][0]["distance"] == 0
        assert query["classes"] == query["neighbours"][0]["classes"] or query["tied"]


def test_rows_are_answered_by_a_stable_sort_and_side_by_side(run, other, tmp_path, capsys):
    answer = tmp_path / "answer.json"
    assert call(query_main, "-p", run, other, "-row", "query:3", "-k", 5, "-o", answer) == 0
    said = capsys.readouterr().out
    labels = load_fold("TINY", "database").labels
    own = load_fold("TINY", "query").labels[3]
    for one, record in zip((run, other), json.loads(answer.read_text())["runs"], strict=True):
        distances = hamming(np.load(one.codes_file("query"))[3:4], np.load(one.codes_file("database")))[0]
        order = np.argsort(distances, kind="stable")[:5]
        (query,) = record["queries"]
        assert [found["id"] for found in query["neighbours"]] == order.tolist()
        assert [found["relevant"] for found in query["neighbours"]] == (labels[order] @ own > 0).tolist()
        last = distances[order[-1]]
        assert query["tied"] == (distances == last).sum() - (distances[order] == last).sum()
        assert f"items at distance {last}" in said
        assert str(one) in said
    assert "by the head of GreedyHash" in said
    assert "of 5 nearest)" in said  # DCH has no head: its neighbours vote


def test_the_head_is_that_of_the_loss(run, tmp_path):
    """softmax(W sgn F), by hand from the checkpoint and the features on disk."""
    import torch

    answer = tmp_path / "answer.json"
    call(query_main, "-p", run, "-row", *(f"query:{row}" for row in range(5)), "-o", answer)
    weights = torch.load(run.best_checkpoint, weights_only=True)["loss"]["head.weight"].double().numpy()
    features = np.load(run.features_file("query"))[:5]
    logits = np.where(features >= 0, 1, -1) @ weights.T
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = ["blue", "green", "red", "grey"]
    for query, row in zip(json.loads(answer.read_text())["runs"][0]["queries"], probabilities, strict=True):
        assert query["prediction"]["name"] == names[row.argmax()]
        assert query["prediction"]["share"] == pytest.approx(row.max(), abs=1e-5)


def test_filters_radius_and_ties(run, tmp_path):
    codes, database = np.load(run.codes_file("query")), np.load(run.codes_file("database"))
    labels = load_fold("TINY", "database").labels
    distances = hamming(codes[:1], database)[0]

    def ids(*words):
        answer = tmp_path / "answer.json"
        assert call(query_main, "-p", run, *words, "-o", answer, "-no_skip") == 0
        return [one["id"] for one in json.loads(answer.read_text())["runs"][0]["queries"][0]["neighbours"]]

    red = np.flatnonzero(labels[:, 2])
    assert ids("-row", "query:0", "-class", "red", "-k", 99) == red[np.argsort(distances[red], kind="stable")].tolist()
    near = np.flatnonzero(distances <= 3)
    assert ids("-row", "query:0", "-radius", 3) == near[np.argsort(distances[near], kind="stable")].tolist()
    assert 4 not in ids("-row", "database:4", "-not_itself", "-k", 99)
    features, own = np.load(run.features_file("database")).astype(float), np.load(run.features_file("query"))[0].astype(float)
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    apart = np.linalg.norm(units - own / np.linalg.norm(own), axis=1)
    assert ids("-row", "query:0", "-ties", "features", "-k", 7) == np.lexsort((apart, distances))[:7].tolist()
    np.save(tmp_path / "codes.npy", codes[:2])
    assert ids("-codes", tmp_path / "codes.npy", "-k", 5) == np.argsort(distances, kind="stable")[:5].tolist()


def test_images_are_added_found_and_removed(run, photos, tmp_path, capsys):
    assert call(index_main, "-p", run, "-add", photos) == 0
    index = Index.of(run)
    assert index.added() == ["photos/cat.png", "photos/green/deep/two.png", "photos/red/one.png"]
    labels = {item.path: item.labels.tolist() for item in index.items(range(32, 35))}
    assert labels == {"photos/cat.png": [0, 0, 0, 0], "photos/red/one.png": [0, 0, 1, 0], "photos/green/deep/two.png": [0, 1, 0, 0]}
    capsys.readouterr()
    assert call(query_main, "-p", run, "-img", photos / "red/one.png", "-k", 3) == 0
    said = capsys.readouterr().out
    assert "photos/red/one.png" in said
    assert "scaled from 50 x 40 to 32 x 32" in said

    assert call(index_main, "-p", run, "-add", photos) == 0
    assert "added: 0; skipped: 3" in capsys.readouterr().out
    Image.new("RGB", (60, 40), (60, 60, 180)).save(photos / "cat.png")
    assert call(index_main, "-p", run, "-add", photos) == 0
    assert "1 of them changed" in capsys.readouterr().out
    assert index.refresh().find("photos/cat.png") == 35  # a new id, never the old one again

    assert call(index_main, "-p", run, "-remove", photos / "red/one.png", "99999") == 1
    assert index.refresh().find("photos/red/one.png") == 34  # all or none
    assert call(index_main, "-p", run, "-remove", photos / "red/one.png", "3") == 0
    assert len(index.refresh()) == 33
    assert call(index_main, "-p", run, "-compact") == 0
    assert call(index_main, "-p", run, "-check") == 0
    assert index.refresh().segments == 1
    assert index.find("photos/red/one.png") is None
    assert call(index_main, "-p", run, "-no_skip") == 0  # anew, with what was added
    assert index.refresh().added() == ["photos/green/deep/two.png", "photos/cat.png"]


def test_a_table_names_labels(run, photos, capsys):
    table = photos / "labels.csv"
    table.write_text("file,labels\ncat.png,red blue\nred/one.png,\n")
    assert call(index_main, "-p", run, "-add", table) == 0
    index = Index.of(run)
    assert index.item(index.find("photos/cat.png")).labels.tolist() == [1, 0, 1, 0]
    table.write_text("file,labels\ncat.png,gren\nred/one.png,red\n")
    assert call(index_main, "-p", run, "-add", table) == 2
    assert "'green'" in capsys.readouterr().err


def test_what_cannot_be_read_is_listed_and_the_rest_is_in(run, photos, capsys):
    (photos / "text.png").write_text("no image")
    assert call(index_main, "-p", run, "-add", photos) == 1
    assert "text.png" in capsys.readouterr().err
    assert len(Index.of(run).added()) == 3
    assert call(query_main, "-p", run, "-img", photos / "text.png", photos / "cat.png", "-k", 2) == 1
    said = capsys.readouterr()
    assert "text.png" in said.err
    assert "cat.png" in said.out


def test_sheet_table_and_copies(run, photos, tmp_path, capsys):
    folder = tmp_path / "found"
    assert call(query_main, "-p", run, "-row", "query:1", "-k", 13, "-save_path", folder) == 0
    with Image.open(folder / "query_1-neighbours.png") as sheet:
        assert min(sheet.size) > 300
    with (folder / "query_1-neighbours.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 14)]
    for row in rows:
        (copy,) = folder.glob(f"query_1-{int(row['rank']):02d}-d{row['distance']}-*.png")
        assert copy.read_bytes() == (run.directory.parents[4] / row["path"]).read_bytes()
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    capsys.readouterr()
    assert call(query_main, "-p", run, "-row", "query:1", "-k", 13, "-save_path", folder) == 0
    assert "-no_skip" in capsys.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


BAD = [
    (("-row", "query"), 2, "FOLD:ROW"),
    (("-row", "qeury:1"), 2, "query"),
    (("-row", "query:16"), 2, "15"),
    (("-row", "val:1"), 1, "val"),
    (("-row", "query:1", "-k", "0"), 2, "-k 0"),
    (("-row", "query:1", "-k", "-3"), 2, "-3"),
    (("-row", "query:1", "-k", "ten"), 2, "ten"),
    (("-row", "query:1", "-class", "gren"), 2, "'green'"),
    (("-img", "nowhere.png"), 1, "nowhere.png"),
    (("-codes", "nowhere.npy"), 1, "nowhere.npy"),
    ((), 2, "-img"),
    (("-row", "query:1", "-show"), 2, "-save_path"),
]


@pytest.mark.parametrize(("words", "status", "fact"), BAD, ids=lambda value: " ".join(value) if isinstance(value, tuple) else None)
def test_bad_queries_get_one_line(words, status, fact, run, capsys, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    call(index_main, "-p", run)
    capsys.readouterr()
    assert call(query_main, "-p", run, *words) == status
    said = capsys.readouterr()
    assert fact in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_a_bad_index_is_named_and_never_answers(run, other, capsys, tmp_path):
    def says(*facts, words=("-row", "query:1")):
        assert call(query_main, "-p", run, *words) == 1
        said = capsys.readouterr().err
        assert all(fact in said for fact in facts), said
        assert len(said.strip().splitlines()) == 1

    np.save(tmp_path / "wide.npy", np.zeros((2, 9), np.uint8))
    call(index_main, "-p", run)
    capsys.readouterr()
    assert call(query_main, "-p", run, "-codes", tmp_path / "wide.npy") == 2
    assert "12 bits" in capsys.readouterr().err
    folder = run.index()
    (segment,) = (folder / "segments").iterdir()
    content = (segment / "codes.npy").read_bytes()
    (segment / "codes.npy").write_bytes(content[:-3])
    says("codes.npy", "bytes")
    (segment / "codes.npy").unlink()
    says("codes.npy", "missing")
    (segment / "codes.npy").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert call(index_main, "-p", run, "-check") == 1
    assert "codes.npy" in capsys.readouterr().err
    store = (folder / "items.sqlite").read_bytes()
    (folder / "items.sqlite").write_bytes(b"nothing of SQLite" * 99)
    says("items.sqlite", "damaged")
    (folder / "items.sqlite").write_bytes(store[:60] + (9).to_bytes(4, "big") + store[64:])
    says("items.sqlite", "format 9")
    (folder / "items.sqlite").unlink()
    says("items.sqlite")
    assert call(index_main, "-p", run, "-no_skip") == 0  # and all is well again
    assert call(query_main, "-p", run, "-row", "query:1") == 0
    shutil.copy(other.best_checkpoint, run.best_checkpoint)
    capsys.readouterr()
    says("belongs to", "index.py")


def test_a_run_without_codes_names_the_next_command(run, capsys):
    run.predictions_file.unlink()
    assert call(query_main, "-p", run, "-row", "query:1") == 1
    assert "predict the run" in capsys.readouterr().err
    assert not run.index().exists()


def test_an_emptied_index_says_so(run, capsys):
    call(index_main, "-p", run)
    call(index_main, "-p", run, "-remove", *range(32))
    capsys.readouterr()
    assert call(query_main, "-p", run, "-row", "query:1") == 0
    assert "empty" in capsys.readouterr().out
    assert call(index_main, "-p", run, "-compact") == 0
    assert call(query_main, "-p", run, "-row", "query:1") == 0


def awkward_images(folder):
    """Write images of every kind that is allowed, and of those that are not."""
    Image.new("RGBA", (32, 32), (9, 99, 199, 50)).save(folder / "alpha.png")
    Image.new("P", (32, 32), 3).save(folder / "palette.png")
    Image.new("CMYK", (40, 32), (1, 2, 3, 4)).save(folder / "cmyk.jpg")
    Image.new("L", (1, 1), 77).save(folder / "dot.png")
    Image.new("RGB", (32, 32), "red").save(folder / "moving.gif", save_all=True, append_images=[Image.new("RGB", (32, 32), "blue")])
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (50, 32), "green").save(folder / "turned.jpg", exif=turned)
    Image.new("I;16", (32, 32), 5000).save(folder / "deep.png")
    Image.new("1", (9000, 8000)).save(folder / "huge.png")
    (folder / "cut.png").write_bytes((folder / "alpha.png").read_bytes()[:60])
    return ["alpha.png", "palette.png", "cmyk.jpg", "dot.png", "moving.gif", "turned.jpg"], ["deep.png", "huge.png", "cut.png"]


def test_images_of_every_kind(run, tmp_path, capsys):
    good, bad = awkward_images(tmp_path)
    assert call(query_main, "-p", run, "-img", *(tmp_path / name for name in good), "-k", 1, "-o", tmp_path / "a.json") == 0
    queries = json.loads((tmp_path / "a.json").read_text())["runs"][0]["queries"]
    notes = {query["source"].rpartition("/")[2]: query["note"] for query in queries}
    assert notes["alpha.png"] == notes["moving.gif"] == ""
    assert "32 x 50" in notes["turned.jpg"]  # upright
    assert "1 x 1" in notes["dot.png"]
    capsys.readouterr()
    for name in bad:
        assert call(query_main, "-p", run, "-img", tmp_path / name) == 1
        said = capsys.readouterr().err
        assert name in said
        assert len(said.strip().splitlines()) == 1


def test_names_that_no_metadata_line_can_hold(run, photos, capsys):
    strange = [b"a,b.png", b"line\nbreak.png", b"no utf \xff.png"]
    for name in strange:
        shutil.copy(photos / "cat.png", photos / os.fsdecode(name))
    assert call(index_main, "-p", run, "-add", photos) == 0
    index = Index.of(run)
    assert {os.fsencode(path) for path in index.added()} >= {b"photos/" + name for name in strange}
    capsys.readouterr()
    assert call(query_main, "-p", run, "-img", photos / "cat.png", "-k", 99) == 0
    said = capsys.readouterr().out
    assert "line\\nbreak.png" in said
    assert call(index_main, "-p", run, "-remove", *(os.fsdecode(b"photos/" + name) for name in strange)) == 0


def test_codes_that_are_no_numbers(run, tmp_path, capsys):
    values = np.ones((3, 12))
    values[2, 5] = np.nan
    np.save(tmp_path / "codes.npy", values)
    assert call(query_main, "-p", run, "-codes", tmp_path / "codes.npy") == 1
    assert "row 2" in capsys.readouterr().err


def test_another_checkpoint_has_the_index_built_anew_with_what_was_added(run, photos, capsys):
    import torch

    call(index_main, "-p", run, "-add", photos)
    before = Index.of(run).code(32)
    content = torch.load(run.best_checkpoint, weights_only=True)
    content["network"]["hash_layer.weight"] *= -1
    content["network"]["hash_layer.bias"] = -content["network"]["hash_layer.bias"] - 1e-3
    torch.save(content, run.best_checkpoint)
    call(query_main, "-p", run, "-row", "query:1")
    assert "-p" in capsys.readouterr().err  # the command that makes it anew
    predict(dataclasses.replace(run.settings(), datafolds=("query", "database", "train")), quiet=True)
    (photos / "red/one.png").unlink()
    assert call(index_main, "-p", run) == 1
    assert "red/one.png" in capsys.readouterr().err
    index = Index.of(run)
    assert index.added() == ["photos/cat.png", "photos/green/deep/two.png"]
    assert index.item(33).labels.tolist() == [0, 1, 0, 0]
    assert hamming(index.code(32)[None], before[None])[0, 0] > 6
    assert np.array_equal(index.codes()[1][:32], np.load(run.codes_file("database")))


def test_more_folds(run, capsys):
    assert call(index_main, "-p", run, "-dfs", "database", "train") == 0
    index = Index.of(run)
    assert len(index) == 64
    assert (index.item(40).fold, index.item(40).row) == ("train", 8)
    assert call(index_main, "-p", run) == 0
    assert "skipped: " in capsys.readouterr().out


def test_an_index_elsewhere(run, tmp_path):
    assert call(index_main, "-p", run, "-o", tmp_path / "elsewhere") == 0
    assert call(query_main, "-p", run, "-row", "query:1", "-index", tmp_path / "elsewhere") == 0
    assert not run.index().exists()


def test_training_anew_removes_the_index(run):
    call(index_main, "-p", run)
    with recorded_training(run, run.settings(), anew=True):
        assert not run.index().exists()
