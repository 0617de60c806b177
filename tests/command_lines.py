"""Parse command lines with the commands' own parsers, without running the commands."""

import argparse
import importlib
import re
import sys
from pathlib import Path

NNUNET_ENTRY_POINTS = {
    "nnUNetv2_train": ("nnunetv2.run.run_training", "run_training_entry"),
    "nnUNetv2_predict": ("nnunetv2.inference.predict_from_raw_data", "predict_entry_point"),
    "nnUNetv2_predict_from_modelfolder": ("nnunetv2.inference.predict_from_raw_data",
                                          "predict_entry_point_modelfolder"),
    "nnUNetv2_apply_postprocessing": ("nnunetv2.postprocessing.remove_connected_components",
                                      "entry_point_apply_postprocessing"),
}


class _Parsed(Exception):
    pass


def entry_point(name: str):
    """The function behind a console script."""
    if name in NNUNET_ENTRY_POINTS:
        module, function = NNUNET_ENTRY_POINTS[name]
        return getattr(importlib.import_module(module), function)
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    module, function = re.search(rf'^{name} = "([\w.]+):(\w+)"', project, re.M).groups()
    return getattr(importlib.import_module(module), function)


def parse(words: list[str], monkeypatch) -> argparse.Namespace:
    """Options of the command line `words` (the first is the command); SystemExit if its parser refuses it."""
    main, real = entry_point(words[0]), argparse.ArgumentParser.parse_args

    def stop_after_parsing(self, args=None, namespace=None):
        raise _Parsed(real(self, args, namespace))

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop_after_parsing)
        patch.setattr(sys, "argv", words)
        try:
            main()
        except _Parsed as parsed:
            return parsed.args[0]
    raise AssertionError(f"{words[0]} did not parse its arguments")
