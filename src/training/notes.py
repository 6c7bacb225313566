"""What is known to go wrong with a network's first weights, in a sentence each, before the first epoch."""

from __future__ import annotations

from ..backbones import weights_choice
from ..settings import TrainingSettings
from ..settings.rule_maps import rules_named

FROZEN, SIGNS = 0.645, 0.739  # query mAP of EfficientNet-lite0 on cifar10-small: its backbone frozen, and all of it learning by usf
# Of rules that ended below a frozen backbone: the lowest -lr from which they did, and what they reached there (docs/which_rule.md).
_MEASURED = {"fa": (1e-5, 0.575), "dfa": (1e-5, 0.575), "kp": (1e-5, 0.600), "frsf": (1e-4, 0.638), "brsf": (1e-4, 0.617)}
_LIKEWISE = {"drtp": "dfa"}  # its feedback is random and does not follow the weights either


def notes_of(settings: TrainingSettings) -> list[str]:
    """Return what is known of rule, rate and batch norm with the weights that a network begins with.

    Args:
        settings: the settings of a training, or of one tower.

    Example:
        >>> (note,) = notes_of(TrainingSettings(architecture="bio-resnet18", mode="fa", learning_rate=3e-5))
        >>> note.partition(":")[0]
        '-mode fa at -lr 3e-05 can make pretrained features worse than -freeze leaves them'
    """
    if settings.takes_features:
        return []
    if weights_choice(settings.backbone, settings.weights) == "none":
        return ["-fixed_norm keeps mean 0 and variance 1 of fresh batch norm, which then never normalises"] if settings.fixed_norm else []
    if not settings.is_bio or settings.freeze or settings.train_only:
        return []
    measured = {rule: _MEASURED.get(_LIKEWISE.get(rule, rule)) for rule in rules_named(settings.mode)}
    return [_note(rule, settings.learning_rate, *case) for rule, case in measured.items() if case and settings.learning_rate >= case[0]]


def _note(rule: str, rate: float, measured_at: float, score: float) -> str:
    return (
        f"-mode {rule} at -lr {rate:g} can make pretrained features worse than -freeze leaves them: at {measured_at:g} EfficientNet-lite0 "
        f"ended at mAP {score:.3f}, frozen at {FROZEN:.3f}, and by usf at 3e-5 at {SIGNS:.3f} (docs/which_rule.md)"
    )
