"""What the evaluation costs, per pair of a query and a database item, against the ways in use elsewhere.

Codes, labels and features are drawn at the sizes of well-known data sets: a direction per class and noise. Beside the engine stand
a plain NumPy loop (one argsort per query, as in most published code), torchmetrics (given float scores; it ranks one query at a time)
and FAISS (all neighbours, without the average precision) where it is installed. These get the first few queries only, and codes and
labels in the form they work on: preparing a whole database is not timed, as over so few queries it would weigh as much as ranking it.
All numbers are per pair. All take turns within every round, in an order drawn anew; the best and the median of the rounds are shown,
because a busy machine can only make a round longer.

    python benchmarks/evaluation.py -sizes cifar coco imagenet -threads 1 4 -rounds 5
    python benchmarks/evaluation.py -sizes coco imagenet cifar -scaling -threads 4 -rounds 8
    python benchmarks/evaluation.py -sizes coco -memory
    python benchmarks/evaluation.py -compile
    python benchmarks/evaluation.py -sizes coco -process -rounds 3
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIZES = {  # queries, database items, bits, classes, classes of an image
    "cifar": (1_000, 59_000, 32, 10, 1.0),
    "coco": (5_000, 117_000, 64, 80, 2.9),
    "imagenet": (5_000, 128_000, 64, 100, 1.0),
    "mirflickr": (2_000, 18_015, 64, 24, 3.8),  # one of four directions between images and texts
}
SLOW_QUERIES = 8
MEASURES = {
    "expected": [("expected", None)],
    "expected, 3 cuts": [("expected", None), ("expected", 1000), ("expected", 5000)],
    "index": [("index", None)],
    "feature": [("feature", None)],
    "feature @5000": [("feature", 5000)],
}


@dataclass(frozen=True)
class Problem:
    """Packed codes (n, bytes), labels (n, classes) and features (n, bits) of queries and database."""

    codes: tuple[np.ndarray, np.ndarray]
    labels: tuple[np.ndarray, np.ndarray]
    features: tuple[np.ndarray, np.ndarray]

    def first(self, queries: int) -> Problem:
        """Return the same with fewer queries."""
        return Problem(*((mine[:queries], theirs) for mine, theirs in (self.codes, self.labels, self.features)))


def problem(name: str, queries: int | None) -> Problem:
    """Draw a problem, always the same."""
    from biodeephashing.codes import pack

    wanted, items, bits, classes, several = SIZES[name]
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, bits)).astype(np.float32)
    sides = []
    for size in (min(queries or wanted, wanted), items):
        labels = np.eye(classes, dtype=np.uint8)[rng.integers(0, classes, size)]
        if several > 1:
            labels |= rng.random((size, classes)) < (several - 1) / classes
        features = labels @ centres + 1.5 * rng.normal(size=(size, bits)).astype(np.float32)
        sides.append((pack(features), labels, features.astype(np.float32)))
    return Problem(*zip(*sides, strict=True))


def engine(data: Problem, rules: list[tuple[str, int | None]]) -> float:
    """Evaluate with this project: checks, packing of labels and everything else included."""
    from biodeephashing.eval import APSpec, RetrievalTask, average_precision_per_query

    measures = [APSpec(ties, k=k) for ties, k in rules]
    results = average_precision_per_query(RetrievalTask(*data.codes, *data.labels, features=data.features), measures)
    return results[measures[0]].mean()


def signs_of(data: Problem) -> list[np.ndarray]:
    """Return the codes of queries and database as published code holds them, ±1 in float32 (n, bits)."""
    return [np.where(features >= 0, 1.0, -1.0).astype(np.float32) for features in data.features]


def argsort_loop(data: Problem) -> Callable[[], float]:
    """Prepare an evaluation as most published code does it: for each query a product of ±1 codes, one of labels, and an argsort."""
    signs, labels = signs_of(data), [side.astype(np.float32) for side in data.labels]

    def evaluate() -> float:
        total = 0.0
        for code, label in zip(signs[0], labels[0], strict=True):
            relevant = (label @ labels[1].T) > 0
            distances = 0.5 * (signs[1].shape[1] - code @ signs[1].T)
            relevant = relevant[np.argsort(distances)]
            places = np.flatnonzero(relevant) + 1.0
            total += float(np.mean(np.arange(1, len(places) + 1) / places)) if len(places) else 0.0
        return total / len(signs[0])

    return evaluate


def torchmetrics_loop(data: Problem) -> Callable[[], float]:
    """Prepare an evaluation by torchmetrics; scores of 0 or less would be dropped, so they are bits + 1 - distance."""
    import torch
    from torchmetrics.functional.retrieval import retrieval_average_precision

    signs, labels = [torch.from_numpy(side) for side in signs_of(data)], [torch.from_numpy(side).float() for side in data.labels]
    bits = signs[0].shape[1]

    def evaluate() -> float:
        scores = (bits + signs[0] @ signs[1].T) / 2 + 1
        relevant = labels[0] @ labels[1].T > 0
        return float(np.mean([float(retrieval_average_precision(s, r)) for s, r in zip(scores, relevant, strict=True)]))

    return evaluate


def faiss_search(data: Problem) -> Callable[[], float]:
    """Prepare an index of FAISS that ranks everything and stops there."""
    import faiss

    index = faiss.IndexBinaryFlat(8 * data.codes[1].shape[1])
    index.add(data.codes[1])
    return lambda: float(index.search(data.codes[0], len(data.codes[1]))[0].mean())


def tasks_of(data: Problem) -> dict[str, tuple[Callable[[], float], int]]:
    """Return what is timed, and how many pairs each goes through."""
    items, few = len(data.codes[1]), data.first(SLOW_QUERIES)
    pairs, some = len(data.codes[0]) * items, len(few.codes[0]) * items
    tasks: dict[str, tuple[Callable[[], float], int]] = {}
    for name, rules in MEASURES.items():
        tasks[name] = (lambda rules=rules: engine(data, rules), pairs)
    tasks["NumPy argsort loop"] = (argsort_loop(few), some)
    tasks["torchmetrics"] = (torchmetrics_loop(few), some)
    if importlib.util.find_spec("faiss"):
        tasks["FAISS, k = all"] = (faiss_search(few), some)
    return tasks


def times(name: str, rounds: int, queries: int | None) -> dict[str, tuple[float, float]]:
    """Return best and median nanoseconds per pair of every task; runs in a process that was started with its number of threads."""
    tasks = tasks_of(problem(name, queries))
    seconds: dict[str, list[float]] = {task: [] for task in tasks}
    for task, _ in tasks.values():  # warm-up: compilation, memory
        task()
    for turn in range(rounds):
        for task in random.Random(turn).sample(list(tasks), len(tasks)):
            started = time.perf_counter()
            tasks[task][0]()
            seconds[task].append(time.perf_counter() - started)
    unit = {task: 1e9 / pairs for task, (_, pairs) in tasks.items()}
    return {task: (min(taken) * unit[task], statistics.median(taken) * unit[task]) for task, taken in seconds.items()}


def scaling(name: str, threads: int, rounds: int, queries: int | None) -> dict[str, tuple[float, float, list[float]]]:
    """Return median nanoseconds per pair with one thread and with several, and how many times as fast these were in every round."""
    data = problem(name, queries)
    unit = 1e9 / (len(data.codes[0]) * len(data.codes[1]))
    found = {}
    for rule, measures in MEASURES.items():
        seconds: dict[int, list[float]] = {1: [], threads: []}
        for turn in range(-1, rounds):  # the first one is a warm-up
            for count in random.Random(turn).sample(list(seconds), 2):
                os.environ["OMP_NUM_THREADS"] = str(count)  # the engine looks at it in every call
                started = time.perf_counter()
                engine(data, measures)
                if turn >= 0:
                    seconds[count].append(time.perf_counter() - started)
        alone, together = seconds.values()
        ratios = [one / several for one, several in zip(alone, together, strict=True)]
        found[rule] = (statistics.median(alone) * unit, statistics.median(together) * unit, ratios)
    return found


def peak(name: str, rules: list[tuple[str, int | None]], queries: int | None) -> tuple[float, float]:
    """Return what this process occupied [MB] with compiled kernels and all inputs, and how much more evaluation took at most."""
    data = problem(name, queries)
    engine(data.first(2), rules)  # kernels loaded; what it leaves behind is small
    with open("/proc/self/clear_refs", "w") as control:  # noqa: PTH123 - the high-water mark starts anew
        control.write("5")
    before = occupied("VmRSS")
    engine(data, rules)
    return before, occupied("VmHWM") - before


def occupied(what: str) -> float:
    """Return a line of this process's status in MB."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        return next(float(line.split()[1]) / 2**10 for line in status if line.startswith(what))


