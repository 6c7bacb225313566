"""What ``classify_cifar10.py`` trains: CIFAR-10 on the device that computes, a network under a learning rule, and its epochs."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from biodeephashing.backbones import HashNetwork, build_network
from biodeephashing.bio import apply_rule, give_target, rule_names, track_optimizer
from biodeephashing.data.sets import CIFAR_10
from biodeephashing.errors import DataError, RunError, UsageError
from biodeephashing.runs import replacing
from biodeephashing.settings.rule_maps import rule_map

if TYPE_CHECKING:
    from classify_cifar10 import Recipe

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the training images, by channel
SIDE, MARGIN, CLASSES, HELD_OUT = 32, 4, 10, 10
EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Images:
    """Images as bytes (n, 3, 32, 32) and their classes (n,), on the device that computes."""

    pixels: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def of(self, rows: Tensor) -> Images:
        """Some of the images."""
        return Images(self.pixels[rows], self.classes[rows])


@dataclass(frozen=True)
class Folds:
    """What is trained on, what chooses the epoch, what is tested, and the batches that are missing."""

    train: Images
    val: Images
    test: Images
    missing: tuple[str, ...] = ()

    @property
    def partial(self) -> str:
        """What is to be said wherever a number made from a part of the images stands; empty for all of them."""
        return f"PARTIAL: without {', '.join(self.missing)}; not comparable with anything published" if self.missing else ""


def read_folds(folder: Path, device: torch.device, *, allow_partial: bool, official: CIFAR_10.Official) -> Folds:
    """Read the official batches; nothing in them is run.

    Raises:
        DataError: when batches are missing, and that was not allowed, or damaged.
    """
    folder = folder / CIFAR_10.FOLDER if (folder / CIFAR_10.FOLDER).is_dir() else folder
    present = CIFAR_10.verified(folder, official)
    wanted = [name for name in official.batches if name != "test_batch"]
    found = [name for name in wanted if name in present]
    missing = [name for name in official.batches if name not in present]
    advice = "run `python src/data/download/CIFAR_10.py`, or name the folder with -data"
    if "test_batch" in missing or not found:
        raise DataError(f"{folder} lacks {', '.join(missing)}: {advice}")
    if missing and not allow_partial:
        raise DataError(f"{folder} lacks {', '.join(missing)}: {advice}, or give -allow_partial to train on the rest")
    everything = _images(CIFAR_10.read_batches(folder, found, official), device)
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0)).to(device)
    held_out = len(order) // HELD_OUT
    test = _images(CIFAR_10.read_batches(folder, ["test_batch"], official), device)
    return Folds(everything.of(order[held_out:]), everything.of(order[:held_out]), test, tuple(missing))


def _images(batches: CIFAR_10.Batches, device: torch.device) -> Images:
    pixels = torch.from_numpy(batches.pixels).view(-1, 3, SIDE, SIDE)
    return Images(pixels.to(device), torch.from_numpy(batches.classes).to(device))


def shift_and_mirror(pixels: Tensor, tops: Tensor, lefts: Tensor, mirrored: Tensor) -> Tensor:
    """Cut each image out of a black frame of 4 pixels and mirror some.

    Args:
        pixels: bytes (n, 3, 32, 32).
        tops: first row of each cut, 0 to 8, (n,).
        lefts: first column of each cut, 0 to 8, (n,).
        mirrored: which to mirror, (n,).
    """
    framed = functional.pad(pixels, (MARGIN,) * 4)
    steps = torch.arange(SIDE, device=pixels.device)
    rows = tops[:, None] + steps
    columns = lefts[:, None] + torch.where(mirrored[:, None], steps.flip(0), steps)
    image = torch.arange(len(pixels), device=pixels.device)
    return framed[image[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def normalise(pixels: Tensor) -> Tensor:
    """Return bytes as numbers of mean 0 and deviation 1 in each channel."""
    mean, deviation = _colours(pixels.device)
    return (pixels.float() / 255 - mean) / deviation


@lru_cache
def _colours(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each channel; kept, because bringing them to a card has the processor wait for it."""
    mean, deviation = (torch.tensor(values, device=device).view(3, 1, 1) for values in (MEAN, DEVIATION))
    return mean, deviation


