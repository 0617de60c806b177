"""The measures, one row each: cases.csv, every table, the comparison and the command read them from here.

A new measure is a function in a module of this package, a row below and a test. Functions are named by module, so
that the command's ``--help`` imports nothing heavy; their arguments are attributes of
:class:`nnunet_tv.metrics.case_metrics.MeasureInputs`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
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
#: Distance up to which surfaces agree, for NSD, unless another is given.
NSD_TOLERANCE_MM = 2.0
#: Text in place of a measure that an earlier report did not record.
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Measure:
    """One measure of a case."""

    key: str  #: column of cases.csv and key in report.json
    title: str  #: name in tables, without the unit
    function: str  #: ``MODULE.FUNCTION`` in :mod:`nnunet_tv.metrics`
    inputs: tuple[str, ...]  #: the function's arguments, attributes of ``MeasureInputs``
    definition: str = ""  #: one or two sentences for the notes of tables, with the value of empty masks
    unit: str = ""  #: such as ``mm``; empty for a ratio or a count
    at: str = ""  #: condition of the value, behind the title: as `definition` a template of the report's settings
    needs: tuple[str, ...] = ()  #: of ``lesion``, ``prediction``, ``distances`` and ``probabilities``
    #: Taken for an undefined value by penalised means; ``image diagonal`` for distances; None if never undefined.
    worst: float | str | None = 0.0
    higher_is_better: bool | None = True  #: None for a signed error, whose best value is 0
    interval: str = MEAN  #: how the interval over subjects is computed: mean, share or rate
    short: str = ""  #: name in Table 1, the comparison and ``--primary``
    in_table_one: bool = False
    pooled_with: str = ""  #: ``fn`` or ``fp``: Table 1 pools voxels over subjects, TP / (TP + this)
    endpoint: bool = False  #: whether groups are compared by it, and ``--primary`` takes it
    digits: int = 3  #: decimals in tables
    limits: tuple[float | None, float | None] = (None, None)  #: smallest and largest possible value; None for no limit

    def __post_init__(self) -> None:
        if (self.endpoint or self.in_table_one) and not self.short:
            raise ValueError(f"measure {self.key}: an endpoint, or a column of Table 1, needs a short name")

    def with_settings(self, settings: Mapping[str, Any]) -> "Measure":
        """The measure with the settings of a report filled in: the tolerance of NSD, the primary hit rule."""
        return replace(self, at=self.at.format_map(settings), definition=self.definition.format_map(settings))

    @property
    def name(self) -> str:
        """Title with the condition."""
        return f"{self.title} at {self.at}" if self.at else self.title

    @property
    def label(self) -> str:
        """Title with condition and unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def short_label(self) -> str:
        """Short name with condition and unit."""
        return self.label.replace(self.title, self.short, 1)

    @property
    def explanation(self) -> str:
        """Definition, the subjects to which the measure applies, and which values are good."""
        subjects = ("subjects with a lesion" if LESION in self.needs else
                    "subjects with a lesion or a prediction" if PREDICTION in self.needs else "all subjects")
        best = {True: "higher is better", False: "lower is better", None: "0 is best"}[self.higher_is_better]
        return f"{self.definition} Over {subjects}; {best}."

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


_RATIO = (0.0, 1.0)  # limits of a ratio
_VOLUMES = ("predicted_mm3", "reference_mm3")
_EMPTY = "1 where both masks are empty, 0 where one is."
_DISTANCE = "0 where both masks are empty, undefined where one is."
DICE = Measure(
    "dice", "Dice", "overlap.dice", ("tp", "fp", "fn"), needs=(LESION,), short="DC", in_table_one=True, endpoint=True,
    limits=_RATIO, definition="2·TP / (2·TP + FP + FN) of voxels. 0 for an empty prediction.")
DETECTED = Measure(
    "detected", "Detected", "lesion_counts.detected", ("n_lesions_found", "n_lesions"), needs=(LESION,),
    interval=SHARE, limits=_RATIO, short="sSens", in_table_one=True, endpoint=True,
    definition="1 where at least one lesion is found by the primary hit rule ({hits[0]}), else 0, as for an "
               "empty prediction.")
FALSE_CLUSTERS = Measure(
    "n_false_clusters", "False clusters", "lesion_counts.n_false_clusters", ("n_true_clusters", "n_clusters"),
    higher_is_better=False, interval=RATE, limits=(0.0, None), short="nFPC", in_table_one=True, endpoint=True,
    definition="Predicted clusters ({connectivity} neighbours) that are not true by the primary hit rule ({hits[0]}). "
               "0 for an empty prediction; without a lesion every cluster is false.")

