"""What every backbone for rows of numbers is, and the network for texts that is made of it."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ...registry import Registry
from .._network import HashNetwork

# An entry takes the width of a row, d (words of the vocabulary, or columns of ready features), and what stands behind the colon
# of its name; its module maps rows (B, d) to features (B, D) and carries D as num_features.
TEXT_BACKBONES: Registry[Callable[[int, str], nn.Module]] = Registry("text backbone")


def build_text_network(name: str, *, words: int, bits: int) -> HashNetwork:
    """Build a backbone for texts with a new hash layer on top.

    Args:
        name: a name in :data:`TEXT_BACKBONES`, with what it takes behind a colon ("mlp:2048,512").
        words: d, words of the vocabulary.
        bits: length of a code.

    Raises:
        UnknownNameError: for a name that is not known.
        UsageError: for something behind the colon that the backbone does not take.

    Example:
        >>> import torch
        >>> build_text_network("mlp:8", words=5, bits=4)(torch.zeros(2, 5)).shape
        torch.Size([2, 4])
    """
    kind, _, options = name.partition(":")
    return HashNetwork(TEXT_BACKBONES[kind](words, options), bits)
