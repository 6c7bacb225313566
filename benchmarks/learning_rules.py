"""What a learning rule costs: training step, evaluation and memory, against plain backpropagation in the same run.

Time: all copies of a network take turns inside every round, so that a change in the machine's speed meets all of them; a second
copy of plain backpropagation shows how large a ratio is noise. Reported is the median over rounds of the ratio within a round.
Memory: the most that a process of its own occupied during three steps, less what plain backpropagation occupied; the processes give
back at once what they free, because what the C library keeps of it differs from run to run.

    python benchmarks/learning_rules.py -networks resnet18 alexnet -size 64 -batch 128 -rounds 15
    python benchmarks/learning_rules.py -networks alexnet -batch 16 -memory
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from biodeephashing.registry import names_on_disk

if TYPE_CHECKING:
    import torch
    from torch import nn

PLAIN, AGAIN = "plain", "plain again"
STAT = Path("/proc/stat")
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}  # the C library of Linux keeps nothing large that was freed


def build(name: str, bits: int) -> nn.Module:
    """Return a network, always the same, laid out as training lays it out."""
    import torch

    from biodeephashing.backbones import build_network

    torch.manual_seed(0)
    return build_network(name, bits=bits).to(memory_format=torch.channels_last)


def copies_of(network: nn.Module, rules: list[str]) -> dict[str, nn.Module]:
    """Return copies of one network: two left plain, and one for each rule."""
    from biodeephashing.bio import apply_rule

    copies: dict[str, nn.Module] = {PLAIN: network, AGAIN: copy.deepcopy(network)}
    return copies | {rule: apply_rule(copy.deepcopy(network), rule) for rule in rules}


def step(network: nn.Module, images: torch.Tensor, bits: int) -> Callable[[], None]:
    """Return one training step: forward, backward, optimiser, and what a rule does after it."""
    import torch
    from torch.nn.functional import one_hot

    from biodeephashing.bio import give_target, track_optimizer

    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    track_optimizer(network, optimizer)
    labels = one_hot(torch.arange(len(images)) % bits, bits)

    def run() -> None:
        optimizer.zero_grad()
        give_target(network, labels)
        network(images).square().mean().backward()
        optimizer.step()

    return run


def evaluation(network: nn.Module, images: torch.Tensor, bits: int) -> Callable[[], None]:
    """Return one forward pass without gradients."""
    import torch

    @torch.no_grad()
    def run() -> None:
        network(images)

    return run


def measure(tasks: dict[str, Callable[[], None]], rounds: int, label: str) -> dict[str, list[float]]:
    """Return the seconds of each task in each round; each round has an order of its own, so that none always follows the same."""
    for task in tasks.values():  # warm-up: memory, kernels, momentum
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    names = list(tasks)
    for turn in tqdm(range(rounds), desc=label, leave=False, disable=None):
        for name in random.Random(turn).sample(names, len(names)):
            started = time.perf_counter()
            tasks[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str) -> float:
    """Return the median over rounds of a task's time over plain backpropagation's in the same round."""
    return statistics.median(mine / plain for mine, plain in zip(seconds[name], seconds[PLAIN], strict=True))


def processor_time() -> tuple[float, float]:
    """Return the processor time that the host has kept from this virtual machine, and all time; zeros where the system does not tell."""
    if not STAT.exists():
        return 0.0, 0.0
    fields = [float(field) for field in STAT.read_text("ascii").split("\n", 1)[0].split()[1:9]]
    return fields[7], sum(fields)


def images_of(batch: int, size: int) -> torch.Tensor:
    """Return a batch of noise."""
    import torch

    return torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)


def peak(name: str, rule: str, batch: int, size: int, options: argparse.Namespace) -> tuple[float, float]:
    """Return the size of the weights and the most memory that this process occupied during three steps [MB]."""
    import torch

    from biodeephashing.bio import apply_rule

    torch.set_num_threads(options.threads)
    network = build(name, options.bits)
    if rule not in (PLAIN, AGAIN):
        apply_rule(network, rule)
    train = step(network, images_of(batch, size), options.bits)
    for _ in range(3):
        train()
    weights = sum(p.numel() * p.element_size() for p in network.parameters()) / 2**20
    return weights, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def memory_row(name: str, batch: int, size: int, options: argparse.Namespace) -> str:
    """Return the row of one network: each rule in a process of its own, and none here, whose size a new process would begin with."""
    context, peaks = multiprocessing.get_context("spawn"), {}
    os.environ.update(GIVE_BACK)
    for rule in tqdm((PLAIN, AGAIN, *options.rules), desc=f"{name} memory", leave=False, disable=None):
        with context.Pool(1) as pool:
            weights, peaks[rule] = pool.apply(peak, (name, rule, batch, size, options))
    cells = " | ".join(f"{peaks[rule] - peaks[PLAIN]:+.0f}" for rule in (AGAIN, *options.rules))
    return f"| {name} | {size} | {batch} | {weights:.0f} | {peaks[PLAIN]:.0f} | {cells} |"


def time_rows(name: str, batch: int, size: int, options: argparse.Namespace) -> list[str]:
    """Return the rows of one network, batch and size: training step and evaluation."""
    copies, images, rows = copies_of(build(name, options.bits), options.rules), images_of(batch, size), []
    for words, kind in (("step", step), ("evaluation", evaluation)):
        for network in copies.values():
            network.train(kind is step)
        tasks = {key: kind(network, images, options.bits) for key, network in copies.items()}
        seconds = measure(tasks, options.rounds, f"{name} {words}")
        cells = " | ".join(f"{ratio(seconds, column):.3f}" for column in (AGAIN, *options.rules))
        rows.append(f"| {name} | {size} | {batch} | {words} | {1000 * statistics.median(seconds[PLAIN]):.1f} | {cells} |")
    return rows


def main() -> None:
    """Parse the command line, measure, and print one Markdown table."""
    rules = names_on_disk("bio", "RULES")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-networks", nargs="+", default=["lenet", "resnet18", "alexnet"], help="backbones")
    parser.add_argument("-rules", nargs="+", default=rules, choices=rules, help="learning rules")
    parser.add_argument("-size", type=int, nargs="+", default=[64], help="side of the images [pixels]")
    parser.add_argument("-batch", type=int, nargs="+", default=[16, 128], help="images of a batch")
    parser.add_argument("-rounds", type=int, default=15, help="rounds")
    parser.add_argument("-threads", type=int, help="threads; as many as PyTorch takes where nothing is said")
    parser.add_argument("-bits", type=int, default=32, help="length of a code")
    parser.add_argument("-memory", action="store_true", help="measure memory [MB] in place of time")
    options = parser.parse_args()

    import torch

    options.threads = options.threads or torch.get_num_threads()
    torch.set_num_threads(options.threads)
    started = processor_time()
    columns = " | ".join([AGAIN, *options.rules])
    head = "weights, MB | plain, MB" if options.memory else "what | plain, ms"
    print(f"{options.threads} threads, {options.rounds} rounds, PyTorch {torch.__version__}\n")
    print(f"| network | size | batch | {head} | {columns} |")
    print("|---|---:|---:|" + ("---:|" if options.memory else "---|") + "---:|" * (2 + len(options.rules)))
    for name in options.networks:
        for size in options.size:
            for batch in options.batch:
                rows = [memory_row(name, batch, size, options)] if options.memory else time_rows(name, batch, size, options)
                print("\n".join(rows), flush=True)
    stolen, whole = (after - before for before, after in zip(started, processor_time(), strict=True))
    if whole:
        print(f"\n{stolen / whole:.1%} of the processor time went to others on the same host")


if __name__ == "__main__":
    main()
