"""Images with texts: what is written and read, what is refused, and what a text network is fed."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

from biodeephashing.commands.doctor import examine_database
from biodeephashing.data import (
    ImageFold,
    Metadata,
    PreparedDataset,
    TextFold,
    TextRows,
    TextTransformation,
    Vocabulary,
    load_fold,
    load_texts,
    loader,
    read_metadata,
    read_split,
    words_of,
)
from biodeephashing.data.catalogue import CAPTIONS, TEXT_WEIGHTS
from biodeephashing.data.prepare.content import DatasetContent, Texts
from biodeephashing.data.prepare.label_table import LabelTable
from biodeephashing.data.prepare.splits import Protocol
from biodeephashing.data.prepare.write import prepare
from biodeephashing.data.split import checksums, read_facts, write_split
from biodeephashing.data.texts.rows import read_texts, write_texts
from biodeephashing.errors import DataError, RunError, UnknownNameError, UsageError
from biodeephashing.runs import Run
from biodeephashing.settings import FOLDS
from biodeephashing.training.same_split import check_split, record_split

# Row 2 has no text, row 5 no image.
LINES = [
    "a red cat",
    "a dog",
    "",
    "red dog\ta cat and a dog",
    "a Dog",
    "red eel",
    "a cat",
    "a dog",
    "a red cat",
    "a blue dog",
    "a cat",
    "a fly",
]
ROWS = {"train": [0, 1, 2, 3, 4, 5], "val": [6, 7], "query": [8, 9], "database": [10, 11]}


def content_of(lines: list[str] = LINES, **changes: object) -> DatasetContent:
    """Twelve images of noise in two classes."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    content = DatasetContent(
        files=[f"{row}.png" if row != 5 else "-" for row in range(12)],
        labels=np.eye(2, dtype=np.uint8)[np.arange(12) % 2],
        classes=["even", "odd"],
        folds={fold: np.array(rows) for fold, rows in ROWS.items()},
        write_image=lambda row, path: Image.fromarray(noise[row]).save(path),
        protocol=Protocol("disjoint", "by hand"),
        source="a test",
        texts=Texts(lines, 2),
    )
    return dataclasses.replace(content, **changes)


@pytest.fixture
def pets(project_home: Path) -> Path:
    """Directory of a prepared dataset whose images have texts."""
    prepare("PETS", content_of)
    return project_home / "data/processed/PETS"


def rewrite(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Change a file, and let split.json know."""
    (folder / name).write_text(change((folder / name).read_text()))
    write_split(folder, dataclasses.replace(read_facts("PETS"), sha256=checksums(folder)))


def test_what_is_written_is_read(pets: Path) -> None:
    for fold, rows in ROWS.items():
        texts = load_texts("PETS", fold)
        assert texts.texts == [LINES[row] for row in rows]
        assert texts.present.tolist() == [row != 2 for row in rows]
        assert load_fold("PETS", fold).present.tolist() == [row != 5 for row in rows]
    assert len(list((pets / "images").iterdir())) == 11
    words = Vocabulary.of("PETS").words  # of train and database, in two texts or more: "eel", "fly" and the query's "blue" are not
    assert words == ("a", "cat", "dog", "red")
    assert (pets / "vocabulary.txt").read_text() == "a\ncat\ndog\nred\n"
    names = {f"{fold}_{kind}.txt" for fold in FOLDS for kind in ("metadata", "texts")} | {"vocabulary.txt"}
    assert set(read_split("PETS").sha256) == names
    _, written = prepare("PETS", content_of)
    assert not written


def test_images_alone_are_written_as_before(project_home: Path) -> None:
    content = content_of(files=[f"{row}.png" for row in range(12)], texts=None)
    split, _ = prepare("ALONE", lambda: content)
    assert set(split.sha256) == {f"{fold}_metadata.txt" for fold in FOLDS}
    assert not list((project_home / "data/processed/ALONE").glob("*texts*"))
    for ask in (lambda: load_texts("ALONE", "train"), lambda: Vocabulary.of("ALONE"), lambda: TextTransformation.of("ALONE")):
        with pytest.raises(DataError, match=r"ALONE have no texts.* GLYPHS"):
            ask()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("aé中 \t\x0b\x85\u2028,", max_size=9), min_size=1))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Line by line, also where Python sees other line ends, and where the last texts are blank; only runs of blanks change."""
    file = tmp_path_factory.mktemp("texts") / "train_texts.txt"
    write_texts(file, texts)
    assert [line.split() for line in read_texts(file).texts] == [text.split() for text in texts]
    assert file.read_bytes().count(b"\n") == len(texts)


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (lambda text: text.rpartition("a Dog\n")[0] + "a Dog\n", r"train_texts\.txt has 5 lines, .*train_metadata\.txt has 6.*line 6 of"),
        (lambda text: text + "a\n", r"has 7 lines, .*has 6.*line 7 of .*metadata\.txt is missing.* prepare the dataset again"),
        (lambda text: text.replace("red eel", ""), r"line 6 of .*train_texts\.txt is blank, and that item has no image"),
    ],
)
def test_lines_that_do_not_match(pets: Path, change: Callable[[str], str], facts: str) -> None:
    rewrite(pets, "train_texts.txt", change)
    with pytest.raises(DataError, match=facts):
        load_texts("PETS", "train")


