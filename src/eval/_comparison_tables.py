"""The tables of a comparison: for the console, in Markdown and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ..runs import replacing
from ._comparison import Block, describe_difference, describe_p, describe_spread, difference_header
from ._overview import overview
from ._table import markdown_table, text_table


def console_text(title: str, blocks: Sequence[Block], columns: dict[str, str], metric: str, notes: Sequence[str]) -> str:
    """Return the tables for the console.

    Args:
        title: one line.
        blocks: a table each.
        columns: heading and metric of the columns of means.
        metric: the metric of the differences.
        notes: what must be stated beside the numbers.
    """
    parts = [title, *notes]
    if len(blocks) > 1:
        parts += ["", f"{metric}, best settings first", text_table(*overview(blocks, metric))]
    for block in blocks:
        parts += ["", f"{block.title}  -  {block.split}", text_table(*_rows(block, columns, metric))]
    return "\n".join(parts)


def write_markdown(
    file: Path,
    title: str,
    blocks: Sequence[Block],
    columns: dict[str, str],
    metric: str,
    notes: Sequence[str],
    *,
    overseen: bool,
    aligned: bool,
) -> None:
    """Write the tables in Markdown, with the pictures.

    Args:
        file: the file to write.
        title: one line.
        blocks: a table each.
        columns: heading and metric of the columns of means.
        metric: the metric of the differences.
        notes: what must be stated beside the numbers.
        overseen: whether there is a picture of all blocks at a glance.
        aligned: whether there is a picture of the alignment with backpropagation.
    """
    parts = [f"# {title}", "", *(f"- {note}" for note in notes)]
    if overseen:
        parts += ["", f"{metric}, best settings first:", "", markdown_table(*overview(blocks, metric))]
        parts += ["", "![all settings at a glance](comparison-overview.png)"]
    for block in blocks:
        parts += ["", f"## {block.title}", "", f"{block.split}", "", markdown_table(*_rows(block, columns, metric))]
    parts += ["", "![mAP per rule](comparison-bars.png)", "", "![training curves](comparison-curves.png)", ""]
    parts += ["![alignment with backpropagation](comparison-alignment.png)", ""] if aligned else []
    with replacing(file) as temporary:
        temporary.write_text("\n".join(parts), "utf-8")


def write_csv(file: Path, blocks: Sequence[Block], metrics: Sequence[str]) -> None:
    """Write one line per block, rule and metric, with full precision.

    Args:
        file: the file to write.
        blocks: what to tell of.
        metrics: the metrics, by the names of MLflow.
    """
    settings = list(blocks[0].settings)
    header = [*settings, "split", "rule", "metric", "n_seeds", "seeds", "mean", "sd"]
    header += ["difference_to_bp", "interval_low", "interval_high", "n_pairs", "p", "p_holm"]
    with replacing(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for block in blocks:
            adjusted = {name: block.adjusted(name) for name in metrics}
            for rule in block.runs:
                for name in metrics:
                    values, spread, difference = block.values(rule, name), block.spread(rule, name), block.difference(rule, name)
                    row = [*(block.settings[key] for key in settings), block.split, rule, name, len(values), " ".join(map(str, values))]
                    row += [spread.mean, spread.sd] if spread else [None, None]
                    row += [difference.mean, difference.low, difference.high, difference.n, difference.p] if difference else [None] * 5
                    row.append(adjusted[name].get(rule))
                    writer.writerow(row)


def _rows(block: Block, columns: dict[str, str], metric: str) -> tuple[list[str], list[list[str]]]:
    adjusted = block.adjusted(metric)
    rows = []
    for rule in block.runs:
        difference = block.difference(rule, metric)
        spreads = [describe_spread(block.spread(rule, name)) for name in columns.values()]
        chances = [describe_p(difference.p if difference else None), describe_p(adjusted.get(rule))]
        rows.append([rule, str(len(block.runs[rule])), *spreads, describe_difference(difference, rule), *chances])
    return ["rule", "seeds", *columns, difference_header(), "p", "p (Holm)"], rows
