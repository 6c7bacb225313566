"""What all figures share: the page with its style sheet, colors of the learning rules, names that fit."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...registry import names_on_disk
from ...runs import replacing
from ..significance.over_seeds import BASELINE, FROZEN

# Okabe and Ito's palette, which colour-blind readers can tell apart; dark grey is the baseline's.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7A5C00", "#8A2BE2")
_PALETTE_OF_MAPS = ("#3B4FA0", "#A63A50", "#2F6B3C", "#8C5A9E", "#B5651D", "#1F7A8C", "#6B6B1F")
INK, FAINT_INK = "#222222", "#777777"
RELEVANT, IRRELEVANT = "#009E73", "#D55E00"
DASHED = (0, (4, 3))
_REFERENCES: dict[str, dict[str, Any]] = {
    BASELINE: {"color": "#3C3C3C", "linestyle": "-"}, FROZEN: {"color": FAINT_INK, "linestyle": DASHED},
}  # fmt: skip
_STYLES = ("--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), "-")
_STYLE_OF_MAPS = (0, (9, 2))
_RULES = [name for name in names_on_disk("bio", "RULES") if name != BASELINE]
_SHEET = Path(__file__).with_name("figures.mplstyle")
WIDTH = 9.0  # inches of a page
LONGEST = 40  # letters of a rule, or of a map of rules, that are shown
_FINE_PRINT, _LINE = 15.4, 0.165  # letters an inch and inches a line of the caption


@contextmanager
def page(file: Path, height: float, title: str, caption: str, width: float = WIDTH) -> Iterator[Any]:
    """Open a page for panels, with a title above and a caption below them; at the end its file is written whole or not at all.

    Args:
        file: the PNG to write.
        height: of what is drawn, inches.
        title: one line.
        caption: everything that must be stated beside the metrics.
        width: inches.
    """
    lines = textwrap.wrap(caption, int(width * _FINE_PRINT), break_long_words=False)
    with rc_context(fname=_SHEET), replacing(file) as temporary:
        figure = Figure(figsize=(width, height + 0.6 + _LINE * len(lines)), layout="constrained")
        FigureCanvasAgg(figure)
        left = 0.15 / width
        figure.suptitle(title, x=left, ha="left")
        figure.supxlabel("\n".join(lines), x=left, ha="left", color="#555555", linespacing=1.3)
        yield figure.subfigures()  # what is outside the panels of an inner figure keeps clear of the title and the caption
        figure.savefig(temporary, format="png")


def legend(figure: Any, handles: Sequence[Any]) -> None:
    """Write a legend above the panels, as wide as the page.

    Args:
        figure: what :func:`page` gives.
        handles: the lines and marks that it names.
    """
    figure.legend(handles=handles, loc="outside upper left", ncols=_columns(handles))


def legend_height(handles: Sequence[Any]) -> float:
    """Return how high the legend of some handles is [inches]."""
    return 0.23 * -(-len(handles) // _columns(handles))


def _columns(handles: Sequence[Any]) -> int:
    return min(len(handles), int(WIDTH / (0.64 + 0.08 * max(len(handle.get_label()) for handle in handles))))


def colour_of(rule: str) -> str:
    """Return the colour of a learning rule, the same in every figure.

    Example:
        >>> colour_of("bp")
        '#3C3C3C'
    """
    if rule in _REFERENCES:
        return _REFERENCES[rule]["color"]
    palette = _PALETTE if rule in _RULES else _PALETTE_OF_MAPS
    return palette[_place_of(rule) % len(palette)]


def pen_of(rule: str) -> dict[str, Any]:
    """Return colour and style of a learning rule's lines, the same in every figure.

    Example:
        >>> pen_of("bp")
        {'color': '#3C3C3C', 'linestyle': '-'}
    """
    style = _STYLES[_place_of(rule) % len(_STYLES)] if rule in _RULES else _STYLE_OF_MAPS
    return _REFERENCES.get(rule, {"color": colour_of(rule), "linestyle": style})


def place_of(rule: str) -> tuple[bool, bool, int]:
    """Return what rules are ordered by, the same in every figure: the baseline first, and last what is frozen.

    Example:
        >>> sorted(["usf", "frozen", "fa", "bp"], key=place_of)
        ['bp', 'fa', 'usf', 'frozen']
    """
    return rule != BASELINE, rule == FROZEN, _place_of(rule)


def _place_of(rule: str) -> int:
    """Return a number that a rule keeps whatever else is drawn."""
    return _RULES.index(rule) if rule in _RULES else sum(map(ord, rule))


def shortened(name: str, length: int) -> str:
    """Return a name of at most that length, by leaving out its middle.

    Example:
        >>> shortened("stages.3.fuse_layers.0.2.0", 16)
        'stages.…rs.0.2.0'
    """
    if len(name) <= length:
        return name
    head = (length - 1) // 2
    return f"{name[:head]}…{name[head + 1 - length :]}"


def heading(name: str, width: int) -> str:
    """Return a name as one line, or two of at most that many letters, broken after commas and colons.

    Example:
        >>> heading("features.*=frsf,*=usf", 16)
        'features.*=frsf,\\n*=usf'
    """
    lines = textwrap.wrap(re.sub(r"([,:])(?! )", r"\1 ", name), width) if len(name) > width else [name]
    return "\n".join([lines[0], *([shortened(" ".join(lines[1:]), width)] if lines[1:] else [])])
