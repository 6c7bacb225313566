"""What is known to go wrong with a network's first weights, in a sentence each, before the first epoch."""

from __future__ import annotations

import math

from ..backbones import weights_choice
from ..settings import TrainingSettings
from ..settings.rule_maps import parse_rule_map, rules_named

FROZEN, SIGNS = 0.648, 0.735  # query mAP of EfficientNet-lite0 on cifar10-small by CSQ: its backbone frozen, and all of it learning by usf
# Of rules that ended below a frozen backbone: the lowest -lr from which they did, and where they ended (docs/which_rule.md).
_ENDED = {
    "fa": (0.0, "0.598 at 3e-5, its best rate"),
    "dfa": (0.0, "0.624 at 1e-4, its best rate"),
    "kp": (0.0, "0.591 at 3e-5, its best rate"),
    "drtp": (0.0, "0.397 at 1e-5, its best rate"),
    "frsf": (1e-4, "0.638 at 1e-4 with one seed"),
    "brsf": (1e-4, "0.617 at 1e-4 with one seed"),
}


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
    rule = _most_layers(settings.mode)
    lowest, ended = _ENDED.get(rule, (math.inf, ""))
    if settings.learning_rate < lowest:
        return []
    return [
        f"-mode {settings.mode} at -lr {settings.learning_rate:g} can make pretrained features worse than -freeze leaves them: on 2,000 "
        f"images of CIFAR-10 and by {rule} EfficientNet-lite0 ended at mAP {ended}, frozen at {FROZEN}, and by usf at 3e-5 at {SIGNS} "
        f"(docs/which_rule.md)"
    ]


def _most_layers(mode: str) -> str:
    """Return the rule of all layers of a backbone that nothing else is said of."""
    if "=" in mode:
        return parse_rule_map(mode).get("*", "bp")
    return "bp" if mode.startswith("classifier-only:") else rules_named(mode)[0]
