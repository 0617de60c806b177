# The public names of the package and the modules that define them. nnunet_tv/__init__.py loads a name from here on
# first use; type checkers read this file in its place; ruff reports a name that is missing from __all__.
from nnunet_tv.conversion.case_table import write_case_table as table
from nnunet_tv.conversion.convert import convert_dataset as convert
from nnunet_tv.experiments.experiment import run_experiment as experiment
from nnunet_tv.inference.predict import PredictOptions, predict
from nnunet_tv.inference.published_model import import_published as import_weights
from nnunet_tv.inference.restore import restore_folder as restore
from nnunet_tv.losses import (
    AdaptiveTotalVariation,
    DiceAdaptiveTVLoss,
    DiceBCELoss,
    DiceFocalHausdorffDTLoss,
    DiceFocalLoss,
    DiceLoss,
    DiceTVLoss,
    FocalLoss,
    HausdorffDTLoss,
    PlusTV,
    TotalVariation,
    TverskyHausdorffDTLoss,
    TverskyLoss,
    WeightedSum,
)
from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.components import find_components
from nnunet_tv.metrics.distances import assd_mm, hd95_mm, masd_mm, nsd, surface_distances
from nnunet_tv.metrics.froc_candidates import find_candidates
from nnunet_tv.metrics.hit_rules import HitRule
from nnunet_tv.metrics.probability import average_precision
from nnunet_tv.planning.dataset import plan_dataset as plan
from nnunet_tv.postprocessing import ClusterFilter, remove_small_clusters
from nnunet_tv.preparation.alignment import RegistrationOptions
from nnunet_tv.preparation.prepare_folder import prepare_folder as prepare
from nnunet_tv.reporting.report import ReportOptions
from nnunet_tv.reporting.report import make_report as report
from nnunet_tv.scoring.case_scoring import ScoringOptions
from nnunet_tv.scoring.folders import score_folders as score
from nnunet_tv.scoring.runs import Run

__version__: str

__all__ = [
    "AdaptiveTotalVariation",
    "ClusterFilter",
    "DiceAdaptiveTVLoss",
    "DiceBCELoss",
    "DiceFocalHausdorffDTLoss",
    "DiceFocalLoss",
    "DiceLoss",
    "DiceTVLoss",
    "FocalLoss",
    "HausdorffDTLoss",
    "HitRule",
    "PlusTV",
    "PredictOptions",
    "RegistrationOptions",
    "ReportOptions",
    "Run",
    "ScoringOptions",
    "TotalVariation",
    "TverskyHausdorffDTLoss",
    "TverskyLoss",
    "WeightedSum",
    "assd_mm",
    "average_precision",
    "convert",
    "experiment",
    "find_candidates",
    "find_components",
    "hd95_mm",
    "import_weights",
    "masd_mm",
    "nsd",
    "plan",
    "predict",
    "prepare",
    "remove_small_clusters",
    "report",
    "restore",
    "score",
    "score_case",
    "surface_distances",
    "table",
]
