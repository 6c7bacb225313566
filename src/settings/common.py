"""The table of settings: parser, YAML, validation, ``hparams.json``, run name and reference page all derive from it."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from ..errors import UsageError, nearest, unknown_name
from ..registry import names_in_timm, names_on_disk
from .phrases import database_name, parse_schedule, tidy_constants
from .rule_maps import PRESETS, rules_named, tidy

PHASES = ("train", "predict")
FOLDS = ("train", "val", "query", "database")
LONGEST_NAME = 255  # bytes a file system allows for one folder


@dataclass(frozen=True)
class Setting:
    """What the table says about one field, beside its long name, type and default.

    Args:
        flag: the short flag, without its dash; also the key in the run's name.
        help: one line for ``-h`` and the reference page.
        unit: unit of the value, empty for pure numbers.
        choices: the legal values, empty for any.
        check: a predicate for legal values and the words for it ("at least 1").
        phases: the phases that take the setting.
        named: whether the run's name carries it: always, never, or only when it differs from its default.
        read: what a text means, where it is more than it says.
    """

    flag: str
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    check: tuple[Callable[[Any], bool], str] | None = None
    phases: tuple[str, ...] = PHASES
    named: Literal["always", "changed", "never"] = "changed"
    read: Callable[[str], str] = str


def _setting(default: Any, flag: str, help: str, **details: Any) -> Any:
    return dataclasses.field(default=default, metadata={"setting": Setting(flag, help, **details)})


_DERIVED = ("model", "preprocessing")  # what hparams.json holds besides the settings
_RULES = names_on_disk("bio", "RULES")
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_POSITIVE = (lambda value: value > 0, "above 0")
_AT_LEAST_0 = (lambda value: value >= 0, "at least 0")
_AT_LEAST_1 = (lambda value: value >= 1, "at least 1")
_SEED = (lambda value: 0 <= value < 2**64, "from 0 to 2^64 - 1")
_FOLDER = (lambda value: re.fullmatch(r"\w[\w.+-]*", value) is not None, "a folder name of letters, digits and . _ + -")
_TRAIN_ONLY: dict[str, Any] = {"phases": ("train",), "named": "never"}
_PREDICT_ONLY: dict[str, Any] = {"phases": ("predict",), "named": "never"}


@dataclass(frozen=True)
class Settings:
    """All settings of one run; the field order is the order of the run's name.

    Raises:
        UsageError: when a value is out of range or two settings contradict each other.

    Example:
        >>> Settings(architecture="bio-vgg16", mode="usf").name.split("-arch=")[1].split("-seed")[0]
        'bio-vgg16'
    """

    experiment_name: str = _setting("bioexp", "exp", "experiment the run belongs to", check=_FOLDER, named="never")
    database: str = _setting(
        "CIFAR_10", "db", "data set, as prepared under data/processed/, or FOLDER:PATH, a folder of own images (docs/data.md)",
        check=_FOLDER, named="never", read=database_name,
    )  # fmt: skip
    loss: str = _setting("DSH", "loss", "hashing loss", choices=names_on_disk("losses", "LOSSES"), named="always")
    number_of_bits: int = _setting(
        1, "nbits", "length of a code", unit="bits", check=(lambda v: 1 <= v <= 1024, "from 1 to 1024"), named="always"
    )
    transformations: str = _setting(
        "", "trf",
        "what happens to an image before the network; in training alone, -aug is random; weights: what the pretrained weights want; "
        "left out: weights for timm:NAME (but imagenet with -weights none), imagenet for every other backbone",
        choices=("weights", "weights-aug", "imagenet", "imagenet-aug", "cifar-aug", "none"), named="always",
    )  # fmt: skip
    architecture: str = _setting(
        "alexnet", "arch", "backbone; bio-NAME is NAME trained by the rule of -mode, plain NAME trains with bp", named="always"
    )
    seed: int = _setting(0, "seed", "seed of weights, feedback, order and noise", check=_SEED, named="always")
    batch_size: int = _setting(16, "bs", "images per optimiser step, over all devices", unit="images", check=_AT_LEAST_1, named="always")
    mode: str = _setting(
        "", "mode",
        f"learning rule ({', '.join(_RULES)}), {', '.join(f'{preset}:RULE' for preset in PRESETS)}, or a map from layers to rules "
        "(features.*=frsf,*=bp); left out: fa for bio-NAME, bp for plain NAME", named="always",
    )  # fmt: skip
    num_workers: int = _setting(1, "nw", "processes that decode images (0: none beside the main one)", check=_AT_LEAST_0, named="never")
    epochs: int = _setting(10, "ep", "most epochs to train", unit="epochs", check=_AT_LEAST_1, named="always")
    patience: int = _setting(
        10, "pt", "epochs without improvement before training stops; a checkpoint is kept every half of it",
        unit="epochs", check=_AT_LEAST_1, named="always",
    )  # fmt: skip
    learning_rate: float = _setting(
        1e-5, "lr", "rate of the backbone; the hash layer learns at -hash_rate times it", check=_POSITIVE, named="always"
    )
    weight_decay: float = _setting(0.0005, "wd", "weight decay", check=_AT_LEAST_0, named="always")
    optimizer: str = _setting("adam", "optim", "optimiser", choices=("adam", "sgd", "nesterov", "rmsprop"), named="always")
    datafolds: tuple[str, ...] = _setting(("train", "val", "query", "database"), "dfs", "folds to predict", choices=FOLDS, **_PREDICT_ONLY)
    no_skip: bool = _setting(False, "no_skip", "do the work again, into a clean state, even if it was done", named="never")
    penalty: float = _setting(0.01, "penalty", "weight of the loss's own penalty", check=_AT_LEAST_0, named="always")
    L2_penalty: float = _setting(
        0.0, "L2_penalty", "weight of the L2 distance between outputs and their signs", check=_AT_LEAST_0, named="always"
    )
    HSWD_penalty: float = _setting(
        0.0,
        "HSWD_penalty",
        "weight of the sliced Wasserstein distance between outputs and balanced bits",
        check=_AT_LEAST_0,
        named="always",
    )
    no_cube: bool = _setting(False, "no_cube", "no tanh between the hash layer and the loss")
    soft_skip: bool = _setting(False, "soft_skip", "skip a run that was started, even if it did not finish", **_TRAIN_ONLY)
    weights: str = _setting("auto", "weights", "none, imagenet or a FILE; auto: imagenet for every backbone that has such weights")
    scale: str = _setting("init", "scale", "size of the feedback: init, weight or a positive number")
    constrain_norm: bool = _setting(False, "constrain_norm", "give every weight its first norm back after each step")
    clip_norm: float = _setting(
        0.0, "clip_norm", "largest norm of the gradient of all weights together (0: not clipped)", check=_AT_LEAST_0
    )
    align_every: int = _setting(
        0, "align_every", "measure every layer's feedback and updates against backpropagation each so many epochs (0: never)",
        unit="epochs", check=_AT_LEAST_0, **_TRAIN_ONLY,
    )  # fmt: skip
    precision: str = _setting("32", "precision", "arithmetic of the network", choices=("32", "bf16-mixed", "16-mixed", "64"))
    min_delta: float = _setting(0.05, "min_delta", "gain in val mAP that counts as an improvement for -pt", check=_AT_LEAST_0)
    constants: str = _setting("", "constants", "constants of the loss, name=value with commas between (gamma=20,...); see docs/losses.md")
    schedule: str = _setting(
        "constant", "schedule",
        "how all learning rates change: constant, cosine, step:N:FACTOR (every N epochs) or steps:N:FACTOR (every N optimiser steps)",
    )  # fmt: skip
    hash_rate: float = _setting(
        10.0, "hash_rate", "rate of the hash layer and the loss's own weights over that of the backbone", check=_POSITIVE
    )
    balanced_HSWD_penalty: float = _setting(
        0.0, "balanced_HSWD_penalty", "weight of the same distance to exactly as many +1 as -1, without noise", check=_AT_LEAST_0
    )
    freeze: bool = _setting(
        False, "freeze", "train the hash layer (and the loss) alone: the backbone keeps its weights and gives the features of evaluation"
    )
    device: str = _setting("auto", "device", "where to compute", choices=("auto", "cpu", "cuda"), named="never")
    devices: int = _setting(1, "devices", "devices that share a batch", check=_AT_LEAST_1, **_TRAIN_ONLY)
    tracking: str = _setting("on", "tracking", "log to MLflow", choices=("on", "off"), named="never")
    cache: str = _setting(
        "train", "cache", "decoded images to keep beside the data set: off, train (and val and query), or all (the database too)",
        choices=("off", "train", "all"), named="never",
    )  # fmt: skip
    predict_batch_size: int = _setting(64, "pbs", "images per forward pass", unit="images", check=_AT_LEAST_1, **_PREDICT_ONLY)
    tsv: bool = _setting(False, "tsv", "also write the codes as text (<fold>-hashes.tsv)", **_PREDICT_ONLY)

    def __post_init__(self) -> None:
        if self.mode == "":
            object.__setattr__(self, "mode", "fa" if self.is_bio else "bp")
        if self.transformations == "":
            pretrained = self.backbone.startswith("timm:") and self.weights != "none"
            object.__setattr__(self, "transformations", "weights" if pretrained else "imagenet")
        for field, setting in table():
            value = getattr(self, field.name)
            if field.type == "float" and type(value) is int:  # 1 and 1.0 are one setting, so they make one name
                object.__setattr__(self, field.name, float(value))
            check_value(setting, value)
        self._check_architecture()
        self._check_mode()
        _check_scale(self.scale)
        object.__setattr__(self, "constants", tidy_constants(self.constants))
        object.__setattr__(self, "schedule", str(parse_schedule(self.schedule)))
        if self.batch_size % self.devices:
            raise UsageError(f"-bs {self.batch_size} cannot be shared evenly by -devices {self.devices}")
        if len(self.name.encode()) > LONGEST_NAME:
            raise UsageError(
                f"the run's name would have {len(self.name.encode())} bytes and a folder may have {LONGEST_NAME}: "
                f"shorten a value ({self.name})"
            )

    @property
    def is_bio(self) -> bool:
        """Whether the architecture asks for the rule of ``-mode``."""
        return self.architecture.startswith("bio-")

    @property
    def backbone(self) -> str:
        """Name of the backbone, without the ``bio-``."""
        return self.architecture.removeprefix("bio-")

    @property
    def name(self) -> str:
        """Name of the run's folder: ``-key=value`` of every named setting, joined without separators."""
        parts = []
        for field, setting in table():
            value = getattr(self, field.name)
            if setting.named == "never" or (setting.named == "changed" and value == field.default):
                continue
            parts.append(f"-{setting.flag}" if value is True else f"-{setting.flag}={_legal(value)}")
        name = "".join(parts)
        if len(name.encode()) > LONGEST_NAME and "=" in self.mode:  # a long rule map gives way to its digest
            short = hashlib.sha256(self.mode.encode()).hexdigest()[:12]
            name = name.replace(f"-mode={_legal(self.mode)}-", f"-mode=map~{short}-")
        return name

    def as_dict(self, phase: str) -> dict[str, Any]:
        """Return every setting of a phase under its long name, as files hold them."""
        values = {f.name: getattr(self, f.name) for f, setting in table() if phase in setting.phases}
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}

    def _check_mode(self) -> None:
        object.__setattr__(self, "mode", tidy(self.mode))
        named = rules_named(self.mode)
        for rule in named:
            if rule not in _RULES:
                raise unknown_name("value for -mode", rule, _RULES)
        if not self.is_bio and self.mode != "bp":
            raise UsageError(
                f"-arch {self.architecture} always trains with bp, so -mode {self.mode} would have no effect: "
                f"write -arch bio-{self.architecture} to train it with {self.mode}"
            )
        if "drtp" in named and self.precision == "16-mixed":
            raise UsageError(
                "-mode drtp sends the target down, which the loss scaling of -precision 16-mixed would not reach: use bf16-mixed"
            )
        if self.align_every and not self.is_bio:
            raise UsageError(
                f"-align_every measures learning rules, and -arch {self.architecture} has none: write -arch bio-{self.architecture}"
            )

    def _check_architecture(self) -> None:
        if not self.backbone.startswith("timm:") and self.backbone not in names_on_disk("backbones", "BACKBONES"):
            bio = "bio-" if self.is_bio else ""
            known = [f"{bio}{name}" for name in (*names_on_disk("backbones", "BACKBONES"), "timm:NAME")]
            raise unknown_name("backbone", self.architecture, known, (f"{bio}timm:{name}" for name in names_in_timm()))


