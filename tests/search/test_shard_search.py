"""Search of a database in shards: the answers of one index over everything, however it is divided, and what is refused."""

from __future__ import annotations

import json
import pickle
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from search_oracle import Collection, random_codes
from shard_folders import write_shards
from starlette.testclient import TestClient

from biodeephashing.checksums import digest
from biodeephashing.codes import pack
from biodeephashing.commands import search_query
from biodeephashing.commands.search_serve import service_of
from biodeephashing.commands.searching.searched_run import SearchedRun
from biodeephashing.commands.sharded.index import open_parts
from biodeephashing.data import load_fold
from biodeephashing.errors import RunError, UsageError, guard
from biodeephashing.executors import Outcome
from biodeephashing.runs.shards import ShardFolder
from biodeephashing.search import Facts, Index, IndexParts, ask_part
from biodeephashing.search.index import main as index_main
from biodeephashing.search.query import main as query_main
from biodeephashing.search.service import application

SIZES = [10, 0, 1, 15, 6]  # of the 32 images of the database fold
REFUSED = [3, 10, 30]  # of which the second is a shard of its own


class Elsewhere:
    """An executor that does the last unit first, with nothing but what was pickled."""

    def run(self, work, units):
        for unit in reversed(units):
            yield Outcome(unit, pickle.loads(pickle.dumps(work(pickle.loads(pickle.dumps(unit))))))


def call(main, *words):
    return guard(lambda: main([str(word) for word in words]))


def shards_of(run, path, **changed):
    metadata = load_fold("TINY", "database")
    source = {"kind": "fold", "name": "TINY:database", "sha256": digest(metadata.file)}
    return write_shards(run, path, SIZES, **{"refused": REFUSED, "source": source} | changed)


@pytest.fixture
def shards(run, tmp_path):
    return shards_of(run, tmp_path / "codes").path


def answered(file, *words):
    assert call(query_main, *words, "-k", 12, "-o", file, "-no_skip") == 0
    return json.loads(file.read_text())["runs"][0]["queries"]


@pytest.mark.parametrize("seed", range(8))
def test_parts_answer_as_one_sort_over_everything(tmp_path, seed):
    generator = np.random.default_rng(seed)
    count, bits = int(generator.integers(1, 200)), int(generator.choice([5, 16, 70]))
    every = Collection(
        codes=random_codes(generator, count, bits, centres=int(generator.choice([0, 3]))),
        ids=np.sort(generator.choice(10**7, count, replace=False)),  # as where images were refused, or archives leave room
        labels=generator.integers(0, 2, (count, 3)),
        alive=np.ones(count, bool),
    )
    borders = np.unique(generator.integers(0, count, generator.integers(0, 6)))
    indexes = []
    for rows in np.split(np.arange(count), borders):
        if len(rows):
            facts = Facts(bits, ("a", "b", "c"), first_id=int(every.ids[rows[0]]), shards=((f"part-{len(indexes)}", ""),))
            with Index.building(tmp_path / f"{len(indexes)}", facts) as writer:
                cuts = 34 if seed == 0 and not indexes else 2  # more segments than are left unmerged
                for some in np.array_split(rows, cuts):
                    writer.add_shard(pack(every.codes[some]), every.ids[some], every.labels[some])
            indexes.append(Index(tmp_path / f"{len(indexes)}"))
            indexes[-1].check()
    parts = IndexParts(tmp_path, indexes, items=lambda ids: [], find=lambda path: None)
    queries = np.concatenate([random_codes(generator, 4, bits, 0), every.codes[:4]])
    excluded = [-1] * 4 + every.ids[:4].tolist()
    for k in (1, 10, 400):
        for classes in (None, ["b", "c"]):
            columns = None if classes is None else [1, 2]
            answers = parts.search(queries, k, classes, excluded)
            near = parts.within(queries, 3, k, classes)
            for row, query in enumerate(queries):
                got = answers[row].ids.tolist(), answers[row].distances.tolist(), answers[row].tied
                assert got == every.nearest(query, k, classes=columns, exclude=excluded[row])[:3]
                got = near[row].ids.tolist(), near[row].distances.tolist(), near[row].tied, near[row].total
                assert got == every.nearest(query, k, radius=3, classes=columns)
    assert np.array_equal(parts.code(int(every.ids[-1])), pack(every.codes)[-1])


