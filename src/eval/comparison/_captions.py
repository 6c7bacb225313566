"""What is stated below the figures of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..records.metric_names import describe_denominator, direction_of, parse_metric, words_of
from .groups import ComparisonGroup
from .run_record import NO_RULE

BAND = "Lines: mean over seeds; bands: from the lowest to the highest seed."
TRAINING_BAND = "Lines: mean over the seeds still training; bands: from the lowest to the highest seed."


def state(metric: str) -> str:
    """Return the rules behind a metric, as a sentence.

    Example:
        >>> state("query_mAP_expected")
        'mAP of the query fold, tie rule expected; denominator: relevant items among the first k (retrieved).'
    """
    return f"{words_of(metric)}; denominator: {describe_denominator(parse_metric(metric)[1])}."


def seeds(counts: Iterable[int]) -> str:
    """Return how many seeds a mean is over; rules that have none are not drawn.

    Example:
        >>> seeds([3, 3]), seeds([2, 0, 3]), seeds([1])
        ('Seeds: 3.', 'Seeds: 2 to 3.', 'Seeds: 1.')
    """
    known = [count for count in counts if count]
    least, most = min(known), max(known)
    return f"Seeds: {least}." if least == most else f"Seeds: {least} to {most}."


def validated(groups: Sequence[ComparisonGroup]) -> str:
    """Return what validation ranks: items of one view, or of two in both directions."""
    records = [run for group in groups for runs in group.runs.values() for run in runs.values()]
    several = {any(map(direction_of, run.metrics)) for run in records}
    words = {
        False: "every image against all others of the fold",
        True: "every image against all texts but its own, and the other way round",
    }
    return "; of runs with texts ".join(words[views] for views in sorted(several))


def splits(groups: Sequence[ComparisonGroup]) -> str:
    """Return the splits, and what the dash in the place of a rule means."""
    without = any(NO_RULE in group.runs for group in groups)
    return " | ".join(sorted({group.split for group in groups})) + f". {NO_RULE}: no learning rule" * without
