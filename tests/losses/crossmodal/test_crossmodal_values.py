"""Values and gradients of every cross-modal loss: against slow ones, by hand, at extremes, in every precision."""

import math

import pytest
import torch
from crossmodal_cases import (
    ALTERNATING,
    BITS,
    CLASSES,
    EXTREMES,
    ITEMS,
    JOINT,
    MODALITIES,
    NAMES,
    batch,
    build,
    calls_of,
    chosen,
    expected,
    slopes,
    value_and_gradients,
)
from crossmodal_oracles import CONSTANTS, ORACLES
from largest import Largest
from many_cases import each_case

from biodeephashing.losses import keywords_of
from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES, CrossModalLoss


def test_every_loss_and_constant_has_an_oracle():
    assert sorted(ORACLES) == NAMES
    for name in NAMES:
        own = keywords_of(CROSSMODAL_LOSSES[name]).keys() - keywords_of(CrossModalLoss).keys()
        assert CONSTANTS[name].keys() == own


@each_case("seed", range(3))
@pytest.mark.parametrize("lacking", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_against_slow_numbers(name, lacking, seed):
    for constants in chosen(name):
        loss = build(name, lacking=lacking, **constants)
        for way, call in calls_of(loss).items():
            images, texts, labels, index = batch(seed=seed)
            value, gradients = value_and_gradients(call, images, texts, labels, index)
            oracle = expected(loss, way, images, texts, labels, index, **constants)
            images, texts = images.tolist(), texts.tolist()
            assert value.item() == pytest.approx(oracle(images, texts), rel=1e-12)
            for gradient, slope in zip(gradients, slopes(oracle, images, texts), strict=True):
                torch.testing.assert_close(gradient, slope, rtol=1e-6, atol=1e-9)


@each_case("name", NAMES)
def test_gradient_against_finite_differences(name):
    for constants in chosen(name):
        loss = build(name, **constants)
        for seed in range(3):
            images, texts, labels, index = batch(seed=seed)
            images.requires_grad_()
            if not loss.alternates:
                texts.requires_grad_()
                assert torch.autograd.gradcheck(lambda x, y, v=labels, i=index, f=loss: f(x, y, v, i), (images, texts))
                continue
            for modality in MODALITIES:
                loss(images, labels, index, modality)  # remembered; what follows varies the batch alone
                assert torch.autograd.gradcheck(lambda x, v=labels, i=index, m=modality, f=loss: f.phase(f.relax(x), v, i, m), (images,))


def test_parameters_against_finite_differences():
    loss = build("DSPH")
    batches = batch()
    assert torch.autograd.gradcheck(lambda proxies: torch.func.functional_call(loss, {"proxies": proxies}, batches), (loss.proxies,))


# Two bits, items 0 and 1 with class 0, item 2 with class 1. F = G are rows (1, 1), (1, -1), (-1, -1), so B = F.
# The image batch is items 0 and 2 with outputs (1, 1) and (1, -1).
HAND = {
    # theta of item 0: 1 0 -1 with s = 1 1 0; of item 2: 0 1 0 with s = 0 0 1. f = log(1 + e^theta) - s theta:
    # f(1, s=1) = log(1 + 1/e) = 0.3132617, f(0) = log 2 = 0.6931472, f(-1, s=0) = 0.3132617; and log 2, f(1, s=0) = 1.3132617, log 2.
    # Sum 4.0192267. |b - h|² = 0 and 4. Column sums: of h (2, 0), rest (1, -1): |(3, -1)|² = 10, times eta = 0.5. All over 2 * 3.
    "DCMH": ({"eta": 0.5}, (4.0192267 + 4 + 5) / 6),
    # The same across; within, F holds the batch already: rows (1, 1), (1, -1), (1, -1): theta of item 0: 1 0 0 with s = 1 1 0; of
    # item 2: 0 1 1 with s = 0 0 1: 0.3132617 + 4 * ... = f: 0.3132617 log 2 log 2, log 2 1.3132617 0.3132617: 4.0192267 again.
    # Covariance: the first bit is constant: no product differs from 0. Quantisation 4 / 6; no balance.
    "PRDH": ({}, (4.0192267 + 4.0192267 + 4) / 6),
}


@each_case("name", sorted(HAND))
def test_value_by_hand(name):
    constants, value = HAND[name]
    loss = build(name, labels=torch.tensor([[1, 0], [1, 0], [0, 1]]), bits=2, classes=2, **constants)
    rows = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]], dtype=torch.float64)
    loss.start(rows, rows)
    outputs = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    assert loss(outputs, torch.tensor([[1, 0], [0, 1]]), torch.tensor([0, 2]), "image").item() == pytest.approx(value, abs=1e-6)


def test_cosine_margin_by_hand():
    loss = build("CHN", labels=torch.tensor([[1, 0], [0, 1]]), bits=2, classes=2, quantisation=0.5)
    loss.start(torch.zeros(2, 2), torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64))
    # The code (tanh 1, 0): cosines r = 0.7071068 with both texts: 0.8 - r, 0.8 + r: mean 0.8; corners: 0.8 - r, halved.
    outputs = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    value = loss(outputs, torch.tensor([[1, 0]]), torch.tensor([0]), "image").item()
    assert value == pytest.approx(0.8 + 0.5 * (0.8 - 0.7071068), abs=1e-6)


