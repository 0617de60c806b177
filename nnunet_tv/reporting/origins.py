"""Warnings on figures that carry no information about patients: models and references of synthetic data."""

from collections.abc import Sequence
from pathlib import Path

from nnunet_tv.inference.trained_on import TrainedOn
from nnunet_tv.scoring.runs import Run


def synthetic_warnings(reference: Path, runs: Sequence[Run]) -> list[str]:
    """A line for references of a synthetic data set, and one for each group whose model was trained on one.

    Read from the ``dataset.json`` that nnU-Net leaves beside predictions, in the model folder and over its
    references; where there is none, nothing is known and nothing stated.
    """
    warnings = []
    tested = TrainedOn.of_folder(reference.resolve().parent)
    if tested is not None and tested.synthetic:
        name = f" ({tested.data_set})" if tested.data_set else ""
        warnings.append(f"Synthetic references{name}: the figures carry no information about patients.")
    for group in dict.fromkeys(run.group for run in runs):
        folders = [folder for run in runs if run.group == group for folder in run.folders()]
        found = {origin.warning for folder in folders
                 # of a prediction, or of the model folder that holds fold_k/validation
                 for place in (folder, folder.resolve().parent.parent) if (origin := TrainedOn.of_folder(place))}
        warnings += [f"{group}: {warning}" for warning in sorted(found) if warning]
    return warnings
