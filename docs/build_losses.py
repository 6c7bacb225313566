"""Write the reference page of the losses, ``docs/losses.md``, from ``losses.template.md`` and the docstrings of the registries."""

from __future__ import annotations

import inspect
import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from biodeephashing.losses import LOSSES, PENALTIES, HashingLoss, Penalty, keywords_of
from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES, CrossModalLoss

Entry = type[HashingLoss] | type[Penalty] | type[CrossModalLoss]
HEADINGS = ("References", "Args", "Raises", "Example")
# GitHub reads Markdown's escapes and bars before it reads a formula: what they would spoil is spelt out.
SPELT = {
    r"\\": r"\cr ", r"\|": r"\Vert ", r"\{": r"\lbrace ", r"\}": r"\rbrace ", r"\,": r"\thinspace ", r"\;": r"\thickspace ",
    r"\!": r"\negthinspace ", "|": r"\vert ", "<": r"\lt ", ">": r"\gt ", "*": r"\ast ",
}  # fmt: skip


def page() -> str:
    """Return the page as Markdown."""
    text = Path(__file__).with_name("losses.template.md").read_text("utf-8")
    for place, registry in (("losses", LOSSES), ("penalties", PENALTIES), ("cross-modal losses", CROSSMODAL_LOSSES)):
        names = sorted(registry, key=str.lower)
        table = _overview([(name, registry[name]) for name in names])
        sections = "\n\n".join(_section(name, registry[name]) for name in names)
        text = text.replace(f"<!-- table of {place} -->", table).replace(f"<!-- sections of {place} -->", sections)
    return text


def _overview(entries: list[tuple[str, Entry]]) -> str:
    columns = ["name", "in one sentence"]
    if issubclass(entries[0][1], HashingLoss):
        columns += ["relaxation", "constants (default)", "`penalty`"]
    elif issubclass(entries[0][1], CrossModalLoss):
        columns += ["towers learn", "`-similarity jaccard`", "constants (default)"]
    rows = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for name, entry in entries:
        cells = [f"[`{name}`](#{name.lower()})", _prose(_parts(entry)[""][0])]
        if issubclass(entry, HashingLoss):
            cells += [_relaxation(entry), _listed(entry), "weighs" if entry.has_penalty else "no effect"]
        elif issubclass(entry, CrossModalLoss):
            cells += ["in turn" if entry.alternates else "together", "taken" if entry.graded else "refused", _listed(entry)]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _listed(entry: type[HashingLoss] | type[CrossModalLoss]) -> str:
    return ", ".join(f"`{key}`" + ("" if default is None else f" ({_value(default)})") for key, default in _constants(entry).items())


def _section(name: str, entry: Entry) -> str:
    parts = _parts(entry)
    blocks = [f"### {name}", *(_block(paragraph) for paragraph in parts[""])]
    if issubclass(entry, (HashingLoss, CrossModalLoss)):
        meanings = _arguments(parts["Args"])
        if constants := _constants(entry):
            rows = [f"| `{key}` | {_value(default)} | {_prose(meanings[key])} |" for key, default in constants.items()]
            blocks.append("\n".join(["| constant | default | meaning |", "|---|---|---|", *rows]))
        remark = re.sub(r"^see :class:`\w+`[;.]? ?", "", meanings["shared"])
        remarks = [f"Relaxation: {_relaxation(entry)}"] if issubclass(entry, HashingLoss) else []
        remarks += [_prose(remark)] if remark else []
        blocks += [" ".join(map(_sentence, remarks))] if remarks else []
    blocks.append("*" + _prose(" ".join(parts["References"])) + "*")
    return "\n\n".join(blocks)


def _parts(entry: type) -> dict[str, list[str]]:
    """Return the paragraphs of a docstring by heading; those above any heading under the empty one."""
    found: dict[str, list[str]] = {"": []}
    heading = ""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(entry.__doc__ or "")):
        first, _, rest = paragraph.partition("\n")
        if first.rstrip(":") in HEADINGS:
            heading, paragraph = first.rstrip(":"), inspect.cleandoc(rest)
        found.setdefault(heading, []).append(paragraph)
    return found


def _arguments(paragraphs: list[str]) -> dict[str, str]:
    """Return the meaning of each argument by its name."""
    entries = re.split(r"\n(?=\S)", "\n".join(paragraphs))
    named = (entry.partition(":") for entry in entries)
    return {name.strip("* "): " ".join(text.split()) for name, _, text in named}


def _constants(entry: type[HashingLoss] | type[CrossModalLoss]) -> dict[str, Any]:
    shared = keywords_of(CrossModalLoss if issubclass(entry, CrossModalLoss) else HashingLoss)
    return {key: default for key, default in keywords_of(entry).items() if key not in shared}


def _relaxation(entry: type[HashingLoss]) -> str:
    return entry.own_relaxation.replace("|", r"\|") or "tanh"


def _value(default: Any) -> str:
    if default is None:
        return "derived"
    return str(default).lower() if isinstance(default, bool) else f"{default:g}" if isinstance(default, float) else str(default)


def _block(paragraph: str) -> str:
    """Return a paragraph, or its formula, as Markdown."""
    if paragraph.startswith(".. math::"):
        return "$$\n" + _tex(" ".join(paragraph.removeprefix(".. math::").split())) + "\n$$"
    return _prose(paragraph)


def _prose(text: str) -> str:
    """Return running text as Markdown in one line."""
    text = " ".join(text.split()).replace("|", r"\|")
    text = re.sub(r":math:`([^`]*)`", lambda found: f"${_tex(found[1].replace(chr(92) + '|', '|'))}$", text)
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text)
    return text.replace("``", "`")


def _tex(formula: str) -> str:
    """Return a formula that survives being read as Markdown."""
    pieces = re.split(r"(\\(?:left|right|[bB]igg?[lrm]?)\||\\\\|\\[|{},;!]|[|<>*])", formula)
    return " ".join("".join(SPELT.get(piece, piece) for piece in pieces).split())


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].rstrip(".") + "."


if __name__ == "__main__":
    ArgumentParser(description=__doc__).parse_args()
    Path(__file__).with_name("losses.md").write_text(page(), "utf-8")
