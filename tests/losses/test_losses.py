"""The registry and the value of every loss: by hand, and against a double loop over pairs."""

from itertools import product
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given, settings
from loss_cases import CASES, NAMES, RELAXATIONS, batch, build, said
from loss_oracles import HAND_CODES, HAND_LABELS, Given
from many_cases import each_case

from biodeephashing import losses
from biodeephashing.losses import LOSSES, PENALTIES, HashingLoss
from biodeephashing.losses._keywords import keywords_of


def test_every_file_of_the_folder_registers_an_entry():
    for file in Path(losses.__file__).parent.glob("[!_]*.py"):
        text = file.read_text("utf-8")
        assert '\n@LOSSES.register("' in text or "\n@PENALTIES.register(" in text, f"{file.name} registers nothing"
        assert file.stem in {entry.__module__.rpartition(".")[2] for entry in (*LOSSES.values(), *PENALTIES.values())}


@each_case("name", NAMES)
def test_every_loss_has_an_oracle_other_constants_and_a_reference(name):
    case, own = CASES[name], set(keywords_of(LOSSES[name])) - set(keywords_of(HashingLoss))
    assert case.__name__.rpartition(".")[2] == LOSSES[name].__module__.rpartition(".")[2]
    assert set(case.CONSTANTS) == own, "every constant is tried at another value than its default"
    assert {constant for constants in case.IMPOSSIBLE for constant in constants} <= own
    for word in (".. math::", "References:", "Args:", "Raises:", "Example:"):
        assert word in LOSSES[name].__doc__


@pytest.mark.parametrize("name", NAMES)
def test_value_by_hand(name):
    constants, expected = CASES[name].BY_HAND
    loss = build(name, bits=2, classes=2, similar_probability=5 / 9, penalty=0.3, **constants)
    loss.on_fit_start(torch.tensor(HAND_LABELS).float())
    said(name, "prepare", lambda loss: None)(loss)
    said(name, "prepare_hand", lambda loss: None)(loss)
    codes, labels, index = torch.tensor(HAND_CODES, dtype=torch.float64), torch.tensor(HAND_LABELS), torch.arange(3)
    value = loss.objective(codes, labels, index) + loss.output_term(codes, labels, index)
    assert value.item() == pytest.approx(expected, abs=2e-7)


@st.composite
def cases(draw):
    rows, bits, classes = draw(st.integers(1, 6)), draw(st.integers(1, 9)), draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**31))
    outputs, labels, index = batch(rows, bits, classes, seed=seed)
    outputs = outputs * draw(st.sampled_from([0.01, 1.0, 30.0]))
    if draw(st.booleans()):
        outputs[0] = 0.0
    return outputs, labels, index, draw(st.floats(0.01, 0.99)), draw(st.sampled_from([0.0, 0.1, 2.0])), draw(st.booleans())


@pytest.mark.parametrize("constants", ["defaults", "others"])
@pytest.mark.parametrize("name", NAMES)
@given(case=cases())
@settings(max_examples=25, deadline=None)
def test_value_against_the_double_loop(name, constants, case):
    outputs, labels, index, p, penalty, multi = case
    chosen = CASES[name].CONSTANTS if constants == "others" else {}
    assume(said(name, "possible", lambda bits, classes: True)(outputs.shape[1], labels.shape[1]))
    cube = bool(LOSSES[name].own_relaxation) or any(constant in chosen for constant in said(name, "CUBE_ONLY", ()))
    loss = build(name, outputs.shape[1], labels.shape[1], similar_probability=p, penalty=penalty, cube=cube, multi_label=multi, **chosen)

    def slowly(outputs):
        with torch.no_grad():
            given = Given(loss, outputs.tolist(), loss.relax(outputs).tolist(), labels.tolist(), index.tolist(), p, penalty)
        return CASES[name].oracle(given, **chosen)

    assert loss(outputs, labels, index).item() == pytest.approx(slowly(outputs), rel=1e-9, abs=1e-12)
    single = outputs.float()
    expected = slowly(single)
    # What is small beside the largest term carries that term's rounding: |z|^2 enters where only a difference counts.
    largest = loss.relax(single).square().sum(1).max().item()
    assert loss(single, labels, index).item() == pytest.approx(expected, rel=1e-5, abs=1e-6 * max(1.0, largest))


@each_case("name, cube", RELAXATIONS)
def test_relaxation_objective_and_call_agree(name, cube):
    loss = build(name, cube=cube)
    outputs, labels, index = batch()
    codes = loss.relax(outputs)
    assert codes.shape == outputs.shape
    if not loss.own_relaxation:
        torch.testing.assert_close(codes, outputs.tanh() if cube else outputs, rtol=0, atol=0)
    whole = loss.objective(codes, labels, index) + loss.output_term(outputs, labels, index)
    torch.testing.assert_close(loss(outputs, labels, index), whole, rtol=0, atol=0)
    assert whole.shape == ()


@each_case("kind, name", product([torch.bool, torch.uint8, torch.int64, torch.float32, torch.float64], NAMES))
def test_labels_may_be_of_any_type(name, kind):
    outputs, labels, index = batch()
    loss = build(name)
    torch.testing.assert_close(loss(outputs, labels.to(kind), index), loss(outputs, labels, index), rtol=0, atol=0)
