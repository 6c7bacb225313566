"""Write the reference page of the settings, ``docs/settings.md``, from the tables they are defined in."""

from argparse import ArgumentParser
from pathlib import Path

from biodeephashing.runs import METHODS, settings_of
from biodeephashing.settings.setting import kind_of

HEADER = """# Settings

One table per method, from which the command lines, YAML files (`-config FILE.yaml`), `hparams.json`, the MLflow parameters and the
name of the run's folder are derived. This page is built from it by `make docs`.

"In name" tells whether the run's folder carries the setting: always, never, or only when it differs from the default.
A YAML file may name the method: `model: PenaltyStrategies`.
"""
COLUMNS = """
| flag | long name | type | default | phases | in name | meaning |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the page as Markdown."""
    return HEADER + "".join(f"\n## {method}\n{section(method)}" for method in METHODS)


def section(method: str) -> str:
    """Return a method's settings as a table; without those of another method that it builds on."""
    table = settings_of(method)
    base = next((other for other in METHODS if other != method and issubclass(table, settings_of(other))), None)
    inherited = [field.name for field, _ in settings_of(base).table()] if base else []
    rows = []
    for field, setting in table.table():
        if field.name in inherited:
            continue
        default = " ".join(field.default) if isinstance(field.default, tuple) else field.default
        choices = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
        unit = f" [{setting.unit}]" if setting.unit else ""
        meaning = f"{setting.help}{unit}.{choices}".replace("*", r"\*")
        cells = (
            f"`-{setting.flag}`", f"`--{field.name}`", kind_of(field).replace("tuple", "list"),
            f"`{default}`" if default != "" and default == default else "", ", ".join(setting.phases), setting.named, meaning,
        )  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    words = f"\nAll settings of {base}, those of the run that is rotated, and in front of them:\n" if base else ""
    return words + COLUMNS + "\n".join(rows) + "\n"


if __name__ == "__main__":
    ArgumentParser(description=__doc__).parse_args()
    Path(__file__).with_name("settings.md").write_text(page(), "utf-8")
