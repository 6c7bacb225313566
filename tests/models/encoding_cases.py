"""A run that was never trained, sources of its images, and encoding in this process or one that can be killed."""

import io
import tarfile
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import torch

from biodeephashing.backbones import build_network
from biodeephashing.commands.encode import EncodingRequest, encode
from biodeephashing.data import load_fold
from biodeephashing.executors import Outcome
from biodeephashing.models.network_method import save_network
from biodeephashing.runs import Run, home
from biodeephashing.runs.hparams_json import write_hparams
from biodeephashing.settings.units import Part, Placement
from biodeephashing.training.feeding import recorded_settings
from biodeephashing.training.same_split import record_split

ROWS, BATCH = 16, 8  # of the 32 images of the database: two shards, two batches each


class Here:
    """An executor that does the units one after the other in this process."""

    places = ()

    def run(self, work, units):
        for unit in units:
            try:
                outcome = Outcome(unit, work(unit))
            except Exception as error:  # noqa: BLE001 - as an executor does
                outcome = Outcome(unit, error=error)
            yield outcome


@contextmanager
def opened_here(placement, settings=None):
    yield Here()


def untrained(settings, seed=0) -> Run:
    """Return a finished run with random weights."""
    run = Run.of(settings)
    torch.manual_seed(seed)
    run.directory.mkdir(parents=True, exist_ok=True)
    save_network(run, build_network(settings.backbone, bits=settings.number_of_bits))
    write_hparams(run.hparams_file, recorded_settings(settings))
    record_split(run)
    run.mark("finished")
    return run


def encoded(run, images, folder, *, part="0/1", **details) -> list[str]:
    """Encode in this process or the one that calls, and return the failures."""
    request = EncodingRequest(**{"rows": ROWS, "batch_size": BATCH, "device": "cpu", "num_workers": 0} | details)
    number, _, of = part.partition("/")
    return encode(run, images, folder, request, placement=Placement(part=Part(int(number), int(of))))


def encode_alone(run, folder, part="0/1") -> None:
    """Encode the database in a process of its own, which imports nothing more and says nothing."""
    import biodeephashing.commands.encode as command

    command.open_executor = opened_here
    with redirect_stdout(io.StringIO()):
        encoded(run, f"{run.database}:database", folder, part=part, rows=BATCH)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def sources(database: str, folder: Path) -> dict[str, str]:
    """Write the images of the database as each kind of source, in two files where an input file is a shard."""
    fold = load_fold(database, "database")
    images, numbers = [home() / path for path in fold.paths], fold.labels.argmax(axis=1).tolist()
    folder.mkdir()
    (folder / "list.txt").write_bytes(b"".join(f"{image}\r\n".encode() for image in images))
    (folder / "images" / "b").mkdir(parents=True)
    for row, image in enumerate(images):
        (folder / "images" / ("b" if row > 20 else "") / f"{'b' if row > 20 else 'a'}{row:02d}.PNG").write_bytes(image.read_bytes())
    names = ("blue", "green", "red", "grey")
    for shard in range(2):
        rows = range(ROWS * shard, ROWS * (shard + 1))
        paths, stored = [str(images[row]) for row in rows], [images[row].read_bytes() for row in rows]
        tables = {
            "stored": {"image": stored, "key": [f"k{row}" for row in rows], "labels": [[names[numbers[row]]] for row in rows]},
            "nested": {"image": [{"bytes": one, "path": None} for one in stored]},
            "named": {"path": paths, "labels": [numbers[row] for row in rows]},
        }
        for name, table in tables.items():
            pyarrow.parquet.write_table(pyarrow.table(table), folder / f"{name}-{shard}.parquet", row_group_size=7)
        with tarfile.open(folder / f"archive-{shard}.tar", "w") as archive, tarfile.open(folder / f"labelled-{shard}.tar", "w") as labelled:
            for row in rows:
                add(archive, f"x/{row:03d}.png", images[row].read_bytes())
                add(archive, f"x/{row:03d}.json", b"{}")
                add(labelled, f"{row:03d}.cls", str(numbers[row]).encode())
                add(labelled, f"{row:03d}.png", images[row].read_bytes())
    texts = ("list.txt", "images", "stored-*.parquet", "nested-*.parquet", "named-*.parquet", "archive-*.tar", "labelled-*.tar")
    return {text.partition("-")[0].removesuffix(".txt"): str(folder / text) for text in texts} | {"fold": f"{database}:database"}


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def columns(folder: Path) -> dict[str, list]:
    """Return the columns of all Parquet shards, bytes as arrays."""
    table = pyarrow.parquet.read_table(sorted(folder.glob("*.parquet")))
    lists = {name: table[name].to_pylist() for name in table.schema.names}
    return {
        name: np.array([list(one) for one in values], np.uint8) if name in ("code", "labels") else values for name, values in lists.items()
    }
