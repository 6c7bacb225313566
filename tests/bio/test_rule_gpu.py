"""The rules on a GPU: the same matrices, and up to rounding the same gradients, as on the CPU."""

from __future__ import annotations

import copy
from itertools import product

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from many_cases import each_case
from rule_helpers import X, matrices, network, one_hot
from torch import nn
from torchvision.models.swin_transformer import ShiftedWindowAttention

from biodeephashing.bio import (
    RULES,
    BroadcastRule,
    apply_rule,
    check_reach,
    exact_gradients,
    feedback_matrix,
    give_target,
    load_rule_state,
    measure_alignment,
    rule_names,
    rule_state,
    track_optimizer,
)

pytestmark = pytest.mark.gpu
CARD = "cuda"
THROUGH_B = sorted(name for name, kind in RULES.items() if not issubclass(kind, BroadcastRule))
ONE_OF_A_KIND = ("frsf", "brsf", "kp", "dfa")


class Attention(nn.Module):
    """Attention of both kinds, PyTorch's own and a host's, for images (batch, 4, 4, 8)."""

    def __init__(self):
        super().__init__()
        self.windows, self.attention, self.head = ShiftedWindowAttention(8, [2, 2], [1, 1], 2), nn.MultiheadAttention(8, 2), nn.Linear(8, 5)

    def forward(self, x):
        x = self.windows(x).flatten(1, 2).transpose(0, 1)
        return self.head(self.attention(x, x, x, need_weights=False)[0].mean(0))


def attention():
    torch.manual_seed(0)
    return Attention()


IMAGES = torch.randn(4, 4, 4, 8, generator=torch.Generator().manual_seed(1))
NETWORKS = {"convolutions": (network, X), "attention": (attention, IMAGES)}


def loss(module, x):
    """A loss of one batch; whoever sends targets down gets them."""
    give_target(module, one_hot(len(x), 5).to(x.device))
    return module(x).float().square().mean() if x.dtype != torch.float64 else module(x).square().mean()


def gradients(module, x):
    x = x.clone().requires_grad_()
    return [gradient.cpu() for gradient in torch.autograd.grad(loss(module, x), [x, *module.parameters()])]


def followed(module, lr=0.0):
    optimizer = torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9, weight_decay=0.1)
    track_optimizer(module, optimizer)
    return optimizer


def step(module, optimizer, x):
    optimizer.zero_grad()
    value = loss(module, x)
    value.backward()
    optimizer.step()
    return value.detach().cpu()


def near(found, wanted, tolerance=1e-4):
    found, wanted = found.double().cpu(), wanted.double().cpu()
    assert found.shape == wanted.shape
    assert (found - wanted).norm() <= tolerance * wanted.norm() + 1e-7


@each_case("name", NETWORKS)
def test_the_feedback_is_drawn_alike_for_any_device(rule, name):
    build, _ = NETWORKS[name]
    on_cpu = apply_rule(build(), rule, seed=3)
    there = apply_rule(build().to(CARD), rule, seed=3)
    moved = apply_rule(build(), rule, seed=3).to(CARD)
    restored = load_rule_state(build().to(CARD), rule_state(on_cpu))
    for other in (there, moved, restored):
        assert all(matrix.is_cuda for matrix in matrices(other).values())
        for place in rule_names(on_cpu):
            assert torch.equal(feedback_matrix(other, place).cpu(), feedback_matrix(on_cpu, place))


