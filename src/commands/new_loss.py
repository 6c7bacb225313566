"""Write a file with a cross-modal loss of one's own, which trains as it stands."""

from __future__ import annotations

from argparse import Namespace
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

from ..errors import UsageError
from ..settings.strict_parser import command_line

TEMPLATE = Path(__file__).parents[1] / "models" / "CrossModal" / "_template.py"


def new_loss(name: str, folder: Path) -> Path:
    """Write a documented loss to ``NAME.py``, and return the file.

    Args:
        name: name of the file and of the class in it.
        folder: where it goes.

    Raises:
        UsageError: for a name that no class can have, or a file or module that is there already.
    """
    file = folder / f"{name}.py"
    if not name.isidentifier() or iskeyword(name):
        raise UsageError(f"{name!r} is no name of a class: letters, digits and _, and no digit first")
    if file.exists():
        raise UsageError(f"{file} is there already and was not changed: choose another name")
    if find_spec(name) is not None:
        raise UsageError(f"{name} is the name of a Python module: choose another one")
    text = TEMPLATE.read_text("utf-8").replace("FILE.py", file.name).replace("Template", name)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text)
    return file


def from_arguments(arguments: Namespace) -> None:
    """Write the file that ``new_method.py`` names to the working directory, and print the command that trains with it."""
    file = new_loss(arguments.name, Path())
    train = command_line("src/models/CrossModal/train.py")
    print(f"written: {file}\nnext: {train} -exp first -db GLYPHS -loss {file}:{arguments.name} -nbits 32 -arch lenet -trf dataset -ep 12")
