"""What is counted in shards against what is counted in the whole database: the same bits."""

from __future__ import annotations

import dataclasses
from functools import reduce
from itertools import product
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import Sample
from sharded import Sharded, problems

from biodeephashing.errors import BioDeepHashingError
from biodeephashing.eval import APSpec, retrieval
from biodeephashing.eval.merging import count_shards, cuts_of, sum_precisions
from biodeephashing.eval.metrics import DENOMINATORS, bit_statistics
from biodeephashing.eval.ranking import _kernels as kernels

CUTS = [{}, {"k": 1}, {"k": 7}, {"k": 1000}, {"radius": 0}, {"radius": 2}, {"radius": 10**4}]
CLOSED = [APSpec(ties, denominator=rule, **cut) for ties in ("expected", "worst", "best") for cut in CUTS for rule in DENOMINATORS]
BY_INDEX = [APSpec("index", denominator=rule, **cut) for cut in CUTS for rule in DENOMINATORS]
NDCG = [None, 1, 5, 1000]


def bits_of(result) -> list[bytes]:
    """Everything that was measured, as bytes."""
    arrays = [array for average in result.average_precision.values() for array in (average.values, average.found)]
    arrays += [getattr(result.curves, field.name) for field in dataclasses.fields(result.curves)]
    return [array.tobytes() for array in (*arrays, *result.ndcg.values())]


@settings(max_examples=25)
@given(problem=problems(), parts=st.integers(1, 3))
def test_closed_forms_have_the_same_bits(problem, parts):
    counts = reduce(add, (count_shards(problem.queries, problem.shards[part::parts]) for part in range(parts)))
    for gain in ("shared", "exponential"):
        got, want = (retrieval(task, CLOSED, ndcg=NDCG, gain=gain) for task in (counts, problem.whole))
        assert bits_of(got) == bits_of(want)
    got, want = counts.bits.statistics(), bit_statistics(problem.sample.database_codes, problem.sample.bits)
    assert (got.shares.tobytes(), got.correlations.tobytes()) == (want.shares.tobytes(), want.correlations.tobytes())


@settings(max_examples=25)
@given(problem=problems(), border=st.integers(0, 6))
def test_ranking_by_rows_goes_on_in_the_next_shard(problem, border):
    ranges = problem.shards[:border], problem.shards[border:]
    parts = [count_shards(problem.queries, shards) for shards in ranges]
    total = parts[0] + parts[1]
    cuts = cuts_of(total, BY_INDEX)
    sums = [sum_precisions(problem.queries, ranges[i], total.starts(parts[0] if i else None), cuts) for i in (0, 1)]
    got = retrieval(total.ranked_with(sums[0] + sums[1]), [*CLOSED, *BY_INDEX], ndcg=[3])
    want = retrieval(problem.whole, [*CLOSED, *BY_INDEX], ndcg=[3])
    for spec in BY_INDEX:
        np.testing.assert_allclose(got.average_precision[spec].values, want.average_precision[spec].values, rtol=0, atol=1e-12)
        assert (got.average_precision[spec].found == want.average_precision[spec].found).all()
    assert bits_of(got)[: len(CLOSED)] == bits_of(want)[: len(CLOSED)]


def test_shards_of_whole_tiles_are_ranked_to_the_same_bits():
    sample = Sample(1, queries=20, database=2 * kernels.SPAN + 77, bits=24, classes=9)
    problem = Sharded(sample, [kernels.SPAN, kernels.SPAN + 3 * kernels.TILE])
    total = count_shards(problem.queries, problem.shards)
    sums = sum_precisions(problem.queries, problem.shards, total.starts(), cuts_of(total, BY_INDEX))
    got, want = (retrieval(task, BY_INDEX, ndcg=[None, 1000]) for task in (total.ranked_with(sums), problem.whole))
    assert bits_of(got) == bits_of(want)


def test_by_hand():
    # Items + - | + at distances 1, 1 and 1: ranks 1, 2, 3 in row order, so AP = (1/1 + 2/3) / 2.
    sample = Sample(0, queries=1, database=3, bits=2, classes=1)
    sample.query_features[:], sample.database_features[:] = [1, 1], [1, -1]
    sample.query_labels[:], sample.database_labels[:] = 1, [[1], [0], [1]]
    problem = Sharded(sample, [2])
    parts = [count_shards(problem.queries, [shard]) for shard in problem.shards]
    assert [part.counts[0].tolist() for part in parts] == [[[0, 0], [1, 1], [0, 0]], [[0, 0], [0, 1], [0, 0]]]
    total = parts[0] + parts[1]
    assert total.starts(parts[0])[0].tolist() == [[0, 0], [2, 1], [3, 2], [3, 2]]
    last = sum_precisions(problem.queries, problem.shards[1:], total.starts(parts[0]), np.array([[3]]))
    assert (last.sums.item(), last.retrieved.item()) == (2 / 3, 1)


def test_ranking_by_rows_needs_a_second_pass_with_its_cuts():
    problem = Sharded(Sample(2, queries=3, database=20, bits=5), [4])
    counts = count_shards(problem.queries, problem.shards)
    with pytest.raises(BioDeepHashingError, match="second pass"):
        retrieval(counts, [APSpec("index")])
    ranked = counts.ranked_with(sum_precisions(problem.queries, problem.shards, counts.starts(), cuts_of(counts, [APSpec("index", k=3)])))
    assert retrieval(ranked, [APSpec("index", k=3, denominator="min")])
    with pytest.raises(BioDeepHashingError, match="the cut at 20"):
        retrieval(ranked, [APSpec("index")])
    with pytest.raises(BioDeepHashingError, match="features"):
        retrieval(ranked, [APSpec("feature")])


@pytest.mark.parametrize(("classes", "single"), product([1, 7, 8, 9, 80], [True, False]))
def test_packed_labels_are_those_of_a_column_per_class(classes, single):
    problem = Sharded(Sample(3, queries=5, database=40, bits=9, classes=classes, single=single), [])
    packed = problem.shards[0].task(problem.queries)
    assert packed.levels == problem.whole.levels
    assert (packed.shared_histograms(slice(0, 5)) == problem.whole.shared_histograms(slice(0, 5))).all()


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (np.ones((3, 1), dtype=np.int64), 8, "uint8"),
        (np.full((3, 1), 128, dtype=np.uint8), 9, "not 1 bytes wide"),
        (np.full((3, 1), 1, dtype=np.uint8), 7, "beyond 7 classes"),
    ],
)
def test_packed_labels_of_another_form(labels, classes, message):
    from biodeephashing.eval import RetrievalTask

    codes = np.zeros((3, 1), dtype=np.uint8)
    with pytest.raises(BioDeepHashingError, match=message):
        RetrievalTask(codes, codes, labels, labels, classes=classes)
