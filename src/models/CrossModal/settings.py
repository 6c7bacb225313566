"""The settings of cross-modal hashing: one training of two towers, one for images and one for texts."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...checksums import digest
from ...data.catalogue import CAPTIONS, TEXT_WEIGHTS
from ...errors import UsageError, unknown_name
from ...modalities import MODALITIES
from ...registry import names_on_disk
from ...settings import TrainingSettings, setting
from ...settings.common import LONGEST_NAME, legal
from ...settings.constants import tidy_constants
from ...settings.own_images import absolute
from ...settings.rule_maps import canonical, parse_rule_map, rules_named
from ...settings.setting import AT_LEAST_0, PREDICT_ONLY, TRAIN_ONLY, with_default
from ...settings.training import check_known_rules
from .augmentation import image_changes, text_changes
from .torchcmh import SECTIONS, translated

PARTNERED = ("pairwise", "triplet", "quadruplet")  # how items may be sampled together
SIMILARITIES = ("shared", "jaccard")
_LOSSES = names_on_disk("losses/crossmodal", "CROSSMODAL_LOSSES")


@dataclass(frozen=True)
class TextTower(TrainingSettings):
    """The settings of the text tower as a network of its own; its flags are those of the run."""

    architecture: str = setting("mlp", "text_arch", "text backbone", named="always", before="seed")
    mode: str = setting("", "text_mode", "learning rule", named="always", before="num_workers")

    def check_backbone(self) -> None:
        """Refuse a text backbone that does not exist."""
        if not self.takes_features:
            prefix, known = self.architecture.removesuffix(self.backbone), names_on_disk("backbones/texts", "TEXT_BACKBONES")
            raise unknown_name("text backbone", self.architecture, [f"{prefix}{name}" for name in known])


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """All settings of one run; what holds for one network holds for both towers, unless there is a setting of its own for the texts.

    Raises:
        UsageError: if a value is out of range or two settings contradict each other.

    Example:
        >>> settings = Settings(architecture="bio-lenet", mode="image.*=frsf,text.*=bp")
        >>> settings.text_architecture, settings.tower("image").mode, settings.tower("text").mode
        ('bio-mlp', 'frsf', 'bp')
    """

    method = "CrossModal"
    foreign_keys = SECTIONS

    database: str = with_default(TrainingSettings, "database", "GLYPHS")
    architecture: str = with_default(TrainingSettings, "architecture", "lenet")
    batch_size: int = with_default(TrainingSettings, "batch_size", 128)
    epochs: int = with_default(TrainingSettings, "epochs", 20)
    learning_rate: float = with_default(TrainingSettings, "learning_rate", 1e-3)
    weight_decay: float = with_default(TrainingSettings, "weight_decay", 0.0)
    min_delta: float = with_default(TrainingSettings, "min_delta", 0.0)
    schedule: str = with_default(TrainingSettings, "schedule", "cosine")
    hash_rate: float = with_default(TrainingSettings, "hash_rate", 1.0)

    loss: str = setting(
        "DCMH", "loss", f"cross-modal loss ({', '.join(_LOSSES)}), or FILE.py:CLASS for one of your own", named="always",
        before="number_of_bits",
    )  # fmt: skip
    text_architecture: str = setting(
        "", "text_arch",
        "text backbone: mlp, mlp:2048,512 (units of the hidden layers), linear, ms or ms_residual; bio-NAME as for -arch; left out: mlp, "
        "bio- as -arch",
        named="always", before="seed",
    )  # fmt: skip
    text_mode: str = setting(
        "", "text_mode", "rule of the text tower, as -mode; left out: that of -mode, where maps take the prefixes image. and text.",
        before="device",
    )  # fmt: skip
    text_learning_rate: float = setting(0.0, "text_lr", "rate of the text tower's backbone; 0: as -lr", check=AT_LEAST_0, before="device")
    text_hash_rate: float = setting(
        0.0, "text_hash_rate", "rate of the text tower's hash layer over that of its backbone; 0: as -hash_rate", check=AT_LEAST_0,
        before="device",
    )  # fmt: skip
    text_weights: str = setting(
        "binary", "text_weights", "weights of words: binary, unit (texts of length 1), tfidf, or centred (less the mean of each column)",
        choices=TEXT_WEIGHTS, before="device",
    )  # fmt: skip
    captions: str = setting("first", "captions", "of several captions, the first or the words of all", choices=CAPTIONS, before="device")
    first: str = setting(
        "image", "first", "the tower that begins an epoch, where a loss trains them in turn", choices=MODALITIES, before="device"
    )
    image_augmentation: str = setting(
        "", "img_aug",
        "random changes of training images after -trf, probabilities: rotate (by 90, 180 or 270 degrees, or by angles=90/180), hflip and "
        "vflip (mirror left and right, top and bottom), keep (leave an image as it is): rotate=0.5,hflip=0.5,vflip=0.5,keep=0.2",
        recorded="changed", before="device",
    )  # fmt: skip
    text_augmentation: str = setting(
        "", "text_aug",
        "random changes of training texts: the share of all words of the vocabulary to erase (or to set, value=1), and the probability to "
        "keep a text as it is: erase=0.1,keep=0.5", recorded="changed", before="device",
    )  # fmt: skip
    fusion: int = setting(
        0, "fusion", "stages of each tower whose codes SCAHN fuses, counted from the last; 0: all", check=AT_LEAST_0, recorded="changed",
        before="device",
    )  # fmt: skip
    sampling: str = setting(
        "permutation", "sampling",
        "what a training epoch sees: permutation, each item once, or independent, for each batch the beginning of a permutation of its own "
        "(as DCMH was published: items are missed or come twice); pairwise, triplet, quadruplet: each item with one other at random, "
        "or with a similar and one or two dissimilar ones, in batches that are two, three or four times as large",
        choices=("permutation", "independent", *PARTNERED), recorded="changed", before="device",
    )  # fmt: skip
    label_noise: float = setting(
        0.0, "label_noise", "share of the items of train of which one label is exchanged for a wrong one, drawn by -seed",
        check=(lambda value: 0 <= value <= 1, "from 0 to 1"), recorded="changed", before="device",
    )  # fmt: skip
    similarity: str = setting(
        "shared", "similarity", "how similar a loss takes two items to be: shared, 1 where they share a class and else 0; or jaccard, the "
        "share of their classes that they have in common", choices=SIMILARITIES, recorded="changed", before="device",
    )  # fmt: skip
    mat: bool = setting(
        False, "mat", "also write codes and labels of query and database as a MATLAB file (<bits>-hash.mat)", recorded="changed",
        **PREDICT_ONLY,
    )  # fmt: skip
    loss_file: str = setting(
        "", "loss_file", "where a loss of your own lies; -loss FILE.py:CLASS sets it", recorded="changed", **TRAIN_ONLY
    )
    constants: str = setting(
        "", "constants", "constants of the loss, name=value with commas between (gamma=20,...); see docs/losses.md", before="schedule"
    )

    @property
    def name(self) -> str:
        """Name of the run's folder; augmentations that would make it too long give way to their digests."""
        name = super().name
        for field in ("image_augmentation", "text_augmentation"):
            value = getattr(self, field)
            if value and len(name.encode()) > LONGEST_NAME:
                part = f"{self.flag(field)}="
                name = name.replace(f"{part}{legal(value)}", f"{part}~{hashlib.sha256(value.encode()).hexdigest()[:12]}")
        return name

    @property
    def is_bio(self) -> bool:
        """Whether a tower learns by the rule of ``-mode``."""
        return self.architecture.startswith("bio-") or self.text_architecture.startswith("bio-")

    def tower(self, name: str) -> TrainingSettings:
        """Return the settings of a tower as a network of its own.

        Args:
            name: "image" or "text".

        Raises:
            UsageError: naming the flags, for a backbone or rule that does not exist or has no effect.
        """
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in dataclasses.fields(TrainingSettings)}
        plain = not (self.architecture if name == "image" else self.text_architecture).startswith("bio-")
        values["mode"] = "bp" if plain and self._other_is_meant(name) else _part(self.mode_of(name), name)
        values["rule_constants"] = "" if plain else self.rule_constants
        if name == "image":
            return TrainingSettings(**values)
        own = {
            "architecture": self.text_architecture, "learning_rate": self.text_learning_rate or self.learning_rate,
            "hash_rate": self.text_hash_rate or self.hash_rate, "freeze": False, "fixed_norm": False, "train_only": "",
            "weights": "none",
            "seed": (self.seed + 1) % 2**64,  # layers of one name in both towers get other feedback
        }  # fmt: skip
        return TextTower(**(values | own))

    def facts(self) -> dict[str, Any]:
        """Return the checksum of the file of a loss of one's own."""
        return {"loss_sha256": digest(Path(self.loss_file))} if self.loss_file else {}

    @classmethod
    def of_file(cls, content: Mapping[str, Any], source: str, given: Container[str]) -> Mapping[str, Any]:
        """Return the settings in the content of a YAML file, ours or one of torchcmh."""
        return translated(content, source, given) if any(key in content for key in cls.foreign_keys) else content

    def complete(self) -> None:
        """Find the file of a loss of one's own, choose the text backbone after that of the images, then the rule after both."""
        file, _, kind = self.loss.rpartition(":")
        if file.endswith(".py"):
            self.put("loss_file", str(absolute(Path(file))))
            self.put("loss", own_name(Path(self.loss_file), kind))
        elif "~" not in self.loss:
            self.put("loss_file", "")
        if self.text_architecture == "":
            self.put("text_architecture", "bio-mlp" if self.architecture.startswith("bio-") else "mlp")
        super().complete()

    def check(self) -> None:
        """Check how the settings go together, and write those alike that mean the same."""
        super().check()
        if not self.loss_file and self.loss not in _LOSSES:
            if self.loss.endswith(".py"):
                raise UsageError(f"-loss {self.loss} names a file and no class in it: write -loss {self.loss}:CLASS")
            raise unknown_name("value for -loss", self.loss, _LOSSES)
        self.put("constants", tidy_constants(self.constants))
        for name, read in (("image_augmentation", image_changes), ("text_augmentation", text_changes)):
            read(getattr(self, name))
            self.put(name, tidy_constants(getattr(self, name)))
        if self.image_augmentation and self.takes_features:
            raise UsageError(f"-img_aug {self.image_augmentation} changes images, and -arch {self.architecture} takes ready features")
        for own, common in (("text_mode", "mode"), ("text_learning_rate", "learning_rate"), ("text_hash_rate", "hash_rate")):
            if getattr(self, own) == getattr(self, common):
                self.put(own, type(getattr(self, own))())
        if self.mat and not {"query", "database"} <= set(self.datafolds):
            raise UsageError(f"-mat writes codes of query and database, and -dfs leaves out some: {' '.join(self.datafolds)}")
        if self.align_every:
            raise UsageError("-align_every measures one network, and this method trains two: leave it out")
        if self.precision == "16-mixed":
            raise UsageError("-precision 16-mixed scales one loss for one optimizer, and each tower has its own: use bf16-mixed or 32")

    def check_rules(self) -> None:
        """Check the rules of each tower with its backbone."""
        for name in ("mode", "text_mode"):
            self.put(name, canonical(getattr(self, name)))
            if getattr(self, name):
                check_known_rules(getattr(self, name), self.flag(name))
        if _has_prefix(self.text_mode, "image"):
            raise UsageError(f"-text_mode {self.text_mode}: it holds for the text tower alone, write patterns of the image tower in -mode")
        self.put("rule_constants", tidy_constants(self.rule_constants))
        if not self.is_bio and self.rule_constants:
            raise UsageError("-rule_constants sets constants of learning rules, and neither tower has one: write -arch bio-NAME")
        for name in MODALITIES:
            self.tower(name)

    def mode_of(self, name: str) -> str:
        """Return the rule, or the map, that the settings have for a tower."""
        return self.text_mode if name == "text" and self.text_mode else self.mode

    def _other_is_meant(self, name: str) -> bool:
        """Return whether the rule that holds for both towers is meant for the other one: it alone has one."""
        mode = self.mode_of(name)
        if set(rules_named(_part(mode, name))) <= {"bp"}:
            return True
        shared = name == "image" or not self.text_mode
        return self.is_bio and shared and not _has_prefix(mode, name)


