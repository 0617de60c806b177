"""Redraws: what was changed after scoring, and the warning if it is a choice that is made before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnunet_tv.reporting.record import Record

#: Settings that are to be chosen before the results are seen.
CHOICES = {"primary": "Primary endpoint", "seed": "Seed"}
_ADVICE = {"primary": "The results were there before the choice: read its comparison as exploratory.",
           "seed": "The results were there before the choice: intervals and p values should not depend on it."}


@dataclass(frozen=True)
class Change:
    """A setting before and after a redraw."""

    before: Any
    after: Any


@dataclass(frozen=True)
class Redraw:
    """Tables of an earlier report made again, without scoring."""

    date: str  #: ISO 8601, UTC
    command: tuple[str, ...]  #: empty if made from Python
    version: str  #: of nnunet-tv
    changes: dict[str, Change] = field(default_factory=dict)  #: by setting; a table of participants is one, too

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Redraw:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        return cls(content["date"], tuple(content["command"]), content["version"],
                   {name: Change(**change) for name, change in content["changes"].items()})

    def described(self) -> list[str]:
        """The changes in words, such as ``primary: DC → sSens``."""
        return [f"{name}: {_text(change.before)} → {_text(change.after)}" for name, change in self.changes.items()]


def choice_warnings(record: Record) -> list[str]:
    """Warnings on each of :data:`CHOICES` that is not as it was when scored."""
    warnings = []
    for name, title in CHOICES.items():
        value = record.settings[name]
        first = record.meta.get("when_scored", {}).get(name, value)
        if value == first:
            continue
        steps = [f"to {redraw.changes[name].after} on {redraw.date[:10]}" for redraw in record.redraws
                 if name in redraw.changes]
        how = (f"changed {', '.join(steps)} by {'a redraw' if len(steps) == 1 else 'redraws'}." if steps else
               f"changed to {value}, which no redraw records.")
        warnings.append(f"{title} when scored: {first}; {how} {_ADVICE[name]}")
    return warnings


def _text(value: Any) -> str:
    if isinstance(value, Mapping):  # a file
        return f"{value['file']} (SHA-256 {value['sha256'][:12]}…)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    return "(none)" if value in (None, "") else str(value)
