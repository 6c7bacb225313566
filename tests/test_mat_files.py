"""Variables of MATLAB files of every version: numbers, strings, structs, sparse matrices, and what is neither."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix
from version_73 import h5py, write_v73

from biodeephashing.errors import BioDeepHashingError, DataError
from biodeephashing.mat_files import variables_of

NUMBERS = np.arange(6.0).reshape(3, 2)
CUBE = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_numbers_and_strings(tmp_path: Path, version: str) -> None:
    file = tmp_path / "a.mat"
    if version == "5":
        names = np.array(["sea", "a  dog"], dtype=object)[:, None]
        savemat(file, {"B": NUMBERS, "cube": CUBE, "names": names, "rows": np.array(["one  ", "three"])})
    else:
        write_v73(file, {"B": NUMBERS, "cube": CUBE, "names": ["sea", "a  dog"], "rows": np.array(["one", "three"])})
    found = variables_of(file)
    assert {name: (one.kind, one.shape) for name, one in found.items()} == {
        "B": ("numbers", (3, 2)), "cube": ("numbers", (2, 3, 4)), "names": ("strings", (2, 1)), "rows": ("strings", (2,)),
    }  # fmt: skip
    assert np.array_equal(found["B"].load(), NUMBERS)
    for axis in range(3):
        assert np.array_equal(found["cube"].take(axis, 1), np.take(CUBE, 1, axis))
    assert found["names"].load().tolist() == [["sea"], ["a dog"]]
    assert found["rows"].load().tolist() == ["one", "three"]


def test_structs_and_sparse_matrices(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"s": {"t": {"B": NUMBERS}}, "L": csc_matrix(NUMBERS)})
    with h5py.File(tmp_path / "b.mat", "w", userblock_size=512) as content:
        content.create_dataset("s/t/B", data=NUMBERS.T).attrs["MATLAB_class"] = np.bytes_("double")
        content.create_group("#refs#")
        sparse, group = csc_matrix(NUMBERS), content.create_group("L")
        group.attrs["MATLAB_sparse"] = np.uint64(3)
        for name, values in (("data", sparse.data), ("ir", sparse.indices), ("jc", sparse.indptr)):
            group[name] = values
    for name in ("a.mat", "b.mat"):
        found = variables_of(tmp_path / name)
        assert sorted(found) == ["L", "s.t.B"]
        assert all(np.array_equal(one.load(), NUMBERS) for one in found.values())


def test_what_is_neither_is_named_and_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"cells": np.array([np.ones(2), np.ones(3)], dtype=object), "z": NUMBERS * 1j, "s": np.array([{}, {}])})
    write_v73(tmp_path / "b.mat", {"B": NUMBERS})
    with h5py.File(tmp_path / "b.mat", "a") as content:
        cells = np.empty((1, 2), dtype=h5py.ref_dtype)
        cells[:] = content["B"].ref
        content.create_dataset("cells", data=cells, dtype=h5py.ref_dtype).attrs["MATLAB_class"] = np.bytes_("cell")
    for name, variable, shape in (("a.mat", "cells", r"\(1, 2\)"), ("a.mat", "z", r"\(3, 2\)"), ("b.mat", "cells", r"\(2, 1\)")):
        with pytest.raises(DataError, match=rf"{name}:{variable} {shape} holds neither real numbers nor strings"):
            variables_of(tmp_path / name)[variable].load()


def test_damage_is_said(tmp_path: Path) -> None:
    savemat(tmp_path / "whole.mat", {"B": np.random.default_rng(0).normal(size=(40, 40))}, do_compression=True)
    write_v73(tmp_path / "whole73.mat", {"B": NUMBERS})
    for name in ("whole.mat", "whole73.mat"):
        content = (tmp_path / name).read_bytes()
        for length in (0, 100, len(content) // 2):
            (tmp_path / "a.mat").write_bytes(content[:length])
            with pytest.raises(DataError, match=r"a\.mat is truncated or not a MATLAB file"):
                [one.load() for one in variables_of(tmp_path / "a.mat").values()]


def test_version_73_asks_for_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_v73(tmp_path / "a.mat", {"B": NUMBERS})
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(BioDeepHashingError, match=r"version 7\.3, which needs h5py .*pip install"):
        variables_of(tmp_path / "a.mat")
