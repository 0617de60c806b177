"""Fixtures of the tests of scoring."""

from __future__ import annotations

import pytest
from scored_folders import cube, save


@pytest.fixture
def study(tmp_path):
    """Two cases: one hit with a false cluster beside, one missed."""
    save(tmp_path / "ref", "sub-1", cube((2, 3, 4)))
    save(tmp_path / "ref", "sub-2", cube((10, 10, 10)))
    save(tmp_path / "pred", "sub-1", cube((3, 3, 4)) | cube((11, 12, 13), side=2))
    save(tmp_path / "pred", "sub-2", cube((2, 2, 2)))
    return tmp_path
