"""Every example runs, every page says what is true, and every command of the README does what it says."""

import doctest
import importlib
import importlib.util
import pkgutil
import re
import shlex
from itertools import groupby
from pathlib import Path

import pytest
import torch
from many_cases import each_case
from torch import nn

import biodeephashing
from biodeephashing.backbones import BACKBONES, Backbone
from biodeephashing.commands.study import trials_of
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import DEFAULT_METHOD, settings_of
from biodeephashing.settings.parsers import study_parser
from biodeephashing.settings.yaml_file import read_yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
NEEDS_RAY = "biodeephashing.executors._ray"  # an optional extra, which wants its environment set before it is imported
FOUND = [module.name for module in pkgutil.walk_packages(biodeephashing.__path__, "biodeephashing.")]
MODULES = [biodeephashing.__name__] + [name for name in FOUND if name != NEEDS_RAY]
ROOMS = {room: list(names) for room, names in groupby(MODULES, key=lambda name: ".".join(name.split(".")[:2]))}
ENTRANCES = {
    "src/data/process/DIGITS.py": "biodeephashing.data.process.DIGITS",
    "src/models/PenaltyStrategies/train.py": "biodeephashing.models.PenaltyStrategies.train",
    "src/models/PenaltyStrategies/predict.py": "biodeephashing.models.PenaltyStrategies.predict",
    "src/models/PenaltyStrategies/study.py": "biodeephashing.models.PenaltyStrategies.study",
    "src/models/encode.py": "biodeephashing.models.encode",
    "src/eval/eval_map.py": "biodeephashing.eval.eval_map",
    "src/eval/eval_codes.py": "biodeephashing.eval.eval_codes",
    "src/eval/compare.py": "biodeephashing.eval.compare",
    "src/search/query.py": "biodeephashing.search.query",
    "src/search/serve.py": "biodeephashing.search.serve",
    "src/search/export.py": "biodeephashing.search.export",
}


@pytest.mark.parametrize("room", ROOMS)
def test_examples_run(room):
    failed = []
    for module in map(importlib.import_module, ROOMS[room]):
        if doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL).failed:
            failed.append(module.__name__)  # what was expected, and what came, is printed
    assert failed == []


@each_case("name", MODULES)
def test_public_names_are_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__
    bare = [
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", None) == name and callable(value) and not value.__doc__
    ]
    assert bare == []


def test_the_settings_page_is_current():
    spec = importlib.util.spec_from_file_location("build_settings", ROOT / "docs" / "build_settings.py")
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == builder.page(), "run make docs"


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "configs" / "recipes" / "README.md", *(ROOT / "docs").glob("*.md")]:
        prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", prose):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for kind, text in fenced if kind == language]


def commands() -> list[list[str]]:
    return [shlex.split(line, comments=True) for block in blocks("") for line in block.splitlines() if line.startswith("python ")]


def run(command: list[str]) -> None:
    importlib.import_module(ENTRANCES[command[1]]).main(command[2:])


def test_every_command_of_the_readme_is_known():
    assert {command[1] for command in commands()} == set(ENTRANCES)
    for command in commands():
        assert (ROOT / command[1]).exists()


def test_the_digits_commands_of_the_readme(project_home, monkeypatch, capsys):
    """The first block to the letter, in order, from data to comparison."""
    monkeypatch.chdir(project_home)
    first = [command for command in commands() if {"DIGITS", "DIGITS/first"} & {*command, Path(command[1]).stem}]
    first = [command for command in first if Path(command[1]).stem != "export" and "codes" not in command]  # seconds, with own tests
    assert [Path(command[1]).stem for command in first] == ["DIGITS", "train", "predict", "eval_map", "compare", "query"]
    for command in ([part.replace("demo", "first") for part in command] for command in first):  # the demo is not trained here
        monkeypatch.setattr("sys.argv", command[1:])
        run(command) if command[2:] else importlib.import_module(ENTRANCES[command[1]]).main()
    out = capsys.readouterr().out
    assert "epoch 5/5" in out
    assert "DIGITS / first: learning rules compared" in out
    assert list((project_home / "eval").rglob("query-prediction_mAP.json"))


class TinyVGG(nn.Module):
    num_features = 8

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 16, stride=16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, images):
        return self.features(images)


def test_the_contract_commands_of_the_readme(tiny_database, project_home, monkeypatch, capsys):
    """The three commands that never break, to the letter; only the images are few and the VGG-16 is narrow."""
    monkeypatch.chdir(project_home)
    processed = project_home / "data" / "processed"
    (processed / tiny_database).rename(processed / "CIFAR_10")
    for file in (processed / "CIFAR_10").glob("*_metadata.txt"):
        file.write_text(file.read_text().replace(f"/{tiny_database}/", "/CIFAR_10/"))
    rewrite_split(processed / "CIFAR_10")
    narrow = Backbone(TinyVGG, fetch=lambda: TinyVGG().state_dict())
    monkeypatch.setitem(BACKBONES._entries, "vgg16", lambda: narrow)
    contract = [c for c in commands() if "vgg16" in " ".join(c)]
    assert [Path(command[1]).stem for command in contract] == ["train", "predict", "eval_map"]
    for command in contract:
        run(command)
    name = contract[2][3].split("/")[-1]
    run_directory = project_home / "models" / "PenaltyStrategies" / "CIFAR_10" / "bioexp" / name
    evaluation = project_home / "eval" / "PenaltyStrategies" / "CIFAR_10" / "bioexp" / name
    assert (run_directory / "status=finished.out").exists()
    assert {f"{fold}-prediction_mAP.json" for fold in ("query", "val")} == {path.name for path in evaluation.iterdir()}
    capsys.readouterr()
    for command in contract:
        run(command)
    assert capsys.readouterr().out.count("skipped") == 1 + 4 + 2


