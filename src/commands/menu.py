"""Which commands there are, and the entrance that each of them leads to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..data.catalogue import NAMES, declared
from ..errors import UsageError, unknown_name
from ..runs import METHODS, check_method

PACKAGE = "biodeephashing"
COMMANDS = {
    "prepare": "make a dataset of downloaded or own images: prepare CIFAR_10, prepare FOLDER PATH, prepare lists NAME ...",
    "download": "download a public dataset to data/raw/: download CIFAR_10",
    "doctor": "examine the images and labels of a prepared dataset",
    "train": "train a network to hash images",
    "predict": "write the codes of a trained run",
    "encode": "write codes of any number of images in shards, by a trained run",
    "rotate": "rotate the codes of finished runs, each of which gives a run of its own: rotate H2Q -p RUN ...",
    "evaluate": "measure how well the codes of runs retrieve",
    "compare": "compare the learning rules of an experiment, or two runs query by query",
    "study": "train, predict, evaluate and compare a grid of runs",
    "evaluate-codes": "measure how well anybody's codes retrieve",
    "baselines": "measure codes of images and texts that need no network",
    "shorten": "measure shorter codes made of the bits of a SCAHN run",
    "new-loss": "write a file with a loss of images and texts of your own, which trains as it stands",
    "search-index": "build or change the index that searches a run's codes",
    "query": "find the images that are nearest to an image, a row or a code",
    "serve": "search on a page in the browser, or by HTTP; several runs side by side",
    "export": "export a trained network to ONNX and torch.export, or as an MLflow model",
    "infer": "make codes of images by an exported network, without PyTorch",
    "list": "list all runs: method, loss, rule, status, mAP and disk; -prune frees some of it",
}
_PER_DATASET = {"prepare": "process", "download": "download"}
_PER_METHOD = ("train", "predict", "study")
_ENTRANCES = {
    "doctor": "data.doctor",
    "encode": "models.encode",
    "rotate": "models.rotation.entrance",
    "evaluate": "eval.eval_map",
    "evaluate-codes": "eval.eval_codes",
    "compare": "eval.compare",
    "baselines": "models.CrossModal.baselines",
    "shorten": "models.CrossModal.shorten",
    "new-loss": "models.CrossModal.new_method",
    "search-index": "search.index",
    "query": "search.query",
    "serve": "search.serve",
    "export": "search.export",
    "infer": "search.infer",
    "list": "models.list",
}


def help_for(words: Sequence[str]) -> str | None:
    """Return the menu that a command line asks for: of all commands, or of what can be prepared or downloaded; None for another one.

    Example:
        >>> print(help_for([]).splitlines()[0])
        usage: biodeephashing COMMAND ...
        >>> print(help_for(["download", "-h"]).splitlines()[0])
        usage: biodeephashing download NAME ...
    """
    if words and words[0] != "help" and words[-1] not in ("-h", "--help"):
        return None
    if len(words) < 2 or words[0] == "help":
        return _menu()
    if len(words) == 2 and words[0] in _PER_DATASET:
        names = ", ".join(_names(words[0]))
        return (
            f"usage: {PACKAGE} {words[0]} NAME ...\n\n{COMMANDS[words[0]]}\n\nNAME is one of: {names}\n-h, --help after it lists its flags."
        )
    return None


def _menu() -> str:
    return "\n".join(
        (
            f"usage: {PACKAGE} COMMAND ...",
            "\nImages go in, binary codes come out; the rule that carries the error backwards is what changes.\n",
            *(f"  {name:<16}{words}" for name, words in COMMANDS.items()),
            f"\n{', '.join(_PER_METHOD)} take a method as first word, one of: {', '.join(METHODS)}; without it {next(iter(METHODS))}.",
            "-h, --help after a command lists its flags; --version names the version.",
        )
    )


def entrance_of(words: Sequence[str]) -> tuple[str, str, list[str]]:
    """Return where an entrance is, as ``module:function``, the command's name, and the words that are left for it.

    Args:
        words: a command line, at least one word.

    Raises:
        UnknownNameError: for an unknown command, dataset or method.
        UsageError: if the name of a dataset is missing.

    Example:
        >>> entrance_of(["train", "PenaltyStrategies", "-ep", "5"])
        ('biodeephashing.models.entrances:train', 'train', ['PenaltyStrategies', '-ep', '5'])
        >>> entrance_of(["prepare", "DIGITS"])
        ('biodeephashing.data.process.DIGITS:main', 'prepare DIGITS', [])
    """
    command, *rest = words
    if command not in COMMANDS:
        raise unknown_name("command", command, COMMANDS)
    if command in _PER_DATASET:
        return _dataset_entrance(command, rest)
    if command in _PER_METHOD:
        if rest and not rest[0].startswith("-"):
            check_method(rest[0])
        return f"{PACKAGE}.models.entrances:{command}", command, rest
    return f"{PACKAGE}.{_ENTRANCES[command]}:main", command, rest


def _dataset_entrance(command: str, rest: Sequence[str]) -> tuple[str, str, list[str]]:
    names = _names(command)
    if not rest or rest[0].startswith("-"):
        raise UsageError(f"{command} needs a name first: {', '.join(names)} (`{PACKAGE} {command} NAME -h` lists the flags)")
    if rest[0] not in names:
        raise unknown_name(f"dataset to {command}", rest[0], names)
    package, title = f"{PACKAGE}.data.{_PER_DATASET[command]}", f"{command} {rest[0]}"
    return (f"{package}.{rest[0]}:main", title, list(rest[1:])) if rest[0] in _scripts(command) else (f"{package}:main", title, list(rest))


def _names(command: str) -> list[str]:
    """Return the names that a command takes: those of its scripts, and those of datasets that make do without a script."""
    flags = {"prepare": "PREPARE_FLAGS", "download": "DOWNLOAD_FLAGS"}[command]
    return sorted({*_scripts(command), *(name for name in NAMES if flags in declared(name))})


def _scripts(command: str) -> set[str]:
    return {path.stem for path in (Path(__file__).parents[1] / "data" / _PER_DATASET[command]).glob("[!_]*.py")}
