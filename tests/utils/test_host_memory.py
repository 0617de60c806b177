"""Freed memory is kept, where C's library can and the user has not chosen otherwise."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nnunet_tv.utils import host_memory

# Pages that the kernel hands out while 64 MiB arrays come and go; 4 KiB each, fewer where pages are larger.
_PAGES_OF_TEN_ARRAYS = """
import resource, sys
import torch
from nnunet_tv.utils.host_memory import keep_freed_memory

kept = keep_freed_memory() if sys.argv[1] == "keep" else None
for _ in range(10):  # the allocator settles
    torch.ones(1 << 24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(1 << 24)
print(kept, "|", resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is about glibc's allocator")


def pages(how: str, **environment: str) -> tuple[str, int]:
    """What `keep_freed_memory` said, and pages handed out, in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if name not in host_memory.CHOSEN_BY_USER}
    done = subprocess.run([sys.executable, "-c", _PAGES_OF_TEN_ARRAYS, how], env={**clean, **environment}, check=True,
                          capture_output=True, text=True)
    said, number = done.stdout.split("|")
    return said, int(number)


@glibc
def test_freed_arrays_are_reused():
    said, kept = pages("keep")
    assert said.startswith("Freed memory is kept and used again: it may take ")
    _, given_back = pages("leave")
    assert kept < given_back / 5


@glibc
def test_what_the_user_chose_stays():
    said, number = pages("keep", MALLOC_MMAP_THRESHOLD_="65536")
    assert "handled as MALLOC_MMAP_THRESHOLD_ says" in said
    assert number > 10 * pages("keep")[1]


@pytest.fixture
def able(monkeypatch):
    """A machine where memory can be kept, as far as the environment and the library go."""
    for name in host_memory.CHOSEN_BY_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    return monkeypatch


def test_another_c_library_is_left_alone(able):
    assert host_memory.cannot_keep() is None
    able.setattr(platform, "libc_ver", lambda: ("", ""))
    assert "keeping it needs glibc" in host_memory.keep_freed_memory()


def test_without_room_it_is_given_back(able):
    able.setattr(host_memory, "peak_bytes", lambda: 10**10)
    able.setattr(host_memory, "room_bytes", lambda: 15 * 10**9)
    assert "keeping it may need 16.0 GB, there are 15.0" in host_memory.keep_freed_memory()


def test_where_the_system_does_not_tell_it_is_given_back(able):
    able.setattr(host_memory, "peak_bytes", lambda: host_memory._of_table(Path("/no/such/status"), "VmHWM:"))
    said = host_memory.keep_freed_memory()
    assert "cannot be read" in said and "/no/such/status" in said


def test_an_allocator_that_refuses_is_told(able):
    able.setattr(host_memory, "peak_bytes", lambda: 1)
    able.setattr(host_memory, "room_bytes", lambda: 10)
    able.setattr(host_memory.ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=lambda *setting: 0))
    assert "the allocator refused" in host_memory.keep_freed_memory()


NAMES = {2: ("memory.max", "memory.current", "inactive_file"),
         1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")}


def machine(folder, version, groups):
    """A process's folder and control groups: path to (limit, used, of that reclaimable)."""
    process, root = folder / "self", folder / "groups"
    process.mkdir()
    (process / "status").write_text("Name:\tpython\nVmRSS:\t    100 kB\n")
    (process / "cgroup").write_text("9:pids:/\n4:cpu,memory:/job/step\n0::/\n" if version == 1 else "0::/job/step\n")
    for path, (limit, used, reclaimable) in groups.items():
        where = (root / "memory" if version == 1 else root) / path
        where.mkdir(parents=True, exist_ok=True)
        (where / NAMES[version][0]).write_text(f"{limit}\n")
        (where / NAMES[version][1]).write_text(f"{used}\n")
        (where / "memory.stat").write_text(f"cache 5\n{NAMES[version][2]} {reclaimable}\n")
    return {"process": process, "groups": root}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/meminfo")
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("groups", "free"), [
    ({"job/step": (10000, 4000, 1000)}, 7000),  # what other processes of the job hold is not free
    ({"job": (8000, 5000, 0), "job/step": (10000, 4000, 0)}, 3000),  # a limit further up
    ({".": (9000, 500, 0)}, 8500),  # inside a container the job's own folder is the root
    ({"job/step": (1000, 4000, 0)}, 0),
])
def test_room_is_what_the_jobs_limit_leaves(tmp_path, version, groups, free):
    assert host_memory.room_bytes(**machine(tmp_path, version, groups)) == 100 * 1024 + free


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/meminfo")
def test_without_a_limit_room_is_the_machines(tmp_path):
    unlimited = machine(tmp_path, 2, {"job/step": ("max", 10, 0)})
    assert host_memory.room_bytes(**unlimited) > 10**8
    assert host_memory.room_bytes() > host_memory.peak_bytes() / 2
