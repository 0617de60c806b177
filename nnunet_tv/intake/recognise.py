"""Which scan is a T1w, which a FLAIR, which neither: from what the header records, timing and names.

Exclusions (a mask, a localiser, a reformat, with contrast agent) come first, then names and timing. A name that
contradicts the header makes a scan neither of the two, as does a file name that contradicts the names in the header. A
pair chosen by hand overrides all of this.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from nnunet_tv.intake.exclusions import exclusions, normal, words
from nnunet_tv.intake.series_metadata import SeriesMetadata

T1W, FLAIR, OTHER = "T1w", "FLAIR", "other"
#: Ranks of scans of one kind; the lowest number wins.
VOLUMETRIC, SLICES, COPY = 0, 1, 2
#: Thicker slices than this are two-dimensional, whatever the header records.
THICKEST_MM = 2.5
_LONG_INVERSION_MS, _LONG_ECHO_MS = 1400.0, 60.0
#: Inversion times of T1w scans: MPRAGE, and the T1w inversion recovery that is called "T1 FLAIR".
_T1_INVERSION_MS = (500.0, 1300.0)
#: Longest echo of a T1w, of a spin echo and of a gradient echo.
_T1_ECHO_MS, _T1_GRADIENT_ECHO_MS = 40.0, 15.0

_COPY = words("brain", "bet", "ss", "skull_?strip(?:ped)?", "masked", "crop(?:ped)?", "n4", "bias_?corrected",
              "denoised")
_FLAIR = re.compile(r"flair|spcir|spc_ir|space_ir|dark_?fluid|da_fl(?![a-z])")
_FLAIR_IF_TIMED = re.compile(r"(?<![a-z0-9])(?:t2sel|tirm|tir2d|tir3d|tse3dvfl|tse_vfl|spc\w*|space|cube|vista)")
_T1 = re.compile(r"(?<![a-z0-9])(?:[23]d|3d_?|sag|cor|tra|ax|iso|s|w)?t1(?:w|wi|c|se|mpr|mprage|tfe|ffe|vibe|space|"
                 r"weighted|fl\w*|gre|spgr|iso|sag|cor|tra|ax|[23]d)?(?![a-z0-9])|t1_?mpr"
                 r"|mp2?rage|spgr|bravo|(?<![a-z0-9])(?:[23]d_?|turbo)?tfe(?![a-z])|tfl3d|(?<![a-z0-9])tfl(?![a-z])|mdeft"
                 r"|efgre3d|(?<![a-z])fl3d(?!\d*r)|(?<![a-z])vibe|(?<![a-z0-9])mpr(?![a-z0-9])"
                 r"|(?<![a-z0-9])uni(?:_?den)?(?![a-z0-9])|(?<![a-z0-9])unit1(?![a-z0-9])")
_UNI = re.compile(r"(?<![a-z0-9])(?:uni|unit1)(?:_?images?)?(?![a-z0-9])")
_DENOISED_UNI = re.compile(r"uni_?den")
_T2 = re.compile(r"(?<![a-z0-9])(?:[23]d|sag|cor|tra|ax)?t2(?!\d)")


@dataclass(frozen=True)
class Verdict:
    """Contrast that was recognised in a scan, with the reason."""

    kind: str  #: ``T1w``, ``FLAIR`` or ``other``
    reason: str  #: for messages
    rank: int = VOLUMETRIC  #: :data:`VOLUMETRIC`, :data:`SLICES` or :data:`COPY`
    possible: frozenset[str] = frozenset()  #: channels that nothing in names and header excludes


def recognise(metadata: SeriesMetadata) -> Verdict:
    """Classify a scan by its metadata."""
    if excluded := next(exclusions(metadata), ""):
        return Verdict(OTHER, excluded)
    named, reason = _by_name(metadata)
    timed, timing = _by_header(metadata)
    if named and (conflict := _conflict(named, metadata)):
        return Verdict(OTHER, f"{reason}, but {conflict}")
    if named == OTHER or (not named and reason and timed != FLAIR):
        return Verdict(OTHER, reason)
    if kind := named or timed:
        return Verdict(kind, reason if named else timing, _rank(metadata), frozenset({kind}))
    if timing:
        return Verdict(OTHER, timing)
    possible = frozenset(kind for kind in (T1W, FLAIR) if not _conflict(kind, metadata))
    return Verdict(OTHER, "neither its name nor its header indicates T1 or FLAIR", possible=possible)


def header_only(metadata: SeriesMetadata) -> SeriesMetadata:
    """The metadata without the names of file and folders."""
    return replace(metadata, names=metadata.header_names, folders=())


def _by_name(metadata: SeriesMetadata) -> tuple[str, str]:
    """Kind by file name and by the names in the header, and the reason.

    The kind is empty where the names have none, and ``other`` where those of file and header disagree.
    """
    own = (*metadata.file_names, *metadata.folders)
    found = [next(_kinds(names, metadata), ("", "")) for names in (own, metadata.header_names)]
    kinds = {kind for kind, _ in found if kind}
    if len(kinds) > 1:
        of_file, of_header = (f"a {kind} ({reason})" for kind, reason in found)
        return OTHER, f"the file is called as {of_file}, but its header describes {of_header}"
    return next((one for one in found if one[0]), next((one for one in found if one[1]), ("", "")))


def _kinds(names: tuple[str, ...], metadata: SeriesMetadata) -> Iterator[tuple[str, str]]:
    """Kind and reason of each name that has a contrast; an empty kind of a contrast that is neither."""
    echo, inversion = metadata.echo_ms or 0, metadata.inversion_ms or 0
    for name in map(normal, names):
        flair, t1, t2 = _FLAIR.search(name), _T1.search(name), _T2.search(name)
        timed = _FLAIR_IF_TIMED.search(name)
        if flair and t1:
            if inversion >= _LONG_INVERSION_MS and echo >= _LONG_ECHO_MS:
                yield FLAIR, f"the name contains {flair[0]!r}, the timing confirms it"
            elif _is_t1_inversion(inversion) and 0 < echo <= _T1_ECHO_MS:
                yield T1W, f"a T1w by inversion recovery: the name contains {t1[0]!r}, and TI {inversion:g} ms"
            else:
                yield "", f"the name contains both {t1[0]!r} and {flair[0]!r}"
        elif flair:
            yield FLAIR, f"the name contains {flair[0]!r}"
        elif timed and _by_header(metadata)[0] == FLAIR:
            yield FLAIR, f"the name contains {timed[0]!r}, and TI {inversion:g} ms"
        elif t1:
            yield T1W, f"the name contains {t1[0]!r}"
        elif t2:
            yield "", f"T2 without an inversion that makes it a FLAIR (the name contains {t2[0]!r})"


def _is_t1_inversion(inversion_ms: float | None) -> bool:
    return inversion_ms is not None and _T1_INVERSION_MS[0] <= inversion_ms <= _T1_INVERSION_MS[1]


def _by_header(metadata: SeriesMetadata) -> tuple[str, str]:
    """Kind by timing and sequence alone; an empty kind where they do not decide."""
    echo, repetition, inversion = metadata.echo_ms, metadata.repetition_ms, metadata.inversion_ms
    if echo is None:
        return "", ""
    times = f"TE {echo:g} ms{f', TI {inversion:g} ms' if inversion else ''}"
    if echo >= _LONG_ECHO_MS:
        if (inversion or 0) >= _LONG_INVERSION_MS or metadata.acquisition_contrast == "FLUID_ATTENUATED":
            return FLAIR, f"timing of a FLAIR ({times})"
        return "", f"T2-weighted, without a long inversion (TE {echo:g} ms)"
    spin_echo = "SE" in metadata.sequence and "GR" not in metadata.sequence
    if echo <= 8 and _is_t1_inversion(inversion) and metadata.acquisition != "2D" and not spin_echo:
        return T1W, f"timing of an MPRAGE ({times})"
    balanced = "SS" in metadata.variant and "SP" not in metadata.variant
    if (1.5 <= echo <= 6 and repetition and repetition <= 12 and metadata.acquisition == "3D" and not spin_echo
            and not balanced and (metadata.flip_deg or 0) <= 35):
        return T1W, f"timing of a 3D gradient echo (TE {echo:g} ms, TR {repetition:g} ms)"
    if echo <= _T1_ECHO_MS and _is_t1_inversion(inversion) and spin_echo and (repetition or 0) >= 1200:
        return T1W, f"timing of a T1w inversion recovery ({times})"
    if echo <= 25 and spin_echo and "IR" not in metadata.sequence and 300 <= (repetition or 0) <= 900:
        return T1W, f"timing of a T1w spin echo (TE {echo:g} ms, TR {repetition:g} ms)"
    if metadata.acquisition_contrast == "T1":
        return T1W, "AcquisitionContrast T1"
    return "", ""


def _conflict(kind: str, metadata: SeriesMetadata) -> str:
    """What in the header contradicts a kind; empty where nothing does."""
    echo, repetition, inversion = metadata.echo_ms, metadata.repetition_ms, metadata.inversion_ms
    gradient = "GR" in metadata.sequence and "SE" not in metadata.sequence
    if kind == T1W and echo is not None:
        if echo >= _LONG_ECHO_MS:
            flair = _by_header(metadata)[0] == FLAIR
            return f"TE {echo:g} ms{f' and TI {inversion:g} ms are' if flair and inversion else ' is'} not a T1w's"
        if gradient and echo > _T1_GRADIENT_ECHO_MS:
            return f"TE {echo:g} ms of a gradient echo is T2*-weighted"
        if echo > 25 and (repetition or 0) >= 1500 and not gradient and not inversion and metadata.sequence:
            return f"TE {echo:g} ms and TR {repetition:g} ms are not a T1w's"
    if kind == FLAIR and echo is not None and echo < 50:
        return f"TE {echo:g} ms is not a (T2-weighted) FLAIR's"
    if kind == FLAIR and inversion is not None and inversion < 1000:
        return f"TI {inversion:g} ms is not a FLAIR's"
    if kind == FLAIR and repetition is not None and repetition < 2000:
        return f"TR {repetition:g} ms is not a FLAIR's"
    if kind == FLAIR and gradient and "IR" not in metadata.sequence:
        return "a gradient echo is not a FLAIR"
    return ""


def _rank(metadata: SeriesMetadata) -> int:
    names = [normal(name) for name in metadata.names]
    if any(_COPY.search(normal(name)) for name in metadata.file_names[:1]):  # in a header "brain" is the body part
        return COPY
    if any(_UNI.search(name) for name in names) and not any(_DENOISED_UNI.search(name) for name in names):
        return SLICES  # noise outside of the head; a denoised or composed image is better
    thick = bool(metadata.spacing_mm) and max(metadata.spacing_mm) > THICKEST_MM
    return SLICES if thick or metadata.acquisition == "2D" else VOLUMETRIC