@each_case("name", NETWORKS)
def test_outputs_are_the_plain_networks(rule, name):
    build, x = NETWORKS[name]
    plain, x = build().to(CARD), x.to(CARD)
    module = apply_rule(copy.deepcopy(plain), rule)
    followed(module)
    give_target(module, one_hot(len(x), 5).to(CARD))
    torch.testing.assert_close(module(x), plain(x), rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(module.eval()(x), plain.eval()(x))
    give_target(module, one_hot(len(x), 5).to(CARD))
    check_reach(module, x)


@each_case("name", NETWORKS)
def test_gradients_are_the_cpus(rule, name):
    build, x = NETWORKS[name]
    module = apply_rule(build().double(), rule, seed=3)
    followed(module)
    wanted = gradients(module, x.double())
    module.to(CARD)
    for found, right in zip(gradients(module, x.double().to(CARD)), wanted, strict=True):
        near(found, right, 1e-9)


@each_case("name", sorted(set(RULES) - {"wm"}))  # wm draws its noise where the weights are
def test_steps_are_the_cpus_also_after_a_move(name):
    runs = []
    for device in ("cpu", CARD):
        module, x = apply_rule(network().double(), name, seed=3), X.double()
        optimizer = followed(module, lr=0.1)
        losses = [step(module, optimizer, x) for _ in range(2)]
        module.to(device)
        x = x.to(device)
        for state in optimizer.state.values():
            state.update({key: value.to(device) for key, value in state.items() if isinstance(value, torch.Tensor)})
        losses += [step(module, optimizer, x) for _ in range(2)]
        runs.append(
            (torch.stack(losses), [p.detach() for p in module.parameters()], [feedback_matrix(module, n) for n in rule_names(module)])
        )
    for found, wanted in zip(*runs, strict=True):
        for one, other in zip(found, wanted, strict=True):
            near(other, one, 1e-8)


def test_mirrors_draw_the_same_noise_in_every_run():
    runs = []
    for _ in range(2):
        module, x = apply_rule(network().to(CARD), "wm", seed=3), X.to(CARD)
        before = feedback_matrix(module, "0").clone()
        optimizer = followed(module)
        for _ in range(60):
            step(module, optimizer, x)
        runs.append(feedback_matrix(module, "0"))
    weight = module[0].weight.detach()
    assert torch.equal(*runs)
    assert (
        F.cosine_similarity(runs[0].flatten(), weight.flatten(), dim=0)
        > 0.9
        > F.cosine_similarity(before.flatten(), weight.flatten(), dim=0)
    )


@each_case("name", THROUGH_B)
def test_a_large_layer_sends_down_what_it_does_on_the_cpu(name):
    """On the CPU its B is made block by block, on a card in one go."""
    torch.manual_seed(0)
    layer = nn.Linear(9216, 4096, bias=False)
    with torch.no_grad():
        layer.weight[:, ::7] = 0.0
    apply_rule(layer, name, seed=3).requires_grad_(False)
    layer.eval()  # rules that change with the steps need nobody to follow them here
    upper, down = torch.randn(8, 4096), []
    for device in ("cpu", CARD):
        layer.to(device)
        x = torch.zeros(8, 9216, device=device, requires_grad=True)
        down.append(torch.autograd.grad(layer(x), x, upper.to(device))[0])
    near(down[1], down[0])
    assert down[0].norm() > 0


@each_case("name", sorted(set(RULES) - {"drtp"}))  # a scaled loss does not scale the target
def test_half_precision_with_a_scaled_loss(name):
    module = apply_rule(network(), name, seed=3).to(CARD)
    x = X.to(CARD)
    optimizer, scaler = followed(module, lr=0.01), torch.amp.GradScaler(CARD, init_scale=2.0**10)
    exact = gradients(module, x)[1:]
    with torch.autocast(CARD, dtype=torch.float16):
        output = module(x)
        value = output.float().square().mean()
    assert output.dtype == torch.float16
    scaler.scale(value).backward()
    scaler.unscale_(optimizer)
    assert all(p.grad.dtype == torch.float32 for p in module.parameters())
    for parameter, right in zip(module.parameters(), exact, strict=True):
        assert (parameter.grad.cpu() - right).norm() < 0.05 * right.norm() + 1e-3
    before = [p.detach().clone() for p in module.parameters()]
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**10
    assert not any(torch.equal(p, old) for p, old in zip(module.parameters(), before, strict=True) if p.grad.any())


def test_bfloat16_autocast_gives_float32_gradients(rule):
    module, x = apply_rule(attention(), rule).to(CARD), IMAGES.to(CARD)
    followed(module)
    exact = gradients(module, x)
    with torch.autocast(CARD, dtype=torch.bfloat16):
        value = loss(module, x)
    found = torch.autograd.grad(value, list(module.parameters()))
    for gradient, right in zip(found, exact[1:], strict=True):
        assert gradient.dtype == torch.float32
        assert (gradient.cpu() - right).norm() < 0.1 * right.norm() + 1e-3


@each_case("name, kind", product(ONE_OF_A_KIND, NETWORKS))
def test_compiles_into_one_graph(name, kind):
    build, x = NETWORKS[kind]
    torch._dynamo.reset()
    runs, x = [], x.to(CARD)
    for compiled in (True, False):
        module = apply_rule(build().to(CARD), name, seed=3)
        optimizer = followed(module, lr=0.05)
        call = torch.compile(module, fullgraph=True) if compiled else module
        losses = []
        for _ in range(3):
            give_target(module, one_hot(len(x), 5).to(CARD))
            optimizer.zero_grad()
            value = call(x).square().mean()
            value.backward()
            optimizer.step()
            losses.append(value.detach())
        runs.append((torch.stack(losses), [p.detach() for p in module.parameters()]))
    torch.testing.assert_close(*runs, rtol=1e-3, atol=1e-4)


def test_alignment_is_measured_where_the_network_is(rule):
    found = []
    for device in ("cpu", CARD):
        module, x = apply_rule(network().double(), rule, seed=3).to(device), X.double().to(device)
        followed(module)
        found.append(measure_alignment(module, lambda module=module, x=x: loss(module, x)))
        with exact_gradients(module):
            assert all(gradient.isfinite().all() for gradient in gradients(module, x))
    for one, other in zip(*found, strict=True):
        assert (one.name, one.rule) == (other.name, other.rule)
        for quantity in ("weight_angle", "sign_agreement", "norm_ratio", "update_angle"):
            assert getattr(one, quantity) == pytest.approx(getattr(other, quantity), abs=1e-3, nan_ok=True)
