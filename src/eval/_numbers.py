"""Which numbers stand in a result file, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import UsageError
from .average_precision import DENOMINATORS, TIES, Measure
from .one_pass import Retrieval

CUTS = (None, 1000, 5000)
CUT_RULES = ("expected", "index", "feature")
BOUNDS = ("worst", "best")
DENOMINATOR = "retrieved"
COMPATIBLE = "feature"
ALWAYS = (*(Measure(ties, k=k) for ties in CUT_RULES for k in CUTS), *(Measure(ties) for ties in BOUNDS))

WITHIN_RADIUS = {f"{name}_at_radius=2": (name, 2) for name in ("precision", "recall", "nonempty")}  # no tie rule: none changes them
AT_DEPTH = {f"precision_expected_at_k={k}": k for k in (100, 1000)}
GAIN_CUT = 1000
GAIN = f"nDCG_expected_at_k={GAIN_CUT}"
FURTHER = (*WITHIN_RADIUS, *AT_DEPTH, GAIN)

_KEY = re.compile(rf"mAP_({'|'.join(TIES)})(?:_at_k=([1-9]\d*)|_at_radius=(\d+))?(?:_({'|'.join(DENOMINATORS)}))?")


def compatible_key(k: int | None) -> str:
    """Return the key that older tools know.

    Example:
        >>> compatible_key(None), compatible_key(1000)
        ('mAP', 'mAP_at_k=1000')
    """
    return f"mAP_at_k={k}" if k else "mAP"


def key_of(measure: Measure) -> str:
    """Return the key of a number, which states every rule but the divisor "retrieved".

    Example:
        >>> key_of(Measure("expected", radius=2)), key_of(Measure("index", k=100, denominator="min"))
        ('mAP_expected_at_radius=2', 'mAP_index_at_k=100_min')
    """
    cut = f"_at_radius={measure.radius}" if measure.radius is not None else f"_at_k={measure.k}" if measure.k else ""
    return f"mAP_{measure.ties}{cut}" + (f"_{measure.denominator}" if measure.denominator != DENOMINATOR else "")


def measure_of(key: str) -> Measure | None:
    """Return the rules that a key states, or None for a key of something else.

    Example:
        >>> measure_of("mAP_worst_at_radius=2").radius
        2
        >>> measure_of("hparams")
    """
    found = _KEY.fullmatch(key)
    if not found:
        return None
    ties, k, radius, denominator = found.groups()
    return Measure(ties, int(k) if k else None, int(radius) if radius else None, denominator or DENOMINATOR)


def further_numbers(found: Retrieval) -> dict[str, float]:
    """Return the numbers that always stand beside the average precisions; a radius or k beyond the longest is the longest.

    Args:
        found: with the nDCG at ``GAIN_CUT``.
    """
    curves = found.curves
    within = {key: getattr(curves, name)[min(radius, len(curves.items) - 1)] for key, (name, radius) in WITHIN_RADIUS.items()}
    at = {key: curves.precision_at[np.searchsorted(curves.depths, min(k, curves.depths[-1]))] for key, k in AT_DEPTH.items()}
    return {key: float(value) for key, value in (within | at | {GAIN: found.ndcg[GAIN_CUT].mean()}).items()}


def asked_measures(
    ties: Sequence[str] = (), cuts: Sequence[int] = (), radii: Sequence[int] = (), denominators: Sequence[str] = ()
) -> list[Measure]:
    """Return every combination of tie rule, cut and divisor that is asked for; none where nothing is.

    Args:
        ties: tie rules; none for "expected".
        cuts: how many items count, one number per cut.
        radii: the Hamming distances within which items count; without cuts and radii the cuts that are always made.
        denominators: divisors; none for "retrieved". Over the whole ranking all divisors are the same.

    Raises:
        UsageError: for a rule or cut that does not exist, or bounds that would be none.

    Example:
        >>> [key_of(measure) for measure in asked_measures(ties=["index"], cuts=[10], radii=[2])]
        ['mAP_index_at_k=10', 'mAP_index_at_radius=2']
        >>> [key_of(measure) for measure in asked_measures(denominators=["min"])]
        ['mAP_expected', 'mAP_expected_at_k=1000_min', 'mAP_expected_at_k=5000_min']
    """
    if not (ties or cuts or radii or denominators):
        return []
    given = bool(cuts or radii)
    found = []
    for denominator in denominators or (DENOMINATOR,):
        for rule in ties or CUT_RULES[:1]:
            bounds = rule in BOUNDS and denominator == DENOMINATOR
            if bounds and cuts:
                raise UsageError(
                    f"with a cut at k and the divisor {DENOMINATOR} the tie rule {rule} is no bound, since a hit more can lower that "
                    f"number: add -denominator min (or all), or leave out {rule} or -k"
                )
            ks = [*cuts] if given else [None] if bounds else [*CUTS]
            found += [Measure(rule, k=k, denominator=denominator) for k in ks]
            found += [Measure(rule, radius=radius, denominator=denominator) for radius in radii]
    return unique(Measure(m.ties) if m.k is None and m.radius is None else m for m in found)


def unique(measures: Iterable[Measure]) -> list[Measure]:
    """Return measures in their order, each once."""
    return list(dict.fromkeys(measures))
