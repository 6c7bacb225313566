"""eval_codes.py: codes and labels of other code bases, in every form, and everything that must be refused."""

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
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import Sample
from scipy.io import savemat
from scipy.sparse import csc_matrix

from biodeephashing.codes import pack
from biodeephashing.data.metadata import load_fold
from biodeephashing.errors import BioDeepHashingError, DataError, UsageError, guard
from biodeephashing.eval import Measure, mean_average_precision
from biodeephashing.eval._foreign_codes import read_foreign
from biodeephashing.eval._health import code_health
from biodeephashing.eval._numbers import ALWAYS, key_of
from biodeephashing.eval.eval_codes import evaluate_codes, main
from biodeephashing.eval.eval_map import evaluate

README = Path(__file__).parents[2] / "README.md"
BITS = 12
NAMES = ("queries", "database", "query_labels", "database_labels")


def write(folder: Path, ending: str, name: str, values: np.ndarray) -> str:
    """Write an array as others do, and return what the command line calls it."""
    file = folder / f"{name}{ending}"
    if ending == ".npy":
        np.save(file, values)
    elif ending == ".npz":
        np.savez(file, other=np.zeros((4, 4)), **{name: values})
    elif ending == ".mat":
        savemat(file, {name: values, "about": "text", "parts": np.array([{}, {}], dtype=object), "other": np.zeros((4, 4))})
    else:
        np.savetxt(file, values, fmt="%.17g", delimiter={".tsv": "\t", ".csv": ",", ".txt": " "}[ending])
    return f"{file}:{name}" if ending in (".npz", ".mat") else str(file)


@pytest.fixture
def sample() -> Sample:
    """Nine queries and thirty items with features from -3 to 3, and so exact zeros."""
    return Sample(3, 9, 30, BITS)


def contents(kind: str, features: np.ndarray) -> np.ndarray:
    """The same codes, written in one of the ways in use."""
    ones = features >= 0
    return {
        "signs": np.where(ones, 1, -1).astype(np.int8),
        "signs with zeros": np.sign(features),
        "zero_one": ones.astype(np.float64),
        "bytes": ones.astype(np.uint8),
        "bool": ones,
        "features": features,
        "packed": pack(features),
    }[kind]


def files_of(folder: Path, sample: Sample, ending: str = ".npy", kind: str = "features") -> list[str]:
    arrays = contents(kind, sample.query_features), contents(kind, sample.database_features), sample.query_labels, sample.database_labels
    return [write(folder, ending, name, values) for name, values in zip(NAMES, arrays, strict=True)]


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
    features = sample.features if kind == "features" else {}
    for measure in ALWAYS:
        if measure.ties == "feature" and not features:
            assert key_of(measure) not in result
            continue
        want = mean_average_precision(*sample.arrays, k=measure.k, ties=measure.ties, **features)
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
    want = evaluate(fabricated, asked=[Measure("index", radius=2)], quiet=True)["query"]
    labels = [write(tmp_path, ".npy", fold, load_fold(fabricated.database, fold).labels) for fold in ("query", "database")]
    codes = [str(fabricated.features_file(fold)) for fold in ("query", "database")]
    got = evaluate_codes(*codes, *labels, asked=[Measure("index", radius=2)], quiet=True)
    assert set(got) - set(want) == {"bits", "inputs"}
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
    assert result["mAP_expected"] == mean_average_precision(*sample.arrays)
    assert result["inputs"]["query_labels"]["as"] == "class numbers"


