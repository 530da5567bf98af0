"""Rooms name arguments, the door names flags: those of the command at hand, and no others."""

import inspect
import re
from typing import Literal, get_args, get_origin

import pytest
import typer

from charrnn.cli.app import GROUPS, app, run
from charrnn.cli.flags import AT_HAND, flags_of, spoken, spoken_error
from charrnn.cli.refusals import ABOUT, APART
from charrnn.config import RunConfig
from charrnn.errors import SettingsError
from charrnn.notebook import Model, load, train
from tests.messages import messages

COMMANDS = typer.main.get_command(app).commands
ARGUMENT = re.compile(r"`([a-z_]+)(?:=[^`]*)?`")


@pytest.fixture
def at_hand():
    """Be told that a command was called."""

    def call(name):
        AT_HAND.set(flags_of(COMMANDS[name]))

    yield call
    AT_HAND.set(None)


def test_no_message_below_the_door_names_a_flag():
    whole_lines = re.compile(r"(charrnn|libreoffice|xz) [^;]*")  # a command to type, or to look up
    below = [(path, text) for path, _, text in messages() if path.parts[0] != "cli" and path.suffix == ".py"]
    named = [(path, text) for path, text in below if re.search(r"(?<![\w-])--[a-z]", whole_lines.sub("", text))]
    assert [(path, text) for path, text in named if "--chart" not in text] == []  # a property of CSS


def test_only_flags_of_its_command_are_held_against_each_other():
    for command in ABOUT.keys() | APART.keys():
        about = {name for key, others in ABOUT.get(command, {}).items() for name in (key, *others)}
        named = about | {name for pair in APART.get(command, ()) for name in pair}
        assert named <= flags_of(COMMANDS[command]).keys()


def test_every_argument_that_a_message_names_is_one_that_somebody_can_give():
    callables = [load, train, *(method for _, method in inspect.getmembers(Model, inspect.isfunction))]
    known = {name for each in callables for name in inspect.signature(each).parameters}
    known |= {name for command in COMMANDS.values() for name in flags_of(command)}
    named = {found for path, _, text in messages() if path.parts[0] != "cli" for found in ARGUMENT.findall(text)}
    assert len(named) > 20
    assert named <= known


@pytest.mark.parametrize(
    ("command", "text", "expected"),
    [
        ("train", "lower `batch_size` or `hidden`", "lower --batch-size or --hidden"),
        ("train", 'leave `unit=byte` and `unit="byte"` out', "leave --unit byte and --unit byte out"),
        ("train", "with `resume=True`, `layer_norm=False`", "with --resume, --no-layer-norm"),
        ("train", "`corpus` is empty", "CORPUS is empty"),
        ("sample", "`temperature` cannot be -1", "--temp cannot be -1"),
        ("sample", "`batch_size` is 3", "batch size is 3"),
        ("sample", "a `quotation`, and `more words`", "a quotation, and `more words`"),
    ],
)
def test_arguments_become_the_flags_of_the_command_at_hand(at_hand, command, text, expected):
    assert spoken(text) == text
    at_hand(command)
    assert spoken(text) == expected


def test_the_command_at_hand_is_forgotten_after_it(tmp_path, capsys):
    """Several lines in one process: what is said before the next command is known names no flags of the last one."""
    assert run(["info", str(tmp_path / "none.safetensors")]) == 66
    assert "error" in capsys.readouterr().err
    assert AT_HAND.get() is None


def test_a_remedy_that_the_command_at_hand_does_not_have_is_left_out(at_hand):
    error = SettingsError(
        "what", "why", "skip it with `unknown=skip`", "read it with `errors=replace`", "or not at all"
    )
    assert str(error).endswith("skip it with `unknown=skip`, or read it with `errors=replace`, or or not at all")
    for command, remedy in (
        ("train", "read it with --errors replace, or or not at all"),
        ("evaluate", "skip it with --unknown skip, or or not at all"),
        ("info", "or not at all"),
    ):
        at_hand(command)
        assert spoken_error(error) == f"what; why; {remedy}"


