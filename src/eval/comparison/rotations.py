"""Rotated codes beside those they were made from: before and after, paired by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...runs import replacing
from ..records.text_table import markdown_table, text_table
from ..significance.over_seeds import CONFIDENCE, holm, paired_difference, spread
from .groups import _titles, describe_difference, describe_p, describe_spread

NOTE = (
    f"before and after rotation, paired by seed: mean ± standard deviation, difference with {CONFIDENCE:.0%} interval and p of "
    f"Student's t, p adjusted for the number of rows (Holm); `compare.py -p BEFORE AFTER` pairs two runs query by query"
)


@dataclass(frozen=True)
class RotatedRun:
    """A run and the one it is a rotation of.

    Args:
        rotation: method and settings of the rotation.
        settings: what the rotated run shares with those of other rules and seeds.
        rule: learning rule of the rotated run.
        seed: seed of both.
        before: the metric of the rotated run.
        after: the metric of the rotation.
    """

    rotation: Mapping[str, str]
    settings: Mapping[str, str]
    rule: str
    seed: int
    before: float
    after: float


def rotation_table(runs: Sequence[RotatedRun], metric: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table with a row per settings, rule and rotation.

    Args:
        runs: the rotations, newest first: of two that are alike in all but the metric the first counts.
        metric: the name of the metric.
    """
    groups: dict[tuple[str, str, str], dict[int, RotatedRun]] = {}
    for run, settings, rotation in zip(runs, _titles([one.settings for one in runs]), _rotations(runs), strict=True):
        groups.setdefault((settings, run.rule, rotation), {}).setdefault(run.seed, run)
    values = {
        key: ({seed: run.before for seed, run in seeds.items()}, {seed: run.after for seed, run in seeds.items()})
        for key, seeds in sorted(groups.items())
    }
    differences = {key: paired_difference(after, before) for key, (before, after) in values.items()}
    adjusted = holm({repr(key): one.p for key, one in differences.items() if one and one.p is not None})
    rows = []
    for key, (before, after) in values.items():
        means = [describe_spread(spread(list(side.values()))) for side in (before, after)]
        rows.append([*key, str(len(before)), *means, describe_difference(differences[key], key[2]), describe_p(adjusted.get(repr(key)))])
    return ["settings", "rule", "rotation", "seeds", f"{metric} before", "after", "difference", "p (Holm)"], rows


def write_rotations(file: Path, runs: Sequence[RotatedRun], metric: str) -> str:
    """Write the table in Markdown, and return it for the console; without rotations an earlier file goes, and the text is empty.

    Args:
        file: the file to write.
        runs: see :func:`rotation_table`.
        metric: the name of the metric.
    """
    if not runs:
        file.unlink(missing_ok=True)
        return ""
    table = rotation_table(runs, metric)
    with replacing(file) as temporary:
        temporary.write_text(f"# Rotations\n\n{NOTE}.\n\n{markdown_table(*table)}\n", "utf-8")
    return f"\n{NOTE}\n{text_table(*table)}\nwritten: {file}"


def _rotations(runs: Sequence[RotatedRun]) -> list[str]:
    """Return a name for the rotation of each run: its method, and the settings in which those of the method differ."""
    names = []
    for run in runs:
        alike = [other.rotation for other in runs if other.rotation["model"] == run.rotation["model"]]
        varying = [key for key in run.rotation if len({other[key] for other in alike}) > 1]
        names.append(" ".join([run.rotation["model"], *(f"{key.removeprefix('rotation_')}={run.rotation[key]}" for key in varying)]))
    return names
