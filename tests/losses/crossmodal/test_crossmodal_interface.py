"""What every cross-modal loss remembers, keeps in its state, warns of and refuses."""

import copy
import warnings

import pytest
import torch
from crossmodal_cases import ALTERNATING, BITS, CLASSES, ITEMS, JOINT, MODALITIES, NAMES, batch, build, calls_of, train_labels
from crossmodal_oracles import CONSTANTS, IMPOSSIBLE
from many_cases import each_case

from biodeephashing.errors import RunError, UnknownNameError, UsageError
from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES, AlternatingLoss, CrossModalLoss, JointLoss

BUFFERS = ["image", "image_present", "target", "text", "text_present"]


@each_case("name", NAMES)
def test_a_loss_alternates_or_takes_both(name):
    assert issubclass(CROSSMODAL_LOSSES[name], AlternatingLoss if CROSSMODAL_LOSSES[name].alternates else JointLoss)
    assert CROSSMODAL_LOSSES[name].needs_labels == (name != "Contrastive")


@each_case("name", [name for name in NAMES if not CROSSMODAL_LOSSES[name].needs_labels])
def test_labels_do_not_matter_where_they_are_not_needed(name):
    images, texts, labels, index = batch()
    assert build(name)(images, texts, labels, index) == build(name)(images, texts, 1 - labels, index)


@each_case("modality", MODALITIES)
@pytest.mark.parametrize("name", ALTERNATING)
def test_a_batch_is_remembered_in_its_own_buffer_as_a_constant(name, modality):
    loss = build(name)
    before = {buffer: getattr(loss, buffer).clone() for buffer in BUFFERS}
    images, _, labels, index = batch()
    loss(images.requires_grad_(), labels, index, modality)
    rest = torch.ones(ITEMS, dtype=torch.bool).index_fill(0, index, False)
    assert torch.equal(getattr(loss, modality)[index], loss.relax(images.detach()))
    assert torch.equal(getattr(loss, modality)[rest], before[modality][rest])
    for buffer in set(BUFFERS) - {modality}:
        assert torch.equal(getattr(loss, buffer), before[buffer])
    assert not any(getattr(loss, buffer).requires_grad for buffer in BUFFERS)
    assert len({getattr(loss, buffer).data_ptr() for buffer in BUFFERS}) == len(BUFFERS)


@each_case("name", ALTERNATING)
def test_a_start_without_outputs_is_drawn_and_repeats(name):
    loss = build(name, labels=train_labels(2000))
    loss.start(None, None)
    first = loss.image.clone()
    drawn = first.atanh() if torch.equal(loss.relax(torch.ones(1)), torch.ones(1).tanh()) else first
    assert abs(drawn.mean()) < 0.05
    assert drawn.std() == pytest.approx(1, abs=0.05)
    assert not torch.equal(loss.image, loss.text)
    loss.start(None, None)
    assert torch.equal(loss.image, first)
    loss.start(None, None, seed=1)
    assert not torch.equal(loss.image, first)


@each_case("name", ALTERNATING)
def test_the_codes_to_aim_at_are_signs_of_the_sum_once_an_epoch(name):
    loss = build(name, labels=train_labels(4), bits=2)
    rows = torch.tensor([[1.0, -3.0], [0.0, 0.0], [2.0, -1.0], [1.0, 1.0]])
    loss.start(rows, torch.tensor([[-2.0, 1.0], [0.0, 0.0], [-2.0, 1.0], [1.0, 1.0]]))
    expected = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    assert torch.equal(loss.target, expected)
    loss(torch.full((1, 2), -9.0, dtype=torch.float64), train_labels(4)[:1], torch.tensor([3]), "image")
    loss(torch.full((1, 2), -9.0, dtype=torch.float64), train_labels(4)[:1], torch.tensor([3]), "text")
    assert torch.equal(loss.target, expected)
    loss.on_epoch_end()
    expected[3] = -1
    assert torch.equal(loss.target, expected)


@each_case("name", ALTERNATING)
def test_rows_of_items_without_the_modality_are_zeros(name):
    loss = build(name, lacking=True)
    assert not loss.image[7].any()
    assert not loss.text[8].any()
    assert torch.equal(loss.target[7], torch.where(loss.text[7] >= 0, 1.0, -1.0).double())


@each_case("name", NAMES)
def test_state_survives_saving_and_goes_on_the_same(name, tmp_path):
    loss = build(name, lacking=True, dtype=torch.float32)
    images, texts, labels, index = batch(dtype=torch.float32)
    for call in calls_of(loss).values():
        call(images, texts, labels, index)
    loss.on_epoch_end()
    torch.save(loss.state_dict(), tmp_path / "state.pt")
    fresh = CROSSMODAL_LOSSES[name](bits=BITS, classes=CLASSES, train_size=ITEMS, similar_probability=0.3)
    fresh.on_fit_start(train_labels().float())
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    values = [
        [call(texts, images, labels, index).item() for call in calls_of(twin).values()] for twin in (copy.deepcopy(loss), fresh, loss)
    ]
    assert values[0] == values[1] == values[2]
    assert sorted(loss.state_dict()) == sorted((BUFFERS if loss.alternates else []) + [key for key, _ in loss.named_parameters()])


@each_case("name", NAMES)
def test_parameter_groups(name):
    loss = build(name)
    groups = loss.parameter_groups(1e-3)
    assert [parameter for group in groups for parameter in group["params"]] == list(loss.parameters())
    assert all(group["lr"] > 0 for group in groups)


