"""The commands of the demo, from phantoms in the layout of ds004199 to a report."""

import os
import shlex
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nnunet_tv.utils import nnunet_paths
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json

DATASET, CONFIGURATION, PLANS, GROUP = "DatasetFCD", "3d_fullres", "MSDSANetPlans", "DiceTV"


@dataclass(frozen=True)
class Scale:
    """Numbers of subjects (`test` of the patients, and all controls, are test cases) and of epochs."""

    patients: int
    controls: int
    test: int
    epochs: int


#: 12 patients: 3 test, 2 selection, 7 training (the official split's shares of the rest).
FAST = Scale(patients=12, controls=2, test=3, epochs=3)
FULL = Scale(patients=30, controls=4, test=8, epochs=30)


@dataclass(frozen=True)
class Step:
    """A console script with its arguments, and a title for the reader."""

    title: str
    command: tuple[str, ...]

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
        self.raw = root / "nnUNet_raw" / DATASET
        self.predictions, self.filtered = root / "predictions" / "raw", root / "predictions" / "filtered"
        self.report, self.logs = root / "report", root / "logs"

    def model(self, trainer: str) -> Path:
        """nnU-Net's folder of a trained model."""
        return self.root / "nnUNet_results" / DATASET / f"{trainer}__{PLANS}__{CONFIGURATION}"


def trainer_name(epochs: int) -> str:
    """The paper's recipe, shortened to `epochs`."""
    return f"nnUNetTrainerDiceTV_{epochs}epochs"


def steps(folders: Folders, scale: Scale, *, processes: int, device: str) -> list[Step]:
    """The commands in order; an interrupted training is continued (``--c``)."""
    trainer, workers = trainer_name(scale.epochs), str(processes)
    model = folders.model(trainer)
    resume = ("--c",) if any((model / "fold_0").glob("checkpoint_*.pth")) else ()
    no_mirrors = ("--disable_tta",) if device == "cpu" else ()
    return [
        Step("One grid per case, nnU-Net's names, the split of participants.tsv, controls as test cases",
             ("nnunet-tv-convert", "ds004199", "-i", str(folders.scans), "--space", "none", "--split", "official",
              "--controls", "test", "--repeats", "1", "-np", workers)),
        Step("Fingerprint, plan and preprocess; patches of 64 voxels instead of 128",
             ("nnunet-tv-plan", "-d", DATASET, "-c", CONFIGURATION, "--patch-size", "64", "64", "64", "-np", workers)),
        Step(f"Train MS-DSA-Net with Dice + TV for {scale.epochs} epochs (the paper: up to 300)",
             ("nnUNetv2_train", DATASET, CONFIGURATION, "0", "-p", PLANS, "-tr", trainer, "-device", device, *resume)),
        Step("Segment the test cases" + (" (without mirroring, which is 8 times faster)" if no_mirrors else ""),
             ("nnUNetv2_predict", "-i", str(folders.raw / "imagesTs"), "-o", str(folders.predictions), "-d", DATASET,
              "-c", CONFIGURATION, "-f", "0", "-p", PLANS, "-tr", trainer, "-device", device, "-npp", "1", "-nps", "1",
              *no_mirrors)),
        Step("Remove small clusters with the filter that training left in the model's folder",
             ("nnUNetv2_apply_postprocessing", "-i", str(folders.predictions), "-o", str(folders.filtered),
              "-pp_pkl_file", str(model / "postprocessing.pkl"), "-np", workers)),
        Step("Compare with the true lesions",
             ("nnunet-tv-report", "--ref", str(folders.raw / "labelsTs"),
              "--pred", f"{GROUP}={folders.predictions}", "--pred-pp", f"{GROUP}={folders.filtered}",
              "--images", str(folders.raw / "imagesTs"), "-o", str(folders.report),
              "--remark", f"Synthetic phantoms. nnU-Net, fold 0, {scale.epochs} epochs, patches of 64 voxels, "
              f"overlap 0.5, {'no' if no_mirrors else '8'} mirrors.")),
    ]


def environment(folders: Folders, *, processes: int) -> dict[str, str]:
    """Variables for the commands: nnU-Net's folders and, where the user has not set them, two more.

    ``nnUNet_n_proc_DA`` limits the data loading's workers; ``nnUNet_compile`` is off where PyTorch's compiler lacks
    Triton.
    """
    more = {"nnUNet_n_proc_DA": str(min(2, processes)),  # 0 breaks nnU-Net's planner
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
    own = (*map(Path, folders.variables.values()), folders.predictions.parent, folders.report, folders.logs)
    found = [path.name for path in own if path.exists()]
    if found and not folders.scans.exists():
        raise NnunetTVError(f"{folders.root}: holds {', '.join(found)}, but no phantoms ({folders.scans.name}), so it "
                            "is not the demo's, which would overwrite this data: choose another folder (-o)")


def training_cases(folders: Folders) -> int:
    """Number of training cases of the demo's split."""
    return len(read_json(folders.raw / "splits_final.json")[0]["train"])