def test_sparse_labels_of_matlab(sample, tmp_path):
    files = files_of(tmp_path, sample)
    for at, labels in ((2, sample.query_labels), (3, sample.database_labels)):
        savemat(tmp_path / f"{at}.mat", {"L": csc_matrix(labels.astype(float))})
        files[at] = str(tmp_path / f"{at}.mat")
    assert evaluate_codes(*files, quiet=True)["mAP_expected"] == mean_average_precision(*sample.arrays)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(2, 9)),
    bits=st.integers(1, 20),
    classes=st.integers(2, 5),
    turned=st.tuples(st.booleans(), st.booleans()),
    told=st.booleans(),
    packed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_turned_tables_are_turned_back_or_refused(tmp_path_factory, sizes, bits, classes, turned, told, packed, seed):
    """A table is turned where it fits one way only, is left as it is where it fits so, and is refused otherwise."""
    folder, sample = tmp_path_factory.mktemp("turned"), Sample(seed, *sizes, bits, classes)
    width = bits if packed else None
    sides = [contents("packed" if packed else "signs", side) for side in (sample.query_features, sample.database_features)]
    arrays = [side.T if turned[0] else side for side in sides]
    arrays += [labels.T if turned[1] else labels for labels in (sample.query_labels, sample.database_labels)]
    files = [write(folder, ".npy", name, values) for name, values in zip(NAMES, arrays, strict=True)]
    try:
        found = read_foreign(*files, bits=width, transpose=turned[0] and told)
    except DataError:
        assert turned != (False, False)
        return
    stated = (found.inputs["queries"]["transposed"], found.inputs["query_labels"]["transposed"])
    assert stated in (turned, (turned[0] and told, False))
    if stated == turned:
        assert all(np.array_equal(one.codes, want) for one, want in zip(found.codes, sample.arrays[:2], strict=True))
        assert all(np.array_equal(one, want) for one, want in zip(found.labels, sample.arrays[2:], strict=True))


def test_a_turned_table_is_said(sample, tmp_path, capsys):
    files = files_of(tmp_path, sample)
    want = evaluate_codes(*files, quiet=True)
    for file in files:
        np.save(file, np.load(file).T)
    got = evaluate_codes(*files)
    said = capsys.readouterr().out
    assert said.count("with a column per item") == 4
    assert [got["inputs"][name]["holds"] for name in NAMES] == ["float32 (12, 9)", "float32 (12, 30)", "uint8 (3, 9)", "uint8 (3, 30)"]
    assert {key: got[key] for key in got if key != "inputs"} == {key: want[key] for key in want if key != "inputs"}


def test_square_tables_are_read_as_stored_unless_told(tmp_path):
    sample = Sample(0, 8, 8, 8)
    files = files_of(tmp_path, sample)
    straight = read_foreign(*files).codes[0].codes
    assert np.array_equal(straight, sample.query_codes)
    assert np.array_equal(read_foreign(*files, transpose=True).codes[0].codes, pack(sample.query_features.T))


def test_a_name_may_be_left_out_where_one_table_fits(sample, tmp_path):
    files = files_of(tmp_path, sample)
    want = evaluate_codes(*files, quiet=True)
    np.savez(tmp_path / "q.npz", B=sample.query_features, L=np.arange(9), seed=np.array(3))
    savemat(tmp_path / "d.mat", {"B": sample.database_features, "L": np.arange(30.0), "note": "text"})
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
        "have the two been swapped?",
        "divisor: relevant items",
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
    want = mean_average_precision(*sample.arrays, k=5, ties="feature", denominator="min", **sample.features)
    assert result["mAP_feature_at_k=5_min"] == pytest.approx(want, abs=1e-15)
    assert "first 5" in capsys.readouterr().out
    assert len(result["bootstrap"]["intervals"]) == len(ALWAYS) + 4


def test_a_result_in_place_is_left_alone_unless_told(sample, tmp_path):
    files, output = files_of(tmp_path, sample), tmp_path / "r.json"
    output.write_text("{}")
    with pytest.raises(UsageError, match=r"r\.json is there already"):
        evaluate_codes(*files, output=output, quiet=True)
    assert output.read_text() == "{}"
    result = evaluate_codes(*files, output=output, no_skip=True, quiet=True)
    assert json.loads(output.read_text()) == result


