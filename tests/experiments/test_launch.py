"""What is checked before Snakemake is started."""

import sys

import pytest

from nnunet_tv.experiments import launch
from nnunet_tv.utils.errors import NnunetTVError


@pytest.mark.parametrize("version,message", [
    ((3, 10, 12), r"needs Python 3\.11 or later, found 3\.10 .*pip install 'nnunet-tv\[workflow\]'"),
    ((3, 12, 1), r"is not installed: pip install 'nnunet-tv\[workflow\]'")])
def test_without_snakemake(monkeypatch, version, message):
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(NnunetTVError, match=message):
        launch.check_snakemake()
