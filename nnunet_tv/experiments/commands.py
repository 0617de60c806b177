"""The command lines from a data set to a report: convert, plan, train, predict, filter, report.

The only place where they are written; the experiments and the demo take them from here. Each is a tuple whose first
element is a console script.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: A console script and its arguments.
Command = tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """What names a model in nnU-Net: data set, trainer, plans and configuration; a fold of it is one training."""

    dataset: str
    trainer: str
    plans: str = "nnUNetPlans"
    configuration: str = "3d_fullres"

    @property
    def name(self) -> str:
        """Name of its result folder."""
        return f"{self.trainer}__{self.plans}__{self.configuration}"

    def folder(self, results: Path) -> Path:
        """Its folder below ``nnUNet_results``."""
        return results / self.dataset / self.name


@dataclass(frozen=True)
class Predictions:
    """Predictions of one run of a group, for the report."""

    group: str
    raw: Path
    filtered: Path | None = None  #: None applies the filter in the report
    predicted_by: Path | None = None  #: fold of the model folder, if its accuracy is to be recorded
    run_json: Path | None = None  #: record of the training, if `predicted_by` does not lead to it


def convert(layout: str, scans: Path, *, name: str, split: str | None = None, repeats: int | None = None,
            space: str | None = None, controls: str = "none", options: Sequence[str] = (), processes: int) -> Command:
    """``nnunet-tv-convert``; `options` are those of the data set. What is not given has the command's default."""
    return ("nnunet-tv-convert", layout, "-i", str(scans), "--name", name,
            *_given("--split", split), *_given("--repeats", repeats), *_given("--space", space),
            *(("--controls", controls) if controls != "none" else ()), *options, "-np", str(processes))


def plan(dataset: str, *, configuration: str = "3d_fullres", network: str | None = None,
         patch_size: Sequence[int] | None = None, processes: int) -> Command:
    """``nnunet-tv-plan``."""
    return ("nnunet-tv-plan", "-d", dataset, "-c", configuration, *_given("--network", network),
            *(("--patch-size", *map(str, patch_size)) if patch_size else ()), "-np", str(processes))


def train(model: Model, fold: int, *, device: str, results: Path) -> Command:
    """``nnUNetv2_train``, with ``--c`` where `results` has a checkpoint to continue from."""
    return ("nnUNetv2_train", model.dataset, model.configuration, str(fold), *_plans_and_trainer(model), "-device",
            device, *(("--c",) if checkpoints(model.folder(results) / f"fold_{fold}") else ()))


def checkpoints(fold: Path) -> list[Path]:
    """Checkpoints in the folder of a fold, which ``--c`` continues or finds to be finished."""
    return sorted(fold.glob("checkpoint_*.pth"))


def predict(model: Model, fold: int, *, images: Path, out: Path, device: str, mirroring: bool = True,
            resume: bool = False, workers: int = 1) -> Command:
    """``nnUNetv2_predict`` with one fold; `resume` keeps the segmentations that are in `out`."""
    return ("nnUNetv2_predict", "-i", str(images), "-o", str(out), "-d", model.dataset, "-c", model.configuration,
            "-f", str(fold), *_plans_and_trainer(model), "-device", device, "-npp", str(workers), "-nps", str(workers),
            *(() if mirroring else ("--disable_tta",)), *(("--continue_prediction",) if resume else ()))


def apply_filter(predictions: Path, out: Path, *, model: Model, results: Path, processes: int) -> Command:
    """``nnUNetv2_apply_postprocessing`` with the filter that training left in the model's folder."""
    return ("nnUNetv2_apply_postprocessing", "-i", str(predictions), "-o", str(out), "-pp_pkl_file",
            str(model.folder(results) / "postprocessing.pkl"), "-np", str(processes))


def report(out: Path, *, reference: Path | None = None, predictions: Sequence[Predictions] = (),
           models: Sequence[tuple[str, Path]] = (), images: Path | None = None, remark: str = "",
           options: Sequence[str] = (), processes: int | None = None) -> Command:
    """``nnunet-tv-report`` on folders of predictions, or on the validation of `models` (name and result folder)."""
    groups: dict[str, list[Predictions]] = {}
    for one in predictions:
        groups.setdefault(one.group, []).append(one)
    return ("nnunet-tv-report", *_given("--ref", reference),
            *(text for name, runs in groups.items() for flag, paths in (
                ("--pred", [run.raw for run in runs]),
                ("--pred-pp", [run.filtered for run in runs]),
                ("--predicted-by", [run.predicted_by for run in runs]),
                ("--run-json", [run.run_json for run in runs]))
              if None not in paths for text in (flag, *(f"{name}={path}" for path in paths))),
            *(text for name, folder in models for text in ("--model", f"{name}={folder}")),
            *_given("--images", images), *_given("--remark", remark or None), *options,
            *_given("-np", processes), "-o", str(out))


def _plans_and_trainer(model: Model) -> Command:
    return ("-p", model.plans, "-tr", model.trainer)


def _given(flag: str, value: object) -> Command:
    return () if value is None else (flag, str(value))
