"""What every backbone for rows of numbers is, and the network for texts that is made of it."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ...errors import UsageError
from ...registry import Registry
from .._network import HashNetwork, hash_network

# An entry takes the width of a row, d (words of the vocabulary, or columns of ready features), and what stands behind the colon
# of its name; its module maps rows (B, d) to features (B, D) and carries D as num_features.
TEXT_BACKBONES: Registry[Callable[[int, str], nn.Module]] = Registry("text backbone")


def build_text_network(name: str, *, words: int, bits: int, fusion: int | None = None) -> HashNetwork:
    """Build a backbone for texts with a new hash layer on top.

    Args:
        name: a name in :data:`TEXT_BACKBONES`, with what it takes behind a colon ("mlp:2048,512").
        words: d, words of the vocabulary.
        bits: length of a code.
        fusion: number of stages whose codes are fused, counted from the last, 0 for all; None for none.

    Raises:
        UnknownNameError: for a name that is not known.
        UsageError: for something behind the colon that the backbone does not take, or stages that it does not give.

    Example:
        >>> import torch
        >>> build_text_network("mlp:8", words=5, bits=4)(torch.zeros(2, 5)).shape
        torch.Size([2, 4])
    """
    kind, _, options = name.partition(":")
    return hash_network(TEXT_BACKBONES[kind](words, options), name, bits=bits, fusion=fusion)


def check_no_options(name: str, options: str) -> None:
    """Refuse what stands behind the colon of a network that takes nothing there.

    Raises:
        UsageError: if there is something.
    """
    if options:
        raise UsageError(f"{name}:{options}: {name} takes nothing behind a colon")
