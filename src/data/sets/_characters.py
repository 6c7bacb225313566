"""What kind of character a code point is: 25 labels from its range and its properties in the Unicode character database, not its name."""

from __future__ import annotations

import unicodedata

# Ranges of code points. A script takes only letters, marks and numbers in its ranges, a group of symbols everything in them.
_SCRIPTS = {
    "latin": "0041-007A 00C0-02AF 1D00-1D25 1D6B-1D77 1D79-1DBF 1E00-1EFF 2C60-2C7F A720-A7FF FB00-FB06",
    "greek": "0370-03FF 1D26-1D2A 1F00-1FFF",
    "cyrillic": "0400-052F 1D2B-1D2B 1D78-1D78 A640-A69F",
    "armenian": "0530-058F FB13-FB17",
    "georgian": "10A0-10FF 2D00-2D2F",
    "hebrew": "0590-05FF FB1D-FB4F",
    "arabic": "0600-06FF 0750-077F FB50-FDFF FE70-FEFF 1EE00-1EEFF",
    "syllabics": "1400-167F",
    "other script": "07C0-07FF 0E80-0EFF 1680-169F 2D30-2D7F A4D0-A4FF 10300-1032F",
}
_SYMBOLS = {
    "braille": "2800-28FF",
    "lines and blocks": "2500-259F",
    "arrow": "2190-21FF 2794-27BE 27F0-27FF 2900-297F 2B00-2B11 2B45-2B46",
    "shape": "25A0-25FF 2B12-2B44 2B47-2B55",
    "mathematics": "2200-22FF 27C0-27EF 2980-2AFF 1D400-1D7FF",
    "game": "1F030-1F0FF 2654-2667 2680-2685 26C0-26C3",
    "divination": "2630-2637 268A-268F 4DC0-4DFF 1D300-1D35F",
    "face": "2639-263B 1F600-1F64F",
}
_PROPERTIES = ("punctuation", "number", "symbol", "capital", "small", "combining", "accented", "raised or lowered")
LABELS = (*_SCRIPTS, *_SYMBOLS, *_PROPERTIES)
_RANGES = [
    (label, int(ends.partition("-")[0], 16), int(ends.partition("-")[2], 16))
    for label, ranges in {**_SCRIPTS, **_SYMBOLS}.items()
    for ends in ranges.split()
]
_GEORGIAN = range(0x10D0, 0x1100)  # letters without case, which Unicode counts as small


def labels_of(code: int) -> set[str]:
    """Return the labels of a code point.

    Example:
        >>> sorted(labels_of(ord("Å"))), sorted(labels_of(ord("½"))), sorted(labels_of(ord("→")))
        (['accented', 'capital', 'latin'], ['number'], ['arrow'])
    """
    character = chr(code)
    category = unicodedata.category(character)
    group = next((label for label, first, last in _RANGES if first <= code <= last), None)
    if group in _SCRIPTS and category[0] not in "LMN":
        group = None
    facts = {
        "mathematics": group is None and category == "Sm",
        "punctuation": category[0] == "P",
        "number": category[0] == "N",
        "symbol": group is None and category[0] not in "PNM" and category != "Sm",
        "capital": category in ("Lu", "Lt"),
        "small": category == "Ll" and code not in _GEORGIAN,
        "combining": category[0] == "M",
        "accented": _is_accented(character),
        "raised or lowered": category == "Lm" or unicodedata.decomposition(character).startswith(("<super>", "<sub>")),
    }
    return {label for label, holds in facts.items() if holds} | ({group} if group else set())


def _is_accented(character: str) -> bool:
    parts = unicodedata.decomposition(character).split()
    return bool(parts) and not parts[0].startswith("<") and any(unicodedata.category(chr(int(part, 16)))[0] == "M" for part in parts)
