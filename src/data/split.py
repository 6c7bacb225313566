"""Facts about the split of a prepared dataset: ``split.json``, which stands beside every number made from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..checksums import digest
from ..errors import DataError, unknown_name
from ..modalities import MODALITIES
from ..runs import HOME_VARIABLE, home, processed_folder, raw_folder
from ..runs.split_json import SPLIT_FILE, write_split_facts
from ..settings import FOLDS
from ..settings.strict_parser import command_line
from .catalogue import command_for, declared, prepared_names, script_of

_KINDS = {
    "database": str, "rule": str, "seed": int, "source": str, "sizes": dict, "overlaps": dict, "sha256": dict, "classes": list,
    "understood": list, "reading": dict,
}  # fmt: skip
VOCABULARY_FILE = "vocabulary.txt"
_LATER: Mapping[str, Any] = {"overlaps": {}, "understood": [], "reading": {}}  # what older files lack


@dataclass(frozen=True)
class Split:
    """What is known about a split.

    Args:
        database: the dataset.
        protocol: name of the rule that assigned images to folds.
        rule: that rule in words.
        seed: seed of its shuffle.
        sizes: images of each fold.
        classes: class names, in the order of the label columns.
        source: where the images come from.
        partial: whether images of the full dataset are missing.
        note: how many are there ("20,000 of 60,000 images"); empty for a full set.
        sha256: checksum of each metadata file; a dataset whose images have texts, a second view, adds the files of these and of the
            vocabulary, and one of ready features the files of these.
        overlaps: images that two folds share, {"train-database": 5000}; empty where all are disjoint.
        understood: what the labels were understood to be, in one line, and what is doubtful about them; empty in older files.
        reading: how the source was read: how it writes "labels", and "separator", "least", "left_out" of own images.
    """

    database: str
    protocol: str
    rule: str
    seed: int
    sizes: Mapping[str, int]
    classes: tuple[str, ...]
    source: str
    partial: bool
    note: str
    sha256: Mapping[str, str]
    overlaps: Mapping[str, int] = dataclasses.field(default_factory=dict)
    understood: tuple[str, ...] = ()
    reading: Mapping[str, str | int] = dataclasses.field(default_factory=dict)

    @property
    def has_texts(self) -> bool:
        """Whether its images have texts."""
        return VOCABULARY_FILE in self.sha256

    def has_features(self, modality: str = "image") -> bool:
        """Return whether there are ready features in place of images ("image"), or of texts ("text")."""
        return features_file(Path(), FOLDS[0], modality).name in self.sha256

    def check_texts(self) -> None:
        """Refuse a dataset whose images have no texts.

        Raises:
            DataError: naming it.
        """
        if self.has_features("text"):
            raise DataError(f"the texts of {self.database} are ready features, without words: only CrossModal takes such")
        if not self.has_texts:
            raise DataError(
                f"the images of {self.database} have no texts, which a second view needs: "
                f"choose a dataset with texts, as GLYPHS, which needs no download"
            )

    @property
    def caption(self) -> str:
        """One line to put beside a number.

        Example:
            >>> sizes = {"train": 5000, "val": 1000, "query": 1000, "database": 13000}
            >>> Split("CIFAR_10", "disjoint", "", 0, sizes, (), "", True, "20,000 of 60,000 images", {}).caption
            'CIFAR_10, disjoint split (train 5,000, val 1,000, query 1,000, database 13,000), PARTIAL: 20,000 of 60,000 images'
            >>> Split("cifar10", "cifar10", "", 0, {"database": 54000}, (), "", False, "", {}, {"val-database": 1000}).caption
            'cifar10, cifar10 split (database 54,000; shared: val-database 1,000)'
        """
        sizes, shared = (", ".join(f"{name} {size:,}" for name, size in counts.items()) for counts in (self.sizes, self.overlaps))
        facts = f"{sizes}; shared: {shared}" if shared else sizes
        return f"{self.database}, {self.protocol} split ({facts})" + (f", PARTIAL: {self.note}" if self.partial else "")


def metadata_file(folder: Path, fold: str) -> Path:
    """Return the metadata file of a fold in the directory of a prepared dataset."""
    return folder / f"{fold}_metadata.txt"


def texts_file(folder: Path, fold: str) -> Path:
    """Return the file of the texts of a fold in the directory of a prepared dataset whose images have texts."""
    return folder / f"{fold}_texts.txt"


def features_file(folder: Path, fold: str, modality: str) -> Path:
    """Return the file of the ready features of a fold, of images or of texts, in the directory of a prepared dataset that has such."""
    return folder / f"{fold}_{modality}_features.npy"


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the four metadata files of a directory, and of texts, their vocabulary and ready features where it has them."""
    files = [metadata_file(folder, fold) for fold in FOLDS]
    if (folder / VOCABULARY_FILE).is_file():
        files += [*(texts_file(folder, fold) for fold in FOLDS), folder / VOCABULARY_FILE]
    features = [features_file(folder, fold, modality) for modality in MODALITIES for fold in FOLDS]
    return {file.name: digest(file, "sha256") for file in [*files, *(file for file in features if file.is_file())]}


