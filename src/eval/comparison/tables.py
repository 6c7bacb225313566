"""The tables of a comparison: for the console, in Markdown and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...runs import replacing
from ..records.text_table import markdown_table, text_table
from ._code_lengths import bits_panels
from ._overview import overview
from .drawing import OVERVIEW
from .groups import BITS, MODEL, ComparisonGroup, describe_difference, describe_p, describe_spread, difference_header, several_methods


def console_text(title: str, groups: Sequence[ComparisonGroup], columns: dict[str, str], metric: str, notes: Sequence[str]) -> str:
    """Return the tables for the console.

    Args:
        title: one line.
        groups: a table each.
        columns: heading and metric of the columns of means.
        metric: the metric of the differences.
        notes: what must be stated beside the numbers.
    """
    parts = [title, *notes]
    left = _words(groups)
    if len(groups) > 1:
        parts += ["", f"{metric}, best settings first", text_table(*overview(groups, metric), left=left)]
    for heading, split, some in _tables(groups):
        parts += ["", f"{heading}  -  {split}", text_table(*_rows(some, columns, metric), left=left)]
    return "\n".join(parts)


def write_markdown(
    file: Path,
    title: str,
    groups: Sequence[ComparisonGroup],
    columns: dict[str, str],
    metric: str,
    notes: Sequence[str],
    pictures: Mapping[str, str],
) -> None:
    """Write the tables in Markdown, with the pictures.

    Args:
        file: the file to write.
        title: one line.
        groups: a table each.
        columns: heading and metric of the columns of means.
        metric: the metric of the differences.
        notes: what must be stated beside the numbers.
        pictures: the files of the pictures beside it, with what they show.
    """
    parts = [f"# {title}", "", *(f"- {note}" for note in notes)]
    images = {file: f"![{words}]({file})" for file, words in pictures.items()}
    left = _words(groups)
    if len(groups) > 1:
        parts += ["", f"{metric}, best settings first:", "", markdown_table(*overview(groups, metric), left=left)]
        parts += ["", images.pop(OVERVIEW)]
    for heading, split, some in _tables(groups):
        parts += ["", f"## {heading}", "", split, "", markdown_table(*_rows(some, columns, metric), left=left)]
    parts += ["", *(line for image in images.values() for line in (image, ""))]
    with replacing(file) as temporary:
        temporary.write_text("\n".join(parts), "utf-8")


def write_csv(file: Path, groups: Sequence[ComparisonGroup], metrics: Sequence[str]) -> None:
    """Write one line per group, rule and metric, with full precision.

    Args:
        file: the file to write.
        groups: what to tell of.
        metrics: the metrics, by the names of MLflow.
    """
    settings = _settings(groups)
    header = [*settings, "split", "rule", "metric", "n_seeds", "seeds", "mean", "sd"]
    header += ["difference_to_bp", "interval_low", "interval_high", "n_pairs", "p", "p_holm"]
    with replacing(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for group in groups:
            adjusted = {name: group.adjusted(name) for name in metrics}
            of_group = [*(group.settings.get(name) for name in settings), group.split]
            for rule in group.runs:
                for name in metrics:
                    values, spread, difference = group.values(rule, name), group.spread(rule, name), group.difference(rule, name)
                    row: list[Any] = [*of_group, rule, name, len(values), " ".join(map(str, values))]
                    row += [spread.mean, spread.sd] if spread else [None, None]
                    row += [difference.mean, difference.low, difference.high, difference.n, difference.p] if difference else [None] * 5
                    row.append(adjusted[name].get(rule))
                    writer.writerow(row)


def write_bits_csv(file: Path, groups: Sequence[ComparisonGroup], metric: str) -> bool:
    """Write the numbers of the picture of mAP against bits, one line per panel, rule and number of bits.

    Args:
        file: the file to write; an earlier one goes where no groups differ in the number of bits only.
        groups: what to tell of.
        metric: the metric, by the name of MLflow.

    Returns:
        Whether there was something to write.
    """
    panels = bits_panels(groups)
    if not panels:
        file.unlink(missing_ok=True)
        return False
    settings = [name for name in _settings(groups) if name != BITS]
    with replacing(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*settings, "split", "rule", BITS, "metric", "n_seeds", "seeds", "mean", "lowest", "highest"])
        for panel in panels:
            for rule in panel.rules:
                for bits, group in panel.groups.items():
                    values, spread = group.values(rule, metric), group.spread(rule, metric)
                    if spread:
                        row = [*(group.settings.get(name) for name in settings), group.split, rule, bits, metric, len(values)]
                        extremes = [min(values.values()), max(values.values())]
                        writer.writerow([*row, " ".join(map(str, values)), spread.mean, *extremes])
    return True


def _settings(groups: Sequence[ComparisonGroup]) -> list[str]:
    """Return the settings that some group has."""
    return list(dict.fromkeys(name for group in groups for name in group.settings))


def _words(groups: Sequence[ComparisonGroup]) -> int:
    """Return how many columns a table begins with that hold words: the rule, of several methods also method and settings."""
    return 3 if several_methods(groups) else 1


def _tables(groups: Sequence[ComparisonGroup]) -> list[tuple[str, str, list[ComparisonGroup]]]:
    """Return heading, split and groups of each table: a group each, or of several methods all groups with one number of bits."""
    if not several_methods(groups):
        return [(group.title, group.split, [group]) for group in groups]
    together: dict[tuple[int, str], list[ComparisonGroup]] = {}
    for group in groups:
        together.setdefault((int(group.settings[BITS]), group.split), []).append(group)
    return [(f"{bits} bits", split, some) for (bits, split), some in sorted(together.items())]


def _rows(groups: Sequence[ComparisonGroup], columns: dict[str, str], metric: str) -> tuple[list[str], list[list[str]]]:
    several, rows = several_methods(groups), []
    for group in groups:
        adjusted, own = group.adjusted(metric), [group.settings[MODEL], group.own_title] if several else []
        for rule in group.runs:
            difference = group.difference(rule, metric)
            spreads = [describe_spread(group.spread(rule, metric_of_column)) for metric_of_column in columns.values()]
            chances = [describe_p(difference.p if difference else None), describe_p(adjusted.get(rule))]
            rows.append([*own, rule, str(len(group.runs[rule])), *spreads, describe_difference(difference, rule), *chances])
    first = ["method", "settings", "rule"] if several else ["rule"]
    return [*first, "seeds", *columns, difference_header(), "p", "p (Holm)"], rows
