"""The T1w and the FLAIR among the scans of a case, or an error that lists every scan with the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

from nnunet_tv.intake.exclusions import CONTRAST_AGENT
from nnunet_tv.intake.recognise import FLAIR, T1W, Verdict, header_only, recognise
from nnunet_tv.intake.series_metadata import Series
from nnunet_tv.utils.errors import CaseError

CHANNELS = (T1W, FLAIR)
_NUMBERS = {0: "none", 2: "two", 3: "three"}


@dataclass(frozen=True)
class ScanPair:
    """The two scans of a case, by channel (``T1w``, ``FLAIR``)."""

    scans: dict[str, Series]
    reasons: dict[str, str]  #: why each was chosen
    notes: tuple[str, ...] = ()  #: scans of the same kind that were not chosen
    flags: tuple[str, ...] = ()  #: doubts, mostly about a pair chosen by hand
    names: dict[str, str] = field(default_factory=dict)  #: names of the scans in tables, by channel


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
    return ScanPair(chosen, reasons, tuple(notes), after_contrast_agent(chosen[T1W], scans))


def after_contrast_agent(t1w: Series, scans: Sequence[Series]) -> tuple[str, ...]:
    """A flag where the T1w was acquired after one of `scans` with contrast agent, and is thus enhanced too."""
    before = [scan.label for scan in scans if "" < scan.metadata.acquired < t1w.metadata.acquired
              and recognise(scan.metadata).reason.startswith(CONTRAST_AGENT)]
    if not before:
        return ()
    return (f"{t1w.label} (T1w) was acquired after {', '.join(before)}, which is with contrast agent: it may be with "
            "contrast agent too",)


def check_pair(case: str, scans: Mapping[str, Series]) -> ScanPair:
    """The pair that a person chose, with flags where the metadata of a scan are not of its channel.

    A :class:`CaseError` is raised for the same scan twice, and for a series whose slices cannot be placed.
    """
    first, second = scans.values()
    if first.files == second.files:
        raise CaseError(case, f"the pair names {first.label} as T1w and as FLAIR: name two scans")
    flags = []
    for kind, scan in scans.items():
        if scan.metadata.fault:
            raise CaseError(case, f"{scan.label} ({kind}): {scan.metadata.fault}: without them sides and order of the "
                            "slices would be guessed; export the series again, as the scanner wrote it")
        verdicts = recognise(header_only(scan.metadata)), recognise(scan.metadata)
        if other := next((one for one in verdicts if one.kind in CHANNELS and one.kind != kind), None):
            flags.append(f"{scan.label} was chosen by hand as {kind}, but seems to be a {other.kind} "
                         f"({other.reason}): are the two swapped?")
        elif kind not in verdicts[1].possible:
            flags.append(f"{scan.label} was chosen by hand as {kind}, but its name or header does not fit: "
                         f"{verdicts[1].reason}")
    return ScanPair(dict(scans), dict.fromkeys(CHANNELS, "chosen by hand"), flags=tuple(flags))


def _seen(scans: Sequence[Series], verdicts: Sequence[Verdict]) -> str:
    lines = []
    for scan, verdict in zip(scans, verdicts, strict=True):
        name = f" {scan.metadata.names[0]!r}" if scan.is_dicom and scan.metadata.names else ""
        summary = scan.metadata.summary()
        lines.append(f"    {scan.label}{name}: {verdict.kind}: {verdict.reason}{f' ({summary})' if summary else ''}")
    return "\n".join(lines) or "    nothing"


def _advice(case: str, scans: Sequence[Series], verdicts: Sequence[Verdict]) -> str:
    """How to choose by hand; the example has one scan that was recognised, and another that can be its partner."""
    pairs = [(t1, flair) for t1, flair in permutations(range(len(scans)), 2)
             if T1W in verdicts[t1].possible and FLAIR in verdicts[flair].possible
             and (verdicts[t1].kind == T1W or verdicts[flair].kind == FLAIR)]
    best = max(pairs, key=lambda pair: (verdicts[pair[0]].kind == T1W) + (verdicts[pair[1]].kind == FLAIR), default=())
    example = f" (such as --pair '{','.join([case, *(scans[n].label for n in best)])}')" if best else ""
    return (f"    To choose two scans by hand: --pair {case},T1,FLAIR{example}, or a row "
            "`case t1 flair` in a tab-separated table: --pairs TABLE")
