"""The folder that new results are made in: it goes, and so does what a killed process left, but never that of one at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from biodeephashing.eval.records import staging

WORK = """
import sys
from pathlib import Path
from biodeephashing.eval.records import staging
with staging(Path(sys.argv[1])) as new:
    (new / "half.png").write_text("half")
    print(new, flush=True)
    sys.stdin.readline()
"""


def at_work(results: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that makes results until it is told to end, and return the folder it works in."""
    process = subprocess.Popen([sys.executable, "-c", WORK, str(results)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_the_folder_goes_even_after_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), staging(tmp_path) as new:
        (new / "half.png").write_bytes((new / "missing").read_bytes())
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_goes_and_a_process_at_work_keeps_its_own(tmp_path):
    (tmp_path / "query-prediction_mAP.json").write_text("{}")
    (tmp_path / ".hidden").mkdir()  # somebody else's
    killed, left = at_work(tmp_path)
    busy, own = at_work(tmp_path)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    with staging(tmp_path):
        assert not left.exists()
        assert (own / "half.png").exists()  # must not be disturbed
    busy.communicate("end\n")
    assert busy.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "query-prediction_mAP.json"]
