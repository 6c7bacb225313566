"""Evaluate the codes of runs: ``python src/eval/eval_map.py -p RUN [RUN ...]``."""

from __future__ import annotations

import sys
from argparse import SUPPRESS
from collections.abc import Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biodeephashing.arguments import StrictParser, add_measures, given_measures
from biodeephashing.errors import BioDeepHashingError, RunError, describe, guard
from biodeephashing.runs import Run, home, read_json, write_json

if TYPE_CHECKING:
    from biodeephashing.data import Prepared
    from biodeephashing.eval import Curves, Measure
    from biodeephashing.eval._fold_numbers import Side
    from biodeephashing.eval._groups import Reals

FOLDS = ("query", "val")


def evaluate(
    run: Run,
    *,
    asked: Sequence[Measure] = (),
    plots: bool = False,
    no_skip: bool = False,
    quiet: bool = False,
    tracking: bool | None = None,
    prepared: Prepared | None = None,
    device: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure how well the codes of a run retrieve, for every predicted fold among query and val against the database.

    Args:
        run: a predicted run.
        asked: measures to make beside those that are always made; once made, they are made again with the file.
        plots: draw pictures, too, and write the numbers of each beside it; once drawn, they are drawn again with the file.
        no_skip: measure again even what is up to date.
        quiet: print nothing.
        tracking: whether to log to MLflow; None for the setting of the run.
        prepared: the run's data set, where several runs share it; None reads it.
        device: where to compute: None for the compiled loops, else a graphics card ("cuda", "cuda:1").

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
    from tqdm import tqdm

    from biodeephashing.data import Prepared
    from biodeephashing.eval._code_files import read_predictions
    from biodeephashing.eval._fold_numbers import fold_numbers
    from biodeephashing.eval._summary import summary

    settings = run.settings()
    predictions = read_predictions(run)
    folds = [fold for fold in FOLDS if fold in predictions.folds]
    if not folds:
        raise RunError(f"{run.directory} has codes of {', '.join(predictions.folds) or 'no fold'}, but query or val is needed: predict it")
    prepared = prepared or Prepared(run.database)
    split = prepared.split
    sides = {fold: _read_side(run, fold, predictions, prepared) for fold in (*folds, "database")}
    results: dict[str, dict[str, Any]] = {}
    pictures: dict[str, list[Path]] = {}
    for fold in folds:
        facts = _facts(run, fold, sides, split, predictions.checkpoint)
        known = _result_in_place(run, fold)
        measures, drawn = _wanted(known, asked), plots or bool(known.get("pictures"))
        if not no_skip and _is_current(run, known, facts, measures, drawn):
            results[fold] = known
            _say(quiet, f"skipped: {run.evaluation_file(fold)} was made from the same codes and metadata (-no_skip makes it again)")
            continue
        health = {side: sides[side].health for side in (fold, "database")}
        with tqdm(total=len(sides[fold].labels), desc=fold, unit="query", leave=False, disable=True if quiet else None) as bar:
            numbers, curves = fold_numbers(sides[fold], sides["database"], measures, device=device, progress=bar.update)
        pictures[fold] = _draw(run, fold, curves, sides, prepared) if drawn else _remove_earlier(run, fold)
        results[fold] = numbers | {"code_health": health} | facts | {"pictures": [file.name for file in pictures[fold]]}
    if pictures and (settings.tracking == "on" if tracking is None else tracking):
        _track(run, settings, {fold: results[fold] for fold in pictures}, split, [file for made in pictures.values() for file in made])
    for fold in pictures:
        write_json(run.evaluation_file(fold), results[fold], indent=4)
    if not quiet:
        print(summary(results, split.caption))
        if plots:
            print(f"\npictures and their numbers: {run.evaluation}")
    return results


def query_values(run: Run, fold: str, measure: Measure) -> tuple[Reals, str]:
    """Measure every query of a fold of a run.

    Args:
        run: a predicted run.
        fold: "query" or "val".
        measure: the rules.

    Returns:
        The average precision of every query, (queries,), and the split of the data in words.

    Raises:
        RunError: when the run was not trained or predicted, or a file of it cannot be used.
        DataError: when the data set is missing or was changed.
    """
    from biodeephashing.data import Prepared
    from biodeephashing.eval._code_files import read_predictions
    from biodeephashing.eval._fold_numbers import per_query

    predictions, prepared = read_predictions(run), Prepared(run.database)
    queries, database = (_read_side(run, side, predictions, prepared) for side in (fold, "database"))
    return per_query(queries, database, [measure])[measure].values, prepared.split.caption


def _read_side(run: Run, fold: str, predictions: Any, prepared: Prepared) -> Side:
    """Return codes and labels of a fold."""
    from biodeephashing.eval._code_files import read_fold
    from biodeephashing.eval._fold_numbers import Side

    metadata = prepared.fold(fold)
    checksum = prepared.split.sha256[metadata.file.name]
    return Side(read_fold(run, fold, predictions, rows=len(metadata), metadata_sha256=checksum), metadata.labels)


def _wanted(known: Mapping[str, Any], asked: Sequence[Measure]) -> list[Measure]:
    """Return what is always measured, what was asked for when the result in place was made, and what is asked for now."""
    from biodeephashing.eval._numbers import ALWAYS, measure_of, unique

    return unique([*ALWAYS, *(measure for key in known if (measure := measure_of(key))), *asked])


def _facts(run: Run, fold: str, sides: Mapping[str, Side], split: Any, checkpoint: str) -> dict[str, Any]:
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
            "overlaps": dict(split.overlaps),
        },
        "checkpoint": checkpoint,
        "codes_sha256": {side: sides[side].codes.codes_sha256 for side in pair},
        "features_sha256": {side: sides[side].codes.features_sha256 for side in pair},
        "metadata_sha256": {side: split.sha256[f"{side}_metadata.txt"] for side in pair},
    }