@each_case("name", ["DCMH", "PRDH"])
def test_the_balance_is_warned_of_where_it_is_unsafe(name):
    for optimizer in ("adam", "rmsprop", "sgd", "nesterov"):
        assert build(name).warnings_for(optimizer) == []
        (warning,) = build(name, eta=1.0).warnings_for(optimizer)
        assert "eta=1" in warning
        assert optimizer in warning


@each_case("name", NAMES)
def test_defaults_need_no_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = build(name)
        loss.on_epoch_end()
        assert loss.warnings_for("adam") == []


@each_case("wrong", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", [name for name in ALTERNATING if name in ("DCMH", "PRDH")])
def test_outputs_that_are_not_finite_stop(name, wrong):
    loss = build(name)
    before = loss.text.clone()
    images, _, labels, index = batch()
    images[1, 2] = wrong
    with pytest.raises(RunError, match=r"text tower.*not finite"):
        loss(images, labels, index, "text")
    assert torch.equal(loss.text, before)
    with pytest.raises(RunError, match=r"image tower.*not finite"):
        loss.start(torch.full((ITEMS, BITS), wrong), None)


@each_case("name", ALTERNATING)
def test_what_must_come_first_is_named(name):
    images, _, labels, index = batch()
    loss = CROSSMODAL_LOSSES[name](bits=BITS, classes=CLASSES, train_size=ITEMS, similar_probability=0.3)
    with pytest.raises(UsageError, match="on_fit_start"):
        loss(images, labels, index, "image")
    with pytest.raises(UsageError, match=r"labels \(9, 4\), not \(8, 4\)"):
        loss.on_fit_start(train_labels()[:8])
    loss.on_fit_start(train_labels())
    with pytest.raises(UsageError, match="call start"):
        loss(images, labels, index, "image")


@each_case("name", ALTERNATING)
def test_items_that_cannot_be_are_refused(name):
    loss = build(name, lacking=True)
    images, _, labels, index = batch()
    for wrong in (-1, ITEMS):
        with pytest.raises(UsageError, match="indices from"):
            loss(images, labels, index.index_fill(0, torch.tensor([1]), wrong), "image")
    with pytest.raises(UsageError, match="no image"):
        loss(images[:1], labels[:1], torch.tensor([7]), "image")
    with pytest.raises(UsageError, match=r"starts from text outputs \(9, 6\), not \(8, 6\)"):
        loss.start(None, torch.zeros(8, 6))
    with pytest.raises(UsageError, match=r"\(3,\)"):
        loss.set_present(torch.ones(3, dtype=torch.bool), torch.ones(9, dtype=torch.bool))
    with pytest.raises(UsageError, match="item 2 has neither"):
        loss.set_present(torch.arange(9) != 2, torch.arange(9) != 2)


@each_case("outputs, labels, index", [((5, 7), (5, 4), (5,)), ((5, 6), (5, 3), (5,)), ((5, 6), (5, 4), (4,)), ((0, 6), (0, 4), (0,))])
@pytest.mark.parametrize("name", NAMES)
def test_shapes_that_do_not_fit_are_shown(name, outputs, labels, index):
    for call in calls_of(build(name)).values():
        with pytest.raises(UsageError, match=rf"{name} of 6 bits and 4 classes takes outputs \(B, 6\)"):
            call(torch.zeros(outputs), torch.zeros(outputs), torch.zeros(labels), torch.zeros(index, dtype=torch.int64))


@each_case("name", JOINT)
def test_towers_that_disagree_in_the_batch_are_refused(name):
    images, texts, labels, index = batch()
    with pytest.raises(UsageError, match="takes outputs"):
        build(name)(images, texts[:3], labels, index)


@each_case("name", NAMES)
def test_a_misspelt_constant_names_the_nearest(name):
    constant = next(iter(CONSTANTS[name]), "")
    with pytest.raises(UsageError, match=rf"constant of {name} '{constant}s'" + f": did you mean '{constant}'" * bool(constant)):
        build(name, **{constant + "s": 1.0})


@each_case("name, constants", [(name, constants) for name in NAMES for constants in IMPOSSIBLE[name]])
def test_an_impossible_constant_is_named(name, constants):
    with pytest.raises(UsageError, match=next(iter(constants))):
        build(name, **constants)


@each_case("key, value", [("bits", 0), ("bits", 8.5), ("classes", 0), ("train_size", 0), ("similar_probability", 1.1)])
@pytest.mark.parametrize("name", NAMES)
def test_an_impossible_value_is_named(name, key, value):
    with pytest.raises(UsageError, match=f"^{key}="):
        CROSSMODAL_LOSSES[name](**({"bits": 8, "classes": 2, "train_size": 9, "similar_probability": 0.5} | {key: value}))


def test_a_misspelt_loss_names_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown cross-modal loss 'DCHM': did you mean 'DCMH'"):
        CROSSMODAL_LOSSES["DCHM"]


class Distance(JointLoss):
    """A method of one's own: the squared distance of the pairs."""

    def __init__(self, *, scale=1.0, **shared):
        super().__init__(**shared)
        self.scale = scale

    def objective(self, image_codes, text_codes, labels, index):
        return self.total(distance=self.scale * (image_codes - text_codes).square().mean())


def test_a_method_of_ones_own_needs_an_objective_alone():
    loss = Distance(bits=2, classes=1, train_size=1, similar_probability=1.0, scale=3.0)
    assert loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 1), torch.arange(1)) == 0
    assert issubclass(Distance, CrossModalLoss)
    with pytest.raises(UsageError, match="did you mean 'scale'"):
        Distance(bits=2, classes=1, train_size=1, similar_probability=1.0, scal=3.0)