def test_the_command_of_the_readme(sample, tmp_path):
    import biodeephashing.eval.eval_codes as script

    (line,) = re.findall(r"^python src/eval/eval_codes\.py (.*)$", README.read_text("utf-8"), re.MULTILINE)
    savemat(tmp_path / "codes.mat", dict(zip(("qB", "dB", "qL", "dL"), (
        np.sign(sample.query_features), np.sign(sample.database_features), sample.query_labels, sample.database_labels), strict=True)),
    )  # fmt: skip
    done = subprocess.run([sys.executable, script.__file__, *line.split()], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "theirs.json").read_text())["mAP_expected"] == mean_average_precision(*sample.arrays)
    again = subprocess.run([sys.executable, script.__file__, *line.split()], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


def npy(values: object) -> object:
    return lambda file: np.save(file, np.asarray(values), allow_pickle=True)


def text(content: str) -> object:
    return lambda file: file.write_text(content)


def mat_73(file: Path) -> None:
    file.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(512))


def truncated_mat(file: Path) -> None:
    savemat(file, {"B": np.ones((9, 12))})
    file.write_bytes(file.read_bytes()[:-100])


def truncated_npz(file: Path) -> None:
    np.savez(file, B=np.ones((9, 12)))
    file.write_bytes(file.read_bytes()[:-100])


def damaged_npz(file: Path) -> None:
    np.savez_compressed(file, B=np.random.default_rng(0).normal(size=(9, 12)))
    content = bytearray(file.read_bytes())
    content[200:400] = bytes(200)
    file.write_bytes(content)


def several(file: Path) -> None:
    savemat(file, {"B": np.ones((9, 12)), "L": np.ones((9, 3)), "n": 3})


def nan_in(shape: tuple[int, int]) -> np.ndarray:
    values = np.ones(shape)
    values[7, 3] = np.nan
    return values


