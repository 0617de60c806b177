"""Which scan is a T1w, which a FLAIR, which neither: from names, timing and what the header records.

Exclusions (a mask, a localiser, a reformat, with contrast agent) come first, then names, then timing. A name that
contradicts the timing makes a scan neither of the two. A pair chosen by hand overrides all of this.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nnunet_tv.intake.series_metadata import SeriesMetadata

T1W, FLAIR, OTHER = "T1w", "FLAIR", "other"
#: Ranks of scans of one kind; the lowest number wins.
VOLUMETRIC, SLICES, COPY = 0, 1, 2
#: A stack of fewer slices is a localiser, or misses most of the head.
FEWEST_SLICES = 12
#: Thicker slices than this are two-dimensional, whatever the header records.
THICKEST_MM = 2.5
_LONG_INVERSION_MS, _LONG_ECHO_MS = 1400.0, 60.0


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])" for pattern in patterns))


_EXCLUDED_NAMES = {
    "a mask or segmentation": _words(
        "roi", "rois", "masks?", "labels?", "lesions?", "[a-z]*seg", "segmentation", "gt", "c[123]t1.*", "aseg.*",
        "aparc.*", "(?:t1w|flair)_fcd(?:_prob|_std)?"),
    "a localiser": _words(
        "locs?", "[a-z0-9]*locali[sz]er[a-z0-9]*", "[a-z0-9]*scout[a-z0-9]*", "survey", "topogram",
        "(?:3|three)_?plane", "calibration", "asset_cal", "shim"),
    "diffusion": _words("dwi", "dti", "adc", "tracew?", "fa", "ep2d", "diff(?:usion)?", "hardi", "noddi"),
    "functional or perfusion": _words("bold", "fmri", "resting", "p?c?asl", "perf(?:usion)?", "dsc", "dce", "r?cb[fv]"),
    "angiography": _words("tof", "mra", "mrv", "[a-z0-9]*angio[a-z0-9]*"),
    "susceptibility, field or phase": _words("swi", "swan", "t2_?star", "field_?map(?:ping)?", "phase", "ph", "qsm"),
    "another contrast": _words(
        "pdw?", "ct", "pet", "stir", "psir", "mtr?", "inv_?[12]", "double_inversion", "t1_?map(?:ping)?",
        "t2_?map(?:ping)?", "t1_?rho"),
    "derived: a projection, reformat or subtraction": _words(
        "m(?:in)?ip", "range", "[a-z0-9]*reformat[a-z0-9]*", "rfmt", "subtr[a-z]*", "warped", "coreg(?:istered)?",
        "registered", "mni", "mprage.*_mpr", "mpr_.*_mpr"),
}
_CONTRAST = _words("gd", "[a-z0-9]*gado[a-z0-9]*", "gad", "post", "post_?contrast", "postgd", "ce", "km", "contrast",
                   "kontrast", r"\+c", r"c\+", "t1c", "enhanced")
_CONTRAST_PLUS = re.compile(r"\+(?:c|gd|km|contrast)?(?![a-z0-9])|(?<![a-z0-9])ce_(?:gad|gd)")
_NO_CONTRAST = _words("pre", "pre_?contrast", "non?_?contrast", "without", "without_contrast", "ohne", "nativ[e]?",
                      "no_?gd", "pre_?gd", "pre_?km", "post_?op(?:erative)?", "post_?surg(?:ery)?")
_COPY = _words("brain", "bet", "ss", "skull_?strip(?:ped)?", "masked", "crop(?:ped)?", "n4", "bias_?corrected",
               "denoised")
_FLAIR = re.compile(r"flair|spcir|spc_ir|space_ir|dark_?fluid|da_fl(?![a-z])")
_FLAIR_IF_TIMED = re.compile(r"(?<![a-z0-9])(?:t2sel|tirm|tse3dvfl|tse_vfl|spc\w*|space|cube|vista)")
_T1 = re.compile(r"(?<![a-z0-9])(?:[23]d|3d_?|sag|cor|tra|ax|iso|s|w)?t1(?:w|wi|c|se|mpr|mprage|tfe|ffe|vibe|space|"
                 r"weighted|fl\w*|gre|spgr|iso|sag|cor|tra|ax|[23]d)?(?![a-z0-9])|t1_?mpr"
                 r"|mp2?rage|spgr|bravo|(?<![a-z0-9])(?:[23]d_?|turbo)?tfe(?![a-z])|tfl3d|(?<![a-z0-9])tfl(?![a-z])|mdeft"
                 r"|efgre3d|(?<![a-z])fl3d|(?<![a-z])vibe|(?<![a-z0-9])mpr(?![a-z0-9])|(?<![a-z0-9])uni(?:_?den)?(?![a-z0-9])"
                 r"|(?<![a-z0-9])unit1(?![a-z0-9])")
_UNI = re.compile(r"(?<![a-z0-9])(?:uni|unit1)(?:_?images?)?(?![a-z0-9])")
_DENOISED_UNI = re.compile(r"uni_?den")
_T2 = re.compile(r"(?<![a-z0-9])(?:[23]d|sag|cor|tra|ax)?t2(?!\d)")
_EXCLUDED_IMAGE_TYPES = {
    "a localiser": ("LOCALIZER",),
    "derived: a reformat": ("MPR", "REFORMATTED", "CSA MPR", "CSA RESAMPLED"),
    "derived: a projection": ("MIP", "MNIP", "PROJECTION IMAGE"),
    "derived: a subtraction": ("SUBTRACTION",),
    "diffusion": ("ADC", "TRACEW", "FA", "DIFFUSION"),
    "a phase image": ("PHASE MAP",),
    "a screen shot": ("SCREEN SAVE",),
}


@dataclass(frozen=True)
class Verdict:
    """Contrast that was recognised in a scan, with the reason."""

    kind: str  #: ``T1w``, ``FLAIR`` or ``other``
    reason: str  #: for messages
    rank: int = VOLUMETRIC  #: :data:`VOLUMETRIC`, :data:`SLICES` or :data:`COPY`


def normal(text: str) -> str:
    """Lower case, words separated by ``_``: ``3D-FLAIR darkFluid`` becomes ``3d_flair_dark_fluid``; + stays."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z][a-z]|[A-Z]\d)", "_", text)
    return re.sub(r"[^a-z0-9+]+", "_", split.lower()).strip("_")


