"""Short handles of runs: a path, the beginning of one below ``models/<METHOD>/``, or a pattern."""

from __future__ import annotations

import re
from fnmatch import translate
from pathlib import Path

from ..errors import RunError, nearest
from ..settings.setting import kind_of
from .layout import Run, home, known_runs
from .methods import METHODS, settings_of

_SHOWN = 10  # matches that an error message lists
_NAME_LEVEL = 3  # of METHOD/DB/EXP/NAME


def runs_of(handle: str | Path) -> list[Run]:
    """Return all runs that a handle stands for, in the order of their paths.

    A handle is the path of a run directory, or ``[METHOD/]DB[/EXP[/NAME]]``, whose parts may hold ``*``, ``?`` and ``[...]``. The last
    part may be the beginning of a name; one that is a whole name stands for that alone. A setting matches whole values:
    ``*-penalty=0.0`` never stands for ``-penalty=0.01``.

    Args:
        handle: for example ``DIGITS/first`` for all runs of an experiment, or ``DIGITS/first/*-mode=fa``.

    Raises:
        RunError: if it stands for no run.
    """
    if _is_run_directory(handle):
        return [Run.at(handle)]
    parts = _parts_below_models(handle)
    for whole in (False,) if parts and _is_pattern(parts[-1]) else (True, False):
        if matches := [run for run in known_runs() if _matches(run, parts, whole=whole)]:
            return matches
    if _is_pattern(str(handle)) or len(parts) < _NAME_LEVEL:
        guess = nearest("/".join(parts), {f"{run.database}/{run.experiment}" for run in known_runs()})
        raise RunError(f"no run matches {handle}{f': did you mean {guess!r}?' if guess else ''}")
    return [Run.at(handle)]  # which raises, and names the nearest


def run_of(handle: str | Path) -> Run:
    """Return the one run that a handle stands for, see :func:`runs_of`.

    Raises:
        RunError: if it stands for none, or for several: they are listed.
    """
    runs = runs_of(handle)
    if len(runs) > 1:
        shown = "".join(f"\n  {run}" for run in runs[:_SHOWN])
        more = f"\n  and {len(runs) - _SHOWN:,} more" if len(runs) > _SHOWN else ""
        raise RunError(f"{handle} stands for {len(runs):,} runs, and this takes one: say more of its name{shown}{more}")
    return runs[0]


def _is_run_directory(handle: str | Path) -> bool:
    """Return whether a handle is the path of a directory that no pattern below ``models/`` can name better."""
    folder = next((path for path in (Path(handle).absolute(), home() / handle) if path.is_dir()), None)
    return folder is not None and (not folder.is_relative_to(home() / "models") or len(_parts_below_models(handle)) > _NAME_LEVEL)


def _is_pattern(text: str) -> bool:
    return bool({*text} & {*"*?["})


def _parts_below_models(handle: str | Path) -> tuple[str, ...]:
    for path in (Path(handle).absolute(), home() / handle):
        if path.is_relative_to(home() / "models"):
            return path.relative_to(home() / "models").parts
    return Path(handle).parts


def _matches(run: Run, parts: tuple[str, ...], *, whole: bool) -> bool:
    """Return whether a handle's parts match a run, the last one as a whole or as a beginning, with and without the method in front."""
    levels = (run.method, run.database, run.experiment, run.name)
    return any(_matches_levels(levels[first:], parts, first, whole=whole) for first in (0, 1))


def _matches_levels(levels: tuple[str, ...], parts: tuple[str, ...], first: int, *, whole: bool) -> bool:
    if not 0 < len(parts) <= len(levels):
        return False
    last = len(parts) - 1
    return all(
        _pattern(part, is_name=first + level == _NAME_LEVEL, whole=whole or level < last).match(levels[level])
        for level, part in enumerate(parts)
    )


def _pattern(part: str, *, is_name: bool, whole: bool) -> re.Pattern[str]:
    """Translate a part of a handle; in a run's name a value ends where the next setting begins."""
    pieces = part.split("*")
    texts = [_glob(piece) for piece in pieces]
    if is_name:
        rows = [row for method in METHODS for row in settings_of(method).table()]
        bare = "|".join(sorted({setting.flag for field, setting in rows if kind_of(field) == "bool"}))
        end = rf"(?=$|-[A-Za-z]\w*=|-(?:{bare})(?:-|$))"
        texts = [text + end if re.search(r"=[^=]+$", piece) else text for piece, text in zip(pieces, texts, strict=True)]
        texts[1:] = [rf"(?<=-){text}" if re.match(r"\w+=", piece) else text for piece, text in zip(pieces[1:], texts[1:], strict=True)]
    return re.compile(".*".join(texts) + (r"\Z" if whole else ""), re.DOTALL)


def _glob(piece: str) -> str:
    return re.sub(r"\\[zZ]$", "", translate(piece))
