"""Backbones for rows of numbers, bags of words or ready features: rows in, features out; :func:`build_text_network` adds the hash layer."""

from . import linear, mlp, ms, ms_residual
from ._base import TEXT_BACKBONES, build_text_network

__all__ = ["TEXT_BACKBONES", "build_text_network", "linear", "mlp", "ms", "ms_residual"]
