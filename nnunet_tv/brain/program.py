"""Brain masks by external programs, which run on the CPU and read a file of the T1w alone."""

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_tv.brain.registry import BrainMethod
from nnunet_tv.imaging.volume import Volume, read_volume, same_grid, write_volume
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.external import error_text, find_program

HEAD = "head.nii.gz"


@dataclass(frozen=True)
class BrainProgram(BrainMethod):
    """A program that finds the brain in a T1w."""

    key: str  #: value of ``--brain``
    program: str  #: its executable
    arguments: tuple[str, ...]  #: files are relative to a working folder that contains :data:`HEAD`
    masks: tuple[str, ...]  #: file names of the mask in its versions
    install: str  #: advice where it is missing
    home: str = ""  #: environment variable of a folder whose ``bin`` is searched before ``PATH``

    def path(self) -> str:
        found = find_program(self.program, self.home)
        if found is None:
            raise NnunetTVError(f"--brain {self.key}: the program {self.program} was not found: {self.install}, or "
                                "use --brain template")
        return found

    def check(self) -> None:
        self.path()

    def find(self, t1: Volume) -> Volume:
        program = self.path()
        with tempfile.TemporaryDirectory(prefix="nnunet-tv-brain-") as name:
            folder = Path(name)
            write_volume(Volume(np.asarray(t1.data, np.float32), t1.affine), folder / HEAD)
            done = subprocess.run([program, *self.arguments], cwd=folder, capture_output=True, text=True, check=False,
                                  env={**os.environ, "FSLOUTPUTTYPE": "NIFTI_GZ"})
            found = [folder / mask for mask in self.masks if (folder / mask).is_file()]
            if done.returncode or not found:
                raise NnunetTVError(f"{self.program} failed ({error_text(done)}): expected it to write "
                                    f"{' or '.join(self.masks)}; try it by hand on this scan, or use --brain template")
            try:
                mask = read_volume(found[0], case=self.key)
            except CaseError as error:
                raise NnunetTVError(f"{self.program}: its mask cannot be used: {error.problem}") from error
        if not same_grid(mask, t1):
            raise NnunetTVError(f"{self.program}: its mask ({mask.shape}, {mask.orientation}) is not on the grid of "
                                f"the T1w ({t1.shape}, {t1.orientation}): this version cannot be used; use --brain "
                                "template")
        return Volume((mask.data > 0).astype(np.uint8), t1.affine)
