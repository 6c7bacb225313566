"""Losses with a memory bank: values and gradients by loops over pairs, and what DSDH and DFH keep moves as written."""

import pytest
import torch
from loss_cases import BITS, CLASSES, NAMES, batch, build, train_labels, value_and_gradient
from many_cases import each_case
from torch.nn.functional import softplus

from biodeephashing.codes.banks import BankRows
from biodeephashing.codes.solvers import DSDHWeights, dfh_descent, dfh_targets, dsdh_update
from biodeephashing.errors import BioDeepHashingError, UsageError
from biodeephashing.losses import LOSSES

TAKING = [name for name in NAMES if LOSSES[name].memory_bank != "never"]
BALANCED = sorted({"DPSH", "DHN", "DSH", "DBDH", "DSDH", "DFH"})
EARLIER, LATER = torch.tensor([7, 1, 30, 2, 11, 4]), torch.tensor([11, 3, 99, 1])


def with_bank(name, **changes):
    loss = build(name, bank=True, **changes).double()
    if name == "DSDH":
        loss.solved.fill_(False)  # as it begins
    return loss


def batches(labels):
    """Return two batches that share images, with the labels that the train fold has."""
    for seed, index in enumerate((EARLIER, LATER)):
        outputs, _, _ = batch(len(index), seed=seed)
        yield outputs, labels[index], index


def rows_after(relaxed, labels):
    """Return what a bank holds that two batches were written into, row by row."""
    latest = {}
    for codes, index in zip(relaxed, (EARLIER, LATER), strict=True):
        latest |= dict(zip(index.tolist(), codes, strict=True))
    return BankRows(torch.stack([latest[row] for row in sorted(latest)]), labels[sorted(latest)])


def similar(y, ym):
    return (y @ ym > 0).double()


def likelihood(u, m, y, ym):
    return softplus(u @ m / 2) - similar(y, ym) * (u @ m / 2)


def contrastive(u, m, y, ym):
    s, d = similar(y, ym), (u - m).square().sum()
    return (s * d + (1 - s) * (2 * BITS - d).clamp_min(0)) / 2


def graded(hard, soft):
    def pair(u, m, y, ym):
        r, t = y @ ym / (y.sum() * ym.sum()).sqrt().clamp_min(1), u @ m / 2
        return hard * (softplus(t) - r * t) if r > 0.99 or r < 0.01 else soft(t, r)

    return pair


def margins(u, m, y, ym):
    return softplus(3 + (1 - 2 * similar(y, ym)) * (u @ m / 2))


SLOW_PAIRS = {
    "DPSH": likelihood,
    "DHN": likelihood,
    "DBDH": likelihood,
    "DSH": contrastive,
    "ISDH": graded(10, lambda t, r: (r - t.sigmoid()) ** 2),
    "IDHN": graded(1, lambda t, r: 0.1 * (t + BITS - 2 * r * BITS) ** 2),
    "DSDH": likelihood,
    "DFH": margins,
}
SLOW_PENALTIES = {
    "DPSH": lambda u, y: (u.abs() - 1).square().sum(1).mean(),
    "DHN": lambda u, y: (u.abs() - 1).cosh().log().sum(1).mean(),
    "DBDH": lambda u, y: u.mean(1).square().mean(),
    "DSH": lambda u, y: (u.abs() - 1).abs().sum(1).mean(),
    "ISDH": lambda u, y: (u.abs() - 1).abs().mean(),
    "IDHN": lambda u, y: (u.abs() - 1).abs().mean(),
    "DSDH": lambda u, y: torch.zeros(()),  # as long as nothing is solved
    "DFH": lambda u, y: (u - dfh_targets(u.detach(), y, torch.zeros(BITS, CLASSES))).square().mean(),
}


def slow_loss(name, codes, labels, rows, p):
    """Return the loss by loops over pairs, the own penalty weighed by 0.1."""
    pairs = []
    for u, y in zip(codes, labels.double(), strict=True):
        for m, ym in zip(rows.codes, rows.labels.double(), strict=True):
            weight = 1 if p is None else 1 / p if y @ ym > 0 else 1 / (1 - p)
            pairs.append(weight * SLOW_PAIRS[name](u, m, y, ym))
    return torch.stack(pairs).mean() + 0.1 * SLOW_PENALTIES[name](codes, labels)


@each_case("name, balance", [(name, balance) for name in TAKING for balance in (False, True) if name in BALANCED or not balance])
def test_values_and_gradients_by_loops_over_pairs(name, balance):
    loss = with_bank(name, **({"balance": True} if balance else {}))
    labels = train_labels()
    (first, *_), (outputs, own, _) = both = list(batches(labels))
    for given in both:
        value, gradient = value_and_gradient(loss, *given)
    outputs = outputs.clone().requires_grad_()
    rows = rows_after((loss.relax(first), loss.relax(outputs.detach())), labels)
    expected = slow_loss(name, loss.relax(outputs), own, rows, p=0.3 if balance else None)
    expected.backward()
    torch.testing.assert_close(value, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, outputs.grad, rtol=1e-10, atol=1e-14)


@each_case("name", sorted(set(TAKING) - {"DSDH", "DFH"}))
def test_a_bank_that_has_seen_the_batch_alone_gives_its_value_and_half_its_gradient(name):
    labels = train_labels()
    (outputs, own, index), _ = batches(labels)
    value, gradient = value_and_gradient(with_bank(name, penalty=0.0), outputs, own, index)
    inside, whole = value_and_gradient(build(name, penalty=0.0), outputs, own, index)
    torch.testing.assert_close(value, inside, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, whole / 2, rtol=1e-10, atol=1e-14)


