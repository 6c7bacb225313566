"""The contract of every additive penalty, and the value of each."""

import pytest
import torch
from loss_oracles import row_mean, sign_distance

from biodeephashing.errors import UnknownNameError
from biodeephashing.losses import PENALTIES

NAMES = sorted(PENALTIES)


def codes(rows=6, bits=5, dtype=torch.float64):
    return torch.randn(rows, bits, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)


def value_and_gradient(penalty, values):
    values = values.clone().requires_grad_()
    torch.manual_seed(1)
    value = penalty(values)
    value.backward()
    return value.detach(), values.grad


@pytest.mark.parametrize(
    "values",
    [codes(), torch.zeros(4, 3), codes(1), torch.ones(5, 2), 1e3 * codes(dtype=torch.float32), codes()[[0, 0, 0]], codes().sign()],
    ids=["random", "zero", "one row", "ones", "huge", "duplicates", "signs"],
)
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_are_finite_and_the_value_is_not_negative(name, values):
    value, gradient = value_and_gradient(PENALTIES[name](), values)
    assert value.shape == ()
    assert value >= 0
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_gradient_against_central_differences(name):
    penalty = PENALTIES[name]()

    def seeded(values):
        torch.manual_seed(1)
        return penalty(values)

    assert torch.autograd.gradcheck(seeded, codes().requires_grad_(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("narrow", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_computed_in_float32(name, narrow):
    values = codes(dtype=narrow)
    value, gradient = value_and_gradient(PENALTIES[name](), values)
    wide, _ = value_and_gradient(PENALTIES[name](), values.float())
    assert value.dtype == torch.float32
    assert gradient.dtype == narrow
    torch.testing.assert_close(value, wide, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_order_of_the_batch_does_not_matter(name):
    values, order = codes(), torch.tensor([3, 0, 5, 1, 4, 2])
    value, gradient = value_and_gradient(PENALTIES[name](), values)
    shuffled, shuffled_gradient = value_and_gradient(PENALTIES[name](), values[order])
    torch.testing.assert_close(shuffled, value)
    torch.testing.assert_close(shuffled_gradient, gradient[order])


def test_l2_by_hand():
    # (0.5 - 1)^2 + (-2 + 1)^2 = 1.25 and (0 - 0)^2 + (1 - 1)^2 = 0: mean 0.625
    assert PENALTIES["L2"]()(torch.tensor([[0.5, -2.0], [0.0, 1.0]])).item() == 0.625


def test_l2_against_the_loop():
    assert PENALTIES["L2"]()(codes()).item() == pytest.approx(row_mean(codes().tolist(), sign_distance), rel=1e-12)


def test_hswd_against_the_loop():
    values = codes(7, 4)
    torch.manual_seed(5)
    value = PENALTIES["HSWD"]()(values).item()
    torch.manual_seed(5)
    coins = (2 * torch.randint(2, (7, 4)) - 1).tolist()
    total = 0.0
    for bit in range(4):
        wanted, got = sorted(row[bit] for row in coins), sorted(row[bit] for row in values.tolist())
        total += sum((t - z) ** 2 for t, z in zip(wanted, got, strict=True))
    assert value == pytest.approx(total / (7 * 4), rel=1e-12)


def test_hswd_of_a_single_zero_row_by_hand():
    assert PENALTIES["HSWD"]()(torch.zeros(1, 3)).item() == 1.0  # each coin is +1 or -1: (±1 - 0)^2 = 1


def test_hswd_expects_a_fair_coin():
    # For a constant column z the expectation is 1 + z^2, whatever the batch: here 1 + 0.25.
    torch.manual_seed(0)
    penalty, constant = PENALTIES["HSWD"](), torch.full((8, 16), 0.5)
    mean = sum(penalty(constant).item() for _ in range(500)) / 500
    assert mean == pytest.approx(1.25, abs=0.02)


def test_hswd_prefers_balanced_bits():
    torch.manual_seed(0)
    balanced = torch.tensor([1.0, -1.0]).repeat(32)[:, None].expand(64, 16)
    assert PENALTIES["HSWD"]()(balanced) < 0.5 < PENALTIES["HSWD"]()(torch.ones(64, 16))


def test_hswd_draws_afresh_each_time():
    torch.manual_seed(0)
    penalty = PENALTIES["HSWD"]()
    assert penalty(codes()) != penalty(codes())


@pytest.mark.parametrize("rows", [1, 6, 7])
def test_balanced_hswd_against_the_loop(rows):
    values, total = codes(rows, 4), 0.0
    for column in values.T.tolist():
        ordered = sorted(column)
        for below, z in enumerate(ordered):
            above = rows - 1 - below
            targets = [-1.0] * (below <= above) + [1.0] * (above <= below)
            total += min((target - z) ** 2 for target in targets)
    assert PENALTIES["balanced_HSWD"]()(values).item() == pytest.approx(total / values.numel(), rel=1e-12)


def test_balanced_hswd_by_hand():
    # sorted -2, 0.5, 3: (-2 + 1)^2 + (0.5 - 1)^2 + (3 - 1)^2 = 5.25, over 3
    assert PENALTIES["balanced_HSWD"]()(torch.tensor([[3.0], [-2.0], [0.5]])).item() == 1.75


def test_balanced_hswd_is_the_same_each_time_and_least_for_balanced_signs():
    penalty = PENALTIES["balanced_HSWD"]()
    assert penalty(codes()) == penalty(codes())
    for rows in (2, 7):
        assert penalty(torch.tensor([1.0, -1.0]).repeat(4)[:rows, None]) == 0
    assert penalty(torch.ones(8, 3)) == 2  # half of them are 2 away, squared


def test_balanced_hswd_does_not_tell_a_bit_from_its_opposite():
    for rows in (6, 7):
        value, gradient = value_and_gradient(PENALTIES["balanced_HSWD"](), codes(rows))
        flipped, flipped_gradient = value_and_gradient(PENALTIES["balanced_HSWD"](), -codes(rows))
        torch.testing.assert_close(flipped, value, rtol=1e-12, atol=0)
        torch.testing.assert_close(flipped_gradient, -gradient, rtol=1e-12, atol=0)


def test_balanced_hswd_is_what_hswd_wants_of_a_large_batch():
    torch.manual_seed(0)
    values = torch.randn(20000, 1)
    assert PENALTIES["balanced_HSWD"]()(values).item() == pytest.approx(PENALTIES["HSWD"]()(values).item(), rel=0.05)


def test_bad_input():
    with pytest.raises(UnknownNameError, match="unknown penalty 'HSDW': did you mean 'HSWD'"):
        PENALTIES["HSDW"]
    with pytest.raises(TypeError, match="'weight'"):
        PENALTIES["L2"](weight=1.0)
