from __future__ import annotations

import shutil
from pathlib import Path

import ds004199_tree
import pytest


@pytest.fixture(scope="session")
def whole_tree(tmp_path_factory) -> Path:
    """The complete list with tiny volumes; not to be changed."""
    return ds004199_tree.build(tmp_path_factory.mktemp("bids") / "ds004199")


@pytest.fixture
def tree(whole_tree, tmp_path) -> Path:
    """Nine patients and a control of it, with their rows in participants.tsv; a test may damage it."""
    subjects = [*(f"sub-{number:05d}" for number in (1, 3, 5, 15, 16, 18, 24, 27, 48)), "sub-00002"]
    root = tmp_path / "ds004199"
    root.mkdir()
    lines = (whole_tree / "participants.tsv").read_bytes().split(b"\r\n")
    chosen = [line for line in lines if line.split(b"\t")[0].decode() in subjects]
    (root / "participants.tsv").write_bytes(b"\r\n".join([lines[0], *chosen]) + b"\r\n")
    for subject in subjects:
        shutil.copytree(whole_tree / subject, root / subject)
    return root
