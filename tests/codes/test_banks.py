"""Losses of a batch with a memory bank against plain loops over pairs, and against the losses of a batch with itself."""

import math

import numpy as np
import pytest
import torch
from many_cases import each_case

from biodeephashing.codes.banks import BANK_LOSSES, BankRows, MemoryBank, bank_loss
from biodeephashing.errors import UnknownNameError, UsageError
from biodeephashing.losses import LOSSES

BITS = 3


def softplus(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def likelihood(u, m, s):
    return softplus(dot(u, m) / 2) - s * dot(u, m) / 2


def contrastive(u, m, s):
    d = sum((a - b) ** 2 for a, b in zip(u, m, strict=True))
    return (s * d + (1 - s) * max(0, 2 * BITS - d)) / 2


def graded(hard, soft):
    def pair(u, m, y, ym):
        r = dot(y, ym) / math.sqrt(max(1, sum(y) * sum(ym)))
        t = dot(u, m) / 2
        return hard * (softplus(t) - r * t) if r > 0.99 or r < 0.01 else soft(t, r)

    return pair


def of_similarity(pair):
    return lambda u, m, y, ym: pair(u, m, float(dot(y, ym) > 0))


SLOW_PAIRS = {
    "DPSH": of_similarity(likelihood),
    "DHN": of_similarity(likelihood),
    "DBDH": of_similarity(likelihood),
    "DSH": of_similarity(contrastive),
    "ISDH": graded(10, lambda t, r: (r - 1 / (1 + math.exp(-t))) ** 2),
    "IDHN": graded(1, lambda t, r: 0.1 * (t + BITS - 2 * r * BITS) ** 2),
}
SLOW_PENALTIES = {
    "DPSH": lambda codes: mean((x - (1 if x >= 0 else -1)) ** 2 for u in codes for x in u),
    "DHN": lambda codes: mean(math.log(math.cosh(abs(x) - 1)) for u in codes for x in u),
    "DBDH": lambda codes: mean(mean(u) ** 2 for u in codes),
    "DSH": lambda codes: mean(abs(abs(x) - 1) for u in codes for x in u),
    "ISDH": lambda codes: mean(abs(abs(x) - 1) for u in codes for x in u),
    "IDHN": lambda codes: mean(abs(abs(x) - 1) for u in codes for x in u),
}


def drawn(rows, seed, bits=BITS):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(rows, bits, generator=generator, dtype=torch.float64)
    labels = (torch.rand(rows, 4, generator=generator) < 0.4).long()  # some rows have no class
    return codes, labels


def slow_loss(name, codes, labels, bank, *, penalty, p=None):
    total = []
    for u, y in zip(codes.tolist(), labels.tolist(), strict=True):
        for m, ym in zip(bank.codes.tolist(), bank.labels.tolist(), strict=True):
            weight = 1 if p is None else 1 / p if dot(y, ym) else 1 / (1 - p)
            total.append(weight * SLOW_PAIRS[name](u, m, y, ym))
    return mean(total) + penalty * SLOW_PENALTIES[name](codes.tolist())


@each_case("name", BANK_LOSSES)
def test_values_against_loops_over_pairs(name):
    for seed in range(5):
        (codes, labels), bank = drawn(4, seed), BankRows(*drawn(6, seed + 100))
        value = bank_loss(name, codes, labels, bank, penalty=0.3)
        assert value.item() == pytest.approx(slow_loss(name, codes, labels, bank, penalty=0.3), rel=1e-12)
        weighted = bank_loss(name, codes, labels, bank, penalty=0.3, similar_probability=0.2)
        assert weighted.item() == pytest.approx(slow_loss(name, codes, labels, bank, penalty=0.3, p=0.2), rel=1e-12)
        single = bank_loss(name, codes.float(), labels, bank, penalty=0.3)
        assert single.dtype == torch.float32
        assert single.item() == pytest.approx(value.item(), rel=1e-5)


@each_case("name", BANK_LOSSES)
def test_the_gradient_reaches_the_batch_alone(name):
    (codes, labels), bank = drawn(3, 0), BankRows(*drawn(5, 1))
    codes.requires_grad_()
    bank.codes.requires_grad_()
    assert torch.autograd.gradcheck(lambda u: bank_loss(name, u, labels, bank, similar_probability=0.3), codes)
    bank_loss(name, codes, labels, bank).backward()
    assert bank.codes.grad is None


@each_case("name", BANK_LOSSES)
def test_a_bank_that_is_the_batch(name):
    """The value is that of the loss in the batch, the gradient half of it: each pair is seen from one side."""
    outputs, labels = drawn(6, 3)
    cube = {} if name in ("DBDH", "ISDH", "IDHN") else {"cube": False}
    loss = LOSSES[name](bits=BITS, classes=4, train_size=6, similar_probability=0.4, penalty=0.0, **cube)
    codes = loss.relax(outputs).detach().requires_grad_()
    inside = loss.objective(codes, labels, torch.arange(6))
    value = bank_loss(name, codes, labels, BankRows(codes, labels), penalty=0.0)
    assert value.item() == pytest.approx(inside.item(), rel=1e-12)
    (half,), (whole,) = torch.autograd.grad(value, codes), torch.autograd.grad(inside, codes)
    np.testing.assert_allclose(half, whole / 2, atol=1e-12)


@each_case("name", BANK_LOSSES)
def test_rows_that_were_never_written_do_not_count(name):
    (codes, labels), (others, classes) = drawn(4, 0), drawn(7, 1)
    written = torch.tensor([True, False, True, True, False, True, False])
    codes.requires_grad_()
    for p in (None, 0.3):
        selected = bank_loss(name, codes, labels, BankRows(others[written], classes[written]), similar_probability=p)
        masked = bank_loss(name, codes, labels, BankRows(others * written[:, None], classes, written), similar_probability=p)
        assert masked.item() == pytest.approx(selected.item(), rel=1e-12)
        slopes = [torch.autograd.grad(value, codes)[0] for value in (masked, selected)]
        np.testing.assert_allclose(*slopes, atol=1e-12)


@each_case("name", BANK_LOSSES)
def test_huge_codes_are_finite(name):
    codes = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    bank = BankRows(torch.tensor([[1e4, 1e4, 1e4], [-1e4, 1e4, 0.0]]), torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0]]))
    value = bank_loss(name, codes, torch.tensor([[0, 1, 0, 0]]), bank)
    value.backward()
    assert value.isfinite()
    assert codes.grad.isfinite().all()


