"""The picture of precision and recall, by Hamming radius and by ranking depth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...runs.retrieval_csv import RetrievalCurves
from ..figures.style import INK, aligned, colour_of, draw_band, page_of_rules, place_of, quiet, save
from .groups import ComparisonGroup

MARKED = 2  # the radius that has a dot: precision within it is what hash tables are judged by


def draw_retrieval(file: Path, groups: Sequence[ComparisonGroup], title: str, caption: str) -> None:
    """Draw precision against recall by radius (left) and precision of the first N (right), a line per rule; a row per group.

    Args:
        file: the PNG to write.
        groups: what to draw; each has a run whose precision and recall are known.
        title: one line.
        caption: what lines, bands and dots are.
    """
    found = [{rule: group.retrievals(rule) for rule in group.runs if group.retrievals(rule)} for group in groups]
    rules = sorted({rule for of_block in found for rule in of_block}, key=place_of)
    figure, place = page_of_rules(10.0, 3.5 * len(groups), title, caption, rules)
    place |= {"right": 1 - 0.4 / 10.0, "wspace": 0.08, "hspace": 0.38}
    rows = figure.subplots(len(groups), 2, squeeze=False, sharey=True, gridspec_kw=place)
    for (left, right), group, of_block in zip(rows, groups, found, strict=True):
        for rule, retrievals in of_block.items():
            _by_radius(left, rule, retrievals)
            depths, values = aligned([retrieval.precision_at for retrieval in retrievals])
            draw_band(right, depths, values, rule)
        left.set_title(group.title, loc="left", fontsize=9.5, color=INK, pad=8)
        left.set_xlim(-0.02, 1.02)
        right.set_xscale("log")
        right.set_xlim(0.92, max(2.0, 1.1 * right.dataLim.x1))
        right.xaxis.set_major_formatter("{x:,.0f}")
        left.set_ylabel("precision")
        left.set_xlabel("recall, by Hamming radius")
        right.set_xlabel("N, the first items of the ranking")
        for axes in (left, right):
            quiet(axes, "y")
    highest = max(axes.dataLim.y1 for axes in rows.flat)
    rows.flat[0].set_ylim(0, 1.06 * max(highest, 0.01))
    save(figure, file)


def _by_radius(axes: Any, rule: str, retrievals: Sequence[RetrievalCurves]) -> None:
    """Draw a point per radius at the mean recall and precision of the seeds."""
    radii, precisions = aligned([retrieval.precision for retrieval in retrievals])
    _, recalls = aligned([retrieval.recall for retrieval in retrievals])
    places, marked = np.nanmean(recalls, axis=0), radii == MARKED
    draw_band(axes, places, precisions, rule)
    axes.scatter(places[marked], np.nanmean(precisions[:, marked], axis=0), s=34, color=colour_of(rule), edgecolor="white", zorder=4)
