"""One evaluated run, as comparisons take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...runs.alignment_csv import LayerCurves
from ...runs.retrieval_csv import RetrievalCurves
from ..significance.over_seeds import FROZEN

Curve = Sequence[tuple[int, float]]
MODEL, BITS = "model", "number_of_bits"  # settings; the first, the method, is there where a comparison has several
NO_RULE = "—"  # the rule of a method that has none
# settings that mean nothing to a frozen backbone, through which no error travels
IDLE = ("fixed_norm", "train_only", "scale", "rule_constants")
_FREEZE, _TWO_TOWERS = "freeze", "text_architecture"


@dataclass(frozen=True)
class RunRecord:
    """One evaluated run.

    Args:
        rule: its learning rule, :data:`NO_RULE`, or :data:`~biodeephashing.eval.significance.FROZEN`.
        seed: its seed.
        settings: what must be equal for two runs to be of one group; the method among it where there are several.
        split: the split it was evaluated on, in words.
        metrics: its metrics.
        curves: its training curves, (epoch, value).
        alignment: the curves of its layers, (epochs trained, value), by quantity and layer; empty where nothing was measured.
        retrieval: its precision and recall at every radius and depth; None where nobody asked for them.
    """

    rule: str
    seed: int
    settings: Mapping[str, str]
    split: str
    metrics: Mapping[str, float]
    curves: Mapping[str, Curve]
    alignment: LayerCurves = field(default_factory=dict)
    retrieval: RetrievalCurves | None = None


def rule_and_settings(rule: str, settings: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return rule and settings as a record has them: the rule of a frozen run is that it is frozen, and idle settings go.

    Of two towers only that of the images can be frozen, and the other one learns by a rule: such a run keeps all of its settings.

    Args:
        rule: the rule that the run was given.
        settings: the other settings that tell it from other runs.

    Example:
        >>> rule_and_settings("fa", {"loss": "DCH", "freeze": "True", "fixed_norm": "False"})
        ('frozen', {'loss': 'DCH'})
        >>> rule_and_settings("fa", {"loss": "DCH", "freeze": "False", "fixed_norm": "False"})
        ('fa', {'loss': 'DCH', 'fixed_norm': 'False'})
    """
    if _TWO_TOWERS in settings:
        return rule, dict(settings)
    frozen = settings.get(_FREEZE) == "True"
    idle = (_FREEZE, *IDLE) if frozen else (_FREEZE,)
    return FROZEN if frozen else rule, {name: value for name, value in settings.items() if name not in idle}
