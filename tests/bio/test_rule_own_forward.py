"""Layers that prepare their input or their weight themselves and then call the ordinary product: the rule acts where they multiply."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from rule_helpers import label, ready
from rule_oracle import agree, magnitudes_of_a_step, random
from timm.layers import Conv2dSame, Linear, ScaledStdConv2d, ScaledStdConv2dSame, StdConv2d, StdConv2dSame
from torch import nn
from torch.autograd.functional import jacobian

from biodeephashing.bio import (
    RULES,
    WeightMirror,
    apply_rule,
    check_reach,
    describe,
    feedback_matrix,
    load_rule_state,
    measure_alignment,
    remove_rule,
    rule_state,
    track_optimizer,
)
from biodeephashing.errors import RuleError


class Cosine(nn.Linear):
    def forward(self, input):
        return F.linear(F.normalize(input), weight=F.normalize(self.weight), bias=self.bias)


class Masked(nn.Conv1d):
    """Keeps a mask of its weight, and pads in words."""

    def __init__(self):
        super().__init__(2, 3, 4)
        self.register_buffer("mask", torch.tensor([0.0, 1.0, 1.0, 0.0]))

    def forward(self, input):
        return F.conv1d(input, self.weight * self.mask, self.bias, padding="same") + input.mean()


class Doubling(nn.ConvTranspose2d):
    def forward(self, input):
        return 2 * super().forward(input)


class Ternary(nn.Linear):
    """Multiplies by signs, and hands the gradient straight through to what they are the signs of."""

    def forward(self, input):
        return F.linear(input, self.weight + (self.weight.sign() - self.weight).detach(), self.bias)


def standardised(weight, gain=1.0):
    """By hand: mean 0 and variance 1 over each output's inputs."""
    rows = weight.flatten(1)
    centred = rows - rows.mean(1, keepdim=True)
    return (gain * centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()).view_as(weight)


def as_is(tensor):
    return tensor


def same(x):
    """Padding to the same size at stride 2, for a kernel of 3 and 5 pixels: one on either side."""
    return F.pad(x, (1, 1, 1, 1))


IMAGE, FAN = (2, 3, 5, 5), (3 * 3 * 3) ** -0.5
# a layer, its input, and by hand: what it makes of its input, of its weight, and the product of the two
LAYERS = {
    "Conv2dSame": (lambda: Conv2dSame(3, 4, 3, stride=2), IMAGE, same, as_is, lambda x, w: F.conv2d(x, w, stride=2)),
    "depthwise": (lambda: Conv2dSame(3, 3, 3, stride=2, groups=3), IMAGE, same, as_is, lambda x, w: F.conv2d(x, w, stride=2, groups=3)),
    "StdConv2d": (lambda: StdConv2d(3, 4, 3, bias=True), IMAGE, same, standardised, F.conv2d),
    "StdConv2dSame": (
        lambda: StdConv2dSame(3, 4, 3, stride=2, bias=True),
        IMAGE,
        same,
        standardised,
        lambda x, w: F.conv2d(x, w, stride=2),
    ),
    "ScaledStdConv2d": (lambda: ScaledStdConv2d(3, 4, 3), IMAGE, same, lambda w: standardised(w, FAN), F.conv2d),
    "ScaledStdConv2dSame": (lambda: ScaledStdConv2dSame(3, 4, 3), IMAGE, same, lambda w: standardised(w, FAN), F.conv2d),
    "timm's Linear": (lambda: Linear(4, 3), (2, 5, 4), as_is, as_is, F.linear),
    "Cosine": (
        lambda: Cosine(4, 3),
        (2, 4),
        lambda x: x / x.norm(dim=-1, keepdim=True),
        lambda w: w / w.norm(dim=1, keepdim=True),
        F.linear,
    ),
    "Masked": (Masked, (2, 2, 6), as_is, lambda w: w * torch.tensor([0, 1, 1, 0]), lambda x, w: F.conv1d(F.pad(x, (1, 2)), w)),
    "unbatched": (Masked, (2, 6), as_is, lambda w: w * torch.tensor([0, 1, 1, 0]), lambda x, w: F.conv1d(F.pad(x, (1, 2)), w)),
    "Doubling": (lambda: Doubling(3, 2, 2, stride=2), IMAGE, as_is, as_is, lambda x, w: 2 * F.conv_transpose2d(x, w, stride=2)),
}
COMPUTED = {"StdConv2d", "StdConv2dSame", "ScaledStdConv2d", "ScaledStdConv2dSame", "Cosine", "Masked", "unbatched"}


def feedback(rule, layer, weight, scale):
    matrix = getattr(layer, "weight_feedback", None)
    if rule == "brsf":
        return magnitudes_of_a_step(matrix, layer.weight_feedback_starts, weight.shape) * weight.sign()
    return {"bp": lambda: weight, "usf": lambda: scale * weight.sign(), "frsf": lambda: matrix * weight.sign()}.get(rule, lambda: matrix)()


def by_hand(prepared, computed, product):
    return lambda x, w: product(prepared(x), computed(w))


