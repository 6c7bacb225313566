"""The split a run was trained on: its training images must not become queries when the dataset is prepared again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..data.split import VOCABULARY_FILE, features_file, metadata_file, read_facts, texts_file, write_split
from ..errors import RunError
from ..modalities import MODALITIES
from ..runs import Run, processed_folder
from ..runs.split_json import read_split_facts

_DECIDING = ("train", "val")  # folds that a network's weights come from


def record_split(run: Run) -> None:
    """Write the facts about the split that a run is trained on into its directory."""
    write_split(run.directory, read_facts(run.database))


def check_split(run: Run) -> None:
    """Refuse a run that was trained on another split than its dataset has now.

    A run without a recorded split passes, and so does one whose dataset is missing: reading it raises later.

    Raises:
        RunError: if the images of train or val, their labels, texts or ready features, or the vocabulary have changed.
        DataError: if the dataset was prepared by another program.
    """
    before = read_split_facts(run.directory)
    if before is None or not processed_folder(run.database).is_dir():
        return
    now = read_facts(run.database)
    known = before.get("sha256", {})
    files: dict[str, Callable[[Path, str], Path]] = {"images or labels": metadata_file}
    files |= {"texts": texts_file} if VOCABULARY_FILE in known else {}
    files |= {f"{modality} features": partial(features_file, modality=modality) for modality in MODALITIES}
    changes = []
    for what, file_of in files.items():
        names = {fold: file_of(run.directory, fold).name for fold in _DECIDING}
        if changed := [fold for fold, name in names.items() if known.get(name) != now.sha256.get(name)]:
            changes.append(f"{what} in {' and '.join(changed)}")
    if VOCABULARY_FILE in known and known[VOCABULARY_FILE] != now.sha256.get(VOCABULARY_FILE):
        changes.append("words in its vocabulary")
    if changes:
        raise RunError(
            f"{run} was trained on another split of {run.database}: it was prepared again since, with other {', other '.join(changes)}. "
            f"Train it again, with the same settings and -no_skip, or prepare the dataset as {run.split_file} "
            f"says it was ({before.get('protocol')}, seed {before.get('seed')})"
        )
