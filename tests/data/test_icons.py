"""ICONS: counts, words, labels and folds of the icons of the package, and what is said without it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biodeephashing.data import PreparedDataset, Vocabulary, load_fold, load_texts, read_label_names
from biodeephashing.data.process.ICONS import main
from biodeephashing.data.sets import ICONS
from biodeephashing.errors import DataError


def test_the_whole_set(project_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fontawesomefree")
    main([])
    said = capsys.readouterr().out
    assert "PARTIAL" not in said  # the checksum of all images is that of the constant
    assert "1,487 images, 52 classes (Accessibility, Alphabet, Animals" in said
    prepared = PreparedDataset("ICONS")
    assert dict(prepared.split.sizes) == {"train": 1_186, "val": 76, "query": 225, "database": 1_186}
    assert dict(prepared.split.overlaps) == {"train-database": 1_186}
    folds = {fold: load_fold("ICONS", fold) for fold in ("val", "query", "database")}
    icons = {fold: {path.rpartition("/")[2].rpartition("_")[0] for path in one.paths} for fold, one in folds.items()}
    assert sum(map(len, icons.values())) == len(set().union(*icons.values())) == 1_335  # no icon is in two folds
    total = np.concatenate([fold.labels for fold in folds.values()])
    assert total.any(axis=1).all()
    similar = [(query @ folds["database"].labels.T > 0).mean() for query in folds["query"].labels.astype(int)]
    assert np.mean(similar) == pytest.approx(0.1126, abs=5e-4)
    row = next(row for row, path in enumerate(folds["database"].paths) if path.endswith("/address-book_solid.png"))
    words = "address book contact directory employee index little black portfolio rolodex uer username"
    assert load_texts(prepared, "database").texts[row] == words
    having = [name for name, has in zip(read_label_names("ICONS"), folds["database"].labels[row], strict=True) if has]
    assert having == ["Business", "Communication", "Users + People"]
    with Image.open(folds["database"].image(row)) as image:
        assert (image.size, image.getextrema()) == ((32, 32), (0, 255))
    counts = Counter()  # of a word, the icons of the database that have it
    texts = dict(zip(folds["database"].paths, load_texts(prepared, "database").texts, strict=True))
    for name in {path.rpartition("_")[0]: text for path, text in texts.items()}.values():
        counts.update(name.split())
    assert Vocabulary.of(prepared).words == tuple(sorted(word for word, count in counts.items() if count >= 3))


def test_icons_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ICONS, "LEAST_LABELLED", 2)
    icons = {
        "sun-o": {"free": ["solid", "regular"], "unicode": "41", "search": {"terms": ["Day light", "sun", 24]}},
        "moon": {"free": ["regular"], "unicode": "1f319", "search": {"terms": []}},
        "brand": {"free": ["brands"], "unicode": "f001", "search": {"terms": []}},
        "alone": {"free": ["solid"], "unicode": "42", "search": {"terms": []}},
    }
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/icons.json").write_text(json.dumps(icons))
    categories = tmp_path / "metadata/categories.yml"
    categories.write_text("sky:\n  icons: [moon, sun-o, brand]\n  label: Sky\nrare:\n  icons: [alone, brand, gone]\n  label: Rare\n")
    found, labels, classes = ICONS.read(tmp_path)
    assert [(icon.name, icon.style, icon.character) for icon in found] == [
        ("moon", "regular", "🌙"), ("sun-o", "solid", "A"), ("sun-o", "regular", "A"),
    ]  # fmt: skip
    assert [icon.text for icon in found] == ["moon", "sun o day light 24", "sun o day light 24"]
    assert (labels.tolist(), classes) == ([[1], [1], [1]], ["Sky"])
    for content in ("sky: [moon", "- moon", "sky: {icons: 3}"):
        categories.write_text(content)
        with pytest.raises(DataError, match=r"does not hold the icons of Font Awesome Free .*pip install fontawesomefree==6\.6\.0"):
            ICONS.read(tmp_path)


def test_without_the_package(project_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ICONS, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"fontawesomefree, which is not installed: run `pip install fontawesomefree==6\.6\.0`"):
        ICONS.DATASET.prepare()
