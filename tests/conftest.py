"""Fixtures that several folders of tests share."""

from __future__ import annotations

from nnunet_data import _planned, nnunet_folders, planned  # noqa: F401  fixtures
from published_checkpoint import _published_weights, published_image, published_weights  # noqa: F401  fixtures
