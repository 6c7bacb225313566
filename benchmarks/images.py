"""What feeding costs: images per second against a straightforward loader in the same run, and the loader's share of a training step.

Straightforward is what tutorials do: open, Resize(256), CenterCrop(224), ToTensor, Normalize, one worker. Both loaders take turns inside
every round, in an order of its own, so that a change in the machine's speed meets both; a second copy of the straightforward one shows how
large a ratio is noise. Reported is the median over rounds of the ratio within a round. All files are in the system's cache.

    python benchmarks/images.py
    python benchmarks/images.py -sets cifar -rounds 15 -threads 1
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor
from tqdm import tqdm

from biodeephashing.backbones import build_network
from biodeephashing.data import ImageFold, Metadata, loader
from biodeephashing.data.transforms import MEAN, STD

PLAIN, AGAIN = "straightforward", "again"
SETS = {"jpeg": ("JPEG 500×375", 512, (500, 375), "jpg"), "cifar": ("PNG 32×32 at 224", 2048, (32, 32), "png")}
STAT = Path("/proc/stat")


class Straightforward(Dataset[tuple[torch.Tensor, torch.Tensor, int]]):
    """The images of a fold as a tutorial reads them."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self.labels = torch.from_numpy(metadata.labels).float()
        self.change = Compose([Resize(256), CenterCrop(224), ToTensor(), Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.metadata)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Open, decode and change one image."""
        with Image.open(self.metadata.image(row)) as image:
            return self.change(image.convert("RGB")), self.labels[row], row


def picture(size: tuple[int, int], seed: int) -> Image.Image:
    """Return an image as smooth as a photograph, with a little noise."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return Image.fromarray(np.clip(np.asarray(coarse) + generator.normal(0, 6, (size[1], size[0], 3)), 0, 255).astype(np.uint8))


def make(folder: Path, images: int, size: tuple[int, int], suffix: str) -> Metadata:
    """Write images and return them as a fold."""
    folder.mkdir()
    paths = [str(folder / f"{number}.{suffix}") for number in range(images)]
    for number, path in enumerate(paths):
        picture(size, number).save(path, **({"quality": 90} if suffix == "jpg" else {}))
    return Metadata(folder / "train_metadata.txt", paths, np.eye(10, dtype=np.uint8)[np.arange(images) % 10])


def epoch(batches: DataLoader, finish: Callable[[torch.Tensor], object] = lambda images: images) -> Callable[[], None]:
    """Return the task of going through all batches once."""

    def run() -> None:
        for images, *_ in batches:
            finish(images)

    return run


@contextmanager
def on_cores(cores: int) -> Iterator[None]:
    """Let this process have so many processors only, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(everything)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, everything)


def first_epoch(metadata: Metadata, cores: int) -> Callable[[], None]:
    """Return the task of decoding and keeping all images, each time into a new folder."""
    numbers = count()

    def run() -> None:
        fresh = metadata.file.parent / f"{cores}-{next(numbers)}" / metadata.file.name
        with on_cores(cores):
            ImageFold(Metadata(fresh, metadata.paths, metadata.labels), "imagenet", cache=True)

    return run


def measure(tasks: dict[str, Callable[[], None]], rounds: int, label: str) -> dict[str, list[float]]:
    """Return the seconds of each task in each round; each round has an order of its own, so that none always follows the same."""
    for task in tasks.values():  # warm-up: workers, files, memory
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    names = list(tasks)
    for turn in tqdm(range(rounds), desc=label, leave=False, disable=None):
        for name in random.Random(turn).sample(names, len(names)):
            started = time.perf_counter()
            tasks[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def rows(name: str, folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of one set: the straightforward loader, first epochs on 1, 2, ... processors, and the epochs after."""
    words, images, size, suffix = SETS[name]
    metadata = make(folder, images, size, suffix)
    plain = {key: DataLoader(Straightforward(metadata), options.batch, num_workers=1, persistent_workers=True) for key in (PLAIN, AGAIN)}
    fold = ImageFold(metadata, "imagenet", cache=True)
    kept = loader(fold, batch_size=options.batch, num_workers=1, shuffle=True)
    tasks = {key: epoch(batches) for key, batches in plain.items()}
    cores = [number for number in (1, 2, 4, 8) if number <= options.cores]
    tasks |= {f"first epoch, cores: {number}": first_epoch(metadata, number) for number in cores}
    tasks |= {"later epochs, normalised here": epoch(kept, fold.transformation.finish), "later epochs, bytes for the device": epoch(kept)}
    seconds = measure(tasks, options.rounds, words)
    for key, mine in seconds.items():
        faster = statistics.median(reference / own for reference, own in zip(seconds[PLAIN], mine, strict=True))
        yield f"| {words} | {key} | {images / statistics.median(mine):,.0f} | {faster:.2f} |"


def share_of_a_step(folder: Path, workers: int, options: argparse.Namespace) -> str:
    """Return the row of what the loader takes of a training step of lenet at 32 × 32: the time the step waits for its batch."""
    metadata = make(folder, 20 * options.batch, (32, 32), "png")
    fold = ImageFold(metadata, "none", cache=True)
    batches = loader(fold, batch_size=options.batch, num_workers=workers, shuffle=True)
    network = build_network("lenet", bits=32).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    waits, steps = [], []
    for _ in range(options.rounds):
        iterator = iter(batches)
        next(iterator)  # begins the epoch
        before = time.perf_counter()
        for images, labels, _ in iterator:
            waits.append(time.perf_counter() - before)
            optimizer.zero_grad()
            outputs = network(fold.transformation.finish(images))
            nn.functional.mse_loss(outputs[:, :10], labels).backward()
            optimizer.step()
            steps.append(time.perf_counter() - before)
            before = time.perf_counter()
    share = statistics.median(wait / step for wait, step in zip(waits, steps, strict=True))
    return f"| {workers} | {1000 * statistics.median(steps):.2f} | {1000 * statistics.median(waits):.2f} | {share:.1%} |"


def processor_time() -> tuple[float, float]:
    """Return the processor time that the host has kept from this virtual machine, and all time; zeros where the system does not tell."""
    if not STAT.exists():
        return 0.0, 0.0
    fields = [float(field) for field in STAT.read_text("ascii").split("\n", 1)[0].split()[1:9]]
    return fields[7], sum(fields)


def main() -> None:
    """Parse the command line, measure, and print two Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-sets", nargs="+", default=list(SETS), choices=list(SETS), help="kinds of images")
    parser.add_argument("-batch", type=int, default=128, help="images of a batch")
    parser.add_argument("-rounds", type=int, default=9, help="rounds")
    parser.add_argument("-threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    parser.add_argument("-cores", type=int, default=os.cpu_count() or 1, help="most processors a first epoch may have")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    stolen = processor_time()
    print(f"{options.threads} threads, {options.rounds} rounds, batch {options.batch}, PyTorch {torch.__version__}\n")
    with tempfile.TemporaryDirectory() as folder:
        print(f"| images | loader | images/s | times {PLAIN} |\n|---|---|---:|---:|")
        for name in options.sets:
            for row in rows(name, Path(folder) / name, options):
                print(row, flush=True)
        print("\n| workers | step of lenet, ms | of which waiting, ms | share |\n|---:|---:|---:|---:|")
        for workers in (0, 1):
            print(share_of_a_step(Path(folder) / f"steps-{workers}", workers, options), flush=True)
    taken, whole = (after - before for before, after in zip(stolen, processor_time(), strict=True))
    if whole:
        print(f"\n{taken / whole:.1%} of the processor time went to others on the same host")


if __name__ == "__main__":
    main()
