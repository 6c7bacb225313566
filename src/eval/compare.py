"""Compare the learning rules of an experiment, ``python src/eval/compare.py -exp EXP -db DB``, or two runs, ``-p RUN_A RUN_B``."""

from __future__ import annotations

import re
from argparse import SUPPRESS
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biodeephashing.arguments import StrictParser
from biodeephashing.errors import RunError, UsageError, guard, nearest
from biodeephashing.hparams import Settings, table
from biodeephashing.runs import Run, comparison_folder, home

if TYPE_CHECKING:
    from biodeephashing.eval._comparison import Block, Observation
    from biodeephashing.eval._paired_queries import PairedQueries

METRIC = "query_mAP_expected"
_METRIC = re.compile(r"(query|val)_mAP_(expected|index|feature|worst|best)(_at_(1000|5000))?")
_COLUMNS = {"mAP": "expected", "mAP@1000": "expected_at_1000", "mAP@5000": "expected_at_5000", "mAP, ties by feature": "feature"}


def compare(database: str, experiment: str, *, metric: str = METRIC, quiet: bool = False) -> Path:
    """Compare the learning rules of an experiment by what MLflow knows of its runs.

    Runs that differ in nothing but rule and seed share a table. Written are ``comparison.csv``, ``comparison.md``,
    ``comparison-bars.png`` and ``comparison-curves.png``; with several tables ``comparison-overview.png``, and where runs measured it
    (``-align_every``) ``comparison-alignment.png``.

    Args:
        database: the data set.
        experiment: the experiment.
        metric: what rules are ordered, drawn and set against bp by, as MLflow names it.
        quiet: print nothing.

    Returns:
        The folder of the files.

    Raises:
        UsageError: for a metric that does not exist.
        RunError: when the experiment is unknown or none of its runs was evaluated.
        TrackingError: when the MLflow store cannot be reached.

    Example:
        >>> compare("DIGITS", "demo", metric="mAP")
        Traceback (most recent call last):
            ...
        biodeephashing.errors.UsageError: unknown metric 'mAP': write FOLD_mAP_TIES or FOLD_mAP_TIES_at_1000 ...
    """
    fold, _, _ = _parse(metric)
    observations, remarks = _observe(database, experiment, metric)
    from biodeephashing.eval._comparison import build_blocks
    from biodeephashing.eval._comparison_tables import console_text, write_csv, write_markdown
    from biodeephashing.eval._figures import draw_bars, draw_curves

    blocks, doubles = build_blocks(observations, metric)
    columns = {words: f"{fold}_mAP_{name}" for words, name in _COLUMNS.items()}
    if metric not in columns.values():
        columns[metric] = metric
    folder, title = comparison_folder(database, experiment), f"{database} / {experiment}: learning rules compared"
    notes = [*_caption(fold, metric), *remarks, *doubles]
    overseen = _draw_overview(folder / "comparison-overview.png", blocks, metric, title)
    aligned = _draw_alignment(folder / "comparison-alignment.png", blocks, f"{database} / {experiment}: alignment with backpropagation")
    write_csv(folder / "comparison.csv", blocks, list(columns.values()))
    write_markdown(folder / "comparison.md", title, blocks, columns, metric, notes, overseen=overseen, aligned=aligned)
    stated = _stated(blocks)
    draw_bars(
        folder / "comparison-bars.png", blocks, metric, title,
        f"Bars: mean over seeds (their number in brackets); dots: seeds; whiskers: ± one standard deviation. Diamonds: mean "
        f"difference to bp with its 95% interval (Student's t). {_rules(metric)} {stated}",
    )  # fmt: skip
    draw_curves(
        folder / "comparison-curves.png", blocks, f"{database} / {experiment}: training curves",
        "Lines: mean over the seeds still training; bands: from the lowest to the highest seed. "
        f"Validation mAP: every image against all others of the fold, tie rule expected, whole ranking. {stated}",
    )  # fmt: skip
    if not quiet:
        print(console_text(title, blocks, columns, metric, notes))
        more = ", comparison-overview.png" * overseen + ", comparison-alignment.png" * aligned
        print(f"\nwritten: {folder}/comparison.csv, comparison.md, comparison-bars.png, comparison-curves.png{more}")
    return folder


