"""The QC page of a preparation: all cases, those to be checked first at the top."""

from collections.abc import Mapping, Sequence
from statistics import median

from nnunet_tv.imaging.drawing import CONVENTION
from nnunet_tv.utils.case_outcome import CaseOutcome
from nnunet_tv.utils.html import render

#: A number is marked when it is this many robust standard deviations (scaled median absolute deviations) off.
UNUSUAL = 4.0
#: Fewest cases among which a number can be unusual.
FEWEST_CASES = 6


def qc_page(outcomes: Sequence[CaseOutcome], *, registration: str) -> str:
    """HTML page: failed cases, then flagged, then unusual, then the others, and at last the numbers of all.

    Pictures are ``qc/CASE.png`` beside it.
    """
    prepared = [outcome for outcome in outcomes if not outcome.problem]
    found = unusual_numbers({outcome.case: outcome.metrics for outcome in prepared})
    unusual = {outcome.case: found.get(outcome.case, {}) for outcome in prepared}
    prepared.sort(key=lambda one: (not one.flags, -len(unusual[one.case]), one.case))
    review = [one for one in prepared if one.flags or unusual[one.case]]
    return render(
        "qc.html.j2", registration=registration, failed=[outcome for outcome in outcomes if outcome.problem],
        prepared=prepared, review=review, others=prepared[len(review):],
        metrics=list(dict.fromkeys(name for one in prepared for name in one.metrics)),
        unusual=unusual, convention=CONVENTION)


def unusual_numbers(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return the numbers far from the median of all cases: by case and name, the distance in robust sigmas.

    Nothing is unusual among fewer than :data:`FEWEST_CASES`, or where more than half are equal.
    """
    result: dict[str, dict[str, float]] = {}
    for name in sorted({name for numbers in metrics.values() for name in numbers}):
        values = {case: numbers[name] for case, numbers in metrics.items() if name in numbers}
        if len(values) < FEWEST_CASES:
            continue
        middle = median(values.values())
        spread = 1.4826 * median(abs(value - middle) for value in values.values())
        for case, value in values.items():
            if spread > 0 and abs(value - middle) > UNUSUAL * spread:
                result.setdefault(case, {})[name] = (value - middle) / spread
    return result
