"""Uncertainty and comparison. Subjects are the unit of analysis; the runs of a subject are averaged first."""

from nnunet_tv.reporting.statistics.bootstrap import (
    RESAMPLES,
    bootstrap,
    mean_interval,
    resampled_means,
    unit_mean_interval,
)
from nnunet_tv.reporting.statistics.clusters import cluster_share, pooled_share
from nnunet_tv.reporting.statistics.exact import clopper_pearson, poisson_rate, rate_interval, share_interval
from nnunet_tv.reporting.statistics.interval import LEVEL, TAILS, Interval
from nnunet_tv.reporting.statistics.paired import PairedDifference, holm, paired_difference
from nnunet_tv.reporting.statistics.subjects import auc, auc_interval, mean_of_shares
from nnunet_tv.reporting.statistics.trainings import difference_of_trainings

__all__ = ["LEVEL", "RESAMPLES", "TAILS", "Interval", "PairedDifference", "auc", "auc_interval", "bootstrap",
           "clopper_pearson", "cluster_share", "difference_of_trainings", "holm", "mean_interval", "mean_of_shares",
           "paired_difference", "poisson_rate", "pooled_share", "rate_interval", "resampled_means", "share_interval",
           "unit_mean_interval"]