def in_process(threads: int, function: Callable[..., object], *arguments: object) -> object:
    """Call a function in a process of its own with so many threads: libraries read the variable when they are loaded."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(function, arguments)
    finally:
        os.environ.pop("OMP_NUM_THREADS") if before is None else os.environ.update(OMP_NUM_THREADS=before)


def compilation() -> list[str]:
    """Return how long importing numba and the first evaluation take with an empty cache and with a full one."""
    script = (
        "import time, numpy as np; from biodeephashing.eval import APSpec, RetrievalTask, average_precision_per_query as f;"
        "c, y = np.zeros((9, 8), np.uint8), np.ones((9, 2), np.uint8); s = time.perf_counter();"
        "from biodeephashing.eval.ranking import _kernels;"
        "t, p = time.perf_counter(), time.process_time();"
        "f(RetrievalTask(c, c, y, y, features=(y, y)), [APSpec({0!r}, k=k) for k in (None, 5)]);"
        "print(f'{{t - s:.2f}} | {{time.perf_counter() - t:.2f}} | {{time.process_time() - p:.2f}}')"
    )
    rows = []
    for rule in ("expected", "index", "feature"):
        with tempfile.TemporaryDirectory() as folder:
            for state in ("cold", "warm"):
                environment = os.environ | {"NUMBA_CACHE_DIR": folder}
                done = subprocess.run(
                    [sys.executable, "-c", script.format(rule)], env=environment, capture_output=True, text=True, check=True
                )
                rows.append(f"| {rule} | {state} | {done.stdout.strip()} |")
    return rows


def fabricate(home: Path, name: str) -> str:
    """Write a prepared data set and a predicted run of that size below a project root, and return the run's directory."""
    from biodeephashing.checksums import digest
    from biodeephashing.data import Split, write_split
    from biodeephashing.data.metadata import LABEL_NAMES_FILE, write_label_names, write_metadata
    from biodeephashing.data.split import checksums, metadata_file
    from biodeephashing.models.PenaltyStrategies import Settings
    from biodeephashing.runs import Run, processed_folder
    from biodeephashing.runs.hparams_json import hparams_of, write_hparams
    from biodeephashing.runs.predictions_json import Fingerprint, Predictions, write_predictions
    from biodeephashing.settings import FOLDS

    os.environ["BIODEEPHASHING_HOME"] = str(home)
    data, (queries, items, bits, classes, _) = problem(name, None), SIZES[name]
    settings = Settings(database="LARGE", number_of_bits=bits, tracking="off")
    run, folder = Run.of(settings), processed_folder("LARGE")
    folder.mkdir(parents=True)
    run.mark("finished")
    sides = dict(zip(FOLDS, (data.first(10), data, data, data), strict=True))
    facts = {}
    for fold, side in sides.items():
        own = fold == "database"
        labels, features, codes = side.labels[own], side.features[own], side.codes[own]
        paths = [f"data/processed/LARGE/images/{fold}_{row:012d}.jpg" for row in range(len(labels))]
        write_metadata(metadata_file(folder, fold), paths, labels)
        np.save(run.features_file(fold), features)
        np.save(run.codes_file(fold), codes)
        checksums_of = {"features_sha256": digest(run.features_file(fold)), "codes_sha256": digest(run.codes_file(fold))}
        facts[fold] = checksums_of | {"zeros": int((features == 0).sum())}
    names = tuple(f"class {number}" for number in range(classes))
    write_label_names(folder / LABEL_NAMES_FILE, names)
    found = checksums(folder)
    sizes = {"train": 10, "val": queries, "query": queries, "database": items}
    write_split(folder, Split("LARGE", "drawn", "at random", 0, sizes, names, "nowhere", False, "", found))
    (run.directory / "best-epoch=0.ckpt").write_bytes(b"weights")
    write_hparams(run.hparams_file, hparams_of(settings))
    for fold in facts:
        facts[fold]["metadata_sha256"] = found[f"{fold}_metadata.txt"]
    views = {fold: {"": of_fold} for fold, of_fold in facts.items()}
    write_predictions(run.predictions_file, Predictions(Fingerprint(digest(run.best_checkpoint), "best-epoch=0.ckpt"), bits, views))
    return str(run.directory)


