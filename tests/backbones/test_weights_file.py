"""Checkpoints as other programs write them: what is taken out of them, what is said of it, and what is refused."""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from biodeephashing.backbones import build_backbone
from biodeephashing.errors import UsageError


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return build_backbone("resnet20").state_dict()


def under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in state.items()}


def other(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value + 1 for key, value in state.items()}


def load(content: object, folder: Path) -> tuple[nn.Module, str]:
    """The backbone that takes a checkpoint, and what is said on the way."""
    torch.save(content, folder / "weights.pth")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        network = build_backbone("resnet20", weights=str(folder / "weights.pth"))
    return network, " ".join(str(warning.message) for warning in said)


def test_wrappings_are_taken_off_and_said(state, tmp_path) -> None:
    noted = {"args": argparse.Namespace(lr=0.1), "best": np.float64(0.5), "epoch": 3, "optimizer": {"state": {}, "param_groups": []}}
    cases = {
        "plain": (state, []),
        "parallel": (under("module.", state), ["'module.'"]),
        "a training": ({"model": state, **noted}, ["'model'"]),
        "compiled": ({"state_dict": under("_orig_mod.", state)}, ["'state_dict'", "'_orig_mod.'"]),
        "both": (under("module._orig_mod.", state), ["'module._orig_mod.'"]),
        "timm": ({"state_dict": other(state), "state_dict_ema": under("module.", state), **noted}, ["'state_dict_ema'", "'module.'"]),
        "an average": ({"model": other(state), "model_ema": state}, ["'model_ema'"]),
        "PyTorch's average": ({"n_averaged": torch.tensor(3), **under("module.", state)}, ["'module.'"]),
        "a larger model": (
            {"state_dict": under("backbone.", state) | {"neck.weight": torch.ones(2)}}, ["'backbone.'", "left out 1 other", "neck.weight"],
        ),
        "self-supervised": ({"student": other(state), "teacher": under("module.encoder.", state)}, ["'teacher'", "'module.encoder.'"]),
        "the only part": ({"mine": state, "epoch": 1}, ["'mine'"]),
    }  # fmt: skip
    for name, (content, facts) in cases.items():
        network, said = load(content, tmp_path)
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items()), name
        assert all(fact in said for fact in facts), (name, said)
        assert bool(said) == bool(facts), (name, said)


def test_a_head_within_a_wrapping_is_dropped(tmp_path) -> None:
    import timm

    whole = timm.create_model("test_resnet").state_dict()
    torch.save({"model": under("module.", whole)}, tmp_path / "weights.pth")
    with pytest.warns(UserWarning, match="took 'model', without the prefix 'module.'"):
        network = build_backbone("timm:test_resnet", weights=str(tmp_path / "weights.pth"))
    assert all(torch.equal(value, whole[key]) for key, value in network.state_dict().items())


def test_what_cannot_be_meant_is_refused(state, tmp_path) -> None:
    some = dict(list(state.items())[:-1])
    cases = {
        "a pickled model": (nn.Linear(2, 2), "torch.nn.modules.linear.Linear), which could run code: save model.state_dict()"),
        "a pickled part": ({"model": nn.Linear(2, 2)}, "Linear), which could run code"),
        "two networks": (under("encoder_q.", state) | under("encoder_k.", state), "2 networks that fit, under 'encoder_k.', 'encoder_q.'"),
        "two parts": ({"a": state, "b": state}, "it has 'a', 'b'"),
        "numbers": ({"epoch": 3}, "does not hold a state dict"),
        "nothing": ({}, "does not hold a state dict"),
        "a part missing": (under("module.", some), "does not fit this backbone: it lacks layer3"),
    }
    for name, (content, words) in cases.items():
        with pytest.raises(UsageError) as caught:
            load(content, tmp_path)
        assert words in str(caught.value), (name, str(caught.value))
    (tmp_path / "notes.pth").write_text("hello")
    with pytest.raises(UsageError, match="no checkpoint"):
        build_backbone("resnet20", weights=str(tmp_path / "notes.pth"))
