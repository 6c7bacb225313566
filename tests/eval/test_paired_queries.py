"""compare.py -p: two runs, query by query."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from fabricated_runs import write_predictions, write_run
from scripts import run_script

from biodeephashing.commands.compare import compare_runs
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.data.split import checksums
from biodeephashing.errors import RunError, UsageError
from biodeephashing.eval import APSpec
from biodeephashing.eval.compare import main
from biodeephashing.eval.comparison import describe_pair
from biodeephashing.eval.records import key_of
from biodeephashing.eval.significance import pair_queries


@pytest.fixture
def two(tiny_database):
    return [write_run(tiny_database, seed=seed, bits=bits) for seed, bits in ((0, 12), (1, 20))]


def folders(runs) -> list[str]:
    return [str(run.directory) for run in runs]


@pytest.mark.parametrize(
    ("metric", "fold", "key"),
    [
        ("query_mAP_expected", "query", "mAP_expected"),
        ("val_mAP_feature_at_1000", "val", "mAP_feature_at_k=1000"),
        ("query_mAP_worst", "query", "mAP_worst"),
    ],
)
def test_the_numbers_are_those_of_the_result_files(two, metric, fold, key):
    paired = compare_runs(folders(two), metric=metric)
    results = [evaluate(run, quiet=True)[fold] for run in two]
    assert (paired.first.value, paired.second.value) == tuple(pytest.approx(result[key], abs=1e-14) for result in results)
    for mean, result in zip((paired.first, paired.second), results, strict=True):
        assert [mean.interval.low, mean.interval.high] == pytest.approx(result["bootstrap"]["intervals"][key], abs=1e-14)
    assert paired.difference.value == pytest.approx(results[0][key] - results[1][key], abs=1e-14)
    assert paired.difference.interval.low <= paired.difference.value <= paired.difference.interval.high
    assert paired.queries == 16


def test_numbers_that_are_not_always_made(two, capsys):
    measure = APSpec("index", k=5, denominator="min")
    paired = compare_runs(folders(two), metric="query_mAP_index_at_5_min")
    results = [evaluate(run, measures=[measure], quiet=True)["query"][key_of(measure)] for run in two]
    assert [paired.first.value, paired.second.value] == pytest.approx(results, abs=1e-14)
    assert "mAP@5 of the query fold, tie rule index; denominator: items among the first k or relevant" in capsys.readouterr().out


def test_by_hand():
    paired = pair_queries(np.array([1.0, 0.5, 0.75, 0.25]), np.array([0.5, 0.5, 0.5, 0.5]))
    assert (paired.first.value, paired.second.value, paired.difference.value) == (0.625, 0.5, 0.125)
    # differences 0.5, 0.25 and -0.25 sum to 0.5; under all signs to 1, 0.5, 0.5, 0, 0, -0.5, -0.5, -1: six of eight are as far from 0
    assert (paired.test.p, paired.test.draws, paired.apart, paired.queries) == (0.75, 8, 3, 4)
    said = describe_pair(paired)
    for words in ("+0.1250", "p 0.7500", "all 8 assignments of signs", "4 queries, on 3 of which the runs differ", "95% interval"):
        assert words in said


def test_one_query_is_told_without_interval():
    assert "needs 2 queries" in describe_pair(pair_queries(np.array([1.0]), np.array([0.5])))


def test_the_command(two, project_home, monkeypatch, capsys):
    import biodeephashing.eval.compare as script

    monkeypatch.chdir(project_home)
    one, other = (str(run.directory.relative_to(project_home)) for run in two)
    assert run_script(script.__file__, "-p", one, other) == 0
    told = capsys.readouterr().out
    for words in (
        "A: models/",
        "TINY, disjoint split",
        "tie rule expected",
        "denominator: relevant items",
        "A - B",
        "sign-flip",
        "16 queries",
        "several seeds",
    ):
        assert words in told
    assert run_script(script.__file__, "-p", other, one) == 0
    swapped = capsys.readouterr().out

    def line(said: str, start: str) -> str:
        return next(line for line in said.splitlines() if line.startswith(start))

    assert line(swapped, "p ") == line(told, "p ")
    assert line(swapped, "A - B").split()[3] == line(told, "A - B").split()[3].translate(str.maketrans("+-", "-+"))


def test_other_queries_are_refused_by_name(two, project_home, tiny_database):
    processed = project_home / "data" / "processed"
    shutil.copytree(processed / tiny_database, processed / "OTHER")
    for file in (processed / "OTHER").glob("*_metadata.txt"):
        file.write_text("\n".join(file.read_text().replace(tiny_database, "OTHER").splitlines()[::-1]) + "\n")
    content = json.loads((processed / "OTHER" / "split.json").read_text()) | {"database": "OTHER", "sha256": checksums(processed / "OTHER")}
    (processed / "OTHER" / "split.json").write_text(json.dumps(content))
    other = write_run("OTHER")
    with pytest.raises(RunError, match=r"models.*TINY.* and .*OTHER.*cannot be compared query by query: .* fold query differ \(checksums"):
        compare_runs(folders([two[0], other]))


def test_what_cannot_be_compared(two):
    with pytest.raises(RunError, match="given twice"):
        compare_runs(folders([two[0], two[0]]))
    with pytest.raises(UsageError, match="unknown metric"):
        compare_runs(folders(two), metric="query_mAP")
    for flag in ("-exp", "-db"):
        with pytest.raises(UsageError, match="give one or the other"):
            main(["-p", *folders(two), flag, "trial"])
    write_predictions(two[1], 20, ("val", "database"))
    with pytest.raises(RunError, match=r"the fold query of .*nbits=20.* has no codes"):
        compare_runs(folders(two))
    with pytest.raises(RunError, match="nowhere"):
        compare_runs([*folders(two)[:1], "models/nowhere"])
