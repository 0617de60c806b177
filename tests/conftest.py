"""Set-up of a test run, and fixtures that several folders of tests share."""

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # one core per process; NumPy and PyTorch read this when imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from nnunet_data import _planned, nnunet_folders, planned  # noqa: F401  fixtures
from published_checkpoint import _published_weights, published_image, published_weights  # noqa: F401  fixtures


def pytest_xdist_auto_num_workers(config) -> int:
    """Processes for ``-n auto``: none for single files, which finish sooner than processes start; else up to four."""
    if all(".py" in argument for argument in config.args):
        return 0
    return min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.fixture
def no_contrast_check(monkeypatch):
    """Spare scans that are placed by their headers the search for a brain, which takes seconds for each."""
    from nnunet_tv.preparation import contrast

    monkeypatch.setattr(contrast, "scan_white_to_grey", lambda scan: None)
