"""doctor.py: every kind of finding, planted in a small dataset, and the exit status that follows."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from biodeephashing.commands.doctor import examine_database
from biodeephashing.data import doctor, load_fold, read_split
from biodeephashing.data.images.examination import examine_file, look
from biodeephashing.data.images.looks import first_near
from biodeephashing.data.own.images import prepare_own
from biodeephashing.data.prepare.write import prepare
from biodeephashing.data.split import checksums, read_facts, write_split
from biodeephashing.errors import DataError, UnknownNameError

Lines = list[str]


def image_of(database: str, fold: str, row: int) -> Path:
    return load_fold(database, fold).image(row)


def rewrite_fold(home: Path, database: str, fold: str, change: Callable[[Lines], Lines]) -> None:
    """Change the lines of a metadata file and let split.json know, as a processor with a fault of its own would have left it."""
    folder = home / "data" / "processed" / database
    file = folder / f"{fold}_metadata.txt"
    file.write_text("".join(change(file.read_text().splitlines(keepends=True))))
    sizes = dict(read_facts(database).sizes) | {fold: len(file.read_text().splitlines())}
    write_split(folder, dataclasses.replace(read_facts(database), sizes=sizes, sha256=checksums(folder)))


def examined(database: str) -> tuple[str, str, str]:
    diagnosis = examine_database(database)
    return "\n".join(diagnosis.facts), "\n".join(diagnosis.remarks), "\n".join(diagnosis.faults)


def test_a_healthy_set(tiny_database: str, capsys: pytest.CaptureFixture[str]) -> None:
    facts, remarks, faults = examined(tiny_database)
    assert (remarks, faults) == ("", "")
    assert facts.splitlines()[:6] == [
        read_split(tiny_database).caption,
        "96 images, 4 classes (blue, green, red, grey), 1 class per image",
        "train: 32 images expected, 32 found, 0 of them unreadable",
        "val: 16 images expected, 16 found, 0 of them unreadable",
        "query: 16 images expected, 16 found, 0 of them unreadable",
        "database: 32 images expected, 32 found, 0 of them unreadable",
    ]
    assert "query: 1.00 classes an image, 0 images without any; from 4 images (blue) to 4 (blue) a class" in facts
    assert "not RGB" not in facts
    assert doctor.main([tiny_database]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "healthy"


def test_class_names(tiny_database: str, project_home: Path) -> None:
    file = project_home / "data" / "processed" / tiny_database / "label_names.txt"
    names = file.read_text().splitlines(keepends=True)
    file.write_text("".join(names[:-1]))
    assert "class names: label_names.txt has " in examined(tiny_database)[2]
    file.write_text("".join([names[0], *names[2:]]))
    assert "class names: line 2 of " in examined(tiny_database)[2]
    file.unlink()
    assert "label_names.txt is missing" in examined(tiny_database)[2]
    assert doctor.main([tiny_database]) == 1


def test_images_that_cannot_be_used(tiny_database: str, capsys: pytest.CaptureFixture[str]) -> None:
    image_of(tiny_database, "query", 3).unlink()
    broken = image_of(tiny_database, "train", 0)
    broken.write_bytes(broken.read_bytes()[:-200])
    image_of(tiny_database, "train", 1).write_bytes(b"")
    Image.new("I;16", (32, 32)).save(image_of(tiny_database, "val", 1))
    facts, _, faults = examined(tiny_database)
    assert "query: 16 images expected, 15 found, 0 of them unreadable" in facts
    assert "train: 32 images expected, 32 found, 2 of them unreadable" in facts
    assert "val: 16 images expected, 16 found, 1 of them unreadable" in facts
    assert faults.startswith(f"images that cannot be used: 4 ({broken.name} cannot be read (")
    assert f"{image_of(tiny_database, 'train', 1).name} is not an image that can be read" in faults
    assert faults.endswith(f"{image_of(tiny_database, 'query', 3).name} is missing)")
    assert "more than 8 bits a channel (PNG, mode I;16)" in faults
    assert doctor.main([tiny_database]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "not healthy"
    for name, row in (("train", 0), ("train", 1), ("val", 1)):
        Image.new("RGB", (32, 32), (row, 0, 0)).save(image_of(tiny_database, name, row))
    assert examined(tiny_database)[2] == f"images that cannot be used: 1 ({image_of(tiny_database, 'query', 3).name} is missing)"


def test_a_truncated_jpeg(tiny_database: str) -> None:
    """Its head says nothing is wrong; only decoding to the end does."""
    file = image_of(tiny_database, "train", 0)
    Image.open(file).resize((256, 256)).save(file, format="JPEG")
    file.write_bytes(file.read_bytes()[:-400])
    with Image.open(file) as image:
        assert image.size == (256, 256)
    assert "truncated" in examined(tiny_database)[2]


def test_modes_are_counted(tiny_database: str) -> None:
    for row, mode in enumerate(("L", "P", "L")):
        file = image_of(tiny_database, "train", row)
        Image.open(file).convert(mode).save(file)
    facts, _, faults = examined(tiny_database)
    assert "not RGB, converted on the way: 2 L, 1 P" in facts
    assert faults == ""


def test_equal_images_under_two_names(tiny_database: str, capsys: pytest.CaptureFixture[str]) -> None:
    query, other, database = (image_of(tiny_database, *row) for row in (("query", 2), ("query", 9), ("database", 5)))
    for copy in (other, database):
        Image.open(query).save(copy, compress_level=1)
    _, remarks, faults = examined(tiny_database)
    assert faults == ""
    assert remarks.splitlines() == [
        f"images of query that have the same pixels as an earlier one of query: 1 ({other.name} = {query.name})",
        f"images of query that have the same pixels as one of database: 2 ({query.name} = {database.name}, {other.name} = {database.name})",
    ]
    assert doctor.main([tiny_database]) == 0
    assert doctor.main([tiny_database, "-strict"]) == 1
    assert "remark: images of query that have the same pixels" in capsys.readouterr().out


def test_a_turned_copy_is_a_copy(tiny_database: str) -> None:
    """What counts is the picture that a network sees, upright as its EXIF block says."""
    query, database = image_of(tiny_database, "query", 0), image_of(tiny_database, "database", 0)
    with Image.open(query) as image:
        exif = image.getexif()
        exif[0x0112] = 6  # to be turned clockwise
        image.transpose(Image.Transpose.ROTATE_90).save(database, exif=exif)
    assert examined(tiny_database)[1].startswith("images of query that have the same pixels as one of database: 1 (")


def test_nearly_equal_images(tiny_database: str) -> None:
    ramp = Image.linear_gradient("L").rotate(90).resize((32, 32))
    first, second = image_of(tiny_database, "train", 0), image_of(tiny_database, "val", 0)
    ramp.save(first)
    ramp.resize((40, 40)).save(second)
    assert examined(tiny_database)[1] == f"images of train that look nearly like one of val: 1 ({first.name} = {second.name})"


def test_lines_and_classes(tiny_database: str, project_home: Path) -> None:
    rewrite_fold(project_home, tiny_database, "database", lambda lines: [*(line for line in lines if "0 0 0 1" not in line), lines[0]])
    facts, _, faults = examined(tiny_database)
    assert "images in several lines of" in faults
    assert "database_metadata.txt: 1 (" in faults
    assert "classes of the queries without an image in database: 1 (grey)" in faults
    assert "in train" not in faults
    assert "from 0 images (grey)" in facts


def test_an_overlap_that_the_split_does_not_state(tiny_database: str, project_home: Path) -> None:
    folder = project_home / "data/processed/TINY"
    shared = (folder / "database_metadata.txt").read_text().splitlines(keepends=True)[:3]
    rewrite_fold(project_home, tiny_database, "train", lambda lines: [*lines, *shared])
    names = ", ".join(line.split(",")[0].rpartition("/")[2] for line in shared)
    assert examined(tiny_database)[2] == f"images that train and database share: 3, but split.json states 0 ({names})"
    write_split(folder, dataclasses.replace(read_facts(tiny_database), overlaps={"train-database": 3}))
    assert examined(tiny_database)[1:] == ("", "")
    write_split(folder, dataclasses.replace(read_facts(tiny_database), overlaps={"train-database": 3, "val-query": 1}))
    assert examined(tiny_database)[2] == "images that val and query share: 0, but split.json states 1"


def test_unused_classes(tiny_database: str, project_home: Path) -> None:
    for fold in ("train", "val", "query", "database"):
        rewrite_fold(project_home, tiny_database, fold, lambda lines: [line for line in lines if "0 0 0 1" not in line])
    assert examined(tiny_database)[1:] == ("classes without any image: 1 (grey)", "")


def test_labels_that_were_misread(tiny_database: str, project_home: Path) -> None:
    """As an older version left them: one class and none, two spellings of a class, a class that only train has."""
    folder = project_home / "data/processed/TINY"
    names = (folder / "label_names.txt").read_text().replace("green", "Blue ").replace("grey", "blue_")
    (folder / "label_names.txt").write_text(names)
    write_split(folder, dataclasses.replace(read_facts(tiny_database), classes=("blue", "Blue", "red", "blue_")))
    rewrite_fold(project_home, tiny_database, "database", lambda lines: [line for line in lines if "0 0 1 0" not in line])
    rewrite_fold(project_home, tiny_database, "query", lambda lines: [line for line in lines if "0 0 1 0" not in line])
    _, remarks, faults = examined(tiny_database)
    assert remarks.splitlines() == [
        "different classes with nearly the same name: 'blue' and 'Blue' and 'blue_'",
        "classes of train without an image in database: 1 (red)",
    ]
    assert faults == ""
    for fold in ("train", "val", "query", "database"):
        rewrite_fold(project_home, tiny_database, fold, lambda lines: [f"{line[:-8]}{int(line[-8])} 0 0 0\n" for line in lines])
    assert "84 images, 4 classes (blue, Blue, red, blue_), 0 to 1 class per image" in examined(tiny_database)[0]
    assert examined(tiny_database)[2].startswith("there is only one class, 'blue', ")
    with pytest.raises(DataError, match=r"TINY is prepared already, but there is only one class.*; -no_skip prepares it again"):
        prepare(tiny_database, lambda: pytest.fail("built for nothing"))


def test_sets_that_are_not_there_or_were_changed(tiny_database: str, project_home: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'DIGITS'"):
        examine_database("DIGTS")
    file = project_home / "data/processed/TINY/query_metadata.txt"
    file.write_text(file.read_text().replace(".png,", ".png,,", 1))
    with pytest.raises(DataError, match=r"query_metadata\.txt was changed after"):
        examine_database(tiny_database)
    rewrite_fold(project_home, tiny_database, "query", lambda lines: lines)
    with pytest.raises(DataError, match=r"line 1 of .*query_metadata\.txt"):
        examine_database(tiny_database)


def test_own_images(pets: Path, project_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are named as in every other command; a class that is not trained on is a remark, one that no answer has a fault."""
    with pytest.raises(DataError, match=rf"{pets} has not been prepared: run `python src/data/process/FOLDER\.py {pets}`"):
        doctor.main([f"FOLDER:{pets}"])
    prepare_own(pets)
    assert doctor.main([f"FOLDER:{pets}"]) == 0
    assert "FOLDER_pets, disjoint split" in capsys.readouterr().out
    rewrite_fold(project_home, "FOLDER_pets", "train", lambda lines: [line for line in lines if not line.endswith("0 0 1\n")])
    assert "classes of the queries without an image in train: 1 (eel)" in examined("FOLDER_pets")[1]
    elsewhere = pets.rename(pets.parent.parent / "pets")
    with pytest.raises(DataError, match=rf"prepared from {pets}, not from {elsewhere}"):
        doctor.main([f"FOLDER:{elsewhere}"])


