"""Which version of these sources a run was made with."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path


@lru_cache
def git_commit() -> str:
    """Return the commit of the checkout these sources lie in, with "-dirty" after it when files were changed."""
    package = Path(__file__).resolve().parents[1]
    ask = ["git", "-C", str(package), "rev-parse", "--show-toplevel"]
    name = ["git", "-C", str(package), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        top = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        if Path(top).resolve() / "src" != package:  # installed into an environment inside somebody else's checkout
            return "unknown"
        return subprocess.run(name, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
