"""What a curve is; detection against lesion size, and its table."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.metrics.registry import DETECTED
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import Interval, share_interval
from nnunet_tv.reporting.tables.table import Table

#: Bootstrap resamples of a band.
BAND_RESAMPLES = 2000
#: Fewest subjects per size class, and most classes.
CLASS_SUBJECTS, MOST_CLASSES = 5, 4


@dataclass(frozen=True)
class Curve:
    """A curve of a group with its confidence band."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    grid: tuple[float, ...]
    low: tuple[float, ...]  #: bounds of y at x = `grid`
    high: tuple[float, ...]
    n: int  #: number of subjects
    n_lesion: int  #: of those with a lesion
    marks: tuple[tuple[str, float, float], ...] = ()  #: operating points of the segmentations: name, x, y


def by_case(candidates: Sequence[FrocCandidates], group: str) -> dict[str, list[FrocCandidates]]:
    """Return the candidates of one group: case to its runs."""
    ours = [one for one in candidates if one.group == group]
    return {case: [one for one in ours if one.case == case] for case in dict.fromkeys(one.case for one in ours)}


@dataclass(frozen=True)
class SizeClass:
    """Subjects with lesions of similar size."""

    low_mm3: float  #: limits of the reference's volume
    high_mm3: float
    share: Interval  #: detected


def detection_by_size(group: GroupStage, *, seed: int = 0) -> list[SizeClass]:
    """Return the share of subjects detected in up to four classes of equal number, by the volume of the reference."""
    shares = group.subjects(DETECTED.value)
    sizes = {case: group.scores[case][0].reference_mm3 for case in shares if group.scores[case][0].n_lesions}
    ordered = sorted(sizes, key=lambda case: (sizes[case], case))
    number = max(1, min(MOST_CLASSES, len(ordered) // CLASS_SUBJECTS))
    classes = []
    for start, end in pairwise(round(len(ordered) * part / number) for part in range(number + 1)):
        if cases := ordered[start:end]:
            # In the order of all other tables, so that the same subjects have the same draws and the same interval.
            inside = [share for case, share in shares.items() if case in cases]
            classes.append(SizeClass(sizes[ordered[start]], sizes[ordered[end - 1]],
                                     share_interval(inside)))
    return classes


def size_table(groups: Sequence[GroupStage], *, seed: int = 0) -> Table:
    """Return the detection by lesion size, for all groups."""
    return Table(
        "detection-by-size", "Detection against lesion size",
        ("Group", "Stage", "From (mm³)", "To (mm³)", "Detected share of subjects"),
        tuple((group.group, group.stage, part.low_mm3, part.high_mm3, part.share)
              for group in groups for part in detection_by_size(group, seed=seed)),
        digits={"From (mm³)": 0, "To (mm³)": 0},
        notes=(f"Subjects with a lesion in up to {MOST_CLASSES} classes of equal number (at least {CLASS_SUBJECTS} "
               "subjects each, if there are as many) by the volume of the whole reference. Intervals as for sSens.",),
    )
