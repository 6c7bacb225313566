"""Which pictures a comparison has, and what is stated below each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..records.metric_names import describe_denominator, parse_metric, words_of
from ._alignment_figure import draw_alignment
from ._code_lengths import bits_panels
from ._code_lengths_figure import draw_code_lengths
from ._overview import draw_overview
from ._retrieval_figure import MARKED, draw_retrieval
from ._seed_figures import draw_bars, draw_curves
from .groups import NO_RULE, ComparisonGroup, several_methods

OVERVIEW = "comparison-overview.png"
_BAND = "Lines: mean over seeds; bands: from the lowest to the highest seed."
_TRAINING_BAND = "Lines: mean over the seeds still training; bands: from the lowest to the highest seed."


def draw_pictures(folder: Path, groups: Sequence[ComparisonGroup], metric: str, name: str) -> dict[str, str]:
    """Draw every picture that there are data for, and remove earlier ones that there are none for any more.

    Args:
        folder: where the files go.
        groups: what to draw.
        metric: what rules are compared by, as MLflow names it.
        name: what is compared, for the titles.

    Returns:
        The files that were drawn, each with what it shows in a few words.
    """
    drawn = {}
    for file, (words, draw) in _PICTURES.items():
        if draw(folder / file, groups, metric, name):
            drawn[file] = words
        else:
            (folder / file).unlink(missing_ok=True)
    return drawn


def state(metric: str) -> str:
    """Return the rules behind a number, as a sentence.

    Example:
        >>> state("query_mAP_expected")
        'mAP of the query fold, tie rule expected; divisor: relevant items among the first k (retrieved).'
    """
    return f"{words_of(metric)}; divisor: {describe_denominator(parse_metric(metric)[1])}."


def compared(groups: Sequence[ComparisonGroup], name: str) -> str:
    """Return the title of a comparison."""
    return f"{name}: {'methods' if several_methods(groups) else 'learning rules'} compared"


def _bars(file: Path, groups: Sequence[ComparisonGroup], metric: str, name: str) -> bool:
    draw_bars(
        file, groups, metric, compared(groups, name),
        f"Bars: mean over seeds (their number in brackets); dots: seeds; whiskers: ± one standard deviation. Diamonds: mean "
        f"difference to bp with its 95% interval (Student's t). {state(metric)} {_splits(groups)}",
    )  # fmt: skip
    return True


def _curves(file: Path, groups: Sequence[ComparisonGroup], metric: str, name: str) -> bool:
    trained = [group for group in groups if any(run.curves for runs in group.runs.values() for run in runs.values())]
    if not trained:
        return False
    draw_curves(
        file, trained, f"{name}: training curves",
        f"{_TRAINING_BAND} Validation mAP: every image against all others of the fold, tie rule expected, whole ranking. "
        f"{_splits(trained)}",
    )  # fmt: skip
    return True


def _overview(file: Path, groups: Sequence[ComparisonGroup], metric: str, name: str) -> bool:
    if len(groups) < 2:
        return False
    draw_overview(
        file, groups, metric, compared(groups, name),
        "Dots: mean over seeds; lines: ± one standard deviation; the settings whose best rule is best come first. "
        f"{state(metric)} {_splits(groups)}",
    )  # fmt: skip
    return True


def _bits(file: Path, groups: Sequence[ComparisonGroup], metric: str, name: str) -> bool:
    panels = bits_panels(groups)
    if not panels:
        return False
    alone = len(groups) - sum(len(panel.groups) for panel in panels)
    left_out = f" Left out: {alone} settings with one number of bits only." if alone else ""
    counts = [len(group.values(rule, metric)) for panel in panels for group in panel.groups.values() for rule in group.runs]
    draw_code_lengths(
        file, panels, metric, f"{name}: mAP against the number of bits",
        f"{_BAND} {_seeds(counts)}{left_out} {state(metric)} {_splits(groups)}",
    )  # fmt: skip
    return True


def _retrieval(file: Path, groups: Sequence[ComparisonGroup], metric: str, name: str) -> bool:
    known = [group for group in groups if any(group.retrievals(rule) for rule in group.runs)]
    if not known:
        return False
    counts = [len(group.retrievals(rule)) for group in groups for rule in group.runs]
    drawn = sum(counts)
    every = sum(len(runs) for group in groups for runs in group.runs.values())
    partly = f" Drawn: {drawn} of {every} runs; the others were evaluated without -make_plots." if drawn < every else ""
    draw_retrieval(
        file, known, f"{name}: precision and recall, {parse_metric(metric)[0]} fold",
        f"Left: the items within each Hamming radius from 0 upwards; dots: radius {MARKED}. Right: the first N items, tied ones in every "
        "order (tie rule expected). Means over all queries; one that finds nothing, or has nothing to find, counts as 0. Lines: mean "
        f"over seeds; bands: from the lowest to the highest precision at a radius or an N. {_seeds(counts)}{partly} {_splits(known)}",
    )  # fmt: skip
    return True


def _alignment(file: Path, groups: Sequence[ComparisonGroup], metric: str, name: str) -> bool:
    measured = [group for group in groups if group.measured()]
    if not measured:
        return False
    draw_alignment(
        file, measured, f"{name}: alignment with backpropagation",
        "Weight angle: between a layer's weights W and the matrix B that carries its error down; it exists where B stands in W's place. "
        "Update angle: between the gradients of W by the rule and by backpropagation, on one batch. 0°: equal; 90° (dashed): nothing "
        f"in common. {_TRAINING_BAND} {_splits(groups)}",
    )  # fmt: skip
    return True


def _seeds(counts: Sequence[int]) -> str:
    """Return how many seeds a mean is over; rules that have none are not drawn.

    Example:
        >>> _seeds([3, 3]), _seeds([2, 0, 3]), _seeds([1])
        ('Seeds: 3.', 'Seeds: 2 to 3.', 'Seeds: 1.')
    """
    least, most = min(count for count in counts if count), max(counts)
    return f"Seeds: {least}." if least == most else f"Seeds: {least} to {most}."


def _splits(groups: Sequence[ComparisonGroup]) -> str:
    """Return the splits, and what the dash in the place of a rule means."""
    without = any(NO_RULE in group.runs for group in groups)
    return " | ".join(sorted({group.split for group in groups})) + f". {NO_RULE}: no learning rule" * without


_PICTURES: dict[str, tuple[str, Callable[[Path, Sequence[ComparisonGroup], str, str], bool]]] = {
    "comparison-bars.png": ("mAP per rule", _bars),
    "comparison-curves.png": ("training curves", _curves),
    OVERVIEW: ("all settings at a glance", _overview),
    "comparison-bits.png": ("mAP against the number of bits", _bits),
    "comparison-retrieval.png": ("precision and recall", _retrieval),
    "comparison-alignment.png": ("alignment with backpropagation", _alignment),
}
