"""eval_codes.py: what is well formed and easily taken for something else has the numbers of the plain codes, and is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from foreign_files import NAMES, files_of
from ranking_oracle import Sample
from scipy.io import savemat

from biodeephashing.codes import pack
from biodeephashing.commands.evaluate_codes import evaluate_codes
from biodeephashing.errors import DataError, UsageError
from biodeephashing.eval import APSpec, RetrievalTask, retrieval
from biodeephashing.eval.eval_codes import main

SINGLE = Sample(7, 9, 30, 64, classes=4, single=True)
BITS = [(features >= 0).astype(np.uint8) for features in (SINGLE.query_features, SINGLE.database_features)]
CLASSES = [labels.argmax(axis=1) for labels in (SINGLE.query_labels, SINGLE.database_labels)]
PACKED = [np.packbits(bits, axis=1) for bits in BITS]


def saved(folder: Path, arrays, save=np.save, ending: str = ".npy") -> list[str]:
    """Write four arrays and return their names; ``save`` takes a file and an array."""
    files = [folder / f"{name}{ending}" for name in NAMES]
    for file, values in zip(files, arrays, strict=True):
        save(file, values)
    return [str(file) for file in files]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> float:
    return evaluate_codes(*saved(tmp_path_factory.mktemp("plain"), [*BITS, *CLASSES]), quiet=True)["mAP_expected"]


def test_packed_codes_of_any_type_have_the_same_distances(plain, tmp_path):
    little = [codes.view("<u2") for codes in PACKED]
    forms = {
        "signed view": ([codes.view(np.int8) for codes in PACKED], "8 signed bytes each"),
        "less 128": ([(codes.astype(int) - 128).astype(np.int8) for codes in PACKED], "8 signed bytes each"),
        "bytes as int64": ([codes.astype(np.int64) for codes in PACKED], "8 bytes each"),
        "bytes as float64": ([codes.astype(np.float64) for codes in PACKED], "8 bytes each"),
        "16 bits": (little, "4 16-bit numbers each"),
        "16 bits, the other order": ([codes.astype(">u2") for codes in little], "4 16-bit numbers each"),
        "16 bits, signed, as float32": ([codes.astype(np.int16).astype(np.float32) for codes in little], "4 signed 16-bit numbers each"),
        "64 bits": ([codes.view(">u8") for codes in PACKED], "1 64-bit number each"),
        "64 bits, signed": ([codes.view("<i8") for codes in PACKED], "1 signed 64-bit number each"),
    }
    for name, (codes, words) in forms.items():
        files = saved(tmp_path, [*codes, *CLASSES])
        result = evaluate_codes(*files, bits=64, quiet=True)
        assert (result["mAP_expected"], result["bits"]) == (plain, 64), name
        assert f"read as packed bits: 30 codes of 64 bits in {words}" in result["understood"][1], name
        assert evaluate_codes(*files, kind="packed", quiet=True)["mAP_expected"] == plain, name
        with pytest.raises(DataError, match="if these are packed codes, say with -bits"):
            evaluate_codes(*files)
    np.savetxt(tmp_path / "d.csv", PACKED[1].view(np.uint64), fmt="%d")  # beyond what float64 holds exactly
    np.save(tmp_path / "q.npy", PACKED[0].view(np.uint64))
    assert evaluate_codes(str(tmp_path / "q.npy"), str(tmp_path / "d.csv"), *files[2:], bits=64, quiet=True)["mAP_expected"] == plain


def test_bits_that_no_code_uses_may_lie_anywhere(sample, tmp_path):
    want = evaluate_codes(*files_of(tmp_path, sample, kind="signs"), quiet=True)
    sides = [features >= 0 for features in (sample.query_features, sample.database_features)]
    labels = [sample.query_labels, sample.database_labels]
    for name, codes in {
        "lowest bit first": [np.packbits(side, axis=1, bitorder="little") for side in sides],
        "counted as one number": [(side * 2 ** np.arange(12)).sum(axis=1, keepdims=True).astype(np.uint16) for side in sides],
        "less 128": [(pack(side.astype(int) * 2 - 1).astype(int) - 128).astype(np.int8) for side in sides],
    }.items():
        got = evaluate_codes(*saved(tmp_path, [*codes, *labels]), bits=12, quiet=True)
        for key in ("mAP_expected", "mAP_worst", "bits", "nDCG_expected_at_k=1000", "precision_at_radius=2"):
            assert got[key] == want[key], (name, key)
        assert got["code_health"]["database"]["entropy_mean"] == pytest.approx(want["code_health"]["database"]["entropy_mean"]), name


def test_codes_packed_in_two_ways_are_refused(tmp_path):
    for one, other in ((PACKED[0].view(np.int8), PACKED[1]), (PACKED[0].view("<i8"), PACKED[1].astype(np.float64))):
        with pytest.raises(DataError, match=r"packed in different ways|cannot be compared|no codes of 64"):
            evaluate_codes(*saved(tmp_path, [one, other, *CLASSES]), bits=64)
        with pytest.raises(DataError, match=r"packed in different ways|cannot be compared"):
            evaluate_codes(*saved(tmp_path, [one, other, *CLASSES]), kind="packed")
    for size, kind, digits in (("<u8", np.float64, 53), ("<u4", np.float32, 24)):
        with pytest.raises(DataError, match=rf"beyond 2\^{digits}"):
            evaluate_codes(*saved(tmp_path, [*(codes.view(size).astype(kind) for codes in PACKED), *CLASSES]), bits=64)


def test_whole_numbers_are_features_where_somebody_says_so(tmp_path):
    features = [np.rint(side * 10) for side in (SINGLE.query_features, SINGLE.database_features)]
    result = evaluate_codes(*saved(tmp_path, [*features, *CLASSES]), kind="features", quiet=True)
    want = retrieval(SINGLE.task, [APSpec("feature")]).average_precision[APSpec("feature")].mean()
    assert result["mAP"] == pytest.approx(want, abs=1e-12)


def test_headings_and_index_columns_are_no_data(plain, tmp_path):
    names = np.array(["cat", "sports car", "dog", "police car"])
    frames = [pd.DataFrame(values) for values in (*BITS, *CLASSES)]
    named = [*frames[:2], *(pd.DataFrame({"label": names[classes]}) for classes in CLASSES)]
    features = [pd.DataFrame(bits - 0.25) for bits in BITS]
    both = ["heading '0, 1, ..., 63' left out", "heading '0' left out"]
    forms = {
        "pandas, no index": (frames, {"index": False}, both),
        "pandas": (frames, {}, ["heading '0, 1, ..., 63' left out; index column left out", "heading '0' left out; index column left out"]),
        "index alone": (frames, {"header": False}, ["index column left out"] * 2),
        "with semicolons": (frames, {"index": False, "sep": ";"}, ["heading '0, 1, ..., 63' left out", "heading '0' left out"]),
        "with a mark in front": (frames, {"index": False, "encoding": "utf-8-sig"}, both),
        "names": (named, {"index": False}, [both[0], "heading 'label' left out"]),
        "names alone": (named, {"index": False, "header": False}, ["", ""]),
        "features": ([*features, *frames[2:]], {"index": False}, both),
        "files as index": (
            [frame.set_index(pd.Index([f"{row}.jpg" for row in range(len(frame))], name="file")) for frame in frames],
            {},
            ["heading '0, 1, ..., 63' left out; index column left out", "index column left out; heading '0' left out"],
        ),
        "no margins": (frames, {"index": False, "header": False}, ["", ""]),
    }
    for name, (tables, details, notes) in forms.items():
        result = evaluate_codes(*saved(tmp_path, tables, lambda file, table, d=details: table.to_csv(file, **d), ".csv"), quiet=True)
        assert result["mAP_expected"] == plain, name
        for said, note in zip(result["understood"][1::2], notes, strict=False):
            assert said.endswith(f"; {note}") if note else "left out" not in said, (name, said)
    text = "\n".join([" ".join(f'"V{i}"' for i in range(64)), *(f'"{at}" ' + " ".join(map(str, row)) for at, row in enumerate(BITS[0], 1))])
    (tmp_path / "r.txt.gz").write_bytes(gzip.compress(text.encode()))  # as R writes a table
    files = saved(tmp_path, [*BITS, *CLASSES])
    assert evaluate_codes(str(tmp_path / "r.txt.gz"), *files[1:], quiet=True)["mAP_expected"] == plain


def test_bits_with_nothing_between_them_are_no_numbers(tmp_path):
    def written(codes: np.ndarray, heading: str, index: str) -> str:
        file = tmp_path / f"{len(codes)}.csv"
        file.write_text(heading + "".join(f"{index.format(at)}{''.join(map(str, row))}\n" for at, row in enumerate(codes)))
        return str(file)

    classes = saved(tmp_path, [*BITS, *CLASSES])[2:]
    for width in (4, 12, 64):
        codes = [bits[:, :width] for bits in BITS]
        want = evaluate_codes(*saved(tmp_path, [*codes, *CLASSES]), quiet=True)["mAP_expected"]
        for heading, index in (("", ""), ("code\n", ""), (",code\n", "{},"), ("", "{},")):
            result = evaluate_codes(*(written(side, heading, index) for side in codes), *classes, quiet=True)
            assert (result["mAP_expected"], result["bits"]) == (want, width), (width, heading, index)
            assert "nothing between the bits" in result["understood"][0], (width, heading, index)


def test_what_may_be_a_heading_is_asked_for(tmp_path):
    packed, classes = [np.vstack((np.arange(8), codes)) for codes in PACKED], [np.append(0, labels) for labels in CLASSES]
    files = saved(tmp_path, [*packed, *classes], lambda file, values: np.savetxt(file, values, fmt="%d", delimiter=","), ".csv")
    with pytest.raises(DataError, match=r"queries.csv .* is 0, 1, ..., 7 and .*query_labels.csv .* is 0: say -heading yes"):
        evaluate_codes(*files, bits=64)
    counts = [evaluate_codes(*files, bits=64, heading=heading, quiet=True)["n_database"] for heading in (True, False)]
    assert counts == [30, 31]
    rows = [[0, 1], [1, 1], [1, 0], [0, 0]]  # two bits whose first row may be a heading, and is none
    files = saved(tmp_path, [rows, rows, rows, rows], lambda file, values: np.savetxt(file, values, fmt="%d", delimiter=","), ".csv")
    assert evaluate_codes(*files, quiet=True)["n_database"] == 4


def test_tensors_and_structs(plain, tmp_path):
    arrays = [*BITS, *CLASSES]
    files = saved(tmp_path, [torch.tensor(values) for values in arrays], lambda file, tensor: torch.save(tensor, file), ".pt")
    assert evaluate_codes(*files, quiet=True)["mAP_expected"] == plain
    torch.save({"deep": {name: torch.tensor(values) for name, values in zip(NAMES, arrays, strict=True)}}, tmp_path / "all.pth")
    savemat(tmp_path / "all.mat", {"deep": dict(zip(NAMES, arrays, strict=True)), "note": "text"})
    names = [np.array([f"class {label}" for label in classes], dtype=object)[:, None] for classes in CLASSES]
    savemat(tmp_path / "cells.mat", {"q": names[0], "d": names[1]})
    cells = [f"{tmp_path / 'cells.mat'}:{name}" for name in "qd"]
    assert evaluate_codes(*files[:2], *cells, quiet=True)["mAP_expected"] == plain
    for file in ("all.pth", "all.mat"):
        result = evaluate_codes(*(f"{tmp_path / file}:deep.{name}" for name in NAMES), quiet=True)
        assert (result["mAP_expected"], result["inputs"]["queries"]["variable"]) == (plain, "deep.queries"), file
        with pytest.raises(DataError, match=r"deep.queries \(9, 64\).*name one of them"):
            evaluate_codes(*[str(tmp_path / file)] * 4)


def test_classes_by_number_and_by_name(plain, tmp_path):
    padded = [np.char.ljust(np.array(["cat", "dog", "eel", "lion"])[classes], 4 + side) for side, classes in enumerate(CLASSES)]
    large = [(classes + 2**53).astype(kind) for classes, kind in zip(CLASSES, (np.uint64, np.int64), strict=True)]
    for name, classes in {"padded, as by MATLAB": padded, "of two types, beyond float64": large}.items():
        assert evaluate_codes(*saved(tmp_path, [*BITS, *classes]), quiet=True)["mAP_expected"] == plain, name
    result = evaluate_codes(*saved(tmp_path, [*BITS, CLASSES[0], CLASSES[1] + 1]), quiet=True)
    assert "labels: 1 of the classes of the queries (0) are those of no database item" in result["understood"]
    for side, classes in enumerate(CLASSES):  # a name of two words below one of a single word is no row with an index
        (tmp_path / f"{side}.txt").write_text("".join(f"{['eel', 'sea cat', 'dog', 'sea lion'][one]}\n" for one in (0, 1, *classes[2:])))
    result = evaluate_codes(*saved(tmp_path, [*BITS, *CLASSES])[:2], str(tmp_path / "0.txt"), str(tmp_path / "1.txt"), quiet=True)
    assert result["understood"][4] == "labels: 4 classes, 1 per item"
    with pytest.raises(DataError, match="one holds class names, the other class numbers"):
        evaluate_codes(*saved(tmp_path, [*BITS, CLASSES[0].astype(str), CLASSES[1]]))


def test_queries_that_are_in_the_database_are_named_and_left_out(sample, tmp_path, capsys):
    files = files_of(tmp_path, sample)
    same = [file for name, file in zip(("", "1", "", "3"), files, strict=True) if name for _ in (0, 1)]
    assert any("each query finds itself: -leave_one_out" in line for line in evaluate_codes(*same, quiet=True)["understood"])
    main([word for name, file in zip(NAMES, same, strict=True) for word in (f"-{name}", file)] + ["-leave_one_out"])
    assert "each query is ranked against the 29 other items" in capsys.readouterr().out
    result, measures = evaluate_codes(*same, leave_one_out=True, quiet=True), [APSpec("index"), APSpec("feature", k=1000)]
    found = []
    for row in range(30):
        own, rest = slice(row, row + 1), np.arange(30) != row
        codes, labels, features = (side for side in (sample.database_codes, sample.database_labels, sample.database_features))
        task = RetrievalTask(codes[own], codes[rest], labels[own], labels[rest], features=(features[own], features[rest]), bits=12)
        one = retrieval(task, measures, ndcg=[1000])
        found.append([*(one.average_precision[measure].mean() for measure in measures), one.ndcg[1000].mean(), one.curves.precision_at[-1]])
    keys = ("mAP_index", "mAP_feature_at_k=1000", "nDCG_expected_at_k=1000", "precision_expected_at_k=1000")
    assert [result[key] for key in keys] == pytest.approx(np.mean(found, axis=0), abs=1e-12)
    part = saved(tmp_path, [np.load(files[1])[5:9], np.load(files[1]), sample.database_labels[5:9], sample.database_labels])
    assert any(
        line.startswith("4 of 4 queries have features and labels of a database item") for line in evaluate_codes(*part)["understood"]
    )
    with pytest.raises(UsageError, match="4 queries and 30 items differ"):
        evaluate_codes(*part, leave_one_out=True)
    short = saved(tmp_path, [BITS[0][:, :3], BITS[1][:, :3], *CLASSES])
    assert len(evaluate_codes(*short, quiet=True)["understood"]) == 5  # three bits are often equal, which says nothing
