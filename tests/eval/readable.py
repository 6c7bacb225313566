"""Whether a figure can be read: no text covers another or leaves the page, and no panel covers another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def check_readable(figure: Figure) -> None:
    texts = [(text.get_text(), text.get_window_extent()) for text in _shown(figure)]
    for text, box in texts:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, f"{text!r} leaves the page"
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, f"{text!r} leaves the page"
    for (one, first), (other, second) in combinations(texts, 2):
        assert not _cover(first, second), f"{one!r} covers {other!r}"
    panels = [axes.get_window_extent() for axes in figure.axes]
    assert all(box.width > 40 and box.height > 40 for box in panels if box.width > 30), "a panel is squeezed"
    assert not any(_cover(first, second) for first, second in combinations(panels, 2)), "panels cover each other"


def _shown(figure: Figure) -> Iterator[Text]:
    """Yield every text that is drawn; an axis also has labels of ticks beyond its ends, and these are not."""
    axes = figure.findobj(Axis)
    labels = {id(label) for axis in axes for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()] for label in tick.findobj(Text)}
    yield from (text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip() and id(text) not in labels)
    for axis in axes:
        low, high = sorted(axis.get_view_interval())
        visible = axis.axes.axison and axis.get_visible()
        ticks = [tick for tick in axis.get_major_ticks() if visible and low <= tick.get_loc() <= high]
        labels_shown = [label for tick in ticks for label in (tick.label1, tick.label2)]
        yield from (label for label in labels_shown if label.get_visible() and label.get_text().strip())


def _cover(one: Bbox, other: Bbox) -> bool:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return width > 1 and height > 1
