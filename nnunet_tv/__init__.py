"""nnU-Net v2 plugin for focal cortical dysplasia: preparation, losses, networks, cluster filter and report.

The public names and the modules that define them are listed once, in ``__init__.pyi``, and are loaded when they are
first used (as in SPEC 1 of Scientific Python). This module imports nothing, because every start of the Python
interpreter imports it (``nnunet_tv.startup``).
"""

__version__ = "0.1.0"


def __getattr__(name: str):
    if name.startswith("_") and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import ast
    from importlib import import_module
    from pathlib import Path

    public: dict[str, tuple[str, str]] = {}
    for node in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            public |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    if name == "__all__":
        value = sorted(public)
    elif name in public:
        module, original = public[name]
        value = getattr(import_module(module), original)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
