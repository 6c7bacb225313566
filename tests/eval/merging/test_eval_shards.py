"""eval_codes.py on a database in shards: the numbers of eval_map.py on the same codes in one piece."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from shard_folders import write_shards

from biodeephashing.codes import unpack
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.evaluate_shards import evaluate_shards
from biodeephashing.data.metadata import load_fold
from biodeephashing.errors import BioDeepHashingError, RunError, UsageError
from biodeephashing.eval import APSpec, RetrievalTask, mean_average_precision
from biodeephashing.eval.eval_codes import main
from biodeephashing.eval.merging.part_files import read_counts
from biodeephashing.executors import Outcome
from biodeephashing.runs import Run

SIZES = [5, 0, 1, 20, 6]  # of the 32 images of the database fold
MEASURES = [APSpec("index", radius=2), APSpec("best", k=3, denominator="min")]
OF_THE_WHOLE = {
    "unique_codes",
    "hparams",
    "output_path",
    "datafold",
    "split",
    "checkpoint",
    "codes_sha256",
    "features_sha256",
    "metadata_sha256",
}
OF_SHARDS = {"bits", "inputs", "understood", "leave_one_out", "partial"}


class Elsewhere:
    """An executor that does the last unit first, with nothing but what was pickled."""

    def run(self, work, units):
        for unit in reversed(units):
            yield Outcome(unit, pickle.loads(pickle.dumps(work(pickle.loads(pickle.dumps(unit))))))


@pytest.fixture
def queries(fabricated: Run) -> str:
    return f"{fabricated.directory}:query"


@pytest.fixture
def shards(fabricated: Run, tmp_path: Path) -> Path:
    return write_shards(fabricated, tmp_path / "shards", SIZES).path


def agree(got: dict, want: dict) -> None:
    """The same numbers, to the last bit but for sums over rows."""
    assert set(want) - set(got) - OF_THE_WHOLE - {"pictures"} == set()
    for key in set(got) - OF_SHARDS - {"bootstrap", "code_health", "bit_zero_count"}:
        assert got[key] == (pytest.approx(want[key], abs=1e-12) if "index" in key else want[key]), key
    intervals, others = got["bootstrap"].pop("intervals"), want["bootstrap"].pop("intervals")
    assert got["bootstrap"] == want["bootstrap"]
    assert {key: value for key, value in intervals.items() if "index" not in key} == {
        key: value for key, value in others.items() if "index" not in key
    }
    for side, health in got["code_health"].items():
        assert health == {key: want["code_health"][side][key] for key in health}


@pytest.mark.parametrize("changed", [{}, {"format": "parquet"}])
def test_the_numbers_are_those_of_one_piece(fabricated, queries, tmp_path, changed, capsys):
    pytest.importorskip("pyarrow")
    folder = write_shards(fabricated, tmp_path / "shards", SIZES, **changed)
    got = evaluate_shards(queries, folder.path, measures=MEASURES, output=tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == got
    said = capsys.readouterr().out
    assert "shards: 5, items: 32\n" in said
    assert not got["partial"]
    assert got["bit_zero_count"] == 1 + sum(range(len(SIZES)))
    agree(got, evaluate(fabricated, measures=MEASURES, no_features=True, quiet=True)["query"])


def test_an_executor_counts_the_same(queries, shards):
    alone = evaluate_shards(queries, shards, measures=MEASURES, quiet=True)
    together, again = (evaluate_shards(queries, shards, measures=MEASURES, executor=Elsewhere(), quiet=True) for _ in range(2))
    assert together == again
    agree(together, alone)


def test_images_without_a_code_are_left_out(fabricated, queries, tmp_path):
    refused = [0, 4, 5, 31]
    codes, labels = np.load(fabricated.codes_file("database")), load_fold(fabricated.database, "database").labels
    own = np.load(fabricated.codes_file("query")), load_fold(fabricated.database, "query").labels
    there = np.delete(codes, refused, axis=0), np.delete(labels, refused, axis=0)
    want = mean_average_precision(RetrievalTask(own[0], there[0], own[1], there[1]))
    for name in ("npy", "parquet"):
        folder = write_shards(fabricated, tmp_path / name, SIZES, refused=refused, format=name)
        got = evaluate_shards(queries, folder.path, quiet=True)
        assert (got["mAP_expected"], got["n_database"], got["inputs"]["database"]["refused"]) == (want, 28, 4)
        assert got["code_health"]["database"]["dead_bits"] == np.flatnonzero(np.ptp(unpack(there[0], 12), axis=0) == 0).tolist()


def call(*arguments: str | Path) -> None:
    main([str(argument) for argument in arguments])


@pytest.mark.parametrize("of", [1, 3, 7])
def test_parts_add_up(queries, shards, tmp_path, of, capsys):
    parts, shared = (
        tmp_path / "parts",
        ("-queries", queries, "-database", shards, "-o", tmp_path / "parts", "-ties", "index", "-radius", "2"),
    )
    for number in reversed(range(of)):
        call("-part", f"{number}/{of}", *shared)
    said = capsys.readouterr().out
    assert ("second call of this part" in said) == (of > 1)
    assert len([*parts.glob("counts-*")]) == of
    assert len([*parts.glob("index-*")]) == 1  # of the last one to count
    if of > 1:
        call("-merge", parts, "-o", tmp_path / "first.json")
        first = json.loads((tmp_path / "first.json").read_text())
        assert not [key for key in first if "index" in key]
        assert "no tie rule index" in " ".join(first["understood"])
        with pytest.raises(UsageError, match="call each part once more"):
            call("-merge", parts, "-ties", "index")
    times = {file: file.stat().st_mtime_ns for file in parts.iterdir()}
    for number in range(of):
        call("-part", f"{number}/{of}", *shared)
    assert {file: file.stat().st_mtime_ns for file in times} == times
    call("-merge", parts, "-o", tmp_path / "all.json", "-ties", "index", "-radius", "2")
    whole = evaluate_shards(queries, shards, measures=[APSpec("index", radius=2)], quiet=True)
    agree(json.loads((tmp_path / "all.json").read_text()), whole)
    assert sum(len(read_counts(file)[0].notes) for file in parts.glob("counts-*")) == len(SIZES)


@pytest.mark.parametrize("name", ["npy", "parquet"])
def test_equal_codes_are_those_of_one_piece(fabricated, queries, tmp_path, name, capsys):
    pytest.importorskip("pyarrow")
    folder = write_shards(fabricated, tmp_path / "shards", SIZES, format=name)
    want = evaluate(fabricated, no_features=True, quiet=True)["query"]
    call("-queries", queries, "-database", folder.path, "-health", "-o", tmp_path / "new" / "r.json")
    got = json.loads((tmp_path / "new" / "r.json").read_text())
    assert (got["unique_codes"], got["code_health"]) == (want["unique_codes"], want["code_health"])
    assert [*got["code_health"]["database"]] == [*want["code_health"]["query"]]
    assert not [line for line in got["understood"] if "not counted" in line]
    assert [*(tmp_path / "new").iterdir()] == [tmp_path / "new" / "r.json"]
    agree(evaluate_shards(queries, folder.path, health=True, executor=Elsewhere(), quiet=True), got)
    capsys.readouterr()
    assert "unique_codes" not in evaluate_shards(queries, folder.path)
    assert "distinct codes and collisions are not counted" in capsys.readouterr().out


def test_files_and_shards_say_the_same(fabricated, queries, shards, tmp_path, capsys):
    files = []
    for fold in ("query", "database"):
        np.save(labels := tmp_path / f"{fold}.npy", load_fold(fabricated.database, fold).labels)
        files += [f"-{'queries' if fold == 'query' else fold}", fabricated.codes_file(fold), f"-{fold}_labels", labels]
    results, tables = [], []
    for number, arguments in enumerate(([*files, "-bits", "12"], ["-queries", queries, "-database", shards, "-health"])):
        call(*arguments, "-o", tmp_path / f"{number}.json")
        results.append(json.loads((tmp_path / f"{number}.json").read_text()))
        tables.append(
            re.search(r"\n(query: .* distinct codes); (?:.|\n)*?(\nin brackets(?:.|\n)*)written", capsys.readouterr().out).groups()
        )
    assert tables[0] == tables[1]
    assert set(results[1]) - set(results[0]) == {"partial"}
    assert [results[1][key] for key in ("unique_codes", "code_health")] == [results[0][key] for key in ("unique_codes", "code_health")]


def test_equal_codes_of_parts_are_counted_from_the_shards(queries, shards, fabricated, tmp_path):
    parts = tmp_path / "parts"
    shared = ("-queries", queries, "-database", shards, "-o", parts)
    for number in range(2):
        call("-part", f"{number}/2", *shared)
    call("-merge", parts, "-database", shards, "-health", "-o", tmp_path / "r.json")
    got, want = json.loads((tmp_path / "r.json").read_text()), evaluate_shards(queries, shards, health=True, quiet=True)
    assert [got[key] for key in ("unique_codes", "code_health")] == [want[key] for key in ("unique_codes", "code_health")]
    (parts / "counts-0-of-2.npz").unlink()  # shards 0 and 1
    call("-merge", parts, "-partial", "-database", shards, "-health", "-o", tmp_path / "some.json")
    codes = np.concatenate([np.load(shards / f"part-0000{shard}.npy") for shard in (2, 3, 4)])
    assert json.loads((tmp_path / "some.json").read_text())["unique_codes"] == len(np.unique(codes, axis=0))
    other = write_shards(fabricated, tmp_path / "other", SIZES, precision="bf16-mixed").path
    anew = write_shards(fabricated, tmp_path / "anew", SIZES, refused=[7]).path
    (shards / "part-00003.json").unlink()
    for folder, message in (
        (other, "precision: 32 there, bf16-mixed now"),
        (anew, "part-00003 of .* was encoded anew"),
        (shards, "part-00003 of .* is missing now"),
    ):
        with pytest.raises(RunError, match=message):
            call("-merge", parts, "-partial", "-health", "-database", folder)


def test_some_shards_and_some_parts(queries, shards, fabricated, tmp_path):
    (shards / "part-00003.json").unlink()
    with pytest.raises(RunError, match="part-00003"):
        evaluate_shards(queries, shards, quiet=True)
    got = evaluate_shards(queries, shards, partial=True, quiet=True)
    assert (got["partial"], got["n_database"], got["inputs"]["database"]["missing"]) == (True, 12, ["part-00003"])
    assert "part-00003" in " ".join(got["understood"])
    write_shards(fabricated, shards, SIZES)
    call("-part", "0/2", "-queries", queries, "-database", shards, "-o", tmp_path / "parts")
    with pytest.raises(RunError, match=r"counts-1-of-2\.npz"):
        call("-merge", tmp_path / "parts")
    call("-merge", tmp_path / "parts", "-partial", "-o", tmp_path / "r.json")
    result = json.loads((tmp_path / "r.json").read_text())
    assert (result["partial"], result["n_database"]) == (True, 5)
    assert result["inputs"]["database"]["missing"] == ["part-00002", "part-00003", "part-00004"]


def test_parts_that_do_not_belong_together(queries, shards, fabricated, tmp_path):
    parts = tmp_path / "parts"
    shared = ("-queries", queries, "-database")
    call("-part", "0/2", *shared, shards, "-o", parts)
    other = write_shards(fabricated, tmp_path / "other", [16, 16], precision="bf16-mixed").path
    with pytest.raises(RunError, match=r"counts-1-of-2\.npz \(part-00001\) does not belong(.|\n)*precision: 32 there, bf16-mixed now"):
        call("-part", "1/2", *shared, other, "-o", parts)
    with pytest.raises(RunError, match="does not belong"):
        call("-merge", parts)
    (parts / "counts-1-of-2.npz").write_bytes((parts / "counts-0-of-2.npz").read_bytes())
    with pytest.raises(RunError, match=r"part-00000 of counts-0-of-2\.npz and part-00000 of counts-1-of-2\.npz overlap"):
        call("-merge", parts)
    with np.load(parts / "counts-0-of-2.npz") as stored:
        foreign = dict(stored) | {"facts": np.array('{"queries": {}}')}
    np.savez(tmp_path / "foreign.npz", **foreign)
    for content in (b"PK", (tmp_path / "foreign.npz").read_bytes()):
        (parts / "counts-1-of-2.npz").write_bytes(content)
        with pytest.raises(RunError, match=r"counts-1-of-2\.npz is damaged"):
            call("-merge", parts)
    call("-part", "0/3", *shared, shards, "-o", parts)
    with pytest.raises(RunError, match="of 2 and of 3 parts"):
        call("-merge", parts)


def test_a_part_is_counted_and_ranked_again_for_other_queries_and_cuts(queries, shards, fabricated, tmp_path):
    parts, shared = tmp_path / "parts", ("-part", "0/1", "-database", shards, "-o", tmp_path / "parts")
    call(*shared, "-queries", queries)
    for folds, cuts in (("val", {}), ("val", {"k": 4})):
        more = ["-ties", "index", "-k", "4"] if cuts else []
        call(*shared, "-queries", f"{fabricated.directory}:{folds}", *more)
        call("-merge", parts, "-o", tmp_path / "r.json", "-no_skip", *more)
        measures = [APSpec("index", **cuts)] if cuts else []
        want = evaluate(fabricated, measures=measures, no_features=True, no_skip=True, quiet=True)["val"]
        agree(json.loads((tmp_path / "r.json").read_text()) | {"code_health": {}}, want)


REFUSED = {
    "another checkpoint": ({"checkpoint_sha256": "0" * 64}, "checkpoint: .* of the queries, 0000000000000000 of the shards"),
    "another length": ({"bits": 16}, "bits: 12 of the queries, 16 of the shards"),
    "other classes": ({"classes": ("blue", "green", "grey", "red")}, "classes: 4"),
    "no labels": ({"classes": ()}, "no labels"),
}


@pytest.mark.parametrize(("changed", "message"), REFUSED.values(), ids=REFUSED)
def test_shards_of_something_else(fabricated, queries, tmp_path, changed, message):
    folder = write_shards(fabricated, tmp_path / "shards", SIZES, **{"format": "parquet"} | changed)
    with pytest.raises(RunError, match=message):
        evaluate_shards(queries, folder.path, quiet=True)


def test_shards_without_items(fabricated, queries, tmp_path):
    folder = write_shards(fabricated, tmp_path / "shards", [2, 0], refused=[0, 1])
    with pytest.raises(RunError, match="no item with a code"):
        evaluate_shards(queries, folder.path, quiet=True)


def test_damaged_shards_are_named(queries, shards, tmp_path):
    codes = np.load(shards / "part-00003.npy")
    np.save(shards / "part-00003.npy", codes[::-1])
    with pytest.raises(RunError, match=r"part-00003 of .* checksum"):
        evaluate_shards(queries, shards, output=tmp_path / "r.json", quiet=True)
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-ties", "feature"], "they hold no features"),
        (["-bits", "12"], "-bits is for codes in files"),
        (["-leave_one_out"], "-leave_one_out is for codes in files"),
        (["-part", "0/2"], "-o FOLDER"),
        (["-part", "0/2", "-o", "r.json"], "-o FOLDER"),
        (["-part", "2/2", "-o", "parts"], "0/2 to 1/2"),
        (["-part", "0/2", "-on", "ray", "-o", "parts"], "-on ray hands out all units"),
        (["-o", "r.txt"], r"\.json"),
        (["-merge", "parts"], "no effect with -merge"),
        (["-part", "0/2", "-o", "parts", "-health"], "-merge FOLDER -health -database SHARDS"),
    ],
)
def test_flags_that_do_not_go_together(queries, shards, arguments: Sequence[str], message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        call("-queries", queries, "-database", shards, *arguments)
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-database", "shards"], "-queries RUN:FOLD is missing"),
        (["-database", "shards", "-queries", "TINY"], "RUN:FOLD"),
        (["-database", "nowhere", "-queries", "q.npy"], "-query_labels, -database_labels"),
        (["-database", "empty", "-queries", "q:query"], "manifest.json is missing"),
        (["-merge", "empty"], "no counts of parts"),
        (["-merge", "empty", "-part", "0/2"], "no effect"),
        (["-merge", "empty", "-database", "shards"], "-database has no effect with -merge"),
        (["-merge", "empty", "-health"], "-database FOLDER names them"),
        ([*(f"{flag}x" for flag in ("-queries=", "-database=", "-query_labels=", "-database_labels=")), "-partial"], "-partial is for"),
        ([*(f"{flag}x" for flag in ("-queries=", "-database=", "-query_labels=", "-database_labels=")), "-health"], "-health is for"),
    ],
)
def test_what_is_missing(shards, arguments: Sequence[str], message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BioDeepHashingError, match=message):
        call(*arguments)
