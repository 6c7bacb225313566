"""The files under configs: settings that can be used, losses that can be built, and headers that say what is published and what is not."""

import re
from pathlib import Path

import numpy as np
import pytest
from many_cases import each_case

from biodeephashing.commands import study
from biodeephashing.data import Metadata
from biodeephashing.data.catalogue import script_of
from biodeephashing.errors import UsageError
from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES
from biodeephashing.models.ADSH.loss import build_loss as adsh_loss
from biodeephashing.models.LLC.losses import first_loss
from biodeephashing.models.PenaltyStrategies.loss import build_loss
from biodeephashing.runs import DEFAULT_METHOD, settings_of
from biodeephashing.settings.constants import parse_constants
from biodeephashing.settings.parsers import study_parser
from biodeephashing.settings.yaml_file import read_yaml

CONFIGS = Path(__file__).parents[1] / "configs"
RECIPES = sorted((CONFIGS / "recipes").glob("*.yaml"))
GRIDS = sorted([*CONFIGS.glob("*.yaml"), *(CONFIGS / "which_rule").glob("*.yaml"), *RECIPES])
SCORE = re.compile(r"\b0\.\d{3,4}\b")
LINES = ("Paper", "Data", "Metric", "Expected", "Time", "Command")


def trials_of(path):
    table = settings_of(read_yaml(path).get("model", DEFAULT_METHOD))
    return study.trials_of(study_parser(table).parse_args(["-config", str(path)]), table)


def header(path):
    """Return the entries of a header: each begins with its word and a colon, and may go on in further lines."""
    found, word = {}, ""
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            break
        if begun := re.match(r"# (\w+):\s+(.*)", line):
            word = begun[1]
            assert word not in found
            found[word] = begun[2]
        elif word:
            found[word] += " " + line.removeprefix("#").strip()
    return found


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_every_file_holds_usable_settings_and_a_loss_that_can_be_built(path):
    trials = trials_of(path)
    assert len({trial.name for trial in trials}) == len(trials)
    for multi in (False, True):
        labels = np.eye(4, dtype=np.uint8)[np.arange(40) % 4]
        labels[0, 1] = multi
        fold = Metadata(path, [f"{row}.png" for row in range(40)], labels)
        for trial in trials:
            if trial.method == "LLC" and multi:
                with pytest.raises(UsageError, match="2 classes"):
                    first_loss(trial, fold)
            elif trial.method == "CrossModal":
                facts = {"bits": trial.number_of_bits, "classes": 4, "train_size": 40, "similar_probability": 0.25, "multi_label": multi}
                assert CROSSMODAL_LOSSES[trial.loss](**facts, **parse_constants(trial.constants)).bits == trial.number_of_bits
            else:
                build = {"ADSH": adsh_loss, "LLC": first_loss}.get(trial.method, build_loss)
                assert build(trial, fold).bits == trial.number_of_bits


@each_case("path", RECIPES)
def test_every_recipe_says_what_it_is(path):
    fields, trials = header(path), trials_of(path)
    assert set(LINES) <= set(fields)
    assert fields["Command"] == f"python src/models/PenaltyStrategies/study.py -config configs/recipes/{path.name}"
    assert fields["Data"].startswith(trials[0].database)
    assert fields["Metric"].startswith(("mAP over the whole ranking", "mAP@1000", "mAP@5000", "mAP within Hamming radius 2"))
    assert re.search(r"\(.+; .+ \d{4}\)$", fields["Paper"])
    assert {trial.experiment_name for trial in trials} == {path.stem}
    assert {trial.patience for trial in trials} == {trial.epochs for trial in trials}, "a published number of epochs is trained to its end"


@each_case("path", RECIPES)
def test_there_is_one_published_score_for_each_number_of_bits(path):
    expected, bits = header(path)["Expected"], [trial.number_of_bits for trial in trials_of(path)]
    assert expected.startswith("published ")
    if "not looked up" in expected:
        assert not SCORE.search(expected)
        return
    scores, _, named = expected.partition(" at ")
    assert len(SCORE.findall(scores)) == len(bits)
    assert named == f"{' '.join(map(str, bits))} bits"


@each_case("path", [*GRIDS, *sorted((CONFIGS / "classification").glob("*.yaml"))])
def test_published_and_measured_here_never_stand_by_the_same_score(path):
    for word, text in header(path).items():
        assert not ("published" in text and "measured here" in text), f"{path.name}: {word}"
        if SCORE.search(text) and word in ("Expected", "Measured", "Score"):
            assert ("published" in text) is (word == "Expected")
            assert ("measured here" in text) is (word != "Expected")


def test_the_table_lists_every_recipe_with_its_scores():
    table = (CONFIGS / "recipes" / "README.md").read_text("utf-8")
    rows = {found[1]: line for line in table.splitlines() if (found := re.match(r"\| \[(\w+)\]", line))}
    assert sorted(rows) == [path.stem for path in RECIPES]
    for path in RECIPES:
        cells = [cell.strip(" `") for cell in rows[path.stem].strip("|").split("|")]
        first = trials_of(path)[0]
        assert cells[0] == f"[{path.stem}]({path.name})"
        assert cells[1] == first.loss
        assert cells[2] == first.database
        assert script_of(first.database), "a recipe's data is what a script of process/ writes"
        assert cells[3] == first.architecture
        assert re.split(r",| \(", header(path)["Metric"].replace(" over the whole ranking", ""))[0] == cells[4]
        assert cells[5] == ", ".join(str(trial.number_of_bits) for trial in trials_of(path))
        assert cells[6] == (", ".join(SCORE.findall(header(path)["Expected"])) or "not looked up")
        assert ("checked*" in cells[7]) is ("Checked" in header(path)), "a score that nobody confirmed is marked where it stands"
