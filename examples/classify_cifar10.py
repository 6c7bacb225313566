"""Train a classifier of CIFAR-10 by a learning rule, as the literature does, and print its error beside the published one.

    python src/data/download/CIFAR_10.py
    python examples/classify_cifar10.py -network resnet20 -mode usf
    python examples/classify_cifar10.py -config configs/classification/lenet.yaml -mode fa

The recipe is that of A. Jiménez Sanfiz, M. Akrout, "Benchmarking the accuracy and robustness of feedback alignment algorithms", 2021,
arXiv:2108.13446: 250 epochs of stochastic gradient descent with momentum 0.9, weight decay 1e-4 and batches of 128, a learning rate that
falls to a tenth at 2/5, 3/5 and 4/5 of the epochs, images shifted by up to 4 pixels and mirrored at random. A tenth of the training images
is held out, the same for every seed; the error reported is the test error in the epoch with the lowest error on those. All weights start
as Xavier's initialisation draws them (uniform), biases from 0, so that they are as large as the feedback; also in the last layer.

Networks: the backbones resnet20 and resnet56; lenet3, which is the benchmark's "LeNet" (three convolutions 3×3 of 32, 64 and 128 channels
and a hidden layer of 256); and the backbone lenet, another network, for which nothing is published.

Interrupt it at any time: the same command goes on after the last finished epoch.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from biodeephashing.arguments import StrictParser
from biodeephashing.backbones import HashNetwork, build_network
from biodeephashing.bio import apply_rule, follow, give_target, rule_names
from biodeephashing.data import _cifar
from biodeephashing.errors import DataError, RunError, UsageError, guard, unknown_name
from biodeephashing.rulemaps import rule_map
from biodeephashing.runs import home, raw_folder, replacing, write_json

NETWORKS = ("lenet", "lenet3", "resnet20", "resnet56")
PUBLISHED = {
    "lenet3": {"bp": 14.23, "usf": 16.22, "brsf": 16.02, "frsf": 16.86, "fa": 46.69, "dfa": 54.21},
    "resnet20": {"bp": 8.63, "usf": 10.05, "brsf": 11.02, "frsf": 11.20, "fa": 32.16, "dfa": 45.94},
    "resnet56": {"bp": 8.30, "usf": 8.20, "brsf": 8.69, "frsf": 9.49, "fa": 34.88, "dfa": 38.01},
}
RATE = 0.1
LOWER_RATES = {  # those of the benchmark for LeNet and ResNet-20; resnet56 as resnet20, and drtp, which it does not have, as dfa
    **{(network, rule): rate for network in ("lenet", "lenet3") for rule, rate in (("fa", 1e-3), ("dfa", 1e-4), ("drtp", 1e-4))},
    **{(network, rule): 1e-3 for network in ("resnet20", "resnet56") for rule in ("dfa", "drtp")},
}
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the training images, by channel
SIDE, MARGIN, CLASSES, HELD_OUT = 32, 4, 10, 10
EVALUATION_BATCH = 1000
KINDS: dict[str, type] = {"network": str, "mode": str, "epochs": int, "lr": float, "batch": int, "seed": int}


@dataclass(frozen=True)
class Recipe:
    """What decides a result."""

    network: str
    mode: str
    epochs: int = 250
    lr: float | None = None  # None: the benchmark's
    batch: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise unknown_name("value for -network", self.network, NETWORKS)
        if self.epochs < 1 or self.batch < 1:
            raise UsageError(f"-epochs {self.epochs} -batch {self.batch}: both must be at least 1")
        if self.lr is None:
            object.__setattr__(self, "lr", LOWER_RATES.get((self.network, self.mode), RATE))
        elif not (math.isfinite(self.lr) and self.lr > 0):
            raise UsageError(f"-lr {self.lr}: the learning rate is a positive number")

    @property
    def name(self) -> str:
        """The folder of its results."""
        return f"{self.network}-mode={quote(self.mode, safe=',')}-ep={self.epochs}-lr={self.lr:g}-bs={self.batch}-seed={self.seed}"

    def rate(self, epoch: int) -> float:
        """The learning rate in an epoch, counted from 0."""
        assert self.lr is not None
        return self.lr * 0.1 ** sum(5 * epoch >= fifths * self.epochs for fifths in (2, 3, 4))


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


def read_folds(folder: Path, device: torch.device, *, allow_partial: bool, official: _cifar.Official) -> Folds:
    """Read the official batches; nothing in them is run.

    Raises:
        DataError: when batches are missing, and that was not allowed, or damaged.
    """
    folder = folder / _cifar.FOLDER if (folder / _cifar.FOLDER).is_dir() else folder
    present = _cifar.verified(folder, official)
    wanted = [name for name in official.batches if name != "test_batch"]
    found = [name for name in wanted if name in present]
    missing = [name for name in official.batches if name not in present]
    advice = "run `python src/data/download/CIFAR_10.py`, or name the folder with -data"
    if "test_batch" in missing or not found:
        raise DataError(f"{folder} lacks {', '.join(missing)}: {advice}")
    if missing and not allow_partial:
        raise DataError(f"{folder} lacks {', '.join(missing)}: {advice}, or give -allow_partial to train on the rest")
    everything = _images(_cifar.read_batches(folder, found, official), device)
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0)).to(device)
    held_out = len(order) // HELD_OUT
    test = _images(_cifar.read_batches(folder, ["test_batch"], official), device)
    return Folds(everything.of(order[held_out:]), everything.of(order[:held_out]), test, tuple(missing))


def _images(batches: _cifar.Batches, device: torch.device) -> Images:
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
    mean, deviation = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (MEAN, DEVIATION))
    return (pixels.float() / 255 - mean) / deviation


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
        self.follower = follow(self.network, self.optimizer)
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
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
            raise RunError(f"the checkpoint {path} is damaged or of another program: delete it and run the same command again") from error


def chosen(history: Sequence[Mapping[str, float]]) -> int:
    """Return the first epoch, counted from 0, with the lowest error on the images held out."""
    return min(range(len(history)), key=lambda epoch: history[epoch]["val_error"])


def summary(recipe: Recipe, folds: Folds, history: Sequence[Mapping[str, float]]) -> str:
    """Return the result beside the published one."""
    best = chosen(history)
    published = PUBLISHED.get(recipe.network, {}).get(recipe.mode)
    rows = [
        ("network", "rule", "epochs", "lr", "seed", "test error, %", "in epoch", "in the last, %", "published, %"),
        (
            *(recipe.network, recipe.mode, str(recipe.epochs), f"{recipe.lr:g}", str(recipe.seed)),
            *(f"{history[best]['test_error']:.2f}", str(best + 1), f"{history[-1]['test_error']:.2f}"),
            "-" if published is None else f"{published:.2f}",
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if published is not None:
        lines.append("published: arXiv:2108.13446, one seed, 250 epochs, 45,000 images to train and 5,000 to choose the epoch")
    elif recipe.network == "lenet":
        lines.append("the published LeNet is another network: -network lenet3")
    return "\n".join(lines + [folds.partial] * bool(folds.partial))


def run(recipe: Recipe, folds: Folds, folder: Path) -> list[dict[str, float]]:
    """Train to the end, from the beginning or the last finished epoch, and return what was measured after each epoch."""
    checkpoint = folder / "last.ckpt"
    training = Training(recipe, folds)
    print(f"{len(folds.train):,} images to train, {len(folds.val):,} held out, {len(folds.test):,} to test, on {training.device}")
    if folds.partial:
        print(folds.partial)
    if checkpoint.exists():
        training.load(checkpoint)
        done = len(training.history)
        print("already finished" if done >= recipe.epochs else f"going on after epoch {done} of {recipe.epochs}", f"({checkpoint})")
    while len(training.history) < recipe.epochs:
        training.epoch()
        training.save(checkpoint)
        last = training.history[-1]
        errors = f"held-out error {last['val_error']:.2f} %  test error {last['test_error']:.2f} %"
        print(f"epoch {len(training.history)}/{recipe.epochs}  lr {last['lr']:.3g}  loss {last['loss']:.4f}  {errors}")
    result = {"recipe": dataclasses.asdict(recipe), "missing": list(folds.missing), "chosen_epoch": chosen(training.history) + 1}
    write_json(folder / "result.json", result | {"history": training.history})
    return training.history


def read_recipe(options: argparse.Namespace) -> Recipe:
    """Return the recipe of a command line; flags win over the file of -config.

    Raises:
        UsageError: for a file or a value that cannot be used.
    """
    given, values = vars(options), dict[str, Any]()
    config = given.get("config")
    for key, value in _read_yaml(config).items():
        if key not in KINDS:
            raise UsageError(f"{config}: {unknown_name('setting', str(key), KINDS)}")
        try:
            values[key] = KINDS[key](str(value))
        except ValueError as error:
            raise UsageError(f"{config}: {key}: {value!r} is not a number of the right kind") from error
    values |= {key: given[key] for key in KINDS if key in given}
    for key in ("network", "mode"):
        if key not in values:
            raise UsageError(f"give -{key}" + (f" ({', '.join(NETWORKS)})" if key == "network" else ", a learning rule: bp, fa, usf, ..."))
    return Recipe(**values)


def _read_yaml(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read -config {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"-config {path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"-config {path} does not hold a mapping of settings")
    return content


def _parser() -> StrictParser:
    parser = StrictParser(description=__doc__.partition("\n")[0], argument_default=argparse.SUPPRESS)
    parser.add_argument("-config", "--config", type=Path, help="YAML file with any of network, mode, epochs, lr, batch, seed")
    parser.add_argument("-network", "--network", help=", ".join(NETWORKS))
    parser.add_argument("-mode", "--mode", help="learning rule, or a map like layer1.*=fa,*=bp")
    parser.add_argument("-epochs", "--epochs", type=int, help=f"epochs; {Recipe.epochs} where nothing is said")
    parser.add_argument("-lr", "--lr", type=float, help="learning rate; the benchmark's for network and rule where nothing is said")
    parser.add_argument("-batch", "--batch", type=int, help=f"images of a batch; {Recipe.batch} where nothing is said")
    parser.add_argument("-seed", "--seed", type=int, help=f"seed; {Recipe.seed} where nothing is said")
    parser.add_argument("-device", "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("-data", "--data", type=Path, help="folder of the python batches; below data/raw where nothing is said")
    parser.add_argument("-out", "--out", type=Path, help="folder of all results; models/Classification/CIFAR_10 where nothing is said")
    parser.add_argument("-allow_partial", "--allow_partial", action="store_true", default=False, help="train although batches are missing")
    return parser


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("-device cuda: this machine has no CUDA device that PyTorch can use; -device cpu computes without one")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def main(arguments: Sequence[str] | None = None, *, official: _cifar.Official | None = None) -> None:
    """Run the command line.

    Args:
        arguments: flags and values; None for those of the process.
        official: checksums and sizes of the batches.
    """
    options = _parser().parse_args(arguments)
    recipe = read_recipe(options)
    build(recipe)  # whatever is wrong with the rule shows before the data are read
    given = vars(options)
    data = given.get("data") or raw_folder(_cifar.DATABASE) / _cifar.FOLDER
    folds = read_folds(data, _device(options.device), allow_partial=options.allow_partial, official=official or _cifar.Official())
    below = given.get("out") or home() / "models" / "Classification" / _cifar.DATABASE
    without = "+".join(name.removeprefix("data_batch_") for name in folds.missing)
    history = run(recipe, folds, below / (f"{recipe.name}-without={without}" if without else recipe.name))
    print(summary(recipe, folds, history))


if __name__ == "__main__":
    raise SystemExit(guard(main))
