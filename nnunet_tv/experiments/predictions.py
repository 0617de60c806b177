"""Predictions of a run's test cases that are complete or not there, and checkpoints that can be read."""

import gzip
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from nnunet_tv.experiments import commands
from nnunet_tv.experiments.commands import Command
from nnunet_tv.experiments.study import Study, TrainingRun
from nnunet_tv.postprocessing import ENDING
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, sha256, write_json

#: File in a folder of predictions that names the checkpoint they are made with.
MADE_WITH = "made_with.json"
_CHANNEL = "_0000"
Call = Callable[[Command], None]


def cases_to_predict(study: Study) -> list[str]:
    """Names of the test cases of the raw data set; NnunetTVError if there are none."""
    found = sorted(path.name.removesuffix(f"{_CHANNEL}{ENDING}")
                   for path in (study.raw / "imagesTs").glob(f"*{_CHANNEL}{ENDING}"))
    if not found:
        raise NnunetTVError(f"{study.raw / 'imagesTs'}: expected test cases (CASE{_CHANNEL}{ENDING}), found none")
    return found


def predict(study: Study, run: TrainingRun, call: Call) -> None:
    """Predict the test cases in a folder that is renamed when all are there; whole files of an earlier attempt stay."""
    out, cases, config = study.predictions(run), cases_to_predict(study), study.config
    checkpoint = {"checkpoint_final.pth": sha256(study.fold(run) / "checkpoint_final.pth"),
                  "mirroring": config.mirroring}
    if _made_with(out) == checkpoint and not _absent(out, cases):
        return
    partial = out.with_name(f"{out.name}.partial")
    if _made_with(partial) != checkpoint:
        shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, exist_ok=True)
    write_json(checkpoint, partial / MADE_WITH)
    for path in partial.glob(f"*{ENDING}"):
        if not is_whole(path):
            path.unlink()
    call(commands.predict(run.model, run.number, images=study.raw / "imagesTs", out=partial, device=config.device,
                          mirroring=config.mirroring, resume=True, workers=1 if config.device == "cpu" else 2))
    _complete(partial, cases, out)


def filter_again(study: Study, run: TrainingRun, call: Call) -> None:
    """Filter a run's predictions, from the beginning."""
    out = study.predictions(run, filtered=True)
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    call(commands.apply_filter(study.predictions(run), partial, model=run.model, results=study.results,
                               processes=study.config.processes))
    _complete(partial, cases_to_predict(study), out)


def _complete(partial: Path, cases: list[str], out: Path) -> None:
    """Rename the folder of all cases."""
    if absent := _absent(partial, cases):
        raise NnunetTVError(f"{partial}: expected {len(cases)} segmentations, found none that is whole for "
                            f"{', '.join(absent[:5])}{', …' if len(absent) > 5 else ''}")
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)


def _absent(folder: Path, cases: list[str]) -> list[str]:
    return [case for case in cases if not is_whole(folder / f"{case}{ENDING}")]


def is_whole(path: Path) -> bool:
    """Whether a compressed file can be read to its end, with the right checksum."""
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True


def _made_with(folder: Path) -> dict | None:
    try:
        return read_json(folder / MADE_WITH)
    except (OSError, ValueError):
        return None


def set_damaged_aside(fold: Path) -> list[Path]:
    """Rename checkpoints that were not written to their end, which ``--c`` could not read; return the new names.

    nnU-Net's own trainers write checkpoints in place.
    """
    aside = []
    for path in commands.checkpoints(fold):
        if not zipfile.is_zipfile(path):
            aside.append(path.rename(path.with_name(f"damaged_{path.name}")))
    return aside
