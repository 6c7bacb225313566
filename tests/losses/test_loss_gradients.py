"""Gradients, precision, invariances and cost of every loss."""

import copy
from itertools import product

import pytest
import torch
from largest import Largest
from loss_cases import BITS, EXTREMES, NAMES, RELAXATIONS, batch, build, said, value_and_gradient
from many_cases import each_case

from biodeephashing.losses import PENALTIES

SCALE_FREE = [name for name in NAMES if said(name, "SCALE_FREE", False)]


def with_all_penalties(name, **changes):
    loss = build(name, **changes)
    for penalty in PENALTIES.values():
        loss.add_penalty(penalty(), 0.1)
    return loss


@each_case("case", EXTREMES)
@pytest.mark.parametrize(("name", "cube"), RELAXATIONS)
def test_value_and_gradient_are_finite(name, cube, case):
    outputs, labels = EXTREMES[case]
    loss = with_all_penalties(name, cube=cube)
    value, gradient = value_and_gradient(loss, outputs, labels)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 1e5  # a zero row must not explode either


@pytest.mark.parametrize(("name", "cube"), [(name, cube) for name, cube in RELAXATIONS if not said(name, "MEMORY", False)])
def test_gradient_against_central_differences(name, cube):
    loss = build(name, cube=cube, penalty=0.5)
    for _ in range(3):
        loss.advance()
    whole = loss if said(name, "SMOOTH", True) else lambda f, y, i: loss.objective(f, y, i) + loss.output_term(f, y, i)
    for seed in range(3):
        outputs, labels, index = batch(5, seed=seed)
        assert torch.autograd.gradcheck(lambda f, y=labels, i=index: whole(f, y, i), outputs.requires_grad_(), rtol=1e-6, atol=1e-8)


@each_case("narrow", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("name", "cube"), RELAXATIONS)
def test_half_precision_is_computed_in_float32(name, cube, narrow):
    outputs, labels, _ = batch(dtype=narrow)
    loss = build(name, cube=cube)
    value, gradient = value_and_gradient(loss, outputs, labels)
    wide_value, wide_gradient = value_and_gradient(loss, outputs.float(), labels)
    assert value.dtype == torch.float32
    assert gradient.dtype == narrow
    torch.testing.assert_close(value, wide_value, rtol=0, atol=0)
    torch.testing.assert_close(gradient, wide_gradient.to(narrow), rtol=0, atol=0)


@each_case("name, cube", RELAXATIONS)
def test_autocast_is_switched_off_inside(name, cube):
    outputs, labels, index = batch(dtype=torch.float32)
    loss = build(name, cube=cube)
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(outputs, labels, index)
    torch.testing.assert_close(inside, loss(outputs, labels, index), rtol=0, atol=0)


@each_case("narrow, name", product([torch.float16, torch.bfloat16], NAMES))
def test_half_precision_gradient_of_a_zero_row_is_finite(name, narrow):
    outputs, labels = EXTREMES["zero rows"]
    _, gradient = value_and_gradient(build(name), outputs.to(narrow), labels)
    assert gradient.isfinite().all()