def whole_process(name: str, threads: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds that ``eval_map.py`` takes from start to exit, both folds: every number, and those without features."""
    seconds: dict[str, list[float]] = {"eval_map.py": [], "eval_map.py -no_features": []}
    with tempfile.TemporaryDirectory() as home:
        run = fabricate(Path(home), name)
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        for _ in range(rounds):
            for command, taken in seconds.items():
                program, *flags = command.split()
                started = time.perf_counter()
                full = [sys.executable, f"src/eval/{program}", *flags, "-p", run, "-no_skip"]
                subprocess.run(full, env=environment, check=True, stdout=subprocess.DEVNULL)
                taken.append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Parse the command line, measure, and print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-sizes", nargs="+", default=list(SIZES), choices=list(SIZES), help="which problems")
    parser.add_argument("-queries", type=int, default=None, help="at most so many queries")
    parser.add_argument("-threads", type=int, nargs="+", default=[1, 4], help="threads")
    parser.add_argument("-rounds", type=int, default=5, help="rounds")
    parser.add_argument("-scaling", action="store_true", help="measure one thread against several, in turns within every round")
    parser.add_argument("-memory", action="store_true", help="measure memory [MB] in place of time (Linux)")
    parser.add_argument("-compile", action="store_true", help="measure import and compilation [s] in place of time")
    parser.add_argument("-process", action="store_true", help="measure the whole command eval_map.py [s] in place of the engine")
    options = parser.parse_args()
    if options.process:
        print("| size | threads | command | s, best | median |\n|---|---:|---|---:|---:|")
        for name in options.sizes:
            for threads in options.threads:
                for command, seconds in whole_process(name, threads, options.rounds).items():
                    print(f"| {name} | {threads} | {command} | {min(seconds):.1f} | {statistics.median(seconds):.1f} |", flush=True)
    elif options.compile:
        print("| rule | cache | import, s | first evaluation, s | on the processor, s |\n|---|---|---:|---:|---:|")
        print("\n".join(compilation()))
    elif options.scaling:
        print("| size | rule | 1 thread, ns a pair | threads | ns a pair | times as fast | in rounds |\n|---|---|---:|---:|---:|---:|---:|")
        for name in options.sizes:
            for threads in (count for count in options.threads if count > 1):
                for rule, (one, several, ratios) in in_process(threads, scaling, name, threads, options.rounds, options.queries).items():
                    reach = f"{min(ratios):.1f} to {max(ratios):.1f}"
                    print(
                        f"| {name} | {rule} | {one:.2f} | {threads} | {several:.2f} | {statistics.median(ratios):.2f} | {reach} |",
                        flush=True,
                    )
    elif options.memory:
        print("| size | threads | rule | before, MB | extra, MB |\n|---|---:|---|---:|---:|")
        for name in options.sizes:
            for threads in options.threads:
                for rule in ("expected, 3 cuts", "index", "feature", "feature @5000"):
                    before, extra = in_process(threads, peak, name, MEASURES[rule], options.queries)
                    print(f"| {name} | {threads} | {rule} | {before:.0f} | {extra:.0f} |", flush=True)
    else:
        print("" if importlib.util.find_spec("faiss") else "FAISS is not installed: left out\n")
        print("| size | threads | what | ns per pair, best | median | times as fast as the argsort loop |\n|---|---:|---|---:|---:|---:|")
        for name in options.sizes:
            for threads in options.threads:
                found = in_process(threads, times, name, options.rounds, options.queries)
                slow = found["NumPy argsort loop"][0]
                for task, (best, median) in found.items():
                    print(f"| {name} | {threads} | {task} | {best:.2f} | {median:.2f} | {slow / best:.1f} |", flush=True)


if __name__ == "__main__":
    main()
