"""Brain masks by programs that the user installed: FSL's BET, HD-BET, SynthStrip.

Each is a row of :data:`TOOLS`; a new one is another row. They run on the CPU and see a file of the T1w alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_tv.imaging.volume import Volume, read_volume, same_grid, write_volume
from nnunet_tv.utils.errors import CaseError, NnunetTVError

_HEAD = "head.nii.gz"


@dataclass(frozen=True)
class BrainTool:
    """A program that finds the brain in a T1w.

    Attributes
    ----------
    name : str
        What ``--brain`` calls it.
    program : str
        Its executable.
    arguments : tuple of str
        Behind the executable; files are relative to a working folder that holds ``head.nii.gz``.
    masks : tuple of str
        Names that its versions give to the mask.
    home : str
        Environment variable whose ``bin`` is searched before ``PATH``; empty if there is none.
    install : str
        What to do where it is missing.
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    masks: tuple[str, ...]
    home: str
    install: str

    def find(self) -> str:
        """Path of the executable.

        Raises
        ------
        NnunetTVError
            Not installed; says what to do.
        """
        folder = os.environ.get(self.home) if self.home else None
        found = shutil.which(self.program, path=str(Path(folder) / "bin")) if folder else None
        found = found or shutil.which(self.program)
        if found is None:
            raise NnunetTVError(f"--brain {self.name}: the program {self.program} was not found: {self.install}, or "
                                "use --brain template")
        return found


TOOLS = {tool.name: tool for tool in (
    # -R: the centre is found again and again, so that a neck in view does not pull it down
    BrainTool("fsl", "bet", (_HEAD, "brain", "-R", "-m", "-n"), ("brain_mask.nii.gz",), "FSLDIR",
              "install FSL and set FSLDIR"),
    # the second name is what HD-BET 1 gave
    BrainTool("hd-bet", "hd-bet", ("-i", _HEAD, "-o", "brain.nii.gz", "-device", "cpu", "--disable_tta",
                                   "--save_bet_mask"),
              ("brain_bet.nii.gz", "brain_mask.nii.gz"), "", "pip install hd-bet"),
    BrainTool("synthstrip", "mri_synthstrip", ("-i", _HEAD, "-m", "mask.nii.gz"), ("mask.nii.gz",), "FREESURFER_HOME",
              "install FreeSurfer 7.3 or later and set FREESURFER_HOME"),
)}


def tool_mask(tool: BrainTool, t1: Volume) -> Volume:
    """Brain mask of a T1w with axes near RAS, uint8, on its own grid.

    Raises
    ------
    NnunetTVError
        The program is not installed, failed (its own words are passed on), or left no mask on the T1w's grid.
    """
    program = tool.find()
    with tempfile.TemporaryDirectory(prefix="nnunet-tv-brain-") as name:
        folder = Path(name)
        write_volume(Volume(np.asarray(t1.data, np.float32), t1.affine), folder / _HEAD)
        done = subprocess.run([program, *tool.arguments], cwd=folder, capture_output=True, text=True, check=False,
                              env={**os.environ, "FSLOUTPUTTYPE": "NIFTI_GZ"})
        found = [folder / mask for mask in tool.masks if (folder / mask).is_file()]
        if done.returncode or not found:
            told = " ".join((done.stderr or done.stdout).split())[-300:] or f"exit status {done.returncode}"
            raise NnunetTVError(f"{tool.program} failed ({told}): expected it to write {' or '.join(tool.masks)}; try "
                                "it by hand on this scan, or use --brain template")
        try:
            mask = read_volume(found[0], case=tool.name)
        except CaseError as error:
            raise NnunetTVError(f"{tool.program}: its mask cannot be used: {error.problem}") from error
        if not same_grid(mask, t1):
            raise NnunetTVError(f"{tool.program}: its mask ({mask.shape}, {mask.orientation}) is not on the grid of "
                                f"the T1w ({t1.shape}, {t1.orientation}): this version cannot be used; use --brain "
                                "template")
        return Volume((mask.data > 0).astype(np.uint8), t1.affine)

