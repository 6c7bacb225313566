"""Does the rule act at all: layers whose weights are used behind their backs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..errors import RuleError
from ._broadcast import LOOKING_ON
from ._kinds import in_words, plain_name, sites
from ._sites import Site


def check_reach(module: nn.Module, *inputs: Any) -> None:
    """Run one batch through a network and raise where a converted layer was never called.

    Some networks take a layer's weight and multiply by it themselves. Where their code says so in plain words (torchvision's Swin and
    timm's BEiT do, in their attention) the rule acts all the same; where it does not, the gradients are backpropagation's whatever the
    rule says, and nothing else would tell. Parameters, running statistics and random generators are left as they were.

    Args:
        module: a converted network, in the mode (train or eval) it is to be checked in.
        inputs: what a forward pass takes.

    Raises:
        RuleError: naming the layers that were not met.

    Example:
        >>> from biodeephashing.bio import apply_rule
        >>> check_reach(apply_rule(nn.Sequential(nn.Linear(3, 2)), "fa"), torch.zeros(1, 3))
    """
    found = sites(module)
    if not found:
        raise RuleError(f"{plain_name(module)} holds no layer that learns by a rule: apply_rule() first")
    statistics = [(buffer, buffer.clone()) for name, buffer in module.named_buffers() if "_feedback" not in name]
    devices = {site.weight.device for site in found.values() if site.weight.device.type == "cuda"}
    met: list[Site] = []
    LOOKING_ON.append(met)
    try:
        with torch.enable_grad(), torch.random.fork_rng(devices):
            module(*inputs)
    finally:
        LOOKING_ON.remove(met)
        with torch.no_grad():
            for buffer, value in statistics:
                buffer.copy_(value)
    missed = [name for name, site in found.items() if site not in met]
    if missed:
        words = [f"{in_words(n, s.layer)} {tuple(s.weight.shape)} by rule {s.rule.name!r}" for n, s in found.items() if n in missed[:5]]
        raise RuleError(
            f"the forward pass of {plain_name(module)} never calls {len(missed)} of its {len(found)} converted layers, so their rule "
            f"would not act: {', '.join(words)}{', ...' if len(missed) > 5 else ''}. Remove the layers, or the rule from them"
        )
