"""predict.py -mat: codes of both views as a MATLAB file, which gives the numbers of the run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.io import loadmat

from biodeephashing.codes import unpack
from biodeephashing.commands.evaluate import evaluate
from biodeephashing.commands.evaluate_codes import evaluate_hash_file
from biodeephashing.commands.predict import predict
from biodeephashing.commands.train import train
from biodeephashing.data import load_fold
from biodeephashing.errors import UsageError
from biodeephashing.models.CrossModal.predict import main


def test_the_file_gives_the_numbers_of_the_run(settings, prepare_pairs, capsys):
    # rows of the folds: train 0-19, val 20-29, query 30-37, database 38-51
    database = prepare_pairs("LACKING", without_image=(2, 31, 40, 41), without_text=(5, 6, 33, 34, 22))
    run = train(replace(settings, database=database, epochs=1), quiet=True)
    predict(run.settings(), quiet=True)
    assert not run.hash_file(12).exists()
    capsys.readouterr()
    main(["-p", str(run.directory), "-mat"])
    said = capsys.readouterr().out
    assert "skipped: query is up to date" in said
    assert f"written: {run.hash_file(12)}" in said
    content = loadmat(run.hash_file(12))
    for fold, side in (("query", "q"), ("database", "r")):
        assert np.array_equal(content[f"{side}_L"], load_fold(database, fold).labels)
        for view, name in (("image", "img"), ("text", "txt")):
            there = content[f"{side}_{name}"].any(axis=1)
            assert content[f"{side}_{name}"].dtype == np.int8
            assert np.array_equal(content[f"{side}_{name}"][there], unpack(np.load(run.codes_file(fold, view)), 12)[there])
    assert np.flatnonzero(~content["q_img"].any(axis=1)).tolist() == [1]
    assert np.flatnonzero(~content["r_txt"].any(axis=1)).tolist() == []
    measured = evaluate(run, no_features=True, quiet=True)["query"]
    found = evaluate_hash_file(run.hash_file(12), quiet=True)
    for direction in ("i2t", "t2i", "i2i", "t2t"):
        assert found[direction] == measured[direction]


def test_both_folds_are_needed(settings):
    with pytest.raises(UsageError, match=r"-mat writes codes of query and database, and -dfs leaves out some: query"):
        replace(settings, mat=True, datafolds=("query",))