def own_name(file: Path, kind: str) -> str:
    """Return what a loss of one's own is called: its class and 12 digits of the file's SHA-256, so that a changed file is another loss.

    Args:
        file: the file.
        kind: the class in it.

    Raises:
        UsageError: if there is no such file, or the class is no name of Python.
    """
    if not kind.isidentifier():
        raise UsageError(f"-loss {file}:{kind}: {kind!r} is no name of a class: write -loss FILE.py:CLASS")
    try:
        return f"{kind}~{digest(file)[:12]}"
    except OSError as error:
        raise UsageError(f"-loss: the file of the loss {kind} cannot be read: {file} ({error.strerror})") from error


def _part(mode: str, tower: str) -> str:
    """Return what a rule or a map says about a tower, the map's patterns without its prefix.

    Example:
        >>> _part("image.features.*=fa,*=bp", "image"), _part("image.features.*=fa,*=bp", "text"), _part("fa", "text")
        ('features.*=fa,*=bp', 'bp', 'fa')
    """
    if "=" not in mode:
        return mode
    others = tuple(f"{name}." for name in MODALITIES if name != tower)
    own: dict[str, str] = {}
    for pattern, rule in parse_rule_map(mode).items():
        if not pattern.startswith(others):
            own.setdefault(pattern.removeprefix(f"{tower}."), rule)
    if next(iter(own), "*") == "*":
        return own.get("*", "bp")
    return ",".join(f"{pattern}={rule}" for pattern, rule in own.items())


def _has_prefix(mode: str, tower: str) -> bool:
    return "=" in mode and any(pattern.startswith(f"{tower}.") for pattern in parse_rule_map(mode))
