"""Evaluate the codes of runs: ``python src/eval/eval_map.py -p RUN [RUN ...]``."""

from __future__ import annotations

import sys
from argparse import SUPPRESS
from collections.abc import Mapping, Sequence
from typing import Any

from biodeephashing.arguments import StrictParser
from biodeephashing.errors import BioDeepHashingError, RunError, describe, guard
from biodeephashing.runs import Run, home, read_json, write_json

FOLDS = ("query", "val")
CUTS = (None, 1000, 5000)
CUT_RULES = ("expected", "index", "feature")
BOUNDS = ("worst", "best")
DENOMINATOR = "retrieved"
COMPATIBLE = "feature"


def evaluate(run: Run, *, no_skip: bool = False, quiet: bool = False, tracking: bool | None = None) -> dict[str, dict[str, Any]]:
    """Measure how well the codes of a run retrieve, for every predicted fold among query and val against the database.

    Args:
        run: a predicted run.
        no_skip: measure again even what is up to date.
        quiet: print nothing.
        tracking: whether to log to MLflow; None for the setting of the run.

    Returns:
        What the JSON file of each fold holds.

    Raises:
        RunError: when the run was not trained or predicted, or a file of it cannot be used; nothing is written then.
        DataError: when the data set is missing or was changed.
        TrackingError: when the MLflow store cannot be reached or written.

    Example:
        >>> sorted(FOLDS)
        ['query', 'val']
    """
    from biodeephashing.data.split import read_split
    from biodeephashing.eval._code_files import read_predictions

    settings = run.settings()
    predictions = read_predictions(run)
    folds = [fold for fold in FOLDS if fold in predictions.folds]
    if not folds:
        raise RunError(f"{run.directory} has codes of {', '.join(predictions.folds) or 'no fold'}, but query or val is needed: predict it")
    split = read_split(run.database)
    sides = {fold: _read_side(run, fold, predictions, split) for fold in (*folds, "database")}
    results: dict[str, dict[str, Any]] = {}
    health: dict[str, dict[str, Any]] = {}
    fresh = []
    for fold in folds:
        facts = _facts(run, fold, sides, split, predictions.checkpoint)
        known = _result_in_place(run, fold)
        if known is not None and not no_skip and _is_current(known, facts):
            results[fold] = known
            _say(quiet, f"skipped: {run.evaluation_file(fold)} was made from the same codes and metadata (-no_skip makes it again)")
        else:
            for side in {fold, "database"} - health.keys():
                health[side] = _health(*sides[side])
            measured = _measure(sides[fold], sides["database"])
            results[fold] = measured | {"code_health": {side: health[side] for side in (fold, "database")}} | facts
            fresh.append(fold)
    if fresh and (settings.tracking == "on" if tracking is None else tracking):
        _track(run, settings, {fold: results[fold] for fold in fresh}, split)
    for fold in fresh:
        write_json(run.evaluation_file(fold), results[fold], indent=4)
    _say(quiet, _summary(results, split))
    return results


def _read_side(run: Run, fold: str, predictions: Any, split: Any) -> tuple[Any, Any]:
    """Return codes and labels of a fold."""
    from biodeephashing.data.metadata import load_fold
    from biodeephashing.eval._code_files import read_fold

    metadata = load_fold(run.database, fold)
    checksum = split.sha256[metadata.file.name]
    return read_fold(run, fold, predictions, rows=len(metadata), metadata_sha256=checksum), metadata.labels


def _measure(queries: tuple[Any, Any], database: tuple[Any, Any]) -> dict[str, Any]:
    """Return every number of a fold."""
    from biodeephashing.eval import Measure, Pairs, average_precision_per_query
    from biodeephashing.eval.average_precision import relevant_counts

    (query_codes, query_labels), (database_codes, database_labels) = queries, database
    pairs = Pairs(query_codes.codes, database_codes.codes, query_labels, database_labels)
    measures = {_key(ties, k): Measure(ties, k=k, denominator=DENOMINATOR) for ties in CUT_RULES for k in CUTS}
    measures |= {_key(ties, None): Measure(ties, denominator=DENOMINATOR) for ties in BOUNDS}
    features = {"query_features": query_codes.features, "database_features": database_codes.features}
    values = average_precision_per_query(pairs, list(measures.values()), **features)
    means = {key: values[measure].mean() for key, measure in measures.items()}
    compatible = {_key(None, k): means[_key(COMPATIBLE, k)] for k in CUTS}
    counts = {
        "n_queries": pairs.queries,
        "n_queries_without_relevant": int((relevant_counts(pairs) == 0).sum()),
        "n_database": pairs.database,
        "bit_zero_count": query_codes.zeros + database_codes.zeros,
        "unique_codes": database_codes.unique,
    }
    return compatible | {"tie_mode": COMPATIBLE, "denominator": DENOMINATOR, "empty": "zero"} | means | counts


