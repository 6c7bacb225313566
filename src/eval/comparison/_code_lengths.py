"""Blocks of a comparison that differ in nothing but the number of bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .groups import BITS, ComparisonGroup


@dataclass(frozen=True)
class BitsPanel:
    """Two or more groups that differ in the number of bits only.

    Args:
        title: the settings they share, in a few words.
        groups: each by its number of bits, rising.
    """

    title: str
    groups: Mapping[int, ComparisonGroup]

    @property
    def rules(self) -> list[str]:
        """The rules that some group has, in the order of the groups."""
        return list(dict.fromkeys(rule for group in self.groups.values() for rule in group.runs))

    def curves(self, rule: str, metric: str) -> list[list[tuple[int, float]]]:
        """Return (bits, value) of every seed of a rule."""
        seeds: dict[int, list[tuple[int, float]]] = {}
        for bits, group in self.groups.items():
            for seed, value in group.values(rule, metric).items():
                seeds.setdefault(seed, []).append((bits, value))
        return list(seeds.values())


def bits_panels(groups: Sequence[ComparisonGroup]) -> list[BitsPanel]:
    """Put groups that differ in the number of bits only into one panel; a group that differs from all others in more is left out."""
    panels: dict[tuple[object, ...], dict[int, ComparisonGroup]] = {}
    for group in groups:
        rest = frozenset((name, value) for name, value in group.settings.items() if name != BITS)
        panels.setdefault((rest, group.split), {})[int(group.settings[BITS])] = group
    return [_panel(panel) for panel in panels.values() if len(panel) > 1]


def _panel(panel: Mapping[int, ComparisonGroup]) -> BitsPanel:
    bits, first = next(iter(panel.items()))
    title = ", ".join(part for part in first.title.split(", ") if part != f"{bits} bits")
    return BitsPanel(title, dict(sorted(panel.items())))
