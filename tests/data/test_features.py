"""Ready features as a dataset: what is read, split and written, what is refused, and what a network is fed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from biodeephashing.commands.doctor import examine_database
from biodeephashing.data import load_features, load_fold, read_label_names
from biodeephashing.data.own.feature_layouts import read_layout
from biodeephashing.data.own.features import prepare_features
from biodeephashing.data.process import FEATURES
from biodeephashing.errors import DataError, UsageError
from biodeephashing.runs import processed_folder
from biodeephashing.settings import FOLDS

Save = Callable[[str, Any], str]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write an array, or a text, to a file, and return its path."""

    def saved(name: str, content: Any) -> str:
        file = tmp_path / name
        if isinstance(content, str):
            file.write_text(content, "utf-8")
        else:
            np.save(file, content)
        return str(file)

    return saved


def features_of(count: int, width: int = 3, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(count + width).standard_normal((count, width)).astype(dtype)


def numbers_of(count: int) -> np.ndarray:
    return np.arange(count) % 3


class TestSplits:
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
    def test_rows_stay_with_their_labels(self, project_home: Path, save: Save, dtype: Any) -> None:
        values = np.arange(60)[:, None] * np.array([1, 2])
        split, written = prepare_features("MINE", features=[save("x.npy", values.astype(dtype))], labels=[save("y.npy", numbers_of(60))])
        assert written
        assert split.sizes == {"train": 30, "val": 6, "query": 6, "database": 18}
        assert split.has_features()
        assert not split.has_features("text")
        seen = []
        for fold in FOLDS:
            metadata = load_fold("MINE", fold)
            rows = load_features(metadata)
            assert rows.dtype == (dtype if dtype in (np.float16, np.float32) else np.float32)
            numbers = rows[:, 0].astype(int)
            assert np.array_equal(rows[:, 1], 2 * numbers)
            assert np.array_equal(metadata.labels.argmax(axis=1), numbers_of(60)[numbers])
            assert metadata.paths == [f"item{number + 1:02d}" for number in numbers]
            seen += numbers.tolist()
        assert sorted(seen) == list(range(60))
        again, written = prepare_features("MINE", features=["gone.npy"], labels=["gone.npy"])
        assert not written
        assert again == split

    def test_sizes_and_shared_folds(self, project_home: Path, save: Save) -> None:
        files = {"features": [save("x.npy", features_of(40))], "labels": [save("y.npy", numbers_of(40))]}
        split, _ = prepare_features("MINE", **files, sizes="val=4, train=20,query=6", seed=3, share=["train-database"])
        assert split.sizes == {"train": 20, "val": 4, "query": 6, "database": 30}
        assert split.overlaps == {"train-database": 20}
        assert split.seed == 3
        assert examine_database("MINE").faults == []

    def test_files_of_folds(self, project_home: Path, save: Save) -> None:
        sizes = {"train": 20, "query": 6}
        views = {
            flag: [f"{fold}={save(f'{flag}-{fold}.npy', features_of(count, width))}" for fold, count in sizes.items()]
            for flag, width in (("features", 3), ("texts", 2))
        }
        labels = [f"{fold}={save(f'y-{fold}.npy', numbers_of(count))}" for fold, count in sizes.items()]
        split, _ = prepare_features("MINE", **views, labels=labels)
        assert split.sizes == {"train": 18, "val": 2, "query": 6, "database": 20}
        assert split.overlaps == {"train-database": 18, "val-database": 2}
        assert np.array_equal(load_features(load_fold("MINE", "query"), "text"), features_of(6, 2))
        assert np.array_equal(load_features(load_fold("MINE", "database")), features_of(20, 3))
        drawn = {tuple(row) for row in load_features(load_fold("MINE", "val")).tolist()}
        assert drawn.isdisjoint(map(tuple, load_features(load_fold("MINE", "train")).tolist()))

    def test_every_fold_with_a_file_of_its_own(self, project_home: Path, save: Save) -> None:
        sizes = {"val": 4, "train": 12, "database": 9, "query": 5}
        given = {flag: [f"{f}={save(f'{flag}-{f}.npy', make(n))}" for f, n in sizes.items()]
                 for flag, make in (("features", features_of), ("labels", numbers_of))}  # fmt: skip
        split, _ = prepare_features("MINE", **given)
        assert split.sizes == sizes
        assert split.overlaps == {}
        for fold, count in sizes.items():
            assert np.array_equal(load_features(load_fold("MINE", fold)), features_of(count))
        with pytest.raises(UsageError, match="val_size"):
            prepare_features("OTHER", **given, val_size=2)


class TestLabels:
    @pytest.mark.parametrize(
        ("name", "content", "classes", "row"),
        [
            ("y.npy", numbers_of(30)[:, None] + 1.0, ["1", "2", "3"], [0, 1, 0]),
            ("y.npy", np.eye(3, dtype=bool)[numbers_of(30)], ["0", "1", "2"], [0, 1, 0]),
            ("y.txt", "\n".join(["cat dog", "eel", "cat"] * 10) + "\n", ["cat", "dog", "eel"], [0, 0, 1]),
            ("y.csv", "file,labels\n" + "".join(f"a/{n}.png,{'ab'[n % 2]}\n" for n in range(30)), ["a", "b"], [0, 1]),
        ],
    )
    def test_forms(self, project_home: Path, save: Save, name: str, content: Any, classes: list[str], row: list[int]) -> None:
        values = np.arange(30.0)[:, None]
        prepare_features("MINE", features=[save("x.npy", values)], labels=[save(name, content)])
        assert read_label_names("MINE") == classes
        for fold in FOLDS:
            metadata = load_fold("MINE", fold)
            for number, path, labels in zip(load_features(metadata)[:, 0], metadata.paths, metadata.labels.tolist(), strict=True):
                assert path == (f"a/{number:.0f}.png" if name == "y.csv" else f"item{number + 1:02.0f}")
                if number % 6 == 1:  # of the second row's label, whatever repeats after 2 or 3 rows
                    assert labels == row

    def test_class_names(self, project_home: Path, save: Save) -> None:
        names = Path(save("names.txt", "cat\ndog\neel\nfox\n"))
        files = {"features": [save("x.npy", features_of(30))], "labels": [save("y.npy", numbers_of(30))]}
        split, _ = prepare_features("MINE", **files, classes=names)
        assert split.classes == ("cat", "dog", "eel", "fox")
        assert any("fox" in line for line in split.understood)
        names.write_text("cat\ndog\n")
        with pytest.raises(DataError, match="class number 2, but there are 2 class names"):
            prepare_features("OTHER", **files, classes=names)

    @pytest.mark.parametrize(
        ("labels", "complaint"),
        [
            (numbers_of(29), r"x\.npy has 30, .*y\.npy has 29|y\.npy has 29, .*x\.npy has 30"),
            (numbers_of(30) - 1, r"row 1 of .*y\.npy holds -1"),
            (numbers_of(30) + 0.5, r"row 1 of .*y\.npy holds 0\.5"),
            (np.full(30, np.nan), r"row 1 of .*y\.npy holds nan"),
            (2 * np.eye(3)[numbers_of(30)], r"row 1 of .*y\.npy holds \[2\.0, 0\.0, 0\.0\]"),
            (np.zeros((30, 2, 2)), r"y\.npy is float64 \(30, 2, 2\)"),
            (np.zeros(30, int), "only one class"),
            (np.arange(30), "class number of its own"),
            (np.array(["a", "b", "c"] * 10), r"y\.npy is <U1 \(30,\)"),
        ],
    )
    def test_refused(self, project_home: Path, save: Save, labels: np.ndarray, complaint: str) -> None:
        with pytest.raises(DataError, match=complaint):
            prepare_features("MINE", features=[save("x.npy", features_of(30))], labels=[save("y.npy", labels)])
        assert not processed_folder("MINE").exists()


class TestRefusedFeatures:
    @pytest.mark.parametrize(
        ("values", "complaint"),
        [
            (np.where(np.arange(90).reshape(30, 3) == 31, np.nan, 1.0), "not finite: 1 rows, the first is row 11"),
            (np.where(np.arange(90).reshape(30, 3) == 31, 1e300, 1.0), "not finite: 1 rows, the first is row 11"),
            (np.zeros(30), r"float64 \(30,\)"),
            (np.zeros((30, 3, 4, 4)), r"float64 \(30, 3, 4, 4\)"),
            (np.zeros((30, 0)), r"\(30, 0\)"),
            (np.zeros((30, 2), complex), "complex128"),
            (np.array([["a", "b"]] * 30), "<U1"),
        ],
    )
    def test_arrays(self, project_home: Path, save: Save, values: np.ndarray, complaint: str) -> None:
        with pytest.raises(DataError, match=complaint), np.errstate(over="ignore"):
            prepare_features("MINE", features=[save("x.npy", values)], labels=[save("y.npy", numbers_of(30))])

    def test_objects_are_never_unpickled(self, project_home: Path, save: Save, tmp_path: Path) -> None:
        file = tmp_path / "x.npy"
        np.save(file, np.array([_Trap()], dtype=object), allow_pickle=True)
        with pytest.raises(DataError, match=r"x\.npy is damaged, or no plain array"):
            prepare_features("MINE", features=[str(file)], labels=[save("y.npy", numbers_of(30))])
        np.savez(tmp_path / "x.npz", image=np.array([_Trap()], dtype=object), label=numbers_of(1))
        with pytest.raises(DataError, match=r"x\.npz is damaged, or no plain arrays"):
            read_layout(tmp_path / "x.npz")
        assert _SPRUNG == []

    def test_views_and_folds_that_differ(self, project_home: Path, save: Save) -> None:
        y, x = save("y.npy", numbers_of(30)), save("x.npy", features_of(30))
        with pytest.raises(DataError, match=r"x\.npy has 30, .*y\.npy has 30, .*t\.npy has 31"):
            prepare_features("MINE", features=[x], labels=[y], texts=[save("t.npy", features_of(31))])
        wide = save("wide.npy", features_of(30, 4))
        with pytest.raises(DataError, match=r"x\.npy has 3, .*wide\.npy has 4"):
            prepare_features("MINE", features=[f"train={x}", f"query={wide}"], labels=[f"train={y}", f"query={y}"])
        with pytest.raises(UsageError, match="same folds"):
            prepare_features("MINE", features=[x], labels=[f"train={y}", f"query={y}"])

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"features": []}, "-features"),
            ({"labels": []}, "-labels"),
            ({"labels": ["y.pt"]}, "npy, .txt or .csv"),
            ({"features": ["a.npy", "b.npy"]}, "FOLD=FILE"),
            ({"features": ["train=a.npy"]}, "query"),
            ({"source": Path("a.mat")}, "-from"),
            ({"sizes": "train=5", "fractions": "train=0.5"}, "-sizes"),
            ({"sizes": "train=5,val=0,query=2"}, "-sizes"),
            ({"share": ["query-database"]}, "train-database"),
            ({"val_size": 3}, "-val_size"),
            ({"name": "a/b"}, "a/b"),
        ],
    )
    def test_flags(self, project_home: Path, save: Save, options: dict[str, Any], complaint: str) -> None:
        usual = {"name": "MINE", "features": [save("x.npy", features_of(30))], "labels": [save("y.npy", numbers_of(30))]}
        with pytest.raises(UsageError, match=complaint):
            prepare_features(**(usual | options))


