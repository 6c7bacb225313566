"""Standard streams that are closed or that nobody reads any more, and a user without a home directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from biodeephashing.surroundings import Launch, launch, settle, stand_alone

COMMAND = """
import os, subprocess, sys, warnings
from biodeephashing.errors import guard
from biodeephashing.surroundings import has_terminal

def main():
    with open(sys.argv[1], "w") as file:  # the first file that is opened, under the lowest number that is free
        for line in range(3):
            print(line)
            sys.stderr.write("a line\\n")
        warnings.warn("a warning")
        for number in 1, 2:
            try:
                os.write(number, b"a C library")
            except BrokenPipeError:
                pass
        subprocess.run(["echo", "a child process"], check=True)
        file.write(f"{sys.stdin.read()}{has_terminal()}")
    return 3

raise SystemExit(guard(main))
"""

# Which of 0 (input), 1 (output) and 2 (error) are closed, and which lead to a pipe without a reader.
STREAMS = [([0], []), ([1], []), ([2], []), ([0, 1, 2], []), ([], [1]), ([], [1, 2]), ([0, 2], [1])]


def test_a_command_ends_as_usual_whatever_its_streams_lead_to(tmp_path: Path) -> None:
    file = tmp_path / "file"
    reader, unread = os.pipe()
    os.close(reader)
    for closed, broken in STREAMS:
        said = tmp_path / "said"
        with said.open("w") as log:
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, str(file)],
                stdin=subprocess.DEVNULL,
                stdout=unread if 1 in broken else log,
                stderr=unread if 2 in broken else log,
                preexec_fn=lambda closed=closed: [os.close(number) for number in closed],
                check=False,
            )
        assert (file.read_text(), done.returncode) == ("False", 3), (closed, broken)
        assert "Error" not in said.read_text(), (closed, broken)
    os.close(unread)


def test_a_full_disk_is_reported_once() -> None:
    with Path("/dev/full").open("w") as full:
        command = "from biodeephashing.errors import guard; raise SystemExit(guard(lambda: print('a line')))"
        done = subprocess.run([sys.executable, "-c", command], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_an_interrupted_line_is_written_once() -> None:
    command = """
import time
from biodeephashing.errors import guard

def main():
    for line in range(20):
        try:
            print(line)
            time.sleep(5)
        except KeyboardInterrupt:
            pass

guard(main)
"""
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:  # interrupts the command while it writes
            process.send_signal(signal.SIGINT)
            said.append(int(line))
    assert said == list(range(20))


def test_a_user_without_a_home_gets_one_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lent = tmp_path / f"biodeephashing-{os.getuid()}"
    for missing in ("~", str(tmp_path / "gone")):  # neither HOME nor an entry for the user, and a directory that is not there
        monkeypatch.setenv("HOME", missing)
        settle()
        assert (os.environ["HOME"], lent.stat().st_mode & 0o777) == (str(lent), 0o700)
    lent.rename(tmp_path / "own")
    lent.symlink_to(tmp_path / "own")  # what somebody else may have put there
    monkeypatch.setenv("HOME", "~")
    settle()
    assert Path(os.environ["HOME"]).is_dir()
    assert os.environ["HOME"] != str(lent)
    monkeypatch.setenv("HOME", str(tmp_path / "own"))
    settle()
    assert os.environ["HOME"] == str(tmp_path / "own")


REDIRECTED = """
import os, subprocess, sys
from pathlib import Path
from biodeephashing.surroundings import redirected_libraries, settle

if sys.argv[2] == "settled":
    settle()
with redirected_libraries(Path(sys.argv[1])):
    os.write(2, b"a C library, ")
    subprocess.run("printf 'a child process' >&2", shell=True, check=True)
    sys.stderr.write("Python, ")
sys.stderr.write("Python after, ")
sys.stderr.flush()
os.write(2, b"a C library after")
"""


@pytest.mark.parametrize("stream", ["settled", "as it is"])
def test_libraries_write_to_a_file_and_python_where_it_did(tmp_path: Path, stream: str) -> None:
    log = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", REDIRECTED, str(log), stream], capture_output=True, text=True, check=True)
    assert done.stderr == "Python, Python after, a C library after"
    assert log.read_text() == "a C library, a child process"


def test_a_process_of_a_node_that_srun_started_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_STEP_TASKS_PER_NODE": "1(x2)"}.items():
        monkeypatch.setenv(name, value)
    assert launch() == Launch("srun", 1, 2, 1)
    stand_alone()
    assert launch() == Launch()