def test_a_changed_text_is_noticed(pets: Path) -> None:
    file = pets / "query_texts.txt"
    file.write_text(file.read_text().replace("blue", "red"))
    with pytest.raises(DataError, match=r"query_texts\.txt was changed after"):
        load_texts("PETS", "train")
    file.unlink()
    with pytest.raises(DataError, match=r"query_texts\.txt is missing"):
        read_split("PETS")


def test_a_text_that_is_not_utf8(pets: Path) -> None:
    (pets / "val_texts.txt").write_bytes(b"a\n\xff\n")
    with pytest.raises(DataError, match=r"line 2 of .*val_texts\.txt is not UTF-8"):
        read_texts(pets / "val_texts.txt")


@pytest.mark.parametrize("content", ["", "a\na\n", "a b\n", "Cat\n", "a\n\n"])
def test_a_vocabulary_that_is_none(pets: Path, content: str) -> None:
    rewrite(pets, "vocabulary.txt", lambda _: content)
    with pytest.raises(DataError, match=r"vocabulary\.txt cannot be used"):
        Vocabulary.of("PETS")


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"texts": Texts(LINES[1:], 2)}, "11 texts for 12 images"),
        ({"texts": Texts(["a\nb", *LINES[1:]], 2)}, r"text of 0\.png holds a line break"),
        ({"texts": Texts([*LINES[:5], " ", *LINES[6:]], 2)}, "item 6 has neither an image nor a text"),
        ({"texts": None}, "item 6 has neither"),
        ({"texts": Texts([*LINES[:6], "", "", *LINES[8:]], 2)}, "fold val has no text"),
        ({"files": [f"{row}.png" if row < 10 else "-" for row in range(12)]}, "fold database has no image"),
        ({"texts": Texts(LINES, 9)}, "no word is in the texts of 9 items"),
    ],
)
def test_content_that_is_refused(project_home: Path, changes: dict[str, object], facts: str) -> None:
    with pytest.raises(DataError, match=facts):
        prepare("PETS", lambda: content_of(**changes))
    assert not (project_home / "data/processed/PETS").exists()


def test_images_that_are_missing(tmp_path: Path) -> None:
    """Of four images two are on disk; of the others one has a text, and stays as a text alone."""
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    paths, texts = ["a/1.png", "a/2.png", "a/3.png", "b/1.png"], Texts(["one", "two", " ", "four"], 1)
    table = LabelTable(tmp_path, paths, np.eye(4, dtype=np.uint8), list("abcd"), where=lambda row: f"line {row + 1}", texts=texts)
    with pytest.raises(DataError, match=r"2 of 4 images are missing below .*a/2\.png \(line 2\): look again"):
        table.with_present("look again", allow_missing=False)
    rest, words, kept = table.with_present("", allow_missing=True)
    assert "2 of 4 images are missing, the first is a/2.png (line 2): 1 of them texts alone, 1 left out" in words
    content = rest.content({fold: np.arange(3) for fold in FOLDS}, Protocol("by hand", ""), source="a test", note=words)
    assert content.files == ["1.png", "-", "1-1.png"]
    assert content.texts is not None
    assert content.texts.lines == ["one", "two", "four"]
    assert content.labels.argmax(axis=1).tolist() == [0, 1, 3]
    for allow in (False, True):
        again, words, kept = rest.with_present("", allow_missing=allow)
        assert (again, words, kept.tolist()) == (rest, "", list(range(len(rest))))


def test_an_item_without_image_needs_texts_beside_it(pets: Path) -> None:
    (pets / "train_texts.txt").unlink()
    with pytest.raises(DataError, match=r"line 6 of .*train_metadata\.txt has the image path -"):
        read_metadata(pets / "train_metadata.txt")


def test_words() -> None:
    assert words_of('An owl, two owls; "white-black" d70s #1 |x/y| (An) … ') == [
        "an",
        "owl",
        "two",
        "owls",
        "white-black",
        "d70s",
        "1",
        "x",
        "y",
    ]
    assert words_of(" \t,. ") == []


