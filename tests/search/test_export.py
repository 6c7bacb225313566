"""export.py and infer.py: an exported network gives the codes that predict.py wrote, without PyTorch, whole or not at all."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import requests
import torch
from mlflow.exceptions import MlflowException
from PIL import Image
from rotated_parents import finish

from biodeephashing.backbones import BACKBONES, build_network
from biodeephashing.codes import pack
from biodeephashing.commands import search_export
from biodeephashing.commands.rotate import rotate
from biodeephashing.commands.searching.exported import SOURCES, Exported
from biodeephashing.commands.searching.mlflow_model import ImageHasher
from biodeephashing.data import load_fold
from biodeephashing.errors import guard
from biodeephashing.models import ITQ
from biodeephashing.models.encoder import Encoder
from biodeephashing.models.export import HashingGraph, write_programs
from biodeephashing.preprocessing import IMAGENET
from biodeephashing.runs import HOME_VARIABLE, Run
from biodeephashing.search.export import main as export_main
from biodeephashing.search.infer import main as infer_main

pytest.importorskip("onnxscript")
runtime = pytest.importorskip("onnxruntime")
# What an environment lacks that has NumPy, Pillow and onnxruntime only.
ABSENT = "torch pandas mlflow numba scipy sklearn filelock yaml lightning torchvision timm tqdm matplotlib fastapi"
WITHOUT = f"import sys; sys.modules.update(dict.fromkeys({ABSENT.split()}))"


def call(main, *words):
    return guard(lambda: main([str(word) for word in words]))


@pytest.fixture(scope="session")
def exported_once(searched_home, tmp_path_factory):
    """An export of the run of GreedyHash."""
    folder = tmp_path_factory.mktemp("exported") / "export"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(searched_home))
        (run,) = (one for one in (searched_home / "models").glob("*/*/*/*") if "GreedyHash" in one.name)
        assert call(export_main, "-p", run, "-o", folder) == 0
    return folder


@pytest.fixture
def exported(exported_once, run):
    """A copy of it, where it belongs."""
    shutil.copytree(exported_once, run.export)
    return run.export


def images_of(fold: str) -> list[Path]:
    metadata = load_fold("TINY", fold)
    return [metadata.image(row) for row in range(len(metadata))]


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_bits_are_packed_as_everywhere():
    torch.manual_seed(0)
    for bits in (1, 7, 8, 9, 31, 64):
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, bits))
        images = torch.randint(0, 256, (20, 3, 4, 4), dtype=torch.uint8)
        features, codes = HashingGraph(network, IMAGENET)(images)
        assert np.array_equal(codes, pack(features.detach().numpy()))
        mean, std = (torch.tensor(colour, dtype=torch.float64)[:, None, None] for colour in (IMAGENET.mean, IMAGENET.std))
        expected = network(((images / 255 - mean) / std).float())
        assert torch.allclose(features, expected, atol=1e-5)


def test_an_export_says_what_it_is(exported, run):
    facts = json.loads((exported / "preprocessing.json").read_text())
    assert facts["preprocessing"]["size"] == [32, 32]
    assert (facts["bits"], facts["classes"], facts["head"]) == (12, ["blue", "green", "red", "grey"], "the head of GreedyHash")
    assert facts["checkpoint"] == run.best_checkpoint.name
    checked = json.loads((exported / "check.json").read_text())
    assert (checked["images"], checked["noise"], checked["batches"]) == (16, 48, [1, 2, 5, 64])
    assert all(program["differing_bits"] == 0 and program["largest_difference"] < 1e-5 for program in checked["programs"].values())
    network = runtime.InferenceSession(exported / "model.onnx")
    assert [one.shape for one in (*network.get_inputs(), *network.get_outputs())] == [
        ["batch", 3, 32, 32], ["batch", 12], ["batch", 2], ["batch", 4],
    ]  # fmt: skip
    program = torch.export.load(exported / "model.pt2").module()
    pixels = torch.from_numpy(np.stack([np.asarray(Image.open(file)).transpose(2, 0, 1) for file in images_of("query")]))
    assert np.array_equal(program(pixels)[1], np.load(run.codes_file("query")))


def test_codes_are_those_of_predict_where_pytorch_is_not_installed(exported, run, tmp_path):
    code = f"{WITHOUT}; from biodeephashing.search.infer import main; raise SystemExit(main(sys.argv[1:]))"
    files = map(str, [*images_of("query"), *images_of("database")])
    asked = [sys.executable, "-c", code, "-m", str(exported), "-o", str(tmp_path / "codes.npy"), "-img", *files]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    codes = np.concatenate([np.load(run.codes_file(fold)) for fold in ("query", "database")])
    assert np.array_equal(np.load(tmp_path / "codes.npy"), codes)
    for line, own in zip(done.stdout.splitlines(), codes, strict=False):
        assert f"code {own.tobytes().hex()}; class " in line
        assert "by the head of GreedyHash" in line


def test_codes_are_compared_with_those_of_the_run(exported, run, other, tmp_path, capsys):
    outside = tmp_path / "outside.png"
    Image.new("RGB", (50, 40), (180, 60, 60)).save(outside)
    assert call(infer_main, "-m", exported, "-p", run, "-img", *images_of("query"), outside) == 0
    said = capsys.readouterr().out.splitlines()
    assert all(line.endswith(f"as query:{row} of the run") for row, line in enumerate(said[:-1]))
    assert "scaled from 50 x 40 to 32 x 32" in said[-1]
    assert "no code of it" in said[-1]
    assert call(infer_main, "-m", exported, "-p", other, "-img", outside) == 1
    assert "another checkpoint" in capsys.readouterr().err
    files, codes = images_of("query"), np.load(run.codes_file("query"))
    shutil.copyfile(files[int((codes != codes[3]).any(axis=1).argmax())], files[3])
    assert call(infer_main, "-m", exported, "-p", run, "-img", files[3]) == 1
    assert "differ from query:3" in capsys.readouterr().out


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_answered(exported, tmp_path, capsys):
    bad, codes = tmp_path / "text.png", tmp_path / "codes.npy"
    bad.write_text("no image")
    assert call(infer_main, "-m", exported, "-img", bad, images_of("query")[0], "-o", codes) == 1
    said = capsys.readouterr()
    assert "text.png" in said.err
    assert "code " in said.out
    assert not codes.exists()
    assert call(infer_main, "-m", exported, "-img", images_of("query")[0], "-o", codes) == 0
    before = codes.read_bytes()
    assert call(infer_main, "-m", exported, "-img", images_of("query")[1], "-o", codes) == 0
    assert codes.read_bytes() == before
    assert "-no_skip" in capsys.readouterr().out


def test_what_is_no_export_is_named(exported, tmp_path, capsys):
    def says(*facts):
        assert call(infer_main, "-m", exported, "-img", images_of("query")[0]) == 1
        said = capsys.readouterr().err
        assert all(fact in said for fact in facts), said
        assert len(said.splitlines()) == 1

    network, facts = (exported / "model.onnx").read_bytes(), (exported / "preprocessing.json").read_text()
    (exported / "model.onnx").write_bytes(network[:-5])
    says("model.onnx")
    (exported / "model.onnx").write_bytes(network)
    (exported / "preprocessing.json").write_text(facts.replace('"format": 1', '"format": 9'))
    says("preprocessing.json", "format 1")
    (exported / "preprocessing.json").write_text(facts[:-20])
    says("preprocessing.json", "damaged")
    (exported / "preprocessing.json").unlink()
    says("no export")


def test_an_export_is_skipped_replaced_and_kept(exported, run, capsys, monkeypatch):
    before = bytes_below(run.directory)
    assert call(export_main, "-p", run) == 0
    assert "skipped: " in capsys.readouterr().out
    honest = Encoder.features
    monkeypatch.setattr(Encoder, "features", lambda self, pixels: -honest(self, pixels))
    assert call(export_main, "-p", run, "-no_skip") == 1
    assert "model.onnx" in capsys.readouterr().err
    assert bytes_below(run.directory) == before | {".export.lock": b""}


def test_what_an_export_may_not_touch(run, home, tmp_path, capsys, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    assert call(export_main, "-p", run, "-o", tmp_path / "photos") == 2
    assert "photos" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert call(export_main, "-p", run) == 1
    assert "biodeephashing[export]" in capsys.readouterr().err
    assert bytes_below(tmp_path / "photos") == {"cat.png": b"cat"}
    assert not run.export.exists()


def test_a_network_that_cannot_be_exported(tmp_path, monkeypatch, run, capsys):
    def refuse(*args, **kwargs):
        raise RuntimeError("no operator for aten::strange\nand much more")

    monkeypatch.setattr(torch.export, "export", refuse)
    assert call(export_main, "-p", run) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not [path.name for path in run.directory.iterdir() if "export" in path.name and path.name != ".export.lock"]


def test_a_rotated_run_is_exported(other, home, tmp_path):
    parent = finish(replace(other.settings(), experiment_name="parents", loss="DSH", no_cube=True, penalty=0.0))
    run = rotate(ITQ.Settings.rotating(parent.settings()), quiet=True)
    assert call(export_main, "-p", run) == 0
    exported = Exported(run.export)
    hashed = exported.hashed(np.stack([exported.pixels(Image.open(file)) for file in images_of("query")]))
    assert np.array_equal(hashed.codes, np.load(run.codes_file("query")))
    assert hashed.probabilities is None


def test_the_model_of_mlflow_takes_bytes_and_base64(exported, run):
    model = ImageHasher()
    model.load_context(SimpleNamespace(artifacts={"export": str(exported)}))
    contents = [file.read_bytes() for file in images_of("query")]
    expected = [code.tobytes().hex() for code in np.load(run.codes_file("query"))]
    for given in (contents, [base64.b64encode(one) for one in contents], [base64.b64encode(one).decode() for one in contents]):
        answer = model.predict(None, pd.DataFrame({"image": given}))
        assert answer["code"].tolist() == expected
    assert answer["class"].isin(["blue", "green", "red", "grey"]).all()
    assert answer["probability"].between(0.25, 1).all()
    for bad in (b"no image", "%%%", 3.5):
        with pytest.raises(MlflowException, match="row 1") as caught:
            model.predict(None, pd.DataFrame({"image": [contents[0], bad]}))
        assert caught.value.get_http_status_code() == 400


def test_what_the_model_of_mlflow_carries_is_all_that_it_needs(exported, run, tmp_path):
    """The listed sources and nothing else of the package, which is not installed there."""
    for source in SOURCES:
        (tmp_path / "biodeephashing" / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(search_export.__file__).parents[1] / source, tmp_path / "biodeephashing" / source)
    lines = (
        WITHOUT,
        "from pathlib import Path",
        "from biodeephashing.commands.searching.exported import Exported, image_of",
        "exported = Exported(Path(sys.argv[1]))",
        "print(Exported.__init__.__code__.co_filename)",
        "print(exported.hashed(exported.pixels(image_of(Path(sys.argv[2])))[None]).codes.tobytes().hex())",
    )
    words = [sys.executable, "-c", "\n".join(lines), str(exported), str(images_of("query")[0])]
    places = os.pathsep.join([str(tmp_path), *(path for path in sys.path if "site" in Path(path).name)])
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": places}, cwd=tmp_path)
    place, code = done.stdout.splitlines()
    assert Path(place).is_relative_to(tmp_path)
    assert bytes.fromhex(code) == np.load(run.codes_file("query"))[0].tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*(name for name in BACKBONES if not name.startswith("hrnet_")), "timm:vit_tiny_patch16_224", "timm:convnext_atto"]
)
def test_every_backbone_is_exported(name, tmp_path):
    torch.manual_seed(0)
    network, side = build_network(name, bits=12), 224 if name.startswith("timm:") or name in ("alexnet", "cnnf", "hrnet", "vgg16") else 32
    torch.nn.init.normal_(network.hash_layer.weight)
    graph = HashingGraph(network, IMAGENET)
    write_programs(graph, (side, side), tmp_path)
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    for length in (1, 2, 5):
        images = torch.randint(0, 256, (length, 3, side, side), dtype=torch.uint8)
        with torch.inference_mode():
            features, codes = graph(images)
        found = session.run(None, {"images": images.numpy()})
        assert np.abs(features.numpy() - found[0]).max() <= 1e-4 * features.abs().max()
        assert np.array_equal(found[1], codes)


def server_of(model: Path, folder: Path, port: int) -> subprocess.Popen:
    """Start ``mlflow models serve`` where neither PyTorch nor this package can be imported from outside the model."""
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    others = [path for path in sys.path if path.endswith("-packages") or "site" in Path(path).name]
    surroundings = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), *others]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),  # it starts uvicorn from there
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    words = ["mlflow", "models", "serve", "-m", str(model), "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    with (folder / "log").open("w") as log:
        return subprocess.Popen(words, env=surroundings, cwd=folder, stdout=log, stderr=log, start_new_session=True)


@pytest.mark.slow
def test_mlflow_serves_the_codes(exported, run: Run, home, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert call(export_main, "-p", run, "-mlflow") == 0
    (logged,) = (home / "experiments" / "mlartifacts").rglob("MLmodel")
    assert str(logged.parent) in capsys.readouterr().out
    assert not [name for name, content in bytes_below(logged.parent).items() if str(home).encode() in content or name.endswith(".pkl")]
    model = tmp_path / "moved"
    logged.parent.rename(model)
    shutil.rmtree(exported)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "server").mkdir()
    server = server_of(model, tmp_path / "server", port)
    try:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while time.monotonic() < until and server.poll() is None:
            try:
                requests.get(f"{address}/ping", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.3)
        images = [{"image": base64.b64encode(file.read_bytes()).decode()} for file in images_of("query")[:2]]
        expected = [code.tobytes().hex() for code in np.load(run.codes_file("query"))[:2]]
        for body in ({"dataframe_records": images}, {"instances": images}):
            answer = requests.post(f"{address}/invocations", json=body, timeout=60)
            assert [row["code"] for row in answer.json()["predictions"]] == expected, (tmp_path / "server" / "log").read_text()
        example = json.loads((model / "serving_input_example.json").read_text())
        assert len(requests.post(f"{address}/invocations", json=example, timeout=60).json()["predictions"]) == 2
        refused = requests.post(f"{address}/invocations", json={"dataframe_records": [{"image": "aGVsbG8="}]}, timeout=60)
        assert refused.status_code == 400
        assert "Traceback" not in refused.text
        assert str(tmp_path) not in refused.text
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


@pytest.mark.slow
def test_from_training_to_inference_each_in_its_own_process(project_home):
    words = "-db DIGITS -exp chain -arch bio-lenet -loss DCH -nbits 16 -mode fa -trf none -ep 1 -tracking off"
    settings = words.split()

    def done(script, *words):
        asked = [sys.executable, str(Path(search_export.__file__).parents[1] / script), *words]
        ended = subprocess.run(asked, capture_output=True, text=True, cwd=project_home, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    done("data/process/DIGITS.py")
    done("models/PenaltyStrategies/train.py", *settings)
    done("models/PenaltyStrategies/predict.py", *settings)
    done("eval/eval_map.py", "-p", "DIGITS/chain")
    done("search/export.py", "-p", "DIGITS/chain")
    (folder,) = project_home.glob("models/*/DIGITS/chain/*/export")
    metadata = load_fold("DIGITS", "query")
    done("search/infer.py", "-m", str(folder), "-o", "codes.npy", "-img", *(str(metadata.image(row)) for row in range(len(metadata))))
    assert np.array_equal(np.load(project_home / "codes.npy"), np.load(folder.parent / "query-codes.npy"))