def table() -> list[tuple[dataclasses.Field[Any], Setting]]:
    """Return the fields of :class:`Settings` with what the table says about each, in order."""
    return [(field, field.metadata["setting"]) for field in dataclasses.fields(Settings)]


def from_mapping(values: Mapping[str, Any], source: str) -> Settings:
    """Build settings from long or short names, converting each value to its field's type.

    Args:
        values: for example the content of a YAML file or of ``hparams.json``.
        source: where they come from, for error messages.

    Raises:
        UsageError: for an unknown name or a value of the wrong type.

    Example:
        >>> from_mapping({"nbits": "32", "learning_rate": "1e-4"}, "config.yaml").learning_rate
        0.0001
    """
    names = {alias: field for field, setting in table() for alias in (field.name, setting.flag)}
    converted: dict[str, Any] = {}
    for key, value in values.items():
        if key in _DERIVED:
            continue
        if key not in names:
            raise UsageError(f"{source}: {unknown_name('setting', str(key), names)}")
        field = names[key]
        if field.name in converted:
            raise UsageError(f"{source}: {field.name} is given twice (also as {key!r})")
        converted[field.name] = convert(field, value, f"{source}: {key}")
    return Settings(**converted)


def convert(field: dataclasses.Field[Any], value: Any, where: str) -> Any:
    """Convert a text, YAML or JSON value to the type of a field.

    Raises:
        UsageError: naming the place, the value and the wanted type.
    """
    target = typing.get_type_hints(Settings)[field.name]
    if isinstance(target, types.GenericAlias):
        items = value.split() if isinstance(value, str) else value
        if not isinstance(items, Iterable):
            raise UsageError(f"{where}: {value!r} is not a list")
        return tuple(str(item) for item in items)
    if target is bool:
        truth = _TRUTH.get(str(value).lower())
        if truth is None:
            raise UsageError(f"{where}: {value!r} is neither true nor false")
        return truth
    if isinstance(value, (bool, list, dict)) or value is None:
        raise UsageError(
            f"{where}: {value!r} is not {_words_for(target)}{', and only a study takes lists' if isinstance(value, list) else ''}"
        )
    try:
        return field.metadata["setting"].read(str(value)) if target is str else target(str(value))
    except ValueError as error:
        raise UsageError(f"{where}: {value!r} is not {_words_for(target)}") from error


