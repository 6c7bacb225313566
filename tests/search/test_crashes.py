"""Whatever instant a writer is killed at, and however many write and read at once: an index is as one of its commits left it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import signal
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
from search_oracle import Collection

from biodeephashing.codes import unpack
from biodeephashing.errors import RunError
from biodeephashing.search import Facts, Index
from biodeephashing.search.indexing import store

FACTS = Facts(bits=64)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def code_of(path: str) -> np.ndarray:
    return np.frombuffer(hashlib.blake2b(path.encode(), digest_size=8).digest(), np.uint8)


def codes_of(paths: list[str]) -> np.ndarray:
    return np.array([code_of(path) for path in paths], np.uint8).reshape(-1, 8)


def forked(work) -> int:
    """Start a process that does some work, and return its number; its status is 0 unless the work raises."""
    number = os.fork()
    if number:
        return number
    try:
        work()
    except BaseException:  # noqa: BLE001 - a process that shares the parent's tests must not go on with them
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def write_at_random(folder: Path, seed: int, pipe: int) -> None:
    """Add, remove and compact without end, telling each change before it begins and after it was committed."""
    chance, index = random.Random(seed), Index(folder)
    for turn in range(10**6):
        living = [item.path for item in index.refresh().items(index.codes()[0])]
        kind = chance.choices(["add", "remove", "compact"], [5, 3, 1])[0]
        paths = [f"{seed}-{turn}-{number}" for number in range(chance.choice([1, 3, 200]))]
        if kind == "remove":
            paths = chance.sample(living, min(len(living), chance.choice([1, 5, 100])))
        os.write(pipe, (json.dumps([kind, [] if kind == "compact" else paths]) + "\n").encode())
        if kind == "compact":
            index.compact()
        else:
            with index.writing() as writer:
                if kind == "add":
                    writer.add(codes_of(paths), paths)
                else:
                    writer.remove([index.find(path) for path in paths])
        os.write(pipe, b"done\n")


def survive(folder: Path, kills: int, seed: int) -> int:
    """Kill a writer again and again, look at the index each time, and return how many changes were committed."""
    chance = random.Random(seed)
    Index.create(folder, FACTS)
    held: set[str] = set()
    committed = 0
    for number in range(kills):
        reading, writing = os.pipe()
        child = forked(lambda writing=writing, number=number: write_at_random(folder, seed + number, writing))
        os.close(writing)
        time.sleep(chance.uniform(0.01, 0.4))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL  # it was at work
        with os.fdopen(reading) as stream:
            lines = stream.read().splitlines()
        states = [held]
        for line in lines:
            if line == "done":
                states = [states[-1]]
                committed += 1
            else:
                kind, paths = json.loads(line)
                states = [states[-1], states[-1] | set(paths) if kind == "add" else states[-1] - set(paths)]
        index = Index(folder)
        ids, codes = index.codes()
        paths = [item.path for item in index.items(ids)]
        assert len(set(paths)) == len(paths) == len(set(ids.tolist()))
        assert np.array_equal(codes, codes_of(paths))
        held = set(paths)
        assert held in states
    with Index(folder).writing() as writer:  # one more change, and nothing is left of those that were killed
        writer.add(codes_of(["last"]), ["last"])
    index = Index(folder)
    index.check()
    assert len(list((folder / "segments").iterdir())) == index.segments
    return committed


def test_a_killed_writer_leaves_a_whole_index(tmp_path):
    assert survive(tmp_path / "index", 12, 1) > 6


@pytest.mark.slow
def test_a_writer_that_is_killed_200_times(tmp_path):
    assert survive(tmp_path / "index", 200, 1000) > 100


def test_writers_at_once_fill_a_fresh_index(tmp_path):
    def work(number: int) -> None:
        index = Index.create(tmp_path / "index", FACTS)
        for turn in range(3):
            paths = [f"{number}-{turn}-{item}" for item in range(20)]
            with index.writing() as writer:
                writer.add(codes_of(paths), paths)

    children = [forked(lambda number=number: work(number)) for number in range(8)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    index = Index(tmp_path / "index")
    index.check()
    ids, codes = index.codes()
    assert ids.tolist() == list(range(480))
    assert np.array_equal(codes, codes_of([item.path for item in index.items(ids)]))


def test_readers_see_one_state_while_a_writer_works(tmp_path):
    """Change n adds items 3 n to 3 n + 2 and removes the oldest two: the largest id tells all others."""
    folder = tmp_path / "index"
    Index.create(folder, FACTS)

    def write() -> None:
        index = Index(folder)
        for turn in range(60):
            paths = [str(3 * turn + number) for number in range(3)]
            with index.writing() as writer:
                writer.add(codes_of(paths), paths)
                writer.remove([2 * turn - 10, 2 * turn - 9] if turn >= 5 else [])
            if turn % 7 == 6:
                index.compact()

    query = code_of("query")[None]
    Index.build(tmp_path / "other", codes_of(["a"]), ["a"], facts=FACTS).search(query)  # what is compiled is there from now on
    child, seen = forked(write), set()
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        index = Index(folder)
        ids, codes = index.codes()
        changes = (int(ids[-1]) + 1) // 3 if len(ids) else 0
        seen.add(changes)
        assert ids.tolist() == list(range(max(0, 2 * (changes - 5)), 3 * changes))
        assert np.array_equal(codes, codes_of([str(number) for number in ids]))
        oracle = Collection(unpack(codes, 64), ids, np.zeros((len(ids), 0)), np.ones(len(ids), bool))
        (answer,) = index.search(query, 5)
        assert (answer.ids.tolist(), answer.distances.tolist(), answer.tied) == oracle.nearest(unpack(query, 64)[0], 5)[:3]
    assert ended[1] == 0
    assert len(seen) > 3


def add_and_remove(index: Index, path: str, number: int) -> None:
    with index.writing() as writer:
        writer.add(codes_of([path]), [path])
        writer.remove([number])


def test_a_full_disk_leaves_the_index_as_it_was(tmp_path, monkeypatch):
    index = Index.build(tmp_path / "index", codes_of(["a", "b"]), ["a", "b"], facts=FACTS)

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space") as caught, index.writing() as writer:
            writer.add(codes_of(["c"]), ["c"])
        assert caught.value.filename
    with pytest.raises(RunError, match="no item 9"):
        add_and_remove(index, "d", 9)
    assert index.refresh().codes()[0].tolist() == [0, 1]
    with index.writing() as writer:
        writer.add(codes_of(["e"]), ["e"])
    index.check()
    assert len(list((tmp_path / "index" / "segments").iterdir())) == 2


def test_a_second_writer_is_told_who_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_WAIT", 0.1)
    index = Index.build(tmp_path / "index", codes_of(["a"]), ["a"], facts=FACTS)
    with index.writing(), pytest.raises(RunError, match="another process is writing"), index.writing():
        pass


def test_many_small_segments_are_merged_and_ids_stay(tmp_path):
    index = Index.create(tmp_path / "index", FACTS)
    for number in range(40):
        with index.writing() as writer:
            writer.add(codes_of([str(number)]), [str(number)])
    index.refresh().check()
    assert index.segments <= 32
    ids, codes = index.codes()
    assert ids.tolist() == list(range(40))
    assert np.array_equal(codes, codes_of([str(number) for number in range(40)]))
