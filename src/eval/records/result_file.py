"""The result file of a fold: what is to stand in it, and whether the one in place is still right."""

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
    """What is to stand in the result file of a fold.

    Args:
        known: what stands there now; nothing where there is no file, or a damaged one.
        facts: where the numbers would come from.
        measures: the average precisions.
        drawn: whether figures are to lie beside it.
    """

    known: Mapping[str, Any]
    facts: Mapping[str, Any]
    measures: Sequence[APSpec]
    drawn: bool


def check_asked(asked: Sequence[APSpec], no_features: bool) -> None:
    """Refuse what could not be measured.

    Raises:
        UsageError: for the tie rule "feature" without features.

    Example:
        >>> check_asked([APSpec("feature")], no_features=True)
        Traceback (most recent call last):
            ...
        biodeephashing.errors.UsageError: the tie rule feature needs the features, and -no_features leaves them unread: ...
    """
    if no_features and any(measure.ties == "feature" for measure in asked):
        raise UsageError("the tie rule feature needs the features, and -no_features leaves them unread: leave out one of the two")


def want(codes: RunCodes, fold: str, asked: Sequence[APSpec], *, plots: bool, no_features: bool) -> EvaluationPlan:
    """Return what is to be measured: what always is, what the result in place already holds, and what is asked for now."""
    known = _in_place(codes, fold)
    measures = unique([*ALWAYS, *(measure for key in known if (measure := measure_of(key))), *asked])
    if no_features:
        measures = [measure for measure in measures if measure.ties != "feature"]
    return EvaluationPlan(known, codes.facts(fold), measures, plots or bool(known.get("pictures")))


def is_current(wanted: EvaluationPlan, codes: RunCodes, fold: str) -> bool:
    """Return whether the result in place came from the same files and holds everything wanted."""
    known, pictures = wanted.known, wanted.known.get("pictures", [])
    if wanted.drawn and not (pictures and all((codes.run.evaluation / name).is_file() for name in pictures)):
        return False
    if any(known.get(key) != wanted.facts[key] for key in ("codes_sha256", "metadata_sha256")):
        return False
    # a result with features serves one without, as long as these are those of the codes
    if known.get("features_sha256") not in (wanted.facts["features_sha256"], codes.recorded_features(fold)):
        return False
    blocks = blocks_of(known)
    stated = (*_STATED, *map(key_of, wanted.measures))
    return "pictures" in known and {*blocks} == {*codes.directions} and all(key in block for block in blocks.values() for key in stated)


def _in_place(codes: RunCodes, fold: str) -> dict[str, Any]:
    """Return the result on disk; a damaged one counts as none and is made again."""
    try:
        return read_result(codes.run.evaluation_file(fold))
    except RunError:
        return {}
