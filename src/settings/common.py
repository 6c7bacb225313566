"""The settings that every run of every method has: the base of each method's table."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias, TypeVar
from urllib.parse import quote

from ..errors import BioDeepHashingError, UsageError, unknown_name
from .own_images import database_name
from .setting import (
    AT_LEAST_0,
    AT_LEAST_1,
    DIRECTORY_NAME,
    PREDICT_ONLY,
    SEED,
    TRAIN_ONLY,
    Field,
    Setting,
    check_value,
    convert,
    kind_of,
    setting,
)

FOLDS = ("train", "val", "query", "database")
LONGEST_NAME = 255  # bytes a file system allows for one folder
DERIVED = ("model", "preprocessing", "parent", "loss_sha256")  # what hparams.json holds besides the settings

Rows: TypeAlias = tuple[tuple[Field, Setting], ...]
Table = TypeVar("Table", bound="CommonSettings")


@dataclass(frozen=True)
class CommonSettings:
    """What every run has, whatever its method: a method's own table is a frozen dataclass that derives from it.

    The fields of a table, in the order of :meth:`table`, make flags, YAML files, ``hparams.json`` and the run's name. A subclass
    completes its values in :meth:`complete` and checks how they go together in :meth:`check`.

    Attributes:
        method: name of the method that the table belongs to.
        foreign_keys: what files of settings of another code base have at the top, if the method reads such files.

    Raises:
        UsageError: if a value is out of range or two settings contradict each other.

    Example:
        >>> @dataclass(frozen=True)
        ... class Settings(CommonSettings):
        ...     rank: int = setting(8, "rank", "columns of the projection", check=AT_LEAST_1, named="always")
        ...     method = "Projection"
        >>> Settings(number_of_bits=16).name
        '-nbits=16-seed=0-rank=8'
    """

    method: ClassVar[str] = ""
    foreign_keys: ClassVar[tuple[str, ...]] = ()

    experiment_name: str = setting("bioexp", "exp", "experiment the run belongs to", check=DIRECTORY_NAME, named="never")
    database: str = setting(
        "CIFAR_10", "db", "dataset, as prepared under data/processed/, or FOLDER:PATH, a folder of own images (docs/data.md)",
        check=DIRECTORY_NAME, named="never", read=database_name,
    )  # fmt: skip
    number_of_bits: int = setting(
        1, "nbits", "length of a code", unit="bits", check=(lambda v: 1 <= v <= 1024, "from 1 to 1024"), named="always"
    )
    seed: int = setting(0, "seed", "seed of weights, feedback, order and noise", check=SEED, named="always")
    num_workers: int = setting(1, "nw", "processes that decode images (0: none beside the main one)", check=AT_LEAST_0, named="never")
    datafolds: tuple[str, ...] = setting(FOLDS, "dfs", "folds to predict", choices=FOLDS, **PREDICT_ONLY)
    no_skip: bool = setting(False, "no_skip", "do the work again, into a clean state, even if it was done", named="never")
    soft_skip: bool = setting(False, "soft_skip", "skip a run that was started, even if it did not finish", **TRAIN_ONLY)
    device: str = setting("auto", "device", "where to compute", choices=("auto", "cpu", "cuda"), named="never")
    tracking: str = setting("on", "tracking", "log to MLflow", choices=("on", "off"), named="never")
    cache: str = setting(
        "train", "cache", "decoded images to keep beside the dataset: off, train (and val and query), or all (the database too)",
        choices=("off", "train", "all"), named="never",
    )  # fmt: skip
    predict_batch_size: int = setting(64, "pbs", "images per forward pass", unit="images", check=AT_LEAST_1, **PREDICT_ONLY)
    tsv: bool = setting(False, "tsv", "also write the codes as text (<fold>-hashes.tsv)", **PREDICT_ONLY)

    def __post_init__(self) -> None:
        self.complete()
        for field, row in self.table():
            value = getattr(self, field.name)
            if kind_of(field) == "float" and type(value) is int:  # 1 and 1.0 are one setting, so they make one name
                self.put(field.name, float(value))
            check_value(row, value)
        self.check()
        if len(self.name.encode()) > LONGEST_NAME:
            raise UsageError(
                f"the run's name would have {len(self.name.encode())} bytes and a folder may have {LONGEST_NAME}: "
                f"shorten a value ({self.name})"
            )

    @property
    def asks_beside_training(self) -> bool:
        """Whether a finished run goes to its method nevertheless, which then does what is asked for beside the training."""
        return False

    def facts(self) -> dict[str, Any]:
        """Return what ``hparams.json`` holds beside the settings when a training begins: nothing, unless a method says so."""
        return {}

    def complete(self) -> None:
        """Fill in what was left out and follows from other settings; before each value is checked by itself."""

    def check(self) -> None:
        """Check how the settings go together, and write those alike that mean the same; after each was checked by itself.

        Raises:
            UsageError: naming the flags.
        """

    @classmethod
    def flag(cls, name: str) -> str:
        """Return the flag of a setting, with its dash.

        Example:
            >>> CommonSettings.flag("number_of_bits")
            '-nbits'
        """
        return f"-{next(row.flag for field, row in cls.table() if field.name == name)}"

    def put(self, name: str, value: Any) -> None:
        """Set a field while the table is being built: for :meth:`complete` and :meth:`check`."""
        object.__setattr__(self, name, value)

    @classmethod
    def table(cls) -> Rows:
        """Return the fields with what the table says about each, in the order of names and files.

        That is the order of the classes, the common settings first, but for those that stand ``before`` another one.
        """
        return _ordered(cls)  # type: ignore[arg-type] # mypy takes no dataclass for hashable

    @classmethod
    def long_names(cls) -> dict[str, str]:
        """Return the long name that each long or short name stands for."""
        return {alias: field.name for field, row in cls.table() for alias in (field.name, row.flag)}

    @classmethod
    def from_mapping(cls: type[Table], values: Mapping[str, Any], source: str) -> Table:
        """Build settings from long or short names, converting each value to its field's type.

        Args:
            values: for example the content of a YAML file or of ``hparams.json``.
            source: where they come from, for error messages.

        Raises:
            UsageError: for an unknown name, a value of the wrong type, or a ``model`` that is another method.

        Example:
            >>> CommonSettings.from_mapping({"nbits": "32", "cache": "off"}, "config.yaml").number_of_bits
            32
        """
        names, fields = cls.long_names(), {field.name: field for field, _ in cls.table()}
        if values.get("model", cls.method) != cls.method:
            raise UsageError(f"{source}: model names the method {values['model']}, and these are settings of {cls.method}")
        converted: dict[str, Any] = {}
        for key, value in values.items():
            if key in DERIVED:
                continue
            if key not in names:
                raise UsageError(f"{source}: {unknown_name('setting', str(key), names)}")
            name = names[key]
            if name in converted:
                raise UsageError(f"{source}: {name} is given twice (also as {key!r})")
            converted[name] = convert(fields[name], value, f"{source}: {key}")
        return cls(**converted)

    @classmethod
    def of_file(cls, content: Mapping[str, Any], source: str, given: Container[str]) -> Mapping[str, Any]:
        """Return the settings in the content of a YAML file: all of it, unless a method reads the files of other code bases too.

        Args:
            content: what the file holds, scalars as they are written.
            source: the file.
            given: long names of settings that flags give, which win.

        Raises:
            UsageError: for a file of another code base that cannot be honoured.
        """
        return content

    @property
    def classifies(self) -> bool:
        """Whether the run learns to tell classes beside its codes, told without importing what does so: not unless a method says so."""
        return False

    @property
    def name(self) -> str:
        """Name of the run's folder: ``-key=value`` of every named setting, joined without separators."""
        return self.name_of(self.table())

    def name_of(self, rows: Rows) -> str:
        """Return the part of the name that some rows of the table make."""
        parts = []
        for field, row in rows:
            value = getattr(self, field.name)
            if row.named == "never" or (row.named == "changed" and value == field.default):
                continue
            parts.append(f"-{row.flag}" if value is True else f"-{row.flag}={legal(value)}")
        return "".join(parts)

    def as_dict(self, phase: str) -> dict[str, Any]:
        """Return the settings of a phase under their long names, as files hold them."""
        values = {
            field.name: getattr(self, field.name)
            for field, row in self.table()
            if phase in row.phases and (row.recorded == "always" or getattr(self, field.name) != field.default)
        }
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}


