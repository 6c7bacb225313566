"""Data sets that come as archives, on small ones with checksums of their own, from a local server and from the disk."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from pathlib import Path

import pytest
from flaky_site import Site, breaking_after, corrupt, page
from many_cases import each_case
from scripts import run_script
from torchvision.datasets.voc import DATASET_YEAR_DICT

from biodeephashing.cli import main
from biodeephashing.data.fetch.archives import Part, path_among
from biodeephashing.data.fetch.published import Archive, Published
from biodeephashing.data.sets import MIRFLICKR25K, MS_COCO, NUS_WIDE, VOC2012
from biodeephashing.errors import DataError, UsageError

SCRIPTS = Path(MS_COCO.__file__).parents[1] / "download"
FILES = {"pets/1.jpg": b"one" * 9999, "pets/2.jpg": b"two", "labels/all.txt": b"1 0\n0 1\n"}


@pytest.fixture
def bodies(tmp_path: Path) -> dict[str, bytes]:
    """The archives pets.zip, which has a checksum, and labels.zip, which has none."""
    for folder in ("pets", "labels"):
        with zipfile.ZipFile(tmp_path / f"{folder}.zip", "w") as archive:
            for name, content in FILES.items():
                if name.startswith(folder):
                    archive.writestr(name, content)
    return {name: (tmp_path / name).read_bytes() for name in ("pets.zip", "labels.zip")}


@pytest.fixture
def pets(bodies: dict[str, bytes]) -> Published:
    server = "http://127.0.0.1:9"
    md5 = hashlib.md5(bodies["pets.zip"]).hexdigest()
    return Published(
        "PETS",
        "Pets",
        (
            Archive(f"{server}/labels.zip", (Part("labels/all.txt", 1),), size=1 << 20, unpacked=1 << 20),
            Archive(f"{server}/pets.zip", (Part("pets/*.jpg", 2),), size=1 << 20, unpacked=1 << 20, md5=md5),
        ),
    )


def raw(home: Path) -> Path:
    return home / "data" / "raw" / "PETS"


def files(home: Path) -> dict[str, bytes]:
    return {path.relative_to(raw(home)).as_posix(): path.read_bytes() for path in raw(home).glob("*/*") if path.is_file()}


class TestFromAServer:
    def test_over_a_bad_line(self, project_home: Path, pets: Published, bodies: dict[str, bytes], site: Site) -> None:
        url = site.serve_files(bodies, {name: [breaking_after(100)] for name in bodies})
        assert pets.fetch(url=url, pause=0) == []
        assert files(project_home) == FILES
        assert sorted(site.requested) == ["labels.zip"] * 2 + ["pets.zip"] * 2
        assert pets.fetch(url=url) == []  # all there: no server is contacted
        assert len(site.requested) == 4

    def test_only_what_is_missing(self, project_home: Path, pets: Published, bodies: dict[str, bytes], site: Site) -> None:
        url = site.serve_files(bodies)
        pets.fetch(url=url)
        (raw(project_home) / "pets" / "2.jpg").unlink()
        assert pets.fetch(url=url) == []  # from the archive that is still there
        assert len(site.requested) == 2
        (raw(project_home) / "labels" / "all.txt").unlink()
        (raw(project_home) / "labels.zip").unlink()
        assert pets.fetch(url=url) == []
        assert files(project_home) == FILES
        assert site.requested[2:] == ["labels.zip"]

    def test_corrupt_archive_with_a_checksum(self, project_home: Path, pets: Published, bodies: dict[str, bytes], site: Site) -> None:
        url = site.serve_files(bodies, {"pets.zip": [corrupt]})
        with pytest.raises(DataError, match=r"pets\.zip: it is not the published file .its MD5"):
            pets.fetch(url=url, pause=0)
        assert "pets/1.jpg" not in files(project_home)

    def test_corrupt_archive_without_a_checksum(self, project_home: Path, pets: Published, bodies: dict[str, bytes], site: Site) -> None:
        bad = bodies["labels.zip"].replace(b"1 0\n", b"1 1\n")
        assert bad != bodies["labels.zip"]
        with pytest.raises(DataError, match=r"labels\.zip is not a whole archive .*delete it and get it again"):
            pets.fetch(url=site.serve_files({**bodies, "labels.zip": bad}), pause=0)
        assert "labels/all.txt" not in files(project_home)

    def test_damaged_meanwhile(self, project_home: Path, pets: Published, bodies: dict[str, bytes], site: Site) -> None:
        url = site.serve_files(bodies)
        pets.fetch(url=url)
        (raw(project_home) / "pets" / "2.jpg").unlink()
        (raw(project_home) / "pets.zip").write_bytes(b"PK")
        with pytest.raises(DataError, match=r"pets\.zip is damaged or not the published file \(its MD5 is .*delete it"):
            pets.fetch(url=url)

    def test_page_in_place_of_an_archive(self, project_home: Path, pets: Published, bodies: dict[str, bytes], site: Site) -> None:
        with pytest.raises(DataError, match="sent a web page in place of the file"):
            pets.fetch(url=site.serve_files(bodies, {"labels.zip": [page()]}))

    def test_archive_that_lacks_files(self, project_home: Path, pets: Published, bodies: dict[str, bytes], site: Site) -> None:
        larger = dataclasses.replace(pets.archives[1], parts=(Part("pets/*.jpg", 3),))
        published = dataclasses.replace(pets, archives=(pets.archives[0], larger))
        missing = published.fetch(url=site.serve_files(bodies))
        assert missing == ["2 of 3 files of pets.zip"]
        assert published.summary(missing).startswith(
            "Pets is incomplete in data/raw/PETS/: 2 of 3 files of pets.zip\nput labels.zip, pets.zip there"
        )

    def test_no_network(self, project_home: Path, pets: Published, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(DataError, match=rf"cannot download .* fetch (labels|pets)\.zip elsewhere, put it at {raw(project_home)}/"):
            pets.fetch(pause=0)


class TestFromTheDisk:
    def test_folder_of_archives(self, project_home: Path, pets: Published, tmp_path: Path) -> None:
        assert pets.fetch(tmp_path) == []
        assert files(project_home) == FILES
        assert pets.summary([]) == "Pets is complete in data/raw/PETS/\nnext: biodeephashing prepare PETS"

    def test_one_archive_after_the_other(self, project_home: Path, pets: Published, tmp_path: Path) -> None:
        assert pets.fetch(tmp_path / "pets.zip") == ["0 of 1 files of labels.zip"]
        assert pets.fetch(tmp_path / "labels.zip") == []
        assert files(project_home) == FILES
        before = (raw(project_home) / "pets" / "1.jpg").stat()
        assert pets.fetch(tmp_path) == []
        after = (raw(project_home) / "pets" / "1.jpg").stat()
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)  # raw data is never changed

    @pytest.mark.parametrize("named", ["", "pets"])
    def test_unpacked_files(self, project_home: Path, pets: Published, tmp_path_factory: pytest.TempPathFactory, named: str) -> None:
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        for name, content in FILES.items():
            (elsewhere / name).parent.mkdir(exist_ok=True)
            (elsewhere / name).write_bytes(content)
        missing = pets.fetch(elsewhere / named)
        assert missing == (["0 of 1 files of labels.zip"] if named else [])
        assert files(project_home).items() <= FILES.items()
        assert (raw(project_home) / "pets/1.jpg").samefile(elsewhere / "pets/1.jpg")  # the same disk: no second copy

    def test_another_disk(self, project_home: Path, pets: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(self: Path, target: Path) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(Path, "hardlink_to", refused)
        (tmp_path / "disk" / "pets").mkdir(parents=True)
        (tmp_path / "disk" / "pets" / "1.jpg").write_bytes(b"1")
        assert pets.fetch(tmp_path / "disk") == ["0 of 1 files of labels.zip", "1 of 2 files of pets.zip"]
        assert files(project_home) == {"pets/1.jpg": b"1"}
        assert not (raw(project_home) / "pets/1.jpg").samefile(tmp_path / "disk/pets/1.jpg")

    def test_single_file(self, project_home: Path, pets: Published, tmp_path: Path) -> None:
        published = dataclasses.replace(pets, archives=(Archive("http://x.org/list.rar", (Part("list.txt", 1),), size=9, unpacked=9),))
        (tmp_path / "list.txt").write_text("lines")
        assert published.fetch(tmp_path / "list.txt") == []
        assert (raw(project_home) / "list.txt").read_text() == "lines"

    def test_wrong_checksum(self, project_home: Path, pets: Published, tmp_path: Path) -> None:
        with (tmp_path / "pets.zip").open("ab") as file:
            file.write(b"x")
        with pytest.raises(DataError, match="is damaged or not the published file"):
            pets.fetch(tmp_path)
        assert "pets/1.jpg" not in files(project_home)

    def test_nothing_of_use(self, project_home: Path, pets: Published, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "other.zip").touch()
        with pytest.raises(DataError, match="there is no file or directory"):
            pets.fetch(tmp_path / "nowhere")
        with pytest.raises(DataError, match=r"holds nothing of Pets that is missing: neither labels\.zip, pets\.zip nor the files"):
            pets.fetch(tmp_path / "empty")
        with pytest.raises(DataError, match=r"other\.zip is no archive of Pets that is missing: those are labels\.zip, pets\.zip"):
            pets.fetch(tmp_path / "other.zip")

    def test_source_and_url(self, project_home: Path, pets: Published, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="give one of them"):
            pets.fetch(tmp_path, "http://127.0.0.1:9/")


class TestPublished:
    @pytest.mark.parametrize("script", [MS_COCO, MIRFLICKR25K, NUS_WIDE, VOC2012])
    def test_facts(self, script) -> None:  # type: ignore[no-untyped-def]
        published = script.PUBLISHED
        assert published.database == Path(script.__file__).stem
        for archive in published.archives:
            assert archive.url.startswith(("http://", "https://"))
            assert archive.md5 is None or (len(archive.md5) == 32 and set(archive.md5) <= set("0123456789abcdef"))
            assert 0 < archive.size <= archive.unpacked

    def test_voc_is_the_one_of_torchvision(self) -> None:
        (archive,) = VOC2012.PUBLISHED.archives
        known = DATASET_YEAR_DICT["2012"]
        assert (archive.url, archive.md5) == (known["url"], known["md5"])
        assert all(part.pattern.startswith(f"{known['base_dir']}/") for part in archive.parts)

    @pytest.mark.parametrize(("script", "files"), [(MS_COCO, 123_287 + 4), (MIRFLICKR25K, 50_000 + 38), (NUS_WIDE, 81 + 3)])
    def test_counts(self, script, files: int) -> None:  # type: ignore[no-untyped-def]
        assert sum(part.count for archive in script.PUBLISHED.archives for part in archive.parts) == files

    def test_tags_of_nus_wide(self) -> None:
        *others, tags = NUS_WIDE.WITH_TAGS.archives
        assert tuple(others) == NUS_WIDE.PUBLISHED.archives
        members = [f"NUS_WID_Tags/{name}.txt" for name in ("All_Tags", "AllTags1k", "TagList1k", "AllTags81")]
        assert [path_among(tags.parts)(member) for member in members] == [*members[:3], None]

    @pytest.mark.parametrize(
        ("script", "member", "path"),
        [
            (MS_COCO, "train2014/COCO_train2014_000000000009.jpg", "train2014/COCO_train2014_000000000009.jpg"),
            (MS_COCO, "annotations/instances_val2014.json", "annotations/instances_val2014.json"),
            (MS_COCO, "annotations/captions_val2014.json", "annotations/captions_val2014.json"),
            (MS_COCO, "annotations/person_keypoints_val2014.json", None),
            (MIRFLICKR25K, "mirflickr/im25000.jpg", "mirflickr/im25000.jpg"),
            (MIRFLICKR25K, "mirflickr/meta/tags/tags7.txt", "mirflickr/meta/tags/tags7.txt"),
            (MIRFLICKR25K, "mirflickr/meta/tags_raw/tags7.txt", None),
            (MIRFLICKR25K, "mirflickr/doc/credits.txt", None),
            (MIRFLICKR25K, "plant_life.txt", "mirflickr25k_annotations_v080/plant_life.txt"),
            (MIRFLICKR25K, "sea_r1.txt", "mirflickr25k_annotations_v080/sea_r1.txt"),
            (MIRFLICKR25K, "README.txt", None),
            (NUS_WIDE, "AllLabels/Labels_sky.txt", "AllLabels/Labels_sky.txt"),
            (NUS_WIDE, "Groundtruth/AllLabels/Labels_sky.txt", "AllLabels/Labels_sky.txt"),
            (NUS_WIDE, "Groundtruth/TrainTestLabels/Labels_sky_Train.txt", None),
            (NUS_WIDE, "ImageList/Imagelist.txt", "ImageList/Imagelist.txt"),
            (NUS_WIDE, "ImageList/ImageList.txt", "ImageList/Imagelist.txt"),
            (NUS_WIDE, "ImageList/TrainImagelist.txt", None),
            (NUS_WIDE, "Concepts81.txt", "ConceptsList/Concepts81.txt"),
            (VOC2012, "VOCdevkit/VOC2012/JPEGImages/2007_000027.jpg", "VOCdevkit/VOC2012/JPEGImages/2007_000027.jpg"),
            (VOC2012, "VOCdevkit/VOC2012/SegmentationClass/2007_000032.png", None),
        ],
    )
    def test_paths(self, script, member: str, path: str | None) -> None:  # type: ignore[no-untyped-def]
        paths = {part.path_of(member) for archive in script.PUBLISHED.archives for part in archive.parts}
        assert paths - {None} == ({path} if path else set())


@each_case("name", ["CIFAR_10", "ImageNet", "MS_COCO", "MIRFLICKR25K", "NUS_WIDE", "VOC2012"])
@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["-from", "nowhere"], 1, "error: there is no file or directory nowhere"),
        (["-form", "x"], 2, "unknown flag -form: did you mean -from?"),
        (["-h"], 0, "-from PATH"),
    ],
)
def test_command_lines(
    project_home: Path, name: str, arguments: list[str], status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_script(SCRIPTS / f"{name}.py", *arguments) == status
    said = "".join(capsys.readouterr())
    assert text in said
    assert "Traceback" not in said


@pytest.mark.parametrize("script", [MS_COCO, MIRFLICKR25K, VOC2012])
def test_command_line_to_the_end(
    project_home: Path,
    pets: Published,
    bodies: dict[str, bytes],
    site: Site,
    script,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(script, "DATASET", dataclasses.replace(script.DATASET, download=pets.download))
    assert main(["download", Path(script.__file__).stem, "-url", site.serve_files(bodies)]) == 0
    assert capsys.readouterr().out == (
        "Pets is complete in data/raw/PETS/ (labels.zip, pets.zip there may be deleted)\nnext: biodeephashing prepare PETS\n"
    )
    (raw(project_home) / "pets" / "1.jpg").unlink()
    with pytest.raises(DataError, match="no archive of Pets that is missing"):
        main(["download", Path(script.__file__).stem, "-from", str(project_home / "labels.zip")])
