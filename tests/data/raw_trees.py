"""Small raw datasets, laid out as the official archives unpack, and the sizes that go with them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from biodeephashing.data.sets import MIRFLICKR25K, MS_COCO, NUS_WIDE, VOC2012, ImageNet
from biodeephashing.data.sets.dataset import PublicDataset


def photo(file: Path, number: int) -> None:
    """Write a small JPEG whose colour tells its number."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (10, 8), (number % 256, 5 * number % 256, 100)).save(file)


def written(files: dict[str, str], folder: Path, turned: bool) -> None:
    """Write text files and photographs (those without text) below a folder, on request the last one first."""
    for number, (name, text) in list(enumerate(files.items()))[:: -1 if turned else 1]:
        if text:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        else:
            photo(folder / name, number)


def random_labels(count: int, classes: int) -> NDArray[np.uint8]:
    """Labels of which every class has some and every fifth image none."""
    labels = (np.random.default_rng(0).random((count, classes)) < 0.3).astype(np.uint8)
    labels[np.arange(count), np.arange(count) % classes] = 1
    labels[::5] = 0
    return labels


def coco(home: Path, monkeypatch: pytest.MonkeyPatch, turned: bool = False) -> NDArray[np.uint8]:
    """24 train and 16 val images; ids 1, 3 and 90 are used. Returns their labels, 3 columns."""
    monkeypatch.setattr(MS_COCO, "SIZES", {"train": 8, "query": 5, "val": 4})
    monkeypatch.setattr(MS_COCO, "LEAST", 3)
    labels, files, start = random_labels(40, 3), {}, 0
    categories = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 3, "name": "car"}]
    for part, count in (("train2014", 24), ("val2014", 16)):
        images = [{"id": 1000 + 7 * row, "file_name": f"COCO_{part}_{row:012d}.jpg"} for row in range(start, start + count)]
        annotations = [
            {"image_id": 1000 + 7 * row, "category_id": (1, 3, 90)[column], "segmentation": [[1, 2]], "id": 10 * row + column}
            for row in range(start, start + count)
            for column in np.flatnonzero(labels[row]).tolist()
        ]
        random.Random(1).shuffle(annotations)
        content = {"images": images, "annotations": annotations + annotations[:3], "categories": categories}
        files[f"annotations/instances_{part}.json"] = json.dumps(content)
        captions = [
            {"image_id": image["id"], "id": 9 - turn, "caption": f"view {turn} of image {int(image['id']) % 5}.\n"}
            for turn in (1, 0)
            for image in images[1:]
        ]
        files[f"annotations/captions_{part}.json"] = json.dumps({"images": images, "annotations": captions})
        files |= {f"{part}/{image['file_name']}": "" for image in images}
        start += count
    written(files, home / "data/raw/MS_COCO", turned)
    return labels


def nus_wide(home: Path, monkeypatch: pytest.MonkeyPatch, turned: bool = False) -> NDArray[np.uint8]:
    """90 images of which every ninth could not be fetched; concepts 0, 1 and 2 are frequent. Returns the labels of all concepts."""
    monkeypatch.setattr(NUS_WIDE, "SIZES", {"train": 20, "query": 10, "val": 10})
    monkeypatch.setattr(NUS_WIDE, "PER_CLASS", {"train": 5, "query": 2, "val": 1})
    monkeypatch.setattr(NUS_WIDE, "SIZES_10", {"train": 9, "query": 7, "val": 5})
    monkeypatch.setattr(NUS_WIDE, "LEAST", 30)
    monkeypatch.setattr(NUS_WIDE, "LEAST_TAGGED", 10)
    monkeypatch.setattr(NUS_WIDE, "FEW", 2)
    concepts = [f"concept{number:02d}" for number in range(81)]
    labels = np.zeros((90, 81), np.uint8)
    for column, step in ((0, 3), (1, 1), (2, 2)):
        labels[4::step, column] = 1
    labels[0, 0] = 1
    labels[:4, 7] = 1
    names = [f"folder{row % 4}\\{row:04d}_{10**6 + row}.jpg" for row in range(90)]
    files = {
        "ImageList/Imagelist.txt": "".join(f"{name}\r\n" for name in names),
        "ConceptsList/Concepts81.txt": "".join(f"{name}\n" for name in random.Random(2).sample(concepts, 81)),
    }
    files |= {f"AllLabels/Labels_{name}.txt": "".join(f"{value}\n" for value in labels[:, c]) for c, name in enumerate(concepts)}
    files |= {f"images/{name}".replace("\\", "/"): "" for row, name in enumerate(names) if row % 9}
    tags = [[f"Rare{row}", "sea", "blue"][: (0, 1, 2, 3, 2, 3)[row % 6]] for row in range(90)]
    files["NUS_WID_Tags/All_Tags.txt"] = "".join(f"{10**6 + row}      {' '.join(tags[row])} \r\n" for row in range(89, -1, -1))
    files["NUS_WID_Tags/TagList1k.txt"] = "sea\r\nblue\r\nnikon\r\n"
    bags = [[str(int(tag in of_one)) for tag in ("sea", "blue", "nikon")] for of_one in tags]
    files["NUS_WID_Tags/AllTags1k.txt"] = "".join("\t".join(bag) + "\t\r\n" for bag in bags)
    written(files, home / "data/raw/NUS_WIDE", turned)
    return labels