def compare_runs(paths: Sequence[str], *, metric: str = METRIC) -> PairedQueries:
    """Compare two runs on the same queries, and print how they compare.

    Args:
        paths: the directories of two predicted runs, whatever their settings.
        metric: what they are compared by, as MLflow names it.

    Raises:
        UsageError: for a metric that does not exist.
        RunError: when the runs were predicted on different queries, or a file of theirs cannot be used.
        DataError: when the data set is missing or was changed.
    """
    fold, ties, k = _parse(metric)
    first, second = Run.at(paths[0]), Run.at(paths[1])
    from biodeephashing.eval import Measure
    from biodeephashing.eval._paired_queries import check_same_queries, describe_pair, pair_queries
    from biodeephashing.eval.eval_map import query_values

    check_same_queries((first, second), fold)
    (own, split), (other, _) = (query_values(run, fold, Measure(ties, k=k)) for run in (first, second))
    paired = pair_queries(own, other)
    print(f"A: {first}\nB: {second}\n{split}\n{_rules(metric)}\n\n{describe_pair(paired)}")
    return paired


def _parse(metric: str) -> tuple[str, str, int | None]:
    """Return fold, tie rule and cut of a metric."""
    match = _METRIC.fullmatch(metric)
    bounded = match and match[2] in ("worst", "best") and match[3]
    if not match or bounded:
        raise UsageError(
            f"unknown metric {metric!r}: write FOLD_mAP_TIES or FOLD_mAP_TIES_at_1000 (or 5000), for example {METRIC}; FOLD is "
            f"query or val, TIES is expected, index or feature, or without a cut worst or best"
        )
    return match[1], match[2], int(match[4]) if match[4] else None


def _observe(database: str, experiment: str, metric: str) -> tuple[list[Observation], list[str]]:
    """Return the evaluated runs of an experiment, and how many others there are and why they do not count."""
    from biodeephashing.tracking import tracked_runs

    runs = tracked_runs(database, experiment)
    if not runs:
        raise _unknown_experiment(database, experiment)
    unfinished = [run for run in runs if run.status != "FINISHED"]
    finished = [run for run in runs if run.status == "FINISHED"]
    evaluated = [run for run in finished if metric in run.metrics]
    remarks = []
    if unfinished:
        remarks.append(f"left out, not finished: {', '.join(sorted(_short(run) for run in unfinished))}")
    if len(evaluated) < len(finished):
        missing = sorted(_short(run) for run in finished if metric not in run.metrics)
        remarks.append(f"left out, without {metric} (run eval_map.py): {', '.join(missing)}")
    if not evaluated:
        raise RunError(f"no run of {database}/{experiment} has been evaluated: {'; '.join(remarks)}")
    return [_observation(run) for run in evaluated], remarks


def _observation(run: Any) -> Observation:
    from biodeephashing.eval._alignment import read_alignment
    from biodeephashing.eval._comparison import Observation

    apart = {
        field.name: str(field.default) for field, setting in table() if setting.named != "never" and field.name not in ("mode", "seed")
    }
    settings = {name: run.settings.get(name, default) for name, default in apart.items()}
    settings["architecture"] = settings["architecture"].removeprefix("bio-")
    settings["split_sha256"] = run.tags.get("split_sha256", "")[:12]
    split = run.tags.get("split", "split unknown")
    alignment = read_alignment(home() / run.tags["run_directory"] / "alignment.csv")
    return Observation(run.settings["mode"], int(run.settings["seed"]), settings, split, run.metrics, run.curves, alignment)


def _short(run: Any) -> str:
    return f"{run.settings.get('mode', '?')} seed {run.settings.get('seed', '?')} ({run.status})"


