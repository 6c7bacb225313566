"""What codes may be given as: packed bytes, rows of ±1 or 0/1, or features whose signs are the codes; arrays or tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...codes import pack
from ...errors import BioDeepHashingError
from .pair_checks import Codes

if TYPE_CHECKING:
    import torch

Array: TypeAlias = "NDArray[Any] | torch.Tensor"
Features = tuple[NDArray[Any], NDArray[Any]]

_SIGNS, _ZERO_ONE, _EITHER, _FEATURES = "±1", "0/1", "ones alone", "features"


class Packed(NamedTuple):
    """Codes of queries and database as packed bytes.

    Args:
        codes: uint8 (queries, bytes) and (database, bytes).
        bits: length of a code; None for all bits of the bytes.
        features: what the codes are the signs of; None where codes were given.
    """

    codes: tuple[Codes, Codes]
    bits: int | None
    features: Features | None


def as_array(what: str, values: object) -> NDArray[Any]:
    """Return an array as it is, and a tensor as an array.

    Raises:
        BioDeepHashingError: for anything else, such as a list.

    Example:
        >>> import torch
        >>> as_array("query codes", torch.ones(1, 2, dtype=torch.bfloat16)).tolist()
        [[1.0, 1.0]]
    """
    if isinstance(values, np.ndarray):
        return values
    if not hasattr(values, "detach"):  # what tensors have; importing torch to ask would take seconds
        raise BioDeepHashingError(f"the {what} must be a NumPy array or a tensor, not a {type(values).__name__}: numpy.asarray makes one")
    tensor: Any = values.detach().cpu()
    try:
        return np.asarray(tensor.numpy())
    except TypeError:  # NumPy has no bfloat16
        return np.asarray(tensor.float().numpy())


def packed(queries: NDArray[Any], database: NDArray[Any], bits: int | None) -> Packed:
    """Return the codes of both sides as packed bytes, whatever they are given as.

    ``uint8`` is packed bytes, unless ``bits`` is the number of columns and more than 1. All other types are rows with a
    column per bit: truth values, ±1, 0/1, or features, of which 0 counts as +1.

    Raises:
        BioDeepHashingError: for sides that are written in different ways, whole numbers other than ±1 and 0/1, features none of which
            is negative, and rows that do not have a column per bit.

    Example:
        >>> packed(np.array([[1, -1, 1]]), np.array([[-1, -1, 1]]), None).codes[0].tolist()
        [[160]]
    """
    sides = {"query": queries, "database": database}
    for side, values in sides.items():
        if values.ndim != 2 or values.shape[1] == 0:
            raise BioDeepHashingError(f"the {side} codes must be (items, bytes) or (items, bits), not {values.shape}")
        if len(values) == 0:
            raise BioDeepHashingError(f"the {side} is empty: nothing can be ranked")
    as_bytes = [_is_packed(values, bits) for values in sides.values()]
    if all(as_bytes):
        return Packed((queries, database), bits, None)
    if any(as_bytes):
        raise BioDeepHashingError(
            f"uint8 codes are packed bytes, and others have a column per bit: write both in the same way, not as "
            f"{queries.dtype} {queries.shape} and {database.dtype} {database.shape}"
        )
    kinds = [_kind_of(side, values) for side, values in sides.items()]
    _check_alike(sides, kinds, bits)
    own, items = (np.packbits(v != 0, axis=1) if kind == _ZERO_ONE else pack(v) for v, kind in zip(sides.values(), kinds, strict=True))
    real = _FEATURES in kinds and _SIGNS not in kinds
    return Packed((own, items), queries.shape[1], (queries, database) if real else None)


def _is_packed(values: NDArray[Any], bits: int | None) -> bool:
    return values.dtype == np.uint8 and (bits is None or bits == 1 or values.shape[1] != bits)


def _kind_of(side: str, values: NDArray[Any]) -> str:
    """Return how the rows of a side are written."""
    if values.dtype == bool:
        return _ZERO_ONE
    ones, zeros = values == 1, values == 0
    if ones.all():
        return _EITHER
    if (ones | zeros).all():
        return _ZERO_ONE
    if (ones | (values == -1)).all():
        return _SIGNS
    if values.dtype.kind != "f":
        raise BioDeepHashingError(
            f"the {side} codes hold {values.dtype} from {values.min()} to {values.max()}: give ±1, 0/1, packed bytes (uint8), or features"
        )
    return _FEATURES


def _check_alike(sides: dict[str, NDArray[Any]], kinds: list[str], bits: int | None) -> None:
    """Refuse rows of different length, a 0 that would be -1 on one side and +1 on the other, and features without a sign."""
    for side, values in sides.items():
        if bits is not None and values.shape[1] != bits:
            raise BioDeepHashingError(f"the {side} codes {values.shape} have {values.shape[1]} columns, not one for each of {bits} bits")
    if _ZERO_ONE in kinds and (_SIGNS in kinds or _FEATURES in kinds):
        raise BioDeepHashingError(f"the query codes are {kinds[0]}, the database codes {kinds[1]}: write both in the same way")
    if _FEATURES in kinds and min(values.min() for values in sides.values()) >= 0:
        raise BioDeepHashingError("no feature is below 0, so every bit would be +1: subtract the threshold first (0.5 after a sigmoid)")


def checked_features(features: tuple[Array, Array], queries: int, database: int) -> Features:
    """Return the features of queries and database as arrays.

    Raises:
        BioDeepHashingError: if they are not (queries, bits) and (database, bits).
    """
    own, items = as_array("query features", features[0]), as_array("database features", features[1])
    needed = f"({queries}, bits) and ({database}, bits)"
    shapes = f"features of shape {own.shape} and {items.shape}"
    if own.ndim != 2 or items.ndim != 2 or (len(own), len(items)) != (queries, database):
        raise BioDeepHashingError(f"{shapes} do not belong to these codes: {needed} are needed")
    if own.shape[1] != items.shape[1]:
        raise BioDeepHashingError(f"{shapes} are of different width: {needed} are needed")
    return own, items
