"""Multi-head attention by a rule: its projections are linear maps like any other."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..errors import RuleError
from ._converted import plain_name
from ._layers import RuledLayer
from ._rule import BroadcastRule


class RuledAttention(RuledLayer):
    """``nn.MultiheadAttention`` by a rule, computed step by step as PyTorch does."""

    num_heads: int
    dropout: float
    batch_first: bool
    add_zero_attn: bool
    embed_dim: int
    out_proj: nn.Module
    in_proj_weight: Tensor
    in_proj_bias: Tensor | None
    bias_k: Tensor | None
    bias_v: Tensor | None

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        if not torch.is_grad_enabled() or not (self.training or self._learns(query, key, value)):
            output: tuple[Tensor, Tensor | None] = super().forward(
                query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal
            )
            return output
        if query.is_nested:
            raise RuleError(f"{plain_name(self)} by a rule takes padded sequences with a mask, not nested tensors")
        batched = query.dim() == 3
        query, key, value = self._sequence_first(query, key, value)
        if key_padding_mask is not None and not batched:
            key_padding_mask = key_padding_mask.unsqueeze(0)
        self._check(query, key, value, attn_mask, key_padding_mask, is_causal)
        q, k, v = (self._heads(part) for part in self._biased(*self._project(query, key, value, batched)))
        k, v = self._with_empty_position(k, v)
        causal = is_causal and key_padding_mask is None and not need_weights
        mask = None if causal else self._mask(attn_mask, key_padding_mask, query, k.shape[1])
        dropout = self.dropout if self.training else 0.0
        length, batch = query.shape[:2]
        if need_weights:
            attended, weights = self._attend_openly(q, k, v, mask, dropout)
            shown = weights.view(batch, self.num_heads, length, k.shape[1])
            shown = shown.mean(dim=1) if average_attn_weights else shown
        else:
            attended, shown = self._attend(q, k, v, mask, dropout, causal), None
        result = self.out_proj(attended.reshape(length, batch, self.embed_dim))
        if not batched:
            return result.squeeze(1), None if shown is None else shown.squeeze(0)
        return result.transpose(0, 1) if self.batch_first else result, shown

    def _learns(self, *inputs: Tensor) -> bool:
        """Tell whether anything here has a gradient; where nothing has, PyTorch evaluates in another, faster way."""
        weights = (binding.weight for binding in self._bindings.values())  # a copy made by nn.DataParallel has weights but no parameters
        return any(tensor.requires_grad for tensor in (*inputs, *self.parameters(), *weights))

    def _sequence_first(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the inputs as (length, batch, width); what was one tensor stays one, for then one product projects it."""
        first = self._moved(query)
        second = first if key is query else self._moved(key)
        third = first if value is query else second if value is key else self._moved(value)
        return first, second, third

    def _moved(self, part: Tensor) -> Tensor:
        if part.dim() == 2:
            return part.unsqueeze(1)
        return part.transpose(0, 1) if self.batch_first else part

    def _check(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool) -> None:
        """Raise where shapes or types do not fit, before broadcasting makes something else of them."""
        length, batch, width = query.shape
        positions = key.shape[0]
        if is_causal and mask is None:
            raise RuleError("is_causal=True is only a hint about attn_mask, which is missing")
        if width != self.embed_dim or key.shape[:2] != value.shape[:2] or key.shape[1] != batch:
            raise RuleError(
                f"{plain_name(self)} wants queries of width {self.embed_dim} and as many keys as values for the same batch, not "
                f"(length, batch, width) {tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}"
            )
        shapes = {(length, positions), (batch * self.num_heads, length, positions)}
        for name, tensor, fitting in (("attn_mask", mask, shapes), ("key_padding_mask", padding, {(batch, positions)})):
            if tensor is not None and (
                tuple(tensor.shape) not in fitting or not (tensor.dtype == torch.bool or tensor.is_floating_point())
            ):
                shapes_in_words = " or ".join(map(str, sorted(fitting, key=len)))
                raise RuleError(
                    f"{name} is of type bool or float and of shape {shapes_in_words}, not {tensor.dtype} of shape {tuple(tensor.shape)}"
                )

    def _project(self, query: Tensor, key: Tensor, value: Tensor, batched: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values; the same products of the same matrices as PyTorch's, so that not a bit differs."""
        width = self.embed_dim
        if "in_proj_weight" not in self._bindings:
            biases = (None, None, None) if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
            parts = zip("qkv", (query, key, value), biases, strict=True)
            return tuple(self._linear(f"{name}_proj_weight", part, bias) for name, part, bias in parts)  # type: ignore[return-value]
        if batched and query is key is value:
            q, k, v = _split(self._linear("in_proj_weight", query, self.in_proj_bias), 3)
            return q, k, v
        if batched and key is value:
            k, v = _split(self._rows(key, width, 3 * width), 2)
            return self._rows(query, 0, width), k, v
        # A broadcasting rule sends its signal to each input once, however often it is used.
        if isinstance(self._bindings["in_proj_weight"].rule, BroadcastRule):
            key, value = (key.detach() if key is query else key), (value.detach() if value is query or value is key else value)
        return self._rows(query, 0, width), self._rows(key, width, 2 * width), self._rows(value, 2 * width, 3 * width)

    def _linear(self, parameter: str, input: Tensor, bias: Tensor | None) -> Tensor:
        return self.binding(parameter).linear(input, getattr(self, parameter), bias)

    def _rows(self, input: Tensor, first: int, last: int) -> Tensor:
        """Project by some rows of the packed weight."""
        bias = None if self.in_proj_bias is None else self.in_proj_bias[first:last]
        return self.binding("in_proj_weight").rows(first, last).linear(input, self.in_proj_weight[first:last], bias)

    def _biased(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Add the learned position to keys and values, where the module has one."""
        if self.bias_k is not None and self.bias_v is not None:
            k = torch.cat([k, self.bias_k.repeat(1, k.shape[1], 1)])
            v = torch.cat([v, self.bias_v.repeat(1, v.shape[1], 1)])
        return q, k, v

    def _heads(self, part: Tensor) -> Tensor:
        """(length, batch, width) to (batch · heads, length, width of a head)."""
        length, batch, width = part.shape
        return part.view(length, batch * self.num_heads, width // self.num_heads).transpose(0, 1)

    def _with_empty_position(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add a position of zeros to keys and values, where the module wants it."""
        if not self.add_zero_attn:
            return k, v
        nothing = k.new_zeros(k.shape[0], 1, k.shape[2])
        return torch.cat([k, nothing], dim=1), torch.cat([v, nothing.to(v.dtype)], dim=1)

    def _mask(self, mask: Tensor | None, padding: Tensor | None, query: Tensor, positions: int) -> Tensor | None:
        """Return what is added to the scores, (batch · heads or 1, queries or 1, positions), or None; added positions are open to all."""
        if mask is not None:
            mask = _additive(mask, query.dtype)
            mask = F.pad(mask, (0, positions - mask.shape[-1])).view(-1, *mask.shape[-2:-1], positions)
        if padding is None:
            return mask
        batch = query.shape[1]
        padding = F.pad(_additive(padding, query.dtype), (0, positions - padding.shape[-1]))
        padding = padding.view(batch, 1, 1, positions).expand(-1, self.num_heads, -1, -1).reshape(batch * self.num_heads, 1, positions)
        return padding if mask is None else mask + padding

    def _attend_openly(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> tuple[Tensor, Tensor]:
        """Return what was attended to, (queries, batch · heads, width of a head), and the weights of attention."""
        scaled = q * math.sqrt(1.0 / q.shape[-1])
        scores = torch.bmm(scaled, k.transpose(-2, -1)) if mask is None else torch.baddbmm(mask, scaled, k.transpose(-2, -1))
        weights = F.softmax(scores, dim=-1)
        if dropout > 0.0:
            weights = F.dropout(weights, dropout)
        return torch.bmm(weights, v).transpose(0, 1), weights

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float, causal: bool) -> Tensor:
        """Return what was attended to, (queries, batch, heads, width of a head), by PyTorch's fused attention."""
        q, k, v = (part.view(part.shape[0] // self.num_heads, self.num_heads, *part.shape[1:]) for part in (q, k, v))
        if mask is not None:
            mask = mask.unsqueeze(0) if mask.shape[0] == 1 else mask.view(q.shape[0], self.num_heads, *mask.shape[1:])
        return F.scaled_dot_product_attention(q, k, v, mask, dropout, causal).permute(2, 0, 1, 3)


def _split(projected: Tensor, count: int) -> list[Tensor]:
    """Take a packed projection apart, each part in one piece in memory."""
    width = projected.shape[-1] // count
    return list(projected.unflatten(-1, (count, width)).unsqueeze(0).transpose(0, -2).squeeze(-2).contiguous())


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a mask as numbers to add: minus infinity where attention is forbidden."""
    if mask.dtype == torch.bool:
        return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, -math.inf)
    return mask
