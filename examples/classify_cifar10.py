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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from biodeephashing.errors import UsageError, guard, unknown_name
from biodeephashing.runs import home, raw_folder, write_json
from biodeephashing.settings.strict_parser import StrictParser
from biodeephashing.settings.yaml_file import read_yaml

if TYPE_CHECKING:
    from cifar10_training import Folds

    from biodeephashing.data.sets.CIFAR_10 import Official

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
    from cifar10_training import Training

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
    for key, value in read_yaml(config).items():
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


def main(arguments: Sequence[str] | None = None, *, official: Official | None = None) -> None:
    """Run the command line.

    Args:
        arguments: flags and values; None for those of the process.
        official: checksums and sizes of the batches.
    """
    options = _parser().parse_args(arguments)
    recipe = read_recipe(options)

    from cifar10_training import build, device_named, read_folds  # here: PyTorch takes seconds, and a misspelt flag should not wait

    from biodeephashing.data.sets import CIFAR_10

    build(recipe)  # whatever is wrong with the rule shows before the data are read
    given = vars(options)
    data = given.get("data") or raw_folder("CIFAR_10") / CIFAR_10.FOLDER
    folds = read_folds(data, device_named(options.device), allow_partial=options.allow_partial, official=official or CIFAR_10.Official())
    below = given.get("out") or home() / "models" / "Classification" / "CIFAR_10"
    without = "+".join(name.removeprefix("data_batch_") for name in folds.missing)
    history = run(recipe, folds, below / (f"{recipe.name}-without={without}" if without else recipe.name))
    print(summary(recipe, folds, history))


if __name__ == "__main__":
    raise SystemExit(guard(main))
