"""What an evaluation of a fabricated run writes, and damage that may come to such a run."""

from __future__ import annotations

import json

import numpy as np

from biodeephashing.codes import pack
from biodeephashing.data.metadata import load_fold
from biodeephashing.eval.eval_map import main
from biodeephashing.runs import Run

CUTS = ["", "_at_k=1000", "_at_k=5000"]
FURTHER = {
    *("precision_at_radius=2", "recall_at_radius=2", "nonempty_at_radius=2"),
    *("precision_expected_at_k=100", "precision_expected_at_k=1000", "nDCG_expected_at_k=1000"),
}
KEYS = {
    *FURTHER,
    *("mAP" + cut for cut in CUTS),
    *(f"mAP_{ties}{cut}" for ties in ("expected", "index", "feature") for cut in CUTS),
    *("mAP_worst", "mAP_best", "tie_mode", "denominator", "empty"),
    *("hparams", "output_path", "datafold", "split", "checkpoint"),
    *("n_queries", "n_queries_without_relevant", "n_database", "bit_zero_count", "unique_codes", "code_health", "bootstrap"),
    *("codes_sha256", "features_sha256", "metadata_sha256", "pictures"),
}
BY_FEATURE = {*("mAP" + cut for cut in CUTS), *(f"mAP_feature{cut}" for cut in CUTS), "tie_mode"}


def arrays_of(run: Run, fold: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    features = np.load(run.features_file(fold))
    return pack(features), load_fold(run.database, fold).labels, features


def without_features(run: Run, *arguments: str) -> dict[str, dict]:
    main(["-p", str(run.directory), "-no_features", *arguments])
    return {fold: json.loads(run.evaluation_file(fold).read_text()) for fold in ("query", "val")}


def figures_of(run: Run) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in run.evaluation.iterdir() if file.suffix != ".json"}


def damage_content(run: Run) -> None:
    codes = np.load(run.codes_file("query"))
    np.save(run.codes_file("query"), codes[::-1])


def damage_checkpoint(run: Run) -> None:
    (run.directory / "best-epoch=3.ckpt").write_bytes(b"other weights")


def damage_metadata_version(run: Run) -> None:
    file = run.directory / "predictions.json"
    content = json.loads(file.read_text())
    content["folds"]["query"]["metadata_sha256"] = "0" * 64
    file.write_text(json.dumps(content))