def test_the_constants_of_a_loss_hold_with_a_bank():
    labels = train_labels()
    (outputs, own, index), _ = batches(labels)
    for name, constants in [
        ("DPSH", {"inner_product_scale": 1.0}),
        ("DSH", {"margin": 3.0}),
        ("ISDH", {"gamma": 2.0}),
        ("IDHN", {"beta": 1.0}),
    ]:
        usual, other, inside = (
            build(name, penalty=0.0, **more).double() for more in ({"bank": True}, {"bank": True, **constants}, constants)
        )
        values = [value_and_gradient(loss, outputs, own, index)[0].item() for loss in (usual, other, inside)]
        assert values[1] == pytest.approx(values[2], rel=1e-12), name
        assert values[1] != pytest.approx(values[0], rel=1e-3), name


def test_balance_by_hand():
    """Inner products 2 of the one similar pair (1, 1), and 0 of two dissimilar pairs: t = 1 and 0."""
    loss = build("DPSH", bits=2, classes=2, penalty=0.0, cube=False, similar_probability=0.25, balance=True)
    codes, labels = torch.tensor([[1.0, 1.0], [1.0, -1.0]]), torch.eye(2)
    # twice 4 log(1 + e^-1) and twice 4/3 log 2, over 4
    assert loss(codes, labels, torch.arange(2)).item() == pytest.approx((2 * 4 * 0.3132617 + 2 * 4 / 3 * 0.6931472) / 4, abs=1e-6)


# ---------------------------------------------------------------- DSDH and DFH


def test_dsdh_solves_once_every_image_has_a_code():
    labels = torch.eye(CLASSES)[torch.arange(6) % CLASSES]
    loss = LOSSES["DSDH"](bits=BITS, classes=CLASSES, train_size=6, similar_probability=0.3, penalty=0.5, ridge=2.0, rounds=3)
    loss.on_fit_start(labels)
    loss.double()
    outputs = torch.randn(6, BITS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    loss(outputs[:4], labels[:4], torch.arange(4))
    loss.on_epoch_end()
    assert not loss.solved
    loss(outputs[4:], labels[4:], torch.tensor([4, 5]))
    codes = outputs.tanh()
    expected = torch.where(codes >= 0, 1.0, -1.0).double()
    for _ in range(2):  # the second epoch goes on from the codes of the first
        loss.on_epoch_end()
        expected, classifier = dsdh_update(expected, codes, labels, DSDHWeights(1.0, 2.0, 0.5 * 6), rounds=3)
        assert torch.equal(loss.solved_codes, expected)
        torch.testing.assert_close(loss.classifier, classifier)
    loss.solved_codes.neg_()  # far from the codes, so that the distance to them shows
    index = torch.tensor([3, 0])
    pairs = slow_loss("DSDH", codes[index], labels[index], BankRows(codes, labels), p=None)
    distance = loss(outputs[index], labels[index], index) - pairs
    assert distance.item() == pytest.approx(0.5 * (codes[index] + expected[index]).square().sum(1).mean().item())


def test_the_centres_of_dfh_move_after_each_step():
    labels = train_labels()
    loss = with_bank("DFH", pull=0.7, rate=0.01, steps=5)
    loss.advance()  # before any batch
    centres = torch.zeros(BITS, CLASSES, dtype=torch.float64)
    for outputs, own, index in batches(labels):
        targets = dfh_targets(outputs.tanh(), own, centres, pull=0.7)
        assert torch.equal(loss.centres, centres)
        loss(outputs, own, index)
        loss.advance()
        centres = dfh_descent(centres, own, targets, rate=0.01, steps=5)
        assert torch.equal(loss.centres, centres)
    loss.advance()  # twice after one batch
    assert torch.equal(loss.centres, centres)


def test_centres_that_diverge_are_reported_at_the_end_of_the_epoch():
    loss = with_bank("DFH", rate=50.0)
    outputs, own, index = next(batches(train_labels()))
    loss(outputs, own, index)
    loss.advance()
    with pytest.raises(BioDeepHashingError, match=r"4 classes in 8 bits diverged.*rate"):
        loss.on_epoch_end()


# ---------------------------------------------------------------- what is refused, and what is advised


@each_case("name", sorted(set(NAMES) - set(TAKING)))
def test_a_loss_that_compares_no_pairs_of_codes_names_those_that_do(name):
    with pytest.raises(UsageError, match=rf"{name} .*memory bank.*DBDH.*DPSH"):
        build(name, bank=True)


@each_case("name", TAKING)
def test_what_a_bank_refuses(name):
    loss = LOSSES[name](bits=BITS, classes=CLASSES, train_size=100, similar_probability=0.3, penalty=0.1, bank=True)
    outputs, labels, index = batch()
    with pytest.raises(UsageError, match="on_fit_start"):
        loss(outputs, labels, index)
    loss.on_fit_start(train_labels())
    for wrong in (-1, 100):
        with pytest.raises(UsageError, match=f"{wrong}.*0 to 99"):
            loss(outputs, labels, torch.tensor([0, 1, 2, 3, 4, wrong]))
    with pytest.raises(UsageError, match="at least one"):
        loss.on_fit_start(torch.zeros(0, CLASSES))


@each_case("name", NAMES)
def test_the_registry_says_which_losses_take_a_bank(name):
    assert LOSSES.facts[name].get("bank", "never") == LOSSES[name].memory_bank
    assert build(name).has_bank is (LOSSES[name].memory_bank == "always")


@each_case("name", NAMES)
def test_the_cure_of_equal_codes_is_one_that_the_loss_has(name):
    assert ("-constants balance=true" in build(name).collapse_cure()) is (name in BALANCED)
    if name in BALANCED:
        assert "-lr" in build(name, balance=True).collapse_cure()