def test_looks_survive_scaling_and_storing(tmp_path: Path) -> None:
    grey = np.add.outer(np.sin(np.arange(96) / 9), np.cos(np.arange(128) / 13))
    image = Image.fromarray((60 * grey + 128).astype(np.uint8)).convert("RGB")
    image.resize((64, 48)).save(tmp_path / "small.jpg", quality=60)
    first, second, mirrored = look(image), examine_file(tmp_path / "small.jpg").look, look(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert first is not None
    assert second is not None
    assert mirrored is not None
    assert bin(first ^ second).count("1") <= 3
    assert bin(first ^ mirrored).count("1") > 20


def near(one: int, other: int) -> bool:
    return (one ^ other).bit_count() <= 3


@settings(deadline=None)  # the first call compiles
@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=30),
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 63)), max_size=30),
    st.integers(0, 2**60 - 1),
)
def test_the_first_near_image_against_all_pairs(values: list[int], flips: list[tuple[int, int]], members: int) -> None:
    for row, bit in flips:  # relatives of what is there
        if row < len(values):
            values = [*values, values[row] ^ (1 << bit)]
    inside = [bool(members >> row & 1) for row in range(len(values))]
    rows = range(len(values))
    want = [next((q for q in rows if inside[q] and q != p and near(values[p], values[q])), len(values)) for p in rows]
    assert first_near(np.array(values, dtype=np.uint64), np.array(inside, dtype=bool)).tolist() == want


