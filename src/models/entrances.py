"""The entrances that every method has, train, predict and study: each builds its flags of the method's own table."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..interrupts import defer_interrupts
from ..runs import DEFAULT_METHOD, check_method, refuse_foreign, run_of, settings_of
from ..settings import CommonSettings
from ..settings.flags import collect_settings, given_images, given_settings
from ..settings.parsers import predict_parser, study_parser, train_parser
from ..settings.strict_parser import StrictParser
from ..settings.yaml_file import read_config, read_yaml
from ..surroundings import launch

__all__ = ["chosen_method", "predict", "refuse_launch", "study", "train"]


def train(words: Sequence[str]) -> None:
    """Parse the command line of a training, train, and print the next commands.

    Args:
        words: a command line, its first word the method where it names one.
    """
    if launch().size == 1:
        _train(words)
        return
    with defer_interrupts():
        from ..training.launched import launched
    with launched():
        _train(words)


def _train(words: Sequence[str]) -> None:
    method, words = chosen_method(words)
    table = settings_of(method)
    arguments = _parse(train_parser(table), method, words)
    if launch().size > 1 and "devices" in table.long_names() and "devices" not in read_config(table, arguments.config):
        arguments.devices = getattr(arguments, "devices", launch().size)  # one for each process
    settings = collect_settings(table, arguments, arguments.config)
    with defer_interrupts():
        from ..commands.train import train_and_advise

    train_and_advise(settings, given_images(arguments, arguments.config), arguments.skip_unreadable)


def predict(words: Sequence[str]) -> None:
    """Parse the command line of a prediction, predict, and print the next command; arguments as in :func:`train`.

    Of several processes of a launch rank 0 alone predicts.
    """
    if launch().rank:
        return
    method, words = chosen_method(words, "-p", "--path")
    arguments = _parse(predict_parser(settings_of(method)), method, words)
    settings = prediction_settings(settings_of(method), arguments)
    with defer_interrupts():
        from ..commands.predict import predict_and_advise

    predict_and_advise(settings, given_images(arguments, arguments.config))


def study(words: Sequence[str]) -> None:
    """Parse the command line of a grid, run it, and print the comparison; arguments as in :func:`train`.

    Raises:
        UsageError: if ``torchrun`` or ``srun`` started it more than once.
    """
    refuse_launch("study.py")
    method, words = chosen_method(words)
    arguments = _parse(study_parser(settings_of(method)), method, words)
    from ..commands.study import from_arguments

    from_arguments(arguments, settings_of(method))


def refuse_launch(command: str) -> None:
    """Refuse several processes of a launch for a command that works in one, in the words of rank 0.

    Args:
        command: its name.

    Raises:
        UsageError: if there are several.
    """
    started = launch()
    if started.rank:
        raise SystemExit(UsageError.exit_status)
    if started.size > 1:
        raise UsageError(f"{started.by} started {started.size} processes, and {command} is one: start it without {started.by}")


def chosen_method(words: Sequence[str], *run_flags: str) -> tuple[str, list[str]]:
    """Return the method of a command line, and the words that are left for its parser.

    Its first word names the method, or the run behind a flag does, or ``model`` in the file behind ``-config``.

    Args:
        words: a command line.
        run_flags: the flags that name a run.

    Raises:
        UsageError: for a method that does not exist, or two that contradict each other.
        RunError: if there is no such run, or its method is not installed.

    Example:
        >>> chosen_method(["PenaltyStrategies", "-ep", "5"])
        ('PenaltyStrategies', ['-ep', '5'])
    """
    rest = list(words)
    named = {} if not rest or rest[0].startswith("-") else {"the command line": rest.pop(0)}
    if run := _value_of(rest, *run_flags):
        referenced = run_of(run)
        referenced.check_method()
        named[run] = referenced.method
    config = _value_of(rest, "-config", "--config")
    if config and (model := read_yaml(Path(config)).get("model")):
        named[config] = str(model)
    for method in named.values():
        check_method(method)
    if len(set(named.values())) > 1:
        raise UsageError("only one method at a time: " + ", but ".join(f"{source} names {method}" for source, method in named.items()))
    return next(iter(named.values()), DEFAULT_METHOD), rest


def prediction_settings(table: type[CommonSettings], arguments: Namespace) -> CommonSettings:
    """Return the settings of the command line of a prediction: those of the run that ``-p`` names, or those given by flags.

    Raises:
        UsageError: if a flag contradicts the run that ``-p`` names.
    """
    if arguments.path is None:
        return collect_settings(table, arguments, arguments.config)
    if arguments.config is not None:
        raise UsageError("-p names a run whose settings are known: leave out -config")
    settings, flags = run_of(arguments.path).settings(), given_settings(table, arguments)
    for field, row in table.table():
        identifies = row.named != "never" or field.name in ("database", "experiment_name")
        if identifies and field.name in flags and flags[field.name] != getattr(settings, field.name):
            raise UsageError(f"-{row.flag} {flags[field.name]} contradicts the run that -p names: it has {getattr(settings, field.name)}")
    once: dict[str, Any] = {field.name: field.default for field, _ in table.table() if field.name in ("no_skip", "tsv", "mat", "datafolds")}
    return dataclasses.replace(settings, **(once | flags))


def _parse(parser: StrictParser, method: str, words: Sequence[str]) -> Namespace:
    refuse_foreign(method, [word.partition("=")[0] for word in words if word.startswith("-")], "command line")
    arguments: Namespace = parser.parse_args(words)
    refuse_foreign(method, read_yaml(arguments.config), str(arguments.config))
    return arguments


def _value_of(words: Sequence[str], *flags: str) -> str | None:
    """Return the value of a flag before the parser of all flags is built; None if it is absent."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        flag, sign, value = word.partition("=")
        if flag in flags:
            return value if sign else following
    return None
