"""Penalties, state and errors of every loss, and what the interface can carry."""

import copy
import pickle
import warnings
from itertools import product

import pytest
import torch
from loss_cases import BITS, CASES, CLASSES, NAMES, RELAXATIONS, batch, build, said, train_labels, value_and_gradient
from many_cases import each_case
from torch import nn

from biodeephashing.errors import UnknownNameError, UsageError
from biodeephashing.losses import LOSSES, PENALTIES, HashingLoss


@pytest.mark.parametrize(("probability", "side"), [(0.0, "similar"), (1.0, "dissimilar")])
@pytest.mark.parametrize(
    ("name", "constants"),
    [(name, {}) for name in NAMES if hasattr(build(name), "weights")]
    + [(name, {"balance": True}) for name in NAMES if "balance" in CASES[name].CONSTANTS],
)
def test_a_side_the_training_set_lacks_is_dropped_with_one_warning(name, constants, probability, side, recwarn):
    loss = build(name, similar_probability=probability, penalty=0.0, **constants)
    outputs, labels, _ = batch()
    for _ in range(2):
        value, gradient = value_and_gradient(loss, outputs, labels)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert [f"no {side} pairs" in str(warning.message) for warning in recwarn] == [True]
    lacking = torch.ones_like(labels) if side == "similar" else torch.zeros_like(labels)
    assert loss(outputs, lacking, torch.arange(6)) == 0


@each_case("name, probability", product(NAMES, [0.001, 0.5, 0.999]))
def test_no_warning_between(name, probability):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(name, similar_probability=probability)


@each_case("name", NAMES)
def test_own_penalty_acts_where_there_is_one(name):
    outputs, labels, _ = batch()
    _, without = value_and_gradient(build(name, penalty=0.0), outputs, labels)
    _, weak = value_and_gradient(build(name, penalty=0.5), outputs, labels)
    _, strong = value_and_gradient(build(name, penalty=1.0), outputs, labels)
    assert torch.equal(weak, without) is not LOSSES[name].has_penalty
    torch.testing.assert_close(strong - without, 2 * (weak - without), rtol=1e-9, atol=1e-12)


def scale_of(loss):
    return said(type(loss).__name__, "additive_scale", lambda loss: 1.0)(loss)


@each_case("penalty", sorted(PENALTIES))
@pytest.mark.parametrize(("name", "cube"), RELAXATIONS)
def test_additive_penalty_acts_on_the_relaxed_codes(name, cube, penalty):
    outputs, labels, index = batch()
    loss, with_penalty = build(name, cube=cube), build(name, cube=cube)
    with_penalty.add_penalty(PENALTIES[penalty](), 0.7)
    torch.manual_seed(3)
    value, gradient = value_and_gradient(with_penalty, outputs, labels)
    torch.manual_seed(3)
    expected = loss(outputs, labels, index) + scale_of(loss) * 0.7 * PENALTIES[penalty]()(loss.relax(outputs))
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    _, plain = value_and_gradient(loss, outputs, labels)
    torch.manual_seed(3)
    codes = loss.relax(outputs).detach().requires_grad_()
    (slope,) = torch.autograd.grad(PENALTIES[penalty]()(codes), codes)
    if slope.any() or said(name, "SMOOTH", True):
        assert (gradient - plain).abs().max() > 1e-4
    else:  # codes that are signs are where some penalties want them
        assert torch.equal(gradient, plain)


@each_case("name", NAMES)
def test_additive_penalties_add_up_and_can_be_scaled(name):
    outputs, labels, index = batch()
    loss = build(name)
    plain = loss(outputs, labels, index)
    for weight in (0.5, 0.25, 0.0):
        loss.add_penalty(PENALTIES["L2"](), weight)
    assert len(loss.additive) == 2  # weight 0 is off
    once = PENALTIES["L2"]()(loss.relax(outputs))
    torch.testing.assert_close(loss(outputs, labels, index), plain + scale_of(loss) * 0.75 * once)
    loss.additive_scale = 4.0
    torch.testing.assert_close(loss(outputs, labels, index), plain + 3.0 * once)
    assert "L2=0.5, L2=0.25" in repr(loss)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_impossible_weight_of_a_penalty(weight):
    with pytest.raises(UsageError, match="weight of L2"):
        build("DSH").add_penalty(PENALTIES["L2"](), weight)


@pytest.mark.parametrize("name", NAMES)
def test_state_survives_saving_copying_and_a_change_of_type(name, tmp_path):
    chosen = {"period": 2} if "period" in CASES[name].CONSTANTS else {}
    loss = build(name, **chosen)
    outputs, labels, index = batch()
    with torch.no_grad():
        for tensor in loss.parameters():
            tensor.copy_(tensor.half())  # a change of type must not round
    for _ in range(5):
        loss.advance()
    loss.eval()
    expected = loss(outputs, labels, index)
    torch.save(loss.state_dict(), tmp_path / "state.pt")
    fresh = LOSSES[name](bits=BITS, classes=CLASSES, train_size=100, similar_probability=0.3, penalty=0.1, **chosen).eval()
    fresh.on_fit_start(train_labels())
    fresh.double().load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for twin in (fresh, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss).half().double()):
        torch.testing.assert_close(twin(outputs, labels, index), expected, rtol=0, atol=0)