#: In the order of tables and columns.
MEASURES = (
    Measure("sensitivity", "Sensitivity (voxels)", "overlap.sensitivity", ("tp", "fn"), needs=(LESION,), short="Sens",
            in_table_one=True, pooled_with="fn", limits=_RATIO,
            definition="Share of the subject's lesion voxels that are predicted. 0 for an empty prediction."),
    Measure("precision", "Precision (voxels)", "overlap.precision", ("tp", "fp"), needs=(PREDICTION,), short="Prec",
            in_table_one=True, pooled_with="fp", limits=_RATIO,
            definition="Share of the subject's predicted voxels that are lesion. Undefined for an empty prediction."),
    DICE,
    DETECTED,
    FALSE_CLUSTERS,
    Measure("f2", "F2", "overlap.f2", ("tp", "fp", "fn"), limits=_RATIO,
            definition=f"5·TP / (5·TP + 4·FN + FP) of voxels, which weights misses more than false alarms. {_EMPTY}"),
    *(Measure(f"{name}_mm", name.upper(), f"distances.{name}_mm", ("surface_distances",), unit="mm",
              needs=(DISTANCES,), worst=IMAGE_DIAGONAL, higher_is_better=False, limits=(0.0, None),
              definition=f"{text} {_DISTANCE}")
      for name, text in (
          ("hd95", "Larger of the two directed 95th percentiles of the distances between the surfaces."),
          ("masd", "Mean of the two directed mean distances between the surfaces."),
          ("assd", "Mean distance of all points of both surfaces to the other surface."))),
    Measure("nsd", "NSD", "distances.nsd", ("surface_distances", "nsd_tolerance_mm"), needs=(DISTANCES,),
            at="{nsd_tolerance_mm:g} mm", limits=_RATIO,
            definition=f"Share of the points of both surfaces that are at most {{nsd_tolerance_mm:g}} mm from the "
                       f"other surface. {_EMPTY}"),
    Measure("lesion_precision", "Precision (clusters)", "lesion_counts.lesion_precision",
            ("n_true_clusters", "n_clusters"), needs=(PREDICTION,), limits=_RATIO,
            definition="Share of the subject's clusters that are true by the primary hit rule ({hits[0]}); several "
                       "clusters in one lesion are all true. Undefined for an empty prediction."),
    Measure("lesion_recall", "Recall (lesions)", "lesion_counts.lesion_recall", ("n_lesions_found", "n_lesions"),
            needs=(LESION,), limits=_RATIO, interval=SHARE,
            definition="Share of the subject's lesions that are found by the primary hit rule ({hits[0]}); one cluster "
                       "may find several lesions. 0 for an empty prediction."),
    Measure("lesion_f1", "F1 (lesions, one to one)", "lesion_counts.lesion_f1",
            ("n_matched", "n_clusters", "n_lesions"), limits=_RATIO,
            definition="2·TP / (2·TP + FP + FN), where each cluster and each lesion counts once. TP: pairs of a "
                       "true cluster and a lesion that it finds on its own by the primary hit rule ({hits[0]}), in a "
                       "one-to-one matching with the most pairs; FP and FN: clusters and lesions without a partner. "
                       "Metrics Reloaded and panoptica count each once, too, but choose the pairs by a threshold of "
                       f"overlap (such as IoU 0.5), which gives other figures. {_EMPTY}"),
    Measure("volume_error_ml", "Volume error", "volume.volume_error_ml", _VOLUMES, unit="ml", worst=None,
            higher_is_better=None,
            definition="Predicted minus reference volume: above 0 where too much is predicted. In the mean, errors of "
                       "opposite sign cancel: read it with the absolute error. For an empty prediction minus the "
                       "lesion's volume."),
    Measure("absolute_volume_error_ml", "Volume error, absolute", "volume.absolute_volume_error_ml", _VOLUMES,
            unit="ml", worst=None, higher_is_better=False, limits=(0.0, None),
            definition="The volume error without its sign. For an empty prediction the lesion's volume, without a "
                       "lesion the predicted volume."),
    Measure("relative_volume_error", "Volume error, relative", "volume.relative_volume_error", _VOLUMES,
            needs=(LESION,), worst=None, higher_is_better=None, limits=(-1.0, None),
            definition="(Predicted − reference) / reference volume; errors of opposite sign cancel in the mean. −1 for "
                       "an empty prediction and without an upper limit, so that a few small lesions can govern the "
                       "mean."),
    Measure("absolute_relative_volume_error", "Volume error, relative and absolute",
            "volume.absolute_relative_volume_error", _VOLUMES, needs=(LESION,), worst=None, higher_is_better=False,
            limits=(0.0, None),
            definition="The relative volume error without its sign. 1 for an empty prediction."),
    Measure("average_precision", "Average precision", "probability.average_precision",
            ("probability", "reference"), needs=(LESION, PROBABILITIES), limits=_RATIO,
            definition="Area under the precision-recall curve of the subject's probabilities, which the filter does "
                       "not change. Undefined without probabilities."),
)
TABLE_ONE = tuple(measure for measure in MEASURES if measure.in_table_one)
#: Measures that are fields of a CaseScore; the others are in its ``measures``.
HEADLINE = tuple(measure for measure in MEASURES if measure.key in {field.name for field in fields(CaseScore)})
ENDPOINTS = {measure.short: measure for measure in MEASURES if measure.endpoint}


def leading(measures: Iterable[Measure], *names: str) -> list[Measure]:
    """`measures` with those of the short names first, in that order; the others follow in theirs."""
    return sorted(measures, key=lambda measure: names.index(measure.short) if measure.short in names else len(names))