def test_ids_of_shards_rise(tmp_path):
    with Index.building(tmp_path / "index", Facts(8)) as writer:
        writer.add_shard(np.zeros((2, 1), np.uint8), np.array([4, 7]))
        with pytest.raises(UsageError, match="rising from 8"):
            writer.add_shard(np.zeros((1, 1), np.uint8), np.array([7]))


def test_every_division_answers_as_the_index_of_the_run(run, shards, tmp_path):
    index = Index.of(run) if call(index_main, "-p", run) == 0 else None
    with index.writing() as writer:
        writer.remove(REFUSED)
    words = ("-p", run, "-row", "query:1", "query:7", "database:5", "-img", load_fold("TINY", "database").image(8), "-not_itself")
    want = answered(tmp_path / "a.json", *words)
    for of in (1, 2, 3, 9):
        for number in range(of):
            assert call(index_main, "-p", run, "-database", shards, "-part", f"{number}/{of}", "-o", tmp_path / f"{of}") == 0
        assert len(list((tmp_path / f"{of}").iterdir())) == min(of, len(SIZES))  # a part without a shard has no index
        assert answered(tmp_path / "b.json", *words, "-database", shards, "-index", tmp_path / f"{of}") == want
    assert not {one["id"] for query in want for one in query["neighbours"]} & set(REFUSED)


def test_an_executor_asks_the_parts(run, shards, tmp_path, monkeypatch, capsys):
    for number in range(3):
        call(index_main, "-p", run, "-database", shards, "-part", f"{number}/3")
    words = ("-p", run, "-row", "query:1", "query:2", "-database", shards)
    want = answered(tmp_path / "a.json", *words)

    @contextmanager
    def opened(placement):
        assert placement.on == "ray"
        yield Elsewhere()

    monkeypatch.setattr(search_query, "open_executor", opened)
    assert answered(tmp_path / "b.json", *words, "-on", "ray") == want


