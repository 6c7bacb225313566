"""Examine the images and labels of a prepared dataset."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, zip_longest

import numpy as np

from ..data import Metadata, PreparedDataset, Split, read_label_names
from ..data.features.examination import feature_facts, feature_faults, feature_remarks
from ..data.images.examination import Examined, examine
from ..data.images.looks import first_near
from ..data.own.images import check_source
from ..data.prepare.checks import uniform
from ..data.prepare.labels import alike, describe, lacking
from ..data.prepare.pairing import pairing_remarks
from ..data.texts.examination import text_facts, text_remarks
from ..errors import DataError
from ..runs import home, processed_folder
from ..settings import FOLDS
from ..settings.own_images import database_name, own_place

_SHOWN = 3  # examples of each finding
_BROKEN = 20  # images listed that must be replaced

Folds = Mapping[str, Metadata]
Findings = Mapping[str, Examined]


@dataclass(frozen=True)
class Diagnosis:
    """The result of an examination.

    Args:
        facts: lines that describe the dataset.
        remarks: oddities that published datasets have too: equal images under different names, unused classes.
        faults: errors in the dataset.
    """

    facts: list[str]
    remarks: list[str]
    faults: list[str]


def examine_database(database: str) -> Diagnosis:
    """Look at every image and label of a prepared dataset.

    Args:
        database: the dataset, a directory of ``data/processed/``.

    Raises:
        UnknownNameError: for an unknown dataset.
        DataError: if its split or metadata cannot be read, or were changed after it was prepared.
    """
    prepared = PreparedDataset(database)
    if prepared.split.has_features():
        return _of_features(prepared)
    split, folds = prepared.split, {name: fold.rows(fold.present) for name, fold in prepared.folds().items()}
    paths = list(dict.fromkeys(path for fold in folds.values() for path in fold.paths))
    examined = dict(zip(paths, examine([home() / path for path in paths], database), strict=True))
    labels, texts = _labels(folds, split.classes), text_facts(prepared)
    facts = [split.caption, _understood(folds, split), *_counts(folds, examined), *_modes(examined), *labels, *texts]
    faults = [
        *_misnamed(prepared),
        *_unusable(examined),
        *_repeated_lines(folds),
        *_unstated_overlaps(folds, split, texts_alone=sum(map(len, folds.values())) < sum(split.sizes.values())),
        *_unanswerable(folds, split.classes),
        *_uniform(folds, split.classes),
    ]
    remarks = [
        *_unused(folds, split.classes),
        *_doubtful(folds, split.classes),
        *_equal_images(folds, examined),
        *_near_images(folds, examined),
        *text_remarks(prepared),
        *pairing_remarks(prepared),
    ]
    return Diagnosis(facts, [_short(remark, database) for remark in remarks], [_short(fault, database) for fault in faults])


def _of_features(prepared: PreparedDataset) -> Diagnosis:
    """Look at the rows and labels of a dataset of ready features."""
    split, folds = prepared.split, prepared.folds()
    facts = [
        split.caption,
        _understood(folds, split, item="item"),
        *_labels(folds, split.classes, item="item"),
        *feature_facts(prepared),
        *text_facts(prepared),
    ]
    faults = [
        *_misnamed(prepared),
        *feature_faults(prepared),
        *_repeated_lines(folds, item="item"),
        *_unstated_overlaps(folds, split, texts_alone=False, item="item"),
        *_unanswerable(folds, split.classes, item="item"),
        *_uniform(folds, split.classes),
    ]
    remarks = [
        *_unused(folds, split.classes, item="item"),
        *_doubtful(folds, split.classes, item="item"),
        *feature_remarks(prepared),
        *text_remarks(prepared),
    ]
    return Diagnosis(facts, remarks, faults)


def _understood(folds: Folds, split: Split, item: str = "image") -> str:
    """Return how the labels are interpreted, counting what several folds share once."""
    rows = {path: row for fold in folds.values() for path, row in zip(fold.paths, fold.labels, strict=True)}
    return describe(np.stack(list(rows.values())), split.classes, str(split.reading.get("labels", "")), item)


def _counts(folds: Folds, examined: Findings) -> Iterator[str]:
    for name, fold in folds.items():
        present = [examined[path] for path in fold.paths if not examined[path].missing]
        unreadable = sum(bool(image.fault) for image in present)
        yield f"{name}: {len(fold):,} images expected, {len(present):,} found, {unreadable:,} of them unreadable"


def _modes(examined: Findings) -> Iterator[str]:
    modes = Counter(image.mode for image in examined.values() if not image.fault)
    others = ", ".join(f"{count:,} {mode}" for mode, count in modes.most_common() if mode != "RGB")
    if others:
        yield f"not RGB, converted on the way: {others}"


def _labels(folds: Folds, classes: Sequence[str], item: str = "image") -> Iterator[str]:
    for name, fold in folds.items():
        per_class, per_item = fold.labels.sum(axis=0), fold.labels.sum(axis=1)
        least, most = int(per_class.argmin()), int(per_class.argmax())
        yield (
            f"{name}: {per_item.mean():.2f} classes an {item}, {int((per_item == 0).sum()):,} {item}s without any; from "
            f"{per_class[least]:,} {item}s ({classes[least]}) to {per_class[most]:,} ({classes[most]}) a class"
        )


def _misnamed(prepared: PreparedDataset) -> Iterator[str]:
    try:
        names = read_label_names(prepared.database)
    except DataError as error:
        yield f"class names: {error}"
        return
    pairs = zip_longest(names, prepared.split.classes, fillvalue="none")
    other = next(((row, *pair) for row, pair in enumerate(pairs) if pair[0] != pair[1]), None)
    if other:
        yield "class names: label_names.txt has {1} for class {0}, but split.json has {2}".format(*other)


def _unusable(examined: Findings) -> Iterator[str]:
    broken = [f"{path} {image.fault}" for path, image in examined.items() if image.fault]
    if broken:
        yield f"images that cannot be used: {len(broken):,} ({_examples(broken, _BROKEN)})"


def _repeated_lines(folds: Folds, item: str = "image") -> Iterator[str]:
    for fold in folds.values():
        repeated = [path for path, count in Counter(fold.paths).items() if count > 1]
        if repeated:
            yield f"{item}s in several lines of {fold.file}: {len(repeated):,} ({_examples(repeated)})"


def _unstated_overlaps(folds: Folds, split: Split, texts_alone: bool, item: str = "image") -> Iterator[str]:
    for one, other in combinations(folds, 2):
        shared, stated = set(folds[one].paths) & set(folds[other].paths), split.overlaps.get(f"{one}-{other}", 0)
        if len(shared) != stated and not (texts_alone and len(shared) < stated):  # a text alone has no name to find it again
            examples = f" ({_examples(sorted(shared))})" if shared else ""
            yield f"{item}s that {one} and {other} share: {len(shared):,}, but split.json states {stated:,}{examples}"


def _unanswerable(folds: Folds, classes: Sequence[str], item: str = "image") -> Iterator[str]:
    yield from lacking({name: fold.labels for name, fold in folds.items()}, classes, "query", "database", item)


def _uniform(folds: Folds, classes: Sequence[str]) -> Iterator[str]:
    if complaint := uniform(np.concatenate([fold.labels for fold in folds.values()]), classes):
        yield complaint


def _doubtful(folds: Folds, classes: Sequence[str], item: str = "image") -> Iterator[str]:
    labels = {name: fold.labels for name, fold in folds.items()}
    yield from alike(classes)
    yield from lacking(labels, classes, "query", "train", item)
    yield from lacking(labels, classes, "train", "database", item)


def _unused(folds: Folds, classes: Sequence[str], item: str = "image") -> Iterator[str]:
    unused = [name for c, name in enumerate(classes) if not any(fold.labels[:, c].any() for fold in folds.values())]
    if unused:
        yield f"classes without any {item}: {len(unused)} ({_examples(unused)})"


def _equal_images(folds: Folds, examined: Findings) -> Iterator[str]:
    yield from _twins(folds, _equal(examined).values())


def _near_images(folds: Folds, examined: Findings) -> Iterator[str]:
    paths = [paths[0] for paths in _equal(examined).values() if examined[paths[0]].look is not None]
    looks = np.array([examined[path].look for path in paths], dtype=np.uint64)
    members = {name: set(fold.paths) for name, fold in folds.items()}
    inside = {name: np.array([path in members[name] for path in paths], dtype=bool) for name in folds}
    near = {name: first_near(looks, inside[name]) for name in folds}
    for one, other in combinations_with_replacement(FOLDS, 2):
        last = np.arange(len(paths)) if one == other else len(paths)  # in one fold, the first is the original
        rows = np.flatnonzero(inside[one] & (near[other] < last)).tolist()
        pairs = sorted(((row, int(near[other][row])) for row in rows), key=lambda pair: (sorted(pair), pair))
        yield from _said("look nearly like", one, other, {paths[row]: paths[twin] for row, twin in pairs})


def _equal(examined: Findings) -> Mapping[str, list[str]]:
    """Return the files that hold the same pixels, by their checksum."""
    same: dict[str, list[str]] = {}
    for path, image in examined.items():
        if image.pixels:
            same.setdefault(image.pixels, []).append(path)
    return same


def _twins(folds: Folds, groups: Iterable[Sequence[str]]) -> Iterator[str]:
    """Report how many images of each fold have a twin, another file of the same group, in each fold."""
    members = {name: set(fold.paths) for name, fold in folds.items()}
    pairs: dict[tuple[str, str], dict[str, str]] = {pair: {} for pair in combinations_with_replacement(FOLDS, 2)}
    for group in groups:
        if len(group) < 2:
            continue
        inside = {name: [path for path in group if path in paths] for name, paths in members.items()}
        for (one, other), twins in pairs.items():
            for path in inside[one][1:] if one == other else inside[one]:  # in one fold, the first is the original
                twin = next((candidate for candidate in inside[other][:2] if candidate != path), None)
                if twin is not None:
                    twins.setdefault(path, twin)
    for (one, other), twins in pairs.items():
        yield from _said("have the same pixels as", one, other, twins)


def _said(words: str, one: str, other: str, twins: Mapping[str, str]) -> Iterator[str]:
    if twins:
        where = f"an earlier one of {other}" if one == other else f"one of {other}"
        yield f"images of {one} that {words} {where}: {len(twins):,} ({_examples([f'{a} = {b}' for a, b in twins.items()])})"


def _examples(names: Sequence[str], shown: int = _SHOWN) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def _short(line: str, database: str) -> str:
    """Return a line with image paths cut to what tells the images of a set apart."""
    return line.replace(f"data/processed/{database}/images/", "")


def from_arguments(arguments: Namespace) -> int:
    """Examine what ``doctor.py`` names, print the result, and return 0 for a healthy dataset, 1 for another."""
    database, source = database_name(arguments.database), own_place(arguments.database)
    if source and not processed_folder(database).exists():
        raise DataError(f"{source} has not been prepared: run `python src/data/process/FOLDER.py {source}` first")
    check_source(source)
    diagnosis = examine_database(database)
    print("\n".join(diagnosis.facts))
    for remark in diagnosis.remarks:
        print(f"remark: {remark}")
    for fault in diagnosis.faults:
        print(f"FAULT: {fault}")
    healthy = not diagnosis.faults and not (arguments.strict and diagnosis.remarks)
    print("healthy" if healthy else "not healthy")
    return 0 if healthy else 1
