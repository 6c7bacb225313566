"""The documentation builds as a site without a warning, loads nothing from elsewhere, and all of its links lead somewhere."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
MODULES = ("bio", "losses", "codes", "codes.codebooks", "codes.rotations", "codes.solvers", "eval", "models.encoder", "data")
LOADING = {
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
}
pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page loads, where its links lead, and what can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.add(values.get("id", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if LOADING.get(tag) in values:
            self.loaded.append(values[LOADING[tag]])


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """Every page of the site by its file."""
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", str(ROOT / "docs"), str(site)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path: Page(path) for path in site.rglob("*.html")}


def is_elsewhere(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https")


def test_no_page_loads_anything_from_elsewhere(pages: dict[Path, Page]) -> None:
    assert [(path.name, address) for path, page in pages.items() for address in page.loaded if is_elsewhere(address)] == []
    (site,) = {path.parent for path in pages if path.name == "index.html"}
    styles = [
        (path.name, address) for path in site.rglob("*.css") for address in addresses_of(path.read_text("utf-8")) if is_elsewhere(address)
    ]
    assert styles == []


def addresses_of(style: str) -> Iterator[str]:
    """Yield what a style sheet loads."""
    for match in re.finditer(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""", style):
        yield match[1] or match[2]


def test_links_within_the_site_lead_somewhere(pages: dict[Path, Page]) -> None:
    lost = []
    for path, page in pages.items():
        for address in (link for link in page.links + page.loaded if not is_elsewhere(link)):
            parts = urlsplit(address)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = target.exists() and (not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].anchors)
            if not there:
                lost.append((path.name, address))
    assert lost == []


@pytest.mark.parametrize("name", MODULES)
def test_the_reference_has_every_public_name(pages: dict[Path, Page], name: str) -> None:
    module = importlib.import_module(f"biodeephashing.{name}")
    own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__ and callable(value)]
    public = getattr(module, "__all__", None) or [key for key in own if not key.startswith("_")]
    anchors = set().union(*(page.anchors for page in pages.values()))
    assert [key for key in public if f"{module.__name__}.{key}" not in anchors] == []


def test_formulas_are_mathml(pages: dict[Path, Page]) -> None:
    """A half, ``\\tfrac12``, is a fraction of 1 and 2, and no formula is left as LaTeX."""
    (losses,) = (path for path in pages if path.name == "losses.html" and path.parent.name != "api")
    text = losses.read_text("utf-8")
    assert re.search(r"<mfrac[^>]*>\s*<mn>1</mn>\s*<mn>2</mn>\s*</mfrac>", text)
    assert "<mn>12</mn>" not in text
    assert not re.search(r"\$\$|\\(frac|sum|operatorname)", text)


def test_every_page_is_reached_from_the_index(pages: dict[Path, Page]) -> None:
    (index,) = (path for path in pages if path.name == "index.html")
    linked = {(index.parent / urlsplit(link).path).resolve() for link in pages[index].links if not is_elsewhere(link)}
    written = {path for path in pages if path.name not in ("index.html", "genindex.html", "search.html", "py-modindex.html")}
    assert written <= linked