def rewrite_split(folder: Path) -> None:
    import json

    from biodeephashing.checksums import digest

    split = json.loads((folder / "split.json").read_text())
    split["database"] = "CIFAR_10"
    split["sha256"] = {name: digest(folder / name) for name in split["sha256"]}
    (folder / "split.json").write_text(json.dumps(split))


def test_the_mlflow_command_of_the_readme_opens_the_store(project_home, monkeypatch):
    from biodeephashing.tracking import how_to_open

    monkeypatch.chdir(project_home)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    command = next(line for block in blocks("") for line in block.splitlines() if line.startswith("mlflow ui"))
    assert how_to_open().endswith(command.removeprefix("mlflow "))


def test_make_demo_is_what_the_readme_shows():
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\ndemo:")[2].partition("\n\n")[0]
    made = [line.split("/python ")[1] for line in recipe.splitlines() if "/python " in line]
    shown = [" ".join(command[1:]) for command in commands()]
    assert made == ["src/data/process/DIGITS.py", "src/models/PenaltyStrategies/study.py -config configs/demo.yaml"]
    assert set(made) <= set(shown)


def test_the_demo_of_images_and_texts_is_four_rules_in_both_towers():
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\ndemo-crossmodal:")[2].partition("\n\n")[0]
    made = [line.split("/python ")[1].split() for line in recipe.splitlines() if "/python " in line]
    assert [line[0] for line in made] == ["src/data/process/GLYPHS.py", "src/models/CrossModal/study.py"]
    table = settings_of("CrossModal")
    trials = trials_of(study_parser(table).parse_args(made[1][1:]), table)
    assert [{trial.tower(name).mode for name in ("image", "text")} for trial in trials] == [{"bp"}, {"fa"}, {"frsf"}, {"usf"}]


def test_the_demo_of_photographs_is_two_rules_at_one_rate():
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\ndemo-photos:")[2].partition("\n\n")[0]
    made = [line.split("/python ")[1].replace("$(PHOTOS)", "pets") for line in recipe.splitlines() if "/study.py " in line]
    trials = [trial for line in made for trial in trials_of(study_parser(Settings).parse_args(shlex.split(line)[1:]), Settings)]
    assert [(trial.mode, trial.learning_rate) for trial in trials] == [("bp", 1e-4), ("usf", 1e-4)]
    assert {(trial.database, trial.fixed_norm, trial.transformations) for trial in trials} == {("FOLDER_pets", True, "weights")}


def test_the_grid_of_the_readme_is_the_demo():
    command = next(command for command in commands() if command[1].endswith("study.py"))
    trials = trials_of(study_parser(Settings).parse_args([command[2], str(ROOT / command[3])]), Settings)
    assert {(trial.mode, trial.seed) for trial in trials} == {(mode, seed) for mode in ("bp", "fa", "frsf", "usf") for seed in (0, 1, 2)}
    assert {trial.database for trial in trials} == {"DIGITS"}


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_config_is_a_grid_with_a_header(path):
    table = settings_of(read_yaml(path).get("model", DEFAULT_METHOD))
    assert trials_of(study_parser(table).parse_args(["-config", str(path)]), table)
    header = [line for line in path.read_text("utf-8").splitlines() if line.startswith("#")]
    assert any(line.startswith("# Command:") for line in header)
    assert any(line.startswith("# Data:") for line in header)


def test_the_python_examples_of_the_readme(monkeypatch):
    network, rule = blocks("python")
    exec(compile(network, "README.md", "exec"), {})
    monkeypatch.setattr("biodeephashing.bio.RULES._entries", dict(biodeephashing.bio.RULES))
    monkeypatch.setattr("biodeephashing.bio.RULES.facts", dict(biodeephashing.bio.RULES.facts))
    namespace = {"__name__": "biodeephashing.bio.half", "__package__": "biodeephashing.bio"}
    exec(compile(rule, "README.md", "exec"), namespace)
    layer = nn.Linear(3, 2, bias=False)
    biodeephashing.bio.apply_rule(layer, "half")
    x = torch.randn(4, 3, requires_grad=True)
    layer(x).sum().backward()
    assert torch.allclose(x.grad, torch.ones(4, 2) @ (0.5 * layer.weight))


def test_the_fifteen_numbers_of_the_evaluation_page():
    """What the page shows behind ``>>>`` comes out as it is shown."""
    page = (ROOT / "docs" / "evaluation.md").read_text("utf-8")
    (text,) = re.findall(r"^```python\n(>>> .*?)^```$", page, re.DOTALL | re.MULTILINE)
    found = doctest.DocTestRunner().run(doctest.DocTestParser().get_doctest(text, {}, "evaluation.md", None, 0))
    assert (found.failed, found.attempted) == (0, 7)
