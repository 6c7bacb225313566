"""Every answer of an index is that of a stable sort, whatever the codes, the segments and the threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_oracle import Collection, random_codes

from biodeephashing.codes import hamming, pack
from biodeephashing.search import Facts, Index, merge
from biodeephashing.search.indexing import engine
from biodeephashing.search.indexing.engine import Part, nearest
from biodeephashing.search.indexing.segments import make_segment


def fill(folder, codes, labels, cuts, removed):
    """Make an index with a segment for each stretch between cuts, and remove some items; return it and what it must hold."""
    bits, classes = codes.shape[1], labels.shape[1]
    index = Index.create(folder, Facts(bits=bits, classes=tuple(map(str, range(classes)))))
    for rows in np.split(np.arange(len(codes)), cuts):
        with index.writing() as writer:
            writer.add(codes[rows], [f"{row}.png" for row in rows], labels[rows])
    with index.writing() as writer:
        writer.remove(removed)
    alive = ~np.isin(np.arange(len(codes)), removed)
    return index.refresh(), Collection(codes, np.arange(len(codes)), labels, alive)


@settings(max_examples=200)
@given(data=st.data())
def test_answers_are_those_of_a_stable_sort(data):
    """Any length of code, few or many distinct ones, segments, removed items, filters and threads; whatever is looked up."""
    draw = data.draw
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    bits, count = draw(st.integers(1, 300)), draw(st.integers(0, 3000))
    codes = random_codes(generator, count, bits, draw(st.sampled_from([0, 1, 3, 40])))
    labels = generator.integers(0, 2, (count, 3)).astype(np.uint8)
    alive = generator.random(count) >= draw(st.sampled_from([0, 0.05, 1]))
    cuts = np.sort(generator.integers(0, count + 1, draw(st.integers(0, 4))))
    segments = [
        make_segment(pack(codes[rows]), rows, np.packbits(labels[rows], axis=1)) for rows in np.split(np.arange(count), cuts) if len(rows)
    ]
    parts = [Part.of(segment, alive[segment.items]) for segment in segments]
    classes = draw(st.sampled_from([None, [0], [1, 2]]))
    if classes is not None:
        parts = [part.having(np.packbits(np.isin(range(3), classes))) for part in parts]

    k, radius = draw(st.integers(1, 50)), draw(st.one_of(st.none(), st.integers(0, bits)))
    queries = np.concatenate([random_codes(generator, 3, bits, 0), codes[: draw(st.integers(0, 5))]])
    exclude = np.array([-1, -1, -1, *range(len(queries) - 3)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", str(draw(st.integers(1, 4))))
        patch.setattr(engine, "_SHARED", draw(st.sampled_from([0, 2**17])))
        patch.setattr(engine, "_SCANNED_PER_LOOK_UP", draw(st.sampled_from([0, 256, 10**9])))
        answers = nearest(parts, pack(queries), bits=bits, most=k, radius=radius, excluded=exclude)
    collection = Collection(codes, np.arange(count), labels, alive)
    for query, own, answer in zip(queries, exclude, answers, strict=True):
        wanted = collection.nearest(query, k, radius=radius, classes=classes, exclude=own)
        assert (answer.ids.tolist(), answer.distances.tolist(), answer.tied) == wanted[:3]
        if radius is not None:
            assert answer.total == wanted[3]


@pytest.mark.parametrize("seed", range(4))
def test_an_index_on_disk_answers_so_too(seed, tmp_path):
    generator = np.random.default_rng(seed)
    codes, labels = random_codes(generator, 700, 20 + 37 * seed, 9), generator.integers(0, 2, (700, 3)).astype(np.uint8)
    index, collection = fill(tmp_path / "index", codes, labels, [100, 300], np.flatnonzero(generator.random(700) < 0.1))
    for classes in (None, [0, 2]):
        names = None if classes is None else [str(number) for number in classes]
        for number, answer in enumerate(index.search(codes[:20], 7, names, range(20))):
            wanted = collection.nearest(codes[number], 7, classes=classes, exclude=number)
            assert (answer.ids.tolist(), answer.distances.tolist(), answer.tied) == wanted[:3]
        for number, answer in enumerate(index.within(codes[:20], 3, 7, names)):
            wanted = collection.nearest(codes[number], 7, radius=3, classes=classes)
            assert (answer.ids.tolist(), answer.distances.tolist(), answer.tied, answer.total) == wanted


def test_by_hand(tmp_path):
    """Two of three items at distance 1 are tied; the third at the same distance found no place."""
    codes = np.array([[1, 1, 1, 1], [-1, 1, 1, 1], [1, -1, 1, 1], [1, 1, -1, 1], [-1, -1, -1, -1]])
    index = Index.build(tmp_path, codes, list("abcde"))
    (answer,) = index.search(codes[:1], k=3)
    assert (answer.ids.tolist(), answer.distances.tolist(), answer.tied, answer.total) == ([0, 1, 2], [0, 1, 1], 1, 5)
    (answer,) = index.within(codes[:1], 1, most=2)
    assert (answer.ids.tolist(), answer.tied, answer.total) == ([0, 1], 2, 4)
    assert index.search(pack(codes[:1]), k=99)[0].ids.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("bits", [16, 64, 128])
def test_ids_are_those_of_faiss(bits, tmp_path):
    faiss = pytest.importorskip("faiss")
    codes = random_codes(np.random.default_rng(bits), 20_000, bits, 50)
    flat = faiss.IndexBinaryFlat(bits)
    flat.add(pack(codes))
    index = Index.build(tmp_path, codes, [str(row) for row in range(len(codes))])
    distances, ids = flat.search(pack(codes[:200]), 10)
    answers = index.search(codes[:200], 10)
    assert [answer.ids.tolist() for answer in answers] == ids.tolist()
    assert [answer.distances.tolist() for answer in answers] == distances.tolist()


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_shards_answer_as_one_index_does(shards, tmp_path):
    codes = random_codes(np.random.default_rng(shards), 900, 24, 5)
    whole = Index.build(tmp_path / "whole", codes, [str(row) for row in range(900)])
    parts = []
    for number, rows in enumerate(np.array_split(np.arange(900), shards)):
        facts = Facts(bits=24, first_id=int(rows[0]))
        parts.append(Index.build(tmp_path / str(number), codes[rows], [str(row) for row in rows], facts=facts))
    for query, one in zip(codes[:50], whole.search(codes[:50], 20), strict=True):
        merged = merge([part.search(query[None], 20)[0] for part in parts], 20)
        assert (merged.ids.tolist(), merged.distances.tolist(), merged.tied, merged.total) == (
            one.ids.tolist(), one.distances.tolist(), one.tied, one.total,
        )  # fmt: skip


def test_items_codes_and_paths_come_back(tmp_path):
    generator = np.random.default_rng(0)
    codes, labels = random_codes(generator, 300, 13, 4), generator.integers(0, 2, (300, 9)).astype(np.uint8)
    index, _ = fill(tmp_path / "index", codes, labels, [100, 250], [5, 260])
    kept = np.setdiff1d(np.arange(300), [5, 260])
    ids, stored = index.codes()
    assert ids.tolist() == kept.tolist()
    assert np.array_equal(stored, pack(codes[kept]))
    for item in index.items([299, 0, 120]):
        assert item.path == f"{item.id}.png"
        assert item.labels.tolist() == labels[item.id].tolist()
        assert np.array_equal(index.code(item.id), pack(codes[item.id : item.id + 1])[0])
        assert index.find(item.path) == item.id
    assert index.find("5.png") is None
    assert np.array_equal(hamming(stored, stored).diagonal(), np.zeros(298))
