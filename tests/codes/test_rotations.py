"""Rotations against products of reflections, written derivatives and SciPy; and what no rotation may change."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from many_cases import each_case
from scipy.linalg import orthogonal_procrustes
from scipy.special import logsumexp
from torch import nn

from biodeephashing.codes import binarise
from biodeephashing.codes.rotations import (
    OBJECTIVES,
    Descent,
    Rotation,
    householder,
    householder_step,
    itq,
    learn_householder,
    learn_itq,
    random_rotation,
    to_sphere,
    zero_rows,
)
from biodeephashing.errors import BioDeepHashingError, UnknownNameError, UsageError

SEEDS = st.integers(0, 2**32 - 1)
BITS = st.integers(2, 9)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(rows, bits, seed, dtype=torch.float64):
    return torch.randn(rows, bits, generator=seeded(seed), dtype=torch.float64).to(dtype)


def reflections_one_by_one(vectors):
    product = np.eye(len(vectors))
    for column in vectors.T.numpy():
        product = product @ (np.eye(len(vectors)) - 2 * np.outer(column, column) / (column @ column))
    return product


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


SLOW = {
    "L2": lambda rows: np.mean([[(abs(x) - 1) ** 2 for x in row] for row in rows]),
    "L1": lambda rows: np.mean([[abs(abs(x) - 1) for x in row] for row in rows]),
    "min_entry": lambda rows: np.mean([logsumexp([-x * x for x in row]) for row in rows]),
    "bit_var": lambda rows: np.mean([[sigmoid(x) * (1 - sigmoid(x)) for x in row] for row in rows]),
}


@given(BITS, st.integers(1, 9), SEEDS)
def test_the_closed_form_is_the_product_of_the_reflections(bits, columns, seed):
    vectors = normal(bits, columns, seed)
    product = householder(vectors)
    np.testing.assert_allclose(product, reflections_one_by_one(vectors), atol=1e-12)
    np.testing.assert_allclose(product @ product.T, np.eye(bits), atol=1e-12)
    assert np.linalg.det(product) == pytest.approx((-1) ** columns)
    column = seed % columns
    vectors[:, column] *= 7.5 if seed % 2 else -1e-3  # neither its length nor its sign is seen
    np.testing.assert_allclose(householder(vectors), product, atol=1e-12)


def test_axes_reflect_everything():
    assert householder(torch.eye(3)).tolist() == (-torch.eye(3)).tolist()


@pytest.mark.parametrize(("column", "value"), [(2, 0.0), (1, math.inf), (0, math.nan)])
def test_a_column_without_direction_is_named(column, value):
    vectors = torch.eye(4)
    vectors[:, column] = value
    with pytest.raises(BioDeepHashingError, match=f"column {column}"):
        householder(vectors)


@each_case("name", OBJECTIVES)
def test_objectives(name):
    rows = 3 * normal(7, 5, 0)
    assert OBJECTIVES[name](rows).item() == pytest.approx(SLOW[name](rows.tolist()), rel=1e-12)
    order, flips = torch.tensor([3, 1, 4, 0, 2]), torch.tensor([1.0, -1.0, -1.0, 1.0, -1.0])
    assert OBJECTIVES[name](flips * rows[:, order]).item() == pytest.approx(OBJECTIVES[name](rows).item(), rel=1e-12)
    vectors = normal(5, 5, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: OBJECTIVES[name](rows @ householder(w).T), vectors)
    (gradient,) = torch.autograd.grad(OBJECTIVES[name](rows @ householder(vectors).T), vectors)
    np.testing.assert_allclose((gradient * vectors).sum(0).detach(), 0, atol=1e-12)  # no step shortens a column
    stepped = householder_step(vectors, rows, OBJECTIVES[name], 0.3)
    np.testing.assert_allclose(stepped.detach(), (vectors - 0.3 * gradient).detach(), rtol=1e-12)
    extreme = torch.tensor([[1e4, -1e4], [0.0, 1e-30]], requires_grad=True)
    value = OBJECTIVES[name](extreme)
    value.backward()
    assert value.isfinite()
    assert extreme.grad.isfinite().all()


def test_on_the_sphere_l2_is_the_mean_size():
    rows, vectors = to_sphere(normal(20, 6, 0)), normal(6, 6, 1).requires_grad_()
    turned = rows @ householder(vectors).T
    assert OBJECTIVES["L2"](turned).item() == pytest.approx(2 - 2 * turned.abs().mean().item())
    (squared,) = torch.autograd.grad(OBJECTIVES["L2"](turned), vectors, retain_graph=True)
    (size,) = torch.autograd.grad(-turned.abs().mean(), vectors)
    np.testing.assert_allclose(squared, 2 * size, atol=1e-12)


@given(st.integers(1, 6), BITS, SEEDS, st.sampled_from([1e-38, 1e-4, 1.0, 1e4, 1e37]))
def test_rows_on_the_sphere(rows, bits, seed, size):
    features = normal(rows, bits, seed, torch.float32) * size
    features = torch.cat([features, torch.zeros(1, bits)])
    sphere = to_sphere(features)
    np.testing.assert_allclose(sphere[:-1].square().sum(1), bits, rtol=1e-5)
    np.testing.assert_allclose(sphere[-1], 0)
    assert zero_rows(features) == [rows]
    assert (sphere.sign() == features.sign()).all()


@pytest.mark.parametrize(
    "function", [to_sphere, lambda f: learn_itq(f, seeded(0)), lambda f: learn_householder(f, f, "L2", Descent(), seeded(0))]
)
def test_features_that_cannot_be_rotated(function):
    features = torch.ones(5, 3)
    features[3, 1] = math.nan
    with pytest.raises(BioDeepHashingError, match="row 3"):
        function(features)
    with pytest.raises(BioDeepHashingError, match=r"\(0, 3\)"):
        function(torch.ones(0, 3))


def test_nothing_to_learn():
    one = torch.ones(5, 1)
    with pytest.raises(UsageError, match="one bit"):
        learn_itq(one, seeded(0))
    with pytest.raises(UsageError, match="one bit"):
        learn_householder(one, one, "L2", Descent(), seeded(0))
    with pytest.raises(BioDeepHashingError, match="all 4 rows of the val"):
        learn_householder(torch.ones(3, 2), torch.zeros(4, 2), "L2", Descent(), seeded(0))
    with pytest.raises(BioDeepHashingError, match="2 bits, the val features 3"):
        learn_householder(torch.ones(3, 2), torch.ones(4, 3), "L2", Descent(), seeded(0))


@each_case("wrong", [{"learning_rate": 0.0}, {"learning_rate": math.nan}, {"learning_rate": math.inf}, {"epochs": 0}, {"batch_size": 0}])
def test_an_impossible_descent(wrong):
    with pytest.raises(UsageError, match=str(next(iter(wrong.values())))):
        Descent(**wrong)


def test_an_objective_that_nobody_knows():
    with pytest.raises(UnknownNameError, match="min_entry"):
        learn_householder(torch.ones(2, 2), torch.ones(2, 2), "min_entri", Descent(), seeded(0))


@each_case("name", OBJECTIVES)
def test_full_batches_descend_by_written_steps(name):
    """Central differences of the slow objective over reflections that are multiplied one by one."""
    train, vectors, values = normal(8, 3, 5), np.eye(3), []
    rows = (math.sqrt(3) * train / train.norm(dim=1, keepdim=True)).numpy()

    def value(w):
        return SLOW[name](rows @ reflections_one_by_one(torch.from_numpy(w)).T)

    for _ in range(3):
        gradient = np.zeros((3, 3))
        for entry in np.ndindex(3, 3):
            nudge = np.zeros((3, 3))
            nudge[entry] = 1e-6
            gradient[entry] = (value(vectors + nudge) - value(vectors - nudge)) / 2e-6
        vectors = vectors - 0.2 * gradient
        values.append(value(vectors))
    rotation = learn_householder(train, train, name, Descent(0.2, epochs=3, batch_size=8), seeded(0))
    np.testing.assert_allclose(rotation.objectives, values, rtol=1e-8)
    best = learn_householder(train, train, name, Descent(0.2, epochs=1 + int(np.argmin(values)), batch_size=8), seeded(0))
    np.testing.assert_allclose(rotation.matrix, best.matrix, atol=1e-12)


def test_the_epoch_with_the_least_validation_objective_is_kept():
    train, val = normal(40, 4, 0, torch.float32), normal(40, 4, 1, torch.float32)
    long = learn_householder(train, val, "L2", Descent(5.0, epochs=12, batch_size=8), seeded(2))
    best = int(np.argmin(long.objectives))
    assert best < 11  # else there would be nothing to choose
    value = OBJECTIVES["L2"](long.rotate(to_sphere(val))).item()
    assert value == pytest.approx(long.objectives[best], rel=1e-5)
    again = learn_householder(train, val, "L2", Descent(5.0, epochs=12, batch_size=8), seeded(2))
    assert again.objectives == long.objectives
    assert (again.matrix == long.matrix).all()
    other = learn_householder(train, val, "L2", Descent(5.0, epochs=12, batch_size=8), seeded(3))
    assert other.objectives != long.objectives


def test_zero_rows_do_not_take_part():
    train, val = normal(20, 4, 0), normal(20, 4, 1)
    plain = learn_householder(train, val, "L2", Descent(epochs=2, batch_size=20), seeded(0))
    padded = [torch.cat([torch.zeros(3, 4), fold]) for fold in (train, val)]
    np.testing.assert_allclose(
        learn_householder(*padded, "L2", Descent(epochs=2, batch_size=20), seeded(0)).matrix, plain.matrix, atol=1e-12
    )


def test_300_epochs_in_single_precision_stay_orthogonal_and_find_the_corners():
    corners = binarise(normal(60, 4, 0).numpy())
    hidden = torch.from_numpy(corners).float() @ random_rotation(4, seeded(1)).float()
    rotation = learn_householder(hidden, hidden, "L2", Descent(batch_size=60), seeded(0))
    np.testing.assert_allclose(rotation.matrix @ rotation.matrix.T, np.eye(4), atol=1e-6)
    assert np.linalg.det(rotation.matrix) == pytest.approx(1, abs=1e-5)
    assert min(rotation.objectives) < rotation.objectives[0] / 2


@given(st.integers(1, 12), BITS, SEEDS)
@settings(max_examples=50)
def test_itq_never_rises_and_takes_the_nearest_rotation(rows, bits, seed):
    features, start = normal(rows, bits, seed), random_rotation(bits, seeded(seed + 1))
    rotation, objectives = itq(features, start, rounds=8)
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(objectives))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(bits), atol=1e-12)
    turn = start
    for objective in objectives:
        codes = np.where(features.numpy() @ turn.numpy() >= 0, 1.0, -1.0)
        nearest, _ = orthogonal_procrustes(features.numpy(), codes)  # not the only one where codes collapse
        assert objective == pytest.approx(np.linalg.norm(features.numpy() @ nearest - codes) ** 2, rel=1e-9, abs=1e-9)
        turn, again = itq(features, turn, rounds=1)
        assert again == [objective]
    assert (turn == rotation).all()


def test_itq_by_hand():
    rotation, objectives = itq(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.eye(2), rounds=1)
    # codes (+1 +1) of both rows, zero being +1: VᵀT is all ones; any rotation of the plane within 45° of it is as near
    assert objectives[0] == pytest.approx(2 + 4 - 2 * 2)
    assert abs(np.linalg.det(rotation)) == pytest.approx(1)
    with pytest.raises(UsageError, match="0 rounds"):
        itq(torch.eye(2), torch.eye(2), rounds=0)


def test_normalising_centring_and_the_seed_of_itq():
    features = normal(60, 5, 0) + 0.3
    for centre in (False, True):
        rows = features - features.mean(0) if centre else features
        for normalise in (False, True):
            rows = rows / rows.norm(dim=1, keepdim=True) if normalise else rows
            expected, _ = itq(rows, random_rotation(5, seeded(7)))
            learnt = learn_itq(features, seeded(7), centre=centre, normalise=normalise)
            np.testing.assert_allclose(learnt.matrix, expected.T, atol=1e-7)
            assert (learnt.mean is not None) == centre
    assert not torch.allclose(learn_itq(features, seeded(8)).matrix, learn_itq(features, seeded(7)).matrix)
    assert len(learn_itq(features, seeded(0), rounds=3).objectives) == 3


def test_random_rotations_prefer_no_direction():
    turns = torch.stack([random_rotation(3, seeded(seed)) for seed in range(2000)])
    np.testing.assert_allclose(turns.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(turns.square().mean(0), 1 / 3, atol=0.03)


@given(BITS, SEEDS, st.booleans(), st.booleans(), st.sampled_from([torch.float32, torch.float64]))
def test_folding_into_the_hash_layer(bits, seed, has_bias, centred, dtype):
    torch.manual_seed(seed)
    layer = nn.Linear(6, bits, bias=has_bias).to(dtype)
    inputs = torch.randn(30, 6, dtype=dtype)
    features = layer(inputs).detach()
    rotation = Rotation(random_rotation(bits, seeded(seed)).to(dtype), features.mean(0) if centred else None)
    weight, bias = rotation.fold(layer.weight.detach(), None if layer.bias is None else layer.bias.detach())
    folded, rotated = nn.functional.linear(inputs, weight, bias), rotation.rotate(features)
    assert rotated.dtype == weight.dtype == dtype
    np.testing.assert_allclose(folded, rotated, atol=1e-5 if dtype == torch.float32 else 1e-12)
    clear = rotated.abs() > 1e-5  # nearer to 0 the sign hangs on rounding
    assert (torch.from_numpy(binarise(folded.numpy()) == binarise(rotated.numpy())) | ~clear).all()
    if not centred:
        sphere = rotation.rotate(to_sphere(features))
        assert (torch.from_numpy(binarise(sphere.numpy()) == binarise(rotated.numpy())) | ~clear).all()
        np.testing.assert_allclose(features @ features.T, rotated @ rotated.T, atol=1e-4 if dtype == torch.float32 else 1e-11)
        assert (bias is None) == (not has_bias)


def test_a_layer_of_another_size():
    with pytest.raises(BioDeepHashingError, match="2 bits does not fit a hash layer of 3"):
        Rotation(torch.eye(2)).fold(torch.ones(3, 4), None)


@each_case("dtype, computed", [(torch.float16, torch.float32), (torch.bfloat16, torch.float32), (torch.float64, torch.float64)])
def test_types(dtype, computed):
    features = normal(9, 3, 0).to(dtype)
    assert to_sphere(features).dtype == computed
    assert learn_itq(features, seeded(0), rounds=2).matrix.dtype == computed
    assert learn_householder(features, features, "L1", Descent(epochs=1), seeded(0)).matrix.dtype == computed
