"""A learning rule of your own, beside two of the library's, on real handwritten digits.

    python examples/new_rule.py

The rule asks what is left of sign-concordant feedback when only the strong synapses have any: its matrix B knows of each weight
whether it is strong, and if so its sign. It is trained beside backpropagation and feedback alignment, and afterwards measured: how far
B is from the weights, and how far each layer's update is from the one that backpropagation would make.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

if __name__ == "__main__":  # -h is answered before the imports that take seconds
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from biodeephashing.bio import Alignment, Rule, apply_rule, measure_alignment

EPOCHS, BATCH, TRAIN = 20, 32, 1297


@dataclass(frozen=True)
class StrongSynapses(Rule):
    """Send the error down through the signs of the strong weights: B = s σ(W) where |W| > t s, and 0 elsewhere.

    Args:
        threshold: t, how strong a weight must be, in units of the layer's scale s.
    """

    threshold: float = 0.5

    name = "strong"  # in a file of src/bio/, with @RULES.register("strong") above the class, -mode strong would train with it

    def feedback(self, weight: Tensor, matrix: Tensor | None, scale: float) -> Tensor:
        """Return B for a block of W; it may look at each entry alone."""
        return torch.where(weight.abs() > self.threshold * scale, scale * weight.sign(), 0.0)


@dataclass(frozen=True)
class Outcome:
    """What came out of one training: the share of test images that are told right, and each layer's measurements."""

    accuracy: float
    layers: list[Alignment]


def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's 1,797 digits, (n, 1, 8, 8) between 0 and 1, and their classes, in a fixed random order."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    return images[order], torch.tensor(data.target)[order]


def network() -> nn.Sequential:
    """Return two convolutions and three fully connected layers, always with the same weights, as large as the feedback."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)),
    )
    for layer in layers:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(layer.weight)
    return layers


def train(rule: str | Rule, images: Tensor, classes: Tensor) -> Outcome:
    """Train by a rule, test, and measure."""
    model = apply_rule(network(), rule)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _ in range(EPOCHS):
        for rows in torch.randperm(TRAIN).split(BATCH):
            optimizer.zero_grad()
            cross_entropy(model(images[rows]), classes[rows]).backward()
            optimizer.step()
    layers = measure_alignment(model, lambda: cross_entropy(model(images[:BATCH]), classes[:BATCH]))
    with torch.no_grad():
        right = model(images[TRAIN:]).argmax(dim=1) == classes[TRAIN:]
    return Outcome(right.float().mean().item(), layers)


def main() -> dict[str, Outcome]:
    """Train by three rules and print what came out."""
    images, classes = digits()
    rules: list[str | Rule] = ["bp", StrongSynapses(threshold=0.5), "fa"]
    outcomes = {rule if isinstance(rule, str) else rule.name: train(rule, images, classes) for rule in rules}
    print(f"{TRAIN} digits to train, {len(images) - TRAIN} to test, {EPOCHS} epochs\n")
    print("rule    accuracy  angle of B and W in each layer, degrees      angle of the update and backpropagation's")
    for name, outcome in outcomes.items():
        angles = "  ".join(f"{layer.weight_angle:6.1f}" for layer in outcome.layers)
        updates = "  ".join(f"{layer.update_angle:6.1f}" for layer in outcome.layers)
        print(f"{name:6}  {100 * outcome.accuracy:6.1f} %  {angles}     {updates}")
    share = 100 * sum(layer.sign_agreement for layer in outcomes["strong"].layers) / len(outcomes["strong"].layers)
    print(f"\nunder 'strong', {share:.0f} % of the weights have feedback; the last layer's update is exact under every rule")
    return outcomes


if __name__ == "__main__":
    main()
