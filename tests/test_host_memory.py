"""Freed memory is kept, where C's library can and the user has not chosen otherwise."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from nnunet_tv import host_memory

# Pages that the kernel hands out while 64 MiB arrays come and go; 4 KiB each, fewer where pages are larger.
_PAGES_OF_TEN_ARRAYS = """
import resource, sys
import torch
from nnunet_tv.host_memory import keep_freed_memory

kept = keep_freed_memory() if sys.argv[1] == "keep" else None
for _ in range(10):  # the allocator settles
    torch.ones(1 << 24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(1 << 24)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is about glibc's allocator")


def pages(how: str, **environment: str) -> tuple[str, int]:
    """What `keep_freed_memory` said, and pages handed out, in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if name not in host_memory.CHOSEN_BY_USER}
    done = subprocess.run([sys.executable, "-c", _PAGES_OF_TEN_ARRAYS, how], env={**clean, **environment}, check=True,
                          capture_output=True, text=True)
    said, number = done.stdout.split()
    return said, int(number)


@glibc
def test_freed_arrays_are_reused():
    said, kept = pages("keep")
    assert said == "True"
    _, given_back = pages("leave")
    assert kept < given_back / 5


@glibc
def test_what_the_user_chose_stays():
    said, number = pages("keep", MALLOC_MMAP_THRESHOLD_="65536")
    assert said == "False"
    assert number > 10 * pages("keep")[1]


def test_another_c_library_is_left_alone(monkeypatch):
    for name in host_memory.CHOSEN_BY_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert host_memory.keep_freed_memory() is False


def test_without_room_it_is_given_back(monkeypatch, caplog):
    for name in host_memory.CHOSEN_BY_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(host_memory, "peak_bytes", lambda: 10**10)
    monkeypatch.setattr(host_memory, "room_bytes", lambda: 15 * 10**9)
    with caplog.at_level("INFO"):
        assert host_memory.keep_freed_memory() is False
    assert "may need 16.0 GB, there are 15.0" in caplog.text


def test_where_the_system_does_not_tell_it_is_given_back(monkeypatch, caplog):
    for name in host_memory.CHOSEN_BY_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(host_memory, "peak_bytes", lambda: host_memory._of_table(Path("/no/such/status"), "VmHWM"))
    with caplog.at_level("INFO"):
        assert host_memory.keep_freed_memory() is False
    assert "cannot be read" in caplog.text and "/no/such/status" in caplog.text


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_room_is_no_more_than_the_container_has(tmp_path, name):
    free = host_memory.room_bytes(groups=tmp_path)
    assert free > host_memory.peak_bytes() / 2
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("1048576\n")
    assert host_memory.room_bytes(groups=tmp_path) == 1048576
    (tmp_path / name).write_text("max\n" if name == "memory.max" else "9223372036854771712\n")
    assert host_memory.room_bytes(groups=tmp_path) == pytest.approx(free, rel=0.1)
