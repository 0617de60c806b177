"""Reasons for which a scan is neither a T1w nor a FLAIR as acquired: elements of the header first, then names.

Names are those of the scanners' sequences and of protocols in several languages, as :func:`normal` writes them.
"""

import re
from collections.abc import Iterator

from nnunet_tv.intake.series_metadata import SeriesMetadata

#: A stack of fewer slices is a localiser, or misses most of the head.
FEWEST_SLICES = 12


def words(*patterns: str) -> re.Pattern[str]:
    """Any of `patterns` as a whole word of a normalised name."""
    return re.compile("|".join(f"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])" for pattern in patterns))


def normal(text: str) -> str:
    """Lower case, words separated by ``_``: ``3D-FLAIR darkFluid`` becomes ``3d_flair_dark_fluid``; + stays."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z][a-z]|[A-Z]\d)", "_", text)
    return re.sub(r"[^a-z0-9+]+", "_", split.lower()).strip("_")


#: Begin of the reason for scans after the injection of a contrast agent.
CONTRAST_AGENT = "with contrast agent"
_DIFFUSION, _EPI = "diffusion", "echo-planar (EPI)"
_FUNCTIONAL, _ANGIOGRAPHY = "functional or perfusion", "angiography"
_DERIVED = "derived: a projection, reformat or subtraction"
_MASK = "a mask or segmentation"
_NAMES = {
    _MASK: words(
        "rois?", "[a-z]*masks?", "labels?", "lesions?", "[a-z]*segs?", "segmentations?", "gt", "c[123]t1.*", "aseg.*",
        "aparc.*", "(?:t1w|flair)_fcd(?:_prob|_std)?"),
    "a localiser": words(
        "loc[a-z]?", "locs", "[a-z0-9]*locali[sz]er[a-z0-9]*", "localis[a-z]*", "locator", "[a-z0-9]*scout[a-z0-9]*",
        "survey", "surview", "topogram", "scano(?:gram)?", "[a-z]*pilot", "smart_?brain", "plan_?scan", "reperage",
        "(?:3|three|tri)_?pl(?:ane|an)?(?:_?loc)?", "calibration", "calib?", "asset_?cal", "shim", "ref_?scan",
        "sense_?ref", "coil_?survey", "prescan", "aahead[a-z0-9]*"),
    _DIFFUSION: words(
        "[a-z]*dwi[a-z0-9]*", "dti[a-z0-9]*", "[ae]?adc(?:_?map)?", "[aed]?adc[a-z0-9]*", "trace[a-z]*",
        r"(?:col)?fa(?!_?\d)(?:_?map)?", "diff(?:usion|usie|usione)?", "difusion", "average_dc", "hardi", "noddi",
        "dki", "ivim", "tensor", "resolve", r"b_?(?:[1-9]\d{2,3})s?"),
    _FUNCTIONAL: words(
        "bold", "[rf]?s?fmri[a-z0-9]*", "resting(?:_state)?", "rest_?fmri", "r_?s_?fmri", "[pv]?c?asl",
        "[23]d_?p?c?asl", "perf[a-z]*", "dsc", "dce", "r?(?:el)?cb[fv](?:_?map)?", "mtt", "ttp", "tmax", "pbp", "gbp",
        "spectro[a-z]*", "mrs", "svs", "press", "csi"),
    _ANGIOGRAPHY: words(
        "tof[a-z0-9]*", "(?:ce_?)?mr[av][a-z]*", "[a-z0-9]*angio[a-z0-9]*", "venc[a-z0-9]*", "pca", "inhance",
        "pc_?(?:2d|3d)", "[23]d_?pc", "venog[a-z]*", "willis", "carotids?"),
    "susceptibility, field or phase": words(
        "e?swi[a-z]*", "ven_?bold", "mag_images?", "swan", "swip", "t2_?star", "medic", "fsbb", "hemo",
        "field_?map(?:ping)?", "[a-z_]*field_?mapping", "b[01]_?map(?:ping)?", "phase", "pha", "ph", "qsm", "r2_?star"),
    "another contrast": words(
        "pdw?", "ct", "pet", "stir", "psir", "mtr?", "inv_?[12]", "double_inversion", "dir", "t[12]_?map(?:ping)?",
        "t1_?rho", "ciss", "fiesta[a-z]*", "b_?ffe", "true_?fisp", "trufi", "haste", "magic", "symri",
        "syn(?:thetic)?_?(?:t1|t2|flair)?w?", "elastography", "mre"),
    "not of the head": words(
        "[ctl]?_?spine", "[clt]ws", "lumbar", "cervical", "orbit[as]?", "pituitary", "hypophys[a-z]*", "sella"),
    _DERIVED: words(
        "m(?:in)?ip(?:_?range)?", "range", "[a-z0-9]*reformat[a-z0-9]*", "rfmt", "subtr[a-z]*", "subs?$", "warped",
        "coreg(?:istered)?", "registered", "mni", "mprage.*_mpr", "mpr_.*_mpr", "flair.*_mpr", "mpr_.*flair",
        "proj(?:ection)?", "phoenix[a-z]*", "processed_images?", "exam_summary", "screen_?s(?:ave|hot)",
        "secondary_?capture"),
    _EPI: words("[a-z]+epi[0-9]?", "(?:se|fe|ge|gre?|ms|ss)_epi", "epi[0-9]?", "ep2d[a-z0-9]*",
                "ep3d[a-z0-9]*", "epfid2d[a-z0-9]*", "epse2d[a-z0-9]*"),
}
_CONTRAST = words("gd(?!c)[a-z0-9]*", "[a-z0-9]*gad[oa][a-z0-9]*", "gad", "post", "post_?con(?:trast)?", "ce", "km",
                  "contraste?", "kontrast[a-z]*", "contrasto", r"\+c[a-z]*", r"c\+", "t1c", "t1ce", "enhanced", "mdc",
                  "civ", "w_w_?o", "inj(?:ected|ection|ecte)?", "dotarem", "clariscan", "prohance", "magnevist",
                  "multihance", "omniscan", "elucirem", "vueway")
_CONTRAST_PLUS = re.compile(r"\+(?:c|gd|km|contrast)?(?![a-z0-9])|(?<![a-z0-9])ce_(?:gad|gd)")
_CONTRAST_TEXT = re.compile("增强|造影|조영")
_AGENT = "(?:con|contrast[eo]?|kontrast[a-z]*|gd[a-z0-9]*|gad[a-z0-9]*|km|iv|inj[a-z]*)"
#: Phrases for a scan without contrast agent, or after an operation; what is left of a name is searched for an agent.
_NO_CONTRAST = words(f"(?:pre|non?|without|ohne|sans|sin|senza|nativ[e]?|(?<!_w_)(?<!^w_)w_?o)(?:_?{_AGENT})?",
                     "post_?op(?:erative?)?", "post_?surg(?:ery|ical)?")
_IMAGE_TYPES = {
    "a localiser": ("LOCALIZER",),
    "derived: a reformat": ("MPR", "REFORMATTED", "CSA MPR", "CSA RESAMPLED", "RESAMPLED"),
    "derived: a projection": ("MIP", "MNIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP", "VOLUME RENDER"),
    "derived: a subtraction": ("SUBTRACTION", "SUBTRACT"),
    _DIFFUSION: ("ADC", "TRACEW", "TRACE", "FA", "DIFFUSION", "ADC MAP", "EADC", "EXPONENTIAL", "TENSOR", "B0 MAP",
                 "DIFFUSION_ANISO", "FRACTIONAL_ANISO", "ISOTROPIC", "ANISOTROPIC"),
    _FUNCTIONAL: ("FMRI", "PERFUSION", "ASL", "RCBV", "RCBF", "CBF", "CBV", "MTT", "TTP", "T-TEST", "PERFUSION_ASL"),
    _ANGIOGRAPHY: ("ANGIO", "ANGIO_TIME", "TOF", "PCA", "VELOCITY MAP", "FLOW_ENCODED", "PHASE CONTRAST"),
    "susceptibility, field or phase": ("SWI", "MNIP SWI", "FIELD MAP", "B1 MAP"),
    "a phase image": ("PHASE MAP", "PHASE", "P", "PHASE MAGNITUDE"),
    "a real or imaginary image": ("REAL", "IMAGINARY", "R", "I"),
    "a map": ("T1 MAP", "T2 MAP", "T2_STAR MAP", "R2 MAP", "R2_STAR MAP", "PROTON_DENSITY MAP", "T1_MAP", "T2_MAP"),
    "a screen shot": ("SCREEN SAVE", "SCREENSHOT"),
}
#: Masks of something else than a lesion: of brain and tissues, and results of this package.
_NO_LESION = words("[a-z]*brain[a-z]*", "bet", "skull[a-z]*", "head", "[wg]m", "csf", "c[1-6]t1.*", "aseg.*", "aparc.*",
                   "(?:t1w|flair)_fcd(?:_prob|_std)?")
#: GE; Siemens' and UIH's tiled volumes.
_EPI_IMAGE_TYPES = {"EPI", "MOSAIC", "VFRAME"}
#: Types of one letter are the third value of Siemens, UIH and Philips, not of others (``R`` of old Philips headers).
_THIRD_ONLY = ("P", "R", "I")
_ACQUISITION_CONTRASTS = {
    "DIFFUSION": _DIFFUSION, "PERFUSION": _FUNCTIONAL, "FLOW_ENCODED": _ANGIOGRAPHY, "TOF": _ANGIOGRAPHY,
    "STIR": "another contrast", "T2_STAR": "susceptibility, field or phase", "TAGGING": "another contrast"}


def is_lesion_mask(metadata: SeriesMetadata) -> bool:
    """Whether the names of file and folders are those of a mask that can be of a lesion."""
    names = [normal(name) for name in (*metadata.names, *metadata.folders)]
    return any(map(_NAMES[_MASK].search, names)) and not any(map(_NO_LESION.search, names))


def exclusions(metadata: SeriesMetadata) -> Iterator[str]:
    """Every reason, the most specific first.

    The word "epi" alone, which also stands for epilepsy, excludes only where ScanningSequence does not decide.
    """
    names = [normal(name) for name in (*metadata.names, *metadata.folders)]
    if metadata.modality and metadata.modality.upper() != "MR":
        yield f"not MR but {metadata.modality}"
    yield from _by_image_type(metadata.image_type)
    if metadata.diffusion:
        yield f"{_DIFFUSION} (a b-value above 0)"
    if metadata.flow:
        yield f"{_ANGIOGRAPHY} (time of flight or phase contrast in the header)"
    if what := _ACQUISITION_CONTRASTS.get(metadata.acquisition_contrast):
        yield f"{what} (AcquisitionContrast {metadata.acquisition_contrast})"
    if metadata.orientations > 1:
        yield (f"a localiser: slices in {metadata.orientations} directions (or a localiser in the same series: export "
               "it without)")
    for name in names:
        found = ((what, pattern.search(name)) for what, pattern in _NAMES.items())
        yield from (f"{what} (the name contains {match[0]!r})" for what, match in found
                    if match and not (match[0] == "epi" and metadata.sequence and not metadata.echo_planar))
    if metadata.echo_planar or _EPI_IMAGE_TYPES & set(metadata.image_type):
        yield f"{_EPI}, by ScanningSequence, EchoPlanarPulseSequence, SequenceName or ImageType"
    yield from _by_contrast_agent(metadata, names)
    yield from _by_shape(metadata)
    if metadata.fault:
        yield f"{metadata.fault}: export the series again, as the scanner wrote it"


def _by_image_type(types: tuple[str, ...]) -> Iterator[str]:
    for what, listed in _IMAGE_TYPES.items():
        found = [word for word in types if word in listed and (word not in _THIRD_ONLY or word in types[2:3])]
        if found:
            yield f"{what} (ImageType {found[0]})"
    if {"DERIVED", "SECONDARY"} <= set(types):
        yield "derived from another series (ImageType DERIVED, SECONDARY)"


def _by_contrast_agent(metadata: SeriesMetadata, names: list[str]) -> Iterator[str]:
    if metadata.contrast_agent:
        yield f"{CONTRAST_AGENT} ({metadata.contrast_agent})"
    for name, text in zip(names, (*metadata.names, *metadata.folders), strict=True):
        rest = _NO_CONTRAST.sub("", name)
        match = _CONTRAST.search(rest) or _CONTRAST_PLUS.search(rest) or _CONTRAST_TEXT.search(text)
        if match:
            yield f"{CONTRAST_AGENT} (the name contains {match[0].strip('_')!r})"


def _by_shape(metadata: SeriesMetadata) -> Iterator[str]:
    shape = metadata.shape
    size = "x".join(map(str, shape))
    if metadata.echoes > 1:
        yield f"a series of {metadata.echoes} echo times; export one echo, as a series of its own"
    if len(shape) > 3:
        yield f"a series of {shape[3]} volumes (shape {size}); choose one volume of it"
    if len(shape) == 3 and min(shape) < FEWEST_SLICES:
        yield f"only {min(shape)} slices: a localiser, or a part of the head"
    if 0 < len(shape) < 3:
        yield f"a single picture of shape {size}"
