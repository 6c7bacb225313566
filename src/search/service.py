"""The HTTP service of search: a page, and the few requests that it and other programs make.

It depends on indexes and answers only; the functions that encode and decode images are arguments.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from ..errors import BioDeepHashingError, DataError, RunError, UsageError
from ..modalities import MODALITIES
from .results import Result

MOST_BYTES = 10 * 2**20  # of an uploaded image
MOST_LETTERS = 1000  # of a text
MOST_NEIGHBOURS = 200
MOST_WAITING = 16  # uploads and texts that wait for the one that is encoded
_SIDE = 512  # pixels of an image that is sent
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#222"/>'
    '<path d="M3 11V5h2v6zm4 0V5h2v6zm4 0V5h2v6z" fill="#fff"/></svg>'
)
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class SearchOptions:
    """What to search for.

    Args:
        k: how many neighbours.
        view: what is searched for, "image" or "text".
        of: which view of a row, or of an item, is the query.
    """

    k: int = 10
    view: str = "image"
    of: str = "image"


@dataclass(frozen=True)
class ServedRun:
    """A run that answers.

    Args:
        facts: what the page says of it: rule, loss, arch, bits, items, views, mAP, dataset.
        by_row: answers a row, given as ``FOLD:ROW``.
        by_id: answers an item of its index.
        by_path: answers the item with a path; what it raises where there is none is a RunError.
        by_image: answers the bytes of an image file.
        by_text: answers a text.
        path_of: returns the path of an item of the index of a view.
        image: decodes the image of an item of the index of images.
    """

    facts: Mapping[str, Any]
    by_row: Callable[[str, SearchOptions], Result]
    by_id: Callable[[int, SearchOptions], Result]
    by_path: Callable[[str, SearchOptions], Result]
    by_image: Callable[[bytes, SearchOptions], Result]
    by_text: Callable[[str, SearchOptions], Result]
    path_of: Callable[[int, str], str]
    image: Callable[[int], Image.Image]


@dataclass(frozen=True)
class Service:
    """What is served.

    Args:
        dataset: of all runs.
        folds: how many rows each fold has whose images may be asked for.
        runs: those that answer, side by side.
        row_image: decodes the image of a row, given as fold and number.
        hosts: further names by which the service may be called.
    """

    dataset: str
    folds: Mapping[str, int]
    runs: Sequence[ServedRun]
    row_image: Callable[[str, int], Image.Image]
    hosts: Sequence[str] = ()


class _RefusedError(Exception):
    """A refused request: an HTTP status and one line."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Turn:
    """Does the work of one request after the other, since a forward pass uses all cores, and refuses it where too many wait."""

    def __init__(self) -> None:
        self.turn, self.waiting = threading.Lock(), threading.BoundedSemaphore(MOST_WAITING + 1)

    def __call__(self, work: Callable[[], Response]) -> Response:
        if not self.waiting.acquire(blocking=False):
            raise _RefusedError(503, f"{MOST_WAITING} queries are waiting already: try again in a moment")
        try:
            with self.turn:
                return work()
        finally:
            self.waiting.release()


def application(service: Service) -> FastAPI:
    """Return the application that serves."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    page = (Path(__file__).parent / "page.html").read_text("utf-8")
    headers = {"Content-Security-Policy": _policy(page), "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    in_turn = _Turn()

    @app.middleware("http")
    async def guarded(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        if _host_of(request) not in (*_LOCAL, *service.hosts):
            return _refusal(400, "this name is not that of the service", headers)
        response = await answer(request)
        response.headers.update(headers)
        return response

    _handle_errors(app, headers)

    @app.get("/")
    def show_page() -> Response:
        return HTMLResponse(page)

    @app.get("/icon.svg")
    def show_icon() -> Response:
        return Response(_ICON, media_type="image/svg+xml")

    @app.get("/api/runs")
    def list_runs() -> Response:
        return JSONResponse({"dataset": service.dataset, "folds": service.folds, "runs": [dict(run.facts) for run in service.runs]})

    @app.get("/api/search")
    def search(request: Request) -> Response:
        parameters, options = request.query_params, _options(request)
        if "text" in parameters:
            text = parameters["text"]
            if len(text) > MOST_LETTERS:
                raise _RefusedError(413, f"a text may have at most {MOST_LETTERS:,} letters")
            return in_turn(lambda: _answered(service, lambda run: run.by_text(text, options), options, None))
        if "row" in parameters:
            image = f"/api/image/{parameters['row'].replace(':', '/')}"
            return _answered(service, lambda run: run.by_row(parameters["row"], options), options, image)
        number, own = _number("id", parameters.get("id", ""), 0), _number("run", parameters.get("run", "0"), 0, len(service.runs) - 1)
        path = service.runs[own].path_of(number, options.of)

        def ask(run: ServedRun) -> Result:
            return run.by_id(number, options) if run is service.runs[own] else run.by_path(path, options)

        return _answered(service, ask, options, f"/api/image/{number}?run={own}")

    @app.post("/api/search")
    async def search_image(request: Request) -> Response:
        options = _options(request)
        body = await _body_of(request)
        return await run_in_threadpool(in_turn, lambda: _answered(service, lambda run: run.by_image(body, options), options, None))

    _serve_images(app, service)
    return app


def _handle_errors(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Answer every error with its status and one line."""

    @app.exception_handler(_RefusedError)
    async def refused(request: Request, error: _RefusedError) -> Response:
        return _refusal(error.status, str(error), headers)

    @app.exception_handler(BioDeepHashingError)
    async def failed(request: Request, error: BioDeepHashingError) -> Response:
        return _refusal(400 if isinstance(error, (UsageError, DataError)) else 404, _without_paths(str(error)), headers)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        return _refusal(error.status_code, str(error.detail), headers)


