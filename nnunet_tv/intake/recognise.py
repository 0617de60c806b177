"""Which scan is a T1w, which a FLAIR, which neither: by names, timing and what the header says of its making.

Pure functions of a :class:`.SeriesMetadata`. The order matters: what a scan is not (a mask, a
localiser, a reformat, with contrast agent) is asked first, then what it is. A name that disagrees with the
timing is neither: somebody mixed something up. What is refused can always be pinned by a person.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nnunet_tv.intake.series_metadata import SeriesMetadata

T1W, FLAIR, OTHER = "T1w", "FLAIR", "other"
#: Preferred first. Of a lower rank only what nothing of a higher one competes with is taken.
VOLUMETRIC, SLICES, COPY = 0, 1, 2
#: A stack of fewer slices is a localiser, or misses most of the head.
FEWEST_SLICES = 12
#: Thicker slices than this are two-dimensional, whatever the header says.
THICKEST_MM = 2.5
_LONG_INVERSION_MS, _LONG_ECHO_MS = 1400.0, 60.0


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])" for pattern in patterns))


_NOT_WANTED = {
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
_BAD_TYPES = {"LOCALIZER": "a localiser", "MPR": "derived: a reformat", "MIP": "derived: a projection",
              "PROJECTION IMAGE": "derived: a projection", "REFORMATTED": "derived: a reformat",
              "MNIP": "derived: a projection", "ADC": "diffusion", "TRACEW": "diffusion", "FA": "diffusion",
              "DIFFUSION": "diffusion", "PHASE MAP": "a phase image", "SCREEN SAVE": "a screen shot",
              "CSA MPR": "derived: a reformat",
              "CSA RESAMPLED": "derived: a reformat", "SUBTRACTION": "derived: a subtraction"}


@dataclass(frozen=True)
class Verdict:
    """What a scan is taken for.

    Attributes
    ----------
    kind : str
        ``T1w``, ``FLAIR`` or ``other``.
    reason : str
        Why, for a person.
    rank : int
        :data:`VOLUMETRIC`, :data:`SLICES` or :data:`COPY`; only candidates of the best rank compete.
    """

    kind: str
    reason: str
    rank: int = VOLUMETRIC


def normal(text: str) -> str:
    """Lower case, words separated by ``_``: ``3D-FLAIR darkFluid`` becomes ``3d_flair_dark_fluid``; + stays."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z][a-z]|[A-Z]\d)", "_", text)
    return re.sub(r"[^a-z0-9+]+", "_", split.lower()).strip("_")


def recognise(facts: SeriesMetadata) -> Verdict:
    """What the scan is, and why.

    Parameters
    ----------
    facts : SeriesMetadata
        Names, timing, geometry.

    Returns
    -------
    Verdict
    """
    reason = _not_wanted(facts)
    if reason:
        return Verdict(OTHER, reason)
    kind, reason = _named(facts)
    timed, timing = _timed(facts)
    if not kind:
        if not timed:
            return Verdict(OTHER, reason or timing or "neither its name nor its header says T1 or FLAIR")
        return Verdict(timed, timing, _rank(facts))
    conflict = _conflict(kind, facts)
    return Verdict(OTHER, f"{reason}, but {conflict}") if conflict else Verdict(kind, reason, _rank(facts))


def _not_wanted(facts: SeriesMetadata) -> str:
    if facts.modality and facts.modality.upper() != "MR":
        return f"not MR but {facts.modality}"
    for word in facts.image_type:
        if word in _BAD_TYPES:
            return f"{_BAD_TYPES[word]} (ImageType {word})"
    if {"DERIVED", "SECONDARY"} <= set(facts.image_type):
        return "derived from another series (ImageType DERIVED, SECONDARY)"
    if "P" in facts.image_type[2:3] or "PHASE" in facts.image_type:
        return "a phase image (ImageType)"
    if facts.orientations > 1:
        return f"a localiser: slices in {facts.orientations} directions"
    for text in (*facts.texts, *facts.folders):
        for what, pattern in _NOT_WANTED.items():
            found = pattern.search(normal(text))
            if found:
                return f"{what} (the name says {found[0]!r})"
    return _with_contrast(facts) or _bad_shape(facts.shape)


