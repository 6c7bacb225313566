"""Runs: where everything lies, one module per file format that a run writes, and how files are written."""

from .files import only_process, read_json, recover, replacing, replacing_folder, write_csv, write_json
from .handles import run_of, runs_of
from .layout import (
    HOME_VARIABLE,
    STATUSES,
    Run,
    comparison_folder,
    experiment_folder,
    experiments_folder,
    home,
    known_runs,
    processed_folder,
    raw_folder,
)
from .methods import (
    DEFAULT_METHOD,
    METHODS,
    check_method,
    identifying_settings,
    refuse_foreign,
    register_method,
    settings_of,
)

__all__ = [
    "DEFAULT_METHOD",
    "HOME_VARIABLE",
    "METHODS",
    "STATUSES",
    "Run",
    "check_method",
    "comparison_folder",
    "experiment_folder",
    "experiments_folder",
    "home",
    "identifying_settings",
    "known_runs",
    "only_process",
    "processed_folder",
    "raw_folder",
    "read_json",
    "recover",
    "refuse_foreign",
    "register_method",
    "replacing",
    "replacing_folder",
    "run_of",
    "runs_of",
    "settings_of",
    "write_csv",
    "write_json",
]
