"""A web server with one file, that behaves as badly as it is told to."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable
from dataclasses import dataclass

Manner = Callable[["Handler", bytes, int], None]


def whole(handler: Handler, body: bytes, start: int) -> None:
    """Serve what was asked for."""
    if start >= len(body):
        handler.head(416, 0, {"Content-Range": f"bytes */{len(body)}"})
        return
    handler.head(206 if start else 200, len(body) - start, {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {})
    handler.wfile.write(body[start:])


def breaking_after(count: int) -> Manner:
    """Announce everything, send some bytes and hang up."""

    def manner(handler: Handler, body: bytes, start: int) -> None:
        handler.head(
            206 if start else 200, len(body) - start, {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        )
        handler.wfile.write(body[start : start + count])

    return manner


def without_ranges(handler: Handler, body: bytes, start: int) -> None:
    """Serve everything, whatever part was asked for."""
    handler.head(200, len(body), {})
    handler.wfile.write(body)


def wrong_part(handler: Handler, body: bytes, start: int) -> None:
    """Answer a request for the rest with the beginning."""
    handler.head(206, len(body), {"Content-Range": f"bytes 0-{len(body) - 1}/{len(body)}"})
    handler.wfile.write(body)


def claiming(length: int) -> Manner:
    """Lie about the length."""

    def manner(handler: Handler, body: bytes, start: int) -> None:
        handler.head(200, length, {})
        handler.wfile.write(body)

    return manner


def corrupt(handler: Handler, body: bytes, start: int) -> None:
    """Serve the right number of wrong bytes."""
    whole(handler, bytes(len(body)), start)


def answering(status: int) -> Manner:
    """Refuse with a status."""
    return lambda handler, body, start: handler.head(status, 0, {})


def stalling(handler: Handler, body: bytes, start: int) -> None:
    """Announce everything and send nothing until the test is over."""
    handler.head(200, len(body), {})
    handler.server.over.wait(10)  # type: ignore[attr-defined]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: FlakyServer = self.server  # type: ignore[assignment]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        server.starts.append(start)
        manner = server.manners.pop(0) if server.manners else whole
        manner(self, server.body, start)

    def head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class FlakyServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    body: bytes
    manners: list[Manner]
    starts: list[int]
    over: threading.Event

    def handle_error(self, request: object, client_address: object) -> None:
        """The client may hang up; that is part of the test."""


@dataclass
class Site:
    """A web server with one file; ``manners`` says how it treats one request after the other, well after the last."""

    server: FlakyServer
    url: str

    def serve(self, body: bytes, *manners: Manner) -> str:
        self.server.body, self.server.manners, self.server.starts = body, list(manners), []
        return self.url

    @property
    def starts(self) -> list[int]:
        """First byte of each request so far."""
        return self.server.starts
