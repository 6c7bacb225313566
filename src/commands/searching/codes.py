"""Between a run and its index: which codes belong in, and what of the run the index belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...checksums import digest
from ...data import Metadata, PreparedDataset, read_split
from ...data.metadata import NO_IMAGE
from ...data.split import metadata_file, texts_file
from ...errors import RunError
from ...eval.records.code_files import FoldCodes, current_predictions, read_fold
from ...runs import Run, home
from ...runs.predictions_json import Fingerprint, Predictions
from ...search import Facts, Index, Store
from ...settings.strict_parser import command_line

T = TypeVar("T")


@dataclass(frozen=True)
class RunItems:
    """The items of some folds of a run.

    Args:
        codes: packed, (n, bytes).
        labels: 0 or 1, (n, C).
        paths: see :func:`paths_of`.
        origins: fold and row of each.
        doubled: how many were left out, because an image of another fold is the same file.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    paths: list[str]
    origins: list[tuple[str, int]]
    doubled: int


def facts_of(run: Run, prepared: PreparedDataset, folds: Sequence[str], view: str = "image") -> Facts:
    """Return what the index of a view of a run belongs to.

    Raises:
        RunError: if the run was not predicted, was trained again since, or has no such view.
    """
    predictions = current_predictions(run)
    of_view(run, next(iter(predictions.folds.values()), {}), view)
    checksums = prepared.split.sha256
    return Facts(
        bits=predictions.bits,
        classes=tuple(prepared.split.classes),
        run=run.directory.relative_to(home()).as_posix(),
        checkpoint=predictions.fingerprint.checkpoint or "",
        checkpoint_sha256=predictions.fingerprint.sha256,
        metadata_sha256=tuple((fold, checksums[_name(metadata_file, fold)]) for fold in folds),
        texts_sha256=tuple((fold, checksums[_name(texts_file, fold)]) for fold in folds) if view == "text" else (),
        view=view,
        version=__version__,
    )


def items_of(run: Run, prepared: PreparedDataset, folds: Sequence[str], view: str = "image") -> RunItems:
    """Return the items of some folds that have a view, each once.

    Raises:
        RunError: if a fold was not predicted, or a file cannot be used.
        DataError: if the dataset is missing or was changed.
    """
    predictions = current_predictions(run)
    codes, labels, paths, origins = [], [], list[str](), list[tuple[str, int]]()
    doubled = 0
    for fold in folds:
        metadata, earlier = prepared.fold(fold), set(paths)
        names, coded = paths_of(metadata), codes_of(run, prepared, predictions, fold, view, with_features=False)
        present = np.delete(np.arange(len(metadata)), np.array(coded.absent, np.int64)).tolist()
        rows = [row for row in present if names[row] not in earlier]
        codes.append(coded.codes[rows])
        labels.append(metadata.labels[rows])
        paths += [names[row] for row in rows]
        origins += [(fold, row) for row in rows]
        doubled += len(present) - len(rows)
    return RunItems(np.concatenate(codes), np.concatenate(labels), paths, origins, doubled)


def paths_of(metadata: Metadata) -> list[str]:
    """Return the paths by which an index knows the items of a fold: those of the images, and ``FOLD:ROW`` for a text without one."""
    return [path if path != NO_IMAGE else f"{metadata.fold}:{row}" for row, path in enumerate(metadata.paths)]


def codes_of(run: Run, prepared: PreparedDataset, predictions: Predictions, fold: str, view: str, *, with_features: bool) -> FoldCodes:
    """Return the codes of a view of a fold.

    Raises:
        RunError: if the fold was not predicted, the run has no such view, or a file cannot be used.
        DataError: if the dataset is missing or was changed.
    """
    checksums, rows = prepared.split.sha256, len(prepared.fold(fold))
    texts = checksums.get(_name(texts_file, fold)) if view == "text" else None
    metadata = checksums[_name(metadata_file, fold)]
    made_from = {"texts_sha256": texts} if texts else None
    views = read_fold(run, fold, predictions, rows=rows, metadata_sha256=metadata, made_from=made_from, with_features=with_features)
    return of_view(run, views, view)


