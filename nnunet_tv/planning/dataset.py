"""Fingerprint, plan and preprocess a data set by its name, which nnU-Net's own commands do by number.

Through nnU-Net's Python API; nothing of nnU-Net is changed. The stock ``nnUNetPlans.json`` is always
written; with a network also that network's plans file, which shares its preprocessed data.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from nnunet_tv.architectures.registry import NETWORKS
from nnunet_tv.planning.network_plans import choose, write_network_plans
from nnunet_tv.planning.plans import resolved
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import atomic, read_json, write_json
from nnunet_tv.utils.nnunet_paths import folder

STOCK_PLANS = "nnUNetPlans"

#: What was done for which raw data; written last.
DONE = "nnunet_tv_plan.json"

log = logging.getLogger(__name__)


def plan_dataset(name: str, *, configurations: Sequence[str] = ("3d_fullres",), network: str | None = None,
                 patch_size: Sequence[int] | None = None, processes: int = 2,
                 replace_split: bool = False, redo: bool = False) -> list[Path]:
    """Do everything between conversion and training; what is done and unchanged stays. The plans files are returned.

    Parameters
    ----------
    name : str
        Folder name under ``nnUNet_raw``.
    configurations, processes
        Configurations to preprocess; worker processes.
    network : str, optional
        A name of :data:`nnunet_tv.architectures.registry.NETWORKS`, whose plans file is written too.
    patch_size : sequence of int, optional
        The network's patch in the order of nnU-Net's arrays (z, y, x for NIfTI); 128³ unless given, or as
        nnU-Net's planner plans its own networks. Without `network`: that of MS-DSA-Net.
    replace_split : bool
        Take over a split that differs from the one already preprocessed.
    redo : bool
        Fingerprint, plan and preprocess again although the raw data have not changed.

    Raises
    ------
    NnunetTVError
        No such data set, network or configuration; a patch that the network cannot take (a
        :class:`~nnunet_tv.architectures.registry.PatchSizeError`); or a split that differs.
    """
    chosen = choose(network, patch_size, configurations)
    raw, preprocessed = folder("nnUNet_raw") / name, folder("nnUNet_preprocessed") / name
    check_before_work(raw, preprocessed, replace_split=replace_split)
    copy_split(raw, preprocessed)
    stock = preprocessed / f"{STOCK_PLANS}.json"
    state, done = raw_state(raw), _done(preprocessed)
    fresh = not redo and stock.is_file() and done.get("raw") == state
    if not fresh:
        (preprocessed / DONE).unlink(missing_ok=True)
        _stock_plan(name, raw, processes)
        _name_outdated(preprocessed, chosen[0].name if chosen else None)
    plans = read_json(stock)
    for configuration in configurations:
        resolved(plans, configuration)  # an error names those that exist
    written = [stock]
    if chosen:
        written.append(write_network_plans(plans, preprocessed, configurations, *chosen))
    ready = set(done.get("configurations", ())) if fresh else set()
    _preprocess(name, [c for c in configurations if c not in ready], processes)
    copy_references(raw, preprocessed)
    write_json({"raw": state, "configurations": sorted(ready | set(configurations))}, preprocessed / DONE)
    return written


def raw_state(raw: Path) -> str:
    """Digest of names, sizes and times of what planning and preprocessing read."""
    files = [raw / "dataset.json", *sorted((raw / "imagesTr").iterdir()), *sorted((raw / "labelsTr").iterdir())]
    listed = "\n".join(f"{path.relative_to(raw)} {(stat := path.stat()).st_size} {stat.st_mtime_ns}" for path in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def _done(preprocessed: Path) -> dict:
    path = preprocessed / DONE
    return read_json(path) if path.is_file() else {}


def check_before_work(raw: Path, preprocessed: Path, *, replace_split: bool) -> None:
    """NnunetTVError for what would fail later: no data set, no workers, a split that differs."""
    if not (raw / "dataset.json").is_file():
        raise NnunetTVError(f"{raw} has no dataset.json: convert the data first (nnunet-tv-convert), or correct -d "
                            "or nnUNet_raw")
    if os.environ.get("nnUNet_n_proc_DA") == "0":
        raise NnunetTVError("nnUNet_n_proc_DA is 0, with which nnU-Net's planner fails: export nnUNet_n_proc_DA=1")
    if "converted_by" in read_json(raw / "dataset.json") and not (raw / "splits_final.json").is_file():
        raise NnunetTVError(f"{raw} has no splits_final.json, so nnU-Net would draw a split of its own: its "
                            "conversion was interrupted or incomplete; run nnunet-tv-convert again")
    source, target = raw / "splits_final.json", preprocessed / "splits_final.json"
    differs = source.is_file() and target.is_file() and read_json(source) != read_json(target)
    if differs and not replace_split:
        raise NnunetTVError(
            f"{source} differs from {target}, with which models may have been trained; mixing the two can put test "
            "cases into training. To take the new split over, remove those models or keep them apart, and add "
            "--replace-split")


def copy_split(raw: Path, preprocessed: Path) -> None:
    """Copy the raw data set's split, without which nnU-Net would draw one of its own."""
    if (raw / "splits_final.json").is_file():
        with atomic(preprocessed / "splits_final.json") as temporary:
            shutil.copyfile(raw / "splits_final.json", temporary)


def _stock_plan(name: str, raw: Path, processes: int) -> None:
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    try:
        verify_dataset_integrity(str(raw), processes)
    except (AssertionError, FileNotFoundError, RuntimeError) as error:
        raise NnunetTVError(f"nnU-Net's integrity check refuses {raw}: {error} (details above). Convert the data set "
                            "again, or correct the files named") from error
    DatasetFingerprintExtractor(name, processes).run(overwrite_existing=True)
    ExperimentPlanner(name, plans_name=STOCK_PLANS).plan_experiment()  # copies dataset.json


def _name_outdated(preprocessed: Path, planned_now: str | None) -> None:
    """Warn of networks' plans that were made from the standard plan that has just been replaced."""
    for network in NETWORKS.values():
        path = preprocessed / f"{network.plans_name}.json"
        if path.is_file() and network.name != planned_now:
            log.warning("%s is of the plan before this one: write it again with --network %s", path, network.name)


def _preprocess(name: str, configurations: Sequence[str], processes: int) -> None:
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

    for configuration in configurations:
        DefaultPreprocessor(verbose=False).run(name, configuration, STOCK_PLANS, num_processes=processes)


def copy_references(raw: Path, preprocessed: Path) -> None:
    """Make ``gt_segmentations`` the labels of the raw data set; the validation after training reads them."""
    from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

    dataset_json = read_json(raw / "dataset.json")
    cases = get_filenames_of_train_images_and_targets(str(raw), dataset_json)
    target = preprocessed / "gt_segmentations"
    target.mkdir(parents=True, exist_ok=True)
    labels = {case + dataset_json["file_ending"]: Path(files["label"]) for case, files in cases.items()}
    for name, label in labels.items():
        with atomic(target / name) as temporary:
            shutil.copyfile(label, temporary)
    for path in target.iterdir():
        if path.name not in labels:
            path.unlink()
            log.info("Removed %s: no longer in the raw data set", path)