def _with_contrast(facts: SeriesMetadata) -> str:
    if facts.contrast_agent:
        return f"with contrast agent ({facts.contrast_agent})"
    for text in (*facts.texts, *facts.folders):
        plain = normal(text)
        if _NO_CONTRAST.search(plain):
            continue
        found = _CONTRAST.search(plain) or _CONTRAST_PLUS.search(plain)
        if found:
            return f"with contrast agent (the name says {found[0].strip('_')!r})"
    return ""


def _bad_shape(shape: tuple[int, ...]) -> str:
    if len(shape) > 3:
        return f"a series of {shape[3]} volumes (shape {'x'.join(map(str, shape))}); choose one volume of it"
    if len(shape) == 3 and min(shape) < FEWEST_SLICES:
        return f"only {min(shape)} slices: a localiser, or a part of the head"
    if 0 < len(shape) < 3:
        return f"a single picture of shape {'x'.join(map(str, shape))}"
    return ""


def _named(facts: SeriesMetadata) -> tuple[str, str]:
    """Kind by the first text that says one, and the reason; an empty kind where none does."""
    for text in (*facts.texts, *facts.folders):
        plain = normal(text)
        flair, t1 = _FLAIR.search(plain), _T1.search(plain)
        if flair and t1:
            if facts.inversion_ms and facts.inversion_ms >= _LONG_INVERSION_MS and facts.echo_ms \
                    and facts.echo_ms >= _LONG_ECHO_MS:
                return FLAIR, f"the name says {flair[0]!r}, the timing confirms it"
            return "", f"the name says both {t1[0]!r} and {flair[0]!r}"
        if flair:
            return FLAIR, f"the name says {flair[0]!r}"
        timed = _FLAIR_IF_TIMED.search(plain)
        if timed and _timed(facts)[0] == FLAIR:
            return FLAIR, f"the name says {timed[0]!r}, and TI {facts.inversion_ms:g} ms"
        if t1:
            return T1W, f"the name says {t1[0]!r}"
        t2 = _T2.search(plain)
        if t2:
            return "", f"T2 without an inversion that makes it a FLAIR (the name says {t2[0]!r})"
    return "", ""


def _timed(facts: SeriesMetadata) -> tuple[str, str]:
    """Kind by echo, repetition and inversion time alone; an empty kind where they do not tell."""
    echo, repetition, inversion = facts.echo_ms, facts.repetition_ms, facts.inversion_ms
    if echo is None:
        return "", ""
    if echo >= _LONG_ECHO_MS:
        if inversion and inversion >= _LONG_INVERSION_MS:
            return FLAIR, f"timing of a FLAIR (TE {echo:g} ms, TI {inversion:g} ms)"
        return "", f"T2-weighted, without a long inversion (TE {echo:g} ms)"
    if echo <= 8 and inversion and 500 <= inversion <= 1300 and facts.acquisition != "2D":
        return T1W, f"timing of an MPRAGE (TE {echo:g} ms, TI {inversion:g} ms)"
    if echo <= 6 and repetition and repetition <= 12 and facts.acquisition == "3D":
        return T1W, f"timing of a 3D gradient echo (TE {echo:g} ms, TR {repetition:g} ms)"
    return "", ""


def _conflict(kind: str, facts: SeriesMetadata) -> str:
    echo, inversion = facts.echo_ms, facts.inversion_ms
    if kind == T1W and echo is not None and echo >= _LONG_ECHO_MS:
        return f"TE {echo:g} ms is not a T1w's"
    if kind == FLAIR and echo is not None and echo < 50:
        return f"TE {echo:g} ms is not a (T2-weighted) FLAIR's"
    if kind == FLAIR and inversion is not None and inversion < 1000:
        return f"TI {inversion:g} ms is not a FLAIR's"
    return ""


def _rank(facts: SeriesMetadata) -> int:
    plain = [normal(text) for text in facts.texts]
    if any(_COPY.search(text) for text in plain[:1]):
        return COPY
    if any(_UNI.search(text) for text in plain) and not any(_DENOISED_UNI.search(text) for text in plain):
        return SLICES  # noise outside of the head; a denoised or composed image is better
    thick = bool(facts.spacing_mm) and max(facts.spacing_mm) > THICKEST_MM
    return SLICES if thick or facts.acquisition == "2D" else VOLUMETRIC
