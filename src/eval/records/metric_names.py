"""The metrics of a result file, and their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import UsageError, nearest
from ..metrics.retrieval import Retrieval
from ..metrics.spec import DENOMINATORS, TIES, APSpec
from .directions import DIRECTION, blocks_of

FOLDS = ("query", "val")
CUTS = (None, 1000, 5000)  # the k that are always measured, None being the whole ranking
CUT_RULES = ("expected", "index", "feature")  # the tie rules that are measured at all of them
BOUNDS = ("worst", "best")
DENOMINATOR = "retrieved"  # the denominator that keys leave out
COMPATIBLE = "feature"  # the tie rule of the keys that older tools know
ALWAYS = (*(APSpec(ties, k=k) for ties in CUT_RULES for k in CUTS), *(APSpec(ties) for ties in BOUNDS))

WITHIN_RADIUS = {f"{name}_at_radius=2": (name, 2) for name in ("precision", "recall", "nonempty")}  # ties do not change them
AT_DEPTH = {f"precision_expected_at_k={k}": k for k in (100, 1000)}
NDCG_CUT = 1000
NDCG = f"nDCG_expected_at_k={NDCG_CUT}"
FURTHER = (*WITHIN_RADIUS, *AT_DEPTH, NDCG)

_KEY = re.compile(rf"mAP_({'|'.join(TIES)})(?:_at_k=([1-9]\d*)|_at_radius=(\d+))?(?:_({'|'.join(DENOMINATORS)}))?")


def compatible_key(k: int | None) -> str:
    """Return the key that older tools know.

    Example:
        >>> compatible_key(None), compatible_key(1000)
        ('mAP', 'mAP_at_k=1000')
    """
    return f"mAP_at_k={k}" if k else "mAP"


def key_of(measure: APSpec) -> str:
    """Return the key of a number, which states every rule but the denominator "retrieved".

    Example:
        >>> key_of(APSpec("expected", radius=2)), key_of(APSpec("index", k=100, denominator="min"))
        ('mAP_expected_at_radius=2', 'mAP_index_at_k=100_min')
    """
    cut = f"_at_radius={measure.radius}" if measure.radius is not None else f"_at_k={measure.k}" if measure.k else ""
    return f"mAP_{measure.ties}{cut}" + (f"_{measure.denominator}" if measure.denominator != DENOMINATOR else "")


def measure_of(key: str) -> APSpec | None:
    """Return the rules that a key states, or None for a key of something else.

    Example:
        >>> measure_of("mAP_worst_at_radius=2").radius
        2
        >>> measure_of("hparams")
    """
    match = _KEY.fullmatch(key)
    if not match:
        return None
    ties, k, radius, denominator = match.groups()
    return APSpec(ties, int(k) if k else None, int(radius) if radius else None, denominator or DENOMINATOR)


def further_numbers(result: Retrieval) -> dict[str, float]:
    """Return the metrics that always accompany the average precisions; a radius or k beyond the longest is the longest.

    Args:
        result: with the nDCG at ``NDCG_CUT``.
    """
    curves = result.curves
    within = {key: getattr(curves, name)[min(radius, len(curves.items) - 1)] for key, (name, radius) in WITHIN_RADIUS.items()}
    at = {key: curves.precision_at[np.searchsorted(curves.depths, min(k, curves.depths[-1]))] for key, k in AT_DEPTH.items()}
    return {key: float(value) for key, value in (within | at | {NDCG: result.ndcg[NDCG_CUT].mean()}).items()}


def metric_of(fold: str, measure: APSpec) -> str:
    """Return the name that a number has in MLflow.

    Args:
        fold: "query" or "val".
        measure: the rules.

    Example:
        >>> metric_of("query", APSpec("expected", radius=2)), metric_of("val", APSpec("index", k=100, denominator="min"))
        ('query_mAP_expected_at_radius_2', 'val_mAP_index_at_100_min')
    """
    return tracked_name(fold, key_of(measure))


def tracked_name(fold: str, key: str, direction: str = "") -> str:
    """Return the name that a number of a result file has in MLflow, which takes no equals signs.

    Example:
        >>> tracked_name("query", "nDCG_expected_at_k=1000"), tracked_name("query", "mAP_expected", "i2t")
        ('query_nDCG_expected_at_1000', 'query_mAP_expected_i2t')
    """
    return f"{fold}_{key}".replace("_at_k=", "_at_").replace("=", "_") + (f"_{direction}" if direction else "")


def tracked_numbers(fold: str, result: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a result file that go to MLflow, by their names there.

    Example:
        >>> tracked_numbers("val", {"mAP_index_at_k=1000": 0.5, "n_queries": 9})
        {'val_mAP_index_at_1000': 0.5}
    """
    blocks = {"": result} | blocks_of(result)
    return {
        tracked_name(fold, key, direction): value
        for direction, block in blocks.items()
        for key, value in block.items()
        if measure_of(key) or key in FURTHER
    }


