"""Ctrl-C in the moment of a fork, or while PyTorch is imported: not lost, and nothing is cut through."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from biodeephashing.interrupts import defer_interrupts
from biodeephashing.runs import processed_folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")

FORKING = {
    "cache": 'ImageFold(fold, "none", cache=True)',
    "workers": 'print(len(list(loader(ImageFold(fold, "none"), batch_size=4, num_workers=2))), "batches")',
}
SCRIPT = """
import os, signal, sys
from biodeephashing.data import ImageFold, load_fold, loader
from biodeephashing.data.images import _cache
from biodeephashing.errors import guard

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell started in the background

def work():
    fold = load_fold(sys.argv[1], "train")
    _cache._MANY, _cache._processors = 1, lambda: 3
    signals = [signal.{name}]
    os.register_at_fork({when}=lambda: signals and os.kill(os.getpid(), signals.pop()))
    {forking}
    print("went on")

raise SystemExit(guard(work))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "when", "name"),
    [
        ("cache", "before", "SIGINT"),
        ("cache", "after_in_parent", "SIGTERM"),
        ("workers", "before", "SIGTERM"),
        ("workers", "after_in_parent", "SIGINT"),
    ],
)
def test_a_signal_in_a_hook_of_the_fork_stops_the_command(tiny_database: str, where: str, when: str, name: str) -> None:
    script = SCRIPT.format(when=when, name=name, forking=FORKING[where])
    done = subprocess.run([sys.executable, "-c", script, tiny_database], capture_output=True, text=True, timeout=900, check=False)
    assert done.stdout == ""
    assert done.stderr == "interrupted; the same command goes on from the last finished epoch or file\n"
    assert done.returncode == 130
    assert not list((processed_folder(tiny_database) / "cache").glob("*.npy"))


IMPORTING = """
import os, signal, sys
from biodeephashing.errors import guard
from biodeephashing.models.PenaltyStrategies.{entrance} import main

signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder:
    def find_spec(self, name, *_):
        if name == "torch.nn":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
status = guard(lambda: main(sys.argv[1:]))
print(status, "biodeephashing.{module}" in sys.modules)
"""


@pytest.mark.parametrize(("entrance", "module"), [("train", "models.PenaltyStrategies.method"), ("predict", "models.predictions")])
def test_imports_are_done_first(tiny_database: str, entrance: str, module: str) -> None:
    script = IMPORTING.format(entrance=entrance, module=module)
    command = [sys.executable, "-c", script, "-exp", "x", "-db", tiny_database, "-loss", "DCH", "-arch", "lenet", "-nbits", "8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.stdout == "130 True\n"
    assert done.stderr == "interrupted; the same command goes on from the last finished epoch or file\n"


@pytest.fixture
def said() -> Iterator[list[int]]:
    """The signals that the usual handlers were told of."""
    numbers: list[int] = []
    usual = {number: signal.signal(number, lambda got, _: numbers.append(got)) for number in (signal.SIGINT, signal.SIGTERM)}
    yield numbers
    for number, handler in usual.items():
        signal.signal(number, handler)


def test_a_first_one_waits_and_a_second_does_not(said: list[int]) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with defer_interrupts():
        signal.raise_signal(signal.SIGTERM)
        assert said == []
        signal.raise_signal(signal.SIGINT)
        assert said == [signal.SIGINT]
    assert said == [signal.SIGINT, signal.SIGTERM]
    assert signal.getsignal(signal.SIGINT) is handler


def test_without_a_signal_nothing_happens(said: list[int]) -> None:
    with pytest.raises(KeyError), defer_interrupts():
        raise KeyError
    assert said == []


def in_a_child(work: Callable[[], int]) -> int:
    """Return the exit status of a forked process."""
    child = os.fork()
    if child == 0:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_process_ignores_ctrl_c_and_ends_by_sigterm(said: list[int]) -> None:
    def work() -> int:
        signal.raise_signal(signal.SIGINT)
        before = list(said)
        signal.raise_signal(signal.SIGTERM)
        return 7 if (before, said) == ([], [signal.SIGTERM]) else 1

    with defer_interrupts():
        assert in_a_child(work) == 7


def test_what_the_system_does_stays_its_own() -> None:
    usual = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with defer_interrupts():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, usual)


def test_another_thread_leaves_signals_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with defer_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
