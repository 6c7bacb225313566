"""A web server with one file or several, that behaves as badly as it is told to."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable
from dataclasses import dataclass

Manner = Callable[["Handler", bytes, int], None]


def whole(handler: Handler, body: bytes, start: int) -> None:
    """Serve what is requested."""
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
    """Serve everything, whatever part is requested."""
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


def redirecting(location: str) -> Manner:
    """Send on to another address."""
    return lambda handler, body, start: handler.head(302, 0, {"Location": location})


def page(status: int = 200) -> Manner:
    """Serve a page for people in place of the file."""

    def manner(handler: Handler, body: bytes, start: int) -> None:
        text = b"<html><body>We are sorry.</body></html>"
        handler.head(status, len(text), {"Content-Type": "text/html; charset=utf-8"})
        handler.wfile.write(text)

    return manner


def without_length(handler: Handler, body: bytes, start: int) -> None:
    """Send everything, say nothing about its length, and hang up."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(body)


def chunked(last: bool) -> Manner:
    """Send everything in chunks, with or without the empty one that says that this was all."""

    def manner(handler: Handler, body: bytes, start: int) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(body), body) + (b"0\r\n\r\n" if last else b""))

    return manner


def together(count: int) -> Manner:
    """Answer no request before so many are waiting."""
    barrier = threading.Barrier(count, timeout=600)

    def manner(handler: Handler, body: bytes, start: int) -> None:
        barrier.wait()
        whole(handler, body, start)

    return manner


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: FlakyServer = self.server  # type: ignore[assignment]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        server.starts.append(start)
        server.paths.append(self.path)
        if self.path in server.files:
            body, manners = server.files[self.path]
            (manners.pop(0) if manners else whole)(self, body, start)
        elif server.files:
            page(404)(self, b"", start)
        else:
            (server.manners.pop(0) if server.manners else whole)(self, server.body, start)

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
    paths: list[str]
    files: dict[str, tuple[bytes, list[Manner]]]
    over: threading.Event

    def handle_error(self, request: object, client_address: object) -> None:
        """The client may hang up; that is part of the test."""


@dataclass
class Site:
    """A web server with one file, or several; ``manners`` says how it treats one request after the other, well after the last."""

    server: FlakyServer
    url: str

    def serve(self, body: bytes, *manners: Manner) -> str:
        self.server.body, self.server.manners, self.server.starts, self.server.paths, self.server.files = body, list(manners), [], [], {}
        return self.url

    def serve_files(self, files: dict[str, bytes], manners: dict[str, list[Manner]] | None = None) -> str:
        """Serve several files under their names, and a page with status 404 for any other; return the address of their folder."""
        self.serve(b"")
        self.server.files = {f"/{name}": (body, list((manners or {}).get(name, []))) for name, body in files.items()}
        return self.url.rpartition("/")[0]

    @property
    def starts(self) -> list[int]:
        """First byte of each request so far."""
        return self.server.starts

    @property
    def requested(self) -> list[str]:
        """Path of each request so far, without the slash."""
        return [path.removeprefix("/") for path in self.server.paths]
