"""What a training runs with: versions, the checkout, the device."""

import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import torch

import nnunet_tv
from nnunet_tv.training.record.run_record import Device
from nnunet_tv.utils.external import find_program, package_version

_PACKAGES = ("nnunetv2", "numpy", "batchgenerators", "batchgeneratorsv2", "dynamic-network-architectures")
#: Folders of a checkout that training depends on.
_CODE = ("nnunet_tv", "trainers")


def versions() -> dict[str, str]:
    """Versions by name; CUDA and cuDNN are those that PyTorch was built with, if any."""
    found = {"nnunet-tv": nnunet_tv.__version__, **{name: package_version(name) for name in _PACKAGES},
             "torch": torch.__version__, "python": platform.python_version()}
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
        found["cudnn"] = str(torch.backends.cudnn.version())
    return found


def checkout(package: Path | None = None) -> tuple[str | None, bool | None]:
    """Commit of the checkout that holds the package, and whether its code is modified; None where there is none.

    Only a ``.git`` directly beside the package counts: above an installed package there may be another project's.
    """
    folder = (package or Path(nnunet_tv.__file__).parent).resolve().parent
    git = find_program("git")
    if git is None or not (folder / ".git").exists():
        return None, None
    try:
        commit, changes = (subprocess.run([git, "--no-optional-locks", "-C", str(folder), *arguments],
                                          capture_output=True, text=True, timeout=30, check=True).stdout.strip()
                           for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", *_CODE)))
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(changes)


def describe_device(device: torch.device, *, count: int = 1) -> Device:
    """Name and memory of `count` equal GPUs, or of the machine with the cores that the process may use."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return Device("cuda", properties.name, count, properties.total_memory)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Device(device.type, _processor(), cores, _machine_memory())


def peak_resident_bytes() -> int:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _machine_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