def write_split(folder: Path, split: Split) -> None:
    """Write ``split.json`` into the directory of a prepared dataset."""
    write_split_facts(folder, dataclasses.asdict(split))


def read_split(database: str) -> Split:
    """Read the facts about a prepared dataset and check that its metadata files are the ones they speak of.

    Args:
        database: the dataset, a directory of ``data/processed/``.

    Raises:
        UnknownNameError: for a dataset that is neither prepared nor known.
        DataError: if it was not prepared, was prepared by something else, or was changed afterwards.
    """
    folder, split = processed_folder(database), read_facts(database)
    for name, expected in split.sha256.items():
        if not (folder / name).is_file():
            raise DataError(f"{folder / name} is missing: {how_to_fix(database)}")
        if _digest_of(folder / name) != expected:
            raise DataError(f"{folder / name} was changed after the dataset was prepared (its checksum is not that of {SPLIT_FILE}): "
                            f"{how_to_fix(database)}")  # fmt: skip
    return split


def _digest_of(file: Path) -> str:
    """Return the checksum of a file; features, which may be large, are read only once as long as size and time stay the same."""
    facts = file.stat()
    return _digest_once(file, facts.st_size, facts.st_mtime_ns) if file.suffix == ".npy" else digest(file)


@lru_cache
def _digest_once(file: Path, size: int, modified: int) -> str:
    return digest(file)


def read_facts(database: str) -> Split:
    """Read the facts about a prepared dataset, whatever became of its other files.

    Args:
        database: the dataset, a directory of ``data/processed/``.

    Raises:
        UnknownNameError: for a dataset that is neither prepared nor known.
        DataError: if it was not prepared, or was prepared by something else.
    """
    folder = processed_folder(database)
    if not folder.is_dir():
        raise _not_prepared(database)
    return _parse(folder / SPLIT_FILE, database)


def known_databases() -> list[str]:
    """Return the datasets that can be prepared or have been.

    Example:
        >>> {"CIFAR_10", "DIGITS", "cifar10-2"} <= set(known_databases())
        True
    """
    return sorted({*prepared_names(), *prepared_databases()}, key=str.lower)


def prepared_databases() -> list[str]:
    """Return the datasets that have been prepared."""
    return sorted(path.parent.name for path in (home() / "data" / "processed").glob(f"[!.]*/{SPLIT_FILE}"))


def how_to_fix(database: str) -> str:
    """Return what to do about a damaged dataset."""
    command = command_for(database)
    if command:
        return f"prepare the dataset again with `{command} -no_skip`"
    return "replace that file, or prepare the dataset again"


def _not_prepared(database: str) -> DataError | Exception:
    script, first = script_of(database), ""
    if script is None:
        return unknown_name("dataset", database, known_databases())
    if "DOWNLOAD_FLAGS" in declared(script) and not raw_folder(script).is_dir():
        first = f"`{command_line(f'src/data/download/{script}.py')}` and then "
    return DataError(
        f"the dataset {database} has not been prepared: run {first}`{command_for(database)}` "
        f"(looked for {processed_folder(database)}; {HOME_VARIABLE} or the working directory says where the project lies)"
    )


def _parse(file: Path, database: str) -> Split:
    try:
        content: Any = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{file} is missing, so {file.parent} is unfinished or was made by something else: {how_to_fix(database)}"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is damaged ({error}): {how_to_fix(database)}") from error
    fields = {field.name for field in dataclasses.fields(Split)}
    if isinstance(content, dict):
        content = {**_LATER, **content}
    if not isinstance(content, dict) or set(content) != fields:
        raise DataError(f"{file} does not hold exactly {', '.join(sorted(fields))}: {how_to_fix(database)}")
    if wrong := [name for name, kind in _KINDS.items() if not isinstance(content[name], kind)]:
        raise DataError(f"{file} is damaged ({wrong[0]} is {content[wrong[0]]!r}): {how_to_fix(database)}")
    if content["database"] != database or not {metadata_file(file, fold).name for fold in FOLDS} <= set(content["sha256"]):
        raise DataError(
            f"{file} describes another dataset ({content['database']}): the folder was renamed or copied; {how_to_fix(database)}"
        )
    return Split(**{**content, "classes": tuple(content["classes"]), "understood": tuple(content["understood"])})