def direction_of(metric: str) -> str:
    """Return the direction that a name in MLflow ends with; "" for none.

    Example:
        >>> direction_of("query_mAP_expected_at_1000_i2t"), direction_of("query_mAP_expected")
        ('i2t', '')
    """
    match = re.fullmatch(f".*_({DIRECTION})", metric)
    return match[1] if match else ""


def parse_metric(metric: str) -> tuple[str, APSpec]:
    """Return fold and rules of a number from its name in MLflow.

    Raises:
        UsageError: for a name that no number can have, proposing the nearest, and for worst or best where they are no bounds.

    Example:
        >>> fold, measure = parse_metric("query_mAP_index_at_100_min")
        >>> fold, measure.ties, measure.k, measure.denominator
        ('query', 'index', 100, 'min')
    """
    parsed = _parsed(metric)
    if any(metric == tracked_name(fold, key) for fold in FOLDS for key in FURTHER):
        raise UsageError(f"{metric} is no mean average precision, and runs are compared by those only, as {FOLDS[0]}_mAP_expected")
    if not parsed:
        guess = nearest(metric, [metric_of(fold, measure) for fold in FOLDS for measure in ALWAYS])
        raise UsageError(
            f"unknown metric {metric!r}{f': did you mean {guess!r}?' if guess else '.'} Write FOLD_mAP_TIES, FOLD being one of "
            f"{', '.join(FOLDS)} and TIES one of {', '.join(TIES)}; for a cut _at_1000 or _at_radius_2 behind it, and then _min or _all "
            f"for such a denominator; where runs have several views, a direction at the end (_i2t)"
        )
    fold, measure = parsed
    if measure.ties in BOUNDS and measure.k and measure.denominator == DENOMINATOR:
        raise UsageError(
            f"unknown metric {metric!r}: with a cut at k and the denominator {DENOMINATOR} the tie rule {measure.ties} is no bound; "
            f"write {metric}_min, {metric}_all, or {metric_of(fold, APSpec(measure.ties))} for the whole ranking"
        )
    return fold, measure


def is_metric(name: str) -> bool:
    """Return whether a name in MLflow is that of a mean average precision.

    Example:
        >>> is_metric("query_mAP_expected_at_1000"), is_metric("val_mAP")
        (True, False)
    """
    return _parsed(name) is not None


def options_of(measure: APSpec) -> str:
    """Return the options that make ``eval_map.py`` measure a number; none for one that is always made.

    Example:
        >>> options_of(APSpec("index", k=100, denominator="min")), options_of(APSpec("index", k=1000))
        (' -ties index -k 100 -denominator min', '')
        >>> options_of(APSpec("feature"))
        ', without -no_features'
    """
    if measure in ALWAYS:
        return ", without -no_features" if measure.ties == "feature" else ""
    usual = APSpec()
    options = {name: value for name, value in vars(measure).items() if value != getattr(usual, name)}
    return "".join(f" -{name} {value}" for name, value in options.items())


