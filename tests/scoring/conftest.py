"""Fixtures of the tests of scoring."""

from scored_folders import study  # noqa: F401  fixture
