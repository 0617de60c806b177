"""The code blocks of docs/examples run, and print what the pages show."""

import doctest
import re
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "docs" / "examples").glob("*.md"))


def code_blocks(page: str) -> str:
    """The Python blocks of a page as one session; other lines are blank, so that line numbers stay."""
    lines, inside = [], False
    for line in page.splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            lines.append("")
        else:
            lines.append(line if inside else "")
    return "\n".join(lines)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_prints_what_it_shows(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = code_blocks(path.read_text(encoding="utf-8"))
    session = doctest.DocTestParser().get_doctest(text, {}, path.name, str(path), 0)
    failed, tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(session)
    assert not failed, capsys.readouterr().out
    assert tried or path.stem == "index"


def test_every_block_of_the_examples_is_a_session():
    for path in EXAMPLES:
        for block in re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.S | re.M):
            assert block.startswith(">>> "), f"{path.name}: {block[:60]}"