def test_hamming_likelihood_by_hand():
    loss = build("CMHH", labels=torch.tensor([[1, 0], [0, 1]]), bits=2, classes=2, focus=2, beta=math.log(2))
    loss.start(torch.zeros(2, 2), 100 * torch.tensor([[1.0, -1.0], [1.0, -1.0]], dtype=torch.float64))
    # Distance 1 of both texts, so p = 1/2: 0.5 (1/4) log 2 each, but for the 1e-5 in the logarithm.
    outputs = torch.tensor([[100.0, 100.0]], dtype=torch.float64)
    value = loss(outputs, torch.tensor([[1, 0]]), torch.tensor([0]), "image").item()
    assert value == pytest.approx(math.log(2) / 8, abs=1e-5)


def test_proxies_and_pairs_by_hand():
    loss = build("DSPH", labels=torch.eye(4, dtype=torch.int64), bits=2, separation=0.0)
    with torch.no_grad():
        loss.proxies.copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    outputs = 100 * torch.tensor([[1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)  # the direction (r, r), r = 0.7071068
    labels = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]])
    # Own proxies: item 0: 1 - r twice; item 1: 1 - r, 1 + r: mean 1 - r/2. Others: item 0: r, 0; item 1: r, r: mean 3r/4.
    # Pairs: the codes are equal and share no class: 1, of three kinds, times 0.8.
    value = loss(outputs, outputs, labels, torch.arange(2)).item()
    assert value == pytest.approx(2 * (1 + 0.7071068 / 4) + 3 * 0.8, abs=1e-6)


@each_case("name", NAMES)
def test_terms_add_up_to_the_value_and_carry_no_gradient(name):
    for constants in chosen(name):
        loss = build(name, **constants)
        for call in calls_of(loss).values():
            value, _ = value_and_gradients(call, *batch())
            assert sum(loss.terms.values()).item() == pytest.approx(value.item(), rel=1e-12)
            assert all(term.ndim == 0 and not term.requires_grad for term in loss.terms.values())


@each_case("case", EXTREMES)
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_are_finite(name, case):
    labels, outputs, index = EXTREMES[case]
    for constants in chosen(name):
        for starts in (None, torch.zeros(ITEMS, BITS), 1000 * torch.ones(ITEMS, BITS)):
            loss = build(name, labels=labels, dtype=torch.float32, **constants)
            if loss.alternates:
                loss.start(starts, starts)
            for call in calls_of(loss).values():
                value, gradients = value_and_gradients(call, outputs, outputs, labels[index], index)
                assert value.isfinite()
                assert all(gradient.isfinite().all() for gradient in gradients)
            assert all(parameter.grad.isfinite().all() for parameter in loss.parameters())


@each_case("name", ALTERNATING)
def test_an_inner_product_of_a_thousand_is_finite(name):
    loss = build(name, dtype=torch.float32)
    loss.start(None, torch.full((ITEMS, BITS), 2000.0 / BITS))
    outputs = torch.ones(4, BITS)
    _, _, labels, index = batch()
    for sign in (1, -1):
        value, (gradient, _) = value_and_gradients(calls_of(loss)["image"], sign * outputs, outputs, labels, index)
        assert value.isfinite()
        assert gradient.isfinite().all()


@each_case("name", NAMES)
def test_float32_agrees_with_float64(name):
    for way in calls_of(build(name)):
        images, texts, labels, index = batch()
        wide, wide_gradients = value_and_gradients(calls_of(build(name))[way], images, texts, labels, index)
        loss = build(name, dtype=torch.float32)
        value, gradients = value_and_gradients(calls_of(loss)[way], images.float(), texts.float(), labels, index)
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(wide.item(), rel=1e-5)
        for gradient, wide_gradient in zip(gradients, wide_gradients, strict=True):
            torch.testing.assert_close(gradient.double(), wide_gradient, rtol=1e-4, atol=1e-6)


@each_case("narrow", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_computed_in_float32(name, narrow):
    for way in calls_of(build(name)):
        images, texts, labels, index = batch(dtype=narrow)
        loss = build(name, dtype=torch.float32)
        call = torch.autocast("cpu", torch.bfloat16)(calls_of(loss)[way])  # the way down is not a matter of the loss
        value, gradients = value_and_gradients(call, images, texts, labels, index)
        wide, wide_gradients = value_and_gradients(
            calls_of(build(name, dtype=torch.float32))[way], images.float(), texts.float(), labels, index
        )
        torch.testing.assert_close(value, wide, rtol=0, atol=0)
        for gradient, wide_gradient in zip(gradients, wide_gradients, strict=True):
            torch.testing.assert_close(gradient, wide_gradient.to(narrow), rtol=0, atol=0)


@each_case("name", NAMES)
def test_no_array_is_larger_than_a_batch_times_the_train_fold(name):
    labels = (torch.arange(200)[:, None] % CLASSES == torch.arange(CLASSES)).long()
    loss = build(name, labels=labels, dtype=torch.float32)
    outputs = torch.randn(4, BITS)
    for call in calls_of(loss).values():
        with Largest() as largest:
            value_and_gradients(call, outputs, outputs, labels[:4], torch.arange(4))
        assert largest.numel <= (max(4 * 200, 200 * BITS) if loss.alternates else 4 * max(BITS, CLASSES))


@each_case("name", JOINT)
def test_a_pair_loss_does_not_depend_on_the_order_of_the_batch(name):
    loss = build(name)
    images, texts, labels, index = batch()
    order = torch.tensor([2, 0, 3, 1])
    value = loss(images, texts, labels, index)
    torch.testing.assert_close(loss(images[order], texts[order], labels[order], index[order]), value, rtol=1e-12, atol=0)
