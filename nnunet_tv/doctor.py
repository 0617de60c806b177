"""Checks of an installation, before a week of training."""

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nnunet_tv.startup import VARIABLE, extended, trainers_folder
from nnunet_tv.utils.nnunet_paths import FOLDERS

PACKAGES = ("nnunet-tv", "nnunetv2", "torch", "torchvision", "dynamic-network-architectures", "batchgenerators",
            "batchgeneratorsv2", "SimpleITK", "nibabel", "numpy", "scipy", "connected-components-3d")


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was checked, what was found, and whether it is in order."""

    subject: str
    found: str
    well: bool = True


def examine() -> Iterator[Finding]:
    """Findings in the order in which they are printed."""
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from versions()
    yield device()
    yield from folders()
    yield discovery()
    yield from trainers()


def versions() -> Iterator[Finding]:
    """Installed versions of the main dependencies."""
    for package in PACKAGES:
        try:
            yield Finding(package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(package, f"not installed: pip install {package}", False)


def device() -> Finding:
    """The device on which nnU-Net would train by default."""
    try:
        import torch
    except ImportError as error:
        return Finding("device", f"torch cannot be imported: {error}", False)
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        return Finding("device", f"cuda: {card.name}, {card.total_memory / 2**30:.1f} GiB")
    return Finding("device", "no CUDA device: add `-device cpu` to nnUNetv2_train and nnUNetv2_predict (slow)")


def folders() -> Iterator[Finding]:
    """nnU-Net's three folders."""
    for variable, holds in FOLDERS.items():
        value = os.environ.get(variable)
        if not value:
            yield Finding(variable, f"not set ({holds}): export {variable}=/a/folder/of/yours", False)
        elif not Path(value).is_dir():
            yield Finding(variable, f"{value} is no folder: mkdir -p '{value}'", False)
        elif not os.access(value, os.W_OK):
            yield Finding(variable, f"{value} cannot be written to: change its permissions or choose another", False)
        else:
            yield Finding(variable, value)
    if os.environ.get("nnUNet_n_proc_DA") == "0":
        yield Finding("nnUNet_n_proc_DA", "0 breaks nnU-Net's planner: export nnUNet_n_proc_DA=1", False)


def export_line() -> str:
    """Command that replaces the start-up line."""
    return f"export {VARIABLE}='{extended(os.environ.get(VARIABLE, ''), trainers_folder())}'"


def discovery() -> Finding:
    """Whether nnU-Net's variable has the folder of our trainers."""
    value = os.environ.get(VARIABLE, "")
    if trainers_folder() in value.split(os.pathsep):
        return Finding(VARIABLE, value)
    return Finding(VARIABLE, f"{value or 'not set'}; type: {export_line()}", False)


def trainer_names() -> list[str]:
    """Names of our trainers, read from their files without importing torch."""
    sources = (path.read_text(encoding="utf-8") for path in Path(trainers_folder()).glob("*.py"))
    return sorted(name for source in sources for name in re.findall(r"^class (nnUNetTrainer\w+)", source, re.M))


def trainers() -> Iterator[Finding]:
    """Whether each trainer resolves through nnU-Net's own look-up, to the class of ours."""
    from contextlib import redirect_stdout
    from io import StringIO

    for name in trainer_names():
        try:
            from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

            with redirect_stdout(StringIO()):
                found = recursive_find_trainer_class_by_name(name)
        except Exception as error:
            yield Finding(name, f"does not resolve: {_advice(error)}", False)
            continue
        ours = hasattr(found, "loss_class")
        yield Finding(name, f"resolves ({found.__module__})" if ours else
                      f"resolves to another class of that name, {found.__module__}; take its folder out of {VARIABLE}",
                      ours)


def _advice(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    if "torchvision" in text:
        return (f"{text}. torch and torchvision do not belong together (often a CPU build of torch beside a CUDA "
                "build of torchvision): install both from the same source")
    if "Could not find requested" in text:
        return f"nnU-Net does not see our folder; type: {export_line()}"
    return text
