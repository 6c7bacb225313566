"""What shards cost: images per second of ``encode.py`` against those of ``predict.py``, on the same images and in the same process.

Both do all that they do for a user, from checking the run to the last file, but for starting Python and processes. They take turns inside
every round, in an order of its own; reported is the median over rounds of the ratio within a round. A second copy of prediction shows how
large a ratio is noise. The run has random weights; nothing is trained or downloaded.

    python benchmarks/encoding.py
    python benchmarks/encoding.py -architecture lenet -images 2048 -side 32 -rows 512
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biodeephashing.runs import Run

PREDICTION, AGAIN, SHARDS = "predict.py", "predict.py again", "encode.py"
WANTED = 0.98


def prepare_images(options: argparse.Namespace) -> None:
    """Prepare a dataset of photographs, or of small images, all but three in its database."""
    import numpy as np
    from images import picture

    from biodeephashing.data.prepare.content import DatasetContent
    from biodeephashing.data.prepare.splits import Protocol, one_hot
    from biodeephashing.data.prepare.write import prepare

    size, suffix = ((500, 375), "jpg") if options.side > 64 else ((options.side, options.side), "png")
    numbers = np.arange(options.images + 6)
    content = DatasetContent(
        files=[f"{number}.{suffix}" for number in numbers],
        labels=one_hot(numbers % 2, 2),
        classes=["even", "odd"],
        folds=dict(zip(("train", "val", "query", "database"), np.split(numbers, (2, 4, 6)), strict=True)),
        write_image=lambda row, path: picture(size, row).save(path),
        protocol=Protocol("disjoint", "in turn"),
        source="drawn at random",
    )
    prepare("IMAGES", lambda: content)


def untrained(options: argparse.Namespace) -> Run:
    """Return a finished run with random weights."""
    from biodeephashing.backbones import build_network
    from biodeephashing.models.network_method import save_network
    from biodeephashing.models.PenaltyStrategies import Settings
    from biodeephashing.runs import Run
    from biodeephashing.runs.hparams_json import write_hparams
    from biodeephashing.training.feeding import recorded_settings
    from biodeephashing.training.same_split import record_split

    transformations = "imagenet" if options.side > 64 else "none"
    settings = Settings(
        database="IMAGES", architecture=options.architecture, number_of_bits=64, transformations=transformations,
        weights="none", num_workers=options.workers, device="cpu", tracking="off",
    )  # fmt: skip
    run = Run.of(settings)
    run.directory.mkdir(parents=True)
    save_network(run, build_network(settings.backbone, bits=settings.number_of_bits))
    write_hparams(run.hparams_file, recorded_settings(settings))
    record_split(run)
    run.mark("finished")
    return run


class Here:
    """An executor that does the units one after the other in this process."""

    places: tuple[str, ...] = ()

    def run(self, work: Callable[[Any], Any], units: Any) -> Iterator[Any]:
        """Yield the outcome of each unit."""
        from biodeephashing.executors import Outcome

        for unit in units:
            yield Outcome(unit, work(unit))


@contextmanager
def opened_here(placement: object, settings: object) -> Iterator[Here]:
    """Open it."""
    yield Here()


def tasks_of(run: Run, folder: Path, options: argparse.Namespace) -> dict[str, Callable[[], None]]:
    """Return what is measured."""
    from dataclasses import replace

    from biodeephashing.commands import encode
    from biodeephashing.commands.predict import predict

    encode.open_executor = opened_here  # type: ignore[assignment]
    settings = replace(run.settings(), datafolds=("database",), no_skip=True)
    request = encode.EncodingRequest(rows=options.rows, device="cpu", num_workers=options.workers)
    numbers = count()

    def write_shards() -> None:
        with redirect_stdout(None):
            failures = encode.encode(run, "IMAGES:database", folder / f"codes-{next(numbers)}", request)
        assert not failures, failures

    def write_fold() -> None:
        predict(settings, quiet=True)

    return {PREDICTION: write_fold, AGAIN: write_fold, SHARDS: write_shards}


def main() -> None:
    """Parse the command line, measure, and print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-architecture", default="alexnet", help="backbone")
    parser.add_argument("-images", type=int, default=128, help="images")
    parser.add_argument("-side", type=int, default=224, help="above 64: photographs of 500 × 375 at 224 pixels, else images of that side")
    parser.add_argument("-rows", type=int, default=64, help="images of a shard")
    parser.add_argument("-workers", type=int, default=1, help="processes that decode")
    parser.add_argument("-rounds", type=int, default=5, help="rounds")
    parser.add_argument("-threads", type=int, default=1, help="threads of PyTorch")
    options = parser.parse_args()

    import torch
    from images import measure

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as home:
        os.environ["BIODEEPHASHING_HOME"] = home
        prepare_images(options)
        seconds = measure(tasks_of(untrained(options), Path(home), options), options.rounds, options.architecture)
    print(f"{options.images} images, {options.architecture}, shards of {options.rows}")
    print(f"threads: {options.threads}; workers: {options.workers}; rounds: {options.rounds}; PyTorch {torch.__version__}\n")
    print(f"| command | images/s | times {PREDICTION} | wanted |\n|---|---:|---:|---:|")
    for name, mine in seconds.items():
        ratio = statistics.median(reference / own for reference, own in zip(seconds[PREDICTION], mine, strict=True))
        wanted = f"{WANTED}" if name == SHARDS else ""
        print(f"| {name} | {options.images / statistics.median(mine):,.0f} | {ratio:.3f} | {wanted} |")


if __name__ == "__main__":
    main()
