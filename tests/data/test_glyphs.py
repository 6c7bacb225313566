"""GLYPHS: a few characters by hand, and the counts and checksums of all."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts import run_script

from biodeephashing.data import Vocabulary, load_fold, load_texts, read_label_names, read_split
from biodeephashing.data.sets import GLYPHS
from biodeephashing.data.sets._characters import LABELS, labels_of
from biodeephashing.data.sets.GLYPHS import FONTS, SHA256, Glyph, alike, divide, draw, drawable, words
from biodeephashing.errors import DataError
from biodeephashing.settings import FOLDS

SCRIPT = Path(GLYPHS.__file__).parents[1] / "process/GLYPHS.py"
SIZES = {"train": 5_000, "val": 793, "query": 1_654, "database": 14_330}
SHARES = {
    "latin": 22.2, "greek": 8.1, "cyrillic": 6.3, "armenian": 1.9, "georgian": 2.4, "hebrew": 1.1, "arabic": 7.0, "syllabics": 4.8,
    "other script": 3.6, "braille": 4.6, "lines and blocks": 1.2, "arrow": 4.7, "shape": 1.4, "mathematics": 9.8, "game": 1.3,
    "divination": 1.0, "face": 0.4, "punctuation": 3.3, "number": 3.3, "symbol": 10.6, "capital": 18.8, "small": 22.9, "combining": 3.1,
    "accented": 19.6, "raised or lowered": 4.8,
}  # fmt: skip


@pytest.fixture(scope="module")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("glyphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIODEEPHASHING_HOME", str(home))
        for protocol in GLYPHS.PROTOCOLS:
            GLYPHS.DATASET.prepare(protocol)
    return home


@pytest.fixture
def home(prepared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIODEEPHASHING_HOME", str(prepared_home))
    return prepared_home


def test_a_bar_by_hand() -> None:
    """A full block is taller than the canvas' share and black; a hyphen lies left and right of the middle alike, above the baseline."""
    assert (draw(Glyph(ord("█"), 0))[8:24, 10:22] == 0).all()
    hyphen = draw(Glyph(ord("-"), 0)) < 128
    assert set(np.flatnonzero(hyphen.any(axis=1))) <= {16, 17, 18, 19}
    assert np.flatnonzero(hyphen.any(axis=0)).tolist() == np.flatnonzero(hyphen[:, ::-1].any(axis=0)).tolist()


def test_nothing_is_cut() -> None:
    """The widest ligatures keep a white edge."""
    for code in (0xFDFA, 0x2A74, 0x1F030, 0x2031):
        image = draw(Glyph(code, 0))
        assert (image <= 128).any()
        assert min(image[0].min(), image[-1].min(), image[:, 0].min(), image[:, -1].min()) > 0


def test_small_letters_stay_small() -> None:
    heights = [int((draw(Glyph(ord(letter), 1)) < 128).any(axis=1).sum()) for letter in "xX"]
    assert heights[0] < heights[1]


def test_characters_of_the_fonts() -> None:
    assert [len(drawable(font)) for font in range(len(FONTS))] == [5_749, 3_344, 3_292, 5_733]


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("a", "latin small"),
        ("É", "latin capital accented"),
        ("ა", "georgian"),
        ("7", "number"),
        ("+", "mathematics"),
        ("٣", "arabic number"),
        ("؟", "punctuation"),
        ("☺", "face"),
        ("€", "symbol"),
        ("\u0301", "combining"),
        ("⟨", "mathematics punctuation"),
    ],
)
def test_labels_by_hand(character: str, expected: str) -> None:
    assert labels_of(ord(character)) == set(expected.split())


def test_words_and_groups_by_hand() -> None:
    assert words(ord("∸")) == ["dot", "minus"]
    images = np.array([[[1]], [[2]], [[2]], [[3]], [[3]], [[4]]], dtype=np.uint8)
    assert alike([90, 90, 80, 80, 70, 60], images).tolist() == [70, 70, 70, 70, 70, 60]


def test_folds_keep_groups_together() -> None:
    groups = np.repeat(np.arange(3_000), 3)
    folds = divide(groups)
    assert {fold: len(rows) for fold, rows in folds.items()} == {"query": 900, "val": 450, "database": 7_650, "train": 5_000}
    members = {fold: set(groups[rows].tolist()) for fold, rows in folds.items()}
    assert not members["query"] & (members["database"] | members["val"])
    assert not members["val"] & members["database"]
    assert set(folds["train"].tolist()) < set(folds["database"].tolist())


