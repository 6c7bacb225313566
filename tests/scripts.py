"""Scripts run as commands, without the seconds that a process of their own needs to import PyTorch."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest


def run_script(script: str | Path, *arguments: str) -> int:
    """Run a file as ``python FILE`` does, but in this process, and return its exit status; what it prints is for ``capsys``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(script), run_name="__main__")
    return int(ended.value.code or 0)
