"""What a search costs, per query, against the ways in use elsewhere.

Beside the index stand its own scan without groups and look-ups, NumPy, and FAISS (flat, inverted lists, a graph) where it is installed.
All take turns within every round, in an order drawn anew; processor time is counted, medians are shown, and the ratio to FAISS flat is
the median of the ratios within the rounds. Recall counts an item at a distance that the true k-th has as right.
Modelled codes are signs of features drawn from a Gaussian per class, fitted to those of a trained run (-features), else class centres of
which 1, 5 or 20 % of the bits are flipped (70, 20 and 10 % of the items).

    python benchmarks/search.py -codes uniform modelled -sizes 1e6 1e7 -bits 64 -k 10 -threads 1 -rounds 5
    python benchmarks/search.py -codes modelled -sizes 1e7 -features RUN/database-features.npy:database_metadata.txt
    python benchmarks/search.py -single -sizes 1e7
    python benchmarks/search.py -store 1e6
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Search = Callable[[np.ndarray], np.ndarray]  # packed queries -> distances of the k nearest, (q, k)
SLOW = 16  # queries for what takes milliseconds each
FLIPS = (0.01, 0.05, 0.2), (0.7, 0.2, 0.1)  # shares of the bits, and of the items


def draw_codes(kind: str, count: int, bits: int, features: str | None, seed: int) -> np.ndarray:
    """Return packed codes, (count, bytes), always the same."""
    rng = np.random.default_rng(seed)
    if kind == "uniform":
        return (
            np.packbits(rng.integers(0, 2, (count, bits), np.uint8), axis=1)
            if bits % 8
            else rng.integers(0, 256, (count, bits // 8), np.uint8)
        )
    draw = near_features(features, rng) if features else near_centres(bits, rng)
    parts = [draw(min(10**6, count - start)) for start in range(0, count, 10**6)]
    return np.concatenate(parts)


def near_centres(bits: int, rng: np.random.Generator) -> Callable[[int], np.ndarray]:
    """Return what draws codes near ten class centres."""
    centres = np.random.default_rng(0).integers(0, 2, (10, bits)).astype(bool)

    def draw(count: int) -> np.ndarray:
        share = rng.choice(FLIPS[0], count, p=FLIPS[1]).astype(np.float32)
        flipped = rng.random((count, bits), np.float32) < share[:, None]
        return np.packbits(centres[rng.integers(0, 10, count)] ^ flipped, axis=1)

    return draw


def near_features(files: str, rng: np.random.Generator) -> Callable[[int], np.ndarray]:
    """Return what draws codes from a Gaussian per class, fitted to features and labels in files."""
    from biodeephashing.data import read_metadata

    file, _, labels = files.rpartition(":")
    features, classes = np.load(file).astype(np.float64), read_metadata(Path(labels)).labels.argmax(axis=1)
    means, factors = [], []
    for number in np.unique(classes):
        own = features[classes == number]
        values, vectors = np.linalg.eigh(np.cov(own.T))
        means.append(own.mean(axis=0))
        factors.append((vectors * np.sqrt(values.clip(0))).T)

    def draw(count: int) -> np.ndarray:
        chosen, noise = rng.integers(0, len(means), count), rng.standard_normal((count, features.shape[1]), np.float32)
        codes = np.empty((count, (features.shape[1] + 7) // 8), np.uint8)
        for number, (mean, factor) in enumerate(zip(means, factors, strict=True)):
            rows = chosen == number
            codes[rows] = np.packbits(noise[rows] @ factor.astype(np.float32) + mean.astype(np.float32) >= 0, axis=1)
        return codes

    return draw


def ways(codes: np.ndarray, bits: int, k: int) -> dict[str, tuple[Search, float]]:
    """Return every way to search, and the seconds of the processor to build it."""
    from biodeephashing.search.indexing import engine
    from biodeephashing.search.indexing.engine import Part, nearest
    from biodeephashing.search.indexing.segments import Segment, make_segment

    def timed(build: Callable[[], Any]) -> tuple[Any, float]:
        started = time.process_time()
        return build(), time.process_time() - started

    def own(segment: Segment, look_up: Callable[..., None]) -> Search:
        for array in vars(segment).values():
            array.flags.writeable = False
        parts = [Part.of(segment, None)]

        def search(queries: np.ndarray) -> np.ndarray:
            engine._look_up = look_up
            answers = nearest(parts, queries, bits=bits, most=k, excluded=np.full(len(queries), -1))
            return np.array([answer.distances for answer in answers])

        return search

    ids, none = np.arange(len(codes)), np.empty((len(codes), 0), np.uint8)
    plain = Segment(np.ascontiguousarray(codes.T), np.empty(0, np.int64), ids, np.full(16, -1, np.int32), none.T)
    grouped, usual = timed(lambda: make_segment(codes, ids, none)), engine._look_up
    found = {
        "index": (own(grouped[0], usual), grouped[1]),
        "scan, grouped": (own(grouped[0], lambda *_: None), grouped[1]),
        "scan, ungrouped": (own(plain, lambda *_: None), 0.0),
    }

    def numpy(queries: np.ndarray) -> np.ndarray:
        words = codes.view(np.uint64) if codes.shape[1] % 8 == 0 else codes
        own_words = queries.view(np.uint64) if codes.shape[1] % 8 == 0 else queries
        rows = [np.bitwise_count(words ^ query).sum(axis=1, dtype=np.int64) for query in own_words]
        return np.array([np.sort(np.partition(row, k - 1)[:k]) for row in rows])

    found["numpy"] = numpy, 0.0
    if importlib.util.find_spec("faiss") and bits % 8 == 0:
        found |= faiss_ways(codes, bits, k, timed)
    return found


def faiss_ways(
    codes: np.ndarray, bits: int, k: int, timed: Callable[[Callable[[], Any]], tuple[Any, float]]
) -> dict[str, tuple[Search, float]]:
    """Return the ways of FAISS; a graph up to a million codes, because building it takes minutes."""
    import faiss

    def flat() -> Search:
        index = faiss.IndexBinaryFlat(bits)
        index.add(codes)
        return lambda queries: index.search(queries, k)[0]

    found = {"faiss flat": timed(flat)}
    quantizer = faiss.IndexBinaryFlat(bits)
    inverted = faiss.IndexBinaryIVF(quantizer, bits, 1024)

    def lists() -> Search:
        inverted.train(codes[:: max(1, len(codes) // 100_000)])
        inverted.add(codes)
        return probing(1)

    def probing(probes: int) -> Search:
        def search(queries: np.ndarray) -> np.ndarray:
            inverted.nprobe = probes
            return inverted.search(queries, k)[0]

        return search

    found["faiss IVF, 1 probe"] = timed(lists)
    found |= {f"faiss IVF, {probes} probes": (probing(probes), found["faiss IVF, 1 probe"][1]) for probes in (16, 64)}
    if len(codes) <= 10**5:

        def graph() -> Search:
            index = faiss.IndexBinaryHNSW(bits, 32)
            index.add(codes)
            index.hnsw.efSearch = 64
            return lambda queries: index.search(queries, k)[0]

        found["faiss HNSW32, ef 64"] = timed(graph)
    return found


def compare(kind: str, size: int, options: argparse.Namespace) -> None:
    """Time all ways on one collection, and print a table."""
    codes = draw_codes(kind, size, options.bits, options.features, 0)
    queries = draw_codes(kind, options.queries, options.bits, options.features, 1)
    distinct = len(np.unique(np.ascontiguousarray(codes).view(f"V{codes.shape[1]}")))
    print(f"\n{kind} codes, {size:,} items, {distinct:,} distinct, {options.bits} bits, k = {options.k}, {len(queries)} queries")
    found, rounds = ways(codes, options.bits, options.k), []
    exact = found["index"][0](queries)
    for _ in range(options.rounds):
        own = {}
        for name in random.sample(list(found), len(found)):
            asked = queries[: SLOW if name in ("numpy", "faiss flat") and size > 10**6 else None]
            started = time.process_time()
            distances = found[name][0](asked)
            own[name] = (time.process_time() - started) / len(asked)
            right = (distances <= exact[: len(asked), -1:]).mean()
            if "IVF" not in name and "HNSW" not in name:
                assert np.array_equal(distances, exact[: len(asked)]), name
            found[name][0].recall = right  # type: ignore[attr-defined]
        rounds.append(own)
    print(f"{'way':<22}{'us a query':>12}{'ns a code':>11}{'x flat':>9}{'recall':>8}{'build s':>9}")
    for name, (search, build) in found.items():
        microseconds = 1e6 * statistics.median(one[name] for one in rounds)
        ratio = statistics.median(one["faiss flat"] / one[name] for one in rounds) if "faiss flat" in found else float("nan")
        recall = search.recall  # type: ignore[attr-defined]
        print(f"{name:<22}{microseconds:>12,.1f}{1000 * microseconds / size:>11.4f}{ratio:>9.1f}{recall:>8.3f}{build:>9.1f}")


def single(size: int, options: argparse.Namespace) -> None:
    """Time one query at a time beside reading the bytes of all codes once."""
    codes = draw_codes("uniform", size, options.bits, None, 0)
    columns, queries = np.ascontiguousarray(codes.T), draw_codes("uniform", options.rounds, options.bits, None, 1)
    search, _ = ways(codes, options.bits, options.k)["index"]
    search(queries[:1])
    pairs = []
    for query in queries:
        started = time.process_time()
        columns.view(np.uint64).max()
        read = time.process_time()
        search(query[None])
        pairs.append((read - started, time.process_time() - read))
    read, own = (1000 * statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for other, one in pairs)
    print(f"{size:,} uniform codes: one query {own:.2f} ms, max() over the same bytes {read:.2f} ms, ratio {ratio:.2f}")


def store(size: int) -> None:
    """Time what an index on disk costs."""
    from biodeephashing.search import Facts, Index

    codes = draw_codes("modelled", size + 100, 64, None, 0)
    paths = [f"data/processed/SOME_DATABASE/images/{row:010d}.png" for row in range(size + 100)]
    with tempfile.TemporaryDirectory() as folder:

        def timed(words: str, work: Callable[[], object]) -> None:
            wall, own = time.perf_counter(), time.process_time()
            work()
            print(f"{words:<34}{time.perf_counter() - wall:>9.3f} s, of the processor {time.process_time() - own:.3f} s")

        def change(work: Callable[[object], object]) -> None:
            with index.writing() as writer:
                work(writer)

        timed(f"build {size:,}", lambda: Index.build(folder, codes[:size], paths[:size], facts=Facts(bits=64)))
        timed("open", lambda: Index(folder))
        index = Index(folder)
        timed("add 1", lambda: change(lambda writer: writer.add(codes[size : size + 1], paths[size : size + 1])))
        timed("add 99", lambda: change(lambda writer: writer.add(codes[size + 1 :], paths[size + 1 :])))
        timed("remove 10", lambda: change(lambda writer: writer.remove(range(10))))
        timed("open, with removed items", lambda: index.refresh())
        timed("paths of 1,000 items by id", lambda: index.items(range(1000, 2000)))
        timed("compact", index.compact)
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        print(", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in files))


def busy() -> tuple[float, float]:
    """Return seconds that all processors worked and that this process did."""
    fields = Path("/proc/stat").read_text().split("\n")[0].split()[1:] if Path("/proc/stat").exists() else ["0"] * 8
    return (sum(map(int, fields)) - int(fields[3]) - int(fields[4])) / os.sysconf("SC_CLK_TCK"), time.process_time()


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-codes", nargs="+", default=["uniform", "modelled"], choices=("uniform", "modelled"))
    parser.add_argument("-sizes", nargs="+", type=float, default=[1e6])
    parser.add_argument("-bits", type=int, default=64)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("-queries", type=int, default=400)
    parser.add_argument("-threads", type=int, default=1)
    parser.add_argument("-rounds", type=int, default=5)
    parser.add_argument("-features", metavar="FEATURES:METADATA")
    parser.add_argument("-single", action="store_true", help="one query at a time, beside reading the bytes")
    parser.add_argument("-store", type=float, metavar="N", help="what an index of N items on disk costs")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    all_before, own_before = busy()
    if options.store:
        store(int(options.store))
    for size in map(int, options.sizes if not options.store else ()):
        for kind in ("uniform",) if options.single else options.codes:
            single(size, options) if options.single else compare(kind, size, options)
    all_after, own_after = busy()
    others = 1 - (own_after - own_before) / max(all_after - all_before, 1e-9)
    print(f"\nof all that the processors did meanwhile, {others:.0%} was done for others")


if __name__ == "__main__":
    main()
