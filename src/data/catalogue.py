"""Which public datasets there are, and what their scripts write; read from the files of ``sets/`` without importing them.

``-h`` must answer before NumPy could be imported, and a misspelt name should not cost that import either.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import UsageError, unknown_name
from ..settings.strict_parser import command_line

NAMES = tuple(sorted(path.stem for path in (Path(__file__).parent / "sets").glob("[!_]*.py") if path.stem != "dataset"))
OWN_FRACTIONS, OWN_SEED = "train=0.5,val=0.1,query=0.1", 0  # how own images are split by default
MAT_PROTOCOLS = ("torchcmh", "rows")  # how items of MATLAB files are divided
MAT_SIZES, MAT_SEED = "train=10000,val=1000,query=2000", 6
TEXT_WEIGHTS = ("binary", "unit", "tfidf", "centred")  # how a bag of words is weighted
CAPTIONS = ("first", "all")  # of several
LIST_SOURCES = ("train", "query", "database")  # folds that lists must name


@lru_cache
def declared(name: str) -> Mapping[str, Any]:
    """Return the constants of a dataset's file that are literals; of ``PROTOCOLS``, whose values are not, the names.

    Example:
        >>> declared("CIFAR_10")["PROTOCOLS"], declared("CIFAR_10")["DOWNLOAD_FLAGS"]
        (('CIFAR_10', 'cifar10', 'cifar10-1', 'cifar10-2', 'cifar10-small'), {'-from': {}, '-url': {}})
    """
    constants: dict[str, Any] = {}
    for node in ast.parse((Path(__file__).parent / "sets" / f"{name}.py").read_text("utf-8")).body:
        match node:
            case ast.Assign([ast.Name("PROTOCOLS")], ast.Dict(keys)):
                constants["PROTOCOLS"] = tuple(ast.literal_eval(key) for key in keys if key)
            case ast.AnnAssign(ast.Name("DOWNLOAD_FLAGS" | "PREPARE_FLAGS" as constant), _, ast.Dict() as value):
                constants[constant] = ast.literal_eval(value)
            case ast.Assign([ast.Name("DOWNLOAD_NOTE" as constant)], value):
                constants[constant] = ast.literal_eval(value)
    return constants


def protocols_of(name: str) -> tuple[str, ...]:
    """Return the datasets that the script of a public dataset writes, the default first; a prepared dataset is named after its protocol.

    Example:
        >>> protocols_of("VOC2012")
        ('VOC2012', 'voc2012')
    """
    return tuple(declared(name)["PROTOCOLS"])


def prepared_names() -> list[str]:
    """Return all datasets that the scripts write."""
    return [protocol for name in NAMES for protocol in protocols_of(name)]


def script_of(database: str) -> str | None:
    """Return the script that writes a dataset, None for one that no script writes.

    Example:
        >>> script_of("cifar10-2")
        'CIFAR_10'
    """
    return next((name for name in NAMES if database in protocols_of(name)), None)


def command_for(database: str) -> str | None:
    """Return the command that prepares a dataset, None where there is none.

    Example:
        >>> command_for("cifar10-2")
        'python src/data/process/CIFAR_10.py -protocol cifar10-2'
    """
    name = script_of(database)
    if name is None:
        return None
    return command_line(f"src/data/process/{name}.py") + ("" if protocols_of(name)[0] == database else f" -protocol {database}")


def check_protocol(name: str, protocol: str) -> None:
    """Check that a public dataset has a protocol.

    Raises:
        UnknownNameError: naming the nearest one and all.
    """
    if protocol not in protocols_of(name):
        raise unknown_name(f"protocol of {name}", protocol, protocols_of(name))


def check_own_name(name: str) -> None:
    """Check that somebody's own dataset can have a name.

    Raises:
        UsageError: if it is no directory name, or that of a dataset which a script prepares.
    """
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise UsageError(f"{name!r} cannot be the name of a dataset: letters, digits and . _ + - are legal")
    if script := script_of(name):
        raise UsageError(f"{name} is what src/data/process/{script}.py prepares: choose another name")
