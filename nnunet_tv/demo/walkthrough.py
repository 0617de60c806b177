"""The whole way from scans to a report on phantoms, through the commands that a user types."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json

CONFIGURATION, PLANS, GROUP = "3d_fullres", "MSDSANetPlans", "DiceTV"


@dataclass(frozen=True)
class Scale:
    """How much is made and trained.

    Attributes
    ----------
    patients, controls, test : int
        Subjects made; `test` of the patients are for testing, as are all controls.
    epochs : int
        One pass over the training patients each.
    """

    patients: int
    controls: int
    test: int
    epochs: int


#: 12 patients: 3 tested, 2 select, 7 train (the official split's shares of the rest).
FAST = Scale(patients=12, controls=2, test=3, epochs=3)
FULL = Scale(patients=30, controls=4, test=8, epochs=30)


@dataclass(frozen=True)
class DemoData:
    """A data set that the demo can make and convert.

    Attributes
    ----------
    name : str
        As ``nnunet-tv-convert`` knows it.
    module : str
        Its ``make_dataset`` writes the phantoms.
    dataset : str
        Folder in nnUNet_raw.
    convert : tuple of str
        Options of the conversion.
    told : str
        What the conversion does, for the reader.
    source : str
        What ``-i`` is, within the folder of the phantoms.
    """

    name: str
    module: str
    dataset: str
    convert: tuple[str, ...]
    told: str
    source: str = ""

    @property
    def folder(self) -> str:
        """Name of the phantoms' folder."""
        return f"{self.name}-phantoms"


_ONE_GRID = "One grid per case, nnU-Net's names"
DATA = {data.name: data for data in (
    DemoData("ds004199", "nnunet_tv.demo.dataset", "DatasetFCD",
             ("--register", "none", "--split", "official", "--controls", "test"),
             f"{_ONE_GRID}, the split of participants.tsv, controls as test cases"),
    DemoData("bonbid-hie", "nnunet_tv.demo.bonbid", "DatasetBONBID", (),
             f"{_ONE_GRID}; the published validation cases are tested"),
    DemoData("brain-mets-lung", "nnunet_tv.demo.brain_mets", "DatasetBrainMets", ("--label", "core"),
             f"{_ONE_GRID}, a seeded split; the lesion is the tumour's core"),
    DemoData("pairs", "nnunet_tv.demo.pairs", "DatasetPairs", ("--register", "none", "--controls", "test"),
             f"{_ONE_GRID}, the table's split, controls as test cases", "table.tsv"),
)}
DEFAULT_DATA = "ds004199"


@dataclass(frozen=True)
class Step:
    """One command, as typed.

    Attributes
    ----------
    title : str
        What it does, for the reader.
    command : tuple of str
        Console script and arguments.
    """

    title: str
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """Console script."""
        return self.command[0]

    def typed(self) -> str:
        """The line to type in a shell."""
        return shlex.join(self.command)


