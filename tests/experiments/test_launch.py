"""What is checked before Snakemake is started."""

import subprocess
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


@pytest.mark.parametrize("arguments,found", [
    (["-m", "snakemake", "-s", "Snakefile"], True), (["/usr/bin/snakemake"], True),
    (["-m", "snakemake", "--mode", "remote"], False), (["my-snakemake-study/job"], False)])
def test_a_snakemake_that_runs_in_the_folder_is_found_and_its_jobs_are_not(tmp_path, arguments, found):
    process = subprocess.Popen([sys.executable, "-S", "-c", "print(flush=True); input()", *arguments], cwd=tmp_path,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    assert launch._snakemakes_in(tmp_path) == ([process.pid] if found else [])
    assert launch._snakemakes_in(tmp_path.parent) == []
    process.communicate(b"\n")
