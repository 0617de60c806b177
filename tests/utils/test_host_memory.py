"""Freed memory is reused where the C library is glibc, unless the variable turns it off."""

import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from nnunet_tv.utils import host_memory

# Pages that the kernel hands out while 64 MiB arrays come and go; 4 KiB each, fewer where pages are larger.
_PAGES_OF_TEN_ARRAYS = """
import resource
import torch
from nnunet_tv.utils.host_memory import keep_freed_memory

line = keep_freed_memory()
for _ in range(10):  # the allocator settles
    torch.ones(1 << 24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(1 << 24)
print(line, "|", resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc's allocator")
def test_freed_arrays_are_reused_unless_turned_off():
    pages = []
    for value, line in (("", "kept and reused"), ("0", "returned to the system (NNUNET_TV_KEEP_MEMORY=0)")):
        output = subprocess.check_output([sys.executable, "-c", _PAGES_OF_TEN_ARRAYS], text=True,
                                         env={**os.environ, host_memory.VARIABLE: value})
        assert output.startswith(f"Freed memory is {line}")
        pages.append(int(output.split("|")[1]))
    assert pages[0] < pages[1] / 5


@pytest.mark.parametrize(("library", "reason"), [("", "keeping it needs glibc"), ("glibc", "mallopt failed")])
def test_without_glibc_or_where_it_fails_nothing_changes(monkeypatch, library, reason):
    monkeypatch.delenv(host_memory.VARIABLE, raising=False)
    monkeypatch.setattr(platform, "libc_ver", lambda: (library, ""))
    monkeypatch.setattr(host_memory.ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=lambda *_: 0))
    assert reason in host_memory.keep_freed_memory()
