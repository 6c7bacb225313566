"""What the evaluation of a database in shards costs against the same database in one piece, and the memory it takes.

Codes of 64 bits and labels are drawn at random, and written as encoding writes them. Both ways count the distances of all pairs once,
measure every closed form, and then rank by rows for the tie rule "index"; both take turns, and reading the shards and their checksums
count for them. One file serves as all shards of the memory test, by links. With -health that is the memory of counting equal codes.

    python benchmarks/shards.py -queries 1000 -rows 262144 -shards 4
    python benchmarks/shards.py -memory -queries 200 -rows 1000000 -shards 100
    python benchmarks/shards.py -memory -health -rows 100000 -shards 100
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from biodeephashing.eval.merging import PackedItems
    from biodeephashing.eval.merging.shard_files import ShardDatabase

BITS, CLASSES = 64, 80
CLOSED = [("expected", None), ("expected", 1000), ("worst", None), ("best", None)]
BY_INDEX = [("index", None), ("index", 1000), ("index", 5000)]


def drawn(rng: np.random.Generator, size: int) -> PackedItems:
    """Draw codes, and labels of about three classes an item."""
    from biodeephashing.eval.merging import PackedItems

    codes = rng.integers(0, 256, (size, BITS // 8), dtype=np.uint8)
    labels = np.packbits(rng.random((size, CLASSES), dtype=np.float32) < 3 / CLASSES, axis=1)
    return PackedItems(codes, labels, BITS, CLASSES)


def write(path: Path, rows: int, shards: int, *, distinct: int) -> ShardDatabase:
    """Write a directory of shards, so many of them distinct, the others links."""
    from biodeephashing.checksums import digest
    from biodeephashing.eval.merging.shard_files import ShardDatabase
    from biodeephashing.runs.shards import Manifest, ShardFolder, ShardNote

    folder, rng = ShardFolder(path), np.random.default_rng(1)
    classes = tuple(f"class {number}" for number in range(CLASSES))
    manifest = Manifest("run", "0" * 64, BITS, {}, 64, "32", rows, "npy", {}, classes, "rows", shards)
    folder.enter(manifest)
    for shard in range(shards):
        files, known = folder.files(shard, manifest), folder.files(shard % distinct, manifest)
        if shard < distinct:
            items = drawn(rng, rows)
            np.save(files[0], items.codes)
            np.save(files[1], items.labels)
        else:
            for file, other in zip(files, known, strict=True):
                file.hardlink_to(other)
        sha256 = {file.name: digest(file) for file in files}
        folder.write_note(shard, ShardNote(rows, shard * rows, sha256, 0, (), "none"))
    return ShardDatabase.at(path)


def in_shards(queries: PackedItems, database: ShardDatabase, by_index: bool) -> float:
    """Evaluate shard after shard."""
    from biodeephashing.eval import APSpec, retrieval
    from biodeephashing.eval.merging import count_shards, cuts_of, sum_precisions

    specs, ranked = ([APSpec(ties, k=k) for ties, k in rules] for rules in (CLOSED, BY_INDEX * by_index))
    counts = count_shards(queries, database.shards())
    counts.bits.statistics()
    if by_index:
        counts = counts.ranked_with(sum_precisions(queries, database.shards(), counts.starts(), cuts_of(counts, ranked)))
    return sum(average.mean() for average in retrieval(counts, [*specs, *ranked], ndcg=[1000]).average_precision.values())


def in_one_piece(queries: PackedItems, items: PackedItems, by_index: bool) -> float:
    """Evaluate what is in memory, as packed bytes."""
    from biodeephashing.eval import APSpec, RetrievalTask, retrieval
    from biodeephashing.eval.metrics import bit_statistics

    task = RetrievalTask(queries.codes, items.codes, queries.labels, items.labels, bits=BITS, classes=CLASSES)
    bit_statistics(items.codes, BITS)
    specs = [APSpec(ties, k=k) for ties, k in CLOSED + BY_INDEX * by_index]
    return sum(average.mean() for average in retrieval(task, specs, ndcg=[1000]).average_precision.values())


def joined(database: ShardDatabase) -> PackedItems:
    """Return all items at once."""
    from biodeephashing.eval.merging import PackedItems

    shards = [*database.shards()]
    return PackedItems(np.concatenate([one.codes for one in shards]), np.concatenate([one.labels for one in shards]), BITS, CLASSES)


def times(work: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds that each takes, in turns; all must find the same."""
    assert len({round(run(), 12) for run in work.values()}) == 1  # also compiles
    taken: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds):
        for name in list(work)[:: 1 if turn % 2 else -1]:
            started = time.process_time()
            work[name]()
            taken[name].append(time.process_time() - started)
    return taken


def resident(what: str) -> float:
    """Return a line of this process's status in MB."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        return next(float(line.split()[1]) / 2**10 for line in status if line.startswith(what))


def main() -> None:
    """Parse the command line, measure, and print one Markdown table."""
    from biodeephashing.eval.merging import count_equal_codes

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-queries", type=int, default=1000, help="queries")
    parser.add_argument("-rows", type=int, default=2**18, help="items of a shard")
    parser.add_argument("-shards", type=int, default=4, help="shards")
    parser.add_argument("-rounds", type=int, default=3, help="rounds")
    parser.add_argument("-memory", action="store_true", help="measure memory [MB] in place of time (Linux)")
    parser.add_argument("-health", action="store_true", help="with -memory: of counting distinct codes and collisions")
    options = parser.parse_args()
    if options.health and not options.memory:
        parser.error("-health goes with -memory")
    queries, pairs = drawn(np.random.default_rng(0), options.queries), options.queries * options.rows * options.shards
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            database = write(Path(folder), options.rows, options.shards, distinct=1)
            in_shards(drawn(np.random.default_rng(0), 2), database.part(0, options.shards), True)  # compiles
            with open("/proc/self/clear_refs", "w") as control:  # noqa: PTH123 - the high-water mark starts anew
                control.write("5")
            before, started = resident("VmRSS"), time.perf_counter()
            if options.health:
                count_equal_codes(database.shards(), buckets=options.shards)
            else:
                in_shards(queries, database, True)
            seconds = time.perf_counter() - started
            columns = options.rows * (BITS // 8 + CLASSES // 8) / 2**20
            print("| shards | items of each | columns of one, MB | more than before, MB | s |\n|---:|---:|---:|---:|---:|")
            print(f"| {options.shards} | {options.rows:,} | {columns:.0f} | {resident('VmHWM') - before:.0f} | {seconds:.0f} |")
            return
        database = write(Path(folder), options.rows, options.shards, distinct=options.shards)
        items = joined(database)
        print("| measured | in one piece, ns a pair | in shards, ns a pair | ratio, best | median |\n|---|---:|---:|---:|---:|")
        for name, by_index in (("closed forms", False), ("closed forms, then index", True)):
            work = {
                "whole": lambda by_index=by_index: in_one_piece(queries, items, by_index),
                "shards": lambda by_index=by_index: in_shards(queries, database, by_index),
            }
            whole, shards = times(work, options.rounds).values()
            best = [1e9 * min(taken) / pairs for taken in (whole, shards)]
            ratio = statistics.median(shards) / statistics.median(whole)
            print(f"| {name} | {best[0]:.2f} | {best[1]:.2f} | {best[1] / best[0]:.3f} | {ratio:.3f} |", flush=True)


if __name__ == "__main__":
    main()
