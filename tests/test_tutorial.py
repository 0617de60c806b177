"""The options that docs/tutorial.md names exist in the commands' parsers."""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_lines import entry_point

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"


def options(command: str, monkeypatch) -> set[str]:
    """Options of a command's parser (of ``pairs`` for nnunet-tv-convert)."""
    class Found(Exception):
        pass

    def stop(self, args=None, namespace=None):
        raise Found(self)

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(sys, "argv", [command])
        with pytest.raises(Found) as found:
            entry_point(command)()
    parser = found.value.args[0]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and "pairs" in action.choices:
            parser = action.choices["pairs"]
    return set(parser._option_string_actions)


def named_commands() -> Iterator[tuple[str, list[str]]]:
    """Commands in blocks and in the text, with the options that follow."""
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"^```bash\n(.*?)^```", text, re.S | re.M) for line in block.splitlines()]
    for line in [*lines, *re.findall(r"`([^`\n]+)`", text)]:
        words = re.findall(r"\S+", line)
        if words and re.fullmatch(r"nnunet-tv-[a-z-]+|nnUNetv2_\w+", words[0]):
            yield words[0], [word.partition("=")[0] for word in words[1:] if re.match(r"--?[A-Za-z]", word)]


def test_every_option_of_the_tutorial_exists(monkeypatch):
    known: dict[str, set[str]] = {}
    for command, named in named_commands():
        known.setdefault(command, options(command, monkeypatch))
        assert set(named) <= known[command], command
    assert {"nnunet-tv-table", "nnunet-tv-convert", "nnunet-tv-report", "nnUNetv2_train"} <= set(known)
    alone = set(re.findall(r"`(--[a-z][\w-]*)", PAGE.read_text(encoding="utf-8")))
    assert alone <= set().union(*known.values())