@pytest.mark.parametrize("format", ["npy", "parquet"])
def test_shards_without_labels_or_paths_are_searched(run, tmp_path, capsys, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    shards = shards_of(run, tmp_path / "codes", source={"kind": "list", "name": "a.txt", "sha256": ""}, format=format)
    (query,) = answered(tmp_path / "a.json", "-p", run, "-database", shards.path, "-row", "database:11")
    assert query["neighbours"][0]["distance"] == 0
    assert query["neighbours"][0]["relevant"] is not None
    for one in query["neighbours"]:
        shard = max(number for number in range(len(SIZES)) if sum(SIZES[:number]) <= one["id"] and SIZES[number])
        assert one["path"] == f"part-{shard:05d}:{one['id'] - sum(SIZES[:shard])}"
    manifest = json.loads(shards.manifest_file.read_text())
    shards.manifest_file.write_text(json.dumps(manifest | {"classes": []}))
    assert call(index_main, "-p", run, "-database", shards.path, "-no_skip") == 0
    (again,) = answered(tmp_path / "a.json", "-p", run, "-database", shards.path, "-row", "database:11")
    assert [one["id"] for one in again["neighbours"]] == [one["id"] for one in query["neighbours"]]
    assert {one["relevant"] for one in again["neighbours"]} == {None}
    assert again["prediction"] == query["prediction"]


def refused(capsys, main, *words):
    assert call(main, *words) in (1, 2)
    return capsys.readouterr().err


def test_what_does_not_belong_together_is_refused(run, other, shards, tmp_path, capsys):
    asked = ("-database", shards, "-row", "query:1")
    for number in range(3):
        assert call(index_main, "-p", run, "-database", shards, "-part", f"{number}/3") == 0
    assert "holds no index" in refused(capsys, index_main, "-p", run, "-database", shards, "-o", tmp_path / "none", "-facts")
    assert "did not encode" in refused(capsys, query_main, "-p", other, *asked)
    assert "holds part-0-of-3" in refused(capsys, index_main, "-p", run, "-database", shards)
    assert "is an index of shards" in refused(capsys, query_main, "-p", run, "-row", "query:1", "-index", shards / "index" / "part-0-of-3")
    call(index_main, "-p", run, "-o", tmp_path / "own")
    assert "is one index" in refused(capsys, query_main, "-p", run, *asked, "-index", tmp_path / "own")
    shutil.copytree(shards / "index" / "part-1-of-3", shards / "index" / "part-1-of-4")
    message = refused(capsys, query_main, "-p", run, *asked)
    assert "overlap" in message
    assert "part-1-of-3" in message
    assert "part-1-of-4" in message
    shutil.rmtree(shards / "index" / "part-1-of-4")
    shutil.rmtree(shards / "index" / "part-2-of-3")
    message = refused(capsys, query_main, "-p", run, *asked)
    assert "lacks 2 of 5 shards" in message
    assert "part-00003" in message
    assert call(query_main, "-p", run, *asked, "-partial") == 0
    assert "2 of 5 shards are missing" in capsys.readouterr().err
    note = shards / "part-00000.json"
    note.write_text(note.read_text().replace('"CPU"', '"another"'))
    message = refused(capsys, query_main, "-p", run, *asked, "-partial")
    assert "part-00000 was encoded anew" in message
    assert "-part 0/3" in message
    note.unlink()
    assert "lacks 1 of 5 shards" in refused(capsys, query_main, "-p", run, *asked)
    assert "part-00000 is missing now" in refused(capsys, query_main, "-p", run, *asked, "-partial")


@pytest.mark.parametrize(
    ("main", "words", "fact"),
    [
        (index_main, ("-part", "0/2"), "-part"),
        (query_main, ("-row", "query:1", "-partial"), "-partial"),
        (query_main, ("-row", "query:1", "-on", "ray"), "-on"),
        (query_main, ("-row", "query:1", "-database", "codes", "-in", "both"), "-in"),
        (query_main, ("-row", "query:1", "-database", "nowhere"), "manifest.json"),
        (index_main, ("-database", "codes", "-add", "cat.png"), "-add"),
        (index_main, ("-database", "codes", "-dfs", "query"), "-dfs"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(run, capsys, main, words, fact):
    assert fact in refused(capsys, main, "-p", run, *words)


def test_a_part_that_is_built_anew_while_it_is_searched_is_noticed(run, shards):
    parts = open_parts(run, shards, ask=lambda queries: asked.extend(queries) or [ask_part(query) for query in queries])
    asked = []
    parts.search(np.zeros((1, 2), np.uint8))
    with Index.building(asked[0].folder, Facts(12)):
        pass
    with pytest.raises(RunError, match="built anew"):
        ask_part(asked[0])


def test_a_build_that_fails_leaves_the_index_that_is_there(run, shards, capsys):
    assert call(index_main, "-p", run, "-database", shards) == 0
    (shards / "part-00003.npy").write_bytes(b"damaged")
    assert "part-00003.npy is damaged" in refused(capsys, index_main, "-p", run, "-database", shards, "-no_skip")
    assert call(index_main, "-p", run, "-database", shards, "-check") == 0
    assert "checked" in capsys.readouterr().out


def test_shards_that_begin_anew_have_no_index(run, shards):
    open_parts(run, shards)
    folder = ShardFolder(shards)
    manifest = folder.manifest()
    assert [path.name for path in folder.index.iterdir()] == ["part-0-of-1"]
    folder.begin_anew(manifest)
    assert [path.name for path in shards.iterdir()] == ["manifest.json"]


def test_the_page_serves_a_database_in_shards(run, shards):
    searched = SearchedRun(run, database=open_parts(run, shards)).warmed()
    client = TestClient(application(service_of([searched])), base_url="http://127.0.0.1:7860")
    (facts,) = client.get("/api/runs").json()["runs"]
    assert facts["items"] == sum(SIZES) - len(REFUSED)
    (answer,) = client.get("/api/search?id=20&k=1").json()["runs"]
    assert answer["neighbours"][0]["distance"] == 0
    assert client.get(answer["neighbours"][0]["image"]).status_code == 200
    assert client.get("/api/search?id=10&k=1").status_code == 404  # refused
    assert client.get("/api/search?id=32&k=1").status_code == 404