def words_of(metric: str) -> str:
    """Return what a number is, as people write it; a name that no number has stays as it is.

    Example:
        >>> words_of("query_mAP_expected_at_1000")
        'mAP@1000 of the query fold, tie rule expected'
        >>> words_of("val_mAP_index_at_radius_2")
        'mAP (Hamming radius 2) of the val fold, tie rule index'
    """
    parsed = _parsed(metric)
    if not parsed:
        return metric
    fold, measure = parsed
    cut = f"@{measure.k}" if measure.k else f" (Hamming radius {measure.radius})" if measure.radius is not None else ""
    direction = direction_of(metric)
    return f"mAP{cut} of the {fold} fold, tie rule {measure.ties}" + (f", {direction}" if direction else "")


def describe_denominator(measure: APSpec) -> str:
    """Return what an average precision is divided by, in words.

    Example:
        >>> describe_denominator(APSpec(k=1000)), describe_denominator(APSpec(radius=2, denominator="all"))
        ('relevant items among the first k (retrieved)', 'relevant items in the database (all)')
    """
    inside = "within the radius" if measure.radius is not None else "among the first k"
    words = {
        "retrieved": f"relevant items {inside}",
        "min": f"items {inside} or relevant items in the database, whichever are fewer",
        "all": "relevant items in the database",
    }
    return f"{words[measure.denominator]} ({measure.denominator})"


def _parsed(metric: str) -> tuple[str, APSpec] | None:
    """Return fold and rules of a name in MLflow, be it with a direction or without; None for another name or another spelling."""
    direction = direction_of(metric)
    metric = metric.removesuffix(f"_{direction}") if direction else metric
    fold, _, name = metric.partition("_")
    measure = measure_of(re.sub(r"_at_(?=\d)", "_at_k=", name).replace("_at_radius_", "_at_radius="))
    if fold not in FOLDS or measure is None or metric_of(fold, measure) != metric:
        return None
    whole = measure.k is None and measure.radius is None
    return None if whole and measure.denominator != DENOMINATOR else (fold, measure)  # over all of it every denominator is the same


def requested_measures(
    ties: Sequence[str] = (), cuts: Sequence[int] = (), radii: Sequence[int] = (), denominators: Sequence[str] = ()
) -> list[APSpec]:
    """Return every combination of tie rule, cut and denominator that is requested; none if nothing is.

    Args:
        ties: tie rules; none for "expected".
        cuts: how many items count, one number per cut.
        radii: the Hamming distances within which items count; without cuts and radii the cuts that are always made.
        denominators: denominators; none for "retrieved". Over the whole ranking all denominators are the same.

    Raises:
        UsageError: for a rule or cut that does not exist, and for worst or best where they would be no bounds.

    Example:
        >>> [key_of(measure) for measure in requested_measures(ties=["index"], cuts=[10], radii=[2])]
        ['mAP_index_at_k=10', 'mAP_index_at_radius=2']
        >>> [key_of(measure) for measure in requested_measures(denominators=["min"])]
        ['mAP_expected', 'mAP_expected_at_k=1000_min', 'mAP_expected_at_k=5000_min']
    """
    if not (ties or cuts or radii or denominators):
        return []
    has_cuts = bool(cuts or radii)
    specs = []
    for denominator in denominators or (DENOMINATOR,):
        for rule in ties or CUT_RULES[:1]:
            bounds = rule in BOUNDS and denominator == DENOMINATOR
            if bounds and cuts:
                raise UsageError(
                    f"with a cut at k and the denominator {DENOMINATOR} the tie rule {rule} is no bound, since a hit more can lower that "
                    f"number: add -denominator min (or all), or leave out {rule} or -k"
                )
            ks = [*cuts] if has_cuts else [None] if bounds else [*CUTS]
            specs += [APSpec(rule, k=k, denominator=denominator) for k in ks]
            specs += [APSpec(rule, radius=radius, denominator=denominator) for radius in radii]
    return unique(APSpec(m.ties) if m.k is None and m.radius is None else m for m in specs)


def unique(measures: Iterable[APSpec]) -> list[APSpec]:
    """Return measures in their order, each once."""
    return list(dict.fromkeys(measures))
