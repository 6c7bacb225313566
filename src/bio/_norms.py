"""Holding the norm of every weight where it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RuleError
from ._conversions import candidates
from ._wrappers import innermost


class NormConstraint:
    r"""Gives every linear map of a network its former norm back after each step, in place.

    .. math:: W \leftarrow W\, \frac{\lVert W_0 \rVert}{\lVert W \rVert}

    with Frobenius norms. With sign-concordant and random feedback, whose size does not follow the weights, growing weights
    would leave the feedback behind. Works on networks with and without rules. It touches W alone: a feedback that takes W's steps
    (``kp``) does not take this one, and keeps a distance.

    Reference:
        *Feedback alignment in deep convolutional networks*, T. H. Moskovitz, A. Litwin-Kumar, L. F. Abbott, 2018, arXiv:1812.06488.

    Args:
        network: the network; its norms now are the ones held.
        optimizer: after whose steps to act, or a wrapper around it; None to call :meth:`apply` oneself.

    Raises:
        RuleError: when the network has no linear map, or one without weights of positive finite norm; when there is no optimizer to find.

    Example:
        >>> layer = nn.Linear(4, 2)
        >>> optimizer = torch.optim.SGD(layer.parameters(), lr=10.0)
        >>> constraint, before = NormConstraint(layer, optimizer), layer.weight.norm()
        >>> layer(torch.ones(1, 4)).sum().backward()
        >>> optimizer.step()
        >>> bool(torch.isclose(layer.weight.norm(), before))
        True
    """

    def __init__(self, network: nn.Module, optimizer: Any = None) -> None:
        self._weights = {
            candidate.name: weight
            for candidate in candidates(network)
            if isinstance(weight := getattr(candidate.layer, candidate.parameter, None), nn.Parameter) and not nn.parameter.is_lazy(weight)
        }
        self._norms = {name: _norm(weight).item() for name, weight in self._weights.items()}
        if not self._norms:
            raise RuleError(f"{type(network).__name__} holds no weight whose norm could be held")
        for name, norm in self._norms.items():
            if not 0 < norm < float("inf"):
                raise RuleError(f"the weight of layer {name!r} has norm {norm}: a norm that is held must be positive and finite")
        self._handle = None if optimizer is None else innermost(optimizer).register_step_post_hook(lambda *_: self.apply())

    @torch.no_grad()
    def apply(self) -> None:
        """Give every weight its norm back."""
        for name, weight in self._weights.items():
            if weight.requires_grad:
                weight.mul_(self._norms[name] / _norm(weight))

    def state_dict(self) -> dict[str, float]:
        """Return the norms that are held."""
        return dict(self._norms)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Hold the norms of an earlier training.

        Raises:
            RuleError: when they belong to other layers.
        """
        if state.keys() != self._norms.keys():
            odd = ", ".join(map(repr, sorted(state.keys() ^ self._norms.keys())[:3]))
            raise RuleError(f"the norms belong to another network: {odd} is in only one of the two")
        self._norms = dict(state)

    def remove(self) -> None:
        """Stop acting after the optimizer's steps."""
        if self._handle is not None:
            self._handle.remove()


def _norm(weight: Tensor) -> Tensor:
    return torch.linalg.vector_norm(weight.detach(), dtype=torch.float32 if weight.element_size() < 4 else None)
