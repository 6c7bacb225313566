"""Between a run and its index: which codes belong in, and what of the run the index belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..checksums import digest
from ..data import PreparedDataset
from ..errors import RunError
from ..eval.records.code_files import current_predictions, read_fold
from ..runs import Run, home
from ..runs.predictions_json import Fingerprint
from ..search import Facts, Index, Store
from ..settings.strict_parser import command_line

T = TypeVar("T")


@dataclass(frozen=True)
class RunItems:
    """The items of some folds of a run.

    Args:
        codes: packed, (n, bytes).
        labels: 0 or 1, (n, C).
        paths: of the images.
        origins: fold and row of each.
        doubled: how many were left out, because an image of another fold is the same file.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    paths: list[str]
    origins: list[tuple[str, int]]
    doubled: int


def facts_of(run: Run, prepared: PreparedDataset, folds: Sequence[str]) -> Facts:
    """Return what an index of a run belongs to.

    Raises:
        RunError: if the run was not predicted, or was trained again since.
    """
    predictions = current_predictions(run)
    checksums = prepared.split.sha256
    return Facts(
        bits=predictions.bits,
        classes=tuple(prepared.split.classes),
        run=run.directory.relative_to(home()).as_posix(),
        checkpoint=predictions.fingerprint.checkpoint or "",
        checkpoint_sha256=predictions.fingerprint.sha256,
        metadata_sha256=tuple((fold, checksums[f"{fold}_metadata.txt"]) for fold in folds),
        version=__version__,
    )


def items_of(run: Run, prepared: PreparedDataset, folds: Sequence[str]) -> RunItems:
    """Return the items of some folds, each image once.

    Raises:
        RunError: if a fold was not predicted, or a file cannot be used.
        DataError: if the dataset is missing or was changed.
    """
    predictions = current_predictions(run)
    codes, labels, paths, origins = [], [], list[str](), list[tuple[str, int]]()
    doubled = 0
    for fold in folds:
        metadata, earlier = prepared.fold(fold), set(paths)
        checksum = prepared.split.sha256[metadata.file.name]
        views = read_fold(run, fold, predictions, rows=len(metadata), metadata_sha256=checksum, with_features=False)
        rows = [row for row, path in enumerate(metadata.paths) if path not in earlier]
        codes.append(of_images(run, views).codes[rows])
        labels.append(metadata.labels[rows])
        paths += [metadata.paths[row] for row in rows]
        origins += [(fold, row) for row in rows]
        doubled += len(metadata) - len(rows)
    return RunItems(np.concatenate(codes), np.concatenate(labels), paths, origins, doubled)


def index_of(run: Run, folder: Path | None = None) -> Index:
    """Open the index of a run, having built it where there is none, which takes seconds.

    Args:
        run: a predicted run.
        folder: where the index lies; None for its place in the run's directory.

    Raises:
        RunError: if the index belongs to another checkpoint, or the run has no codes to build it from.
    """
    folder = folder or run.index()
    if Store(folder).is_empty():
        index, _ = build(run, folder, ("database",))
        print(f"built: {folder}, {len(index):,} items")
        return index
    index = Index(folder)
    check_belongs(index, run)
    return index


def check_belongs(index: Index, run: Run) -> None:
    """Refuse an index whose codes are not those of the run's present checkpoint.

    Raises:
        RunError: naming both.
    """
    if index.facts.checkpoint:
        present = Fingerprint(digest(run.best_checkpoint), run.best_checkpoint.name)
    else:  # a method without checkpoints
        present = current_predictions(run).fingerprint
    if index.facts.checkpoint_sha256 != present.sha256:
        remedy = f"the run now has {present.checkpoint}: {command_line('src/search/index.py')} -p {run.quoted} makes it anew"
        former = "another " if index.facts.checkpoint == present.checkpoint else ""
        raise RunError(f"{index.folder} belongs to {former}{index.facts.checkpoint or 'other codes'}, {remedy}")


def of_images(run: Run, views: Mapping[str, T]) -> T:
    """Return what there is of images, of a run with one view or several.

    Raises:
        RunError: if the run has no codes of images.
    """
    for view in ("", "image"):
        if view in views:
            return views[view]
    raise RunError(f"{run} has codes of {', '.join(views)}, not of images")


def build(run: Run, folder: Path, folds: Sequence[str], added: Iterable[tuple[list[str], Added]] = ()) -> tuple[Index, RunItems]:
    """Build the index of a run, and add images to it, all at once or not at all.

    Args:
        run: a predicted run.
        folder: where it is to lie.
        folds: whose codes it holds.
        added: paths, and what else is known of them.
    """
    prepared = PreparedDataset(run.database)
    facts, items = facts_of(run, prepared, folds), items_of(run, prepared, folds)
    with Index.building(folder, facts) as writer:
        writer.add(items.codes, items.paths, items.labels, origins=items.origins)
        for paths, more in added:
            writer.add(more.codes, paths, more.labels, files=more.files)
    return Index(folder), items


@dataclass(frozen=True)
class Added:
    """What is known of added images beside their paths: codes (n, bytes), labels (n, C), and size and time of change of each file."""

    codes: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    files: list[tuple[int, int]]


def stored_path(path: Path) -> str:
    """Return a path as an index has it: below the project root where it is, absolute otherwise."""
    absolute = path.absolute()
    return absolute.relative_to(home()).as_posix() if absolute.is_relative_to(home()) else str(absolute)


def shown(text: str) -> str:
    """Return a path in one line, with what cannot be shown escaped.

    Example:
        >>> shown("a\\nb.png")
        'a\\\\nb.png'
    """
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode() for letter in text)
