"""Seconds until each command's ``--help`` is printed, and what the start-up line costs every Python process.

``python benchmarks/startup.py --json startup.json``
"""

import re
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from side_by_side import parser, table, write


def commands() -> list[str]:
    """Paths of our commands, in this Python's folder."""
    names = sorted({entry.name for entry in metadata.entry_points(group="console_scripts")
                    if entry.name.startswith("nnunet-tv-")})
    return [str(Path(sys.executable).with_name(name)) for name in names]


def seconds(command: list[str]) -> float:
    """Of one run."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def startup_line_ms() -> float:
    """Cumulative import time of the start-up line's module, from ``python -X importtime``."""
    command = [sys.executable, "-X", "importtime", "-c", "pass"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = [int(match[1]) for match in re.finditer(r"\|\s+(\d+) \|\s+nnunet_tv(?:\.startup)?\s*$", done.stderr, re.M)]
    return max(found, default=0) / 1000


def main() -> None:
    """Run and print."""
    arguments = parser(__doc__, repeats=5)
    options = arguments.parse_args()
    rows = [{"name": Path(command).name + " --help",
             "median_s": statistics.median(seconds([command, "--help"]) for _ in range(options.repeats))}
            for command in commands()]
    bare = statistics.median(seconds([sys.executable, "-c", "pass"]) for _ in range(options.repeats))
    rows.append({"name": "python -c pass", "median_s": bare})
    line = statistics.median(startup_line_ms() for _ in range(options.repeats))
    print(table(rows, {"name": "command", "median_s": "median s"}))
    print(f"\nstart-up line (python -X importtime): {line:.2f} ms")
    write(options.json, {"benchmark": "startup", "rows": rows, "startup_line_ms": line})


if __name__ == "__main__":
    main()
