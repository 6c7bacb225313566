"""The settings of a method that trains an image network by a learning rule."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..errors import UsageError, nearest, unknown_name
from ..registry import names_on_disk
from .common import LONGEST_NAME, legal
from .constants import tidy_constants
from .network import NetworkSettings
from .rule_maps import PRESETS, canonical, rules_named
from .schedule import parse_schedule
from .setting import AT_LEAST_0, AT_LEAST_1, POSITIVE, TRAIN_ONLY, setting

_RULES = names_on_disk("bio", "RULES")


@dataclass(frozen=True)
class TrainingSettings(NetworkSettings):
    """What a training takes beside its loss: the learning rule, batches, epochs, rates and what holds the weights.

    Example:
        >>> TrainingSettings(architecture="bio-vgg16").mode, TrainingSettings(architecture="vgg16").mode
        ('fa', 'bp')
    """

    architecture: str = setting(
        "alexnet", "arch",
        "backbone; for ready features linear or mlp:1024,512 (units of the hidden layers); bio-NAME is NAME trained by the rule of -mode, "
        "plain NAME trains with bp", named="always", before="seed",
    )  # fmt: skip
    batch_size: int = setting(
        16, "bs", "images per optimizer step, over all devices", unit="images", check=AT_LEAST_1, named="always", before="num_workers"
    )
    mode: str = setting(
        "", "mode",
        f"learning rule ({', '.join(_RULES)}), {', '.join(f'{preset}:RULE' for preset in PRESETS)}, or a map from layers to rules "
        "(features.*=frsf,*=bp); left out: fa for bio-NAME, bp for plain NAME", named="always", before="num_workers",
    )  # fmt: skip
    epochs: int = setting(10, "ep", "most epochs to train", unit="epochs", check=AT_LEAST_1, named="always", before="datafolds")
    patience: int = setting(
        10, "pt", "epochs without improvement before training stops; a checkpoint is kept every half of it",
        unit="epochs", check=AT_LEAST_1, named="always", before="datafolds",
    )  # fmt: skip
    learning_rate: float = setting(
        1e-5, "lr", "rate of the backbone; the hash layer learns at -hash_rate times it", check=POSITIVE, named="always", before="datafolds"
    )
    weight_decay: float = setting(0.0005, "wd", "weight decay", check=AT_LEAST_0, named="always", before="datafolds")
    optimizer: str = setting(
        "adam", "optim", "optimizer", choices=("adam", "sgd", "nesterov", "rmsprop"), named="always", before="datafolds"
    )
    scale: str = setting("init", "scale", "size of the feedback: init, weight or a positive number", before="precision")
    constrain_norm: bool = setting(False, "constrain_norm", "give every weight its first norm back after each step", before="precision")
    clip_norm: float = setting(
        0.0, "clip_norm", "largest norm of the gradient of all weights together (0: not clipped)", check=AT_LEAST_0, before="precision"
    )
    align_every: int = setting(
        0, "align_every", "measure every layer's feedback and updates against backpropagation each so many epochs (0: never)",
        unit="epochs", check=AT_LEAST_0, before="precision", **TRAIN_ONLY,
    )  # fmt: skip
    min_delta: float = setting(
        0.05, "min_delta", "gain in val mAP that counts as an improvement for -pt", check=AT_LEAST_0, before="device"
    )
    schedule: str = setting(
        "constant", "schedule",
        "how all learning rates change: constant, cosine, step:N:FACTOR (every N epochs) or steps:N:FACTOR (every N optimizer steps)",
        before="device",
    )  # fmt: skip
    hash_rate: float = setting(
        10.0, "hash_rate", "rate of the hash layer and the loss's own weights over that of the backbone", check=POSITIVE, before="device"
    )
    freeze: bool = setting(
        False, "freeze", "train the hash layer (and the loss) alone: the backbone keeps its weights and gives the features of evaluation",
        before="device",
    )  # fmt: skip
    devices: int = setting(1, "devices", "devices that share a batch", check=AT_LEAST_1, before="tracking", **TRAIN_ONLY)
    rule_constants: str = setting(
        "", "rule_constants",
        "constants of the learning rules of -mode, name=value with commas between (rate=0.1,...), for each rule that has such a one; "
        "see docs/learning_rules.md", recorded="changed",
    )  # fmt: skip
    fixed_norm: bool = setting(
        False, "fixed_norm", "batch norm of the backbone keeps its pretrained mean and variance; scale and shift learn", recorded="changed"
    )
    train_only: str = setting(
        "", "train_only",
        "patterns of the layers of the backbone that learn (blocks.6.*,conv_head); the others keep their weights and statistics",
        recorded="changed",
    )  # fmt: skip

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
        """Name of the run's folder; a rule map that would make it too long gives way to its digest."""
        name = super().name
        if len(name.encode()) > LONGEST_NAME and "=" in self.mode:
            short = hashlib.sha256(self.mode.encode()).hexdigest()[:12]
            name = name.replace(f"-mode={legal(self.mode)}-", f"-mode=map~{short}-")
        return name

    def complete(self) -> None:
        """Choose the rule after the architecture."""
        super().complete()
        if self.mode == "":
            self.put("mode", "fa" if self.is_bio else "bp")

    def check(self) -> None:
        """Check how rule, network, rates and devices go together."""
        super().check()
        self.check_rules()
        _check_scale(self.scale)
        patterns = ",".join(filter(None, map(str.strip, self.train_only.split(","))))
        if self.train_only and not patterns:
            raise UsageError(f"-train_only {self.train_only!r} names no layer: give names of layers, * for any characters, or leave it out")
        self.put("train_only", patterns)
        if self.freeze and self.train_only:
            raise UsageError(f"-freeze lets no layer of the backbone learn, and -train_only {self.train_only} some: give one of them")
        self.put("schedule", str(parse_schedule(self.schedule)))
        if self.batch_size % self.devices:
            raise UsageError(f"-bs {self.batch_size} cannot be shared evenly by -devices {self.devices}")

    def check_rules(self) -> None:
        """Write rules alike that mean the same, and refuse those that do not exist or have no effect.

        Raises:
            UsageError: naming the flags.
        """
        mode, arch = self.flag("mode"), self.flag("architecture")
        self.put("mode", canonical(self.mode))
        check_known_rules(self.mode, mode)
        self.put("rule_constants", tidy_constants(self.rule_constants))
        if self.is_bio:
            return
        if self.mode != "bp":
            raise UsageError(
                f"{arch} {self.architecture} always trains with bp, so {mode} {self.mode} would have no effect: "
                f"write {arch} bio-{self.architecture} to train it with {self.mode}"
            )
        for flag, given in (("-align_every measures", self.align_every), ("-rule_constants sets constants of", self.rule_constants)):
            if given:
                raise UsageError(f"{flag} learning rules, and {arch} {self.architecture} has none: write {arch} bio-{self.architecture}")


def check_known_rules(text: str, flag: str) -> None:
    """Refuse rules that do not exist.

    Args:
        text: a rule, ``preset:rule`` or a map.
        flag: what it was given by.

    Raises:
        UnknownNameError: naming the flag and the nearest rule.
    """
    for rule in rules_named(text):
        if rule not in _RULES:
            raise unknown_name(f"value for {flag}", rule, _RULES)


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
