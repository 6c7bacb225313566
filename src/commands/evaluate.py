"""Evaluate the codes of runs: metrics, figures and what MLflow is to know of them."""

from __future__ import annotations

import hashlib
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..data import PreparedDataset
from ..errors import BioDeepHashingError, RunError, describe
from ..eval import APSpec, Curves
from ..eval.ranking.histograms import Reals
from ..eval.records.directions import headline, joined
from ..eval.records.fold_metrics import fold_metrics, per_query
from ..eval.records.metric_names import DENOMINATOR, requested_measures, tracked_numbers
from ..eval.records.result_file import EvaluationPlan, check_requested, is_current, want
from ..eval.records.run_codes import RunCodes, read_run
from ..eval.records.staging import staging
from ..eval.records.summary import summary
from ..runs import Run, runs_of
from ..runs.result_json import write_result
from ..settings.flags import given_measures
from ..surroundings import has_terminal
from ..tracking import open_tracker


def evaluate(
    run: Run,
    *,
    measures: Sequence[APSpec] = (),
    no_features: bool = False,
    plots: bool = False,
    no_skip: bool = False,
    quiet: bool = False,
    tracking: bool | None = None,
    prepared: PreparedDataset | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure how well the codes of a run retrieve, for every predicted fold among query and val against the database.

    Args:
        run: a predicted run.
        measures: average precisions to compute beside those that always are; once computed, they are computed again with the file.
        no_features: measure nothing that needs the features, and leave their files unread; quick.
        plots: draw figures, too, and write the values of each beside it; once drawn, they are drawn again with the file.
        no_skip: measure again even what is up to date.
        quiet: print nothing.
        tracking: whether to log to MLflow; None for the setting of the run.
        prepared: the run's dataset, where several runs share it; None reads it.

    Returns:
        What the JSON file of each fold holds.

    Raises:
        UsageError: if the tie rule "feature" is requested without features.
        RunError: when the run was not trained or predicted, or a file of it cannot be used; nothing is written then.
        DataError: when the dataset is missing or was changed.
        TrackingError: when the MLflow store cannot be reached or written.

    Example:
        >>> evaluate(Run("DIGITS", "demo", "-mode=bp"))
        Traceback (most recent call last):
            ...
        biodeephashing.errors.RunError: ...
    """
    check_requested(measures, no_features)
    hparams = run.hparams()
    tracked = hparams.get("tracking", "on") == "on" if tracking is None else tracking
    codes = read_run(run, prepared or PreparedDataset(run.database), with_features=not no_features)
    wanted = {fold: want(codes, fold, measures, plots=plots, no_features=no_features) for fold in codes.folds}
    current = [fold for fold, one in wanted.items() if not no_skip and is_current(one, codes, fold)]
    for fold in current:
        _say(quiet, f"skipped: {run.evaluation_file(fold)} was made from the same codes and metadata (-no_skip makes it again)")
    results = {fold: dict(one.known) for fold, one in wanted.items()}
    new = [fold for fold in wanted if fold not in current]
    if new:
        with staging(run.evaluation) as folder:
            made = {fold: _measured(codes, fold, wanted[fold], folder, quiet) for fold in new}
            if tracked:
                _track(codes, hparams, made, wanted, folder)
            for fold, result in made.items():
                write_result(folder / run.evaluation_file(fold).name, result)
            for fold, result in made.items():
                _put_in_place(run, fold, result["pictures"], folder)
        results |= made
    _say(quiet, summary(results, _caption(codes, results)))
    if run.codebook_file.exists():
        from ._class_codes import evaluate_class_codes  # seconds of PyTorch, for runs with a code for each class

        how = {"with_features": not no_features, "plots": plots, "no_skip": no_skip, "tracked": tracked}
        _say(quiet, "\n" + evaluate_class_codes(codes, hparams, **how))
    if plots:
        _say(quiet, f"\nfigures and their values: {run.evaluation}")
    return results


def query_values(run: Run, fold: str, measure: APSpec, direction: str = "") -> tuple[Reals, str]:
    """Measure every query of a fold of a run.

    Args:
        run: a predicted run.
        fold: "query" or "val".
        measure: the rules; features are read for the tie rule "feature" only.
        direction: from which view to which, where the run has several; "" for the mean of those between different views.

    Returns:
        The average precision of every query, (queries,), and the split of the data in words.

    Raises:
        RunError: when the run was not trained or predicted, has no such direction, or a file of it cannot be used.
        DataError: when the dataset is missing or was changed.
    """
    codes = read_run(run, PreparedDataset(run.database), folds=[fold], with_features=measure.ties == "feature")
    if direction and direction not in codes.directions:
        raise RunError(
            f"{run} has no direction {direction}: it has {', '.join(codes.directions) if len(codes.directions) > 1 else 'one view'}"
        )
    names = [direction] if direction else headline(codes.directions)
    values = [per_query(*codes.pair(fold, name), [measure])[measure].values for name in names]
    if len({len(of_one) for of_one in values}) > 1:
        raise RunError(f"some items of {run} lack a view, so its directions have different queries: name one, {' or '.join(names)}")
    return np.mean(values, axis=0), codes.prepared.split.caption


def _put_in_place(run: Run, fold: str, figures: Sequence[str], folder: Path) -> None:
    """Replace the result of a fold: earlier figures go, as they may be of other codes, and the metrics come last."""
    for file in run.evaluation.glob(f"{fold}-*"):
        if file.suffix in (".png", ".csv") and file.name not in figures:
            file.unlink()
    for name in (*figures, run.evaluation_file(fold).name):
        (folder / name).replace(run.evaluation / name)


def _measured(codes: RunCodes, fold: str, wanted: EvaluationPlan, folder: Path, quiet: bool) -> dict[str, Any]:
    """Return what the result file of a fold is to hold, its figures drawn into a folder."""
    pairs = {name: codes.pair(fold, name) for name in codes.directions}
    count = sum(len(queries.labels) for queries, _ in pairs.values())
    with tqdm(total=count, desc=fold, unit="query", leave=False, disable=quiet or not has_terminal()) as bar:
        found = {name: fold_metrics(*pair, wanted.measures, progress=bar.update) for name, pair in pairs.items()}
    blocks = {
        name: {**numbers, "code_health": {side: one.health for side, one in zip((fold, "database"), pairs[name], strict=True)}}
        for name, (numbers, _) in found.items()
    }
    curves = {name: curves for name, (_, curves) in found.items()}
    figures = _drawn(codes, fold, curves, folder) if wanted.drawn else []
    return {**joined(blocks), **wanted.facts, "pictures": figures}


def _drawn(codes: RunCodes, fold: str, curves: Mapping[str, Curves], folder: Path) -> list[str]:
    from ._run_figures import draw_figures  # seconds of PyTorch and Matplotlib, for those who want figures

    return [name for direction, of_one in curves.items() for name in draw_figures(codes, fold, direction, of_one, folder)]


def _caption(codes: RunCodes, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the split, and what is missing of the numbers."""
    split = codes.prepared.split.caption
    complete = all("mAP_feature" in result for result in results.values())
    return split if complete else f"{split}\nno tie rule feature: it was left out (-no_features)"


def _track(
    codes: RunCodes,
    hparams: Mapping[str, Any],
    results: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[str, EvaluationPlan],
    folder: Path,
) -> None:
    """Log figures, every metric under a name that MLflow accepts (query_mAP_expected_at_1000), and what they stand on."""
    split, run = codes.prepared.split, codes.run
    tags = {
        "split": split.caption,
        "split_sha256": hashlib.sha256(repr(sorted(split.sha256.items())).encode()).hexdigest(),
        "denominator": DENOMINATOR,
    }
    numbers: dict[str, float] = {}
    for fold, result in results.items():
        gone = dict.fromkeys(tracked_numbers(fold, wanted[fold].known), nan)  # MLflow forgets no number: it is overwritten
        numbers |= gone | tracked_numbers(fold, result)
    with open_tracker(run, hparams, phase="evaluate") as tracker:
        tracker.set_tags(tags)
        tracker.log_metrics(numbers)
        for name in (name for result in results.values() for name in result["pictures"]):
            tracker.log_artifact(folder / name, "evaluation")


def _say(quiet: bool, message: str) -> None:
    if not quiet:
        print(message)


def from_arguments(arguments: Namespace) -> None:
    """Evaluate every run that ``eval_map.py`` names; one that cannot be evaluated does not stop the others.

    Raises:
        RunError: when a run could not be evaluated.
    """
    measures = requested_measures(*given_measures(arguments))
    check_requested(measures, arguments.no_features)
    if arguments.device != "cpu":
        print(f"-device {arguments.device}: evaluation uses the CPU")
    tracking = arguments.tracking == "on" if "tracking" in arguments else None
    runs = list(dict.fromkeys(run for handle in arguments.path for run in runs_of(handle)))
    sets: dict[str, PreparedDataset] = {}
    failed = []
    for number, run in enumerate(runs, start=1):
        try:
            print(f"[{number}/{len(runs)}] {run.directory}" if len(runs) > 1 else run.directory)
            if run.database not in sets:
                sets[run.database] = PreparedDataset(run.database)
            evaluate(
                run,
                measures=measures,
                no_features=arguments.no_features,
                plots=arguments.make_plots,
                no_skip=arguments.no_skip,
                tracking=tracking,
                prepared=sets[run.database],
            )
        except BioDeepHashingError as error:
            if len(runs) == 1:
                raise
            print(f"error: {describe(error)}", file=sys.stderr)
            failed.append(run)
    if failed:
        raise RunError(f"{len(failed)} of {len(runs)} runs could not be evaluated")
