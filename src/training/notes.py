"""What is known to go wrong with a network's first weights, in a sentence each, before the first epoch."""

from __future__ import annotations

from ..backbones import weights_choice
from ..settings import TrainingSettings
from ..settings.rule_maps import rules_named

USABLE_RATE = 1e-4  # of the backbone, under rules with a random error
# Query mAP of EfficientNet-lite0, all of which learns on CIFAR-10 at -lr 3e-4, by rule and whether batch norm keeps its statistics.
_MEASURED = {("fa", True): 0.108, ("fa", False): 0.462, ("frsf", True): 0.310}
_LIKEWISE = {"dfa": "fa", "drtp": "fa"}  # their feedback is random and does not follow the weights either


def notes_of(settings: TrainingSettings) -> list[str]:
    """Return what is known of rule, rate and batch norm with the weights that a network begins with.

    Args:
        settings: the settings of a training, or of one tower.

    Example:
        >>> (note,) = notes_of(TrainingSettings(architecture="bio-resnet18", mode="fa", learning_rate=3e-4))
        >>> note.partition(":")[0]
        '-mode fa at -lr 0.0003 can destroy pretrained features'
    """
    if settings.takes_features:
        return []
    if weights_choice(settings.backbone, settings.weights) == "none":
        return ["-fixed_norm keeps mean 0 and variance 1 of fresh batch norm, which then never normalises"] if settings.fixed_norm else []
    if not settings.is_bio or settings.freeze or settings.learning_rate <= USABLE_RATE:
        return []
    measured = {rule: (_LIKEWISE.get(rule, rule), settings.fixed_norm) for rule in rules_named(settings.mode)}
    return [_note(rule, *case, settings.learning_rate) for rule, case in measured.items() if case in _MEASURED]


def _note(rule: str, measured: str, fixed: bool, rate: float) -> str:
    how, score = f"{measured} at -lr 0.0003{' with -fixed_norm' if fixed else ''}", _MEASURED[measured, fixed]
    return (
        f"-mode {rule} at -lr {rate:g} can destroy pretrained features: EfficientNet-lite0 that learned by {how} ended at mAP {score:.3f} "
        f"on CIFAR-10 (frozen 0.608, random codes 0.10); try -lr {USABLE_RATE:g} or less, or -freeze"
    )