@each_case("name", NAMES)
def test_the_checkpoint_holds_what_the_method_learns_or_counts(name):
    assert sorted(build(name).state_dict()) == sorted(said(name, "STATE", []))


@each_case("name", NAMES)
def test_parameter_groups(name):
    loss = build(name)
    groups = loss.parameter_groups(1e-3)
    assert [parameter for group in groups for parameter in group["params"]] == list(loss.parameters())
    assert all(group["lr"] > 0 for group in groups)


class Headed(HashingLoss):
    """Signs with a straight-through gradient, a head, a bank by index, and a cubic term on the raw outputs."""

    own_relaxation = "the sign"

    def __init__(self, **shared):
        super().__init__(**shared)
        self.head = nn.Linear(self.bits, self.classes, bias=False)
        self.register_buffer("bank", torch.zeros(self.train_size, self.bits))
        self.additive_scale = 0.5

    def relax(self, outputs):
        return outputs + (outputs.sign() - outputs).detach()

    def objective(self, codes, labels, index):
        self.bank[index] = codes.detach().to(self.bank.dtype)
        return nn.functional.binary_cross_entropy_with_logits(self.head(codes), labels.to(codes.dtype))

    def output_term(self, outputs, labels, index):
        return self.penalty * (outputs.abs() - 1).abs().pow(3).mean()


def test_a_head_a_bank_signs_and_a_term_on_raw_outputs_fit_the_interface():
    shared = {"bits": BITS, "classes": CLASSES, "train_size": 10, "similar_probability": 0.5, "penalty": 0.1}
    loss = Headed(**shared)
    outputs, labels, _ = batch(4, dtype=torch.float32)
    outputs.requires_grad_()
    index = torch.tensor([7, 1, 3, 0])
    loss.add_penalty(PENALTIES["L2"](), 1.0)
    loss(outputs, labels, index).backward()
    codes = outputs.detach().sign().requires_grad_()
    loss.objective(codes, labels, index).backward()
    raw = outputs.detach().clone().requires_grad_()
    loss.output_term(raw, labels, index).backward()
    torch.testing.assert_close(outputs.grad, codes.grad + raw.grad)  # the penalty on exact signs is flat
    assert torch.equal(loss.bank[index], outputs.detach().sign())
    assert loss.parameter_groups(0.01) == [{"params": [loss.head.weight], "lr": 0.01}]
    twin = Headed(**shared)
    twin.load_state_dict(loss.state_dict())
    assert torch.equal(twin.bank, loss.bank)
    with pytest.raises(UsageError, match="Headed relaxes by the sign"):
        Headed(**shared, cube=False)


def test_a_misspelt_loss_names_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown loss 'DHC': did you mean 'DCH'"):
        LOSSES["DHC"]


@each_case("name", NAMES)
def test_a_misspelt_constant_names_the_nearest(name):
    constant = next(iter(CASES[name].CONSTANTS), "")
    with pytest.raises(UsageError, match=rf"constant of {name} '{constant}s'" + f": did you mean '{constant}'" * bool(constant)):
        build(name, **{constant + "s": 1.0})


@each_case("left_out, name", product(["bits", "classes", "train_size", "similar_probability", "penalty"], NAMES))
def test_a_missing_value_is_named(name, left_out):
    values = {"bits": 8, "classes": 2, "train_size": 9, "similar_probability": 0.5, "penalty": 0.0}
    del values[left_out]
    with pytest.raises(TypeError, match=f"missing .* '{left_out}'"):
        LOSSES[name](**values)


@each_case(
    "key, value",
    [
        ("bits", 0),
        ("bits", -8),
        ("bits", 8.5),
        ("bits", True),
        ("classes", 0),
        ("train_size", 0),
        ("similar_probability", -0.1),
        ("similar_probability", 1.1),
        ("similar_probability", float("nan")),
        ("similar_probability", None),
        ("penalty", -1.0),
        ("penalty", float("inf")),
        ("penalty", "0.1"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_an_impossible_value_is_named(name, key, value):
    with pytest.raises(UsageError, match=f"^{key}="):
        build(name, **{key: value})


@each_case("name, constants", [(name, constants) for name in NAMES for constants in CASES[name].IMPOSSIBLE])
def test_an_impossible_constant_is_named(name, constants):
    with pytest.raises(UsageError, match=next(iter(constants))):
        build(name, **constants)


@each_case("name", sorted(name for name in NAMES if LOSSES[name].own_relaxation))
def test_no_cube_is_refused_where_the_relaxation_is_the_method(name):
    with pytest.raises(UsageError, match=rf"{name} relaxes by .*-no_cube"):
        build(name, cube=False)


@each_case(
    "outputs, labels, index",
    [
        ((5, 7), (5, 4), (5,)),
        ((5, 8), (5, 3), (5,)),
        ((5, 8), (4, 4), (5,)),
        ((5, 8), (5, 4), (4,)),
        ((0, 8), (0, 4), (0,)),
        ((8,), (4,), ()),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_shapes_that_do_not_fit_are_shown(name, outputs, labels, index):
    with pytest.raises(UsageError, match=rf"{name} of 8 bits and 4 classes takes outputs \(B, 8\)"):
        build(name)(torch.zeros(outputs), torch.zeros(labels), torch.zeros(index))