def test_unknown_words() -> None:
    vocabulary = Vocabulary(("alpha", "beta", "greek"))
    assert vocabulary.unknown("greek bteta zzz") == [("bteta", "beta"), ("zzz", None)]
    vocabulary.check_known("greek zzz")
    with pytest.raises(UsageError, match=r"'aplha' .*'alpha'.*'zzz'"):
        vocabulary.check_known("aplha zzz")
    with pytest.raises(UsageError, match="no word"):
        vocabulary.check_known(" , ")


def test_weights_by_hand() -> None:
    """Of three training texts, cat is in 2 and dog in 1: w = ln(4/3) + 1 = 1.2877 and ln(4/2) + 1 = 1.6931, means 2/3 and 1/3."""
    vocabulary, texts = Vocabulary(("cat", "dog")), ["cat", "cat dog", "eel"]
    expected = {
        "binary": [[1, 1], [0, 0]],
        "unit": [[2**-0.5, 2**-0.5], [0, 0]],
        "tfidf": [[1.2877 / math.hypot(1.2877, 1.6931), 1.6931 / math.hypot(1.2877, 1.6931)], [0, 0]],
        "centred": [[1 / 3, 2 / 3], [-2 / 3, -1 / 3]],
    }
    for weights in TEXT_WEIGHTS:
        result = TextTransformation.fitted(vocabulary, texts, weights)(["a dog and a cat", ""])
        assert result.dtype == torch.float32
        np.testing.assert_allclose(result.numpy(), expected[weights], atol=1e-4)


@pytest.mark.parametrize("weights", TEXT_WEIGHTS)
def test_weights_against_other_code(weights: str) -> None:
    generator = np.random.default_rng(1)
    bags = (generator.random((40, 12)) < 0.2).astype(np.float64)
    vocabulary = Vocabulary(tuple("abcdefghijkl"))
    texts = [" ".join(word for word, has in zip(vocabulary.words, row, strict=True) if has) for row in bags]
    other = {
        "binary": bags, "unit": normalize(bags), "tfidf": TfidfTransformer().fit_transform(bags).toarray(),
        "centred": bags - bags.mean(axis=0),
    }[weights]  # fmt: skip
    np.testing.assert_allclose(TextTransformation.fitted(vocabulary, texts, weights)(texts).numpy(), other, atol=1e-6)


def test_statistics_are_those_of_the_train_fold(pets: Path) -> None:
    """Of its five texts, first captions: "a" is in 3, cat in 1, dog in 3, red in 3; the item without text does not count."""
    assert TextTransformation.of("PETS", "centred").statistics.tolist() == pytest.approx([3 / 5, 1 / 5, 3 / 5, 3 / 5])
    assert TextTransformation.of("PETS", "centred", "all").statistics.tolist() == pytest.approx([4 / 5, 2 / 5, 3 / 5, 3 / 5])


@pytest.mark.parametrize("captions", CAPTIONS)
@pytest.mark.parametrize("weights", TEXT_WEIGHTS)
def test_a_record_restores_it(pets: Path, weights: str, captions: str) -> None:
    before = TextTransformation.of("PETS", weights, captions)
    after = TextTransformation.of_record(json.loads(json.dumps(before.record())))
    assert torch.equal(before(LINES), after(LINES))
    after.check_same(before, "a run")


def test_another_transformation_is_refused(pets: Path) -> None:
    here = TextTransformation.of("PETS", "tfidf")
    other = TextTransformation.fitted(Vocabulary(("cat", "dog")), ["cat"], "tfidf")
    with pytest.raises(RunError, match=r"4 words.* run x \(2 words, 'a' is in one"):
        here.check_same(other, "run x")
    with pytest.raises(RunError, match=r"tfidf, captions first.* centred"):
        here.check_same(TextTransformation.of("PETS", "centred"), "run x")
    with pytest.raises(RunError, match="1 statistics for 4"):
        TextTransformation.of_record(here.record() | {"statistics": [1.0]})
    with pytest.raises(RunError, match="KeyError"):
        TextTransformation.of_record({"words": ["a"]})
    with pytest.raises(UnknownNameError, match="tfidf"):
        TextTransformation.of("PETS", "tfdif")
    with pytest.raises(UnknownNameError, match="first"):
        TextTransformation.of("PETS", captions="frist")


def folds_of(count: int, images: list[int], texts: list[int], folder: Path) -> tuple[ImageFold, TextFold]:
    """Folds of so many items, of which some rows lack an image or a text."""
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    paths = ["-" if row in images else str(folder / "a.png") for row in range(count)]
    metadata = Metadata(folder / "train_metadata.txt", paths, np.eye(2, dtype=np.uint8)[np.arange(count) % 2])
    rows = TextRows(folder / "train_texts.txt", ["" if row in texts else "odd" if row % 2 else "even" for row in range(count)])
    return ImageFold(metadata, "none"), TextFold(metadata, rows, TextTransformation(Vocabulary(("even", "odd"))))