def index_of(run: Run, folder: Path | None = None, view: str = "image") -> Index:
    """Open the index of a view of a run, having built it where there is none, which takes seconds.

    Args:
        run: a predicted run.
        folder: where the index lies; None for its place in the run's directory.
        view: "image" or "text".

    Raises:
        RunError: if the index belongs to another checkpoint or another view, or the run has no codes to build it from.
    """
    folder = folder or run.index(view)
    if Store(folder).is_empty():
        index, _ = build(run, folder, ("database",), view)
        print(f"built: {folder}, {len(index):,} items")
        return index
    index = Index(folder)
    check_view(index, view)
    check_belongs(index, run)
    return index


def check_view(index: Index, view: str) -> None:
    """Refuse an index of another view, or of shards.

    Raises:
        RunError: naming what it is of.
    """
    if index.facts.shards:
        raise RunError(f"{index.folder} is an index of shards: -database FOLDER says where they are")
    if index.facts.view != view:
        raise RunError(f"{index.folder} is an index of {index.facts.view}s, and {view}s are searched: -in names the view")


def check_belongs(index: Index, run: Run) -> None:
    """Refuse an index whose codes are not those of the run's present checkpoint.

    Raises:
        RunError: naming both.
    """
    if index.facts.checkpoint:
        present = Fingerprint(digest(run.best_checkpoint), run.best_checkpoint.name)
    else:  # a method without checkpoints
        present = current_predictions(run).fingerprint
    anew = f"{command_line('src/search/index.py')} -p {run.quoted} makes it anew"
    if index.facts.checkpoint_sha256 != present.sha256:
        former = "another " if index.facts.checkpoint == present.checkpoint else ""
        owner = f"{former}{index.facts.checkpoint or 'other codes'}"
        raise RunError(f"{index.folder} belongs to {owner}, the run now has {present.checkpoint}: {anew}")
    if index.facts.texts_sha256:
        checksums = read_split(run.database).sha256
        if any(checksums.get(_name(texts_file, fold)) != checksum for fold, checksum in index.facts.texts_sha256):
            raise RunError(f"{index.folder} belongs to other texts than the dataset has now: predict the run again, and {anew}")


def of_view(run: Run, views: Mapping[str, T], view: str) -> T:
    """Return what there is of a view; the only one that a run may have is that of images.

    Raises:
        RunError: if the run has no such view.
    """
    for name in ("", view) if view == "image" else (view,):
        if name in views:
            return views[name]
    known = ", ".join(f"{name or 'image'}s" for name in views)
    raise RunError(f"{run} has codes of {known}, not of {view}s, which a run of two views has (the method CrossModal)")


def views_of(run: Run) -> tuple[str, ...]:
    """Return the views of a predicted run: images, or images and texts.

    Raises:
        RunError: if it was not predicted, or was trained again since.
    """
    folds = current_predictions(run).folds
    return tuple(view or "image" for view in next(iter(folds.values()), ("",)))


def build(
    run: Run, folder: Path, folds: Sequence[str], view: str = "image", added: Iterable[tuple[list[str], Added]] = ()
) -> tuple[Index, RunItems]:
    """Build the index of a view of a run, and add images to it, all at once or not at all.

    Args:
        run: a predicted run.
        folder: where it is to lie.
        folds: whose codes it holds.
        view: "image" or "text".
        added: paths, and what else is known of them.
    """
    prepared = PreparedDataset(run.database)
    facts, items = facts_of(run, prepared, folds, view), items_of(run, prepared, folds, view)
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


def _name(file_of: Callable[[Path, str], Path], fold: str) -> str:
    """Return the name of a file of a fold, as ``split.json`` has it."""
    return file_of(Path(), fold).name
