"""The page in a browser: what is drawn, what a click, an upload and a bad file do, and that nothing else is asked."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager

import pytest
import uvicorn
from PIL import Image

from biodeephashing.commands.search_serve import listen, service_of
from biodeephashing.commands.searching.searched_run import SearchedRun
from biodeephashing.data import load_fold, load_texts
from biodeephashing.search.service import application

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.browser


@contextmanager
def served(*runs):
    """Serve runs on a free port, and give the address."""
    with listen("127.0.0.1", 0) as listening:
        app = application(service_of([SearchedRun(run).warmed() for run in runs]))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def address(run, other):
    """Two runs of images."""
    with served(run, other) as address:
        yield address


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_person_searches(address, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    Image.new("RGB", (300, 200), (180, 60, 60)).save(tmp_path / "red wall.png")
    Image.new("RGB", (32, 32), (60, 60, 180)).save(tmp_path / "blue.png")
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam")
    asked, complaints = [], []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))

        def until(true: str) -> None:  # asks again and again from here: the page itself may not evaluate what it is sent
            for _ in range(400):
                if page.evaluate(true):
                    return
                page.wait_for_timeout(50)
            raise AssertionError(f"never true: {true}")

        def drawn(count: int) -> None:
            until(f"[...document.querySelectorAll('li img')].filter(i => i.complete && i.naturalWidth).length == {count}")

        page.goto(address)
        drawn(20)
        assert page.locator("section.run h2").all_inner_texts() == ["bp", "fa"]  # not evaluated: without mAP
        assert "row=query:0" in page.url
        second = page.locator("li button").nth(1)
        source = f"database:{load_fold('TINY', 'database').paths.index(second.get_attribute('title'))}"
        second.click()
        until("location.hash.includes('id=')")
        until(f"document.querySelector('#source').textContent == '{source}'")
        drawn(20)
        page.set_input_files("#file", tmp_path / "red wall.png")
        until("document.querySelector('#source').textContent == 'red wall.png'")
        assert "scaled from 300 x 200 to 32 x 32" in page.inner_text("#note")
        drawn(20)
        dropped = page.evaluate_handle(
            "bytes => { const all = new DataTransfer(); all.items.add(new File([new Uint8Array(bytes)], 'blue.png')); return all; }",
            list((tmp_path / "blue.png").read_bytes()),
        )
        page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
        until("document.querySelector('#source').textContent == 'blue.png'")
        drawn(20)
        assert complaints == []
        page.set_input_files("#file", tmp_path / "letter.txt")
        page.wait_for_selector("#say.fault")
        assert "not an image" in page.inner_text("#say")
        page.goto(f"{address}#row=query:5&k=7")
        page.reload()
        drawn(14)
        browser.close()
    assert [url for url in asked if not url.startswith((address, "blob:" + address))] == []
    assert all("400" in text for text in complaints)  # Chromium notes the refused upload


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_person_searches_with_texts(pairs):
    playwright = pytest.importorskip("playwright.sync_api")
    complaints = []
    with served(pairs) as address, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}#row=query:1&k=5")
        page.wait_for_selector("li img")
        page.fill("#text", "red ball <b>")
        page.press("#text", "Enter")
        page.wait_for_selector("#words:has-text('red ball <b>')")  # as it was written
        assert "'b'" in page.inner_text("#note") or "vocabulary" in page.inner_text("#note")
        assert page.locator("li img").count() == 5
        page.select_option("#in", "text")
        page.wait_for_selector("li .text")
        assert "in=text" in page.url
        first = page.locator("li .text").first.inner_text()
        assert first in load_texts("PAIRS", "database").texts
        page.locator("li button").first.click()
        page.wait_for_selector("#source:has-text('text')")
        assert page.inner_text("#words") == first
        assert "of=text" in page.url
        assert page.locator("li .text").count() == 5
        browser.close()
    assert complaints == []
