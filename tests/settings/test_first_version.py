"""What the first version wrote stays: the order of all settings, their flags, long names and defaults, and the names of runs."""

import csv
import json
from pathlib import Path

import pytest
from test_flags import SAMPLES

from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.settings.setting import kind_of


def rows(file):
    with (Path(__file__).parent / file).open(newline="") as lines:
        return list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


TABLE = rows("first_version_table.tsv")  # long name, flag, type, phases, whether names carry it, default
NAMES = rows("first_version_names.tsv")  # the setting that has its value of SAMPLES, and the run's name


def test_order_flags_types_phases_and_defaults():
    now = [
        [field.name, row.flag, kind_of(field), ",".join(row.phases), row.named, json.dumps(field.default)]
        for field, row in Settings.table()
    ]
    assert now[: len(TABLE)] == TABLE
    assert len(TABLE) == 40
    assert [row[4] for row in now[len(TABLE) :]] == ["changed"] * (len(now) - len(TABLE)), "a later setting is in no earlier name"


@pytest.mark.parametrize("phase", ["train", "predict"])
def test_what_hparams_json_holds(phase):
    assert list(Settings().as_dict(phase)) == [row[0] for row in TABLE if phase in row[3].split(",")]


def test_names_with_each_setting_changed():
    assert [setting for setting, _ in NAMES] == [row[0] for row in TABLE]
    found = {setting: Settings(**{"architecture": "bio-lenet", setting: SAMPLES[setting][1]}).name for setting, _ in NAMES}
    assert found == dict(NAMES)
