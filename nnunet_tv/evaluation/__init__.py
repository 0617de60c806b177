"""Measures (pure functions of arrays) -> folders -> tables -> report."""

from nnunet_tv.evaluation.folders import Run, Scores, score_folders
from nnunet_tv.evaluation.measures import CaseScore, score_case

__all__ = ["CaseScore", "Run", "Scores", "score_case", "score_folders"]
