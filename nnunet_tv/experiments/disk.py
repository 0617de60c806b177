"""Disk that an experiment takes: measured where it is there, else computed from voxels and parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from nnunet_tv.architectures.registry import NETWORKS, PATCH_SIZE
from nnunet_tv.experiments.study import Study
from nnunet_tv.training.record.run_record import read_run_record
from nnunet_tv.utils.errors import NnunetTVError

#: Bytes of a parameter in a checkpoint: float32, with AdamW's two moments.
_BYTES_PER_PARAMETER = 12
#: Checkpoints that a finished training of the recipe leaves: final, best and last epoch.
_CHECKPOINTS = 3
#: Bytes of a voxel: of a channel (float32), and of a label.
_CHANNEL_BYTES, _LABEL_BYTES = 4, 1


@dataclass(frozen=True)
class Disk:
    """Size of a part; None where it is not known."""

    title: str
    n_bytes: float | None
    basis: str


@dataclass(frozen=True)
class Voxels:
    """Sizes of the images that will be converted."""

    training: int  #: voxels of all training cases
    test: int
    channels: int
    basis: str


def disk_items(study: Study) -> Iterator[Disk]:
    """Size of each part when the experiment is finished."""
    try:
        voxels: Voxels | str = _voxels(study)
    except (NnunetTVError, OSError) as error:
        voxels = " ".join(str(error).split())
    yield _data(study.raw, "raw data set", voxels, study.mark("convert").is_file() or study.config.scans is None)
    yield _data(study.preprocessed, "preprocessed data set", voxels, study.mark("plan").is_file())
    yield _models(study)
    if "predict" in study.steps():
        yield _predictions(study, voxels)


def _data(folder: Path, title: str, voxels: Voxels | str, there: bool) -> Disk:
    if there and folder.is_dir():
        return Disk(title, folder_size(folder), "measured")
    if isinstance(voxels, str):
        return Disk(title, None, voxels)
    cases = voxels.training + (voxels.test if title.startswith("raw") else 0)
    size = cases * (voxels.channels * _CHANNEL_BYTES + _LABEL_BYTES)
    compressed = "at most; files are compressed" if title.startswith("raw") else (
        "without compression, at this voxel size; nnU-Net may resample")
    return Disk(title, size, f"{voxels.basis}, {voxels.channels} channels of {_CHANNEL_BYTES} bytes and a label, "
                f"{compressed}")


def _models(study: Study) -> Disk:
    """Checkpoints of all runs: as large as those of a finished run, else from the number of parameters."""
    n = len(study.runs)
    for run in study.runs:
        files = list(study.fold(run).glob("checkpoint_*.pth"))
        if study.mark("train", run).is_file() and files:
            size = sum(path.stat().st_size for path in files)
            return Disk("models", n * size, f"{n} times the checkpoints of {run.name}, {size / 1e6:.1f} MB")
    try:
        parameters, basis = _parameters(study)
    except (NnunetTVError, ImportError) as error:
        return Disk("models", None, " ".join(str(error).split()))
    size = _CHECKPOINTS * _BYTES_PER_PARAMETER * parameters
    return Disk("models", n * size, f"{n} trainings, {_CHECKPOINTS} checkpoints each, {_BYTES_PER_PARAMETER} bytes for "
                f"each of {parameters:,} parameters ({basis}); while training, one more of 16 bytes for each")


def _parameters(study: Study) -> tuple[int, str]:
    """Trainable parameters of the network, from a run or by building it."""
    for run in study.runs:
        try:
            return read_run_record(study.fold(run) / "run.json").network.parameters, "run.json"
        except NnunetTVError:
            continue
    network = NETWORKS.get(study.config.network or "ms-dsa-net")
    if network is None or not network.class_name:
        raise NnunetTVError("nnU-Net plans this network; after nnunet-tv-plan and the first epoch it is known")
    import pydoc
    from types import SimpleNamespace

    import torch

    from nnunet_tv.planning.plans import build_network

    patch = network.rule.check(study.config.patch_size or PATCH_SIZE)
    if pydoc.locate(network.class_name) is None:
        raise NnunetTVError(f"{network.title} cannot be imported")
    plan = SimpleNamespace(network_arch_class_name=network.class_name, patch_size=patch,
                           network_arch_init_kwargs=network.arguments_for(patch),
                           network_arch_init_kwargs_req_import=[])
    with torch.device("meta"):  # no memory is taken
        built = build_network(plan, 2, 2, False)
    return sum(each.numel() for each in built.parameters() if each.requires_grad), f"{network.title} with 2 channels"


def _predictions(study: Study, voxels: Voxels | str) -> Disk:
    n = len(study.runs)
    done = [study.predictions(run) for run in study.runs if study.mark("filter", run).is_file()]
    if done:
        size = folder_size(done[0]) * 2
        return Disk("predictions", n * size, f"{n} times those of a finished run, raw and filtered")
    if isinstance(voxels, str):
        return Disk("predictions", None, voxels)
    return Disk("predictions", n * 2 * voxels.test * _LABEL_BYTES,
                f"{n} runs, raw and filtered, {_LABEL_BYTES} byte a voxel of the test cases; at most: they are "
                "compressed")


def _voxels(study: Study) -> Voxels:
    """Voxels of the converted images; of the T1w's headers where the data set is not converted yet."""
    import nibabel

    config = study.config
    if study.mark("convert").is_file() or config.scans is None:
        folders = [study.raw / name for name in ("imagesTr", "imagesTs")]
        images = [sorted(folder.glob("*_0000.nii.gz")) for folder in folders]
        training, test = (sum(prod(nibabel.load(path).shape) for path in paths) for paths in images)
        channels = len(list(folders[0].glob("*.nii.gz"))) // max(1, len(images[0]))
        return Voxels(training, test, channels,
                      f"{len(images[0])} training and {len(images[1])} test cases of the raw data set")
    from nnunet_tv.conversion.dataset_spec import data_sets
    from nnunet_tv.conversion.plan import ConversionOptions, make_plan
    from nnunet_tv.registration.template import TEMPLATE_GRID

    module = data_sets().get(config.layout)
    if module is None:
        raise NnunetTVError(f"layout {config.layout}: expected one of {', '.join(data_sets())}")
    if config.convert_options:
        raise NnunetTVError("the data set is not converted, and convert_options may change its size")
    space = config.space or module.SPEC.spaces[0]
    split = config.split or next(iter(module.SPEC.splits))
    plan = make_plan(module.read(config.scans), ConversionOptions(split, config.repeats, config.controls))
    cases = [(case, prod(TEMPLATE_GRID.shape) if space == "mni" else
              prod(nibabel.load(next(iter(case.source.files.values()))).shape)) for case in plan.cases]
    learned = [size for case, size in cases if case.training]
    tested = [size for case, size in cases if not case.training]
    grid = "on the template's grid" if space == "mni" else "of the size of their first scan"
    return Voxels(sum(learned), sum(tested), len(plan.dataset.channels),
                  f"{len(learned)} training and {len(tested)} test cases {grid}")


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
