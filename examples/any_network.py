"""Somebody else's network, trained by learning rules: which layer gets which, what is kept, and how it becomes a plain network again.

    python examples/any_network.py

The network is torchvision's vision transformer, small and untrained; images and classes are random. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # -h is answered before the imports that take seconds
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchvision.models import VisionTransformer

from biodeephashing.bio import (
    FeedbackUpdater,
    Report,
    apply_rule,
    check_reach,
    describe,
    load_rule_state,
    remove_rule,
    rule_names,
    rule_state,
    track_optimizer,
)

RULES = {"*.self_attention.*": "frsf", "encoder.*.mlp.*": "fa", "heads.*": "kp", "*": "bp"}
STEPS = 10


@dataclass(frozen=True)
class Outcome:
    """What the walk came to, for whoever wants to look closer.

    Args:
        report: which layer learns how.
        losses: the loss before each step.
        resumed: the losses of the steps after the first half, taken again by a network that was loaded from disk.
        difference: the largest difference between outputs of the trained network and of the exported plain one.
    """

    report: Report
    losses: list[float]
    resumed: list[float]
    difference: float


def transformer() -> nn.Module:
    """Return the network as torchvision makes it."""
    torch.manual_seed(0)
    return VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=64, num_classes=10)


def prepare(network: nn.Module) -> tuple[torch.optim.Optimizer, FeedbackUpdater]:
    """Return an optimizer, and what lets the learned feedback of ``kp`` follow its steps."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    return optimizer, track_optimizer(network, optimizer)


def train(network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, classes: Tensor, steps: int) -> list[float]:
    """Take some ordinary steps and return the losses; nothing here knows of rules."""
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = cross_entropy(network(images), classes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def save(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, follower: FeedbackUpdater) -> None:
    """Keep all that a later process needs: random matrices are drawn again from the rules' state, learned ones are in the network's."""
    parts = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "follower": follower.state_dict()}
    torch.save(parts | {"rules": rule_state(network)}, path)


def load(path: Path) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return the network and the optimizer as they were kept, rules included."""
    kept = torch.load(path, weights_only=True)
    network = load_rule_state(transformer(), kept["rules"])
    network.load_state_dict(kept["network"])
    optimizer, follower = prepare(network)
    optimizer.load_state_dict(kept["optimizer"])
    follower.load_state_dict(kept["follower"])
    return network, optimizer


def export_plain(network: nn.Module, images: Tensor) -> float:
    """Take the rules off, export, and return how far the exported network's outputs are from those with rules."""
    network.eval()
    with torch.no_grad():
        before = network(images)
        exported = torch.export.export(remove_rule(network), (images,))
        return (exported.module()(images) - before).abs().max().item()


def main() -> Outcome:
    """Walk through it and print each stage."""
    network = transformer()
    images, classes = torch.randn(16, 3, 32, 32), torch.randint(10, (16,))

    print("layers that a rule map may name:", *rule_names(network), sep="\n  ")
    apply_rule(network, RULES, seed=1)
    check_reach(network, images[:2])  # raises where a rule would not act
    report = describe(network)
    print(f"\n{report}\n")

    optimizer, follower = prepare(network)
    losses = train(network, optimizer, images, classes, STEPS // 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        save(path, network, optimizer, follower)
        print(f"saved after {STEPS // 2} steps: {path.stat().st_size:,} bytes")
        losses += train(network, optimizer, images, classes, STEPS - STEPS // 2)
        resumed = train(*load(path), images, classes, STEPS - STEPS // 2)
    print("losses:", *(f"{loss:.4f}" for loss in losses))
    print("loaded and trained on:", *(f"{loss:.4f}" for loss in resumed))

    difference = export_plain(network, images)
    print(f"exported without rules; largest difference of outputs: {difference:.1e}")
    return Outcome(report, losses, resumed, difference)


if __name__ == "__main__":
    main()