@dataclass(frozen=True)
class Folders:
    """Where everything lies in the demo's folder."""

    root: Path
    data: DemoData = DATA[DEFAULT_DATA]

    @property
    def scans(self) -> Path:
        """The phantoms, as a downloaded data set."""
        return self.root / self.data.folder

    @property
    def variables(self) -> dict[str, str]:
        """nnU-Net's three variables."""
        return {name: str(self.root / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}

    @property
    def raw(self) -> Path:
        """The converted data set."""
        return self.root / "nnUNet_raw" / self.data.dataset

    def model(self, trainer: str) -> Path:
        """nnU-Net's folder of a trained model."""
        return self.root / "nnUNet_results" / self.data.dataset / f"{trainer}__{PLANS}__{CONFIGURATION}"

    @property
    def predictions(self) -> Path:
        """Segmentations as the network gives them."""
        return self.root / "predictions" / "raw"

    @property
    def filtered(self) -> Path:
        """Segmentations after the cluster filter."""
        return self.root / "predictions" / "filtered"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report"

    @property
    def logs(self) -> Path:
        """What the commands said."""
        return self.root / "logs"


def trainer_name(epochs: int) -> str:
    """Trainer of the demo: the paper's recipe, shortened."""
    return f"nnUNetTrainerDiceTV_{epochs}epochs"


def steps(folders: Folders, scale: Scale, *, processes: int, device: str) -> list[Step]:
    """The commands in order; a training that was begun is continued (``--c``)."""
    data, trainer = folders.data, trainer_name(scale.epochs)
    model = folders.model(trainer)
    begun = any((model / "fold_0").glob("checkpoint_*.pth"))
    workers = str(processes)
    predict_options = ("--disable_tta",) if device == "cpu" else ()
    return [
        Step(data.told, ("nnunet-tv-convert", data.name, "-i", str(folders.scans / data.source), *data.convert,
                         "--repeats", "1", "-np", workers)),
        Step("Fingerprint, plan and preprocess; patches of 64 voxels instead of 128",
             ("nnunet-tv-plan", "-d", data.dataset, "-c", CONFIGURATION, "--patch-size", "64", "64", "64",
              "-np", workers)),
        Step(f"Train MS-DSA-Net with Dice + TV for {scale.epochs} epochs (the paper: up to 300)",
             ("nnUNetv2_train", data.dataset, CONFIGURATION, "0", "-p", PLANS, "-tr", trainer, "-device", device,
              *(("--c",) if begun else ()))),
        Step("Segment the test cases" + (" (without mirroring, which is 8 times faster)" if predict_options else ""),
             ("nnUNetv2_predict", "-i", str(folders.raw / "imagesTs"), "-o", str(folders.predictions),
              "-d", data.dataset, "-c", CONFIGURATION, "-f", "0", "-p", PLANS, "-tr", trainer, "-device", device,
              "-npp", "1", "-nps", "1", *predict_options)),
        Step("Remove small clusters with the filter that training left in the model's folder",
             ("nnUNetv2_apply_postprocessing", "-i", str(folders.predictions), "-o", str(folders.filtered),
              "-pp_pkl_file", str(model / "postprocessing.pkl"), "-np", workers)),
        Step("Compare with the true lesions",
             ("nnunet-tv-report", "--ref", str(folders.raw / "labelsTs"),
              "--pred", f"{GROUP}={folders.predictions}", "--pred-pp", f"{GROUP}={folders.filtered}",
              "--images", str(folders.raw / "imagesTs"), "-o", str(folders.report),
              "--remark", f"Synthetic phantoms. nnU-Net, fold 0, {scale.epochs} epochs, patches of 64 voxels, "
              f"overlap 0.5, {'no' if predict_options else '8'} mirrors.")),
    ]


def environment(folders: Folders, *, processes: int) -> dict[str, str]:
    """Variables for the commands: nnU-Net's folders, and few data-loading workers unless the user chose.

    ``nnUNet_compile`` is switched off where PyTorch's compiler lacks Triton.
    """
    variables = dict(folders.variables)
    if "nnUNet_n_proc_DA" not in os.environ:
        variables["nnUNet_n_proc_DA"] = str(min(2, processes))  # 0 breaks nnU-Net's planner
    if "nnUNet_compile" not in os.environ and find_spec("triton") is None:
        variables["nnUNet_compile"] = "f"
    return variables


def default_device() -> str:
    """``cuda`` where there is one, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def check_folder(folders: Folders) -> None:
    """Refuse a folder in which the demo would write over something else.

    The demo of another data set: one's predictions would lie among the other's. Or anything with the name of the
    demo's own folders where no phantoms are: somebody's real data set, which the phantoms would replace.

    Raises
    ------
    NnunetTVError
        Names what is there.
    """
    for other in DATA.values():
        if other is not folders.data and (folders.root / other.folder).exists():
            raise NnunetTVError(f"{folders.root}: holds the demo of {other.name} ({other.folder}), not of "
                                f"{folders.data.name}: choose another folder (-o)")
    own = (*map(Path, folders.variables.values()), folders.predictions.parent, folders.report, folders.logs)
    there = [path.name for path in own if path.exists()]
    if there and not folders.scans.exists():
        raise NnunetTVError(f"{folders.root}: holds {', '.join(there)}, but no phantoms ({folders.data.folder}), so it "
                            "is not the demo's, which would replace what is there: choose another folder (-o)")


def training_cases(folders: Folders) -> int:
    """Training cases of the split that the demo trained on."""
    return len(read_json(folders.raw / "splits_final.json")[0]["train"])
