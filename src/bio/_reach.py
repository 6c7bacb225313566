"""Does the rule act at all: layers whose weights are used behind their backs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..errors import RuleError
from ._layers import RuledLayer, in_words


def check_reach(module: nn.Module, *inputs: Any) -> None:
    """Run one batch through a network and raise where a converted layer was never called.

    Some networks take a layer's weight and multiply by it themselves (torchvision's Swin and timm's BEiT do so in their attention).
    Its gradients are then backpropagation's whatever its rule says, and nothing else would tell. Parameters, running statistics
    and random generators are left as they were.

    Args:
        module: a converted network, in the mode (train or eval) it is to be checked in.
        inputs: what a forward pass takes.

    Raises:
        RuleError: naming the layers that were not met.

    Example:
        >>> from biodeephashing.bio import apply_rule
        >>> check_reach(apply_rule(nn.Sequential(nn.Linear(3, 2)), "fa"), torch.zeros(1, 3))
    """
    layers = {part: name for name, part in module.named_modules() if isinstance(part, RuledLayer)}
    if not layers:
        raise RuleError(f"{type(module).__name__} holds no layer that learns by a rule: apply_rule() first")
    met: set[nn.Module] = set()
    hooks = [layer.register_forward_pre_hook(lambda layer, _: met.add(layer)) for layer in layers]
    feedback = {id(layer._feedback_matrix) for layer in layers}
    statistics = [(buffer, buffer.clone()) for buffer in module.buffers() if id(buffer) not in feedback]
    try:
        with torch.no_grad(), torch.random.fork_rng():
            module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        with torch.no_grad():
            for buffer, value in statistics:
                buffer.copy_(value)
    missed = [in_words(name, layer) for layer, name in layers.items() if layer not in met]
    if missed:
        raise RuleError(
            f"the forward pass of {type(module).__name__} never calls {len(missed)} of its {len(layers)} converted layers, so their rule "
            f"would not act: {', '.join(missed[:5])}{', ...' if len(missed) > 5 else ''}. Remove the layers, or the rule from them"
        )
