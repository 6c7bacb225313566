"""The penalty of DSH as in code that leaves the absolute value out."""

import pytest
import torch
from loss_cases import batch, build

from biodeephashing.errors import UsageError


def test_inside_the_cube_the_signed_penalty_is_the_same():
    outputs, labels, index = batch()
    torch.testing.assert_close(build("DSH", signed_penalty=True)(outputs, labels, index), build("DSH")(outputs, labels, index))


def test_without_the_cube_the_signed_penalty_is_refused():
    with pytest.raises(UsageError, match=r"signed_penalty=True falls without end .*-no_cube"):
        build("DSH", signed_penalty=True, cube=False)
