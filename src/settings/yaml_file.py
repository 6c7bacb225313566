"""YAML files of settings, read as they are written."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .common import CommonSettings


def read_config(table: type[CommonSettings], path: Path | None, given: Container[str] = ()) -> dict[str, Any]:
    """Read a YAML file of settings into a mapping under long names; values are texts, or lists of texts.

    Args:
        table: knows the names.
        path: the file; None for an empty mapping.
        given: long names of settings that flags give, which win.

    Raises:
        UsageError: when the file is missing, is not YAML, holds something else than settings, or gives one twice.
    """
    content = table.of_file(read_yaml(path), str(path), given)
    long_names = table.long_names()
    renamed: dict[str, Any] = {long_names.get(key, key): value for key, value in content.items()}
    if len(renamed) != len(content):
        raise UsageError(f"{path} gives a setting twice, once by its short and once by its long name")
    return renamed


def read_yaml(path: Path | None) -> dict[str, Any]:
    """Read a mapping from a YAML file whose scalars stay as they are written: what a value means, its setting knows.

    YAML itself would read ``2024_05_01`` as 20240501, ``010`` as 8, ``on`` as true and ``1e-4`` as a text.

    Args:
        path: the file; None for an empty mapping.

    Raises:
        UsageError: when the file is missing, is not YAML, holds no mapping, or gives a key twice; it names both lines.
    """
    if path is None:
        return {}
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("^<<$"))]}  # noqa: RUF012

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            lines: dict[str, int] = {}
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise UsageError(f"{path} gives {key.value} twice, in line {lines[key.value]} and in line {line}: leave one out")
                lines[key.value] = line
            return super().construct_mapping(node, deep)

    try:
        content = yaml.load(path.read_text("utf-8-sig"), Loader)
    except OSError as error:
        raise UsageError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} does not hold a mapping of settings")
    return content
