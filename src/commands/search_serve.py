"""Serve the page and the HTTP API of search."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from argparse import Namespace
from collections.abc import Sequence
from io import BytesIO
from socket import gethostname
from typing import Any

import uvicorn

from ..errors import RunError, UsageError
from ..eval.records.code_files import current_predictions
from ..runs import runs_of
from ..runs.files import read_json
from ..search.parsers import MOST_RUNS
from ..search.results import Result
from ..search.service import SearchOptions, ServedRun, Service, application
from ..settings import FOLDS
from .searching.exported import image_of
from .searching.question import Query, Question
from .searching.searched_run import SearchedRun, stored_image
from .sharded.index import check_unused_of_shards, open_parts

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERYWHERE = ("", "0.0.0.0", "::")  # the service answers to its own names only


def from_arguments(arguments: Namespace) -> int:
    """Serve what ``serve.py`` asks for until Ctrl-C.

    Raises:
        UsageError: for runs of several datasets, or a port that is taken.
        BioDeepHashingError: if a run cannot be used.
    """
    runs = list(dict.fromkeys(run for handle in arguments.path for run in runs_of(handle)))
    if len(runs) > MOST_RUNS:
        raise UsageError(f"{len(runs)} runs do not fit on a page: give at most {MOST_RUNS}")
    databases = {run.database for run in runs}
    if len(databases) > 1:
        raise UsageError(f"the runs are of several datasets ({', '.join(sorted(databases))}), whose rows cannot be compared")
    if arguments.database is None:
        check_unused_of_shards(arguments)
    elif len(runs) > 1:
        raise UsageError("-database names images that one run encoded: give one -p")
    if arguments.host in _EVERYWHERE:
        raise UsageError(f"-host {arguments.host} is no name that others could call: give this machine's own, as in -host {gethostname()}")
    listening = listen(arguments.host, arguments.port)
    with listening:
        if arguments.database is None:
            searched = [SearchedRun(run).warmed() for run in runs]
        else:
            searched = [SearchedRun(runs[0], database=open_parts(runs[0], arguments.database, partial=arguments.partial)).warmed()]
        service = service_of(searched, () if arguments.host in _LOOPBACK else (arguments.host.lower(),))
        address = f"http://{f'[{arguments.host}]' if ':' in arguments.host else arguments.host}:{listening.getsockname()[1]}/"
        if arguments.host not in _LOOPBACK:
            print(f"warning: with -host {arguments.host} anybody on the network can look at the images", file=sys.stderr)
        print(f"{address}  (Ctrl-C ends it)\nas JSON: curl --data-binary @IMAGE '{address}api/search?k=10'")
        if all("text" in one.views for one in searched):
            print(f"with a text: curl '{address}api/search?text=WORD+WORD&k=10'")
        if not arguments.no_browser and _has_desktop():
            threading.Timer(1.0, webbrowser.open, [address]).start()
        server = uvicorn.Server(uvicorn.Config(application(service), log_level="warning", access_log=False, server_header=False))
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:
            print("ended")
    return 0


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UsageError: naming a free port, when the port is taken; and for an address that is not of this machine.
    """
    try:
        return _bound(host, port)
    except OSError as error:
        try:
            with _bound(host, 0) as free:
                number = free.getsockname()[1]
        except OSError:
            raise UsageError(f"-host {host} is no address of this machine: {error.strerror}") from error
        raise UsageError(f"port {port} cannot be used ({error.strerror}): -port {number} is free") from error
    except OverflowError as error:
        raise UsageError(f"-port {port} is not possible: it must be at most 65535") from error


def service_of(runs: Sequence[SearchedRun], hosts: Sequence[str] = ()) -> Service:
    """Return what the page and the API serve for some runs of one dataset."""
    first = runs[0]
    folds = {fold: size for fold in FOLDS if (size := first.prepared.split.sizes.get(fold)) and _is_predicted(runs, fold)}

    def row_image(fold: str, row: int) -> Any:
        return image_of(first.prepared.fold(fold).image(row))

    return Service(first.prepared.split.caption, folds, [_served(run) for run in runs], row_image, hosts)


def _served(searched: SearchedRun) -> ServedRun:

    def of_item(number: int, view: str) -> Query:
        index = searched.index(view)
        item = index.item(number)
        if item.fold is not None:
            return searched.row(f"{item.fold}:{item.row}", view)
        return Query(item.path, index.code(number), labels=item.labels if item.labels.any() else None, path=item.path)

    def by_path(path: str, options: SearchOptions) -> Result:
        number = searched.index(options.of).find(path)
        if number is None:
            raise RunError(f"this {options.of} is not in the index of this run")
        return ask(of_item(number, options.of), options)

    def ask(query: Query, options: SearchOptions) -> Result:
        return searched.answer(query, Question(k=options.k, view=options.view))

    def by_image(body: bytes, options: SearchOptions) -> Result:
        image = image_of(BytesIO(body), "that was sent")
        return ask(searched.image("the image that was sent", image), options)

    return ServedRun(
        facts=_facts(searched),
        by_row=lambda text, options: ask(searched.row(text, options.of), options),
        by_id=lambda number, options: ask(of_item(number, options.of), options),
        by_path=by_path,
        by_image=by_image,
        by_text=lambda text, options: ask(searched.text(text), options),
        path_of=lambda number, view: searched.index(view).item(number).path,
        image=lambda number: stored_image(searched.index().item(number).path),
    )


def _facts(searched: SearchedRun) -> dict[str, Any]:
    """Return what the page says of a run."""
    run, hparams = searched.run, searched.hparams
    result, index = run.evaluation_file("query"), searched.index()
    is_of_index = searched.database is None and result.is_file()
    measured = read_json(result).get("mAP_expected") if is_of_index else None
    return {
        "run": index.facts.run,
        "method": run.method,
        "rule": str(hparams.get("mode", run.method)),
        "loss": hparams.get("loss", run.method),
        "arch": hparams.get("architecture", ""),
        "seed": hparams.get("seed"),
        "bits": index.facts.bits,
        "items": len(index),
        "distinct": index.distinct,
        "checkpoint": index.facts.checkpoint,
        "views": list(searched.views),
        "mAP": measured,
        "dataset": run.database,
    }


def _is_predicted(runs: Sequence[SearchedRun], fold: str) -> bool:
    return all(fold in current_predictions(searched.run).folds for searched in runs)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError):
        listening.close()
        raise
    return listening


def _has_desktop() -> bool:
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
