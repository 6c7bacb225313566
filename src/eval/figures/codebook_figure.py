"""The codebook of a run: which classes have near codes, and what each bit says of an image; as a figure, as CSV and in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from ...codes import binarise
from ...codes.codebooks import bit_groups, class_tree, codebook_facts
from ...runs import Run, replacing, write_csv
from ..records.run_codes import Split
from ..records.text_table import markdown_table
from .style import INK, page, shortened

FIGURE, TABLE, BITS, TREE = "codebook.png", "codebook.md", "codebook-bits.csv", "codebook-tree.csv"
_ROW, _TALLEST, _LEGIBLE = 0.26, 60.0, 0.12  # inches of a class, of all, and that a name needs
_COLOURS = ("#E69F00", "#0072B2")  # of -1 and +1
_LONGEST = 22  # letters shown of a class


def draw_codebook(run: Run, codebook: NDArray[Any], split: Split) -> list[Path]:
    """Draw the tree of classes beside their codes, and write tree, bits and facts as tables.

    Args:
        run: the run.
        codebook: real, (C, K), of at least two classes.
        split: names the classes, and says in words what the data are.

    Returns:
        The files written, in the directory of the run's evaluation.
    """
    folder, names = run.evaluation, split.classes
    tree, groups = class_tree(codebook), bit_groups(codebook, names)
    stated = f"{split.caption}. Run: {run.experiment} / {run.name}"
    breakable = re.sub(r"-(?=\w+=)", " -", stated)  # lines of a caption break at blanks
    _draw(folder / FIGURE, codebook, tree, names, f"{run.database}: the codes of classes", breakable)
    shares = codebook_facts(codebook).balance
    bits = [[bit, share, " ".join(plus), " ".join(minus)] for bit, (share, (plus, minus)) in enumerate(zip(shares, groups, strict=True))]
    write_csv(folder / BITS, ["bit", "share_of_+1", "classes_with_+1", "classes_with_-1"], bits)
    joined = _joined(tree, names)
    write_csv(folder / TREE, ["first", "second", "mean_distance", "classes"], joined)
    _write_markdown(folder / TABLE, codebook, joined, groups, stated)
    return [folder / name for name in (FIGURE, TABLE, BITS, TREE)]


def _joined(tree: NDArray[np.float64], names: Sequence[str]) -> list[list[Any]]:
    """Return what joins at each step of a tree, in the names of classes: first, second, mean distance, number of classes."""
    members, rows = [[name] for name in names], []
    for first, second, distance, count in tree.tolist():
        one, other = members[int(first)], members[int(second)]
        members.append([*one, *other])
        rows.append([", ".join(one), ", ".join(other), round(distance, 6), int(count)])
    return rows


def _write_markdown(
    file: Path, codebook: NDArray[Any], joined: Sequence[Sequence[Any]], groups: Sequence[tuple[list[str], list[str]]], stated: str
) -> None:
    facts = vars(codebook_facts(codebook))
    numbers = [[name.replace("_", " "), f"{value:g}"] for name, value in facts.items() if name != "balance"]
    tree = [[first, second, f"{distance:.2f}"] for first, second, distance, _ in joined]
    bits = [[str(bit), ", ".join(plus), ", ".join(minus)] for bit, (plus, minus) in enumerate(groups)]
    parts = [
        "# Codes of classes", stated,
        "distinct: different codes; duplicates: pairs of classes with one code; least, mean: Hamming distance of two classes, in bits; "
        "constant bits: equal in all classes; repeated bits: pairs of bits equal, or opposite, in all classes.",
        markdown_table(["fact", "value"], numbers), "## What joins, nearest first (average linkage of Hamming distances)",
        markdown_table(["classes", "with", "mean distance"], tree, left=2), "## What each bit says",
        markdown_table(["bit", "+1", "−1"], bits, left=3),
    ]  # fmt: skip
    with replacing(file) as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", "utf-8")


def _draw(file: Path, codebook: NDArray[Any], tree: NDArray[np.float64], names: Sequence[str], title: str, stated: str) -> None:
    drawn = dendrogram(tree, no_plot=True)
    height = min(max(len(codebook) * _ROW, 1.8), _TALLEST)
    caption = (
        "Left: classes join by the mean Hamming distance of their codes (average linkage). Right: the code of each class, "
        f"blue +1, orange -1; a column is what one bit says of an image. {stated}"
    )
    with page(file, height, title, caption) as figure:
        branches, codes = figure.subplots(1, 2, width_ratios=(1, 1.6), sharey=True)
        _draw_tree(branches, drawn)
        legible = height / len(codebook) >= _LEGIBLE
        _draw_codes(codes, binarise(codebook)[drawn["leaves"]], grid=legible)
        shown = [shortened(names[leaf], _LONGEST) for leaf in drawn["leaves"]] if legible else []
        codes.set_yticks(range(len(shown)), shown)
        codes.tick_params(axis="y", labelleft=True)


def _draw_tree(axes: Any, drawn: dict[str, Any]) -> None:
    """Draw the branches of a dendrogram from the left, the leaves at the right; SciPy puts a leaf every ten units."""
    heights, positions = np.array(drawn["dcoord"]), (np.array(drawn["icoord"]) - 5) / 10
    axes.add_collection(LineCollection(list(np.stack([heights, positions], axis=2)), colors=INK, linewidths=1.4))
    axes.set(xlim=(heights.max() * 1.04 + 0.01, 0), xlabel="mean distance [bits]")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", which="both", left=False, labelleft=False)
    axes.spines["left"].set_visible(False)


def _draw_codes(axes: Any, codes: NDArray[np.int8], *, grid: bool) -> None:
    classes, bits = codes.shape
    style = {"cmap": ListedColormap(_COLOURS), "vmin": -1, "vmax": 1, "aspect": "auto", "interpolation": "nearest", "origin": "lower"}
    axes.imshow(codes, **style)
    axes.grid(visible=False)
    axes.set_xticks(range(0, bits, -(-bits // 16)))
    axes.set_xlabel("bit")
    if grid and bits <= 64:
        axes.set_xticks(np.arange(bits + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