@each_case("name, cube", RELAXATIONS)
def test_order_of_the_batch_does_not_matter(name, cube):
    outputs, labels, index = batch(7)
    random = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    order = said(name, "reorder", lambda rows: random)(7)
    assert not torch.equal(order, index)
    loss = build(name, cube=cube)
    value, gradient = value_and_gradient(loss, outputs, labels, index)
    shuffled_value, shuffled_gradient = value_and_gradient(loss, outputs[order], labels[order], index[order])
    torch.testing.assert_close(shuffled_value, value, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(shuffled_gradient, gradient[order], rtol=1e-10, atol=1e-12)


@each_case("name", SCALE_FREE)
def test_length_of_the_codes_does_not_matter(name):
    outputs, labels, index = batch()
    loss = build(name, penalty=0.0)
    scaled = outputs * torch.tensor([0.1, 1.0, 7.0, 100.0, 3.0, 0.5], dtype=torch.float64)[:, None]
    torch.testing.assert_close(loss.objective(scaled, labels, index), loss.objective(outputs, labels, index), rtol=1e-9, atol=0)


@each_case("name", sorted(set(NAMES) - set(SCALE_FREE)))
def test_length_of_the_codes_matters_elsewhere(name):
    outputs, labels, index = batch()
    loss = build(name, penalty=0.0)

    def whole(codes):
        return loss.objective(codes, labels, index) + loss.output_term(codes, labels, index)

    assert whole(2 * outputs) != whole(outputs)


@each_case("name", [name for name in NAMES if said(name, "ROTATES", True)])
def test_a_common_rotation_does_not_matter(name):
    codes, labels, index = batch()
    rotation = torch.linalg.qr(torch.randn(BITS, BITS, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))[0]
    loss = build(name, penalty=0.0)
    torch.testing.assert_close(loss.objective(codes @ rotation, labels, index), loss.objective(codes, labels, index), rtol=1e-9, atol=0)


@each_case("name, cube", RELAXATIONS)
def test_no_tensor_of_pairs_times_bits_is_made(name, cube):
    outputs, labels, index = batch(32, 24, dtype=torch.float32)
    loss = build(name, bits=24, cube=cube)
    with Largest() as largest:
        loss(outputs.requires_grad_(), labels, index).backward()
    allowed = said(name, "largest", lambda rows, bits, classes: rows * rows)(32, 24, loss.classes)
    assert 32 * 24 <= largest.numel <= max(allowed, 32 * 24)


@each_case("name, cube", RELAXATIONS)
def test_nothing_is_read_back_from_the_device(name, cube):
    # A tensor on the meta device has no values: whatever needs one on the host raises.
    # (forward itself cannot run there: autocast does not know that device.)
    loss = build(name, cube=cube).to("meta")
    outputs, labels, index = (tensor.to("meta") for tensor in batch(dtype=torch.float32))
    codes = loss.relax(outputs.requires_grad_())
    total = loss.objective(codes, labels, index) + loss.output_term(outputs, labels, index)
    for penalty in PENALTIES.values():
        total = total + penalty().value(codes)
    total.backward()
    loss.advance()
    assert outputs.grad.device.type == "meta"


@each_case("name, cube", RELAXATIONS)
def test_nothing_is_made_on_another_device_than_the_outputs(name, cube):
    # Whatever is made without saying where lands on the meta device, has no values, and cannot be mixed with those that have.
    outputs, labels, index = batch()
    loss = with_all_penalties(name, cube=cube)
    torch.manual_seed(3)
    value, gradient = value_and_gradient(copy.deepcopy(loss), outputs, labels, index)
    torch.manual_seed(3)
    with torch.device("meta"):
        elsewhere = value_and_gradient(loss, outputs, labels, index)
        loss.advance()
    assert elsewhere[0].device.type == "cpu"
    torch.testing.assert_close(elsewhere, (value, gradient), rtol=0, atol=0)
    assert {tensor.device.type for tensor in loss.state_dict().values()} <= {"cpu"}


# ---------------------------------------------------------------- the same on a GPU


@pytest.mark.gpu
@each_case("name, cube", RELAXATIONS)
def test_cuda_agrees_with_cpu(name, cube):
    outputs, labels, index = batch()
    loss = build(name, cube=cube)
    for penalty in sorted(set(PENALTIES) - {"HSWD"}):  # its noise is another one on each device
        loss.add_penalty(PENALTIES[penalty](), 0.1)
    twin = copy.deepcopy(loss).cuda()
    for _ in range(2):
        expected = value_and_gradient(loss, outputs, labels, index)
        found = value_and_gradient(twin, outputs.cuda(), labels.cuda(), index.cuda())
        torch.testing.assert_close(tuple(part.cpu() for part in found), expected, rtol=1e-9, atol=1e-12)
        loss.advance()
        twin.advance()
    assert {tensor.device.type for tensor in twin.state_dict().values()} <= {"cuda"}
    returned = build(name, cube=cube)
    returned.load_state_dict(twin.state_dict())  # a run may go on where there is no card
    torch.testing.assert_close(returned.state_dict(), loss.state_dict(), rtol=1e-6, atol=1e-7)


@pytest.mark.gpu
@each_case("name, cube, case", [(*relaxation, case) for relaxation in RELAXATIONS for case in EXTREMES])
def test_cuda_value_and_gradient_are_finite(name, cube, case):
    outputs, labels = (tensor.cuda() for tensor in EXTREMES[case])
    loss = with_all_penalties(name, cube=cube).cuda()
    index = torch.arange(len(outputs), device="cuda")
    wide = value_and_gradient(loss, outputs, labels, index)
    narrow = value_and_gradient(loss, outputs.half(), labels, index)
    for value, gradient in (wide, narrow):
        assert value.isfinite()
        assert value.dtype == torch.float32
        assert gradient.isfinite().all()


@pytest.mark.gpu
@each_case("name, cube", RELAXATIONS)
def test_cuda_autocast_is_switched_off_inside(name, cube):
    outputs, labels, index = (tensor.cuda() for tensor in batch(dtype=torch.float32))
    loss = build(name, cube=cube).cuda()
    with torch.autocast("cuda", torch.float16):
        inside = loss(outputs, labels, index)
    torch.testing.assert_close(inside, loss(outputs, labels, index), rtol=0, atol=0)
