"""Compare the learning rules and methods of an experiment by what MLflow knows of its runs, or two runs query by query."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from ..data.own.images import check_source
from ..errors import RunError, UsageError, nearest
from ..eval.comparison.comparison import Comparison
from ..eval.comparison.drawing import draw_figures
from ..eval.comparison.groups import build_groups
from ..eval.comparison.rotations import RotatedRun, write_rotations
from ..eval.comparison.run_record import MODEL, NO_RULE, RunRecord, rule_and_settings
from ..eval.comparison.tables import console_text, write_bits_csv, write_csv, write_markdown, write_runs_csv
from ..eval.comparison.two_runs import check_same_queries, describe_pair
from ..eval.records.directions import describe_headline
from ..eval.records.metric_names import describe_denominator, direction_of, is_metric, options_of, parse_metric, words_of
from ..eval.significance.over_seeds import FROZEN
from ..eval.significance.paired_queries import PairedQueries, pair_queries
from ..runs import Run, comparison_folder, identifying_settings, run_of
from ..runs.alignment_csv import alignment_curves, read_alignment
from ..runs.retrieval_csv import read_retrieval
from ..settings import CommonSettings
from ..settings.flags import given_images
from ..settings.parsers import METRIC
from ..settings.strict_parser import command_line
from ..tracking import TrackedRun, known_experiments, tracked_runs
from ._per_rule import settings_per_rule
from .evaluate import query_values

_CLASS_CODES = {  # of methods that learn a code for each class, on images of query and database
    "class codes": "unseen_class_code_accuracy", "mhd": "unseen_mhd_expected", "ed": "unseen_ed_expected", "outside": "unseen_outside",
}  # fmt: skip
_COLUMNS = {"mAP": "expected", "mAP@1000": "expected_at_1000", "mAP@5000": "expected_at_5000", "mAP, ties by feature": "feature"}


def compare(database: str, experiment: str, *, metric: str = METRIC, per_rule: Sequence[str] = (), quiet: bool = False) -> Path:
    """Compare the learning rules of an experiment by what MLflow knows of its runs; and its methods, where they are several.

    Runs of one method that differ in nothing but rule and seed share a table; of several methods, all with one number of bits.
    Written are ``comparison.csv``, ``comparison-runs.csv``, ``comparison.md``,
    ``comparison-bars.png`` and ``comparison-curves.png``; with several tables ``comparison-overview.png``; with several numbers of bits
    ``comparison-bits.png`` and ``comparison-bits.csv``; and where runs measured them, ``comparison-retrieval.png``
    (``eval_map.py -make_plots``) and ``comparison-alignment.png`` (``-align_every``).

    Args:
        database: the dataset.
        experiment: the experiment.
        metric: the metric by which rules are ordered, drawn and compared with bp, as MLflow names it.
        per_rule: settings that every rule has its own value of: of several, the one with the highest mAP on the val fold counts.
        quiet: print nothing.

    Returns:
        The folder of the files.

    Raises:
        UsageError: for a metric or a setting that does not exist.
        RunError: when the experiment is unknown, none of its runs was evaluated, or a rule has no seed at all values of a setting.
        TrackingError: when the MLflow store cannot be reached.

    Example:
        >>> compare("DIGITS", "demo", metric="mAP")
        Traceback (most recent call last):
            ...
        biodeephashing.errors.UsageError: unknown metric 'mAP': ...
    """
    fold, _ = parse_metric(metric)
    runs, remarks = _evaluated(database, experiment, metric)
    methods = {_run_of(run).method for run in runs}
    own = settings_per_rule(per_rule, {name for run in runs for name in identifying_settings(run.settings)}, methods)
    columns, incomplete = _columns(runs, fold, metric)
    records = [_record(run, metric, several=len(methods) > 1) for run in runs]
    groups, left_out = build_groups(records, metric, own)
    folder, notes = comparison_folder(database, experiment, *methods), [*_caption(metric, runs), *_about_rules(records, own)]
    comparison = Comparison(f"{database} / {experiment}", groups, metric, columns, [*notes, *remarks, *incomplete, *left_out], own)
    figures = draw_figures(folder, comparison)
    write_csv(folder / "comparison.csv", comparison)
    write_runs_csv(folder / "comparison-runs.csv", comparison, records)
    write_markdown(folder / "comparison.md", comparison, figures)
    by_bits = ["comparison-bits.csv"] * write_bits_csv(folder / "comparison-bits.csv", comparison)
    rotations = write_rotations(folder / "comparison-rotations.md", _rotated(runs, metric), metric)
    if not quiet:
        print(console_text(comparison))
        print(f"\nwritten: {folder}/{', '.join(['comparison.csv', 'comparison-runs.csv', 'comparison.md', *by_bits, *figures])}")
        print(rotations, end="\n" * bool(rotations))
    return folder


def compare_runs(paths: Sequence[str], *, metric: str = METRIC) -> PairedQueries:
    """Compare two runs on the same queries, and print how they compare.

    Args:
        paths: the directories of two predicted runs, whatever their methods and settings.
        metric: what they are compared by, as MLflow names it.

    Raises:
        UsageError: for a metric that does not exist.
        RunError: when the runs were predicted on different queries or views, or a file of theirs cannot be used.
        DataError: when the dataset is missing or was changed.
    """
    fold, measure = parse_metric(metric)
    first, second = run_of(paths[0]), run_of(paths[1])
    check_same_queries((first, second), fold)
    (own, split), (other, _) = (query_values(run, fold, measure, direction_of(metric)) for run in (first, second))
    paired = pair_queries(own, other)
    print(f"A: {first}\nB: {second}\n{split}\n{words_of(metric)}; denominator: {describe_denominator(measure)}\n\n{describe_pair(paired)}")
    return paired


def _evaluated(database: str, experiment: str, metric: str) -> tuple[list[TrackedRun], list[str]]:
    """Return the runs of an experiment that have a metric, and which others there are and why they do not count."""
    runs = tracked_runs(database, experiment)
    if not runs:
        raise _unknown_experiment(database, experiment)
    runs = [run for run in runs if "pruned" not in run.tags or metric in run.metrics]  # trials of a sweep that were not chosen
    unfinished = [run for run in runs if run.status != "FINISHED"]
    finished = [run for run in runs if run.status == "FINISHED"]
    evaluated = [run for run in finished if metric in run.metrics]
    first_phases = {parent for run in runs if (parent := run.settings.get("parent", "")).startswith(f"{_run_of(run).method}/")}
    lacking = [run for run in finished if metric not in run.metrics and f"{(own := _run_of(run)).method}/{own.name}" not in first_phases]
    remarks = []
    if unfinished:
        remarks.append(f"left out, not finished: {_listed(unfinished, runs)}")
    if lacking:
        remarks.append(f"left out, {_lacking(lacking, runs, metric)}")
    if not evaluated:
        raise RunError(f"{_nothing_to_compare(database, experiment, metric, finished)}: {'; '.join(remarks)}")
    return evaluated, remarks


def _columns(runs: Sequence[TrackedRun], fold: str, metric: str) -> tuple[dict[str, str], list[str]]:
    """Return heading and metric of the columns of means, one for every metric that some run has, and which runs lack an mAP."""
    direction = f"_{direction_of(metric)}" if direction_of(metric) else ""
    columns = {words: f"{fold}_mAP_{name}{direction}" for words, name in _COLUMNS.items()}
    if metric not in columns.values():
        columns[metric] = metric
    lacking = {name: [run for run in runs if name not in run.metrics] for name in columns.values()}
    remarks = [f"left out of one column, {_lacking(some, runs, name)}" for name, some in lacking.items() if some]
    shown = {words: name for words, name in columns.items() if len(lacking[name]) < len(runs)}
    return shown | {words: name for words, name in _CLASS_CODES.items() if any(name in run.metrics for run in runs)}, remarks


def _lacking(some: Sequence[TrackedRun], runs: Sequence[TrackedRun], metric: str) -> str:
    """Return which runs have no such metric, and what makes it."""
    which = _listed(some, runs) if len(some) < len(runs) or len(runs) < 4 else f"all {len(runs)} runs"
    return f"without {metric} (run {command_line('src/eval/eval_map.py')}{options_of(parse_metric(metric)[1])}): {which}"


def _listed(some: Sequence[TrackedRun], runs: Sequence[TrackedRun]) -> str:
    """Return the names of some runs: method, where there are several, rule, seed, and the settings in which not all of its runs agree."""
    methods = {run.run_id: _run_of(run).method for run in runs}
    settings = {run.run_id: _apart(run) for run in runs}

    def name(run: TrackedRun) -> str:
        own, method = settings[run.run_id], methods[run.run_id]
        alike = [settings[other.run_id] for other in runs if methods[other.run_id] == method]
        varying = [name for name in own if len({other.get(name) for other in alike}) > 1]
        parts = [method] if len(set(methods.values())) > 1 else []
        parts += [run.settings[rule] for rule in ("mode",) if rule in run.settings]
        parts += [f"seed {run.settings.get('seed', '?')}", *(f"{name.replace('_', ' ')} {own[name]}" for name in varying)]
        return " ".join(parts) + ("" if run.status == "FINISHED" else f" ({run.status})")

    return ", ".join(sorted(map(name, some)))


def _nothing_to_compare(database: str, experiment: str, metric: str, runs: Sequence[TrackedRun]) -> str:
    """Return that no run has a metric, with the nearest that some have."""
    guess = nearest(metric, {name for run in runs for name in run.metrics if is_metric(name)})
    if not guess:
        return f"no run of {database}/{experiment} has been evaluated"
    return f"no run of {database}/{experiment} has {metric}, the nearest that there is being {guess}"


def _apart(run: TrackedRun) -> dict[str, str]:
    """Return the settings beside rule and seed that tell a run from others of its method; plain and bio- backbones are one network."""
    settings = {name: value for name, value in identifying_settings(run.settings).items() if name not in ("mode", "seed")}
    return {name: value.removeprefix("bio-") if name == "architecture" else value for name, value in settings.items()}


def _record(run: TrackedRun, metric: str, *, several: bool) -> RunRecord:
    tracked, direction = _run_of(run), direction_of(metric)
    rule, own = rule_and_settings(run.settings.get("mode", NO_RULE), _apart(run))
    settings = ({MODEL: tracked.method} if several else {}) | own | {"split_sha256": run.tags.get("split_sha256", "")[:12]}
    split, seed = run.tags.get("split", "split unknown"), int(run.settings.get("seed", 0))
    alignment = alignment_curves(read_alignment(tracked.alignment_file))
    fold, _ = parse_metric(metric)
    retrieval = read_retrieval(tracked.evaluation, f"{fold}-{direction}" if direction else fold)
    return RunRecord(rule, seed, settings, split, run.metrics, run.curves, alignment, retrieval)


def _rotated(runs: Sequence[TrackedRun], metric: str) -> list[RotatedRun]:
    """Return the rotations among some runs whose parents are among them, too."""
    known = {_run_of(run): run for run in runs}
    pairs = []
    for run, tracked in known.items():
        method, _, name = tracked.settings.get("parent", "").partition("/")
        parent = known.get(Run(run.database, run.experiment, name, method))
        if parent is not None and method != run.method:  # another phase of the same method is no rotation
            inherited = identifying_settings(parent.settings)
            own = {key: value for key, value in identifying_settings(tracked.settings).items() if key not in inherited}
            rule, seed = parent.settings.get("mode", "-"), int(parent.settings["seed"])
            values = parent.metrics[metric], tracked.metrics[metric]
            pairs.append(RotatedRun({"model": run.method} | own, _apart(parent), rule, seed, *values))
    return pairs


def _run_of(run: TrackedRun) -> Run:
    return Run.in_folder(Path(run.tags["run_directory"]))


def _unknown_experiment(database: str, experiment: str) -> RunError:
    known = [name for name in known_experiments() if name != f"{database}/{experiment}"]  # a failed run leaves its empty experiment
    guess = nearest(f"{database}/{experiment}", known)
    if not known:
        return RunError(f"MLflow knows no runs of {database}/{experiment}, nor of any other experiment: train first, without -tracking off")
    hint = f"the nearest is -db {guess.partition('/')[0]} -exp {guess.partition('/')[2]}; " if guess else ""
    return RunError(f"MLflow knows no runs of {database}/{experiment}: {hint}known: {', '.join(known)}")


def _caption(metric: str, runs: Sequence[TrackedRun]) -> list[str]:
    fold, direction = parse_metric(metric)[0], direction_of(metric)
    several = len({_run_of(run).method for run in runs}) > 1
    directions = [{name for name in map(direction_of, run.metrics) if name} for run in runs]
    views = sorted(set().union(*directions))
    notes = [
        f"mean ± standard deviation over seeds of the mAP of the {fold} fold{', ' * bool(direction)}{direction}; where none is named, "
        f"tie rule expected and denominator: relevant items among the first k (retrieved)",
        f"differences: in {metric}, paired by seed, with Student's t; p: two-sided, of the same t test; p (Holm): adjusted for the "
        f"number of rules {'with the same method and settings' if several else 'in the table'}",
    ]
    notes += [f"rule {NO_RULE}: the method has no learning rule"] if any("mode" not in run.settings for run in runs) else []
    if any(name in run.metrics for run in runs for name in _CLASS_CODES.values()):
        notes.append("class codes, mhd, ed (ties expected), outside: images of query and database decoded by class codes, see docs/llc.md")
    if views and not direction:
        others = "" if all(directions) else "; of runs with one view: images for images, which is another task"
        notes.append(f"of runs with several views: the mean of {describe_headline(views)}{others}")
    return notes


def _about_rules(records: Sequence[RunRecord], per_rule: Sequence[str]) -> list[str]:
    """Return what must be stated about frozen runs, and about settings that every rule has its own value of."""
    notes = []
    if any(record.rule == FROZEN for record in records):
        notes.append(
            f"{FROZEN}: the hash layer learns alone (-freeze), no error travels back, and so no rule has anything to do; p (Holm) to "
            f"{FROZEN}: of the paired t test, adjusted for the number of rules"
        )
    if per_rule:
        names = " and ".join(per_rule).replace("_", " ")
        notes.append(
            f"every rule at its own {names}: of several values the one with the highest mAP on the val fold counts (best epoch, "
            f"mean over the seeds that all values of the rule share; of equal ones the smaller value)"
        )
    return notes


def from_arguments(arguments: Namespace) -> None:
    """Compare what ``compare.py`` names: all runs of an experiment, or two runs.

    Raises:
        UsageError: when both are named, or settings of rules beside two runs.
    """
    given = {name: value for name, value in vars(arguments).items() if name in ("experiment_name", "database")}
    if "path" in arguments:
        if given:
            raise UsageError("-p names two runs, -exp and -db name all runs of an experiment: give one or the other")
        if arguments.per_rule:
            raise UsageError(f"-per_rule {' '.join(arguments.per_rule)} chooses among the runs of an experiment, and -p names two runs")
        compare_runs(arguments.path, metric=arguments.metric)
        return
    settings = CommonSettings.from_mapping(given, "command line")
    check_source(given_images(arguments))
    compare(settings.database, settings.experiment_name, metric=arguments.metric, per_rule=arguments.per_rule)
