"""The result file of a fold: its planned content, and whether the existing file is current."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import RunError, UsageError
from ...runs.result_json import read_result
from ..metrics.spec import APSpec
from .directions import blocks_of
from .metric_names import ALWAYS, FURTHER, key_of, measure_of, unique
from .run_codes import RunCodes

_STATED = ("code_health", "bootstrap", *FURTHER)


@dataclass(frozen=True)
class EvaluationPlan:
    """The planned content of a fold's result file.

    Args:
        known: its present content; empty if the file is missing or damaged.
        facts: the sources of the metrics.
        measures: the average precisions.
        drawn: whether figures are to lie beside it.
    """

    known: Mapping[str, Any]
    facts: Mapping[str, Any]
    measures: Sequence[APSpec]
    drawn: bool


def check_requested(requested: Sequence[APSpec], no_features: bool) -> None:
    """Refuse a tie rule that cannot be applied.

    Raises:
        UsageError: for the tie rule "feature" without features.

    Example:
        >>> check_requested([APSpec("feature")], no_features=True)
        Traceback (most recent call last):
            ...
        biodeephashing.errors.UsageError: the tie rule feature needs the features, and -no_features leaves them unread: ...
    """
    if no_features and any(measure.ties == "feature" for measure in requested):
        raise UsageError("the tie rule feature needs the features, and -no_features leaves them unread: leave out one of the two")


def want(codes: RunCodes, fold: str, requested: Sequence[APSpec], *, plots: bool, no_features: bool) -> EvaluationPlan:
    """Return the plan: the metrics that are always computed, those of the existing result, and the requested ones."""
    known = _existing(codes, fold)
    measures = unique([*ALWAYS, *(measure for key in known if (measure := measure_of(key))), *requested])
    if no_features:
        measures = [measure for measure in measures if measure.ties != "feature"]
    return EvaluationPlan(known, codes.facts(fold), measures, plots or bool(known.get("pictures")))


def is_current(plan: EvaluationPlan, codes: RunCodes, fold: str) -> bool:
    """Return whether the result in place came from the same files and holds everything plan."""
    known, pictures = plan.known, plan.known.get("pictures", [])
    if plan.drawn and not (pictures and all((codes.run.evaluation / name).is_file() for name in pictures)):
        return False
    if any(known.get(key) != plan.facts[key] for key in ("codes_sha256", "metadata_sha256")):
        return False
    # a result with features serves one without, as long as these are those of the codes
    if known.get("features_sha256") not in (plan.facts["features_sha256"], codes.recorded_features(fold)):
        return False
    blocks = blocks_of(known)
    stated = (*_STATED, *map(key_of, plan.measures))
    return "pictures" in known and {*blocks} == {*codes.directions} and all(key in block for block in blocks.values() for key in stated)


def _existing(codes: RunCodes, fold: str) -> dict[str, Any]:
    """Return the result on disk; a damaged one counts as missing and is computed again."""
    try:
        return read_result(codes.run.evaluation_file(fold))
    except RunError:
        return {}