@pytest.mark.parametrize(("seed", "epoch", "world_size"), [(0, 0, 1), (7, 3, 1), (7, 3, 2)])
def test_texts_come_in_the_order_of_images(tmp_path: Path, seed: int, epoch: int, world_size: int) -> None:
    for rank in range(world_size):
        orders = []
        for fold in folds_of(37, [], [], tmp_path):
            batches = loader(fold, batch_size=8, shuffle=True, seed=seed, rank=rank, world_size=world_size)
            batches.sampler.set_epoch(epoch)
            parts = list(batches)
            assert all(torch.equal(labels, fold.labels[rows]) for _, labels, rows in parts)
            orders.append([rows.tolist() for *_, rows in parts])
        assert orders[0] == orders[1]


def test_bags_stand_in_the_rows_of_the_metadata(tmp_path: Path) -> None:
    _, texts = folds_of(9, [], [], tmp_path)
    for bags, labels, rows in loader(texts, batch_size=4, shuffle=True, seed=2):
        assert bags.dtype == torch.uint8
        assert bags.tolist() == [[1 - row % 2, row % 2] for row in rows.tolist()] == labels.to(torch.uint8).tolist()
    bag, label, row = texts[3]
    assert (bag.tolist(), label.tolist(), row) == ([0, 1], [0.0, 1.0], 3)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_missing_view_is_left_out(tmp_path: Path, shuffle: bool) -> None:
    without_image, without_text = [0, 4, 5], [2, 9]
    for fold, missing in zip(folds_of(12, without_image, without_text, tmp_path), (without_image, without_text), strict=True):
        rows = [row for *_, rows in loader(fold, batch_size=4, shuffle=shuffle, seed=1) for row in rows.tolist()]
        assert sorted(rows) == [row for row in range(12) if row not in missing] == np.flatnonzero(fold.present).tolist()
        assert shuffle or rows == sorted(rows)


@pytest.mark.parametrize("cache", [False, True])
def test_images_beside_texts_alone(pets: Path, cache: bool) -> None:
    """A cache holds the images that are there, and gives each row its own."""
    metadata = load_fold("PETS", "train")
    metadata = dataclasses.replace(metadata, paths=["-", *metadata.paths[:5]])
    fold = ImageFold(metadata, "none", cache=cache)
    images, _, rows = fold.batch([3, 1])
    for image, row in zip(images, rows.tolist(), strict=True):
        with Image.open(pets / f"images/{row - 1}.png") as file:
            assert image.permute(1, 2, 0).tolist() == np.asarray(file).tolist()
    for ask in (lambda: fold.batch([1, 0]), lambda: fold.image(0)):
        with pytest.raises(DataError, match=r"line 1 of .*train_metadata\.txt is a text alone"):
            ask()


def test_texts_of_another_fold_are_refused(pets: Path) -> None:
    prepared = PreparedDataset("PETS")
    with pytest.raises(DataError, match=r"query_texts\.txt has 2 texts, but .*train_metadata\.txt has 6"):
        TextFold(prepared.fold("train"), load_texts(prepared, "query"), TextTransformation.of(prepared))


def test_a_run_knows_its_texts(pets: Path) -> None:
    run = Run("PETS", "first", "-mode=bp")
    run.directory.mkdir(parents=True)
    record_split(run)
    check_split(run)
    rewrite(pets, "query_texts.txt", lambda text: text.replace("blue", "red"))
    check_split(run)  # nothing was learned from queries
    rewrite(pets, "val_texts.txt", lambda text: text.replace("dog", "cat"))
    with pytest.raises(RunError, match="other texts in val"):
        check_split(run)
    rewrite(pets, "vocabulary.txt", lambda text: text.replace("cat\n", ""))
    with pytest.raises(RunError, match="other texts in val, other words in its vocabulary"):
        check_split(run)


def test_doctor_describes_texts(pets: Path) -> None:
    diagnosis = examine_database("PETS")
    assert not diagnosis.faults
    assert "train: 5 images expected, 5 found, 0 of them unreadable" in diagnosis.facts
    assert any("vocabulary of 4 words" in fact for fact in diagnosis.facts)
    assert any(fact.startswith("train: 5 texts of 6 items, 1 of them without image, 1.2 captions and 2.") for fact in diagnosis.facts)
    rewrite(pets, "val_texts.txt", lambda text: text.replace("a dog", "Owls!"))
    assert "texts of val without a word of the vocabulary: 1 (line 2: 'Owls!')" in examine_database("PETS").remarks
