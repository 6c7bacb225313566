"""-similarity: what a run is called, and which losses refuse it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from biodeephashing.commands.train import train
from biodeephashing.errors import UsageError
from biodeephashing.runs import Run


def test_only_another_similarity_is_part_of_a_run_s_name_and_record(settings):
    graded = replace(settings, similarity="jaccard")
    assert ["-similarity=jaccard" in one.name for one in (settings, graded)] == [False, True]
    assert ["similarity" in one.as_dict("train") for one in (settings, graded)] == [False, True]


def test_a_loss_without_degrees_refuses_them_before_anything_is_written(settings):
    refused = replace(settings, loss="CHN", similarity="jaccard")
    with pytest.raises(UsageError, match="similarity jaccard: CHN"):
        train(refused, quiet=True)
    assert not Run.of(refused).directory.exists()