_SPRUNG: list[int] = []


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return _spring, ()


def _spring() -> None:
    _SPRUNG.append(1)


def test_the_trap_works() -> None:
    pickle.loads(pickle.dumps(_Trap()))
    assert _SPRUNG.pop() == 1


class TestLayouts:
    def test_wikipedia(self, project_home: Path, tmp_path: Path) -> None:
        sizes = {"tr": 20, "te": 6}
        arrays = {f"{kind}_{part}": features_of(count, width, float)
                  for part, count in sizes.items() for kind, width in (("I", 5), ("T", 2))}  # fmt: skip
        savemat(tmp_path / "raw_features.mat", arrays)
        (tmp_path / "categories.list").write_text("art\nmusic\nwarfare\n")
        for part, file in (("tr", "trainset_txt_img_cat.list"), ("te", "testset_txt_img_cat.list")):
            lines = [f"text{part}{row}\timage{part}{row}\t{row % 3 + 1}" for row in range(sizes[part])]
            (tmp_path / file).write_text("\n".join(lines) + "\n")
        split, _ = prepare_features("Wikipedia", source=tmp_path, val_size=3)
        assert split.sizes == {"train": 17, "val": 3, "query": 6, "database": 20}
        assert split.classes == ("art", "music", "warfare")
        query = load_fold("Wikipedia", "query")
        assert query.paths == [f"imagete{row}" for row in range(6)]
        assert np.array_equal(query.labels.argmax(axis=1), numbers_of(6))
        assert np.array_equal(load_features(query, "text"), arrays["T_te"].astype(np.float32))
        assert np.array_equal(load_features(load_fold("Wikipedia", "database")), arrays["I_tr"].astype(np.float32))
        (tmp_path / "testset_txt_img_cat.list").write_text("a\tb\t1\nc\td\t4\n" + "a\tb\t1\n" * 4)
        with pytest.raises(DataError, match=r"line 2 of .*testset.*1 to 3"):
            read_layout(tmp_path)
        (tmp_path / "testset_txt_img_cat.list").write_text("a\tb\t1\n")
        with pytest.raises(DataError, match=r"I_te has 6, testset_txt_img_cat\.list has 1"):
            read_layout(tmp_path)

    @pytest.mark.parametrize("form", ["numbers", "numbers on their side", "vectors"])
    def test_views_and_labels_in_one_file(self, tmp_path: Path, form: str) -> None:
        arrays = {"sampleInds": np.arange(9)}
        for part, count in (("tr", 9), ("te", 6)):
            numbers = numbers_of(count) + 1
            labels = {"numbers": numbers[:, None], "numbers on their side": numbers, "vectors": np.eye(3)[numbers - 1]}[form]
            arrays |= {f"I_{part}": features_of(count, 4), f"T_{part}": features_of(count, 2), f"L_{part}": labels}
            arrays |= {f"P_{part}": features_of(count, 7)}
        savemat(tmp_path / "wikiData.mat", arrays)
        table = read_layout(tmp_path / "wikiData.mat")
        assert {fold: rows.tolist() for fold, rows in table.parts.items()} == {"train": list(range(9)), "query": list(range(9, 15))}
        assert np.array_equal(table.labels.argmax(axis=1), np.concatenate([numbers_of(9), numbers_of(6)]))
        assert np.array_equal(table.features.image, np.concatenate([arrays["I_tr"], arrays["I_te"]]))
        assert table.features.text is not None
        assert table.features.text.shape == (15, 2)
        savemat(tmp_path / "wikiData.mat", {name: array for name, array in arrays.items() if name != "T_te"})
        with pytest.raises(DataError, match="has no T_te"):
            read_layout(tmp_path / "wikiData.mat")

    def test_npz(self, project_home: Path, tmp_path: Path) -> None:
        arrays = {"image": features_of(20), "text": features_of(20, 2), "label": numbers_of(20)}
        np.savez(tmp_path / "set.npz", **arrays)
        assert read_layout(tmp_path / "set.npz").parts == {}
        rows = {"query": np.arange(4), "train": np.arange(4, 16), "retrieval": np.arange(4, 20)}
        np.savez(tmp_path / "set.npz", **arrays, **rows)
        split, _ = prepare_features("MINE", source=tmp_path / "set.npz", share=["train-database", "val-database"])
        assert split.sizes == {"train": 11, "val": 1, "query": 4, "database": 16}
        assert np.array_equal(load_features(load_fold("MINE", "database"), "text"), arrays["text"][4:])
        np.savez(tmp_path / "set.npz", **arrays, query=np.array([20]), train=np.arange(4))
        with pytest.raises(DataError, match=r"query is int64 \(1,\), not rows of 20 items"):
            read_layout(tmp_path / "set.npz")

    def test_what_is_none(self, tmp_path: Path) -> None:
        for name in ("a.mat", "a.npz"):
            (tmp_path / name).write_bytes(b"no such file")
            with pytest.raises(DataError, match=name.replace(".", r"\.")):
                read_layout(tmp_path / name)
        for path in (tmp_path, tmp_path / "gone.mat", tmp_path / "a.h5"):
            with pytest.raises(DataError, match=path.name):
                read_layout(path)


def test_the_script(project_home: Path, save: Save, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["-features", save("x.npy", features_of(30)), "-labels", save("y.npy", numbers_of(30))]
    FEATURES.main(["-name", "MINE", *files])
    out = capsys.readouterr().out
    assert "train 15" in out
    assert "PenaltyStrategies/train.py -exp bioexp -db MINE" in out
    assert "-arch bio-mlp:512" in out
    FEATURES.main(["-name", "TWO", *files, "-texts", save("t.npy", features_of(30))])
    assert "CrossModal/train.py -exp bioexp -db TWO" in capsys.readouterr().out
