"""What feeding costs: images per second against a straightforward loader in the same run, and what of a training step it takes.

Straightforward is what tutorials do: open, Resize(256), CenterCrop(224), ToTensor, Normalize, one worker; it is slow and goes through the
first images of a set only. All take turns inside every round, in an order of its own, so that a change in the machine's speed meets all; a
second copy of the straightforward one shows how large a ratio is noise. Reported is the median over rounds of the ratio within a round. All
files are in the system's cache.

    python benchmarks/images.py
    python benchmarks/images.py -sets cifar -rounds 15
    python benchmarks/images.py -memory
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader

    from biodeephashing.data import Metadata

PLAIN, AGAIN = "straightforward", "again"
# words, images, of them for the straightforward loader, size, suffix, and how many times its speed later epochs should have: here, device
SETS = {
    "jpeg": ("JPEG 500×375", 2048, 256, (500, 375), "jpg", "25", "25"),
    "cifar": ("PNG 32×32 at 224", 4096, 512, (32, 32), "png", "11", "90"),
}
HERE, DEVICE = "later epochs, normalised here", "later epochs, bytes for the device"
FIRST_WANTED = 1.15  # times the straightforward loader for each core
STAT = Path("/proc/stat")


class Straightforward:
    """The images of a fold as a tutorial reads them."""

    def __init__(self, metadata: Metadata) -> None:
        import torch
        from PIL import Image
        from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

        from biodeephashing.preprocessing import IMAGENET

        self.open = Image.open
        self.metadata = metadata
        self.labels = torch.from_numpy(metadata.labels).float()
        self.change = Compose([Resize(256), CenterCrop(224), ToTensor(), Normalize(IMAGENET.mean, IMAGENET.std)])

    def __len__(self) -> int:
        return len(self.metadata)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Open, decode and change one image."""
        with self.open(self.metadata.image(row)) as image:
            return self.change(image.convert("RGB")), self.labels[row], row


def picture(size: tuple[int, int], seed: int) -> Image.Image:
    """Return an image as smooth as a photograph, with a little noise."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return Image.fromarray(np.clip(np.asarray(coarse) + generator.normal(0, 6, (size[1], size[0], 3)), 0, 255).astype(np.uint8))


def make(folder: Path, images: int, size: tuple[int, int], suffix: str) -> Metadata:
    """Write images and return them as a fold."""
    import numpy as np

    from biodeephashing.data import Metadata

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
    """Let this process have so many processors only, where the system can, and a thread of normalising for each."""
    import torch

    threads, everything = torch.get_num_threads(), os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if everything:
        os.sched_setaffinity(0, sorted(everything)[:cores])
    torch.set_num_threads(cores)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if everything:
            os.sched_setaffinity(0, everything)


def first_epoch(metadata: Metadata, cores: int, batch: int) -> Callable[[], None]:
    """Return the task of decoding and keeping all images, each time into a new folder, and going through them once."""
    from biodeephashing.data import ImageFold, Metadata, loader

    numbers = count()

    def run() -> None:
        fresh = metadata.file.parent / f"{cores}-{next(numbers)}" / metadata.file.name
        with on_cores(cores):
            fold = ImageFold(Metadata(fresh, metadata.paths, metadata.labels), "imagenet", cache=True)
            epoch(loader(fold, batch_size=batch, shuffle=True), fold.transformation.to_network_input)()
        shutil.rmtree(fresh.parent)

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
    from torch.utils.data import DataLoader

    from biodeephashing.data import ImageFold, Metadata, loader

    words, images, few, size, suffix, *wanted = SETS[name]
    metadata = make(folder, images, size, suffix)
    some = Straightforward(Metadata(metadata.file, metadata.paths[:few], metadata.labels[:few]))
    plain = {key: DataLoader(some, options.batch, num_workers=1, persistent_workers=True) for key in (PLAIN, AGAIN)}
    fold = ImageFold(metadata, "imagenet", cache=True)
    kept = loader(fold, batch_size=options.batch, num_workers=1, shuffle=True)
    tasks = {key: epoch(batches) for key, batches in plain.items()}
    cores = {f"first epoch, cores: {number}": number for number in (1, 2, 4, 8) if number <= options.cores}
    tasks |= {key: first_epoch(metadata, number, options.batch) for key, number in cores.items()}
    tasks |= {HERE: epoch(kept, fold.transformation.to_network_input), DEVICE: epoch(kept)}
    goals = {key: f"{FIRST_WANTED * number:.2f}" for key, number in cores.items()} | dict(zip((HERE, DEVICE), wanted, strict=True))
    seconds = measure(tasks, options.rounds, words)
    speeds = {key: [(few if key in plain else images) / taken for taken in mine] for key, mine in seconds.items()}
    for key, mine in speeds.items():
        faster = statistics.median(own / reference for reference, own in zip(speeds[PLAIN], mine, strict=True))
        yield f"| {words} | {key} | {statistics.median(mine):,.0f} | {faster:.2f} | {goals.get(key, '')} |"


def step_row(folder: Path, workers: int, options: argparse.Namespace) -> str:
    """Return the row of a training step of lenet at 32 × 32: what of it is waiting for the batch and normalising it."""
    import torch

    from biodeephashing.backbones import build_network
    from biodeephashing.data import ImageFold, loader

    metadata = make(folder, 20 * options.batch, (32, 32), "png")
    fold = ImageFold(metadata, "none", cache=True)
    batches = loader(fold, batch_size=options.batch, num_workers=workers, shuffle=True)
    network = build_network("lenet", bits=32).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    feeding, steps = [], []
    for _ in range(options.rounds):
        iterator = iter(batches)
        next(iterator)  # begins the epoch
        before = time.perf_counter()
        for images, labels, _ in iterator:
            finished = fold.transformation.to_network_input(images)
            feeding.append(time.perf_counter() - before)
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(finished)[:, :10], labels).backward()
            optimizer.step()
            steps.append(time.perf_counter() - before)
            before = time.perf_counter()
    share = statistics.median(own / step for own, step in zip(feeding, steps, strict=True))
    speed = options.batch / statistics.median(steps)
    return f"| PNG 32×32 | training lenet, workers: {workers} | {speed:,.0f} | feeding takes {share:.1%} of a step | under 5% |"


def occupied(what: str) -> float:
    """Return a line of this process's status in MB."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        return next(float(line.split()[1]) / 2**10 for line in status if line.startswith(what))


