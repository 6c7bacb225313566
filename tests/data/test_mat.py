"""MATLAB files of other cross-modal code bases: keys, axes, versions, splits, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from version_73 import write_v73

from biodeephashing.data import FeatureFold, PreparedDataset, Vocabulary, load_features, load_fold, load_texts, read_label_names
from biodeephashing.data.mat.content import folds_of, prepare_mat
from biodeephashing.data.mat.layouts import read_items
from biodeephashing.data.process import MAT
from biodeephashing.errors import DataError, UsageError
from biodeephashing.settings import FOLDS

h5py = pytest.importorskip("h5py")

COUNT, TAGS, CLASSES = 30, 7, 4
GENERATOR = np.random.default_rng(0)
LABELS = np.concatenate([np.eye(3, dtype=np.uint8)[np.arange(COUNT) % 3], (np.arange(COUNT) % 2)[:, None].astype(np.uint8)], axis=1)
BAGS = (GENERATOR.random((COUNT, TAGS)) < 0.4).astype(np.uint8)
BAGS[:, 0] = 1
PIXELS = GENERATOR.integers(0, 256, (COUNT, 8, 6, 3), dtype=np.uint8)  # (n, H, W, 3)
NAMES = [f"im{row + 1}.jpg" for row in range(COUNT)]
SIZES = "train=10,val=4,query=6"


def cells(texts: list[Any]) -> np.ndarray:
    column = np.empty((len(texts), 1), dtype=object)
    column[:, 0] = texts
    return column


def photos(folder: Path, names: list[str]) -> Path:
    for row, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[row]).save(folder / name, "PNG")
    return folder


def tags_of(row: int) -> list[str]:
    return [f"tag{column + 1:04d}" for column in np.flatnonzero(BAGS[row])]


def check_rows(name: str, *, seed: int = 6) -> None:
    """Check that every item has its own labels and tags, and lies in the fold of the permutation."""
    order = np.random.RandomState(seed).permutation(COUNT)
    rows = {"query": order[:6], "train": order[6:16], "val": order[16:20], "database": order[6:]}
    prepared = PreparedDataset(name)
    vocabulary = Vocabulary.of(prepared)
    assert vocabulary.words == tuple(f"tag{column + 1:04d}" for column in range(TAGS))
    for fold in FOLDS:
        assert np.array_equal(load_fold(name, fold).labels, LABELS[rows[fold]])
        texts = load_texts(prepared, fold)
        assert [text.split() for text in texts.texts] == [tags_of(row) for row in rows[fold]]
        assert np.array_equal(vocabulary.bags(texts.texts), BAGS[rows[fold]])


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize(
    ("image_key", "tag_key", "label_key"), [("FAll", "YAll", "LAll"), ("imgs", "tags", "labels"), ("index", "Tag", "Lab")]
)
def test_three_files(
    project_home: Path, tmp_path: Path, image_key: str, tag_key: str, label_key: str, version: str, turned: bool
) -> None:  # fmt: skip
    folder = tmp_path / "mat"
    folder.mkdir()
    bags, labels = (BAGS.T, LABELS.T.astype(float)) if turned else (BAGS.astype(float), LABELS)
    variables = {image_key: NAMES if version == "7.3" else cells(NAMES), tag_key: bags, label_key: labels}
    for name, value in variables.items():
        (write_v73 if version == "7.3" else savemat)(folder / f"{name}.mat", {name: value})
    split, written = prepare_mat("MINE", [folder], images=photos(tmp_path / "photos", NAMES), sizes=SIZES, seed=6)
    assert written
    assert split.overlaps == {"train-database": 10, "val-database": 4}
    check_rows("MINE")
    query = load_fold("MINE", "query")
    first = int(np.random.RandomState(6).permutation(COUNT)[0])
    assert query.paths[0].endswith(f"/{NAMES[first]}")
    assert np.array_equal(np.asarray(Image.open(query.image(0))), PIXELS[first])


@pytest.mark.parametrize(
    "form", ["v5, items first", "v7.3, items last", "v7.3, items first", "HDF5 of Python", "v5, channels before pixels"]
)
def test_images_in_the_file(project_home: Path, tmp_path: Path, form: str) -> None:
    file = tmp_path / "FLICKR-25K.mat"
    if form == "v5, items first":
        savemat(file, {"images": PIXELS, "YAll": BAGS, "LAll": LABELS})
    elif form == "v5, channels before pixels":
        savemat(file, {"images": PIXELS.transpose(0, 3, 1, 2), "YAll": BAGS, "LAll": LABELS})
    elif form == "HDF5 of Python":
        with h5py.File(file, "w") as content:
            content.update({"images": PIXELS.transpose(0, 3, 1, 2), "YAll": BAGS, "LAll": LABELS.T})
    else:
        images = PIXELS.transpose(1, 2, 3, 0) if form == "v7.3, items last" else PIXELS
        write_v73(file, {"images": images, "YAll": BAGS, "LAll": LABELS})
        if form == "v7.3, items last":
            with h5py.File(file) as content:
                assert content["images"].shape == (COUNT, 3, 6, 8)  # n x 3 x W x H, as DCMH has it
    prepare_mat("MINE", [file], sizes=SIZES, seed=1)
    check_rows("MINE", seed=1)
    for fold, rows in (("query", np.random.RandomState(1).permutation(COUNT)[:6]),):
        metadata = load_fold("MINE", fold)
        for row, item in enumerate(rows):
            assert np.array_equal(np.asarray(Image.open(metadata.image(row))), PIXELS[item])


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_features_with_tags(project_home: Path, tmp_path: Path, version: str) -> None:
    features = GENERATOR.standard_normal((COUNT, 5))
    (write_v73 if version == "7.3" else savemat)(tmp_path / "a.mat", {"XAll": features, "YAll": BAGS, "LAll": LABELS})
    prepare_mat("MINE", [tmp_path / "a.mat"], sizes=SIZES, seed=6)
    check_rows("MINE")
    order, fold = np.random.RandomState(6).permutation(COUNT), load_fold("MINE", "database")
    assert np.array_equal(FeatureFold(fold, load_features(fold)).batch([2, 0])[0].numpy(), features.astype(np.float32)[order[6:][[2, 0]]])


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("sideways", [False, True])
def test_captions_and_paths_of_another_machine(project_home: Path, tmp_path: Path, version: str, sideways: bool) -> None:
    captions = [f"A dog, number {row}" for row in range(COUNT)]
    padded = np.array([f"/home/them/data/{name}" for name in NAMES])
    if version == "7.3":
        write_v73(tmp_path / "caption.mat", {"caption": captions})
        write_v73(tmp_path / "index.mat", {"index": padded})
    else:
        savemat(tmp_path / "caption.mat", {"caption": cells(captions).T if sideways else cells(captions)})
        savemat(tmp_path / "index.mat", {"index": padded})  # a char array, blank padded
    savemat(tmp_path / "label.mat", {"category": LABELS})
    files = [tmp_path / f"{name}.mat" for name in ("index", "caption", "label")]
    images = photos(tmp_path / "photos", NAMES)
    prepare_mat("MINE", files, images=images, prefix="/home/them/data/", sizes=SIZES, seed=6, least=2)
    order = np.random.RandomState(6).permutation(COUNT)
    assert load_texts("MINE", "query").texts == [captions[row] for row in order[:6]]
    assert Vocabulary.of(PreparedDataset("MINE")).words == ("a", "dog", "number")
    for prefix, complaint in (("/home/you", "does not begin with"), ("", "none below -images")):
        with pytest.raises(DataError, match=complaint):
            prepare_mat("OTHER", files, images=images, prefix=prefix, sizes=SIZES, seed=6)


def test_several_captions_of_an_item_and_two_columns_of_paths(tmp_path: Path) -> None:
    pairs = np.array([[f"part{row % 2}  ", f"{name} "] for row, name in enumerate(NAMES)], dtype=object)
    captions = cells([cells([f"first {row}", "second"]) for row in range(COUNT)])
    savemat(tmp_path / "a.mat", {"imgs": pairs, "caption": captions, "labels": LABELS})
    items = read_items([tmp_path / "a.mat"])
    assert items.paths[:2] == ["part0/im1.jpg", "part1/im2.jpg"]
    assert items.texts[3] == "first 3\tsecond"
    (tmp_path / "caption.txt").write_text("".join(f"sky sea {row}\n" for row in range(COUNT)))
    np.save(tmp_path / "index.npy", PIXELS)
    savemat(tmp_path / "b.mat", {"category": LABELS})
    items = read_items([tmp_path / "index.npy", tmp_path / "caption.txt", tmp_path / "b.mat"])
    assert items.texts[-1] == "sky sea 29"
    assert items.pixels is not None
    assert np.array_equal(items.pixels(4), PIXELS[4])


def test_names_of_classes_and_tags(project_home: Path, tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"XAll": BAGS.astype(float), "YAll": BAGS, "LAll": LABELS})
    (tmp_path / "classes.txt").write_text("cat\ndog\neel\nround\n")
    (tmp_path / "tags.txt").write_text("\n".join(["nikon", "sky", "sea", "cat", "dog", "blue", "red"]))
    options: dict[str, Any] = {"files": [tmp_path / "a.mat"], "sizes": SIZES, "seed": 6}
    prepare_mat("MINE", **options, classes=tmp_path / "classes.txt", tags=tmp_path / "tags.txt")
    assert read_label_names("MINE") == ["cat", "dog", "eel", "round"]
    assert "nikon" in Vocabulary.of(PreparedDataset("MINE")).words
    (tmp_path / "tags.txt").write_text("\n".join(["new york", "sky", "sea", "cat", "dog", "blue", "red"]))
    with pytest.raises(DataError, match="'new york'"):
        prepare_mat("OTHER", **options, tags=tmp_path / "tags.txt")
    with pytest.raises(DataError, match=r"4 labels, but .* has 7 names"):
        prepare_mat("OTHER", **options, classes=tmp_path / "tags.txt")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"YAll": None}, "there are no texts"),
        ({"tags": BAGS}, "several times"),
        ({"LAll": LABELS[:-1]}, r"no axis is as long .*YAll \(30, 7\).*LAll \(29, 4\)"),
        ({"LAll": LABELS + 1}, "labels other than 0 and 1"),
        ({"YAll": BAGS * 0.5}, "no tags"),
        ({"XAll": PIXELS[..., :2]}, "no images"),
        ({"XAll": np.full((COUNT, 2), np.nan)}, "not finite"),
    ],
)
def test_what_is_refused(project_home: Path, tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    variables = {"XAll": np.ones((COUNT, 5)), "YAll": BAGS, "LAll": LABELS} | change
    savemat(tmp_path / "a.mat", {name: value for name, value in variables.items() if value is not None})
    with pytest.raises(DataError, match=complaint):
        prepare_mat("MINE", [tmp_path / "a.mat"], sizes=SIZES, seed=6)


def test_files_and_flags_that_cannot_be(project_home: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"sizes": SIZES, "seed": 6}
    for name, content in (("a.mat", b"no such file"), ("b.mat", b"\x89HDF\r\n\x1a\n damaged"), ("index.npy", b"no array")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            prepare_mat("MINE", [tmp_path / name], **options)
    with pytest.raises(DataError, match="there is no file"):
        prepare_mat("MINE", [tmp_path / "gone.mat"], **options)
    np.save(tmp_path / "index.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"index\.npy is damaged"):
        prepare_mat("MINE", [tmp_path / "index.npy"], **options)
    savemat(tmp_path / "a.mat", {"FAll": cells(NAMES), "YAll": BAGS, "LAll": LABELS})
    with pytest.raises(UsageError, match="-images"):
        prepare_mat("MINE", [tmp_path / "a.mat"], **options)
    with pytest.raises(DataError, match="30 of 30 images are missing"):
        prepare_mat("MINE", [tmp_path / "a.mat"], images=tmp_path, **options)
    with pytest.raises(UsageError, match="torchcmh, rows"):
        prepare_mat("MINE", [tmp_path / "a.mat"], images=tmp_path, protocol="mine", **options)
    with pytest.raises(DataError, match="there are 30 items"):
        prepare_mat("MINE", [tmp_path / "a.mat"], images=tmp_path, sizes="train=20,val=4,query=10", seed=6)


def test_the_order_of_the_files() -> None:
    folds = folds_of(9, {"query": 2, "train": 4, "val": 1}, "rows", 6)
    assert {fold: rows.tolist() for fold, rows in folds.items()} == {
        "query": [0, 1], "train": [2, 3, 4, 5], "val": [6], "database": [2, 3, 4, 5, 6, 7, 8],
    }  # fmt: skip


def test_the_script(project_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    savemat(tmp_path / "a.mat", {"XAll": np.ones((COUNT, 5)), "YAll": BAGS, "LAll": LABELS})
    MAT.main(["-name", "MINE", "-from", str(tmp_path / "a.mat"), "-sizes", SIZES])
    out = capsys.readouterr().out
    assert "torchcmh split (train 10, val 4, query 6, database 24" in out
    assert "CrossModal/train.py -exp bioexp -db MINE" in out


def test_missing_images(project_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two missing images one item has no tag: it is left out, the other is a text alone, and no other item changes its fold."""
    bags, order = BAGS.copy(), np.random.RandomState(6).permutation(COUNT)
    alone, gone = (int(row) for row in order[6:8])  # both of train
    bags[gone] = 0
    photos(tmp_path / "images", NAMES)
    for row in (alone, gone):
        (tmp_path / "images" / NAMES[row]).unlink()
    savemat(tmp_path / "a.mat", {"FAll": cells(NAMES), "YAll": bags, "LAll": LABELS})
    arguments = ["-name", "MINE", "-from", str(tmp_path / "a.mat"), "-images", str(tmp_path / "images"), "-sizes", SIZES]
    with pytest.raises(DataError, match=r"2 of 30 images are missing.*-allow_missing"):
        MAT.main(arguments)
    MAT.main([*arguments, "-allow_missing"])
    assert "2 of 30 images are missing" in capsys.readouterr().out
    for fold, rows in {"query": order[:6], "train": order[6:16], "val": order[16:20], "database": order[6:]}.items():
        assert np.array_equal(load_fold("MINE", fold).labels, LABELS[rows[rows != gone]])
    assert load_fold("MINE", "train").paths[0] == "-"
