"""One T1w and one FLAIR of what was found for a case, or an error that lists what was seen and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from nnunet_tv.intake.recognise import FLAIR, T1W, Verdict, recognise
from nnunet_tv.intake.series_metadata import Series
from nnunet_tv.utils.errors import CaseError

CHANNELS = (T1W, FLAIR)
_WORDS = {0: "none", 2: "two", 3: "three"}


@dataclass(frozen=True)
class ScanPair:
    """The pair of a case.

    Attributes
    ----------
    scans : dict of str to Series
        ``T1w`` and ``FLAIR``.
    reasons : dict of str to str
        Why each.
    notes : tuple of str
        What else looked like one and was not taken.
    """

    scans: dict[str, Series]
    reasons: dict[str, str]
    notes: tuple[str, ...] = ()


def choose_pair(case: str, candidates: Sequence[Series]) -> ScanPair:
    """The only T1w and the only FLAIR of `candidates`.

    Volumes (3D) are preferred to stacks of thick slices, and originals to copies such as ``T1_brain``; what
    was passed over is in the notes.

    Raises
    ------
    CaseError
        None or several of a kind. The message lists every candidate with the reason, and how to pin.
    """
    verdicts = [recognise(candidate.metadata) for candidate in candidates]
    scans, reasons, notes, problems = {}, {}, [], []
    for kind in CHANNELS:
        best, passed = _best(kind, candidates, verdicts)
        if len(best) == 1:
            scans[kind] = best[0][0]
            reasons[kind] = best[0][1].reason
            notes += [f"{candidate.label} looks like a {kind} too and was passed over (2D, or a copy)"
                      for candidate, _ in passed]
        else:
            problems.append(f"{_WORDS.get(len(best), len(best))} that {'is' if len(best) == 0 else 'are'} {kind}")
    if problems:
        raise CaseError(case, f"expected one T1w and one FLAIR, found {' and '.join(problems)}. Seen:\n"
                        f"{_listing(candidates, verdicts)}\n{how_to_pin(case, candidates, verdicts)}")
    return ScanPair(scans, reasons, tuple(notes))


def _best(
    kind: str, candidates: Sequence[Series], verdicts: Sequence[Verdict]
) -> tuple[list[tuple[Series, Verdict]], list[tuple[Series, Verdict]]]:
    fitting = [pair for pair in zip(candidates, verdicts, strict=True) if pair[1].kind == kind]
    lowest = min((verdict.rank for _, verdict in fitting), default=0)
    return ([pair for pair in fitting if pair[1].rank == lowest], [pair for pair in fitting if pair[1].rank > lowest])


def _listing(candidates: Sequence[Series], verdicts: Sequence[Verdict]) -> str:
    if not candidates:
        return "    nothing"
    lines = []
    for candidate, verdict in zip(candidates, verdicts, strict=True):
        names = "" if not candidate.is_dicom or not candidate.metadata.texts else f" {candidate.metadata.texts[0]!r}"
        told = candidate.metadata.summary()
        lines.append(f"    {candidate.label}{names}: {verdict.kind}: {verdict.reason}{f' ({told})' if told else ''}")
    return "\n".join(lines)


def how_to_pin(case: str, candidates: Sequence[Series], verdicts: Sequence[Verdict]) -> str:
    """What to type to choose by hand."""
    pair = _example([verdict.kind for verdict in verdicts])
    example = f" (such as --pair '{','.join([case, *(candidates[n].label for n in pair)])}')" if pair else ""
    return (f"    If two scans are the right ones, say which: --pair {case},T1,FLAIR{example}, or a row "
            "`case t1 flair` in a tab-separated table: --pairs TABLE")


def _example(kinds: Sequence[str]) -> tuple[int, ...]:
    """Two candidates to show; none where a T1w would stand in the FLAIR's place or a FLAIR in the T1w's."""
    fitting = [(t1, flair) for t1, flair in permutations(range(len(kinds)), 2)
               if kinds[t1] != FLAIR and kinds[flair] != T1W]
    return max(fitting, key=lambda pair: (kinds[pair[0]] == T1W) + (kinds[pair[1]] == FLAIR), default=())