def test_a_bank_holds_the_latest_codes_and_nothing_unwritten():
    labels = torch.eye(4)
    bank = MemoryBank(labels, bits=2)
    assert not bank.rows().written.any()
    codes = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    bank.write(torch.tensor([3, 1]), codes)
    assert bank.rows().codes.tolist() == [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [1.0, 2.0]]
    assert bank.rows().written.tolist() == [False, True, False, True]
    assert bank.rows().labels.tolist() == labels.tolist()
    assert not bank.rows().codes.requires_grad
    bank.write(torch.tensor([3, 0, 2]), torch.arange(6.0).view(3, 2))
    assert bank.rows().codes.tolist() == [[2.0, 3.0], [3.0, 4.0], [4.0, 5.0], [0.0, 1.0]]
    resumed = MemoryBank(labels, bits=2)
    resumed.load_state_dict(bank.state_dict())
    assert (resumed.rows().codes == bank.rows().codes).all()
    assert set(bank.state_dict()) == {"codes", "written"}  # labels are known without
    bank.clear()
    assert not bank.rows().written.any()
    bank.write(torch.tensor([2]), torch.tensor([[7.0, 8.0]]))
    assert bank.rows().codes[bank.rows().written].tolist() == [[7.0, 8.0]]
    assert MemoryBank(labels, bits=2).double().rows().codes.dtype == torch.float64


def test_what_a_bank_refuses():
    bank = MemoryBank(torch.eye(4), bits=2)
    for index in (-1, 4):
        with pytest.raises(UsageError, match=f"from {index} to {index}: .* 0 to 3"):
            bank.write(torch.tensor([index]), torch.ones(1, 2))
    with pytest.raises(UsageError, match=r"2 bits .*\(1, 3\)"):
        bank.write(torch.tensor([0]), torch.ones(1, 3))
    with pytest.raises(UsageError, match="at least one"):
        MemoryBank(torch.ones(0, 4), bits=2)
    codes, labels = drawn(2, 0)
    with pytest.raises(UnknownNameError, match="DPSH"):
        bank_loss("DPHS", codes, labels, BankRows(codes, labels))
    for p in (0.0, 1.0, math.nan):
        with pytest.raises(UsageError, match=f"similar_probability={p}"):
            bank_loss("DPSH", codes, labels, BankRows(codes, labels), similar_probability=p)


def test_a_bank_of_the_largest_set_needs_no_cube_of_memory():
    codes, labels = torch.ones(4, 64), torch.ones(4, 1)
    bank = BankRows(torch.ones(200_000, 64), torch.ones(200_000, 1))
    assert bank_loss("DSH", codes, labels, bank, penalty=0.0).item() == 0  # 4 · 200,000 · 64 floats would be 205 MB
