"""eval_codes.py -mat: files of codes of images and texts, of this project and of others, in four directions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from ranking_oracle import Sample
from scipy.io import savemat
from version_73 import write_v73

from biodeephashing.codes import pack
from biodeephashing.commands.evaluate_codes import evaluate_hash_file
from biodeephashing.errors import guard
from biodeephashing.eval import RetrievalTask, mean_average_precision
from biodeephashing.eval.eval_codes import main

GENERATOR = np.random.default_rng(3)
SAMPLE = Sample(1, 9, 30, 12)
LABELS = {"q": SAMPLE.query_labels, "r": SAMPLE.database_labels}
CODES = {f"{side}_{view}": np.sign(GENERATOR.normal(size=(len(labels), 12))) for side, labels in LABELS.items() for view in ("img", "txt")}
DIRECTIONS = {"i2t": ("q_img", "r_txt"), "t2i": ("q_txt", "r_img"), "i2i": ("q_img", "r_img"), "t2t": ("q_txt", "r_txt")}


def want(direction: str) -> float:
    query, item = (pack(CODES[name]) for name in DIRECTIONS[direction])
    return float(mean_average_precision(RetrievalTask(query, item, LABELS["q"], LABELS["r"], bits=12)))


def whole(ending: str = "L") -> dict[str, np.ndarray]:
    return CODES | {f"{side}_{ending}": labels for side, labels in LABELS.items()}


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("ending", ["L", "l"])  # ours, and that of the followers of DCMHT
@pytest.mark.parametrize("kind", [np.int8, np.float64])
def test_labels_in_the_file(tmp_path: Path, version: str, ending: str, kind: type) -> None:
    variables = {name: values.astype(kind if name in CODES else np.uint8) for name, values in whole(ending).items()}
    (write_v73 if version == "7.3" else savemat)(tmp_path / "12-hash.mat", variables)
    result = evaluate_hash_file(tmp_path / "12-hash.mat", quiet=True)
    assert {name: result[name]["mAP_expected"] for name in DIRECTIONS} == {name: want(name) for name in DIRECTIONS}
    assert result["mAP_expected"] == pytest.approx((want("i2t") + want("t2i")) / 2)
    assert result["bits"] == 12


def test_labels_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Torchcmh writes no labels, and the sign of 0 as 0."""
    codes = {name: values.copy() for name, values in CODES.items()}
    codes["r_txt"][codes["r_txt"] > 0] = np.where(GENERATOR.random(np.count_nonzero(codes["r_txt"] > 0)) < 0.2, 0, 1)
    savemat(tmp_path / "12-hash.mat", codes)
    for side, labels in LABELS.items():
        np.save(tmp_path / f"{side}.npy", labels)
    flags = ["-query_labels", f"{tmp_path}/q.npy", "-database_labels", f"{tmp_path}/r.npy", "-o", f"{tmp_path}/result.json", "-k", "7"]
    main(["-mat", str(tmp_path / "12-hash.mat"), *flags])
    result = json.loads((tmp_path / "result.json").read_text())
    assert {name: result[name]["mAP_expected"] for name in DIRECTIONS} == {name: want(name) for name in DIRECTIONS}
    assert "mAP_expected_at_k=7" in result["t2t"]
    assert result["i2t"]["bit_zero_count"] == np.count_nonzero(codes["r_txt"] == 0) > 0
    assert "query t2i" in capsys.readouterr().out


def test_a_row_of_0_is_no_item(tmp_path: Path) -> None:
    variables = {name: values.copy() for name, values in whole().items()}
    variables["q_img"][[0, 4]] = variables["r_txt"][7] = 0
    savemat(tmp_path / "12-hash.mat", variables)
    result = evaluate_hash_file(tmp_path / "12-hash.mat", quiet=True)
    sizes = {name: (result[name]["n_queries"], result[name]["n_database"]) for name in DIRECTIONS}
    assert sizes == {"i2t": (7, 29), "t2i": (9, 30), "i2i": (7, 30), "t2t": (9, 29)}
    assert (result["t2i"]["mAP_expected"], result["i2t"]["bit_zero_count"]) == (want("t2i"), 0)
    query, item = np.delete(CODES["q_img"], [0, 4], 0), np.delete(CODES["r_txt"], 7, 0)
    task = RetrievalTask(pack(query), pack(item), np.delete(LABELS["q"], [0, 4], 0), np.delete(LABELS["r"], 7, 0), bits=12)
    assert result["i2t"]["mAP_expected"] == mean_average_precision(task)
    assert any("2 rows of 0 are items without, left out" in line for line in result["understood"])


@pytest.mark.parametrize(
    ("change", "flags", "complaint"),
    [
        ({"q_txt": None}, [], "has no q_txt; it holds q_img"),
        ({"q_L": None, "r_L": None}, [], "holds no labels, q_L and r_L"),
        ({}, ["-query_labels", "x.npy"], "give both"),
        ({}, ["-queries", "x.npy"], "leave out -queries"),
        ({}, ["-leave_one_out"], "leave out -leave_one_out"),
        ({}, ["-health"], "-health has no effect with -mat"),
        ({"r_img": np.array([[{}]], dtype=object)}, [], "r_img .* holds neither real numbers nor strings"),
        ({"r_img": CODES["r_img"][:-1]}, [], "29 codes, 30 labels"),
        ({"q_img": CODES["q_img"][:, :-1]}, [], "of 11 and of 12 bits"),
        (None, [], "12-hash.mat is truncated or not a MATLAB file"),
        ({}, ["-mat", "twice"], "given twice"),
    ],
)
def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], change, flags, complaint) -> None:
    file = tmp_path / "12-hash.mat"
    file.write_bytes(b"nothing")
    if change is not None:
        savemat(file, {name: values for name, values in (whole() | change).items() if values is not None})
    assert guard(lambda: main(["-mat", str(file), *flags])) in (1, 2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(complaint, said), said


def test_a_file_that_is_not_there_and_flags_that_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    savemat(tmp_path / "12-hash.mat", whole())
    assert guard(lambda: main(["-mat", str(tmp_path / "16-hash.mat")])) == 1
    assert guard(lambda: main(["-queries", "x.npy", "-database", "y.npy"])) == 2
    said = capsys.readouterr().err
    assert "the nearest is '12-hash.mat'" in said
    assert "-query_labels, -database_labels are needed" in said
