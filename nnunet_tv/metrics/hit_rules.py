"""Hit rules: when a cluster is true, a lesion found and a subject detected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

#: Kinds of rules; the second and the fourth take a value.
ANY, OVERLAP, CENTER, DISTANCE = KINDS = ("any", "overlap", "center", "distance")
#: Rules of a report unless others are given: the primary one, and two that show how much it matters.
DEFAULT_HITS = ("any", "overlap:0.1", "distance:20")
#: Share by which a distance may exceed a limit: voxel sizes are often stored as float32.
ROUNDING = 1e-6
_FORMS = "any, overlap:0.1 (a share above 0, up to 1), center or distance:20 (mm)"


@dataclass(frozen=True)
class HitRule:
    """One rule; ``str(rule)`` is its text, in one spelling.

    A subject with a lesion is detected when at least one of its lesions is found.

    ================ ================================================= =======================================
    rule             a cluster is true when                            a lesion is found when
    ================ ================================================= =======================================
    ``any``          it shares a voxel with the reference              it shares a voxel with the prediction
    ``overlap:F``    at least the share F of its voxels are reference  at least the share F of its voxels are
                                                                       predicted, by all clusters together
    ``center``       its centre of mass is in the reference            it contains the centre of mass of a
                                                                       cluster
    ``distance:D``   a voxel of the reference is at most D mm away     a voxel of the prediction is at most
                                                                       D mm away
    ================ ================================================= =======================================

    The centre of mass is rounded to the nearest voxel; halfway between voxels, one of the nearest ones in the
    reference is enough, so that the result does not depend on the direction of the axes. Distances are between voxel
    centres, so 0 is a shared voxel.

    Examples
    --------
    >>> str(HitRule.parse("overlap:0.10"))
    'overlap:0.1'
    """

    kind: str  #: ``any``, ``overlap``, ``center`` or ``distance``
    value: float | None = None  #: share (0, 1] of ``overlap``, mm (from 0) of ``distance``

    def __post_init__(self):
        if self.kind not in KINDS or (self.kind in (OVERLAP, DISTANCE)) != (self.value is not None):
            raise ValueError(f"expected a hit rule {_FORMS}, found {self}")
        value = self.value or 0.0
        if self.kind == OVERLAP and not 0 < value <= 1:
            raise ValueError(f"expected a share above 0 and up to 1 in the hit rule, found {self}")
        if self.kind == DISTANCE and not 0 <= value < math.inf:
            raise ValueError(f"expected a distance in mm from 0 in the hit rule, found {self}")

    def __str__(self):
        return self.kind if self.value is None else f"{self.kind}:{self.value:g}"

    @classmethod
    def parse(cls, text: str | HitRule) -> HitRule:
        """Rule of a text such as ``overlap:0.1``; ValueError lists the forms."""
        if isinstance(text, HitRule):
            return text
        kind, colon, number = text.strip().partition(":")
        try:
            value = float(number) if colon else None
        except ValueError as error:
            raise ValueError(f"expected a hit rule {_FORMS}, found {text!r}") from error
        return cls(kind, value)

    def enough(self, overlap: int, voxels: int) -> bool:
        """Whether `overlap` of `voxels` voxels meets ``overlap:F``, in exact arithmetic."""
        return overlap > 0 and overlap >= Fraction(str(self.value)) * voxels

    @property
    def limit_mm(self) -> float:
        """Distance up to which ``distance:D`` is met, with room for rounding."""
        return (self.value or 0.0) * (1 + ROUNDING)


def parse_rules(rules: str | HitRule | Sequence[str | HitRule]) -> tuple[HitRule, ...]:
    """Rules in the order given, the first being the primary one; ValueError for none, or one given twice."""
    parsed = tuple(HitRule.parse(rule) for rule in ([rules] if isinstance(rules, (str, HitRule)) else rules))
    if not parsed:
        raise ValueError(f"expected at least one hit rule: {_FORMS}")
    if twice := sorted({str(rule) for rule in parsed if parsed.count(rule) > 1}):
        raise ValueError(f"hit rule {twice[0]} is given twice")
    return parsed
