"""The reference page of the losses: written from their docstrings, complete, readable; its example runs."""

import importlib.util
import re
from pathlib import Path

import pytest
from many_cases import each_case

from biodeephashing.losses import LOSSES, PENALTIES, HashingLoss, keywords_of
from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES, CrossModalLoss

ENTRIES = {**LOSSES, **PENALTIES, **CROSSMODAL_LOSSES}

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "losses.md").read_text("utf-8")


@pytest.fixture(scope="module")
def builder():
    spec = importlib.util.spec_from_file_location("build_losses", DOCS / "build_losses.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(name):
    return re.search(rf"^### {name}$(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE)[1]


def test_the_page_is_current(builder):
    assert builder.page() == PAGE, "run make docs"


def test_no_name_stands_for_two_entries():
    assert len(ENTRIES) == len(LOSSES) + len(PENALTIES) + len(CROSSMODAL_LOSSES)


@each_case("name", ENTRIES)
def test_every_entry_has_a_row_and_a_section(name):
    entry, text = ENTRIES[name], section(name)
    assert PAGE.count(f"| [`{name}`](#{name.lower()}) |") == 1
    assert text.count("$$") >= 2
    title = re.search(r"References:\s+(.*?) \(", entry.__doc__, re.DOTALL)[1]
    assert " ".join(title.split()) in text
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| [`{name}`]"))
    shared = keywords_of(CrossModalLoss if name in CROSSMODAL_LOSSES else HashingLoss)
    for constant in keywords_of(entry).keys() - shared.keys():
        assert f"`{constant}`" in row
        assert f"| `{constant}` | " in text
    if name in LOSSES:
        assert row.endswith("| weighs |" if entry.has_penalty else "| no effect |")


def test_nothing_of_a_docstring_s_own_notation_is_left():
    prose = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
    for mark in (":math:", ":class:", ":func:", ":meth:", ".. math", "``", "<!--", "self."):
        assert mark not in prose.replace("`self.", "`"), mark


def test_formulas_survive_markdown():
    """What Markdown takes for an escape, a cell's end or a tag would not reach the formula."""
    for formula in re.findall(r"^\$\$\n(.*?)\n\$\$$", PAGE, re.MULTILINE):
        assert not re.search(r"\\[\\{},;!|]|[<>*]", formula), formula
        assert formula.count("{") == formula.count("}")
        assert formula.count(r"\left") == formula.count(r"\right")
    for line in PAGE.splitlines():
        if line.startswith("|"):
            assert not re.search(r"\$[^$]*(?<!\\)\|[^$]*\$ ", line.replace(" | ", " ¦ ")), line


def test_cells_fit_their_tables():
    columns = 0
    for line in PAGE.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) - 1 if line.startswith("|") else 0
        assert cells == columns or 0 in (cells, columns), line
        columns = cells


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (r"\|z\|^2", r"\Vert z\Vert ^2"),
        (r"\left| a \right|", r"\left| a \right|"),
        (r"|a| < b", r"\vert a\vert \lt b"),
        (r"\{1, \, 2\} \\ 3", r"\lbrace 1, \thinspace 2\rbrace \cr 3"),
        (r"\bigl|\, |z| \bigr|", r"\bigl|\thinspace \vert z\vert \bigr|"),
    ],
)
def test_how_formulas_are_spelt(builder, formula, expected):
    assert builder._tex(formula) == expected


def python_of(page):
    return re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def test_the_example_of_the_page_runs():
    for usage in python_of(PAGE):
        exec(usage, {})
