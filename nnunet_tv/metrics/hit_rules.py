"""Hit rules: when a cluster counts as true, when a lesion is found, when a subject is detected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

#: Kinds of rules, and whether each takes a value.
ANY, OVERLAP, CENTER, DISTANCE = "any", "overlap", "center", "distance"
_VALUED = {ANY: False, OVERLAP: True, CENTER: False, DISTANCE: True}
#: Share by which a distance may pass a limit: voxel sizes are often stored as float32.
ROUNDING = 1e-6
_FORMS = "any, overlap:0.1 (a share above 0, up to 1), center or distance:20 (mm)"


@dataclass(frozen=True)
class HitRule:
    """One rule; ``str(rule)`` is the text it was parsed from, in one spelling.

    A subject with a lesion is detected when at least one of its lesions is found.

    ================ ================================================= =======================================
    rule             a cluster is true when                            a lesion is found when
    ================ ================================================= =======================================
    ``any``          it shares a voxel with the reference              it shares a voxel with the prediction
    ``overlap:F``    at least the share F of its voxels are reference  at least the share F of its voxels are
                                                                       predicted, by all clusters together
    ``center``       its centre of mass lies in the reference          it contains the centre of mass of a
                                                                       cluster
    ``distance:D``   a voxel of the reference is at most D mm away     a voxel of the prediction is at most
                                                                       D mm away
    ================ ================================================= =======================================

    The centre of mass is taken to the nearest voxel; halfway between voxels, one of the nearest ones in the
    reference is enough, so that the answer does not depend on the direction of the axes. Distances are between
    voxel centres, so 0 is a shared voxel.

    Attributes
    ----------
    kind : {"any", "overlap", "center", "distance"}
    value : float or None
        Share (0, 1] of ``overlap``, mm (from 0) of ``distance``.

    Examples
    --------
    >>> str(HitRule.parse("overlap:0.10"))
    'overlap:0.1'
    """

    kind: str
    value: float | None = None

    def __post_init__(self):
        if self.kind not in _VALUED or _VALUED[self.kind] != (self.value is not None):
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
        """Rule of a text such as ``overlap:0.1``; ValueError names the forms there are."""
        if isinstance(text, HitRule):
            return text
        kind, colon, value = text.strip().partition(":")
        try:
            return cls(kind, float(value) if colon else None)
        except ValueError as error:
            if str(error).startswith("expected a "):
                raise
            raise ValueError(f"expected a hit rule {_FORMS}, found {text!r}") from error

    def enough(self, overlap: int, voxels: int) -> bool:
        """Whether `overlap` of `voxels` voxels meets ``overlap:F``, in exact arithmetic."""
        return overlap > 0 and overlap >= Fraction(str(self.value)) * voxels

    @property
    def limit_mm(self) -> float:
        """Distance up to which ``distance:D`` is met, with room for rounding."""
        return (self.value or 0.0) * (1 + ROUNDING)


def parse_rules(rules: Sequence[str | HitRule]) -> tuple[HitRule, ...]:
    """Rules in the order given, the first being the primary one.

    Raises
    ------
    ValueError
        None at all, one twice, or a text that is no rule.
    """
    parsed = tuple(HitRule.parse(rule) for rule in ([rules] if isinstance(rules, (str, HitRule)) else rules))
    if not parsed:
        raise ValueError(f"expected at least one hit rule: {_FORMS}")
    twice = sorted({str(rule) for rule in parsed if parsed.count(rule) > 1})
    if twice:
        raise ValueError(f"hit rule {twice[0]} is given twice")
    return parsed