@pytest.mark.slow
def test_counts(home: Path) -> None:
    labels, codes, images = [], {}, {}
    for fold, size in SIZES.items():
        metadata, texts = load_fold("GLYPHS", fold), load_texts("GLYPHS", fold)
        assert metadata.labels.shape == (size, 25)
        assert texts.present.all()
        codes[fold] = {int(Path(path).stem[1:].partition("_")[0], 16) for path in metadata.paths}
        images[fold] = {metadata.image(row).read_bytes() for row in range(size)}
        if fold != "train":
            labels.append(metadata.labels)
    stacked = np.concatenate(labels)
    assert Counter(stacked.sum(axis=1).tolist()) == {1: 8_356, 2: 5_401, 3: 3_020}
    shares = dict(zip(read_label_names("GLYPHS"), np.round(100 * stacked.mean(axis=0), 1).tolist(), strict=True))
    assert list(shares.items()) == list(SHARES.items())
    assert tuple(shares) == LABELS
    assert len(codes["query"] | codes["val"] | codes["database"]) == 6_212
    assert not images["query"] & (images["database"] | images["val"])
    assert not images["val"] & images["database"]
    assert len(Vocabulary.of("GLYPHS")) == 673
    split = read_split("GLYPHS")
    assert (dict(split.sizes), split.overlaps, split.note) == (SIZES, {"train-database": 5_000}, "")


@pytest.mark.slow
def test_same_on_any_machine(home: Path) -> None:
    """Splits and images must never change: runs on other machines refer to them."""
    files = sorted(
        (home / "data/raw/GLYPHS").glob("*.png"),
        key=lambda file: (FONTS.index(file.stem.partition("_")[2]), int(file.stem[1:].partition("_")[0], 16)),
    )
    state = hashlib.sha256()
    for file in files:
        with Image.open(file) as image:
            state.update(np.asarray(image).tobytes())
    assert (len(files), state.hexdigest()) == (16_777, SHA256)
    assert read_split("GLYPHS").sha256["train_metadata.txt"] == PINNED_TRAIN
    assert read_split("GLYPHS").sha256["vocabulary.txt"] == PINNED_VOCABULARY


PINNED_TRAIN = "e370723d8d375719502e5b18d66c838415883c24d0dfaf97f851e1f60540ede8"
PINNED_VOCABULARY = "61f61d213debcc5205a761f1ddd34216bcb29a7fc15702c3fe55beee9cc4ed11"


@pytest.mark.slow
def test_harder_texts(home: Path) -> None:
    """The same images, labels and folds; the words that name a label are gone."""
    easy, hard = read_split("GLYPHS"), read_split("glyphs-hard")
    assert hard.protocol != easy.protocol
    for fold in FOLDS:
        one, other = load_fold("GLYPHS", fold), load_fold("glyphs-hard", fold)
        assert [Path(path).name for path in one.paths] == [Path(path).name for path in other.paths]
        kept = [" ".join(word for word in text.split() if word not in GLYPHS.TELLTALE) for text in load_texts("GLYPHS", fold).texts]
        assert load_texts("glyphs-hard", fold).texts == kept
    assert not set(Vocabulary.of("glyphs-hard").words) & set(GLYPHS.TELLTALE)


@pytest.fixture
def few(project_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A GLYPHS of printable ASCII and Greek in two fonts, which is drawn in no time."""
    monkeypatch.setattr(GLYPHS, "FONTS", FONTS[:2])
    monkeypatch.setattr(
        GLYPHS, "LABELS", tuple(label for label in LABELS if label in ("latin", "greek", "small", "capital", "punctuation", "number"))
    )
    monkeypatch.setattr(GLYPHS, "drawable", lambda font: [*range(0x21, 0x7F), *range(0x3B1, 0x3CA)])
    return project_home


def test_command(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for expected in ("GLYPHS, by-character split", "already prepared, nothing to do"):
        assert run_script(SCRIPT) == 0
        out = capsys.readouterr().out
        assert out.startswith(expected)
        assert "PARTIAL" in out
        assert "not the 16,777 known ones" in out
        assert "next: python src/models/CrossModal/train.py" in out
    assert (few / "data/raw/GLYPHS/u03B1_DejaVuSerif.png").samefile(few / "data/processed/GLYPHS/images/u03B1_DejaVuSerif.png")
    texts = {text for fold in FOLDS for text in load_texts("GLYPHS", fold).texts}
    assert "greek small letter alpha" in texts


def test_raw_images_are_drawn_once(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    GLYPHS.DATASET.prepare()
    before = {path.name: path.read_bytes() for path in (few / "data/processed/GLYPHS").glob("*.*")}
    monkeypatch.setattr(GLYPHS, "draw", None)
    GLYPHS.DATASET.prepare(no_skip=True)
    assert {path.name: path.read_bytes() for path in (few / "data/processed/GLYPHS").glob("*.*")} == before
    broken = few / "data/raw/GLYPHS/u0041_DejaVuSans.png"
    broken.unlink()
    broken.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"u0041_DejaVuSans\.png .*: delete .*raw/GLYPHS"):
        GLYPHS.DATASET.prepare(no_skip=True)
    assert load_fold("GLYPHS", "train").labels.any()  # what was there stays


def test_an_interrupted_drawing_leaves_nothing(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(glyph: Glyph) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(GLYPHS, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        GLYPHS.DATASET.prepare()
    assert not (few / "data/raw/GLYPHS").exists()
    assert not (few / "data/processed/GLYPHS").exists()
