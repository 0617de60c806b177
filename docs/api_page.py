"""The page of the public API: signatures and numpydoc docstrings of everything in ``nnunet_tv.__all__``."""

import ast
import importlib
import inspect
import re
from itertools import groupby
from pathlib import Path

import nnunet_tv

INTRODUCTION = """\
# API

Everything on this page is imported from `nnunet_tv`. The import itself is quick: a module behind a name is loaded
when the name is first used. Images are arrays, files are paths; options are given by keyword.

"""


def api_page() -> str:
    """Markdown of the page."""
    text = INTRODUCTION
    for module, names in groupby(sorted(nnunet_tv.__all__, key=module_of), key=module_of):
        text += f"## {module}\n\n{summary(importlib.import_module(module).__doc__)}\n\n"
        text += "".join(entry(name, getattr(nnunet_tv, name)) for name in names)
    return text + "## Packages\n\n" + package_table()


def module_of(name: str) -> str:
    """The module that defines a public name; for the losses, their package."""
    module = getattr(nnunet_tv, name).__module__
    return "nnunet_tv.losses" if module.startswith("nnunet_tv.losses.") else module


def entry(name: str, thing: object) -> str:
    """Heading, signature and docstring of a function or class, with the public methods of a class."""
    description = to_markdown(inspect.getdoc(thing) or "")
    text = f"### {name}\n\n```python\n{name}{_signature(thing, lines=True)}\n```\n\n{description}\n\n"
    if inspect.isclass(thing):
        text += field_list(inspect.getsource(thing))
        for method, function in vars(thing).items():
            if (method == "__call__" or method[0] != "_") and inspect.isfunction(function):
                text += f"- `{method}{_signature(function)}`: {summary(function.__doc__)}\n"
        text += "\n"
    return text


def field_list(source: str) -> str:
    """Fields of a class that are described by a comment ``#:`` beside them.

    >>> print(field_list("    size: float = 1.0  #: edge in mm").strip())
    - `size` (float): edge in mm
    """
    fields = re.findall(r"^    (\w+): ([^=#\n]+?)(?: = .*?)?  #: (.+)$", source, re.M)
    return "".join(f"- `{name}` ({kind}): {_marks(text)}\n" for name, kind, text in fields) + "\n" * bool(fields)


def summary(docstring: str | None) -> str:
    """First paragraph of a docstring, in one line.

    >>> summary('''One
    ... line.
    ...
    ... More.''')
    'One line.'
    """
    return _marks(" ".join(inspect.cleandoc(docstring or "").split("\n\n")[0].split()))


def to_markdown(docstring: str) -> str:
    r"""A numpydoc docstring as Markdown.

    >>> print(to_markdown("Sum.\n\nParameters\n----------\nx : int\n    First ``y``."))
    Sum.
    <BLANKLINE>
    **Parameters**
    <BLANKLINE>
    - `x` (int): First `y`.
    """
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", docstring.strip(), flags=re.M)
    lines = [_prose(parts[0])]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        lines.append(f"**{title}**")
        lines.append(_entries(body) if title in ("Parameters", "Attributes", "Returns", "Raises", "Yields")
                     else _prose(body))
    return "\n\n".join(line for line in lines if line)


def package_table() -> str:
    """A row for each package and top-level module, with the summary of its docstring."""
    folder = Path(nnunet_tv.__file__).parent
    rows = []
    for path in sorted([*folder.glob("*/__init__.py"), *folder.glob("*.py")]):
        if path.name == "__init__.py" and path.parent == folder:
            continue
        name = path.parent.name if path.name == "__init__.py" else path.stem
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        rows.append(f"| `nnunet_tv.{name}` | {summary(docstring)} |")
    return "| package | content |\n|---|---|\n" + "\n".join(rows) + "\n"


def _signature(thing, *, lines: bool = False) -> str:
    """Signature without the quotes of postponed annotations; with `lines`, long ones have a line per parameter."""
    signature = inspect.signature(thing)
    text = _unquoted(str(signature))
    if not lines or len(text) <= 90:
        return text
    parameters = list(signature.parameters.values())
    shown = [re.sub(r" = .{40,}", " = ...", _unquoted(str(parameter))) for parameter in parameters]
    keywords = [number for number, parameter in enumerate(parameters) if parameter.kind is parameter.KEYWORD_ONLY]
    if keywords:
        shown.insert(keywords[0], "*")
    return "(\n    " + ",\n    ".join(shown) + f",\n){text[text.rindex(')') + 1:]}"


def _unquoted(text: str) -> str:
    return re.sub(r"(: |-> )'([^']+)'", r"\1\2", text).replace("<factory>", "...")


def _entries(body: str) -> str:
    """`name : type` with an indented description, as a list."""
    items = []
    for item in re.split(r"\n(?=\S)", body.strip()):
        head, _, description = item.partition("\n")
        name, colon, kind = head.partition(" : ")
        text = _prose(inspect.cleandoc(description)).replace("\n", "\n  ")
        items.append(f"- `{name}`{f' ({kind})' if colon else ''}{': ' if text else ''}{text}")
    return "\n".join(items)


def _prose(text: str) -> str:
    """Paragraphs with Markdown's code marks; examples as blocks of code."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.lstrip().startswith(">>>"):
            paragraphs.append(f"```python\n{inspect.cleandoc(paragraph)}\n```")
        elif paragraph.startswith(".. math::"):
            formula = inspect.cleandoc(paragraph.removeprefix(".. math::").strip())
            paragraphs.append(f"```latex\n{formula}\n```")
        else:
            paragraphs.append(_marks(paragraph))
    return "\n\n".join(paragraphs)


def _marks(text: str) -> str:
    """Roles, double code marks and footnotes of reStructuredText, in Markdown."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    return re.sub(r"^\.\. \[(\d+)\]", r"[\1]", text, flags=re.M)
