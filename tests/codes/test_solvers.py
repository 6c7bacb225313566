"""Solvers bit by bit against plain loops, against all codes there are, and against their own objective, which never rises."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.codes.banks import BankRows
from biodeephashing.codes.solvers import (
    DSDHWeights,
    adsh_correlation,
    adsh_loss,
    adsh_objective,
    adsh_ratio,
    adsh_similarity,
    adsh_update,
    check_dfh_centres,
    dfh_descent,
    dfh_loss,
    dfh_targets,
    dsdh_objective,
    dsdh_update,
)
from biodeephashing.codes.solvers import adsh as adsh_module
from biodeephashing.errors import BioDeepHashingError, UsageError

SEEDS = st.integers(0, 2**32 - 1)


def sign(value):
    return 1.0 if value >= 0 else -1.0


def problem(seed, images, bits, classes):
    """Codes of ±1, outputs and labels: of one class, of several, or of none."""
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(images, bits, generator=generator, dtype=torch.float64)
    codes = torch.where(torch.rand(images, bits, generator=generator) < 0.5, 1.0, -1.0).double()
    labels = (torch.rand(images, classes, generator=generator) < 0.4).double()
    return codes, outputs, labels


@given(SEEDS, st.integers(1, 12), st.integers(1, 6), st.integers(1, 4))
def test_dsdh_never_rises(seed, images, bits, classes):
    codes, outputs, labels = problem(seed, images, bits, classes)
    weights = DSDHWeights(classification=2.0, ridge=0.5, quantisation=0.3)  # light, so that codes are not just signs
    values = []
    for _ in range(4):
        codes, classifier = dsdh_update(codes, outputs, labels, weights, rounds=1)
        values.append(dsdh_objective(codes, classifier, outputs, labels, weights).item())
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(values))


@given(SEEDS)
@settings(max_examples=30)
def test_dsdh_against_loops(seed):
    start, outputs, labels = problem(seed, 7, 4, 3)
    weights = DSDHWeights(classification=2.0, ridge=0.5, quantisation=0.3)
    codes, classifier = dsdh_update(start, outputs, labels, weights, rounds=3)
    b, u, y = start.T.numpy().copy(), outputs.T.numpy(), labels.T.numpy()  # columns are images, as in the paper
    for _ in range(3):
        w = np.linalg.inv(b @ b.T + 0.25 * np.eye(4)) @ b @ y.T
        p = w @ y + 0.15 * u
        for i in range(4):
            others = [o for o in range(4) if o != i]
            for image in range(7):
                b[i, image] = sign(p[i, image] - sum(b[o, image] * (w[o] @ w[i]) for o in others))
    np.testing.assert_array_equal(codes, b.T)
    np.testing.assert_allclose(classifier, w, atol=1e-9)
    value = 2 * ((y - w.T @ b) ** 2).sum() + 0.5 * (w**2).sum() + 0.3 * ((b - u) ** 2).sum()
    assert dsdh_objective(codes, classifier, outputs, labels, weights).item() == pytest.approx(value)


def test_published_weights_of_dsdh_and_zero():
    assert DSDHWeights() == (1, 1, 55)
    codes, classifier = dsdh_update(-torch.ones(2, 3), torch.zeros(2, 3), torch.zeros(2, 1), rounds=1)
    assert codes.tolist() == [[1.0] * 3] * 2  # an argument of 0 is +1
    assert (classifier == 0).all()
    start = torch.ones(1, 1)
    dsdh_update(start, -torch.ones(1, 1), torch.ones(1, 1))
    assert start.item() == 1  # what was given stays


def slow_similarity(sampled, labels):
    s = np.array([[bool((a * b).sum() > 0) for b in labels] for a in sampled])
    return np.where(s, 1.0, -s.sum() / max((~s).sum(), 1))


@given(SEEDS, st.integers(1, 5), st.integers(1, 4))
def test_adsh_never_rises_and_agrees_with_loops(seed, bits, classes):
    codes, outputs, labels = problem(seed, 9, bits, classes)
    index = torch.randperm(9, generator=torch.Generator().manual_seed(seed))[:4]
    u = outputs[index].tanh()
    ratio = adsh_ratio(labels[index], labels)
    similar = adsh_similarity(labels[index], labels, ratio, torch.float64)
    np.testing.assert_allclose(similar, slow_similarity(labels[index].numpy(), labels.numpy()), atol=1e-12)
    if 0 < (similar > 0).sum() < similar.numel():
        assert similar.sum().item() == pytest.approx(0, abs=1e-9)
    correlation = adsh_correlation(u, labels[index], labels, ratio)
    np.testing.assert_allclose(correlation, similar.T @ u, atol=1e-12)
    updated = adsh_update(codes, u, index, correlation, gamma=2.0)
    before, after = (adsh_objective(v, u, index, similar, gamma=2.0).item() for v in (codes, updated))
    assert after <= before + 1e-9
    v, slow_u = codes.numpy().copy(), u.numpy()
    for k in range(bits):
        for j in range(9):
            wanted = bits * sum(similar[i, j].item() * slow_u[i, k] for i in range(4))
            wanted += sum(2.0 * slow_u[i, k] for i in range(4) if index[i] == j)
            v[j, k] = sign(wanted - sum(v[j, o] * (slow_u[:, o] @ slow_u[:, k]) for o in range(bits) if o != k))
    np.testing.assert_array_equal(updated, v)


@given(SEEDS)
def test_each_bit_of_adsh_is_the_best_of_all(seed):
    """One bit: the update is the minimum over all codes there are."""
    codes, outputs, labels = problem(seed, 5, 1, 2)
    index = torch.tensor([3, 0])
    u = outputs[index].tanh()
    ratio = adsh_ratio(labels[index], labels)
    similar = adsh_similarity(labels[index], labels, ratio, torch.float64)
    updated = adsh_update(codes, u, index, adsh_correlation(u, labels[index], labels, ratio))
    every = [torch.tensor(v, dtype=torch.float64)[:, None] for v in itertools.product([-1, 1], repeat=5)]
    least = min(adsh_objective(v, u, index, similar).item() for v in every)
    assert adsh_objective(updated, u, index, similar).item() == pytest.approx(least)


def test_the_adsh_loss_by_loops_and_its_gradient():
    codes, outputs, labels = problem(0, 6, 3, 2)
    u, own, similar = outputs[:4].tanh(), codes[[5, 1, 0, 2]], adsh_similarity(labels[:4], labels, 0.7, torch.float64)
    u.requires_grad_()
    pairs = sum((u[i] @ codes[j] - 3 * similar[i, j]).item() ** 2 for i in range(4) for j in range(6))
    distance = sum((own[i, k] - u[i, k]).item() ** 2 for i in range(4) for k in range(3))
    assert adsh_loss(u, codes, similar, own).item() == pytest.approx((pairs + 200 * distance) / 24)
    assert torch.autograd.gradcheck(lambda x: adsh_loss(x, codes, similar, own, gamma=3.0), u)


def test_a_database_larger_than_a_block(monkeypatch):
    _, outputs, labels = problem(0, 23, 3, 4)
    whole = adsh_ratio(labels[:5], labels), adsh_correlation(outputs[:5], labels[:5], labels, 0.3)
    monkeypatch.setattr(adsh_module, "BLOCK", 4)
    assert adsh_ratio(labels[:5], labels) == whole[0]
    np.testing.assert_allclose(adsh_correlation(outputs[:5], labels[:5], labels, 0.3), whole[1], atol=1e-12)


def test_all_pairs_similar_and_a_row_sampled_twice():
    ones = torch.ones(3, 1)
    assert adsh_ratio(ones, ones) == 0
    assert adsh_similarity(ones, ones, 0.0).tolist() == [[1.0] * 3] * 3
    with pytest.raises(UsageError, match="3 sampled rows are only 2"):
        adsh_update(torch.ones(4, 2), torch.ones(3, 2), torch.tensor([1, 2, 1]), torch.ones(4, 2))


def test_the_targets_of_dfh():
    codes = torch.tensor([[0.05, -0.05, 0.2], [0.05, -0.05, 0.0]])
    labels = torch.tensor([[1, 0], [0, 0]])
    centres = torch.tensor([[-2.0, 1.0], [0.0, 1.0], [-0.1, 1.0]])
    assert dfh_targets(codes, labels, centres).tolist() == [[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0]]  # zero counts as +1


def dfh_objective(v, labels, targets):
    (bits, classes), near = v.shape, (v @ labels.T - targets.T).square().mean()
    apart = (v.T @ v - bits * (2 * torch.eye(classes).double() - torch.ones(classes, classes))).square().mean()
    return near + apart + (v - v.sign()).square().mean()


@given(SEEDS)
@settings(max_examples=20)
def test_the_centres_of_dfh_against_autograd(seed):
    targets, outputs, labels = problem(seed, 6, 4, 5)
    centres = 0.3 * outputs[:5].T
    moved = dfh_descent(centres, labels, targets, steps=181)
    v, rate = centres.clone(), 0.03
    for step in range(181):
        v.requires_grad_()
        (gradient,) = torch.autograd.grad(dfh_objective(v, labels, targets), v)
        if step in (149, 179):
            rate *= 0.1
        v = (v - rate * gradient).detach()
    np.testing.assert_allclose(moved, v, rtol=1e-6, atol=1e-6)


@given(SEEDS)
@settings(max_examples=10)
def test_dfh_never_rises_where_steps_are_short(seed):
    """From entries that are not exactly 0, where the distance to the sign jumps."""
    targets, outputs, labels = problem(seed, 20, 8, 10)
    centres, values = 0.5 * outputs[:10].T + 0.01, []
    for _ in range(20):
        values.append(dfh_objective(centres, labels, targets).item())
        centres = dfh_descent(centres, labels, targets, rate=0.003, steps=5)
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(values))


def test_centres_that_diverge():
    with pytest.raises(BioDeepHashingError, match="2 classes in 64 bits"):
        check_dfh_centres(dfh_descent(torch.ones(64, 2), torch.eye(2), torch.ones(2, 64), rate=3.0))


def test_the_dfh_loss_by_loops_and_its_gradient():
    targets, codes, labels = problem(0, 3, 4, 2)
    bank = BankRows(*problem(1, 5, 4, 2)[1:])
    codes.requires_grad_()
    total = 0.0
    for i, j in itertools.product(range(3), range(5)):
        t, s = (codes[i] @ bank.codes[j]).item() / 2, (labels[i] @ bank.labels[j] > 0).item()
        total += np.log1p(np.exp(3 - t)) if s else np.log1p(np.exp(3 + t))
    expected = total / 15 + 0.5 * (targets - codes).square().mean().item()
    assert dfh_loss(codes, labels, bank, targets).item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda u: dfh_loss(u, labels, bank, targets), codes)
    far = torch.full((1, 4), 1e4, requires_grad=True)
    dfh_loss(far, labels[:1], bank, targets[:1]).backward()
    assert far.grad.isfinite().all()
