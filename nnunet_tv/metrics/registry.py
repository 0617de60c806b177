"""The measures, one row each: cases.csv, every table, the comparison and the command read them from here.

A new measure is a function in a module of this package, a row below and a test. Functions are named by module, so
that the command's ``--help`` imports nothing heavy; their arguments are attributes of
:class:`nnunet_tv.metrics.case_metrics.MeasureInputs`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from nnunet_tv.metrics.scores import CaseScore

#: What a measure needs. Without a lesion, or without lesion and prediction, a measure does not apply to a subject;
#: distances and probabilities may not have been measured.
LESION, PREDICTION, DISTANCES, PROBABILITIES = "lesion", "prediction", "distances", "probabilities"
#: Intervals over subjects: of a share (exact for one run), of a rate of events, of a mean.
SHARE, RATE, MEAN = "share", "rate", "mean"
#: Worst value of a distance: see :attr:`CaseScore.worst_mm`.
IMAGE_DIAGONAL = "image diagonal"
#: Text in place of a measure that an earlier report did not record.
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Measure:
    """One measure of a case."""

    key: str  #: column of cases.csv and key in report.json
    title: str  #: name in tables, without the unit
    function: str  #: ``MODULE.FUNCTION`` in :mod:`nnunet_tv.metrics`
    inputs: tuple[str, ...]  #: the function's arguments, attributes of ``MeasureInputs``
    unit: str = ""  #: such as ``mm``; empty for a ratio or a count
    needs: tuple[str, ...] = ()  #: of ``lesion``, ``prediction``, ``distances`` and ``probabilities``
    worst: float | str = 0.0  #: taken for an undefined value by penalised means; ``image diagonal`` for distances
    higher_is_better: bool = True
    interval: str = MEAN  #: how the interval over subjects is computed: mean, share or rate
    short: str = ""  #: name in Table 1, the comparison and ``--primary``
    in_table_one: bool = False
    pooled_with: str = ""  #: ``fn`` or ``fp``: Table 1 pools voxels over subjects, TP / (TP + this)
    endpoint: bool = False  #: whether groups are compared by it, and ``--primary`` takes it
    digits: int = 3  #: decimals in tables
    limits: tuple[float | None, float | None] = (0.0, 1.0)  #: smallest and largest possible value of a mean

    def __post_init__(self) -> None:
        if (self.endpoint or self.in_table_one) and not self.short:
            raise ValueError(f"measure {self.key}: an endpoint, or a column of Table 1, needs a short name")

    @property
    def label(self) -> str:
        """Title with the unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def compute(self, inputs: Any) -> Any:
        """Value of a ``MeasureInputs``; None where undefined or not measured."""
        arguments = [getattr(inputs, name) for name in self.inputs]
        if any(argument is None for argument in arguments):  # neither distances nor probabilities
            return None
        module, name = self.function.split(".")
        return getattr(import_module(f"nnunet_tv.metrics.{module}"), name)(*arguments)

    def recorded(self, score: CaseScore) -> bool:
        """Whether a score has the measure, defined or not; scores of earlier versions may lack it."""
        return hasattr(score, self.key) or self.key in score.measures

    def applies(self, score: CaseScore) -> bool:
        """Whether the subject has what the measure needs."""
        if LESION in self.needs:
            return score.n_lesions > 0
        return PREDICTION not in self.needs or score.n_lesions > 0 or score.n_clusters > 0

    def value(self, score: CaseScore) -> float | None:
        """Value of a score; None where undefined, not recorded, or without the lesion that it needs."""
        return None if LESION in self.needs and not score.n_lesions else self.stored(score)

    def stored(self, score: CaseScore) -> float | None:
        """Value as it is stored: Dice is 1 or 0 without a lesion."""
        return getattr(score, self.key) if hasattr(score, self.key) else score.measures.get(self.key)

    def penalised(self, score: CaseScore) -> float | None:
        """As :meth:`value`, with the worst value where it is undefined but applies."""
        value = self.value(score)
        if value is None and self.applies(score):
            return score.worst_mm if isinstance(self.worst, str) else self.worst
        return value


_COUNTS = ("n_true_clusters", "n_clusters", "n_lesions_found", "n_lesions")
DICE = Measure("dice", "Dice", "overlap.dice", ("tp", "fp", "fn"), needs=(LESION,), short="DC", in_table_one=True,
               endpoint=True)
DETECTED = Measure("detected", "Detected", "lesion_counts.detected", ("n_lesions_found", "n_lesions"), needs=(LESION,),
                   interval=SHARE, short="sSens", in_table_one=True, endpoint=True)
FALSE_CLUSTERS = Measure("n_false_clusters", "False clusters", "lesion_counts.n_false_clusters",
                         ("n_true_clusters", "n_clusters"), higher_is_better=False, interval=RATE, short="nFPC",
                         in_table_one=True, endpoint=True)

#: In the order of tables and columns.
MEASURES = (
    Measure("sensitivity", "Sensitivity (voxels)", "overlap.sensitivity", ("tp", "fn"), needs=(LESION,), short="Sens",
            in_table_one=True, pooled_with="fn"),
    Measure("precision", "Precision (voxels)", "overlap.precision", ("tp", "fp"), needs=(PREDICTION,), short="Prec",
            in_table_one=True, pooled_with="fp"),
    DICE,
    DETECTED,
    FALSE_CLUSTERS,
    Measure("f2", "F2", "overlap.f2", ("tp", "fp", "fn")),
    *(Measure(f"{name}_mm", name.upper(), f"distances.{name}_mm", ("surface_distances",), unit="mm",
              needs=(DISTANCES,), worst=IMAGE_DIAGONAL, higher_is_better=False,
              limits=(0.0, None)) for name in ("hd95", "masd", "assd")),
    Measure("nsd", "NSD", "distances.nsd", ("surface_distances", "nsd_tolerance_mm"), needs=(DISTANCES,)),
    Measure("lesion_precision", "Precision (clusters)", "lesion_counts.lesion_precision", _COUNTS[:2],
            needs=(PREDICTION,)),
    Measure("lesion_recall", "Recall (lesions)", "lesion_counts.lesion_recall", _COUNTS[2:], needs=(LESION,)),
    Measure("lesion_f1", "F1 (lesions, one to one)", "lesion_counts.lesion_f1",
            ("n_matched", "n_clusters", "n_lesions")),
    Measure("average_precision", "Average precision", "average_precision.average_precision",
            ("probability", "reference"), needs=(LESION, PROBABILITIES)),
)
TABLE_ONE = tuple(measure for measure in MEASURES if measure.in_table_one)
#: Figures of Table 1 as they are: attributes of a CaseScore. The table of all measures has the others.
HEADLINE = tuple(measure for measure in TABLE_ONE if not measure.pooled_with)
ENDPOINTS = {measure.short: measure for measure in MEASURES if measure.endpoint}


def leading(measures: Iterable[Measure], *names: str) -> list[Measure]:
    """`measures` with those of the short names first, in that order; the others follow in theirs."""
    return sorted(measures, key=lambda measure: names.index(measure.short) if measure.short in names else len(names))
