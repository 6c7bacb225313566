"""The directory of shards: what belongs together, what is whole, and what is refused."""

from dataclasses import asdict, replace

import pytest

from biodeephashing.checksums import digest
from biodeephashing.errors import RunError
from biodeephashing.runs.shards import Manifest, ShardFolder, ShardNote, differences

MANIFEST = Manifest(
    run="PenaltyStrategies/DIGITS/first/-nbits=12", checkpoint_sha256="ab", bits=12, preprocessing={"size": (32, 32)}, batch_size=64,
    precision="32", rows=128, format="npy", source={"kind": "fold", "name": "DIGITS:database", "sha256": "cd"}, classes=("cat", "dog"),
    ids="rows", shards=3,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A directory of three shards, 128, 128 and 44 images."""
    folder = ShardFolder(tmp_path / "codes")
    folder.enter(MANIFEST)
    for shard, rows in enumerate((128, 128, 44)):
        files = folder.files(shard, MANIFEST)
        for file in files:
            file.write_bytes(file.name.encode())
        refused = ((130, "is missing"),) if shard == 1 else ()
        note = ShardNote(rows, 128 * shard, {file.name: digest(file) for file in files}, shard, refused, "CPU")
        folder.write_note(shard, note)
    return folder


def test_what_is_written_is_read(folder):
    assert differences(folder.manifest(), MANIFEST) == []
    notes = folder.notes(MANIFEST)
    assert [note.first for note in notes.values()] == [0, 128, 256]
    assert notes[1].refused == ((130, "is missing"),)
    assert [folder.fault(shard, MANIFEST) for shard in range(3)] == [None] * 3
    assert folder.done() is None
    done = folder.write_done(MANIFEST)
    assert (done.shards, done.rows, done.zeros, done.refused) == (3, 300, 3, 1)
    assert folder.done() == done
    assert (MANIFEST.code_bytes, MANIFEST.label_bytes) == (2, 1)


@pytest.mark.parametrize("name", asdict(MANIFEST))
def test_a_manifest_that_differs_is_refused_and_named(folder, name):
    other = {"classes": ("cat",), "preprocessing": {"size": None}, "source": MANIFEST.source | {"sha256": "ef"}}
    value = other.get(name, 7 if isinstance(getattr(MANIFEST, name), int) else "other")
    changed = replace(MANIFEST, **{name: value})
    (line,) = differences(MANIFEST, changed)
    assert line.startswith(f"{name}: ")
    before = folder.manifest_file.read_bytes()
    with pytest.raises(RunError, match=name):
        folder.enter(changed)
    assert folder.manifest_file.read_bytes() == before


def test_missing_and_overlapping_shards_are_named(folder):
    note = folder.note(2)
    folder.note_file(1).unlink()
    with pytest.raises(RunError, match=r"1 of 3 shards: part-00001"):
        folder.notes(MANIFEST)
    with pytest.raises(RunError, match="part-00001"):
        folder.write_done(MANIFEST)
    assert list(folder.notes(MANIFEST, partial=True)) == [0, 2]
    assert folder.missing(MANIFEST) == [1]
    folder.write_note(1, replace(note, first=127))
    with pytest.raises(RunError, match="part-00000 and part-00001 overlap"):
        folder.notes(MANIFEST)


def test_damage_is_named(folder):
    folder.codes_file(0, "npy").write_bytes(b"")
    folder.labels_file(1).unlink()
    folder.note_file(2).write_text('{"rows": "44"}')
    assert "part-00000.npy is damaged" in folder.fault(0, MANIFEST)
    assert folder.fault(1, MANIFEST) == "part-00001-labels.npy is missing"
    assert folder.fault(2, MANIFEST) == "part-00002.json is damaged"
    with pytest.raises(RunError, match=r"part-00002.json is damaged: rows"):
        folder.notes(MANIFEST)
    folder.manifest_file.write_text("{")
    with pytest.raises(RunError, match=r"manifest.json is damaged"):
        folder.enter(MANIFEST)


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(RunError, match=r"mine\.txt"):
        ShardFolder(tmp_path).enter(MANIFEST)
    with pytest.raises(RunError, match="no directory of shards"):
        ShardFolder(tmp_path).manifest()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_shards_without_their_manifest_are_not_taken_for_others(folder):
    folder.manifest_file.unlink()
    with pytest.raises(RunError, match="part-00000"):
        folder.enter(MANIFEST)


def test_beginning_anew_removes_shards_and_nothing_else(folder):
    for name in ("mine.txt", ".x.part-00000.npy"):
        (folder.path / name).touch()
    other = replace(MANIFEST, bits=MANIFEST.bits + 1)
    folder.begin_anew(other)
    assert {path.name for path in folder.path.iterdir()} == {"mine.txt", "manifest.json"}
    assert folder.manifest().bits == other.bits
