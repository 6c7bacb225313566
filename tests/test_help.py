"""Every command of the repository answers ``-h`` at once: what takes seconds to import waits until it is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "examples", "benchmarks")
COMMANDS = sorted(
    str(path.relative_to(ROOT))
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if '\nif __name__ == "__main__":' in path.read_text("utf-8")
)
HEAVY = {
    *("kaggle", "lightning", "matplotlib", "mlflow", "numba", "numpy", "pandas", "PIL", "requests"),
    *("scipy", "sklearn", "timm", "ray", "torch", "torchmetrics", "torchvision", "yaml"),
}
PROBE = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path[0] = sys.argv[0].rpartition("/")[0]  # as it is for a script
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("imported:", *sys.modules, file=sys.stderr)
"""


def test_the_commands_are_found():
    assert {Path(command).parts[0] for command in COMMANDS} == set(FOLDERS)
    assert {"src/models/PenaltyStrategies/train.py", "examples/new_rule.py", "benchmarks/losses.py"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_flags_and_imports_nothing_heavy(command, tmp_path):
    asked = [sys.executable, "-c", PROBE, (ROOT / command).as_posix(), "-h"]
    done = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"BIODEEPHASHING_HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
    assert "-h, --help" in done.stdout
    said, _, imported = done.stderr.partition("imported: ")
    assert said == ""
    # a tenth of a second, and all of their functions need it
    allowed = {"numpy"} if command in ("benchmarks/evaluation.py", "benchmarks/search.py", "benchmarks/shards.py") else set()
    assert HEAVY & set(imported.split()) <= allowed
    assert list(tmp_path.iterdir()) == []
