"""Measure shorter codes that are made of the bits of a run whose towers fuse the codes of several levels."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..codes.ranked_bits import keep_bits, ranked_bits
from ..data import PreparedDataset
from ..errors import RunError, UsageError
from ..eval.metrics.spec import APSpec
from ..eval.records.fold_metrics import LabeledCodes, per_query
from ..eval.records.run_codes import RunCodes, read_run
from ..eval.records.text_table import text_table
from ..runs import Run, runs_of
from ..training.checkpoints import read_checkpoint

_EXPECTED = APSpec("expected")
_USUAL = (16, 32, 64)


def shorten(run: Run, bits: Sequence[int] = (), *, end: str = "largest") -> dict[int, dict[str, float]]:
    """Return the mAP of each direction, whole ranking and ties expected, for each length of code and for the whole one.

    Bits are ranked by the sums of the weights that the fusions of both towers give them, and as many as a code has are kept.

    Args:
        run: a predicted run whose towers fuse the codes of several levels, as SCAHN trains them.
        bits: lengths of codes; none for 16, 32 and 64, as far as they are shorter.
        end: whether the bits of the "largest" sums are kept, or those of the "smallest".

    Raises:
        UsageError: for a length that is not possible.
        RunError: if the run has no such towers, was not predicted, or a file of it cannot be used.
        DataError: if the dataset is missing or was changed.
    """
    order = ranked_bits(_weights(run), end)
    bits = bits or [length for length in _USUAL if length < len(order)]
    if impossible := [length for length in bits if not 1 <= length <= len(order)]:
        raise UsageError(f"-nbits {impossible[0]} is not possible: {run} has codes of {len(order)} bits")
    codes = read_run(run, PreparedDataset(run.database), folds=["query"], with_features=False)
    lengths = [*bits, *([] if len(order) in bits else [len(order)])]
    return {length: {name: _mean_average_precision(codes, name, order[:length]) for name in codes.directions} for length in lengths}


def _weights(run: Run) -> list[NDArray[np.float32]]:
    """Return the weights of the fusion of each tower, (levels, bits)."""
    content = read_checkpoint(run.best_checkpoint)
    networks = [part.get("network", {}) for part in (content, content.get("text", {}))]
    weights = [network["hash_layer.attention"].float().numpy() for network in networks if "hash_layer.attention" in network]
    if not weights:
        raise RunError(f"{run} fuses no codes of several levels, by which its bits could be ranked: -loss SCAHN trains such towers")
    return weights


def _mean_average_precision(codes: RunCodes, direction: str, columns: NDArray[np.int64]) -> float:
    queries, database = (
        LabeledCodes(replace(side.codes, codes=keep_bits(side.codes.codes, side.codes.bits, columns), bits=len(columns)), side.labels)
        for side in codes.pair("query", direction)
    )
    return float(per_query(queries, database, [_EXPECTED])[_EXPECTED].values.mean())


def from_arguments(arguments: Namespace) -> None:
    """Print a table for every run that ``shorten.py`` names."""
    for run in dict.fromkeys(run for handle in arguments.path for run in runs_of(handle)):
        results = shorten(run, vars(arguments).get("number_of_bits", ()), end=arguments.end)
        rows = [[str(length), *(f"{value:.4f}" for value in values.values())] for length, values in results.items()]
        print(f"{run.directory}\n{PreparedDataset(run.database).split.caption}")
        print(f"mAP of the query fold, whole ranking, ties expected, of the bits of the {arguments.end} weights\n")
        print(text_table(["bits", *next(iter(results.values()))], rows))
