"""Options of several commands: choices from the registries and former spellings."""

import pytest

from nnunet_tv.brain.registry import BRAIN_METHODS
from nnunet_tv.cli import convert, predict, prepare
from nnunet_tv.conversion.dataset_spec import SPACES
from nnunet_tv.preparation import alignment
from nnunet_tv.registration.registry import BACKENDS

COMMANDS = {
    "prepare": (prepare, ["-i", "x", "-o", "y"], "mni"),
    "convert": (convert, ["ds004199", "-i", "x"], "mni"),
    "predict": (predict, ["-i", "x", "-m", "model", "-o", "y"], None),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_former_spellings_are_hidden_aliases(name, capsys):
    command, arguments, default = COMMANDS[name]

    def parse(*options):
        parsed = command._parser().parse_args([*arguments, *options])
        return parsed.space, parsed.registration_backend

    assert parse() == (default, "simpleitk")
    assert parse("--space", "t1", "--registration-backend", "fsl") == ("t1", "fsl")
    assert parse("--register", "t1", "--registration", "fsl") == ("t1", "fsl")
    assert parse("--register=none", "--registration=greedy") == ("none", "greedy")
    with pytest.raises(SystemExit):
        command._parser().parse_args([arguments[0], "--help"] if name == "convert" else ["--help"])
    text = capsys.readouterr().out
    assert "--space" in text and "--registration-backend" in text
    assert "--register" not in text and "--registration " not in text


@pytest.mark.parametrize("name", COMMANDS)
def test_choices_are_those_of_the_library(name, capsys):
    command, arguments, _ = COMMANDS[name]
    assert set(SPACES) == set(alignment.SPACES)
    for option, choices in (("--space", SPACES), ("--registration-backend", BACKENDS), ("--brain", BRAIN_METHODS)):
        for choice in choices:
            assert choice in vars(command._parser().parse_args([*arguments, option, choice])).values()
        with pytest.raises(SystemExit) as stopped:
            command._parser().parse_args([*arguments, option, "other"])
        assert stopped.value.code == 2 and option in capsys.readouterr().err
