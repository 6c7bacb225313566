"""Which split a run was trained on: images it learned from must not become its queries when a data set is prepared anew."""

from __future__ import annotations

from ..data.split import metadata_file, read_facts, write_split
from ..errors import RunError
from ..runs import Run, processed_folder
from ..runs.split_json import read_split_facts

_DECIDING = ("train", "val")  # folds that a network's weights come from


def record_split(run: Run) -> None:
    """Write the facts about the split that a run is trained on into its folder."""
    write_split(run.directory, read_facts(run.database))


def check_split(run: Run) -> None:
    """Refuse a run that was trained on another split than its data set has now.

    A run whose folder says nothing of its split passes, and so does one whose data set is gone: who needs that will miss it.

    Raises:
        RunError: when the images of train or val, or their labels, were others.
        DataError: when the data set was prepared by something else.
    """
    before = read_split_facts(run.directory)
    if before is None or not processed_folder(run.database).is_dir():
        return
    now = read_facts(run.database)
    names = {fold: metadata_file(run.directory, fold).name for fold in _DECIDING}
    changed = [fold for fold, name in names.items() if before.get("sha256", {}).get(name) != now.sha256[name]]
    if changed:
        raise RunError(
            f"{run} was trained on another split of {run.database}: since then it was prepared anew, with other images or labels in "
            f"{' and '.join(changed)}. Train it again, with the same settings and -no_skip, or prepare the data set as {run.split_file} "
            f"says it was ({before.get('protocol')}, seed {before.get('seed')})"
        )
