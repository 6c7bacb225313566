"""Binary codes: packing and Hamming distance here; codebooks, rotations, memory banks, solvers and closed forms in the modules below.

Only what needs no PyTorch is imported here, so that an evaluation starts without it.
"""

from .packing import binarise, hamming, pack, unpack

__all__ = ["binarise", "hamming", "pack", "unpack"]
