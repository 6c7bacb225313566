"""Whether every family of timm hashes and learns by a rule: its smallest model, random weights, two images of the size it wants.

Each network is built, gives the codes of two images, gets the rule ``fa`` and takes one training step. What comes out is one of three:
it works, it is refused with a sentence, or it fails, which is a defect here. Without names, the smallest model of each of timm's modules;
models above ``-most`` parameters are passed over.

    python benchmarks/timm_families.py test_vit mobilenetv3_small_050
"""

from __future__ import annotations

import argparse
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

BITS = 8
WORKS, REFUSED, PASSED_OVER, FAILS = "works", "refused in words", "passed over", "FAILS"


class TooSlowError(Exception):
    """A network that takes longer than it may."""


def smallest(module: str) -> tuple[str, int]:
    """Return the model of a module of timm that has the fewest parameters, and how many; timm's own test models are small ones."""
    import timm
    import torch

    sizes, names = {}, timm.list_models(module=module)
    for name in [name for name in names if name.startswith("test_")] or names:
        with torch.device("meta"):
            sizes[name] = sum(weight.numel() for weight in timm.create_model(name, num_classes=0).parameters())
    name = min(sizes, key=lambda key: sizes[key])
    return name, sizes[name]


def attempt(name: str) -> tuple[str, str]:
    """Return how one model does: one of the outcomes above, and what there is to say of it."""
    from biodeephashing.errors import BioDeepHashingError

    try:
        return WORKS, step(name)
    except BioDeepHashingError as error:
        return REFUSED, " ".join(str(error).split())
    except TooSlowError:
        return PASSED_OVER, "takes too long"
    except Exception as error:  # noqa: BLE001 - whatever a foreign network raises is what is looked for
        return FAILS, f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def step(name: str) -> str:
    """Build a network, hash two images, and take one training step by ``fa``; return what it was given and gave.

    Raises:
        BioDeepHashingError: where the network is refused.
        AssertionError: where a number is not finite, or a step changes nothing.
    """
    import torch

    from biodeephashing.backbones import build_network, preprocessing_of
    from biodeephashing.bio import apply_rule, check_reach
    from biodeephashing.errors import UsageError

    torch.manual_seed(0)
    network, size = build_network(f"timm:{name}", bits=BITS), preprocessing_of(f"timm:{name}").size
    images = torch.randn(2, 3, *(size or ()))
    outputs = network.eval()(images)
    if outputs.shape != (2, BITS):
        raise UsageError(f"{name} makes no vector of features of an image")
    check_reach(apply_rule(network, "fa", scale="weight"), images)
    optimizer, before = torch.optim.SGD(network.parameters(), lr=1e-3), network.hash_layer.weight.detach().clone()
    (network.train()(images) - 1).square().mean().backward()
    assert all(weight.grad is None or torch.isfinite(weight.grad).all() for weight in network.parameters()), "a gradient is not finite"
    optimizer.step()
    assert not torch.equal(network.hash_layer.weight, before), "the step changes nothing"
    return f"{images.shape[2]}×{images.shape[3]} pixels, {network.hash_layer.in_features} features"


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise :class:`TooSlowError` in a block that keeps the processor busy for longer."""

    def stop(number: int, frame: object) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def main() -> int:
    """Parse the command line, try the models, print a line for each and a count; the exit status is 1 when one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models of timm; the smallest of each module where none is named")
    parser.add_argument("-most", type=int, default=130_000_000, help="parameters of the largest model that is tried")
    parser.add_argument("-seconds", type=int, default=60, help="processor time that one model has")
    options = parser.parse_args()

    import timm

    counts: Counter[str] = Counter()
    for entry in options.names or timm.list_modules():
        started = time.monotonic()
        name, size = (entry, 0) if options.names else smallest(entry)
        with at_most(options.seconds):
            outcome, words = attempt(name) if size <= options.most else (PASSED_OVER, f"{size:,} parameters")
        counts[outcome] += 1
        print(f"{entry:28} {name:36} {outcome:17} {words} ({time.monotonic() - started:.0f} s)", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts[FAILS] else 0


if __name__ == "__main__":
    raise SystemExit(main())
