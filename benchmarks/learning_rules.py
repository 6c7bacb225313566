"""What a learning rule costs: training step and evaluation, as ratios to plain backpropagation in the same run.

All copies of a network take turns inside every round, so that a change in the machine's speed meets all of them; a second
copy of plain backpropagation shows how large a ratio is noise. Reported is the median over rounds of the ratio within a round.

    python benchmarks/learning_rules.py -networks resnet18 alexnet -size 64 -batch 128 -rounds 15
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from tqdm import tqdm

from biodeephashing.backbones import build_network
from biodeephashing.bio import RULES, apply_rule

PLAIN, AGAIN = "plain", "plain again"


def build(name: str, bits: int) -> dict[str, nn.Module]:
    """Return copies of one network: two left plain, and one for each rule."""
    torch.manual_seed(0)
    network = build_network(name, bits=bits).to(memory_format=torch.channels_last)
    copies: dict[str, nn.Module] = {PLAIN: network, AGAIN: copy.deepcopy(network)}
    return copies | {rule: apply_rule(copy.deepcopy(network), rule) for rule in RULES}


def step(network: nn.Module, images: torch.Tensor) -> Callable[[], None]:
    """Return one training step: forward, backward and optimiser."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)

    def run() -> None:
        optimizer.zero_grad()
        network(images).square().mean().backward()
        optimizer.step()

    return run


def evaluation(network: nn.Module, images: torch.Tensor) -> Callable[[], None]:
    """Return one forward pass without gradients."""

    @torch.no_grad()
    def run() -> None:
        network(images)

    return run


def measure(tasks: dict[str, Callable[[], None]], rounds: int, label: str) -> dict[str, list[float]]:
    """Return the seconds of each task in each round; the order turns by one task from round to round."""
    for task in tasks.values():  # warm-up: memory, kernels, momentum
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    names = list(tasks)
    for turn in tqdm(range(rounds), desc=label, leave=False, disable=None):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.perf_counter()
            tasks[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str) -> float:
    """Return the median over rounds of a task's time over plain backpropagation's in the same round."""
    return statistics.median(mine / plain for mine, plain in zip(seconds[name], seconds[PLAIN], strict=True))


def main() -> None:
    """Parse the command line, measure, and print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-networks", nargs="+", default=["lenet", "resnet18", "alexnet"], help="backbones")
    parser.add_argument("-size", type=int, nargs="+", default=[64], help="side of the images [pixels]")
    parser.add_argument("-batch", type=int, nargs="+", default=[16, 128], help="images of a batch")
    parser.add_argument("-rounds", type=int, default=15, help="rounds")
    parser.add_argument("-threads", type=int, default=torch.get_num_threads(), help="threads")
    parser.add_argument("-bits", type=int, default=32, help="length of a code")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    columns = [AGAIN, *RULES]
    print(f"{options.threads} threads, {options.rounds} rounds, PyTorch {torch.__version__}\n")
    print("| network | size | batch | what | plain, ms | " + " | ".join(columns) + " |")
    print("|---|---:|---:|---|---:|" + "---:|" * len(columns))
    for name in options.networks:
        copies = build(name, options.bits)
        for size in options.size:
            for batch in options.batch:
                images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
                for words, kind in (("step", step), ("evaluation", evaluation)):
                    for network in copies.values():
                        network.train(kind is step)
                    seconds = measure({key: kind(network, images) for key, network in copies.items()}, options.rounds, f"{name} {words}")
                    cells = " | ".join(f"{ratio(seconds, column):.3f}" for column in columns)
                    plain = 1000 * statistics.median(seconds[PLAIN])
                    print(f"| {name} | {size} | {batch} | {words} | {plain:.1f} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
