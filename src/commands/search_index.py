"""Build the index of a run, add images to it, remove some, and examine it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from ..errors import RunError, UsageError
from ..modalities import MODALITIES
from ..runs import Run, home, run_of
from ..search import Index, Store
from .searching.added_images import AddedImages, added_before, entries_of
from .searching.codes import build, check_view, facts_of, index_of, shown, stored_path, views_of
from .searching.facts import is_same, known_index, print_facts, summary
from .searching.searched_run import SearchedRun
from .sharded.index import check_unused_of_shards, index_shards

TOGETHER = 10_000  # added images of a transaction


def from_arguments(arguments: Namespace) -> int:
    """Run the action that ``index.py`` names, and return the exit status: 1 where an image could not be read, the others being added.

    Raises:
        BioDeepHashingError: if the run, its index or its codes cannot be used.
    """
    actions = [name for name in ("add", "remove", "compact", "check", "facts") if getattr(arguments, name)]
    if len(actions) > 1:
        raise UsageError(f"-{actions[0]} and -{actions[1]} are two commands: give one of them")
    if actions and arguments.datafolds:
        raise UsageError(f"-dfs says what to build: leave it out beside -{actions[0]}")
    if arguments.database is not None:
        return index_shards(arguments, actions)
    check_unused_of_shards(arguments)
    run, folder = run_of(arguments.path), getattr(arguments, "output", None)
    if actions == ["add"]:
        if arguments.view == "text":
            raise UsageError("-add takes images, and -in text names the index of texts, which holds those of the run's own folds")
        return add(run, folder or run.index(), arguments.add)
    views = (arguments.view,) if arguments.view else _views(run, actions, folder)
    if not actions:
        if folder is not None and len(views) > 1:
            raise UsageError(f"-o {folder} is a place for one index, and this run has two: give -in image or -in text too")
        built = [build_or_skip(run, folder or run.index(view), arguments.datafolds, view=view, no_skip=arguments.no_skip) for view in views]
        return max(built)
    for view in views:
        index = index_of(run, folder, view)
        if actions == ["remove"]:
            remove(index, arguments.remove)
        elif actions == ["compact"]:
            index.compact()
            print(f"compacted: {summary(index.refresh())}")
        elif actions == ["check"]:
            index.check()
            print(f"checked: {summary(index)}; every file is as it was written")
        else:
            print_facts(index)
    return 0


def build_or_skip(run: Run, folder: Path, folds: Sequence[str], *, view: str, no_skip: bool) -> int:
    """Build the index of a view unless it is up to date, with the images that were added to the one that is there."""
    known = known_index(folder, no_skip)
    if known is not None:
        check_view(known, view)
    folds = folds or (tuple(fold for fold, _ in known.facts.metadata_sha256) if known else ()) or ("database",)
    searched = SearchedRun(run)
    facts = facts_of(run, searched.prepared, tuple(dict.fromkeys(folds)), view)
    if known is not None and not no_skip and is_same(known.facts, facts):
        print(f"skipped: {folder} belongs to {facts.checkpoint}, {summary(known)} (-no_skip builds it anew)")
        return 0
    added = AddedImages(searched, added_before(known, facts.classes) if known else [])
    index, items = build(run, folder, tuple(fold for fold, _ in facts.metadata_sha256), view, added.batches(TOGETHER))
    print(f"{index.folder}: {summary(index)}")
    if items.doubled:
        print(f"{items.doubled:,} {view}s of further folds are in an earlier one, and were left out")
    return added.report()


def add(run: Run, folder: Path, places: Sequence[Path]) -> int:
    """Add images to an index, some thousands at a time, and return the exit status: 1 where an image could not be read."""
    searched = SearchedRun(run)
    index = index_of(run, folder)
    entries = entries_of(places, index.facts.classes)
    known = index.files([path for path, _ in entries])
    new = [entry for entry in entries if entry[0] not in known or _is_changed(home() / entry[0], *known[entry[0]])]
    added = AddedImages(searched, new)
    try:
        for paths, one in added.batches(TOGETHER):
            with index.writing() as writer:
                writer.add(one.codes, paths, one.labels, files=one.files)
    finally:
        again = sum(path in known for path, _ in new)
        print(f"added: {added.done:,}{f', {again:,} of them changed since' if again else ''}; "
              f"skipped: {len(entries) - len(new):,} that are in already; {summary(index.refresh())}")  # fmt: skip
    return added.report()


def _is_changed(file: Path, size: int | None, mtime_ns: int | None) -> bool:
    """Tell an image that is not as it was when it was added; one of the run's own folds never counts as changed."""
    if size is None or not file.is_file():
        return size is not None
    facts = file.stat()
    return (facts.st_size, facts.st_mtime_ns) != (size, mtime_ns)


def remove(index: Index, names: Sequence[str]) -> None:
    """Remove items by path or id, all of them or none.

    Raises:
        RunError: naming what is not there.
    """
    ids = []
    for name in names:
        number = index.find(stored_path(Path(name)))
        if number is None:
            number = index.find(stored_path(home() / name))
        if number is None and not name.isdecimal():
            raise RunError(f"{index.folder} has no item {shown(name)}: nothing was removed")
        ids.append(int(name) if number is None else number)
    with index.writing() as writer:
        writer.remove(dict.fromkeys(ids))
    print(f"removed: {len(set(ids)):,}; {summary(index.refresh())}")


def _views(run: Run, actions: Sequence[str], folder: Path | None) -> tuple[str, ...]:
    """Return the views that a command without -in is meant for: to build all, to remove images, otherwise those that have an index."""
    if not actions:
        return views_of(run)
    if actions == ["remove"] or folder is not None or Store(run.index("text")).is_empty():
        return ("image",)
    return MODALITIES