def mirflickr(home: Path, monkeypatch: pytest.MonkeyPatch, turned: bool = False) -> NDArray[np.uint8]:
    """60 images with 38 labels."""
    monkeypatch.setattr(MIRFLICKR25K, "COUNT", 60)
    monkeypatch.setattr(MIRFLICKR25K, "SIZES", {"train": 12, "query": 6, "val": 6})
    monkeypatch.setattr(MIRFLICKR25K, "TAGS_SIZES", {"train": 12, "query": 6, "val": 3})
    monkeypatch.setattr(MIRFLICKR25K, "LEAST", 10)
    labels = random_labels(60, 38)
    files = {
        f"{MIRFLICKR25K.ANNOTATIONS}/{name}.txt": "".join(f"{row + 1}\r\n" for row in np.flatnonzero(labels[:, column]))
        for column, name in enumerate(MIRFLICKR25K.CLASSES)
    }
    files |= {f"{MIRFLICKR25K.ANNOTATIONS}/README.txt": "not a label"} | {f"mirflickr/im{row + 1}.jpg": "" for row in range(60)}
    files |= {f"mirflickr/meta/tags/tags{row + 1}.txt": f"{('sea', 'd70s', f'rare{row}')[row % 3]}\r\nx{row}\r\n" for row in range(60)}
    written(files, home / "data/raw/MIRFLICKR25K", turned)
    return labels


def voc(home: Path, monkeypatch: pytest.MonkeyPatch, turned: bool = False) -> NDArray[np.uint8]:
    """50 images with 20 labels, some of them only because of difficult objects."""
    monkeypatch.setattr(VOC2012, "SIZES", {"train": 12, "query": 6, "val": 6})
    labels, names = random_labels(50, 20), [f"2008_{row:06d}" for row in range(50)]
    main = f"{VOC2012.FOLDER}/ImageSets/Main"
    files = {f"{main}/trainval.txt": "".join(f"{name}\n" for name in names)}
    for column, kind in enumerate(VOC2012.CLASSES):
        values = [("-1", " 1" if row % 4 else " 0")[labels[row, column]] for row in range(50)]
        files[f"{main}/{kind}_trainval.txt"] = "".join(f"{name} {value}\n" for name, value in zip(names, values, strict=True))
    files |= {f"{VOC2012.FOLDER}/JPEGImages/{name}.jpg": "" for name in [*names, "2009_999999"]}
    written(files, home / "data/raw/VOC2012", turned)
    return labels


def imagenet(home: Path, monkeypatch: pytest.MonkeyPatch, turned: bool = False) -> NDArray[np.uint8]:
    """4 synsets with 12 database images each, 12 of all these in the training list, and 20 test images. Returns the classes of test.txt."""
    monkeypatch.setattr(ImageNet, "SIZES", {"train": 12, "query": 20, "database": 48})
    monkeypatch.setattr(ImageNet, "CLASSES", 4)
    monkeypatch.setattr(ImageNet, "VAL", 2)
    synsets, vectors = ["n09", "n01", "n05", "n03"], ["1 0 0 0", "0 1 0 0", "0 0 1 0", "0 0 0 1"]
    database = [(f"{name}_{row}.JPEG", column) for row in range(12) for column, name in enumerate(synsets)]
    test = [(f"ILSVRC2012_val_{row:08d}.JPEG", row * row % 4) for row in range(20)]
    lists = {"train": database[4:28:2], "test": test, "database": database}
    files = {
        f"lists/{name}.txt": "".join(f"/home/somebody/imagenet/image/{file} {vectors[column]}\n" for file, column in rows)
        for name, rows in lists.items()
    }
    files |= {f"ILSVRC/Data/CLS-LOC/train/{file.split('_')[0]}/{file}": "" for file, _ in database}
    files |= {f"ILSVRC/Data/CLS-LOC/val/{file}": "" for file, _ in test}
    written(files, home / "data/raw/ImageNet", turned)
    return np.array([column for _, column in test])


Maker = Callable[..., NDArray[np.uint8]]
# name of the prepared set -> (public dataset, maker of its raw data)
PREPARED: dict[str, tuple[PublicDataset, Maker]] = {
    "MS_COCO": (MS_COCO.DATASET, coco),
    "coco": (MS_COCO.DATASET, coco),
    "NUS_WIDE": (NUS_WIDE.DATASET, nus_wide),
    "nuswide_21": (NUS_WIDE.DATASET, nus_wide),
    "nuswide-tags": (NUS_WIDE.DATASET, nus_wide),
    "nuswide-tags-10": (NUS_WIDE.DATASET, nus_wide),
    "nuswide-alltags": (NUS_WIDE.DATASET, nus_wide),
    "coco-captions": (MS_COCO.DATASET, coco),
    "MIRFLICKR25K": (MIRFLICKR25K.DATASET, mirflickr),
    "mirflickr-tags": (MIRFLICKR25K.DATASET, mirflickr),
    "mirflickr": (MIRFLICKR25K.DATASET, mirflickr),
    "VOC2012": (VOC2012.DATASET, voc),
    "voc2012": (VOC2012.DATASET, voc),
    "ImageNet_test": (ImageNet.DATASET, imagenet),
    "imagenet100": (ImageNet.DATASET, imagenet),
}
