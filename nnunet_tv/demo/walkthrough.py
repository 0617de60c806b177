"""The commands of the demo, from phantoms in the layout of ds004199 to a report and a patient's page."""

import os
import shlex
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nnunet_tv.demo.dataset import plan_members
from nnunet_tv.demo.phantom import PhantomOptions
from nnunet_tv.demo.progress import Counted
from nnunet_tv.experiments import commands
from nnunet_tv.experiments.commands import Command, Model, Predictions
from nnunet_tv.utils import nnunet_paths
from nnunet_tv.utils.errors import NnunetTVError

DATASET, GROUP = "DatasetFCD", "DiceTV"
#: The network that learns within minutes on two CPU cores: SG-Net on small patches, with a higher learning rate.
NETWORK, PATCH, EPOCHS = "sg-net", 32, 60
SMALL = Model(DATASET, f"nnUNetTrainerDiceTV_lr0p001_{EPOCHS}epochs", plans="SGNetPlans")
#: The paper's network, of which one epoch runs; 64 is its smallest patch.
PAPER_PATCH = 64
PAPER = Model(DATASET, "nnUNetTrainerDiceTV_1epochs", plans="MSDSANetPlans")
#: Coarse phantoms with lesions of 2 to 12 ml: larger, and more conspicuous, than many real ones.
PHANTOMS = PhantomOptions(resolution_mm=2.5, lesion_radius_mm=(9.0, 15.0))
#: Numbers of phantoms: of the patients, TEST and all controls are test cases, 3 choose the weights, and 16 train.
PATIENTS, CONTROLS, TEST = 27, 2, 8


@dataclass(frozen=True)
class Step:
    """A console script with its arguments, and a title for the reader."""

    title: str
    command: Command
    counted: Counted | None = None  #: what its output shows of its progress

    @property
    def name(self) -> str:
        """Console script."""
        return self.command[0]

    def shell_line(self) -> str:
        """The line to type in a shell."""
        return shlex.join(self.command)


class Folders:
    """Paths in the demo's folder `root`."""

    def __init__(self, root: Path):
        self.root = root
        self.scans = root / "ds004199-phantoms"
        self.variables = {name: str(root / name) for name in nnunet_paths.FOLDERS}
        self.raw, self.results = root / "nnUNet_raw" / DATASET, root / "nnUNet_results"
        self.predictions, self.filtered = root / "predictions" / "raw", root / "predictions" / "filtered"
        self.report, self.findings, self.logs = root / "report", root / "findings", root / "logs"
        self.index = root / "index.html"


def patient(seed: int) -> str:
    """Case whose scans get a page of their own: the first test patient with a lesion mask on the FLAIR's grid."""
    members = plan_members(patients=PATIENTS, controls=CONTROLS, seed=seed, test=TEST)
    return next(member.case for member in members if member.test and not member.odd_roi)


def steps(folders: Folders, *, seed: int, processes: int, device: str) -> list[Step]:
    """The commands in order; an interrupted training is continued (``--c``)."""
    mirroring, case = device != "cpu", patient(seed)
    speed = "" if mirroring else " (without mirroring, which is 8 times faster)"
    predictions = Predictions(GROUP, folders.predictions, folders.filtered)
    epoch = r"^Epoch (\d+),"
    return [
        Step("One grid per case, nnU-Net's names, the split of participants.tsv, controls as test cases",
             commands.convert("ds004199", folders.scans, name=DATASET, split="official", repeats=1, space="none",
                              controls="test", processes=processes)),
        Step(f"Fingerprint, plan and preprocess: SG-Net on patches of {PATCH} voxels",
             commands.plan(DATASET, network=NETWORK, patch_size=[PATCH] * 3, processes=processes)),
        Step(f"Train SG-Net with Dice + TV for {EPOCHS} epochs at a learning rate of 0.001",
             commands.train(SMALL, 0, device=device, results=folders.results),
             Counted("epoch", EPOCHS, epoch, detail=r"^Selection patches: .*(DC [\d.]+|DC nan)")),
        Step(f"Segment the test cases{speed}",
             commands.predict(SMALL, 0, images=folders.raw / "imagesTs", out=folders.predictions, device=device,
                              mirroring=mirroring), Counted("case", TEST + CONTROLS, r"^Predicting \S+:")),
        Step("Remove small clusters with the filter that training left in the model's folder",
             commands.apply_filter(folders.predictions, folders.filtered, model=SMALL, results=folders.results,
                                   processes=processes)),
        Step("Compare with the true lesions",
             commands.report(folders.report, reference=folders.raw / "labelsTs", predictions=[predictions],
                             images=folders.raw / "imagesTs", processes=processes,
                             options=("--participants", str(folders.scans / "participants.tsv"), "--run-json",
                                      f"{GROUP}={SMALL.folder(folders.results) / 'fold_0'}"),
                             remark=f"Synthetic phantoms. nnU-Net, fold 0, SG-Net, {EPOCHS} epochs, patches of {PATCH} "
                             f"voxels, overlap 0.5, {'8' if mirroring else 'no'} mirrors.")),
        Step(f"Find the lesion in the scans of one patient, {case}, on the scans' own grids{speed}",
             ("nnunet-tv-predict", "-i", str(folders.scans / case), "-d", DATASET, "-tr", SMALL.trainer,
              "-p", SMALL.plans, "--folds", "0", "-device", device, *(() if mirroring else ("--disable_tta",)),
              "-np", str(processes), "-o", str(folders.findings))),
        Step(f"Plan the paper's network, MS-DSA-Net, on patches of {PAPER_PATCH} voxels instead of 128",
             commands.plan(DATASET, patch_size=[PAPER_PATCH] * 3, processes=processes)),
        Step("Train MS-DSA-Net for one epoch of up to 300: to see the main command run; it learns next to nothing",
             commands.train(PAPER, 0, device=device, results=folders.results), Counted("epoch", 1, epoch)),
    ]


def environment(folders: Folders, *, processes: int) -> dict[str, str]:
    """Variables for the commands: nnU-Net's folders and, where the user has not set them, three more.

    ``nnUNet_n_proc_DA`` limits the data loading's workers, ``nnUNet_def_n_proc`` those that export segmentations;
    ``nnUNet_compile`` is off where PyTorch's compiler lacks Triton.
    """
    more = {"nnUNet_n_proc_DA": str(min(2, processes)),  # 0 breaks nnU-Net's planner
            "nnUNet_def_n_proc": str(processes),
            **({} if find_spec("triton") else {"nnUNet_compile": "f"})}
    return {**folders.variables, **{name: value for name, value in more.items() if name not in os.environ}}


def default_device() -> str:
    """``cuda`` where available, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def check_folder(folders: Folders) -> None:
    """Raise if the folder holds data with the names of the demo's own folders, but no phantoms.

    Such data may be a real data set, which the demo would overwrite.
    """
    own = (*map(Path, folders.variables.values()), folders.predictions.parent, folders.report, folders.findings,
           folders.logs, folders.index)
    found = [path.name for path in own if path.exists()]
    if found and not folders.scans.exists():
        raise NnunetTVError(f"{folders.root}: holds {', '.join(found)}, but no phantoms ({folders.scans.name}), so it "
                            "is not the demo's, which would overwrite this data: choose another folder (-o)")