def check_value(setting: Setting, value: Any) -> None:
    """Check one value against the table.

    Raises:
        UsageError: naming the flag, the value and what would be legal.
    """
    for item in value if isinstance(value, tuple) else (value,):
        if setting.choices and item not in setting.choices:
            raise unknown_name(f"value for -{setting.flag}", item, setting.choices)
        if isinstance(item, float) and not math.isfinite(item):
            raise UsageError(f"-{setting.flag} {item!r} is not possible: it must be a finite number")
        if setting.check and not setting.check[0](item):
            unit = f" {setting.unit}" if setting.unit else ""
            unit = unit.removesuffix("s") if setting.check is _AT_LEAST_1 else unit
            raise UsageError(f"-{setting.flag} {item!r} is not possible: it must be {setting.check[1]}{unit}")


def _words_for(target: type) -> str:
    return {int: "a whole number", float: "a number", str: "a text"}[target]


def _check_scale(scale: str) -> None:
    if scale in ("init", "weight"):
        return
    try:
        positive = 0 < float(scale) < float("inf")
    except ValueError:
        positive = False
    if not positive:
        guess = nearest(scale, ("init", "weight"))
        hint = f": did you mean {guess!r}?" if guess else ""
        raise UsageError(f"-scale {scale!r} is neither init nor weight nor a positive number{hint}")


def _legal(value: Any) -> str:
    """Return a value as it may stand in a folder's name on every system, reversibly."""
    return quote(str(value), safe="+,~ ")