def recognise(metadata: SeriesMetadata) -> Verdict:
    """Classify a scan by its metadata."""
    names = [normal(name) for name in (*metadata.names, *metadata.folders)]
    excluded = next(_exclusions(metadata, names), "")
    if excluded:
        return Verdict(OTHER, excluded)
    kind, reason = _by_name(names, metadata)
    if not kind:
        kind, timing = _by_timing(metadata)
        reason = timing if kind else reason or timing or "neither its name nor its header indicates T1 or FLAIR"
    elif conflict := _conflict(kind, metadata):
        return Verdict(OTHER, f"{reason}, but {conflict}")
    return Verdict(kind, reason, _rank(metadata)) if kind else Verdict(OTHER, reason)


def _exclusions(metadata: SeriesMetadata, names: list[str]) -> Iterator[str]:
    """Reasons for which a scan is neither a T1w nor a FLAIR as acquired."""
    types, shape = metadata.image_type, metadata.shape
    size = "x".join(map(str, shape))
    if metadata.modality and metadata.modality.upper() != "MR":
        yield f"not MR but {metadata.modality}"
    for word in types:
        yield from (f"{what} (ImageType {word})" for what, words in _EXCLUDED_IMAGE_TYPES.items() if word in words)
    if {"DERIVED", "SECONDARY"} <= set(types):
        yield "derived from another series (ImageType DERIVED, SECONDARY)"
    if "P" in types[2:3] or "PHASE" in types:
        yield "a phase image (ImageType)"
    if metadata.orientations > 1:
        yield f"a localiser: slices in {metadata.orientations} directions"
    for name in names:
        found = ((what, pattern.search(name)) for what, pattern in _EXCLUDED_NAMES.items())
        yield from (f"{what} (the name contains {match[0]!r})" for what, match in found if match)
    if metadata.contrast_agent:
        yield f"with contrast agent ({metadata.contrast_agent})"
    for name in names:
        match = None if _NO_CONTRAST.search(name) else _CONTRAST.search(name) or _CONTRAST_PLUS.search(name)
        if match:
            yield f"with contrast agent (the name contains {match[0].strip('_')!r})"
    if len(shape) > 3:
        yield f"a series of {shape[3]} volumes (shape {size}); choose one volume of it"
    if len(shape) == 3 and min(shape) < FEWEST_SLICES:
        yield f"only {min(shape)} slices: a localiser, or a part of the head"
    if 0 < len(shape) < 3:
        yield f"a single picture of shape {size}"


