"""Codebooks against derivatives by hand, plain loops, scikit-learn and SciPy."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from many_cases import each_case
from sklearn.metrics import roc_auc_score

from biodeephashing.codes.codebooks import (
    area_under_roc,
    bit_groups,
    check_codebook,
    class_code_predictions,
    class_tree,
    codebook_facts,
    codebook_loss,
    count_flips,
    draw_codebook,
    exact_accuracy,
    instance_loss,
    nearest_class,
    nearest_distance,
    outside,
    softmax_score,
    top_k_accuracy,
)
from biodeephashing.errors import BioDeepHashingError, UnknownNameError, UsageError

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, images=9, classes=6, bits=4):
    rng = np.random.default_rng(seed)
    features = np.round(rng.standard_normal((images, bits)), 1)  # some entries are exactly 0
    return features, rng.choice([-1, 1], (classes, bits)), rng.integers(classes, size=images)


def bit(value):
    return 1 if value >= 0 else -1


def distances_by_loop(features, codebook):
    return [[sum(bit(z) != bit(g) for z, g in zip(row, code, strict=True)) for code in codebook] for row in features]


@given(SEEDS, st.integers(1, 6))
def test_accuracies_against_all_orders_of_tied_classes(seed, k):
    features, codebook, classes = drawn(seed)
    expected, index, own, shared = [], [], [], []
    for row, y in zip(distances_by_loop(features, codebook), classes.tolist(), strict=True):
        tied = [c for c, d in enumerate(row) if d == row[y]]
        closer = sum(d < row[y] for d in row)
        expected.append(Fraction(sum(closer + place < k for place in range(len(tied))), len(tied)))
        index.append(y in sorted(range(len(row)), key=lambda c: (row[c], c))[:k])
        own.append(row[y] == 0)
        shared.append(Fraction(row[y] == 0, len(tied)))
    assert top_k_accuracy(features, codebook, classes, k=k) == pytest.approx(float(sum(expected) / 9))
    assert top_k_accuracy(features, codebook, classes, k=k, ties="index") == pytest.approx(sum(index) / 9)
    assert exact_accuracy(features, codebook, classes) == pytest.approx(sum(own) / 9)
    assert exact_accuracy(features, codebook, classes, ties="expected") == pytest.approx(float(sum(shared) / 9))
    assert exact_accuracy(features, codebook, classes, ties="expected") <= top_k_accuracy(features, codebook, classes) + 1e-12


@given(SEEDS)
def test_nearest_codes_and_codes_outside(seed):
    features, codebook, _ = drawn(seed)
    distances = distances_by_loop(features, codebook)
    assert nearest_class(features, codebook).tolist() == [row.index(min(row)) for row in distances]
    assert nearest_distance(features, codebook).tolist() == [min(row) for row in distances]
    assert outside(features, codebook).tolist() == [0 not in row for row in distances]
    logits = [[sum(z * g for z, g in zip(row, code, strict=True)) for code in codebook.tolist()] for row in features.tolist()]
    predicted = class_code_predictions(features, codebook)
    assert all(row[c] == pytest.approx(max(row)) for row, c in zip(logits, predicted, strict=True))


@given(SEEDS)
def test_distinct_codes(seed):
    rng = np.random.default_rng(seed)
    codebook = np.array(list(itertools.product([-1, 1], repeat=4)))[rng.permutation(16)[:6]]
    features, _, classes = drawn(seed)
    assert exact_accuracy(features, codebook, classes) <= top_k_accuracy(features, codebook, classes, ties="index")
    perfect = 0.3 * codebook[classes]
    for accuracy in (
        exact_accuracy(perfect, codebook, classes),
        exact_accuracy(perfect, codebook, classes, ties="expected"),
        top_k_accuracy(perfect, codebook, classes),
        (class_code_predictions(perfect, codebook) == classes).mean(),
    ):
        assert accuracy == 1
    order = rng.permutation(6)
    assert (order[nearest_class(perfect, codebook[order])] == classes).all()
    assert (nearest_class(perfect, 0.01 * codebook) == classes).all()  # real weights count by their signs


def test_wrong_questions():
    features, codebook, classes = drawn(0)
    with pytest.raises(UnknownNameError, match="expected"):
        top_k_accuracy(features, codebook, classes, ties="expectd")
    with pytest.raises(UnknownNameError, match="own"):
        exact_accuracy(features, codebook, classes, ties="index")
    with pytest.raises(UsageError, match="the 0 nearest"):
        top_k_accuracy(features, codebook, classes, k=0)
    with pytest.raises(UsageError, match=r"4 bits .* codebook of 3"):
        nearest_class(features, codebook[:, :3])
    with pytest.raises(UsageError, match="from 6 to 6"):
        exact_accuracy(features, codebook, np.full(9, 6))
    with pytest.raises(UsageError, match="9 codes"):
        exact_accuracy(features, codebook, classes[:5])
    with pytest.raises(BioDeepHashingError, match="row 2"):
        outside(np.where(np.arange(9)[:, None] == 2, np.nan, features), codebook)


@given(st.lists(st.integers(0, 5), min_size=1), st.lists(st.integers(0, 5), min_size=1))
def test_area_under_roc_against_scikit_learn(known, unknown):
    area = area_under_roc(np.array(known), np.array(unknown))
    assert area == pytest.approx(roc_auc_score([0] * len(known) + [1] * len(unknown), known + unknown))


def test_an_area_of_nothing():
    with pytest.raises(UsageError, match=r"known \(0\)"):
        area_under_roc(np.array([]), np.array([1.0]))
    with pytest.raises(UsageError, match="NaN"):
        area_under_roc(np.array([math.nan]), np.array([1.0]))


@given(SEEDS, st.integers(2, 7), st.integers(1, 6))
def test_facts_by_loop(seed, classes, bits):
    codebook = np.random.default_rng(seed).choice([-1, 1], (classes, bits))
    codes, columns = [tuple(row) for row in codebook.tolist()], [tuple(column) for column in codebook.T.tolist()]
    pairs = [sum(a != b for a, b in zip(*two, strict=True)) for two in itertools.combinations(codes, 2)]
    facts = codebook_facts(0.01 * codebook)
    assert (facts.distinct, facts.duplicates, facts.least) == (len(set(codes)), pairs.count(0), min(pairs))
    assert facts.mean == pytest.approx(sum(pairs) / len(pairs))
    assert facts.constant_bits == sum(len(set(column)) == 1 for column in columns)
    opposite = [tuple(-value for value in column) for column in columns]
    assert facts.repeated_bits == sum(columns[a] in (columns[b], opposite[b]) for a, b in itertools.combinations(range(bits), 2))
    assert facts.balance == pytest.approx([column.count(1) / classes for column in columns])


@given(SEEDS, st.integers(2, 7))
def test_the_tree_joins_by_mean_distance(seed, classes):
    codebook = np.random.default_rng(seed).choice([-1, 1], (classes, 8))
    groups = {c: [c] for c in range(classes)}

    def apart(a, b):
        return np.mean([(codebook[c] != codebook[d]).sum() for c in groups[a] for d in groups[b]])

    for step, (a, b, height, size) in enumerate(class_tree(codebook)):
        assert height == pytest.approx(min(apart(*two) for two in itertools.combinations(groups, 2)))
        assert height == pytest.approx(apart(int(a), int(b)))
        groups[classes + step] = groups.pop(int(a)) + groups.pop(int(b))
        assert len(groups[classes + step]) == size
    assert len(groups) == 1


def test_what_a_bit_says():
    groups = bit_groups(np.array([[0.0, -0.1], [-0.2, -0.3], [0.4, -0.5]]), ["cat", "dog", "owl"])
    assert groups == [(["cat", "owl"], ["dog"]), ([], ["cat", "dog", "owl"])]
    with pytest.raises(UsageError, match=r"2 class codes .* 1"):
        bit_groups(np.ones((2, 2)), ["cat"])


@pytest.mark.parametrize("function", [codebook_facts, class_tree])
def test_one_class_has_no_pairs(function):
    with pytest.raises(UsageError, match="1 classes"):
        function(np.ones((1, 4)))


@each_case(
    "codebook, told",
    [
        (np.ones((3, 4)), r"\(3, 4\)"),
        (np.ones(8), r"\(8,\)"),
        (np.ones((2, 4)), "all 2 classes have one code"),
        (np.array([[1.0, 1, 1, 1], [1, 1, np.inf, 1]]), "class 1"),
        (np.full((2, 4), "a"), "not numbers"),
        (np.array([[1, 1, 1, 1], [1, 1, 1, 1j]]), "not numbers"),
    ],
)
def test_an_array_that_is_no_codebook(codebook, told):
    with pytest.raises(BioDeepHashingError, match=told):
        check_codebook(codebook, 2, 4)


def test_arrays_that_are_codebooks():
    check_codebook(np.array([[1, 1], [1, -1]], np.int8), 2, 2)
    check_codebook(np.array([[0.01, 0.02]], np.float32), 1, 2)


@given(SEEDS, st.sampled_from([0.0, 0.1]))
def test_the_codebook_loss_and_its_gradients_by_hand(seed, smoothing):
    rng = np.random.default_rng(seed)
    hidden, layer, weights, y = (
        rng.standard_normal((5, 7)),
        rng.standard_normal((3, 7)),
        rng.standard_normal((4, 3)),
        rng.integers(4, size=5),
    )
    h, w_lr, w_code = (torch.from_numpy(array).requires_grad_() for array in (hidden, layer, weights))
    loss = codebook_loss(h @ w_lr.T, w_code, torch.from_numpy(y), smoothing)
    loss.backward()
    codes, z = np.where(weights >= 0, 1.0, -1.0), hidden @ layer.T
    logits = z @ codes.T
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    target = (1 - smoothing) * np.eye(4)[y] + smoothing / 4
    assert loss.item() == pytest.approx(-(target * np.log(shares)).sum(1).mean(), rel=1e-9)
    g = (shares - target) / 5
    np.testing.assert_allclose(w_code.grad, g.T @ z, atol=1e-12)
    np.testing.assert_allclose(w_lr.grad, (g @ codes).T @ hidden, atol=1e-12)
    np.testing.assert_allclose(h.grad, g @ codes @ layer, atol=1e-12)
    scaled = torch.from_numpy(1e-3 * weights).requires_grad_()
    again = codebook_loss(h.detach() @ w_lr.detach().T, scaled, torch.from_numpy(y), smoothing)
    again.backward()
    assert again.item() == loss.item()  # the size of the weights changes no value and no gradient
    np.testing.assert_array_equal(scaled.grad, w_code.grad)


@given(SEEDS)
def test_the_instance_loss_by_hand(seed):
    rng = np.random.default_rng(seed)
    z, codebook, y = rng.standard_normal((5, 3)), rng.choice([-1.0, 1.0], (4, 3)), rng.integers(4, size=5)
    outputs = torch.from_numpy(z).requires_grad_()
    loss = instance_loss(outputs, torch.from_numpy(codebook), torch.from_numpy(y))
    loss.backward()
    target, chance = (codebook[y] + 1) / 2, 1 / (1 + np.exp(-z))
    assert loss.item() == pytest.approx(-(target * np.log(chance) + (1 - target) * np.log(1 - chance)).mean(), rel=1e-9)
    np.testing.assert_allclose(outputs.grad, (chance - target) / 15, atol=1e-12)
    flip = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    assert instance_loss(outputs * flip, torch.from_numpy(codebook) * flip, torch.from_numpy(y)).item() == pytest.approx(loss.item())


def test_losses_of_huge_outputs_are_finite():
    outputs = torch.tensor([[1e4, -1e4]], requires_grad=True)
    codebook, y = torch.tensor([[-1.0, 1.0], [1.0, 1.0]]), torch.tensor([0])
    (codebook_loss(outputs, codebook, y) + instance_loss(outputs, codebook, y)).backward()
    assert outputs.grad.isfinite().all()


def test_a_drawn_codebook():
    codebook = draw_codebook(500, 16, torch.Generator().manual_seed(0))
    assert codebook.shape == (500, 16)
    assert codebook.std().item() == pytest.approx(0.01, rel=0.05)
    assert draw_codebook(500, 16, torch.Generator().manual_seed(0), scale=2.0).std().item() == pytest.approx(2.0, rel=0.05)
    assert draw_codebook(4, 2, torch.Generator()).shape == (4, 2)
    with pytest.raises(UsageError, match="2 bits make 4 codes: too few for 5"):
        draw_codebook(5, 2, torch.Generator())
    assert count_flips(codebook, -codebook) == 8000
    assert count_flips(codebook, 3 * codebook) == 0


@settings(max_examples=30)
@given(SEEDS, st.integers(0, 2), st.floats(1e-6, 1e3))
def test_what_changes_nothing_in_a_codebook(seed, bit_number, scale):
    rng = np.random.default_rng(seed)
    hidden, layer, weights = rng.standard_normal((5, 7)), rng.standard_normal((3, 7)), rng.standard_normal((4, 3))
    y, order, flip = rng.integers(4, size=5), rng.permutation(4), np.where(np.arange(3) == bit_number, -1.0, 1.0)

    def learnt(layer, weights, y):
        h, w_lr, w_code = (torch.from_numpy(array.copy()).requires_grad_() for array in (hidden, layer, weights))
        loss = codebook_loss(h @ w_lr.T, w_code, torch.from_numpy(y))
        loss.backward()
        z = hidden @ layer.T
        return (
            loss.item(),
            *(part.grad.numpy() for part in (h, w_lr, w_code)),
            class_code_predictions(z, weights),
            nearest_class(z, weights),
        )

    value, of_h, of_layer, of_code, predicted, nearest = learnt(layer, weights, y)
    ordered = learnt(layer, weights[order], np.argsort(order)[y])  # classes in another order
    for found, expected in zip(ordered[:4], (value, of_h, of_layer, of_code[order]), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    codes = np.where(weights >= 0, 1, -1)
    np.testing.assert_array_equal(codes[order][ordered[4]], codes[predicted])  # of equal codes the first counts, in either order
    turned = learnt(flip[:, None] * layer, flip * weights, y)  # a bit the other way round, in the layer and in all codes
    for found, expected in zip(turned, (value, of_h, flip[:, None] * of_layer, flip * of_code, predicted, nearest), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    for found, expected in zip(learnt(layer, scale * weights, y), (value, of_h, of_layer, of_code, predicted, nearest), strict=True):
        np.testing.assert_array_equal(found, expected)


@given(SEEDS)
def test_the_softmax_score_by_loop(seed):
    features, codebook, _ = drawn(seed)
    for row, score in zip(features, softmax_score(1e3 * features, 0.01 * codebook), strict=True):
        logits = [1e3 * sum(z * g for z, g in zip(row, code, strict=True)) for code in codebook]
        assert score == pytest.approx(-1 / sum(math.exp(logit - max(logits)) for logit in logits))
