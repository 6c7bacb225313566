"""eval_codes.py: codes and labels of other code bases, in every form."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from foreign_files import BITS, NAMES, files_of, write
from ranking_oracle import Sample
from scipy.io import savemat
from scipy.sparse import csc_matrix

from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.evaluate_codes import evaluate_codes
from biodeephashing.data.metadata import load_fold
from biodeephashing.errors import UsageError
from biodeephashing.eval import APSpec, RetrievalTask, mean_average_precision
from biodeephashing.eval.eval_codes import main
from biodeephashing.eval.metrics import code_health
from biodeephashing.eval.records import ALWAYS, key_of

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        *product([".npy", ".npz", ".mat"], ["signs", "signs with zeros", "zero_one", "bytes", "bool", "features", "packed"]),
        *product([".tsv", ".csv", ".txt"], ["signs", "signs with zeros", "zero_one", "features"]),
    ],
)
def test_every_form_gives_the_numbers_of_the_engine(sample, tmp_path, ending, kind):
    files = files_of(tmp_path, sample, ending, kind)
    result = evaluate_codes(*files, bits=BITS if kind == "packed" else None, quiet=True)
    features = sample.features if kind == "features" else None
    for measure in ALWAYS:
        if measure.ties == "feature" and not features:
            assert key_of(measure) not in result
            continue
        want = mean_average_precision(RetrievalTask(*sample.arrays, features=features), APSpec(k=measure.k, ties=measure.ties))
        assert result[key_of(measure)] == pytest.approx(want, abs=1e-15)
    assert ("mAP" in result) == ("tie_mode" in result) == bool(features)
    zeros = np.count_nonzero(sample.query_features == 0) + np.count_nonzero(sample.database_features == 0)
    assert zeros
    assert result["bit_zero_count"] == (zeros if kind in ("features", "signs with zeros") else 0)
    assert result["bits"] == BITS
    assert result["code_health"]["database"] == asdict(code_health(sample.database_codes, BITS, sample.database_labels))
    want_as = {"features": "signs of real-valued features", "packed": "packed bits"}.get(kind, "±1" if "signs" in kind else "0/1")
    assert [result["inputs"][name]["as"] for name in NAMES] == [want_as, want_as, *["0/1, a column per class"] * 2]


def test_the_numbers_of_a_run_are_those_of_its_files(fabricated, tmp_path):
    want = evaluate(fabricated, measures=[APSpec("index", radius=2)], quiet=True)["query"]
    labels = [write(tmp_path, ".npy", fold, load_fold(fabricated.database, fold).labels) for fold in ("query", "database")]
    codes = [str(fabricated.features_file(fold)) for fold in ("query", "database")]
    got = evaluate_codes(*codes, *labels, measures=[APSpec("index", radius=2)], quiet=True)
    assert set(got) - set(want) == {"bits", "inputs", "understood", "leave_one_out"}
    assert set(want) - set(got) == {
        *("hparams", "output_path", "datafold", "split", "checkpoint", "codes_sha256", "features_sha256", "metadata_sha256", "pictures")
    }
    assert {key: got[key] for key in want if key in got} == {key: want[key] for key in want if key in got}
    assert got["inputs"]["queries"]["sha256"] == want["features_sha256"]["query"]


@pytest.mark.parametrize("ending", [".npy", ".mat", ".txt"])
def test_class_numbers_are_a_column_per_class(tmp_path, ending):
    sample = Sample(1, 6, 20, 8, classes=4, single=True)
    numbers = [3 * np.argmax(labels, axis=1) + 1 for labels in (sample.query_labels, sample.database_labels)]  # 1, 4, 7, 10
    files = files_of(tmp_path, sample, kind="signs")[:2]
    files += [write(tmp_path, ending, name, values.astype(float)) for name, values in zip(NAMES[2:], numbers, strict=True)]
    result = evaluate_codes(*files, quiet=True)
    assert result["mAP_expected"] == mean_average_precision(RetrievalTask(*sample.arrays))
    assert result["inputs"]["query_labels"]["as"] == "class numbers"


def test_sparse_labels_of_matlab(sample, tmp_path):
    files = files_of(tmp_path, sample)
    for at, labels in ((2, sample.query_labels), (3, sample.database_labels)):
        savemat(tmp_path / f"{at}.mat", {"L": csc_matrix(labels.astype(float))})
        files[at] = str(tmp_path / f"{at}.mat")
    assert evaluate_codes(*files, quiet=True)["mAP_expected"] == mean_average_precision(RetrievalTask(*sample.arrays))


def test_a_name_may_be_left_out_where_one_table_fits(sample, tmp_path):
    files = files_of(tmp_path, sample)
    want = evaluate_codes(*files, quiet=True)
    np.savez(tmp_path / "q.npz", B=sample.query_features / 2, L=np.arange(9), seed=np.array(3))
    savemat(tmp_path / "d.mat", {"B": sample.database_features / 2, "L": np.arange(30.0), "note": "text"})
    savemat(tmp_path / "l.mat", {"L": sample.query_labels, "classes": 3})
    got = evaluate_codes(str(tmp_path / "q.npz"), str(tmp_path / "d.mat"), str(tmp_path / "l.mat"), files[3], quiet=True)
    assert [got["inputs"][name]["variable"] for name in NAMES] == ["B", "B", "L", ""]
    assert got["mAP"] == want["mAP"]


def test_the_table_says_what_was_read(sample, tmp_path, capsys):
    files = files_of(tmp_path, sample, ".npz", "signs")
    evaluate_codes(files[1], files[0], files[3], files[2])
    said = capsys.readouterr().out
    assert f"queries: {files[1]}, int8 (30, 12), read as ±1" in said
    for words in (
        "12 bits",
        "no tie rule feature",
        "30 queries",
        "are they swapped?",
        "denominator: relevant items",
        "worst",
        "mAP@5000",
    ):
        assert words in said
    assert "\nquery   feature" not in said
    evaluate_codes(*files_of(tmp_path, sample))
    said = capsys.readouterr().out
    assert "query   feature" in said
    assert "swapped" not in said


def test_further_numbers(sample, tmp_path, capsys):
    files = files_of(tmp_path, sample)
    flags = [text for name, file in zip(NAMES, files, strict=True) for text in (f"-{name}", file)]
    main([*flags, "-ties", "index", "feature", "-k", "5", "-radius", "2", "-denominator", "min", "-o", str(tmp_path / "new" / "r.json")])
    result = json.loads((tmp_path / "new" / "r.json").read_text())
    want = mean_average_precision(sample.task, APSpec(k=5, ties="feature", denominator="min"))
    assert result["mAP_feature_at_k=5_min"] == pytest.approx(want, abs=1e-15)
    assert "first 5" in capsys.readouterr().out
    assert len(result["bootstrap"]["intervals"]) == len(ALWAYS) + 4


def test_a_result_in_place_is_left_alone_unless_told(sample, tmp_path):
    files, output = files_of(tmp_path, sample), tmp_path / "r.json"
    output.write_text("{}")
    with pytest.raises(UsageError, match=r"r\.json exists already"):
        evaluate_codes(*files, output=output, quiet=True)
    assert output.read_text() == "{}"
    result = evaluate_codes(*files, output=output, no_skip=True, quiet=True)
    assert json.loads(output.read_text()) == result


def test_the_command_of_the_page(sample, tmp_path):
    import biodeephashing.eval.eval_codes as script

    (line,) = re.findall(r"^ *python src/eval/eval_codes\.py (-queries codes\.mat.* -o .*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    savemat(tmp_path / "codes.mat", dict(zip(("qB", "dB", "qL", "dL"), (
        np.sign(sample.query_features), np.sign(sample.database_features), sample.query_labels, sample.database_labels), strict=True)),
    )  # fmt: skip
    done = subprocess.run([sys.executable, script.__file__, *line.split()], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "theirs.json").read_text())["mAP_expected"] == mean_average_precision(RetrievalTask(*sample.arrays))
    again = subprocess.run([sys.executable, script.__file__, *line.split()], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
