"""Backbones for texts: bags of words in, features out; :func:`build_text_network` puts the hash layer on top."""

from . import linear, mlp
from ._base import TEXT_BACKBONES, build_text_network

__all__ = ["TEXT_BACKBONES", "build_text_network", "linear", "mlp"]