def test_a_video_takes_no_longer_than_photographs() -> None:
    """20,000 looks, no two the same, of which each is near hundreds: their pairs would take minutes and gigabytes."""
    looks = np.arange(20_000, dtype=np.uint64)
    nearest = first_near(looks, looks >= 10_000)
    assert nearest[[0, 10_000, 10_001, 2**13, 19_999]].tolist() == [
        next(q for q in range(10_000, 20_000) if q != p and near(p, q)) for p in (0, 10_000, 10_001, 2**13, 19_999)
    ]


def test_near_images_are_counted_by_their_definition(tiny_database: str) -> None:
    """In each fold those with a near one in another; within a fold, those with an earlier one."""
    ramp = np.asarray(Image.linear_gradient("L").rotate(90).resize((32, 32)))
    for number, (fold, row) in enumerate((("train", 3), ("train", 7), ("query", 0), ("query", 1), ("query", 2), ("database", 9))):
        Image.fromarray(np.minimum(ramp, 250 - number)).save(image_of(tiny_database, fold, row))
    remarks = [remark.split(" (")[0] for remark in examined(tiny_database)[1].splitlines()]
    words = "that look nearly like"
    assert remarks == [
        f"images of train {words} an earlier one of train: 1",
        f"images of train {words} one of query: 2",
        f"images of train {words} one of database: 2",
        f"images of query {words} an earlier one of query: 2",
        f"images of query {words} one of database: 3",
    ]


def test_the_command(tiny_database: str) -> None:
    done = subprocess.run([sys.executable, doctor.__file__, tiny_database], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "healthy")
    done = subprocess.run([sys.executable, doctor.__file__, "TINI"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown dataset 'TINI': did you mean 'TINY'")


def test_it_needs_no_torch(tiny_database: str) -> None:
    code = f"import sys; from biodeephashing.data import doctor; doctor.main([{tiny_database!r}]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["healthy", "False"]
