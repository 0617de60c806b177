"""Measures (pure functions of arrays) -> folders -> tables -> report."""

from nnunet_tv.evaluation.folders import Run, Scores, score_controls, score_folders
from nnunet_tv.evaluation.hits import HitRule
from nnunet_tv.evaluation.measures import score_case
from nnunet_tv.evaluation.model_folder import ModelRuns, model_runs
from nnunet_tv.evaluation.scores import (
    Candidates,
    CaseRow,
    CaseScore,
    ClusterScore,
    HitCounts,
    LesionScore,
    LostLesions,
)

__all__ = ["Candidates", "CaseRow", "CaseScore", "ClusterScore", "HitCounts", "HitRule", "LesionScore", "LostLesions",
           "ModelRuns", "Run", "Scores", "model_runs", "score_case", "score_controls", "score_folders"]
