"""YAML in and out: a flat mapping from setting to value, read as data and nothing else.

The file is walked event by event: no tag, alias or nesting is ever built, duplicate keys are refused, and every error
names its line. All scalars are read as text and typed by the setting they belong to, so `1e-3` is a number where a
number is due and `no` is a string where a string is due.
"""

import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from charrnn.config import RunConfig
from charrnn.errors import MissingInputError, SettingsError
from charrnn.files import write_whole

CONFIG = "config.yaml"  # in a run's folder
LIMIT = 1 << 20  # bytes
# What a call of `train` is given besides the settings of the run.
CALL_SETTINGS: dict[str, Any] = {
    "name": str,
    "resume": bool,
    "init_from": str,
    "checkpoints": Path,
    "cache": Path,
    "tensorboard": bool,
    "max_time": str,
    "exit_incomplete": Annotated[int, Field(ge=0, le=255)],
}
_AROUND = (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)


def read_config_file(path: Path) -> dict[str, Any]:
    """Settings by key, as text or lists of text; `learning-rate` and `learning_rate` are the same key.

    Raises:
        MissingInputError: no such file.
        SettingsError: not a flat mapping; names the line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise MissingInputError(
            f"cannot read {path}", (error.strerror or str(error)).lower(), "check `config`"
        ) from error
    if len(content) > LIMIT:
        raise SettingsError(f"{path} is longer than 1 MiB", "that is not a configuration", "check `config`")
    try:
        return _mapping(path, yaml.parse(content, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _refused(path, line, (error.problem or "broken YAML").lower()) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise _refused(path, 1, (str(error).splitlines() or ["broken YAML"])[0].lower()) from error


def take_call_settings(values: dict[str, Any], named: Container[str]) -> dict[str, Any]:
    """Remove from `values` what belongs to the call and not to the run; returns it typed, but for what was `named`."""
    found = {}
    for key in CALL_SETTINGS.keys() & values.keys():
        value = values.pop(key)
        if value is not None and key not in named:
            try:
                found[key] = TypeAdapter(CALL_SETTINGS[key]).validate_python(value)
                os.fsencode(value)  # a name that no file can have is refused here
            except ValidationError as error:
                raise SettingsError(f"{key} cannot be {value!r}", "", error.errors()[0]["msg"].lower()) from error
            except UnicodeError as error:
                raise SettingsError(f"{key} cannot be {value!r}", "", "no file can have this name") from error
            if "\0" in value:
                raise SettingsError(f"{key} cannot be {value!r}", "", "no file can have this name")
    return found


def write_config_file(path: Path, config: RunConfig) -> None:
    """A file that asks for exactly `config` again."""
    values = {key: value for key, value in config.model_dump().items() if value is not None}
    header = "# Everything this run is; the same run again: charrnn train --config THIS_FILE --name ANOTHER\n"
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=False, default_flow_style=None, width=10_000)
    write_whole(path, (header + text).encode())


def _mapping(path: Path, events: Iterator[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    documents = 0
    for event in events:
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise _refused(path, _line(event), "a second document begins; a configuration has only one")
        if isinstance(event, yaml.MappingStartEvent):
            _check_plain(path, event)
            _fill(path, values, events)
        elif not isinstance(event, _AROUND):
            raise _refused(path, _line(event), "expected lines of the form `setting: value`")
    return values


def _fill(path: Path, values: dict[str, Any], events: Iterator[Any]) -> None:
    while not isinstance(key := next(events), yaml.MappingEndEvent):
        name = _scalar(path, key).replace("-", "_")
        if name in values:
            raise _refused(path, _line(key), f"{name} appears twice")
        values[name] = _value(path, next(events), events)


def _value(path: Path, event: Any, events: Iterator[Any]) -> Any:
    if isinstance(event, yaml.SequenceStartEvent):
        _check_plain(path, event)
        items = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            items.append(_scalar(path, item))
        return items
    text = _scalar(path, event)
    return None if event.implicit[0] and text in ("", "~", "null") else text


def _scalar(path: Path, event: Any) -> str:
    if isinstance(event, yaml.AliasEvent):
        raise _refused(path, _line(event), "aliases are not read")
    if not isinstance(event, yaml.ScalarEvent):
        raise _refused(path, _line(event), "settings are not nested")
    _check_plain(path, event)
    return str(event.value)


def _check_plain(path: Path, event: Any) -> None:
    if event.tag is not None or event.anchor is not None:
        raise _refused(path, _line(event), "tags and anchors are not read")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _refused(path: Path, line: int, why: str) -> SettingsError:
    return SettingsError(f"{path}, line {line}: {why}", "", "see charrnn train --help for the settings")