def _unknown_experiment(database: str, experiment: str) -> RunError:
    from biodeephashing.tracking import known_experiments

    known = known_experiments()
    guess = nearest(f"{database}/{experiment}", known)
    if not known:
        return RunError(f"MLflow knows no runs of {database}/{experiment}, nor of any other experiment: train with -tracking on first")
    hint = f"the nearest is -db {guess.partition('/')[0]} -exp {guess.partition('/')[2]}; " if guess else ""
    return RunError(f"MLflow knows no runs of {database}/{experiment}: {hint}known: {', '.join(known)}")


def _draw_overview(file: Path, blocks: Sequence[Block], metric: str, title: str) -> bool:
    """Draw all tables at a glance where there are several, and tell whether there are; an earlier picture goes."""
    from biodeephashing.eval._overview import draw_overview

    file.unlink(missing_ok=True)
    if len(blocks) < 2:
        return False
    draw_overview(
        file, blocks, metric, title,
        "Dots: mean over seeds; lines: ± one standard deviation; the settings whose best rule is best come first. "
        f"{_rules(metric)} {_stated(blocks)}",
    )  # fmt: skip
    return True


def _draw_alignment(file: Path, blocks: Sequence[Block], title: str) -> bool:
    """Draw how far the layers are from backpropagation, and tell whether any run measured it; an earlier picture goes."""
    from biodeephashing.eval._alignment_figure import draw_alignment

    file.unlink(missing_ok=True)
    measured = [block for block in blocks if block.measured()]
    if not measured:
        return False
    draw_alignment(
        file, measured, title,
        "Weight angle: between a layer's weights W and the matrix B that carries its error down; it exists where B stands in W's place. "
        "Update angle: between the gradients of W by the rule and by backpropagation, on one batch. 0°: equal; 90° (dashed): nothing "
        f"in common. Lines: mean over the seeds still training; bands: from the lowest to the highest seed. {_stated(blocks)}",
    )  # fmt: skip
    return True


def _rules(metric: str) -> str:
    from biodeephashing.eval._figures import words_of

    return f"{words_of(metric)}; divisor: relevant items among the first k (retrieved)."


def _stated(blocks: Sequence[Block]) -> str:
    return " | ".join(sorted({block.split for block in blocks}))


def _caption(fold: str, metric: str) -> list[str]:
    return [
        f"mean ± standard deviation over seeds of the mAP of the {fold} fold; tie rule expected where none is named; "
        f"divisor: relevant items among the first k (retrieved)",
        f"differences: in {metric}, paired by seed, with Student's t; p: two-sided, of the same t test; p (Holm): adjusted for the "
        f"number of rules in the table",
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line and compare."""
    parser = StrictParser(description="Compare the learning rules of an experiment, as MLflow knows it, or two runs query by query.")
    defaults = {field.name: field.default for field, _ in table()}
    for flag, name, words in (("-exp", "experiment_name", "experiment"), ("-db", "database", "data set")):
        parser.add_argument(flag, f"--{name}", default=SUPPRESS, metavar="NAME", help=f"{words} (default: {defaults[name]})")
    parser.add_argument(
        "-p", "--path", nargs=2, default=SUPPRESS, metavar=("RUN_A", "RUN_B"), help="two run directories, in place of -exp and -db"
    )
    parser.add_argument("-metric", "--metric", default=METRIC, metavar="NAME", help="what rules or runs are ordered, drawn and compared by")
    arguments = parser.parse_args(argv)
    given = {name: value for name, value in vars(arguments).items() if name in ("experiment_name", "database")}
    if "path" in arguments:
        if given:
            raise UsageError("-p names two runs, -exp and -db name all runs of an experiment: give one or the other")
        compare_runs(arguments.path, metric=arguments.metric)
        return
    settings = Settings(**given)  # both must be names of folders
    compare(settings.database, settings.experiment_name, metric=arguments.metric)


if __name__ == "__main__":
    raise SystemExit(guard(main))