def build(recipe: Recipe) -> HashNetwork:
    """Build a network with ten outputs, draw its weights, and give it its rule."""
    torch.manual_seed(recipe.seed)
    network = HashNetwork(_lenet3(), CLASSES) if recipe.network == "lenet3" else build_network(recipe.network, bits=CLASSES)
    for part in network.modules():
        if isinstance(part, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    names = {name: name.removeprefix("backbone.") for name in rule_names(network)}
    return apply_rule(network, rule_map(recipe.mode, names.values()), seed=recipe.seed, names=names)


def _lenet3() -> nn.Sequential:
    """Return the benchmark's LeNet without its last layer."""
    trunk = nn.Sequential(
        *(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 128, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        *(nn.Linear(128, 256), nn.ReLU()),
    )
    trunk.num_features = 256  # type: ignore[assignment]
    return trunk


class Training:
    """A network in training.

    Args:
        recipe: the recipe.
        folds: the images.
    """

    def __init__(self, recipe: Recipe, folds: Folds) -> None:
        self.recipe, self.folds = recipe, folds
        self.device = folds.train.pixels.device
        self.network = build(recipe).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=recipe.rate(0), momentum=0.9, weight_decay=1e-4)
        self.follower = track_optimizer(self.network, self.optimizer)
        self.history: list[dict[str, float]] = []

    def epoch(self) -> None:
        """Train for one epoch and measure both errors."""
        number = len(self.history)
        rate = self.recipe.rate(number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._train(number)
        self.history.append({"loss": loss, "lr": rate, "val_error": self.error(self.folds.val), "test_error": self.error(self.folds.test)})

    def _train(self, number: int) -> float:
        self.network.train()
        images, losses = self.folds.train, []
        batches = list(zip(*(drawn.to(self.device).split(self.recipe.batch) for drawn in self._draws(number)), strict=True))
        for rows, tops, lefts, mirrored in tqdm(batches, desc=f"epoch {number + 1}/{self.recipe.epochs}", leave=False, disable=None):
            batch = images.of(rows)
            give_target(self.network, functional.one_hot(batch.classes, CLASSES))
            outputs = self.network(normalise(shift_and_mirror(batch.pixels, tops, lefts, mirrored)))
            loss = functional.cross_entropy(outputs, batch.classes)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean):
            raise RunError(f"training diverged in epoch {number + 1}: the loss is {mean}. Give a lower -lr than {self.recipe.lr:g}.")
        return mean

    def _draws(self, number: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw the order, shifts and mirrorings of an epoch from the seed and its number alone, the same on every device."""
        source = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + number)
        count = len(self.folds.train)
        order = torch.randperm(count, generator=source)
        tops, lefts = torch.randint(2 * MARGIN + 1, (2, count), generator=source)
        return order, tops, lefts, torch.rand(count, generator=source) < 0.5

    @torch.no_grad()
    def error(self, images: Images) -> float:
        """The share of images that are taken for another class [%]."""
        self.network.eval()
        parts = zip(images.pixels.split(EVALUATION_BATCH), images.classes.split(EVALUATION_BATCH), strict=True)
        wrong = [(self.network(normalise(pixels)).argmax(dim=1) != classes).sum() for pixels, classes in parts]
        return 100 * int(torch.stack(wrong).sum()) / len(images)

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on, whole or not at all."""
        state = {key: getattr(self, key).state_dict() for key in ("network", "optimizer", "follower")}
        with replacing(path) as temporary:
            torch.save(state | {"history": self.history}, temporary)

    def load(self, path: Path) -> None:
        """Take up where an earlier process stopped.

        Raises:
            RunError: when the checkpoint is damaged.
        """
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            for key in ("network", "optimizer", "follower"):
                getattr(self, key).load_state_dict(state[key])
            self.history = list(state["history"])
        except torch.OutOfMemoryError:
            raise  # the checkpoint is as good as it was
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
            raise RunError(f"the checkpoint {path} is damaged or of another program: delete it and run the same command again") from error


def device_named(name: str) -> torch.device:
    """Return the device that ``-device`` means.

    Raises:
        UsageError: when there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("-device cuda: this machine has no CUDA device that PyTorch can use; -device cpu computes without one")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