def _serve_images(app: FastAPI, service: Service) -> None:
    """Send images of the index of a run, and of rows of the dataset."""

    @app.get("/api/image/{number}")
    def item_image(number: str, request: Request) -> Response:
        run = _number("run", request.query_params.get("run", "0"), 0, len(service.runs) - 1)
        return _sent(service.runs[run].image(_number("id", number, 0)))

    @app.get("/api/image/{fold}/{row}")
    def fold_image(fold: str, row: str) -> Response:
        if fold not in service.folds:
            raise _RefusedError(404, f"no rows of {fold[:40]!r} are served; those of {', '.join(service.folds)} are")
        return _sent(service.row_image(fold, _number("row", row, 0, service.folds[fold] - 1)))


def _options(request: Request) -> SearchOptions:
    parameters = request.query_params
    views = {name: parameters.get(name, "image") for name in ("in", "of")}
    for name, view in views.items():
        if view not in MODALITIES:
            raise _RefusedError(400, f"{name} must be {' or '.join(MODALITIES)}")
    return SearchOptions(_number("k", parameters.get("k", "10"), 1, MOST_NEIGHBOURS), views["in"], views["of"])


def _answered(service: Service, ask: Callable[[ServedRun], Result], options: SearchOptions, image: str | None) -> Response:
    """Return the answers of all runs; one that does not know the query says so in place of its neighbours."""
    runs: list[dict[str, Any]] = []
    query: dict[str, Any] = {}
    for number, run in enumerate(service.runs):
        started = time.perf_counter()
        try:
            result = ask(run)
        except RunError as error:
            if len(service.runs) == 1:
                raise
            runs.append(dict(run.facts) | {"fault": _without_paths(str(error))})
            continue
        record = result.record() | {"milliseconds": round(1000 * (time.perf_counter() - started), 1), "ties": result.ties}
        of_query = {key: record.pop(key) for key in ("source", "classes", "note", "text")}
        query = query or of_query | {"image": None if of_query["text"] else image}
        for neighbour in record["neighbours"]:
            neighbour["image"] = f"/api/image/{neighbour['id']}?run={number}" if options.view == "image" else None
        runs.append(dict(run.facts) | record)
    return JSONResponse({"query": query, "runs": runs})


async def _body_of(request: Request) -> bytes:
    """Read the body, up to the limit."""
    too_large = _RefusedError(413, f"an image may have at most {MOST_BYTES // 2**20} MiB")
    if int(request.headers.get("content-length", "0") or 0) > MOST_BYTES:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise too_large
    if not body:
        raise _RefusedError(400, "an image is to be sent as the body of the request")
    return bytes(body)


def _sent(image: Image.Image) -> Response:
    """Return an image as it is sent: re-encoded, so that no file is ever sent as it is."""
    image = image.convert("RGB")
    image.thumbnail((_SIDE, _SIDE))
    kind, stream = ("PNG" if max(image.size) <= 128 else "JPEG"), BytesIO()
    image.save(stream, kind, **({} if kind == "PNG" else {"quality": 88}))
    return Response(stream.getvalue(), media_type=f"image/{kind.lower()}", headers={"Cache-Control": "private, max-age=600"})


def _number(name: str, text: str, least: int, most: int = 2**47) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16 and least <= int(text) <= most):
        limits = f"from {least} to {most}" if most < 2**47 else f"of at least {least}"
        raise _RefusedError(400, f"{name} must be a whole number {limits}")
    return int(text)


def _host_of(request: Request) -> str:
    """Return the name by which the service was called, without the port: a page of another name that leads here is refused."""
    return re.sub(r":\d+$", "", request.headers.get("host", "")).lower()


def _refusal(status: int, message: str, headers: Mapping[str, str]) -> Response:
    return JSONResponse({"error": message.splitlines()[0] if message else "refused"}, status, headers=dict(headers))


def _without_paths(message: str) -> str:
    """Return a message without directories, which must not be visible on the network; a file's own name stays."""
    return re.sub(r"(?<![\w.])(?:/[^\s/:,;)'\"]+)+/", "", message)


def _policy(page: str) -> str:
    """Return what the page may do: run its own script and style, and ask this service; nothing else."""
    hashes = {
        tag: f"'sha256-{base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()}'"
        for tag in ("script", "style")
        if (match := re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL))
    }
    return (
        f"default-src 'self'; script-src {hashes['script']}; style-src {hashes['style']}; img-src 'self' blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