def _by_name(names: list[str], metadata: SeriesMetadata) -> tuple[str, str]:
    """Kind by the first name that contains one, and the reason; an empty kind where none does."""
    echo, inversion = metadata.echo_ms or 0, metadata.inversion_ms or 0
    for name in names:
        flair, t1, t2 = _FLAIR.search(name), _T1.search(name), _T2.search(name)
        timed = _FLAIR_IF_TIMED.search(name)
        if flair and t1:
            if inversion >= _LONG_INVERSION_MS and echo >= _LONG_ECHO_MS:
                return FLAIR, f"the name contains {flair[0]!r}, the timing confirms it"
            return "", f"the name contains both {t1[0]!r} and {flair[0]!r}"
        if flair:
            return FLAIR, f"the name contains {flair[0]!r}"
        if timed and _by_timing(metadata)[0] == FLAIR:
            return FLAIR, f"the name contains {timed[0]!r}, and TI {inversion:g} ms"
        if t1:
            return T1W, f"the name contains {t1[0]!r}"
        if t2:
            return "", f"T2 without an inversion that makes it a FLAIR (the name contains {t2[0]!r})"
    return "", ""


def _by_timing(metadata: SeriesMetadata) -> tuple[str, str]:
    """Kind by echo, repetition and inversion time alone; an empty kind where they do not decide."""
    echo, repetition, inversion = metadata.echo_ms, metadata.repetition_ms, metadata.inversion_ms
    if echo is None:
        return "", ""
    if echo >= _LONG_ECHO_MS:
        if inversion and inversion >= _LONG_INVERSION_MS:
            return FLAIR, f"timing of a FLAIR (TE {echo:g} ms, TI {inversion:g} ms)"
        return "", f"T2-weighted, without a long inversion (TE {echo:g} ms)"
    if echo <= 8 and inversion and 500 <= inversion <= 1300 and metadata.acquisition != "2D":
        return T1W, f"timing of an MPRAGE (TE {echo:g} ms, TI {inversion:g} ms)"
    if echo <= 6 and repetition and repetition <= 12 and metadata.acquisition == "3D":
        return T1W, f"timing of a 3D gradient echo (TE {echo:g} ms, TR {repetition:g} ms)"
    return "", ""


def _conflict(kind: str, metadata: SeriesMetadata) -> str:
    echo, inversion = metadata.echo_ms, metadata.inversion_ms
    if kind == T1W and echo is not None and echo >= _LONG_ECHO_MS:
        return f"TE {echo:g} ms is not a T1w's"
    if kind == FLAIR and echo is not None and echo < 50:
        return f"TE {echo:g} ms is not a (T2-weighted) FLAIR's"
    if kind == FLAIR and inversion is not None and inversion < 1000:
        return f"TI {inversion:g} ms is not a FLAIR's"
    return ""


def _rank(metadata: SeriesMetadata) -> int:
    names = [normal(name) for name in metadata.names]
    if any(_COPY.search(name) for name in names[:1]):
        return COPY
    if any(_UNI.search(name) for name in names) and not any(_DENOISED_UNI.search(name) for name in names):
        return SLICES  # noise outside of the head; a denoised or composed image is better
    thick = bool(metadata.spacing_mm) and max(metadata.spacing_mm) > THICKEST_MM
    return SLICES if thick or metadata.acquisition == "2D" else VOLUMETRIC
