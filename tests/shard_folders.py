"""Directories of shards as encoding would leave them, in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from biodeephashing.checksums import digest
from biodeephashing.data.metadata import load_fold
from biodeephashing.data.split import read_split
from biodeephashing.runs import Run
from biodeephashing.runs.predictions_json import read_predictions
from biodeephashing.runs.shards import Manifest, ShardFolder, ShardNote


def write_shards(run: Run, path: Path, sizes: Sequence[int], *, refused: Sequence[int] = (), **changed: object) -> ShardFolder:
    """Cut the codes of a run's database fold into shards.

    Args:
        run: a predicted run.
        path: the directory.
        sizes: images of each shard; 0 for an empty one.
        refused: rows that could not be read.
        changed: fields of the manifest that are to be others.
    """
    predictions, folder = read_predictions(run.predictions_file), ShardFolder(path)
    codes, labels = np.load(run.codes_file("database")), np.packbits(load_fold(run.database, "database").labels.astype(bool), axis=1)
    codes[list(refused)] = 0
    known = {
        "run": str(run),
        "checkpoint_sha256": predictions.fingerprint.sha256,
        "bits": predictions.bits,
        "preprocessing": {},
        "batch_size": 4,
        "precision": "32",
        "rows": max(sizes),
        "format": "npy",
        "source": {"kind": "fold"},
        "classes": tuple(read_split(run.database).classes),
        "ids": "rows",
        "shards": len(sizes),
    }
    manifest = Manifest(**known | changed)  # type: ignore[arg-type]
    path.mkdir(parents=True, exist_ok=True)
    folder.enter(manifest)
    first = 0
    for shard, size in enumerate(sizes):
        rows = slice(first, first + size)
        codes_file, labels_file = folder.files(shard, manifest) if manifest.format == "npy" else (folder.codes_file(shard, "parquet"), None)
        own = [row for row in refused if rows.start <= row < rows.stop]
        if labels_file:
            np.save(codes_file, codes[rows])
            np.save(labels_file, labels[rows])
        else:
            write_parquet(codes_file, first, *(np.delete(part[rows], [row - first for row in own], axis=0) for part in (codes, labels)))
        note = ShardNote(size, first, {}, zeros=shard, refused=tuple((row, "truncated") for row in own), device="CPU")
        sha256 = {file.name: digest(file) for file in (codes_file, labels_file) if file}
        folder.write_note(shard, ShardNote(**vars(note) | {"sha256": sha256}))
        first += size
    return folder


def write_parquet(file: Path, first: int, codes: np.ndarray, labels: np.ndarray) -> None:
    import pyarrow.parquet

    def column(rows: np.ndarray) -> pyarrow.Array:
        return pyarrow.array([row.tobytes() for row in rows], pyarrow.binary(rows.shape[1]))

    table = pyarrow.table({"id": first + np.arange(len(codes)), "code": column(codes), "labels": column(labels)})
    pyarrow.parquet.write_table(table, file)
