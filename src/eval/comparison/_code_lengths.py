"""Blocks of a comparison that differ in nothing but the number of bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .groups import Block

BITS = "number_of_bits"


@dataclass(frozen=True)
class BitsPanel:
    """Two or more blocks that differ in the number of bits only.

    Args:
        title: the settings they share, in a few words.
        blocks: each by its number of bits, rising.
    """

    title: str
    blocks: Mapping[int, Block]

    @property
    def rules(self) -> list[str]:
        """The rules that some block has, in the order of the blocks."""
        return list(dict.fromkeys(rule for block in self.blocks.values() for rule in block.runs))

    def curves(self, rule: str, metric: str) -> list[list[tuple[int, float]]]:
        """Return (bits, value) of every seed of a rule."""
        seeds: dict[int, list[tuple[int, float]]] = {}
        for bits, block in self.blocks.items():
            for seed, value in block.values(rule, metric).items():
                seeds.setdefault(seed, []).append((bits, value))
        return list(seeds.values())


def bits_panels(blocks: Sequence[Block]) -> list[BitsPanel]:
    """Put blocks that differ in the number of bits only into one panel; a block that differs from all others in more is left out."""
    groups: dict[tuple[object, ...], dict[int, Block]] = {}
    for block in blocks:
        rest = frozenset((name, value) for name, value in block.settings.items() if name != BITS)
        groups.setdefault((rest, block.split), {})[int(block.settings[BITS])] = block
    return [_panel(group) for group in groups.values() if len(group) > 1]


def _panel(group: Mapping[int, Block]) -> BitsPanel:
    bits, first = next(iter(group.items()))
    title = ", ".join(part for part in first.title.split(", ") if part != f"{bits} bits")
    return BitsPanel(title, dict(sorted(group.items())))
