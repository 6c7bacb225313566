"""What a forward pass multiplies by past every rule, read off the graph that autograd has built of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ._functional import RULED_FUNCTIONS

Node = Any  # of torch.autograd.graph.Node; a kind of node is known by its name alone

# The edges of a node that are multiplied with each other, by the kind of node; the others are addends.
_FACTORS = {
    (0, 2): """Mm Bmm Mv Dot Vdot Linear MkldnnLinear Matmul GroupedMm ForeachMm SparseSparseMatmul SparseMmReduceImpl
        Convolution ConvolutionOverrideable ConvTbc MkldnnConvolution CudnnConvolution CudnnConvolutionTranspose MiopenConvolution
        MiopenConvolutionTranspose MiopenDepthwiseConvolution MpsConvolution MpsConvolutionTranspose NnpackSpatialConvolution
        ConvDepthwise2D ConvDepthwise3D SlowConv2D SlowConv3D SlowConvDilated2D SlowConvDilated3D SlowConvTranspose2D
        SlowConvTranspose3D LinalgSolveEx LinalgSolveTriangular TriangularSolve LinalgLuSolve CholeskySolve""",
    (1, 3): "Addmm Addmv Baddbmm Addbmm SparseAddmm SparseSampledAddmm",
    (0, 3): """Trilinear FlashAttention EfficientAttention CudnnAttention ScaledDotProductFlashAttention
        ScaledDotProductFlashAttentionForCpu ScaledDotProductEfficientAttention ScaledDotProductCudnnAttention
        ScaledDotProductFusedAttentionOverrideable""",
    (0, None): "CudnnRnn MiopenRnn MkldnnRnnLayer LstmMps",
}
_PRODUCTS = {kind: slice(*edges) for edges, kinds in _FACTORS.items() for kind in kinds.split()}
_LOOK_UPS = frozenset({"Embedding", "EmbeddingBag"})
_SUMS = frozenset({"Sum", "Mean"})
_CHOICES = frozenset({"Index", "UnsafeIndex", "IndexSelect", "Gather", "Take"})


@dataclass
class Value:
    """What is known of a tensor that autograd has computed.

    Args:
        parameters: the parameters that it is computed of, as far as it may be a weight.
        may_be_weight: whether it may be computed of parameters alone.
        may_be_activity: whether it may depend on the network's input.
        learns: whether an error that arrives at it goes on to a parameter that is trained.
    """

    parameters: frozenset[Tensor]
    may_be_weight: bool
    may_be_activity: bool
    learns: bool


@dataclass(frozen=True)
class Product:
    """A product by parameters that sends an error down through them.

    Args:
        parameters: those that the factor is computed of.
        sequence_number: autograd's count of operations, by which the module that multiplies is found.
    """

    parameters: frozenset[Tensor]
    sequence_number: int


def exact_products(outputs: Iterable[Tensor], trained: Mapping[Tensor, bool], known: Set[Tensor]) -> list[Product]:
    """Return the products of parameters and activity in a graph through which an error goes down as in backpropagation.

    Products within the functions of a rule are none, nor are those that a weight is computed by, nor those below which nothing learns.

    Args:
        outputs: what the graph was built for.
        trained: the network's parameters, all of which required gradients when the graph was built, and whether they really do.
        known: the weights of layers that have a rule: what they are multiplied by is activity, and so is what comes out.
    """
    order = list(_from_below([output.grad_fn for output in outputs if output.grad_fn is not None]))
    values: dict[Node, Value | None] = {None: None}
    for node in order:
        values[node] = _value(node, values, trained, known)
    products, of_weights = [], set()
    for node in reversed(order):  # from above: what a weight is computed by comes after what it is a weight of
        if node in of_weights:
            of_weights.update(_below(node))
        elif _is_ruled(node):
            of_weights.add(_below(node)[1])
        else:
            for factor, value, others in _weights(node, values):
                if not any(other.may_be_weight for other in others):
                    of_weights.add(factor)
                if any(other.may_be_activity and other.learns for other in others):
                    products.append(Product(value.parameters, node._sequence_nr()))
    return products


def _from_below(tops: list[Node]) -> Iterator[Node]:
    """Yield all nodes of a graph, each after those that it hands its errors to."""
    seen, stack = set(), [(top, False) for top in tops]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            yield node
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((below, False) for below in _below(node) if below is not None)


def _value(node: Node, values: Mapping[Node, Value | None], trained: Mapping[Tensor, bool], known: Set[Tensor]) -> Value:
    kind = _kind(node)
    if kind == "AccumulateGrad":
        leaf = node.variable
        return Value(frozenset({leaf} & trained.keys()), leaf in trained, leaf not in trained, trained.get(leaf, leaf.requires_grad))
    below = [values[other] for other in _below(node)]
    parts = [value for value in below if value is not None]
    learns = any(value.learns for value in parts)
    multiplied = any(value.parameters & known for _, value, _ in _weights(node, values))
    if _is_ruled(node) or kind in _LOOK_UPS or multiplied or not all(value.may_be_weight for value in parts):
        return Value(frozenset(), False, True, learns)
    # A parameter beside a constant, or beside the input, which autograd does not tell apart: either kind of tensor.
    activity = kind in _CHOICES or None in below or any(value.may_be_activity for value in parts)
    return Value(frozenset().union(*(value.parameters for value in parts)), True, activity, learns)


def _weights(node: Node, values: Mapping[Node, Value | None]) -> Iterator[tuple[Node, Value, list[Value]]]:
    """Yield the factors of a product that may be weights, each with what is known of it and of the other factors."""
    factors = [(factor, values[factor]) for factor in _factors(node)]
    for number, (factor, value) in enumerate(factors):
        if value is not None and value.may_be_weight and (_is_listed(node) or any(map(_is_matrix, value.parameters))):
            yield factor, value, [other for place, (_, other) in enumerate(factors) if place != number and other is not None]


def _factors(node: Node) -> list[Node]:
    """Return what a node multiplies with each other; a function from outside PyTorch may multiply all that it takes."""
    if _is_listed(node):
        return _below(node)[_PRODUCTS[_kind(node)]] if _kind(node) in _PRODUCTS else _contracted(node)
    return _below(node) if hasattr(type(node), "_forward_cls") or "CppNode" in node.name() else []


def _contracted(node: Node) -> list[Node]:
    """Return the factors of a matrix product that is written as a sum, ``(x[:, None] * weight).sum(-1)``; of a gate there are none."""
    times = _below(node)[0]
    factors = (times._saved_self, times._saved_other) if times is not None and times.name() == "MulBackward0" else ()
    if node.name()[-1] == "0" or not all(isinstance(factor, Tensor) for factor in factors) or not factors:
        return []
    axes = max(factor.dim() for factor in factors)
    one, other = ((1,) * (axes - factor.dim()) + tuple(factor.shape) for factor in factors)
    pairs = list(zip(one, other, strict=True))
    summed = [pairs[(axis - 2**64 if axis >= 2**63 else axis) % axes] for axis in node._saved_dim]
    spread = any(a == 1 < b for a, b in pairs) and any(b == 1 < a for a, b in pairs)
    return _below(times) if spread and any(min(pair) > 1 for pair in summed) else []


def _is_listed(node: Node) -> bool:
    return (_kind(node) in _PRODUCTS or _kind(node) in _SUMS) and not hasattr(type(node), "_forward_cls")


def _is_matrix(parameter: Tensor) -> bool:
    return sum(size > 1 for size in parameter.shape) > 1


def _below(node: Node) -> list[Node]:
    return [below for below, _ in node.next_functions]


def _kind(node: Node) -> str:
    return str(node.name()).rpartition("::")[2].partition("Backward")[0]


def _is_ruled(node: Node) -> bool:
    return getattr(type(node), "_forward_cls", None) in RULED_FUNCTIONS
