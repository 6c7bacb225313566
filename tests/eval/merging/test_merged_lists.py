"""Nearest items of shards, merged, against one sort of everything."""

from __future__ import annotations

import numpy as np
import numpy_engine
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import Sample
from sharded import Sharded, problems

from biodeephashing.codes import hamming
from biodeephashing.errors import BioDeepHashingError
from biodeephashing.eval import APSpec, average_precision_per_query
from biodeephashing.eval.merging import listed_average_precision, merge_lists, nearest_lists
from biodeephashing.eval.metrics import DENOMINATORS
from biodeephashing.eval.ranking import nearest_items


@settings(max_examples=25)
@given(problem=problems(), k=st.one_of(st.integers(1, 70), st.just(1000)), ties=st.sampled_from(["index", "feature"]))
def test_lists_are_those_of_one_sort(problem, k, ties):
    sample = problem.sample
    distances = hamming(sample.query_codes, sample.database_codes)
    gaps = numpy_engine.separations(*sample.features).astype(np.int64) if ties == "feature" else np.zeros_like(distances, dtype=np.int64)
    ids = np.broadcast_to(np.arange(distances.shape[1]), distances.shape)
    order = np.lexsort((ids, gaps, distances), axis=1)[:, :k]
    lists = merge_lists([nearest_lists(task, k, first, ties=ties) for task, first in problem.tasks()], k)
    relevant = (sample.query_labels.astype(int) @ sample.database_labels.T.astype(int)) > 0
    for got, want in ((lists.ids, ids), (lists.distances, distances), (lists.separations, gaps), (lists.relevant, relevant)):
        assert (got == np.take_along_axis(want, order, axis=1)).all()
    specs = [APSpec(ties, k=k, denominator=rule) for rule in DENOMINATORS]
    whole = average_precision_per_query(problem.whole, specs)
    for spec in specs:
        average = listed_average_precision(lists, spec, relevant.sum(axis=1))
        np.testing.assert_allclose(average.values, whole[spec].values, rtol=0, atol=1e-12)
        assert (average.found == whole[spec].found).all()


def test_merging_in_a_tree_is_merging_at_once():
    problem = Sharded(Sample(4, queries=4, database=50, bits=3), [11, 30, 31])
    parts = [nearest_lists(task, 9, first) for task, first in problem.tasks()]
    tree = merge_lists([merge_lists(parts[2:], 9), merge_lists(parts[:2], 9)], 9)
    for query in range(4):
        assert tree.ids[query].tolist() == nearest_items(problem.whole, query, 9).rows.tolist()


@pytest.mark.parametrize(
    ("spec", "message"), [(APSpec("feature"), "all relevant items"), (APSpec("index", radius=2), "cut k only"), (APSpec(k=3), "cut k only")]
)
def test_what_lists_do_not_reach_to(spec, message):
    problem = Sharded(Sample(5, queries=2, database=9, bits=3), [4])
    lists = merge_lists([nearest_lists(task, 9, first) for task, first in problem.tasks()], 9)
    with pytest.raises(BioDeepHashingError, match=message):
        listed_average_precision(lists, spec, np.ones(2, dtype=np.int64))