@lru_cache
def _ordered(table: type[CommonSettings]) -> Rows:
    rows = [(field, field.metadata["setting"]) for field in dataclasses.fields(table)]
    placed = [row for row in rows if not row[1].before]
    waiting = [row for row in rows if row[1].before]
    while waiting:
        names = [field.name for field, _ in placed]
        row = next((row for row in waiting if row[1].before in names), None)
        if row is None:
            raise BioDeepHashingError(f"{table.__name__}: no place before {waiting[0][1].before!r} for {waiting[0][0].name!r}")
        placed.insert(names.index(row[1].before), row)
        waiting.remove(row)
    return tuple(placed)


def legal(value: Any) -> str:
    """Return a value as it may stand in a folder's name on every system, reversibly.

    Example:
        >>> legal("features.*=fa")
        'features.%2A%3Dfa'
    """
    return quote(str(value), safe="+,~ ")


def derived_name(own: str, parent: str) -> str:
    """Return the name of a run that is made from another one, its parent: what is its own, then the parent's name.

    A parent that would make it too long for a folder gives way to its digest; ``hparams.json`` has it in full.

    Args:
        own: the part of the name that the run's own settings make.
        parent: the parent's name.

    Example:
        >>> derived_name("-r_norm", "-nbits=16"), derived_name("-r_norm", "-nbits=16" * 30)
        ('-r_norm-nbits=16', '-r_normparent~f85891b1ff26')
    """
    if len((own + parent).encode()) > LONGEST_NAME:
        parent = f"parent~{hashlib.sha256(parent.encode()).hexdigest()[:12]}"
    return own + parent