QUERIES = [
    ("x.npy", npy(np.ones((9, 16)) * [[-1, 1] * 8]), r"x.npy float64 \(9, 16\) and .*database.npy .* \(30, 12\).* of 16 and of 12 bits"),
    ("x.npy", npy(np.ones((8, 12))), r"x.npy float64 \(8, 12\) and .*query_labels.npy uint8 \(9, 3\) .*: 8 codes, 9 labels"),
    ("x.npy", npy(nan_in((9, 12))), r"x.npy float64 \(9, 12\) holds nan at \(7, 3\)"),
    ("x.npy", npy(np.full((9, 12), np.inf)), r"holds inf at \(0, 0\)"),
    ("x.npy", npy(np.ones(9)), r"x.npy float64 \(9,\) has 1 dimension, but a table"),
    ("x.npy", npy(np.ones((9, 2, 6))), r"\(9, 2, 6\) has 3 dimensions"),
    ("x.npy", npy(np.ones((9, 12)) * 1j), r"x.npy complex128 \(9, 12\) does not hold real numbers"),
    ("x.npy", npy([["a", "b"]] * 9), r"does not hold real numbers"),
    ("x.npy", npy(np.array([[{}] * 12] * 9, dtype=object)), r"x.npy is truncated or not a plain array of NumPy: Object arrays"),
    ("x.npy", npy(np.ones((0, 12))), r"x.npy float64 \(0, 12\) is empty"),
    ("x.npy", text(""), r"x.npy is truncated or not a plain array"),
    ("x.npy", lambda file: np.savez(file.open("wb"), B=np.ones((9, 12))), "x.npy is truncated or not a plain array"),
    ("x.npy", npy(pack(np.ones((9, 12)))), r"holds values up to 255: if these are packed codes, .* -bits how many"),
    ("x.npy", npy(np.full((9, 12), 0.7)), r"from 0.7 to 0.7: with none below 0 every bit would be \+1"),
    ("x.npy", npy(np.arange(108).reshape(9, 12)), "packed codes must be uint8"),
    ("x.npy", npy(np.eye(9, 12)), r"x.npy float64 \(9, 12\) holds 0/1, but .*database.npy .* signs of real-valued features"),
    ("x.tsv", text(""), r"x.tsv float64 \(0, 1\) is empty"),
    ("x.tsv", text("1 -1\n1 -1\n"), "x.tsv is not a table of numbers with tabs between them"),
    ("x.csv", text("b1,b2\n1,-1\n"), "x.csv is not a table of numbers with commas between them: .*b1"),
    ("x.csv", text("1,-1\n1\n"), "x.csv is not a table"),
    ("x.txt", text("1 -1 ?\n"), r"x.txt is not a table of numbers with blanks between them: .*'\?'"),
    ("x.txt", lambda file: file.write_bytes(b"\xff\xfe\x00"), "x.txt is not a table"),
    ("x.mat", mat_73, "x.mat is a MATLAB file of version 7.3 .* '-v7'"),
    ("x.mat", text("nothing of MATLAB's, but long enough to be looked into: " + 200 * "."), "x.mat is truncated or not a MATLAB file"),
    ("x.mat", text(""), "x.mat is truncated or not a MATLAB file"),
    ("x.mat", truncated_mat, "x.mat is truncated"),
    ("x.mat", several, r"x.mat holds B \(9, 12\), L \(9, 3\), n \(1, 1\): name one of them, as in .*x.mat:NAME"),
    ("x.mat:C", several, r"x.mat has no variable 'C'; it holds B \(9, 12\), L \(9, 3\)"),
    ("x.mat:B1", several, r"no variable 'B1' \(did you mean 'B'\?\)"),
    ("x.mat", lambda file: savemat(file, {"B": "text"}), r"x.mat has no variable with numbers; it holds B \(1,\)"),
    ("x.mat:B", lambda file: savemat(file, {"B": "text"}), "x.mat:B <U4 .* does not hold real numbers"),
    ("x.mat:B", lambda file: savemat(file, {"B": {"codes": np.ones((9, 12))}}), "x.mat:B .* does not hold real numbers"),
    ("x.npz", text("no archive"), "x.npz is truncated or not an archive of NumPy"),
    ("x.npz", truncated_npz, "x.npz is truncated"),
    ("x.npz", damaged_npz, "x.npz"),
    ("x.npz", lambda file: np.savez(file, B=np.array([[{}]], dtype=object)), "x.npz:B is truncated or not a plain array of NumPy: Object"),
    ("x.npz", lambda file: np.savez(file), "x.npz has no variable with numbers; it holds nothing"),
    ("x.npz:codes", lambda file: np.savez(file, code=np.ones((9, 12))), r"'codes' \(did you mean 'code'\?\); it holds code \(9, 12\)"),
    ("x.npy:B", npy(np.ones((9, 12))), "x.npy holds one array without a name: leave out :B"),
    ("x.mta", text(""), "x.mta: unknown ending '.mta': did you mean '.mat'"),
    ("x.pkl", text(""), "unknown ending '.pkl'"),
    ("x", text(""), "unknown ending ''"),
]  # fmt: skip
LABELS = [
    (
        "x.npy",
        npy(np.ones((8, 3))),
        r"queries.npy float32 \(9, 12\) and .*x.npy float64 \(8, 3\) do not belong together: 9 codes, 8 labels",
    ),
    ("x.npy", npy(np.ones((9, 4))), r"x.npy float64 \(9, 4\) and .*database_labels.npy uint8 \(30, 3\) .* number of classes differs"),
    ("x.npy", npy(nan_in((9, 4))), r"x.npy float64 \(9, 4\) holds nan at \(7, 3\)"),
    ("x.npy", npy(np.full((9, 3), 2)), r"x.npy int64 \(9, 3\) holds 2 at \(0, 0\)"),
    ("x.npy", npy(np.ones((9, 3)) * -1), r"holds -1 at \(0, 0\)"),
    ("x.npy", npy(np.ones(9)), r"x.npy float64 \(9,\) and .*database_labels.npy uint8 \(30, 3\): one holds class numbers"),
    ("x.npy", npy(np.ones((9, 3)) * 1j), "complex128"),
    ("x.npy", npy(np.ones((9, 3, 1))), "3 dimensions, but a table with a row per item or one class number per item"),
]