def test_every_option_stands_in_exactly_one_named_group_and_help_fits_a_terminal(door, tmp_path):
    (tmp_path / "work").mkdir()
    lines = [(["--help"], {}), *(([name, "--help"], {}) for name in COMMANDS)]
    for done in door(lines, tmp_path):
        assert done.code == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert "\x1b" not in done.stdout
        assert not re.search(r"<\w|\.\.\.\]|\S  \[|[<>]=", done.stdout)  # types and bounds in a notation of their own
    for name, command in COMMANDS.items():
        options = [each for each in command.params if each.param_type_name == "option"]
        assert all(each.rich_help_panel for each in options), name
        order = [each.rich_help_panel for each in options]
        assert [group for at, group in enumerate(order) if order[at - 1 : at] != [group]] == list(dict.fromkeys(order))


def test_training_has_its_groups_and_every_command_stands_in_one():
    groups = dict.fromkeys(
        each.rich_help_panel for each in COMMANDS["train"].params if hasattr(each, "rich_help_panel")
    )
    assert [group for group in groups if group] == [
        "Text", "Network", "Length", "Regularisation and optimisation", "Watching and saving", "Machine", "Output",
    ]  # fmt: skip
    assert sorted(command.__name__ for commands in GROUPS.values() for command in commands) == sorted(COMMANDS)


def test_help_says_the_values_that_a_setting_can_have():
    shown = {each.name: each.metavar for each in COMMANDS["train"].params}
    for name, field in RunConfig.model_fields.items():
        literals = [each for each in (field.annotation, *get_args(field.annotation)) if get_origin(each) is Literal]
        for literal in literals:
            assert [value for value in shown[name].split("|") if value != "auto"] == list(get_args(literal)), name


def test_a_message_of_the_door_names_only_flags_that_there_are():
    flags = {
        flag for command in COMMANDS.values() for each in command.params for flag in (*each.opts, *each.secondary_opts)
    }
    named = {
        found
        for path, _, text in messages()
        if path.parts[0] == "cli"
        for found in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)
    }
    assert len(named) > 30
    assert named <= flags | {"--debug", "--version", "--help"}


def test_an_error_names_only_flags_of_the_command_that_was_called(door, tmp_path, trained):
    """Each line fails in a room that several commands share."""
    work, model = tmp_path / "work", str(trained / "checkpoints" / "verses")
    work.mkdir()
    (work / "old.txt").write_bytes("caf\xe9 ".encode("latin-1") * 9)
    (work / "raw").write_bytes(b"ab\0c" * 9)
    (work / "folder").mkdir()
    lines = [
        ["train", "old.txt"], ["train", "raw"], ["train", "folder"],
        ["evaluate", model, "old.txt"], ["evaluate", model, "raw"], ["evaluate", model, "folder"],
        ["evaluate", model, "old.txt", "--encoding", "latin-1", "--unknown", "error"],
        ["sample", model, "--prompt", "\u00e9"], ["sample", model, "--prompt-file", "old.txt"],
        ["sample", model, "--adapt-to", "old.txt"], ["sample", model, "--temp", "-1"],
        ["predict", model, "--prompt", "\u00e9"], ["predict", model, "--prompt-file", "old.txt"],
        ["info", "nothing"], ["report", "nothing"], ["plot", "nothing"], ["sample"], ["evaluate"],
    ]  # fmt: skip
    for done in door([(line, {}) for line in lines], tmp_path):
        command = COMMANDS[done.arguments[0]]
        known = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
        assert done.code, done.arguments
        assert "`" not in done.stderr
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", done.stderr)) <= known, done.stderr


def test_a_value_from_the_environment_is_refused_by_the_name_of_its_variable(door, tmp_path):
    (tmp_path / "work").mkdir()
    lines = [(["train", "x.txt"], {"CHARRNN_STEPS": "abc"}), (["train", "x.txt", "--steps", "abc"], {})]
    variable, flag = door(lines, tmp_path)
    assert (variable.code, flag.code) == (2, 2)
    assert "for CHARRNN_STEPS: " in variable.stderr
    assert "--steps" not in variable.stderr
    assert "'--steps'" in flag.stderr
