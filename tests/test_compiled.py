"""Work in parts: all of it once, in threads that stay, and errors that come out."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from numba.core.compiler_lock import global_compiler_lock

from biodeephashing._compiled import chunked, kernel


def test_ctrl_c_waits_until_a_loop_is_compiled():
    """While LLVM works, an exception in what it calls would be printed and lost."""
    kernel(lambda x: x)
    said = []

    def work() -> None:
        with global_compiler_lock, global_compiler_lock:  # a loop that calls another
            signal.raise_signal(signal.SIGINT)
            said.append("compiled")
        said.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert said == ["compiled"]


@pytest.mark.parametrize(("count", "together", "threads"), [(0, 4, 3), (1, 4, 3), (7, 1, 2), (100, 7, 4), (100, 200, 4), (9, 3, 1)])
def test_everything_is_done_once(count, together, threads):
    seen = []
    chunked(seen.append, count, together, threads)
    assert sorted(i for part in seen for i in range(part.start, part.stop)) == list(range(count))
    assert all(0 < part.stop - part.start <= together for part in seen)


def test_threads_work_together_and_wait_for_more():
    together = threading.Barrier(3, timeout=600)

    def work(part: slice) -> None:
        names.add(threading.current_thread().name)
        together.wait()  # nobody gets past it alone

    seen = []
    for _ in range(3):
        names: set[str] = set()
        chunked(work, 3, 1, threads=3)
        seen.append(names)
    assert len(seen[0]) == 3
    assert seen[0] == seen[1] == seen[2]
    assert threading.current_thread().name in seen[0]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_error_comes_out_and_nothing_more_is_begun(elsewhere):
    begun, caller = [], threading.current_thread()

    def work(part: slice) -> None:
        begun.append(part)
        if (threading.current_thread() is not caller) is elsewhere:
            raise ValueError(f"part {part.start}")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="part"):
        chunked(work, 10**6, 1, threads=2)
    assert len(begun) < 10**6
    done = len(begun)
    chunked(lambda part: None, 10, 1, threads=2)  # the threads are there for the next one
    assert len(begun) == done


def test_nobody_waits_for_threads_that_work_for_another():
    busy, go_on, told = threading.Barrier(3, timeout=600), threading.Event(), []

    def work(part: slice) -> None:
        busy.wait()
        told.append(go_on.wait(10))  # in vain, if the caller below waited for these threads

    other = threading.Thread(target=chunked, args=(work, 2, 1, 2))
    other.start()
    busy.wait()  # the one helper there is has begun
    chunked(lambda part: None, 10, 1, threads=2)
    go_on.set()
    other.join()
    assert told == [True, True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_a_forked_process_has_threads_of_its_own():
    chunked(lambda part: None, 10, 1, threads=3)
    child = os.fork()
    if child == 0:
        seen: list[slice] = []
        together = threading.Barrier(3, timeout=600)
        try:
            chunked(lambda part: (together.wait(), seen.append(part)), 3, 1, threads=3)
        finally:
            os._exit(0 if len(seen) == 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
