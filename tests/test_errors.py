"""Errors for people: nearest names, exit statuses, one message and no traceback."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import warnings

import pytest
import torch
from torch._utils import ExceptionWrapper
from torch.utils.data import DataLoader

from biodeephashing import errors
from biodeephashing.errors import (
    BioDeepHashingError,
    DataError,
    RuleError,
    RunError,
    TrackingError,
    UnknownNameError,
    UsageError,
    describe,
    guard,
    nearest,
    unknown_name,
)


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("frfs", "frsf"),
        ("FA", "fa"),
        ("bbp", "bp"),
        ("Usf", "usf"),
        ("zzzzzz", None),
        ("", None),
    ],
)
def test_nearest_rule(written, meant):
    assert nearest(written, ["bp", "fa", "frsf", "usf"]) == meant


def test_nearest_prefers_swapped_letters_over_a_wrong_one():
    assert nearest("DHC", ["DSH", "DCH"]) == nearest("DHC", ["DCH", "DSH"]) == "DCH"


def test_nearest_of_nothing():
    assert nearest("a", []) is None


def test_unknown_name_lists_all():
    error = unknown_name("loss", "DHC", ["DSH", "DCH"])
    assert str(error) == "unknown loss 'DHC': did you mean 'DCH'? Known: DCH, DSH."
    assert isinstance(error, UsageError)
    assert isinstance(error, KeyError)
    assert str(unknown_name("loss", "?", [])) == "unknown loss '?'. Known: none."


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BioDeepHashingError("m"), 1),
        (DataError("m"), 1),
        (RunError("m"), 1),
        (RuleError("m"), 1),
        (TrackingError("m"), 1),
        (UsageError("m"), 2),
        (UnknownNameError("m"), 2),
    ],
)
def test_guard_prints_the_message_and_returns_the_status(error, status, capsys):
    assert guard(raising(error)) == status
    assert capsys.readouterr() == ("", "error: m\n")


@pytest.mark.parametrize(("result", "status"), [(None, 0), ("a run", 0), (0, 0), (3, 3)])
def test_guard_after_success(result, status, capsys):
    assert guard(lambda: result) == status
    assert capsys.readouterr() == ("", "")


def test_guard_after_ctrl_c(capsys):
    assert guard(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err.startswith("interrupted; the same command goes on")


def test_guard_takes_sigterm_as_ctrl_c_and_restores_the_handler():
    before = signal.getsignal(signal.SIGTERM)
    assert guard(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_guard_outside_the_main_thread():
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(guard(raising(UsageError("m")))))
    thread.start()
    thread.join()
    assert statuses == [2]


def test_guard_on_a_full_disk(capsys):
    assert guard(raising(OSError(errno.ENOSPC, "No space left on device", "/x/last.ckpt"))) == 1
    assert capsys.readouterr().err.startswith("error: the disk is full (/x/last.ckpt); free some space")


def test_guard_on_a_full_disk_that_a_writer_reports_as_something_else(capsys):
    def command():
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos 704 vs 598")

    assert guard(command) == 1
    assert "the disk is full; free some space" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_guard_without_permission(number, capsys):
    assert guard(raising(OSError(number, os.strerror(number), "/x"))) == 1
    assert capsys.readouterr().err == f"error: no permission to read or write (/x): {os.strerror(number)}\n"


def test_guard_on_another_file_error(capsys):
    assert guard(raising(FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"))) == 1
    assert capsys.readouterr().err == "error: [Errno 2] No such file or directory: '/x'\n"


@pytest.mark.parametrize("error", [RuntimeError("defect"), ValueError("defect"), KeyError("defect")])
def test_guard_lets_defects_through(error):
    with pytest.raises(type(error)):
        guard(raising(error))


def test_guard_lets_the_help_exit_through():
    with pytest.raises(SystemExit) as caught:
        guard(lambda: sys.exit(0))
    assert caught.value.code == 0


# ---------------------------------------------------------------- data-loading workers hand errors over as text


class Broken:
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise self.error


# What a worker raises, the exit status, and how the message starts.
WORKER_ERRORS = {
    "a damaged image": (DataError("image 3 is cut off (a.png): fetch it again"), 1, "image 3 is cut off (a.png): fetch it again\n"),
    "two lines": (DataError("image 3\nis cut off"), 1, "image 3\nis cut off\n"),
    "a usage error": (UsageError("-nw 1: no"), 2, "-nw 1: no\n"),
    "an unknown name": (UnknownNameError("unknown loss 'x'. Known: none."), 2, "unknown loss 'x'. Known: none.\n"),
    "a full disk": (OSError(errno.ENOSPC, "No space left on device", "/c"), 1, "the disk is full (/c); free"),
    "a full disk while copying": (OSError(errno.ENOSPC, "No space left on device", "/a", None, "/c"), 1, "the disk is full (/c); free"),
    "a folder": (IsADirectoryError(errno.EISDIR, "Is a directory", "/c"), 1, "there is a directory where a file is needed (/c): "),
    "no permission": (PermissionError(errno.EACCES, "Permission denied", "/c"), 1, "no permission to read or write (/c): "),
    "a missing file": (FileNotFoundError(errno.ENOENT, "No such file", "/c"), 1, "[Errno 2] No such file: '/c'\n"),
}


@pytest.mark.parametrize("case", WORKER_ERRORS)
def test_an_error_handed_over_by_a_worker_is_one_message(case, capsys):
    error, status, expected = WORKER_ERRORS[case]

    def command():
        try:
            raise error
        except Exception:  # noqa: BLE001 - what a worker does with every error
            wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
        wrapped.reraise()

    assert guard(command) == status
    text = capsys.readouterr().err
    assert text.startswith(f"error: {expected}")
    assert "Traceback" not in text


def test_an_error_in_a_real_worker_is_one_message(capfd):
    assert guard(lambda: list(DataLoader(Broken(DataError("image 3 is cut off")), num_workers=1))) == 1
    assert capfd.readouterr().err == "error: image 3 is cut off\n"


def test_describe_leaves_other_texts_alone():
    assert describe(DataError("line 1\nline 2")) == "line 1\nline 2"


def test_guard_as_a_script_exits_with_the_status(tmp_path):
    script = tmp_path / "command.py"
    script.write_text(
        "from biodeephashing.errors import UsageError, guard\n"
        "def main():\n    raise UsageError('-nbits 0 is not possible')\n"
        "if __name__ == '__main__':\n    raise SystemExit(guard(main))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: -nbits 0 is not possible\n")


def test_every_error_is_one_of_ours():
    kinds = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert all(issubclass(kind, BioDeepHashingError) for kind in kinds)
    assert {kind.exit_status for kind in kinds} == {1, 2}


def test_a_killed_data_worker_is_no_traceback(capsys):
    def command():
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Terminated.")

    assert guard(command) == 1
    assert "was ended from outside" in capsys.readouterr().err


FULL = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.02 GiB is free. Process 7 has"


@pytest.mark.parametrize(
    ("error", "amount"),
    [
        (torch.OutOfMemoryError(FULL), " (20.00 GiB more needed)"),
        (RuntimeError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"), ""),
    ],
)
def test_a_full_gpu_is_no_traceback(error, amount, capsys):
    assert guard(raising(error)) == 1
    assert capsys.readouterr().err.startswith(f"error: the GPU has too little free memory{amount}: a smaller -bs")


def test_own_warnings_are_a_line_of_their_own():
    shown = []

    def command():
        shown.extend(warnings.formatwarning("no cache", UserWarning, file, 7) for file in (errors.__file__, pytest.__file__))

    before = warnings.formatwarning
    assert guard(command) == 0
    assert shown == ["warning: no cache\n", before("no cache", UserWarning, pytest.__file__, 7)]
    assert warnings.formatwarning is before


def test_a_name_that_the_terminal_cannot_show(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, encoding="cp1252"))
    assert guard(lambda: sys.stdout.writelines(["K\u00e4tzchen \u732b\n"])) == 0
    assert terminal.getvalue().split() == [b"K\xe4tzchen", b"\\u732b"]