@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel lengths")
@pytest.mark.parametrize("name", LAYERS)
def test_the_error_goes_through_b_in_the_place_of_what_is_multiplied(name):
    """Explicit Jacobians: of the product with B for what goes down, of all that the layer does for its stored weight."""
    build, shape, prepared, computed, product = LAYERS[name]
    for rule in sorted({*RULES} - {"dfa", "drtp"} - ({"kp"} if name in COMPUTED else set())):
        torch.manual_seed(0)
        layer, x = build().double(), random(*shape)
        plain = layer(x)
        ready(apply_rule(layer, rule, seed=3, scale=0.3))
        x.requires_grad_()
        output = layer(x)
        assert torch.equal(output, plain), f"{rule} changes the output"
        upper = random(*output.shape)
        down, for_weight = torch.autograd.grad(output, [x, layer.weight], upper)
        stored = layer.weight.detach()
        matrix = feedback(rule, layer, computed(stored), 0.3)
        beside = x.numel() ** -1 * upper.sum() if isinstance(layer, Masked) else 0.0  # its mean has the true derivative
        through, _ = jacobian(by_hand(prepared, as_is, product), (x.detach(), matrix))
        _, exact = jacobian(by_hand(prepared, computed, product), (x.detach(), stored))
        torch.testing.assert_close(down, torch.tensordot(upper, through, upper.dim()) + beside, rtol=1e-6, atol=1e-8, msg=rule)
        torch.testing.assert_close(for_weight, torch.tensordot(upper, exact, upper.dim()), rtol=1e-6, atol=1e-8, msg=rule)
        torch.testing.assert_close(feedback_matrix(layer, ""), matrix, rtol=1e-6, atol=1e-8, msg=rule)
        check_reach(layer, x)


def network():
    torch.manual_seed(0)
    return nn.Sequential(Conv2dSame(3, 4, 3, stride=2), ScaledStdConv2d(4, 4, 3), nn.Flatten(), Linear(36, 5)).double()


def test_a_network_of_such_layers_goes_through_everything(rule):
    given = {"1": "bp", "*": rule} if rule == "kp" else rule
    module, x = ready(apply_rule(network(), given)), random(2, 3, 5, 5).requires_grad_()
    check_reach(module, x)
    assert [row.weight for row in describe(module).converted] == ["0", "1", "3"]
    assert [row.weight for row in describe(module).exact] == ["1.gain"]

    def down(part):
        label(part, len(x))
        return torch.autograd.grad(part(x).square().sum(), x)[0]

    wanted = down(module)
    assert (down(network()) - wanted).norm() < 1e-12 or rule != "bp"
    again = load_rule_state(network(), rule_state(module))
    for copied in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), again):
        assert torch.equal(down(ready(copied)), wanted)
    aligned = measure_alignment(module, lambda: (label(module, len(x)), module(x))[1].square().sum())
    if rule in ("usf", "frsf", "brsf", "bp"):
        assert [one.sign_agreement for one in aligned] == [1.0, 1.0, 1.0]
    assert aligned[-1].update_angle == 0.0
    remove_rule(module)
    assert [type(part) for part in module] == [type(part) for part in network()]
    assert list(module.state_dict()) == list(network().state_dict())


def test_the_scale_of_the_weights_is_that_of_what_is_multiplied():
    layer = StdConv2d(3, 4, 3)
    state = rule_state(apply_rule(layer, "fa", scale="weight"))
    assert state[""]["scale"] == pytest.approx(standardised(layer.weight.detach()).square().mean().sqrt().item(), rel=1e-5)


def test_a_mirror_learns_what_is_multiplied():
    layer = apply_rule(StdConv2d(2, 2, 1).double(), WeightMirror(rate=1.0, samples=100_000))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    track_optimizer(layer, optimizer)
    layer(random(2, 2, 3, 3)).square().sum().backward()
    optimizer.step()
    torch.testing.assert_close(layer.weight_feedback, standardised(layer.weight.detach()), rtol=0, atol=0.03)


def test_copied_steps_of_a_weight_that_is_not_multiplied_are_refused():
    for kind in (lambda: StdConv2d(3, 4, 3), lambda: Cosine(3, 3), lambda: Ternary(3, 3)):
        module = nn.Sequential(nn.Flatten(), kind())
        with pytest.raises(RuleError, match=r"rule 'kp' cannot reach layer '1' \(\w+\): it multiplies by what it computes of its weight"):
            apply_rule(module, "kp")
        assert rule_state(module) == {}
        apply_rule(module, "1=fa")


class Unlike(nn.Linear):
    """Has a second matrix of the same shape, and another way to multiply by it."""

    def __init__(self, second):
        super().__init__(3, 3)
        self.other, self.second = nn.Parameter(torch.randn(3, 3)), second

    def forward(self, input):
        return F.linear(input, self.weight) + self.second(self, input)


def test_only_the_layers_own_weight_goes_by_its_rule():
    for second in (lambda m, x: F.linear(x, m.other), lambda m, x: x @ m.other):
        module = apply_rule(nn.Sequential(nn.Linear(3, 3), Unlike(second)), "fa")
        with pytest.raises(RuleError, match=r"by 1 parameter .*: '1.other' \(3, 3\) in layer '1' \(Unlike\).*: 1.other=bp"):
            check_reach(module, random(2, 3, dtype=torch.float32))


def test_a_trial_leaves_the_layer_as_it_was():
    class Counting(nn.Conv2d):
        def __init__(self):
            super().__init__(3, 2, 3)
            self.register_buffer("calls", torch.zeros(()))
            self.norm, self.size = nn.BatchNorm2d(3), None

        def forward(self, input):
            self.calls += 1
            self.size = input.shape
            return super().forward(self.norm(F.dropout(input)))

    layer = Counting()
    torch.manual_seed(1)
    before, wanted = copy.deepcopy(layer.state_dict()), torch.rand(1)
    torch.manual_seed(1)
    apply_rule(layer, "fa")
    describe(layer)
    assert torch.equal(torch.rand(1), wanted)
    assert layer.size is None
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


def test_a_compiled_layer_of_its_own_forward_is_one_graph():
    torch._dynamo.reset()
    layer, x = apply_rule(StdConv2d(3, 4, 3).double(), "usf"), random(*IMAGE).requires_grad_()
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    agree(*(torch.autograd.grad(part(x).square().sum(), x)[0] for part in (compiled, layer)))
    check_reach(nn.Sequential(compiled), x.detach())
