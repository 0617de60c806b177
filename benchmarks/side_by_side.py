"""Contestants that alternate on the same input: medians, ratios, a table, a JSON with machine and versions."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("nnunet-tv", "nnunetv2", "torch", "triton", "monai", "numpy", "scipy", "edt", "connected-components-3d",
             "dynamic-network-architectures")
#: Columns of :func:`summary` after ``name``, with their titles.
TIMES = {"median_s": "median s", "min_s": "min", "max_s": "max", "rounds": "rounds", "times_ours": "times ours"}


def parser(description: str | None, *, repeats: int | None = None, device: bool = False) -> argparse.ArgumentParser:
    """Parser with ``--json`` and, if given, ``--repeats`` and ``--device``."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if repeats:
        result.add_argument("--repeats", type=int, default=repeats)
    if device:
        result.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    result.add_argument("--json", help="write the results, machine and versions here")
    return result


def machine() -> dict[str, Any]:
    """Processor, GPU and versions."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    result = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count(),
              "processor": _processor(), "load": os.getloadavg()[0], "versions": versions}
    try:
        import torch

        result["threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            result["gpu"] = torch.cuda.get_device_name()
    except ImportError:
        pass
    return result


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def alternate(
    contestants: Mapping[str, Callable[[], Any]], *, repeats: int, warm_up: int = 1,
    synchronise: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """Seconds of each contestant in every round; `warm_up` rounds before them are not counted.

    `synchronise` waits for the device, before and after each call.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(warm_up + repeats):
        for name, call in contestants.items():
            synchronise()
            start = time.perf_counter()
            call()
            synchronise()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def summary(seconds: Mapping[str, list[float]], *, ours: str) -> list[dict[str, Any]]:
    """Median, spread and ratio of medians to that of `ours`, per contestant."""
    base = statistics.median(seconds[ours])
    rows = []
    for name, times in seconds.items():
        median = statistics.median(times)
        rows.append({"name": name, "median_s": median, "min_s": min(times), "max_s": max(times), "rounds": len(times),
                     "times_ours": median / base})
    return rows


def table(rows: list[dict[str, Any]], columns: Mapping[str, str]) -> str:
    """Markdown table; `columns` maps keys of the rows to titles."""
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join(_cell(row.get(key)) for key in columns) + " |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write(path: str | Path | None, content: Mapping[str, Any]) -> None:
    """Write `content` and the machine as JSON, if there is a path."""
    if path is None:
        return
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**content, "machine": machine()}, indent=1) + "\n", encoding="utf-8")
