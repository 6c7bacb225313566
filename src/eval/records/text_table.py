"""Tables for people: aligned text and Markdown."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def text_table(header: Sequence[str], rows: Rows, *, left: int = 1) -> str:
    """Align a table for the console: the first columns to the left, the others to the right.

    Example:
        >>> print(text_table(["rule", "mAP"], [["bp", "0.96"], ["usf", "0.9"]]))
        rule   mAP
        ----  ----
        bp    0.96
        usf    0.9
    """
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(_pad(cell, width, i < left) for i, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip() for line in lines
    )


def markdown_table(header: Sequence[str], rows: Rows, *, left: int = 1) -> str:
    """Write a table in Markdown, aligned like :func:`text_table`.

    Example:
        >>> print(markdown_table(["rule", "mAP"], [["bp", "0.96"]]))
        | rule | mAP |
        |---|---:|
        | bp | 0.96 |
    """
    rule = "|" + "|".join("---" if i < left else "---:" for i in range(len(header))) + "|"
    return "\n".join([_line(header), rule, *map(_line, rows)])


def _pad(cell: str, width: int, left: bool) -> str:
    return cell.ljust(width) if left else cell.rjust(width)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
