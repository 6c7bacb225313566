"""What an evaluation prints: every number with what must be stated beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..metrics.spec import APSpec
from .directions import blocks_of, describe_headline
from .metric_names import ALWAYS, BOUNDS, CUT_RULES, CUTS, FURTHER, describe_denominator, key_of, measure_of
from .text_table import text_table


def summary(results: Mapping[str, Mapping[str, Any]], caption: str) -> str:
    """Return the tables of all numbers of a run, or of somebody's codes; of several views, means first and then each direction.

    Args:
        results: what the result file of each fold holds.
        caption: what the numbers were made from, in words.
    """
    results = {f"{fold} {name}".rstrip(): numbers for fold, result in results.items() for name, numbers in _with_means(result).items()}
    blocks = {fold: result for fold, result in results.items() if "bootstrap" in result}
    lines = [caption, f"denominator: {describe_denominator(APSpec())}", *map(_counts, blocks.items())]
    lines += [line for item in blocks.items() for line in _health(*item)]
    means = [result for result in results.values() if "bootstrap" not in result]
    lines += dict.fromkeys(f"mean: of {describe_headline(blocks_of(result))}" for result in means)  # once
    rules = next(iter(blocks.values()))["bootstrap"]
    lines += [f"in brackets: {rules['level']:.0%} intervals over queries ({rules['method']} bootstrap, {rules['resamples']:,} resamples)"]
    rows = [
        [fold, ties, *(_cell(result, APSpec(ties, k=k)) for k in CUTS)]
        for fold, result in results.items()
        for ties in (*CUT_RULES, *BOUNDS)
        if key_of(APSpec(ties)) in result
    ]
    lines += ["", text_table(["fold", "tie rule", "mAP", "mAP@1000", "mAP@5000"], rows)]
    further = [[fold, *(f"{result[key]:.4f}" for key in FURTHER)] for fold, result in results.items()]
    lines += ["", text_table(["fold", *map(_words, FURTHER)], further)]
    requested = [
        [fold, measure.ties, _cut(measure), describe_denominator(measure), _cell(result, measure)]
        for fold, result in results.items()
        for measure in map(measure_of, result)
        if measure and measure not in ALWAYS
    ]
    if requested:
        lines += ["", text_table(["fold", "tie rule", "cut", "denominator", "mAP"], requested)]
    return "\n".join(lines)


def _with_means(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the numbers of each direction, those of several below their means."""
    blocks = blocks_of(result)
    return blocks if "" in blocks else {"mean": result} | blocks


def _words(key: str) -> str:
    """Return the heading of a further number; its tie rule, where one matters, is expected.

    Example:
        >>> _words("precision_at_radius=2"), _words("nDCG_expected_at_k=1000")
        ('precision, radius 2', 'nDCG@1000')
    """
    return key.replace("_at_radius=", ", radius ").replace("_expected_at_k=", "@")


def _counts(item: tuple[str, Mapping[str, Any]]) -> str:
    fold, r = item
    whom = "the others of " if r.get("leave_one_out") else ""
    distinct = f" with {r['unique_codes']:,} distinct codes" if "unique_codes" in r else ""
    return (
        f"{fold}: {r['n_queries']:,} queries ({r['n_queries_without_relevant']:,} find nothing relevant and count as 0) against "
        f"{whom}{r['n_database']:,} items{distinct}; {r['bit_zero_count']:,} exact zeros counted as +1"
    )


def _health(fold: str, result: Mapping[str, Any]) -> list[str]:
    """Return a warning for each side that has constant bits."""
    return [
        f"{fold}: bits that never change in the fold {side}: {', '.join(map(str, dead))}"
        for side, health in result["code_health"].items()
        if (dead := health["dead_bits"])
    ]


def _cut(measure: APSpec) -> str:
    return f"distance {measure.radius}" if measure.radius is not None else f"first {measure.k:,}"


def _cell(result: Mapping[str, Any], measure: APSpec) -> str:
    """Return a number and its interval as text, empty where it was not made."""
    key = key_of(measure)
    if key not in result:
        return ""
    interval = result["bootstrap"]["intervals"][key] if "bootstrap" in result else None  # means over directions have none
    return f"{result[key]:.4f}" + (f" [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else "")
