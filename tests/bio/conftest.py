"""Every test of the learning rules that asks for a rule is run with each of them."""

from __future__ import annotations

import pytest

from biodeephashing.bio import RULES


@pytest.fixture(params=sorted(RULES))
def rule(request):
    return request.param