def _result_in_place(run: Run, fold: str) -> dict[str, Any]:
    """Return the result on disk; a damaged one counts as none and is made again."""
    try:
        return read_json(run.evaluation_file(fold))
    except RunError:
        return {}


def _is_current(run: Run, known: Mapping[str, Any], facts: Mapping[str, Any], measures: Sequence[Measure], drawn: bool) -> bool:
    from biodeephashing.eval._numbers import FURTHER, key_of

    pictures = known.get("pictures", [])
    if drawn and not (pictures and all((run.evaluation / name).is_file() for name in pictures)):
        return False
    same = all(known.get(key) == facts[key] for key in ("codes_sha256", "features_sha256", "metadata_sha256"))
    return same and all(key in known for key in ("code_health", "bootstrap", "pictures", *FURTHER, *map(key_of, measures)))


def _draw(run: Run, fold: str, curves: Curves, sides: Mapping[str, Side], prepared: Prepared) -> list[Path]:
    """Draw the pictures of a fold."""
    from biodeephashing.data import ImageFold
    from biodeephashing.eval._run_figures import draw_run
    from biodeephashing.eval._sheet_figure import Gallery

    folds = (prepared.fold(fold), prepared.fold("database"))
    galleries = tuple(Gallery(metadata.paths, ImageFold(metadata, "none").image) for metadata in folds)
    split = prepared.split
    return draw_run(
        run, fold, curves, sides[fold], sides["database"], (galleries[0], galleries[1]), classes=split.classes, split=split.caption
    )


def _remove_earlier(run: Run, fold: str) -> list[Path]:
    """Remove pictures that are of other codes than the numbers which will stand beside them."""
    for file in run.evaluation.glob(f"{fold}-*"):
        if file.suffix in (".png", ".csv"):
            file.unlink()
    return []


def _track(run: Run, settings: Any, results: Mapping[str, dict[str, Any]], split: Any, files: Sequence[Path]) -> None:
    """Log pictures, every number under a name that MLflow accepts (query_mAP_expected_at_1000), and what they stand on."""
    import hashlib

    from biodeephashing.eval._numbers import DENOMINATOR, FURTHER, measure_of, tracked_name
    from biodeephashing.tracking import open_tracker

    tags = {
        "split": split.caption,
        "split_sha256": hashlib.sha256(repr(sorted(split.sha256.items())).encode()).hexdigest(),
        "denominator": DENOMINATOR,
    }
    numbers = {
        tracked_name(fold, key): value
        for fold, result in results.items()
        for key, value in result.items()
        if measure_of(key) or key in FURTHER
    }
    with open_tracker(run, settings, phase="evaluate") as tracker:
        tracker.set_tags(tags)
        tracker.log_metrics(numbers)
        for file in files:
            tracker.log_artifact(file, "evaluation")


def _say(quiet: bool, message: str) -> None:
    if not quiet:
        print(message)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line and evaluate every run it names."""
    parser = StrictParser(description="Measure how well the codes of predicted runs retrieve.")
    parser.add_argument(
        "-p", "--path", nargs="+", action="extend", default=SUPPRESS, required=True, metavar="RUN", help="run directories, or patterns (*)"
    )
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="measure again even what is up to date")
    parser.add_argument(
        "-tracking", "--tracking", choices=("on", "off"), default=SUPPRESS, help="log to MLflow; left out: as the run was trained"
    )
    parser.add_argument("-make_plots", "--make_plots", action="store_true", help="draw pictures, and write their numbers as CSV")
    parser.add_argument(
        "-device", "--device", default="cpu", metavar="DEVICE", help="where to compute: cpu (default), or a graphics card (cuda, cuda:1)"
    )
    add_measures(parser)
    arguments = parser.parse_args(argv)
    from biodeephashing.data import Prepared
    from biodeephashing.eval._numbers import asked_measures

    asked = asked_measures(*given_measures(arguments))
    tracking = arguments.tracking == "on" if "tracking" in arguments else None
    paths = _matching(arguments.path)
    sets: dict[str, Prepared] = {}
    failed = []
    for number, path in enumerate(paths, start=1):
        try:
            run = Run.at(path)
            print(f"[{number}/{len(paths)}] {run.directory}" if len(paths) > 1 else run.directory)
            if run.database not in sets:
                sets[run.database] = Prepared(run.database)
            evaluate(
                run,
                asked=asked,
                plots=arguments.make_plots,
                no_skip=arguments.no_skip,
                tracking=tracking,
                prepared=sets[run.database],
                device=None if arguments.device == "cpu" else arguments.device,
            )
        except BioDeepHashingError as error:
            if len(paths) == 1:
                raise
            print(f"error: {describe(error)}", file=sys.stderr)
            failed.append(path)
    if failed:
        raise RunError(f"{len(failed)} of {len(paths)} runs could not be evaluated")


def _matching(patterns: Sequence[str]) -> list[str]:
    """Return the run directories that paths and patterns name, each once."""
    found: list[str] = []
    for pattern in patterns:
        if Path(pattern).exists() or not has_magic(pattern):
            found.append(pattern)  # what is not there is said when its turn comes
            continue
        folders = glob(pattern) or glob(str(home() / pattern))  # noqa: PTH207 - a path object takes no absolute pattern
        folders = [path for path in sorted(folders) if (Path(path) / "hparams.json").is_file()]
        if not folders:
            raise RunError(f"no run directory matches {pattern}")
        found += folders
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    raise SystemExit(guard(main))
