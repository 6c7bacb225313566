"""What the scripts of ``process/`` write: the table behind ``-protocol`` and behind what is said about sets that are not there."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import UsageError, unknown_name

# Script, which is also the name of the download -> data sets it writes, the default first; a data set is named after its split.
SETS: Mapping[str, tuple[str, ...]] = {
    "CIFAR_10": ("CIFAR_10", "cifar10", "cifar10-1", "cifar10-2"),
    "DIGITS": ("DIGITS",),
    "ImageNet": ("ImageNet_test", "imagenet100"),
    "MIRFLICKR25K": ("MIRFLICKR25K", "mirflickr"),
    "MS_COCO": ("MS_COCO", "coco", "coco-hashnet"),
    "NUS_WIDE": ("NUS_WIDE", "nuswide_21", "nuswide_21_m", "nuswide_81"),
    "VOC2012": ("VOC2012", "voc2012"),
}

OWN_FRACTIONS, OWN_SEED = "train=0.5,val=0.1,query=0.1", 0  # how own images are split when nothing else is given
LIST_SOURCES = ("train", "query", "database")  # folds that lists must name


def script_of(database: str) -> str | None:
    """Return the script that writes a data set, None for one that is nobody's.

    Example:
        >>> script_of("cifar10-2")
        'CIFAR_10'
    """
    return next((script for script, databases in SETS.items() if database in databases), None)


def command_for(database: str) -> str | None:
    """Return the command that prepares a data set, None where there is none.

    Example:
        >>> command_for("cifar10-2")
        'python src/data/process/CIFAR_10.py -protocol cifar10-2'
    """
    script = script_of(database)
    if script is None:
        return None
    default = SETS[script][0] == database
    return f"python src/data/process/{script}.py" + ("" if default else f" -protocol {database}")


def check_protocol(script: str, protocol: str) -> None:
    """Raise the error for a split that a script does not write.

    Raises:
        UnknownNameError: naming the nearest one and all.
    """
    if protocol not in SETS[script]:
        raise unknown_name(f"protocol of {script}", protocol, SETS[script])


def check_own_name(name: str) -> None:
    """Raise the error for a name that somebody's own data set cannot have.

    Raises:
        UsageError: when it is no folder name, or that of a set which a script prepares.
    """
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise UsageError(f"{name!r} cannot be the name of a data set: letters, digits and . _ + - are legal")
    if script := script_of(name):
        raise UsageError(f"{name} is what src/data/process/{script}.py prepares: choose another name")
