"""ADSH: a network learns codes of sampled images, and the codes of all training images are solved for."""

from .settings import Settings

__all__ = ["Settings"]
