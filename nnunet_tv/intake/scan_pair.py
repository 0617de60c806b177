"""The T1w and the FLAIR among the scans of a case, or an error that lists every scan with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from nnunet_tv.intake.recognise import FLAIR, T1W, Verdict, recognise
from nnunet_tv.intake.series_metadata import Series
from nnunet_tv.utils.errors import CaseError

CHANNELS = (T1W, FLAIR)
_NUMBERS = {0: "none", 2: "two", 3: "three"}


@dataclass(frozen=True)
class ScanPair:
    """The two scans of a case, by channel (``T1w``, ``FLAIR``)."""

    scans: dict[str, Series]
    reasons: dict[str, str]  #: why each was chosen
    notes: tuple[str, ...] = ()  #: scans of the same kind that were not chosen; doubts about a pair chosen by hand


def choose_pair(case: str, scans: Sequence[Series]) -> ScanPair:
    """The only T1w and the only FLAIR of `scans`, or a :class:`CaseError`.

    Volumes (3D) are preferred to stacks of thick slices, and originals to copies such as ``T1_brain``.
    """
    verdicts = [recognise(scan.metadata) for scan in scans]
    chosen, reasons, notes, problems = {}, {}, [], []
    for kind in CHANNELS:
        fitting = [(scan, verdict) for scan, verdict in zip(scans, verdicts, strict=True) if verdict.kind == kind]
        lowest = min((verdict.rank for _, verdict in fitting), default=0)
        best = [(scan, verdict.reason) for scan, verdict in fitting if verdict.rank == lowest]
        if len(best) == 1:
            chosen[kind], reasons[kind] = best[0]
            notes += [f"{scan.label} seems to be a {kind} too and was not used (2D, or a copy)"
                      for scan, verdict in fitting if verdict.rank > lowest]
        else:
            problems.append(f"{_NUMBERS.get(len(best), len(best))} that {'are' if best else 'is'} {kind}")
    if problems:
        raise CaseError(case, f"expected one T1w and one FLAIR, found {' and '.join(problems)}. Seen:\n"
                        f"{_seen(scans, verdicts)}\n{_advice(case, scans, verdicts)}")
    return ScanPair(chosen, reasons, tuple(notes))


def _seen(scans: Sequence[Series], verdicts: Sequence[Verdict]) -> str:
    lines = []
    for scan, verdict in zip(scans, verdicts, strict=True):
        name = f" {scan.metadata.names[0]!r}" if scan.is_dicom and scan.metadata.names else ""
        summary = scan.metadata.summary()
        lines.append(f"    {scan.label}{name}: {verdict.kind}: {verdict.reason}{f' ({summary})' if summary else ''}")
    return "\n".join(lines) or "    nothing"


def _advice(case: str, scans: Sequence[Series], verdicts: Sequence[Verdict]) -> str:
    """How to choose by hand; the example never has a T1w in the FLAIR's place or a FLAIR in the T1w's."""
    kinds = [verdict.kind for verdict in verdicts]
    pairs = [(t1, flair) for t1, flair in permutations(range(len(kinds)), 2) if kinds[t1] != FLAIR
             and kinds[flair] != T1W]
    best = max(pairs, key=lambda pair: (kinds[pair[0]] == T1W) + (kinds[pair[1]] == FLAIR), default=())
    example = f" (such as --pair '{','.join([case, *(scans[n].label for n in best)])}')" if best else ""
    return (f"    To choose two scans by hand: --pair {case},T1,FLAIR{example}, or a row "
            "`case t1 flair` in a tab-separated table: --pairs TABLE")