def run(files: list[str], *flags: str) -> int:
    given = [word for name, file in zip(NAMES, files, strict=True) for word in (f"-{name}", file)]
    return guard(lambda: main([*given, *flags]))


@pytest.mark.parametrize(("at", "name", "make", "message"), [(0, *bad) for bad in QUERIES] + [(2, *bad) for bad in LABELS])
def test_bad_input_is_one_message_and_no_result(sample, tmp_path, capsys, at, name, make, message):
    files = files_of(tmp_path, sample)
    make(tmp_path / name.partition(":")[0])
    files[at] = str(tmp_path / name)
    assert run(files, "-o", str(tmp_path / "r.json")) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert re.search(message, said.err), said.err
    assert not said.out
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("value", [-1, 0.5, np.nan])
def test_what_is_no_class_number(sample, tmp_path, value):
    files = [*files_of(tmp_path, sample)[:2], write(tmp_path, ".npy", "q", np.arange(9) % 3), str(tmp_path / "d.npy")]
    np.save(files[3], np.where(np.arange(30) == 4, value, 1))
    with pytest.raises(DataError, match=r"d.npy \w+ \(30,\) holds (-1|0.5|nan) "):
        evaluate_codes(*files)


def test_swapped_labels_are_recognised(sample, tmp_path):
    queries, database, query_labels, database_labels = files_of(tmp_path, sample)
    with pytest.raises(DataError, match="the labels of queries and database are swapped"):
        evaluate_codes(queries, database, database_labels, query_labels)


@pytest.mark.parametrize(
    ("kind", "flags", "message"),
    [
        ("packed", ["-bits", "17"], r"queries.npy uint8 \(9, 2\) holds no codes of 17 bits: 17 columns, or 3 of packed uint8, would"),
        ("packed", ["-bits", "9"], "has ones beyond the 9 bits of a code"),
        ("features", ["-bits", "13"], "holds no codes of 13 bits"),
        ("features", ["-bits", "0"], "-bits 0 is not possible"),
        ("features", ["-bits", "x"], "'x' is not a whole number"),
        ("features", ["-transpose"], "12 codes, 9 labels"),
        ("signs", ["-ties", "feature"], r"the tie rule feature needs .*queries.npy holds ±1"),
        ("signs", ["-o", "codes.npy"], r"must end in \.json"),
        ("signs", ["-ties", "worse"], "did you mean 'worst'"),
        ("signs", ["-transposed"], "did you mean -transpose"),
    ],
)
def test_flags_that_do_not_fit(sample, tmp_path, capsys, kind, flags, message):
    assert run(files_of(tmp_path, sample, kind=kind), *flags) != 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(message, said), said


def test_a_table_that_can_be_turned_in_two_ways_is_refused(tmp_path):
    """Codes 3 × 3 with labels 4 × 3: with or without turning the codes, the turned labels fit."""
    sample = Sample(0, 3, 3, 3, classes=4)
    files = files_of(tmp_path, sample, kind="signs")
    for at in (2, 3):
        np.save(files[at], np.load(files[at]).T)
    with pytest.raises(DataError, match="transposed in more than one way they would: give -transpose"):
        read_foreign(*files)
    assert np.array_equal(read_foreign(*files, transpose=True).labels[0], sample.query_labels)


def test_a_missing_file_names_the_nearest(sample, tmp_path):
    files = files_of(tmp_path, sample)
    with pytest.raises(BioDeepHashingError, match=r"there is no file .*querys.npy; the nearest is 'queries.npy'"):
        evaluate_codes(str(tmp_path / "querys.npy"), *files[1:])
