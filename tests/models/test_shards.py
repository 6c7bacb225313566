"""Encoding in shards: the same bytes as prediction, whoever makes them and however often it is stopped."""

import json
import multiprocessing
import pickle
import random
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from encoding_cases import BATCH, ROWS, columns, encode_alone, encoded, files_of, opened_here, sources, untrained
from PIL import Image

from biodeephashing.commands.predict import predict
from biodeephashing.data.sources import open_source, write_table
from biodeephashing.errors import BioDeepHashingError, RunError, UsageError
from biodeephashing.executors import open_executor
from biodeephashing.models.encode import main

WORKER = """
import pickle, sys
from pathlib import Path

work, shard = pickle.loads(Path(sys.argv[1]).read_bytes())
assert "torch" not in sys.modules  # it is imported where Ctrl-C waits
work(shard)
print(*sorted({"lightning", "mlflow", "timm", "pandas"} & set(sys.modules)))
"""


@pytest.fixture
def run(settings, monkeypatch):
    monkeypatch.setattr("biodeephashing.commands.encode.open_executor", opened_here)
    return untrained(settings)


@pytest.fixture
def database(run):
    return f"{run.database}:database"


def predicted(run, **details):
    predict(replace(run.settings(), predict_batch_size=BATCH, datafolds=("database",), **details), quiet=True)
    return np.load(run.codes_file("database"))


def content(file):
    return file.read_bytes() if isinstance(file, Path) else file.read()


def joined(folder, ending=""):
    return np.concatenate([np.load(file) for file in sorted(folder.glob(f"part-?????{ending}.npy"))])


def test_every_source_and_format_gives_the_codes_of_prediction(run, project_home, tmp_path, capsys):
    codes = predicted(run)
    labels = np.packbits(np.eye(4, dtype=np.uint8)[np.arange(32) % 4], axis=1)
    for kind, text in sources(run.database, tmp_path / "source").items():
        arrays, tables = tmp_path / f"{kind}-npy", tmp_path / f"{kind}-parquet"
        assert encoded(run, text, arrays) == encoded(run, text, tables, format="parquet", num_workers=int(kind == "stored")) == []
        written = columns(tables)
        ids = [*range(16), *range(2**24, 2**24 + 16)] if kind in ("archive", "labelled") else [*range(32)]
        assert np.array_equal(joined(arrays), codes), kind
        assert np.array_equal(written["code"], codes), kind
        assert written["id"] == ids, kind
        assert ("labels" in written) == (kind in ("stored", "named", "labelled", "fold")) == bool(list(arrays.glob("*-labels.npy"))), kind
        if "labels" in written:
            assert np.array_equal(written["labels"], labels), kind
            assert json.loads((arrays / "manifest.json").read_text())["classes"] == ["blue", "green", "red", "grey"], kind
            assert np.array_equal(joined(arrays, "-labels"), labels), kind
        assert ("key" in written) == (kind in ("stored", "images", "archive", "labelled")), kind
        assert json.loads((arrays / "done.json").read_text())["rows"] == 32
    assert columns(tmp_path / "stored-parquet")["key"] == [f"k{row}" for row in range(32)]
    assert columns(tmp_path / "images-parquet")["key"][20:22] == ["a20.PNG", "b/b21.PNG"]
    assert columns(tmp_path / "archive-parquet")["key"][-1] == "x/031"
    assert "2 shards, 32 codes of 12 bits" in capsys.readouterr().out


def test_a_part_that_was_sent_has_the_same_images(run, tmp_path):
    for kind, text in sources(run.database, tmp_path / "source").items():
        images = open_source(text, rows=ROWS, classes=("blue", "green", "red", "grey")).shards[1].read()
        part = pickle.loads(pickle.dumps(images.part(slice(10, 99))))
        assert len(part) == 6, kind
        for row in (5, 0, 3):  # a Parquet file is read in order, and from the beginning to go back
            assert part.where(row) == images.where(10 + row), kind
            assert content(part.file(row)) == content(images.file(10 + row)), kind


@pytest.mark.parametrize("kind", ["fold", "stored", "archive"])
def test_one_process_decodes_the_images_of_all_shards(run, tmp_path, monkeypatch, kind):
    started, usual = [], BaseProcess.start

    def start(process):
        started.append(process)
        usual(process)

    text = sources(run.database, tmp_path / "source")[kind]
    monkeypatch.setattr(BaseProcess, "start", start)
    encoded(run, text, tmp_path / "other", num_workers=1)
    encoded(run, text, tmp_path / "here", num_workers=0)
    assert len(started) == 1
    assert files_of(tmp_path / "other") == files_of(tmp_path / "here")


