"""Fabricated runs: everything that training and prediction would leave behind, in milliseconds."""

from __future__ import annotations

import json

import numpy as np

from biodeephashing.checksums import digest
from biodeephashing.codes import pack
from biodeephashing.data.metadata import load_fold
from biodeephashing.data.split import read_split
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run
from biodeephashing.runs.hparams_json import hparams_of


def write_predictions(run: Run, bits: int, folds: tuple[str, ...]) -> None:
    """Write predictions.json about whatever lies in the run directory."""
    split = read_split(run.database)
    checkpoint = run.best_checkpoint
    facts = {
        fold: {
            "rows": len(np.load(run.features_file(fold))),
            "zeros": int(np.count_nonzero(np.load(run.features_file(fold)) == 0)),
            "metadata_sha256": split.sha256[f"{fold}_metadata.txt"],
            "features_sha256": digest(run.features_file(fold)),
            "codes_sha256": digest(run.codes_file(fold)) if run.codes_file(fold).exists() else "",
        }
        for fold in folds
    }
    content = {"checkpoint": checkpoint.name, "checkpoint_sha256": digest(checkpoint), "bits": bits, "folds": facts}
    (run.directory / "predictions.json").write_text(json.dumps(content))


def write_run(database: str, *, bits: int = 12, folds: tuple[str, ...] = ("train", "val", "query", "database"), **settings) -> Run:
    """Make a run whose features are its labels and some noise."""
    known = {"architecture": "bio-lenet", "loss": "DCH", "mode": "fa", "tracking": "off"} | settings
    chosen = Settings(database=database, number_of_bits=bits, **known)
    run = Run.of(chosen)
    run.mark("finished")
    run.hparams_file.write_text(json.dumps(hparams_of(chosen)))
    (run.directory / "best-epoch=3.ckpt").write_bytes(b"weights")
    rng = np.random.default_rng(chosen.seed)
    centres = rng.normal(size=(len(read_split(database).classes), bits))
    for fold in folds:
        labels = load_fold(database, fold).labels
        features = (labels @ centres + rng.normal(size=(len(labels), bits))).astype(np.float32)
        features[0, 0] = 0
        np.save(run.features_file(fold), features)
        np.save(run.codes_file(fold), pack(features))
    write_predictions(run, bits, folds)
    return run
