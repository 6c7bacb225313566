"""eval_codes.py: everything that must be refused, in one message and without a result."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_files import NAMES, files_of, write
from scipy.io import savemat

from biodeephashing.codes import pack
from biodeephashing.commands.evaluate_codes import evaluate_codes
from biodeephashing.errors import BioDeepHashingError, DataError, guard
from biodeephashing.eval.eval_codes import main


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


def too_long(file: Path) -> None:
    """A heading that states more rows than any memory holds."""
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 12)})


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
    ("x.npy", too_long, "x.npy does not fit into memory: .*TiB"),
    ("x.npy", Path.mkdir, "x.npy is a directory, not a file"),
    ("x.npy", npy(pack(np.ones((9, 12)))), r"from \d+ to 255: if these are packed codes, .* -bits .*\(16 if it fills 2 bytes"),
    ("x.npy", npy(np.full((9, 12), 0.7)), r"from 0.7 to 0.7: with none below 0 every bit would be \+1"),
    ("x.npy", npy(np.arange(108).reshape(9, 12)), "whole numbers from 0 to 107: .* -bits .* -kind features"),
    ("x.npy", npy(np.arange(-50, 58).reshape(9, 12) * 1.0), "whole numbers from -50 to 57: .* -bits .* -kind features"),
    ("x.npy", npy(np.eye(9, 12)), r"x.npy float64 \(9, 12\) holds 0/1, but .*database.npy .* signs of real-valued features"),
    ("x.tsv", text(""), r"x.tsv float64 \(0, 1\) is empty"),
    ("x.tsv", text("1 -1\n1 -1\n"), r"x.tsv float64 \(2, 2\) \(blanks between the columns\) and .*: 2 codes, 9 labels"),
    ("x.csv", text("b1,b2\n1,-1\n"), r"x.csv float64 \(1, 2\) \(heading 'b1, b2' left out\) and .*: 1 codes, 9 labels"),
    ("x.csv", text("b1,b2\n-1,x\n"), "x.csv is not a table of numbers with commas between them: .*'x'"),
    ("x.csv", text("0,5;1,5\n"), "x.csv is not a table of numbers with commas between them: .*'5;1'"),
    ("x.csv.gz", text("1,-1\n"), "x.csv.gz is truncated or not compressed by gzip"),
    ("x.csv", text("b1,b2\n1,-1\n1\n"), "x.csv is not a table"),
    ("x.csv", text("1,-1\n1\n"), "x.csv is not a table"),
    ("x.txt", text("1 -1 ?\n"), r"x.txt is not a table of numbers with blanks between them: .*'\?'"),
    ("x.txt", lambda file: file.write_bytes(b"\xff\xfe\x00"), "x.txt is not a table"),
    ("x.mat", mat_73, "x.mat is truncated or not a MATLAB file: .*v7.3"),
    ("x.mat", text("nothing of MATLAB's, but long enough to be looked into: " + 200 * "."), "x.mat is truncated or not a MATLAB file"),
    ("x.mat", text(""), "x.mat is truncated or not a MATLAB file"),
    ("x.mat", truncated_mat, "x.mat is truncated"),
    ("x.mat", several, r"x.mat holds B \(9, 12\), L \(9, 3\), n \(1, 1\): name one of them, as in .*x.mat:NAME"),
    ("x.mat:C", several, r"x.mat has no variable 'C'; it holds B \(9, 12\), L \(9, 3\)"),
    ("x.mat:B1", several, r"no variable 'B1' \(did you mean 'B'\?\)"),
    ("x.mat", lambda file: savemat(file, {"B": "text"}), r"x.mat has no variable with numbers; it holds B \(1,\)"),
    ("x.mat:B", lambda file: savemat(file, {"B": "text"}), "x.mat:B <U4 .* does not hold real numbers"),
    ("x.mat:B", lambda file: savemat(file, {"B": {"codes": np.ones((9, 12))}}), r"no variable 'B'.*; it holds B.codes \(9, 12\)"),
    ("x.npz", text("no archive"), "x.npz is truncated or not an archive of NumPy"),
    ("x.npz", truncated_npz, "x.npz is truncated"),
    ("x.npz", damaged_npz, "x.npz"),
    ("x.npz", lambda file: np.savez(file, B=np.array([[{}]], dtype=object)), "x.npz:B is truncated or not a plain array of NumPy: Object"),
    ("x.npz", lambda file: np.savez(file), "x.npz has no variable with numbers; it holds nothing"),
    ("x.npz:codes", lambda file: np.savez(file, code=np.ones((9, 12))), r"'codes' \(did you mean 'code'\?\); it holds code \(9, 12\)"),
    ("x.npy:B", npy(np.ones((9, 12))), "x.npy holds one array without a name: leave out :B"),
    ("x.pt", lambda file: torch.save(Path(), file), "x.pt holds more than tensors, or .* could run code"),
    ("x.pt", lambda file: torch.save({"a": [torch.ones(9, 12)], "b": torch.ones(9, 12)}, file), r"holds a.0 \(9, 12\), b \(9, 12\): name"),
    ("x.pt", lambda file: torch.save(torch.ones(9, 12).to(torch.float8_e4m3fn), file), "x.pt holds a tensor that NumPy has no type for"),
    ("x.pt", text("nothing"), "x.pt (is truncated|holds more)"),
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
    ("x.npy", npy(np.ones((9, 3, 1))), "3 dimensions, but a table with a row per item or one class number or name per item"),
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


def test_an_output_that_cannot_be_written_is_said_first(sample, tmp_path, capsys):
    files = files_of(tmp_path, sample)
    (tmp_path / "r.json").mkdir()
    assert run(files, "-o", str(tmp_path / "r.json"), "-no_skip") == 2
    assert "r.json: there is a directory of that name" in capsys.readouterr().err
    assert run(files, "-o", str(tmp_path / "queries.npy" / "in" / "r.json")) == 2
    assert "queries.npy is a file, not a directory" in capsys.readouterr().err


def test_swapped_labels_are_recognised(sample, tmp_path):
    queries, database, query_labels, database_labels = files_of(tmp_path, sample)
    with pytest.raises(DataError, match="the labels of queries and database are swapped"):
        evaluate_codes(queries, database, database_labels, query_labels)


@pytest.mark.parametrize(
    ("kind", "flags", "message"),
    [
        ("packed", ["-bits", "17"], r"queries.npy uint8 \(9, 2\) holds no codes of 17 bits: 17 columns, or 3 of packed bytes, would"),
        ("packed", ["-bits", "9"], r"12 of the 16 bits are not the same in all codes, so 9 bits \(-bits\) are too few"),
        ("packed", ["-bits", "2"], "holds whole numbers from 16 to 236 in 2 columns: as 2 bits they would be"),
        ("packed", ["-kind", "bits"], "holds values from 16 to 236, and bits are -1"),
        ("features", ["-kind", "packed"], "holds no packed codes: these are whole numbers"),
        ("features", ["-kind", "feature"], "did you mean 'features'"),
        ("features", ["-heading", "maybe"], "'maybe' is neither yes nor no"),
        ("features", ["-leave_one_out"], "-leave_one_out needs the same items .* 9 queries and 30 items"),
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


def test_a_missing_file_names_the_nearest(sample, tmp_path):
    files = files_of(tmp_path, sample)
    with pytest.raises(BioDeepHashingError, match=r"there is no file .*querys.npy; the nearest is 'queries.npy'"):
        evaluate_codes(str(tmp_path / "querys.npy"), *files[1:])
