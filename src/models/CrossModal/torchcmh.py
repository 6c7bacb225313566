"""Files of settings of torchcmh, translated into ours: what a file says is honoured, or refused by its key."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

from ...data.catalogue import command_for
from ...data.split import known_databases, prepared_databases, read_facts
from ...errors import UsageError, unknown_name
from ...preprocessing import IMAGENET
from ...registry import keywords_on_disk, names_on_disk
from ...settings.setting import truth
from ...settings.strict_parser import command_line

SECTIONS = ("training", "datasetPath", "dataPreprocess", "dataAugmentation")
_TRAINING = ("method", "dataName", "batchSize", "bit", "cuda", "device")
_TOWERS = {"SCAHN": ("resnet34", "ms_residual")}  # that methods were published with
_USUAL_TOWERS = ("cnnf", "mlp:8192")
_SETS = {  # what to call a dataset, and its other names without blanks and the like
    "Mirflickr25K": ("mirflickr25k", "mirflickr", "mirflckr25k", "mirflickr25000", "flickr25k", "mirflickrtags"),
    "NUS-WIDE": ("nuswide", "nuswide21", "nuswidetc21", "nuswide10", "nuswidetc10"),
    "MSCOCO": ("mscoco", "coco", "coco2014", "mscoco2014", "cococaptions"),
    "IAPR-TC12": ("iaprtc12", "iapr", "tc12", "iaprtc"),
}
_PUBLIC = {"Mirflickr25K": "mirflickr-tags", "MSCOCO": "coco-captions"}  # prepared from the publishers' files
_ANGLES = (90, 180, 270)


class _Section:
    """A mapping of a file.

    Args:
        content: the mapping; nothing for one that is left out or empty.
        name: where it stands, "dataPreprocess.img"; empty for the file.
        known: the keys there may be.
        source: the file.

    Raises:
        UsageError: if it is no mapping.
        UnknownNameError: naming the first key that is not known, and the nearest one.
    """

    def __init__(self, content: Any, name: str, known: Iterable[str], source: str) -> None:
        self.content, self.name, self.source = content or {}, name, source
        if not isinstance(self.content, Mapping):
            raise UsageError(f"{source}: {name} has keys of its own ({', '.join(known)}), not the value {content!r}")
        for key in self.content:
            if key not in known:
                raise UsageError(f"{source}: {unknown_name('key', self.where(str(key)), map(self.where, known))}")

    def where(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def section(self, key: str, *known: str) -> _Section:
        return _Section(self.content.get(key), self.where(key), known, self.source)

    def truth(self, key: str = "enable", default: bool = True) -> bool:
        return truth(self.content[key], f"{self.source}: {self.where(key)}") if key in self.content else default

    def number(self, key: str, kind: type[int] | type[float] = float) -> float:
        try:
            return kind(str(self.content.get(key, "missing")))
        except ValueError as error:
            raise self.refused(key, f"a {'whole ' * (kind is int)}number is needed") from error

    def share(self, key: str, default: float | None = None) -> float:
        value = self.number(key) if default is None or key in self.content else default
        if not 0 <= value <= 1:
            raise self.refused(key, "a probability is from 0 to 1")
        return value

    def refused(self, key: str, why: str) -> UsageError:
        value = str(self.content.get(key)).replace("'", "")
        return UsageError(
            f"{self.source}: {self.where(key)} {f'{value} cannot be honoured' if key in self.content else 'is missing'}: {why}"
        )


def translated(content: Mapping[str, Any], source: str, given: Container[str]) -> dict[str, Any]:
    """Return our settings, by their long names, for the content of a file of torchcmh.

    Args:
        content: what the file holds, scalars as they are written.
        source: the file.
        given: long names of settings that flags give: of these, what the file says is not asked for.

    Raises:
        UsageError: for a key that is not known, and a value that cannot be honoured; naming the key.
    """
    file = _Section(content, "", SECTIONS, source)
    settings = _training(file, given) | _augmentation(file)
    preprocess = file.section("dataPreprocess", "img", "txt", "label")
    settings |= _images(preprocess, given)
    if preprocess.section("txt", "normalize").section("normalize", "enable").truth(default=False):
        settings["text_weights"] = "unit"
    preprocess.section("label", "onehot").truth("onehot")  # the labels of a prepared dataset are rows of 0 and 1, whatever they were
    return settings


def _training(file: _Section, given: Container[str]) -> dict[str, Any]:
    losses = names_on_disk("losses/crossmodal", "CROSSMODAL_LOSSES")
    raw = file.content.get("training")
    method = str(raw.get("method", "DCMH")) if isinstance(raw, Mapping) else "DCMH"
    loss = next((name for name in losses if name.lower() == method.lower()), None)
    if loss is None and "loss" not in given:
        raise UsageError(f"{file.source}: {unknown_name('method of training.method', method, losses)}")
    constants = keywords_on_disk("losses/crossmodal", "CROSSMODAL_LOSSES", loss) if loss else ()
    training = file.section("training", *_TRAINING, *constants)
    towers = _TOWERS.get(str(loss), _USUAL_TOWERS)
    settings = {"loss": loss, "architecture": towers[0], "text_architecture": towers[1]} | _devices(training)
    for key, name in (("batchSize", "batch_size"), ("bit", "number_of_bits")):
        if key in training.content:
            settings[name] = int(training.number(key, int))
    if own := [f"{name}={value}" for name, value in training.content.items() if name in constants]:
        settings["constants"] = ",".join(own)
    folders = _folders(file)
    if "dataName" in training.content and "database" not in given:
        settings["database"] = _database(str(training.content["dataName"]), training, folders)
    return settings


def _devices(training: _Section) -> dict[str, Any]:
    if not training.truth("cuda"):
        return {"device": "cpu"}
    value = training.content.get("device", "0")
    numbers = [str(number) for number in (value if isinstance(value, list) else [value])]
    if numbers != [str(number) for number in range(len(numbers))]:
        visible = f"set CUDA_VISIBLE_DEVICES={','.join(numbers)} and write {list(range(len(numbers)))}"
        raise training.refused("device", f"devices are counted from 0; to choose others, {visible}")
    return {"devices": len(numbers)}


def _folders(file: _Section) -> dict[str, str]:
    """Return the directory of images of each dataset, by its name of ours."""
    known = {*(alias for aliases in _SETS.values() for alias in aliases), *map(_plain, known_databases())}
    raw, folders = file.content.get("datasetPath"), {}
    names = list(raw) if isinstance(raw, Mapping) else []
    for name in names:
        if _plain(str(name)) not in known:
            raise UsageError(f"{file.source}: {unknown_name('dataset of datasetPath', str(name), {*_SETS, *prepared_databases()})}")
    paths = file.section("datasetPath", *names)
    for name in names:
        folders[_set_of(str(name))] = str(paths.section(name, "img_dir").content.get("img_dir", ""))
    return folders


def _database(name: str, training: _Section, folders: Mapping[str, str]) -> str:
    """Return the prepared dataset of images with texts that a name means, whatever its case, blanks and hyphens."""
    own = _set_of(name)
    aliases = _SETS.get(own, (_plain(name),))
    fitting = [database for database in prepared_databases() if _plain(database) in aliases and _has_texts(database)]
    if fitting:
        return min(fitting, key=lambda database: (_plain(database) != _plain(name), database))
    if own not in _SETS:
        known = {*_SETS, *filter(_has_texts, prepared_databases())}
        raise UsageError(f"{training.source}: {unknown_name('dataset of training.dataName', name, known)}")
    files = f"{command_line('src/data/process/MAT.py')} -name {own} -from FOLDER -images {folders.get(own) or 'IMAGES'}"
    public = f", those of its publishers by `{command_for(_PUBLIC[own])}`" if own in _PUBLIC else ""
    raise training.refused("dataName", f"it is not prepared with texts; the .mat files of torchcmh are by `{files}`{public}")


def _images(preprocess: _Section, given: Container[str]) -> dict[str, Any]:
    images = preprocess.section("img", "resize", "normalize", "toTensor")
    normalize = images.section("normalize", "mean", "std")
    if "transformations" in given:
        return {}
    for key, usual in (("mean", IMAGENET.mean), ("std", IMAGENET.std)):
        if key in normalize.content and list(map(str, usual)) != list(map(str, normalize.content[key])):
            raise normalize.refused(key, f"images are normalised by {list(usual)}, or with -trf dataset by statistics of their own")
    if not images.truth("toTensor"):
        raise images.refused("toTensor", "networks take tensors")
    if "resize" not in images.content:
        return {}
    if images.content["resize"] != ["224", "224"]:
        raise images.refused("resize", "-trf squash brings images to [224, 224], and -trf none keeps their size")
    return {"transformations": "squash"}


def _augmentation(file: _Section) -> dict[str, Any]:
    augmentation = file.section("dataAugmentation", "enable", "img", "txt")
    flips = {"hflip": "RandomHorizontalFlip", "vflip": "RandomVerticalFlip"}
    images = augmentation.section("img", "enable", "originalRetention", "randomRotation", *flips.values())
    rotation = images.section("randomRotation", "enable", "probability", "rotationAngle")
    angles = _angles(rotation)
    changes = {"rotate": rotation.share("probability")} if rotation.content and rotation.truth() else {}
    for name, key in flips.items():
        flip = images.section(key, "enable", "probability")
        if flip.content and flip.truth():
            changes[name] = flip.share("probability")
    settings = {}
    if augmentation.truth() and images.truth() and any(changes.values()):
        parts = changes | {"keep": images.share("originalRetention", 0.0)}
        only = f",angles={'/'.join(map(str, angles))}" if changes.get("rotate") and sorted(angles) != list(_ANGLES) else ""
        settings["image_augmentation"] = ",".join(f"{name}={value}" for name, value in parts.items() if value) + only
    texts = augmentation.section("txt", "enable", "originalRetention", "RandomErasure")
    erasure = texts.section("RandomErasure", "enable", "probability", "defaultValue")
    if augmentation.truth() and texts.truth() and erasure.content and erasure.truth() and (share := erasure.share("probability")):
        value = erasure.number("defaultValue") if "defaultValue" in erasure.content else 0
        if value not in (0, 1):
            raise erasure.refused("defaultValue", "a text has a word or not, so it is 0 or 1")
        parts = {"erase": share, "value": int(value), "keep": texts.share("originalRetention", 0.0)}
        settings["text_augmentation"] = ",".join(f"{name}={part}" for name, part in parts.items() if part)
    return settings


def _angles(rotation: _Section) -> list[int]:
    """Return the angles of a rotation; the file has ranges, each of one angle."""
    pairs = rotation.content.get("rotationAngle", [[str(angle)] * 2 for angle in _ANGLES])
    usable = {str(angle): angle for angle in _ANGLES}
    firsts = [pair[0] if isinstance(pair, list) and len(set(pair)) == 1 else None for pair in pairs] if isinstance(pairs, list) else []
    if not firsts or not set(firsts) <= set(usable):
        raise rotation.refused("rotationAngle", "images are turned by [90, 90], [180, 180] or [270, 270]")
    return [usable[str(first)] for first in firsts]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _set_of(name: str) -> str:
    return next((own for own, aliases in _SETS.items() if _plain(name) in aliases), name)


def _has_texts(database: str) -> bool:
    facts = read_facts(database)
    return facts.has_texts or facts.has_features("text")