def heap_and_map(metadata: Metadata, here: bool, batch: int) -> tuple[float, float]:
    """Return by how much memory of its own and that of mapped files [MB] of this process grow at most while an epoch is read."""
    import torch

    from biodeephashing.data import ImageFold, loader

    fold = ImageFold(metadata, "imagenet", cache=True)
    batches = loader(fold, batch_size=batch, shuffle=True)
    finish = fold.transformation.to_network_input if here else lambda images: images
    finish(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))  # loads what is compiled
    before = occupied("RssAnon"), occupied("RssFile")
    most = before
    for images, *_ in batches:
        finished = finish(images)
        most = max(most[0], occupied("RssAnon")), max(most[1], occupied("RssFile"))
        del finished
    return most[0] - before[0], most[1] - before[1]


def memory_rows(name: str, folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of one set, each measured in a process of its own."""
    from biodeephashing.data import ImageFold

    words, images, _, size, suffix, *_ = SETS[name]
    metadata = make(folder, images, size, suffix)
    kept = ImageFold(metadata, "imagenet", cache=True)[0][0].numel() * images / 2**20
    for key, here in ((HERE, True), (DEVICE, False)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            heap, mapped = pool.apply(heap_and_map, (metadata, here, options.batch))
        yield f"| {words} | {key} | {kept:.0f} | {heap:+.0f} | {mapped:+.0f} |"


def processor_time() -> tuple[float, float]:
    """Return the processor time that the host has kept from this virtual machine, and all time; zeros where the system does not tell."""
    if not STAT.exists():
        return 0.0, 0.0
    fields = [float(field) for field in STAT.read_text("ascii").split("\n", 1)[0].split()[1:9]]
    return fields[7], sum(fields)


def main() -> None:
    """Parse the command line, measure, and print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-sets", nargs="+", default=list(SETS), choices=list(SETS), help="kinds of images")
    parser.add_argument("-batch", type=int, default=128, help="images of a batch")
    parser.add_argument("-rounds", type=int, default=9, help="rounds")
    parser.add_argument("-threads", type=int, default=1, help="threads of PyTorch and of normalising; a first epoch has one per core")
    parser.add_argument("-cores", type=int, default=os.cpu_count() or 1, help="most processors a first epoch may have")
    parser.add_argument("-memory", action="store_true", help="measure memory [MB] in place of time (Linux)")
    options = parser.parse_args()

    import torch

    torch.set_num_threads(options.threads)
    stolen = processor_time()
    print(f"Threads: {options.threads}; rounds: {options.rounds}; batch: {options.batch}; PyTorch {torch.__version__}\n")
    columns = "kept, MB | heap, MB | map, MB" if options.memory else f"images/s | times {PLAIN} | wanted"
    print(f"| images | loader | {columns} |\n|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sets:
            for row in (memory_rows if options.memory else rows)(name, Path(folder) / name, options):
                print(row, flush=True)
        for workers in () if options.memory else (0, 1):
            print(step_row(Path(folder) / f"steps-{workers}", workers, options), flush=True)
    taken, whole = (after - before for before, after in zip(stolen, processor_time(), strict=True))
    if whole:
        print(f"\n{taken / whole:.1%} of the processor time went to others on the same host")


if __name__ == "__main__":
    main()