def test_the_last_batch_of_a_fold_may_be_smaller(run, tmp_path):
    for rows, batch in ((24, 8), (10, 5), (64, 64)):
        encoded(run, f"{run.database}:database", tmp_path / str(rows), rows=rows, batch_size=batch)
        predict(replace(run.settings(), predict_batch_size=batch, datafolds=("database",), no_skip=True), quiet=True)
        assert np.array_equal(joined(tmp_path / str(rows)), np.load(run.codes_file("database"))), (rows, batch)


@pytest.mark.parametrize("format", ["npy", "parquet"])
def test_stopped_at_every_file_and_begun_again(run, database, tmp_path, monkeypatch, format):
    encoded(run, database, tmp_path / "whole", format=format)
    whole, usual, stopped = files_of(tmp_path / "whole"), Path.replace, 0
    for last in range(2 * len(whole)):
        folder, renamed = tmp_path / f"stopped-{last}", []

        def stop(self, target, last=last, renamed=renamed):
            renamed.append(target)
            if len(renamed) > last // 2:  # once before a file has its name, once after
                _ = usual(self, target) if last % 2 else None
                raise KeyboardInterrupt
            return usual(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", stop)
            with pytest.raises(KeyboardInterrupt):
                encoded(run, database, folder, format=format)
        assert files_of(folder).items() <= whole.items(), "what has its name is whole"
        assert encoded(run, database, folder, format=format) == []
        assert files_of(folder) == whole
        stopped += 1
    assert stopped == 2 * len(whole)


def test_parts_in_any_order_make_the_same_files(run, database, tmp_path, capsys):
    encoded(run, database, tmp_path / "whole", rows=BATCH)
    for part in ("2/3", "0/3", "1/3"):
        assert not (tmp_path / "parts" / "done.json").exists()
        encoded(run, database, tmp_path / "parts", rows=BATCH, part=part)
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")
    said = capsys.readouterr().out
    assert "1 of 4 shards are there after part 2/3" in said
    assert "3 of 4 shards are there after part 0/3" in said
    encoded(run, database, tmp_path / "parts", rows=BATCH, part="5/9")  # has no shard
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")


@pytest.mark.slow
def test_killed_at_twenty_random_instants_and_in_parts_at_once(run, database, tmp_path):
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["biodeephashing.commands.encode"])

    def begin(folder, part="0/1"):
        process = processes.Process(target=encode_alone, args=(run, tmp_path / folder, part))
        process.start()
        return process

    encoded(run, database, tmp_path / "whole", rows=BATCH)
    begin("first").join()  # imports what the others have from the start
    began = time.monotonic()
    begin("second").join()
    whole, seconds = files_of(tmp_path / "whole"), time.monotonic() - began
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second") == whole
    draw = random.Random(0)
    for instant in range(20):
        process = begin(f"{instant}")
        time.sleep(draw.uniform(0, seconds))
        process.kill()
        process.join()
        assert encoded(run, database, tmp_path / f"{instant}", rows=BATCH) == []
        assert files_of(tmp_path / f"{instant}") == whole, instant
    parts = [begin("parts", f"{part}/3") for part in range(3)]
    for process in parts:
        process.join()
    assert [process.exitcode for process in parts] == [0, 0, 0]
    assert files_of(tmp_path / "parts") == whole


def test_damaged_shards_are_made_again_and_whole_ones_kept(run, database, tmp_path, capsys):
    folder = tmp_path / "codes"
    encoded(run, database, folder)
    whole = files_of(folder)
    kept = (folder / "part-00000.npy").stat().st_mtime_ns
    for damage in ("part-00001.npy", "part-00001-labels.npy", "part-00001.json"):
        (folder / damage).write_bytes(whole[damage][:-3])
        capsys.readouterr()
        assert encoded(run, database, folder) == []
        said = capsys.readouterr().out
        assert f"part-00001 is made again: {damage}" in said
        assert "1 of 2 shards are whole" in said
        assert files_of(folder) == whole
    assert (folder / "part-00000.npy").stat().st_mtime_ns == kept


