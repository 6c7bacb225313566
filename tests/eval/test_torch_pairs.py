"""The evaluation by PyTorch against the compiled loops, the slow definitions, and on a graphics card against itself."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import numpy as np
import numpy_engine
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from many_cases import each_case
from ranking_oracle import Sample

from biodeephashing.errors import BioDeepHashingError, UnknownNameError, UsageError
from biodeephashing.eval import (
    Measure,
    Pairs,
    average_precision_per_query,
    leave_one_out_average_precision,
    mean_average_precision,
    normalized_discounted_cumulative_gain,
)
from biodeephashing.eval.metrics.average_precision import DENOMINATORS, TIES
from biodeephashing.eval.metrics.retrieval import retrieval
from biodeephashing.eval.ranking import _torch_pairs
from biodeephashing.eval.ranking._torch_pairs import TorchPairs, TorchSeparations
from biodeephashing.eval.ranking.blocks import MEMORY
from biodeephashing.eval.ranking.rankings import Separations

CUTS = [{}, {"k": 1}, {"k": 4}, {"k": 17}, {"k": 10_000}, {"radius": 0}, {"radius": 2}, {"radius": 10_000}]
RANKED = ("index", "feature")
EVERY = [Measure(ties, denominator=rule, **cut) for ties in TIES for cut in CUTS for rule in DENOMINATORS]
on_each_device = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def evaluate(sample: Sample, device, memory: int = MEMORY):
    return average_precision_per_query(Pairs(*sample.arrays), EVERY, **sample.features, memory=memory, device=device)


def bits_of(sample: Sample, device, memory: int = MEMORY) -> bytes:
    return b"".join(found.values.tobytes() + found.found.tobytes() for found in evaluate(sample, device, memory).values())


def agree(sample: Sample, device, memory: int = MEMORY) -> None:
    """The same bits where counts decide, 1e-12 where sums are rounded differently."""
    want = evaluate(sample, None)
    for measure, got in evaluate(sample, device, memory).items():
        tolerance = 1e-12 if measure.ties in RANKED else 0.0
        np.testing.assert_allclose(got.values, want[measure].values, rtol=0, atol=tolerance, err_msg=str(measure))
        np.testing.assert_array_equal(got.found, want[measure].found, err_msg=str(measure))


@on_each_device
@pytest.mark.parametrize("ties", TIES)
@each_case("cut, denominator", product(CUTS, DENOMINATORS))
def test_every_rule_matches_the_double_loop(device, ties, cut, denominator):
    sample = Sample(1, queries=6, database=9 if ties == "expected" else 40, bits=4)
    got = mean_average_precision(*sample.arrays, ties=ties, denominator=denominator, **cut, **sample.features, device=device)
    assert got == pytest.approx(sample.mean_ap(ties, denominator=denominator, **cut), abs=1e-13)


@on_each_device
@each_case("bits, classes, single", [(12, 10, True), (64, 100, True), (70, 80, False), (1024, 3, False)])
def test_thousands_of_items(device, bits, classes, single):
    sample = Sample(2, queries=9, database=5_003, bits=bits, classes=classes, single=single)
    agree(sample, device)
    measures = [Measure(ties, **cut) for ties in RANKED for cut in ({}, {"k": 17})]
    got = average_precision_per_query(Pairs(*sample.arrays), measures, **sample.features, device=device)
    for measure, want in numpy_engine.values(sample.arrays, measures, sample.features).items():
        np.testing.assert_allclose(got[measure].values, want, rtol=0, atol=1e-12)


@on_each_device
@each_case("bits, classes", product([1, 5, 8, 63, 64, 65, 129, 500, 1023, 1024, 2500], [1, 8, 9, 130]))
def test_histograms_of_any_width(device, bits, classes):
    sample = Sample(3, queries=5, database=70, bits=bits, classes=classes)
    pairs, want = Pairs(*sample.arrays), numpy_engine.histograms(*sample.arrays)
    for memory in (1, 10_000, MEMORY):
        there = TorchPairs(pairs, device, memory)
        assert (there.histograms(slice(0, 5)) == want).all()
        assert (there.histograms(slice(2, 4)) == want[2:4]).all()
        assert (there.shared_histograms(slice(1, 4)) == pairs.shared_histograms(slice(1, 4))).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    queries=st.integers(1, 12),
    database=st.integers(1, 300),
    bits=st.one_of(st.integers(1, 80), st.integers(1, 1024)),
    classes=st.integers(1, 20),
    single=st.booleans(),
    collapsed=st.booleans(),
    memory=st.sampled_from([1, 20_000, 200_000, MEMORY]),
)
def test_any_shape(seed, queries, database, bits, classes, single, collapsed, memory):
    sample = Sample(seed, queries, database, bits, classes, single)
    if collapsed:
        sample.query_features[:] = sample.database_features[:] = 1
    agree(sample, "cpu", memory)


def test_places_of_a_part_fit_32_bits_whatever_the_memory():
    pairs = TorchPairs(Pairs(*Sample(0, queries=1, database=3, bits=1024).arrays), "cpu", memory=2**60)
    width = pairs.bins * pairs.levels
    parts = list(pairs._parts(slice(0, 2**33 // width), _torch_pairs._COUNTING, _torch_pairs._BYTES_PER_COUNT * width))
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert 2**30 < max(part.stop - part.start for part in parts) * width < 2**31


@on_each_device
@each_case("memory", [1, 30_000, 2**30])
def test_memory_changes_no_bit(device, memory):
    sample = Sample(4, queries=23, database=700, bits=10)
    assert bits_of(sample, device, memory) == bits_of(sample, device)


@on_each_device
@each_case("memory", [1, MEMORY])
def test_one_pass_finds_the_same_curves_and_gains(device, memory):
    sample = Sample(13, queries=20, database=300, bits=21, classes=12)
    pairs = Pairs(*sample.arrays, bits=21)
    want, got = (retrieval(pairs, [Measure()], ndcg=[None, 9], memory=memory, device=where) for where in (None, device))
    for name, curve in vars(want.curves).items():
        assert (getattr(got.curves, name) == curve).all(), name
    assert all((got.ndcg[k] == want.ndcg[k]).all() for k in (None, 9))


@on_each_device
@each_case("rules", [{}, {"k": 7}, {"gain": "exponential", "empty": "skip"}])
def test_graded_gains_and_leaving_one_out_are_the_same_bits(device, rules):
    sample = Sample(6, queries=13, database=200, bits=11, classes=9, single=False)
    want, got = (normalized_discounted_cumulative_gain(*sample.arrays, **rules, device=where) for where in (None, device))
    assert 0 < got == want < 1
    codes, labels = sample.arrays[1], sample.arrays[3]
    want, got = (leave_one_out_average_precision(codes, labels, device=where) for where in (None, device))
    assert 0 < got == want < 1


def test_graded_gains_refuse_a_device_that_does_not_exist():
    with pytest.raises(UnknownNameError, match="cuad"):
        normalized_discounted_cumulative_gain(*Sample(6, queries=1, database=2, bits=3).arrays, device="cuad")


@on_each_device
def test_order_of_the_queries_changes_no_bit(device):
    sample = Sample(5, queries=30, database=600, bits=16)
    order = np.random.default_rng(0).permutation(30)
    straight = evaluate(sample, device)
    sample.query_features, sample.query_labels = sample.query_features[order], sample.query_labels[order]
    for measure, moved in evaluate(sample, device).items():
        assert (moved.values == straight[measure].values[order]).all(), measure


@on_each_device
def test_separations_are_the_same_numbers(device):
    rng = np.random.default_rng(6)
    queries, database = rng.normal(size=(40, 130)).astype(np.float32), rng.normal(size=(5_000, 130)).astype(np.float32)
    queries[3], database[7], database[8] = 0, 0, database[9]
    want = Separations(queries, database, 40).of(slice(5, 40))
    got = TorchSeparations(queries, database, torch.device(device)).of(slice(5, 40))
    assert (got.cpu().numpy() == want).all()


@on_each_device
@each_case("items", [1, 131_071, 131_072])
def test_sums_of_very_many_precisions_are_exact(device, items):
    codes, labels = np.zeros((items, 1), dtype=np.uint8), np.ones((items, 1), dtype=np.uint8)
    assert mean_average_precision(codes[:1], codes, labels[:1], labels, ties="index", device=device) == 1.0
    labels[:-1] = 0
    assert mean_average_precision(codes[:1], codes, np.ones((1, 1)), labels, ties="index", device=device) == pytest.approx(
        1 / items, abs=1e-13
    )


@on_each_device
def test_queries_and_items_without_classes_and_features_of_zeros(device):
    sample = Sample(7, queries=4, database=90, bits=8)
    sample.query_labels[1] = sample.query_features[2] = sample.database_features[5] = 0
    sample.database_labels[::2] = 0
    agree(sample, device)


@on_each_device
def test_precision_chosen_by_the_surroundings_does_not_matter(device):
    sample = Sample(8, queries=5, database=400, bits=1024, classes=300)
    want, before = bits_of(sample, device), torch.get_float32_matmul_precision()
    with torch.autocast(device, dtype=torch.bfloat16):
        assert bits_of(sample, device) == want
    torch.set_float32_matmul_precision("medium")
    try:
        assert bits_of(sample, device) == want
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.gpu
def test_a_graphics_card_gives_the_bits_of_the_processor():
    sample = Sample(9, queries=40, database=20_000, bits=48, classes=20)
    assert bits_of(sample, "cuda") == bits_of(sample, "cpu") == bits_of(sample, torch.device("cuda", 0))


@pytest.mark.gpu
def test_memory_of_a_graphics_card_stays_bounded():
    sample, limit = Sample(10, queries=300, database=20_000, bits=32, single=True), 2**24
    pairs = TorchPairs(Pairs(*sample.arrays), "cuda", limit)
    features = 8 * (300 + 20_000) * 33
    measures = ((Measure(), 0), (Measure("index"), 0), (Measure("feature"), features))
    average_precision_per_query(pairs, [measure for measure, _ in measures], **sample.features)  # what cuBLAS works in stays: up to 32 MiB
    for measure, beside in measures:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        average_precision_per_query(pairs, [measure], **sample.features)
        assert torch.cuda.max_memory_allocated() - before <= limit + beside + 2**20  # far below 300 × 20,000 × 8 = 48 MB


@pytest.mark.parametrize(
    ("device", "error", "message"),
    [
        ("cdua", UnknownNameError, "unknown device 'cdua': did you mean 'cuda'"),
        ("cpu:x", UnknownNameError, "unknown device 'cpu:x'"),
        ("mps", UsageError, "'mps': evaluation needs float64"),
        (torch.device("meta"), UsageError, "'meta': evaluation needs float64"),
    ],
)
def test_devices_that_cannot_be_used(device, error, message):
    with pytest.raises(error, match=message):
        evaluate(Sample(11, queries=2, database=5, bits=8), device)


def test_a_missing_card_is_said(monkeypatch):
    sample = Sample(11, queries=2, database=5, bits=8)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="'cuda': PyTorch sees no CUDA device"):
        evaluate(sample, "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UsageError, match=r"'cuda:2': this machine has 2 CUDA devices"):
        evaluate(sample, torch.device("cuda", 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"query_features": None}, "needs query_features"), ({"database_features": np.full((9, 8), np.inf)}, "row 0 .* infinity")],
)
def test_bad_features(change, message):
    sample = Sample(12, queries=3, database=9, bits=8)
    with pytest.raises(BioDeepHashingError, match=message):
        mean_average_precision(*sample.arrays, ties="feature", **(sample.features | change), device="cpu")


def test_torch_is_not_loaded_where_no_device_is_given():
    code = (
        "import sys, numpy as np; from biodeephashing.eval import mean_average_precision as f;"
        "f(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8), np.ones((1, 1)), np.ones((1, 1)), ties='index'{0});"
        "print('torch' in sys.modules)"
    )
    for device, loaded in (("", "False"), (", device='cpu'", "True")):
        done = subprocess.run([sys.executable, "-c", code.format(device)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == loaded
