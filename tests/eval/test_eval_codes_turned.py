"""eval_codes.py: tables with a column per item are turned back, or refused where that is not certain."""

from __future__ import annotations

import numpy as np
import pytest
from foreign_files import NAMES, contents, files_of, write
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import Sample

from biodeephashing.codes import pack
from biodeephashing.commands.evaluate_codes import evaluate_codes
from biodeephashing.errors import DataError
from biodeephashing.eval.external import Reading, read_external


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
        found = read_external(*files, Reading(bits=width, transpose=turned[0] and told))
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
    told = {"inputs", "understood"}
    assert {key: got[key] for key in got if key not in told} == {key: want[key] for key in want if key not in told}


def test_square_tables_are_read_as_stored_unless_told(tmp_path):
    sample = Sample(0, 8, 8, 8)
    files = files_of(tmp_path, sample)
    straight = read_external(*files).codes[0].codes
    assert np.array_equal(straight, sample.query_codes)
    assert np.array_equal(read_external(*files, Reading(transpose=True)).codes[0].codes, pack(sample.query_features.T))


def test_a_table_that_can_be_turned_in_two_ways_is_refused(tmp_path):
    """Codes 3 × 3 with labels 4 × 3: with or without turning the codes, the turned labels fit."""
    sample = Sample(0, 3, 3, 3, classes=4)
    files = files_of(tmp_path, sample, kind="signs")
    for at in (2, 3):
        np.save(files[at], np.load(files[at]).T)
    with pytest.raises(DataError, match="transposed in more than one way they would: give -transpose"):
        read_external(*files)
    assert np.array_equal(read_external(*files, Reading(transpose=True)).labels[0], sample.query_labels)