def test_unreadable_images_are_refused_or_borne(run, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for row in range(20):
        Image.new("RGB", (32, 32), (row, 9 * row, 200)).save(images / f"{row:02d}.png")
    encoded(run, str(images), tmp_path / "all")
    (images / "03.png").write_text("no image")
    (images / "17.png").write_bytes((images / "17.png").read_bytes()[:60])
    for workers in (0, 1):
        (failure, other) = encoded(run, str(images), tmp_path / "none", num_workers=workers)
        assert "03.png is not an image" in failure
        assert "17.png cannot be read" in other
    (failure,) = encoded(run, str(images), tmp_path / "few", unreadable=Fraction(1, 10))  # 1 of 16, but 1 of 4
    assert "part-00001: 1 of its first 4 images" in failure
    assert "17.png" in failure
    assert encoded(run, str(images), tmp_path / "few", unreadable=Fraction(1, 4)) == []
    assert encoded(run, str(images), tmp_path / "table", unreadable=Fraction(1, 4), format="parquet") == []
    notes = [json.loads((tmp_path / "few" / f"part-{shard:05d}.json").read_text()) for shard in range(2)]
    assert [[row for row, _ in note["refused"]] for note in notes] == [[3], [17]]
    assert [note["rows"] for note in notes] == [16, 4]
    codes, readable = joined(tmp_path / "few"), [row for row in range(20) if row not in (3, 17)]
    assert (codes[[3, 17]] == 0).all()
    assert np.array_equal(codes[readable], joined(tmp_path / "all")[readable])
    table = columns(tmp_path / "table")
    assert table["id"] == readable
    assert np.array_equal(table["code"], codes[readable])
    assert json.loads((tmp_path / "few" / "done.json").read_text())["refused"] == 2


def test_a_directory_of_something_else_is_refused(run, settings, database, tmp_path):
    folder = tmp_path / "codes"
    encoded(run, database, folder)
    whole = files_of(folder)
    other = untrained(replace(settings, seed=1), seed=1)
    cases = {
        "run: .*seed=1": {"run": other}, "batch_size: 8 there, 4 now": {"batch_size": 4}, "rows: 16 there, 8": {"rows": 8},
        "format": {"format": "parquet"}, "source: .*query": {"images": f"{run.database}:query"},
    }  # fmt: skip
    for message, details in cases.items():
        details = {"run": run, "images": database} | details
        with pytest.raises(RunError, match=message):
            encoded(folder=folder, **details)
        assert files_of(folder) == whole
    untrained(settings, seed=2)
    with pytest.raises(RunError, match="checkpoint_sha256"):
        encoded(run, database, folder)
    (folder / "result.json").touch()  # someone's own
    encoded(run, database, folder, no_skip=True)
    assert files_of(folder).keys() == whole.keys() | {"result.json"}
    assert not np.array_equal(joined(folder), np.load(tmp_path / "codes" / "part-00000.npy"))
    for marked, message in (("finished", "another split of TINY"), ("interrupted", "interrupted")):
        run.mark(marked)
        run.split_file.write_text(run.split_file.read_text().replace('"train_metadata.txt": "', '"train_metadata.txt": "0'))
        with pytest.raises(RunError, match=message):
            encoded(run, database, folder)


def test_an_executor_that_cannot_be_opened_costs_no_shard(run, database, tmp_path, monkeypatch):
    encoded(run, database, tmp_path / "whole")
    whole = files_of(tmp_path / "whole")

    def unreachable(placement, settings):
        raise RunError("no cluster")

    monkeypatch.setattr("biodeephashing.commands.encode.open_executor", unreachable)
    for folder, no_skip in (("whole", True), ("fresh", False), ("fresh", True)):
        with pytest.raises(RunError, match="no cluster"):
            encoded(run, database, tmp_path / folder, no_skip=no_skip)
    assert files_of(tmp_path / "whole") == whole
    assert not (tmp_path / "fresh").exists()


@pytest.mark.parametrize("kind", ["images", "list", "stored", "archive"])
def test_a_source_that_was_changed_since_is_refused(run, tmp_path, kind):
    text = sources(run.database, tmp_path / "source")[kind]
    encoded(run, text, tmp_path / "codes")
    pattern = {"images": "images/a03*", "list": "list.txt"}.get(kind, f"{kind}-1*")
    (changed,) = (tmp_path / "source").glob(pattern)
    if kind == "stored":
        pyarrow.parquet.write_table(pyarrow.parquet.read_table(changed).slice(1), changed)
    else:
        changed.write_bytes(changed.read_bytes() + b"more.png")
    with pytest.raises(RunError, match=r"source: kind .* there, kind .* now"):
        encoded(run, text, tmp_path / "codes")


def test_what_cannot_be_asked_for_is_refused_before_anything_is_written(run, database, tmp_path):
    cases = {
        "no multiple of -pbs 8": ["-rows", "20"],
        "-unlabelled leaves out the labels of Parquet files": ["-unlabelled"],
        "-rows 0": ["-rows", "0"],
        r"'3/3' does not exist": ["-part", "3/3"],
        "not a part": ["-part", "a/b"],
        "invalid choice: 'csv'": ["-format", "csv"],
        "not alone": ["-no_skip", "-part", "0/2"],
        "unknown fold 'qury': did you mean 'query'": ["-images", f"{run.database}:qury"],
        "did you mean 'TINY'": ["-images", "TIMY:query"],
        "no file, directory or dataset": ["-images", "absent/*.tar"],
        "unknown flag -part_of": ["-part_of", "0/2"],
    }
    for message, words in cases.items():
        usual = [] if "-images" in words else ["-images", database]
        with pytest.raises(BioDeepHashingError, match=message):
            main(["-p", str(run.directory), "-o", str(tmp_path / "codes"), "-pbs", "8", *usual, *words])
        assert not (tmp_path / "codes").exists()
    with pytest.raises(UsageError, match="is a file"):
        encoded(run, database, run.hparams_file)


def test_a_shard_that_fails_stops_no_other(run, tmp_path, capsys):
    text = sources(run.database, tmp_path / "source")["archive"]
    (tmp_path / "source" / "archive-0.tar").write_bytes(b"no archive")
    with pytest.raises(BioDeepHashingError, match=r"failed, [^\n]*: 1\n  part-00000: .*archive-0.tar cannot be read"):
        main(["-p", str(run.directory), "-images", text, "-o", str(tmp_path / "codes"), "-nw", "0", "-rows", "64"])
    assert "1 of 2 shards are there" in capsys.readouterr().out
    assert not (tmp_path / "codes" / "done.json").exists()


@pytest.mark.parametrize(("name", "values"), [("image", [1, 2]), ("image", ["a.png"]), ("path", [1, 2]), ("path", [b"a.png"])])
def test_a_parquet_column_of_something_else_is_named(run, tmp_path, name, values):
    pyarrow.parquet.write_table(pyarrow.table({name: values}), tmp_path / "odd.parquet")
    (failure,) = encoded(run, str(tmp_path / "odd.parquet"), tmp_path / "codes")
    assert f"the column {name} of {tmp_path}" in failure
    assert "Traceback" not in failure


@pytest.mark.slow
def test_a_worker_loads_neither_lightning_nor_mlflow(run, database, tmp_path, monkeypatch):
    class Keep:
        places = ()

        def run(self, work, units):
            (tmp_path / "unit.pickle").write_bytes(pickle.dumps((work, units[0])))
            yield from ()

    monkeypatch.setattr("biodeephashing.commands.encode.open_executor", lambda placement, settings: nullcontext(Keep()))
    encoded(run, database, tmp_path / "codes")
    command = [sys.executable, "-c", WORKER, str(tmp_path / "unit.pickle")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")
    assert (tmp_path / "codes" / "part-00000.json").is_file()


@pytest.mark.slow
def test_the_command_encodes_in_processes(run, database, tmp_path, monkeypatch):
    codes = predicted(run)
    monkeypatch.setattr("biodeephashing.commands.encode.open_executor", open_executor)
    main(["-p", str(run.directory), "-images", database, "-o", str(tmp_path / "codes"), "-rows", "16", "-pbs", "8", "-jobs", "2"])
    assert np.array_equal(joined(tmp_path / "codes"), codes)


def test_codes_of_64_bits_take_eight_bytes_a_row(tmp_path):
    """Ids that follow each other and random codes; measured without a network."""
    count = 100_000
    codes = np.random.default_rng(0).integers(0, 256, (count, 8), dtype=np.uint8)
    with (tmp_path / "codes.parquet").open("wb") as stream:
        write_table(stream, 2**24 + np.arange(count), codes, None, None, np.ones(count, dtype=bool))
    assert (tmp_path / "codes.parquet").stat().st_size / count < 8.05