def _health(codes: Any, labels: Any) -> dict[str, Any]:
    """Return how well the codes of a fold use their bits."""
    from dataclasses import asdict

    from biodeephashing.eval._health import code_health

    return asdict(code_health(codes.codes, codes.features.shape[1], labels))


def _facts(run: Run, fold: str, sides: Mapping[str, Any], split: Any, checkpoint: str) -> dict[str, Any]:
    """Return where the numbers of a fold come from."""
    pair = (fold, "database")
    return {
        "hparams": read_json(run.hparams_file),
        "output_path": run.evaluation_file(fold).relative_to(home()).as_posix(),
        "datafold": fold,
        "split": {
            "caption": split.caption,
            "protocol": split.protocol,
            "partial": split.partial,
            "note": split.note,
            "sizes": dict(split.sizes),
        },
        "checkpoint": checkpoint,
        "codes_sha256": {side: sides[side][0].codes_sha256 for side in pair},
        "features_sha256": {side: sides[side][0].features_sha256 for side in pair},
        "metadata_sha256": {side: split.sha256[f"{side}_metadata.txt"] for side in pair},
    }


def _result_in_place(run: Run, fold: str) -> dict[str, Any] | None:
    """Return the result on disk; a damaged one counts as none and is made again."""
    try:
        return read_json(run.evaluation_file(fold))
    except RunError:
        return None


def _is_current(known: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    same = all(known.get(key) == facts[key] for key in ("codes_sha256", "features_sha256", "metadata_sha256"))
    return same and "code_health" in known and all(_key(ties, k) in known for ties in CUT_RULES for k in CUTS)


def _key(ties: str | None, k: int | None) -> str:
    """Return the JSON key of a number; without a tie rule it is the compatible one.

    Example:
        >>> _key(None, 1000), _key("expected", None)
        ('mAP_at_k=1000', 'mAP_expected')
    """
    return "mAP" + (f"_{ties}" if ties else "") + (f"_at_k={k}" if k else "")


def _track(run: Run, settings: Any, results: Mapping[str, dict[str, Any]], split: Any) -> None:
    """Log every number under a name that MLflow accepts (query_mAP_expected_at_1000), and what they stand on."""
    import hashlib

    from biodeephashing.tracking import open_tracker

    names = [_key(ties, k) for ties in CUT_RULES for k in CUTS] + [_key(ties, None) for ties in BOUNDS]
    tags = {
        "split": split.caption,
        "split_sha256": hashlib.sha256(repr(sorted(split.sha256.items())).encode()).hexdigest(),
        "denominator": DENOMINATOR,
    }
    with open_tracker(run, settings, phase="evaluate") as tracker:
        tracker.set_tags(tags)
        tracker.log_metrics({f"{fold}_{n.replace('_at_k=', '_at_')}": r[n] for fold, r in results.items() for n in names})


def _summary(results: Mapping[str, dict[str, Any]], split: Any) -> str:
    """Return the table of all numbers with what must be stated beside them."""
    from biodeephashing.eval._table import text_table

    rows = []
    for fold, result in results.items():
        for ties in (*CUT_RULES, *BOUNDS):
            rows.append([fold, ties, *(f"{result[key]:.4f}" if (key := _key(ties, k)) in result else "" for k in CUTS)])
    counts = [
        f"{fold}: {r['n_queries']:,} queries ({r['n_queries_without_relevant']:,} find nothing relevant and count as 0) against "
        f"{r['n_database']:,} items with {r['unique_codes']:,} distinct codes; {r['bit_zero_count']:,} exact zeros counted as +1"
        for fold, r in results.items()
    ]
    header = ["fold", "tie rule", "mAP", "mAP@1000", "mAP@5000"]
    return "\n".join([split.caption, "divisor: relevant items among the first k (retrieved)", *counts, "", text_table(header, rows)])


def _say(quiet: bool, message: str) -> None:
    if not quiet:
        print(message)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line and evaluate every run it names."""
    parser = StrictParser(description="Measure how well the codes of predicted runs retrieve.")
    parser.add_argument("-p", "--path", nargs="+", action="extend", default=SUPPRESS, required=True, metavar="RUN", help="run directories")
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="measure again even what is up to date")
    parser.add_argument(
        "-tracking", "--tracking", choices=("on", "off"), default=SUPPRESS, help="log to MLflow; left out: as the run was trained"
    )
    arguments = parser.parse_args(argv)
    tracking = arguments.tracking == "on" if "tracking" in arguments else None
    failed = []
    for path in arguments.path:
        try:
            run = Run.at(path)
            print(run.directory)
            evaluate(run, no_skip=arguments.no_skip, tracking=tracking)
        except BioDeepHashingError as error:
            if len(arguments.path) == 1:
                raise
            print(f"error: {describe(error)}", file=sys.stderr)
            failed.append(path)
    if failed:
        raise RunError(f"{len(failed)} of {len(arguments.path)} runs could not be evaluated")


if __name__ == "__main__":
    raise SystemExit(guard(main))
