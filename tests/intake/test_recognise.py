"""Recognition of T1w and FLAIR by name, timing and header, with names as scanners and people write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_tv.intake.recognise import COPY, FLAIR, OTHER, SLICES, T1W, VOLUMETRIC, recognise
from nnunet_tv.intake.series_metadata import SeriesMetadata


def scan(*names, **header):
    return SeriesMetadata(names, **header)


@pytest.mark.parametrize("kind, names", [
    (T1W, [
        "t1_mpr_32ch_iso_0.8", "T1w", "T1", "3DT1", "sagT1", "t1_mprage_sag_p2_iso", "*tfl3d1_ns", "MPRAGE",
        "MP2RAGE_UNI-DEN", "Ax SPGR", "FSPGR BRAVO", "cs_T1W_3D_TFE_32", "T1 MPRAGE pre contrast", "pat_postop_T1",
        "patient1-T1", "t1_fl3d_cor", "T1MPRAGE", "T1 nativ", "MDEFT", "t1_space_sag", "T1W_3D_TFE without contrast",
        "T1w w/o contrast", "SAG T1 WO", "T1 sans gado", "SAG T1 3D NON-CON", "Accelerated Sag IR-FSPGR", "T1 ohne KM",
        "t1_gre_fsp_3d_sag", "T1_FFE3D", "+ORIG T1", "T1 post op", "nonGd T1"]),
    (FLAIR, [
        "flair_32ch_iso_1.0_T2sel", "FLAIR", "AX T2 FLAIR", "*spcir3d1_286ns", "t2_spc_da-fl_sag", "darkFluid",
        "3D Cube T2 FLAIR fs", "FLAIR3D", "sub_3T_FLAIR", "flair_tra_acpc_4mm_0,7x0,7", "3D_Brain_VIEW_FLAIR",
        "t2_space_dark-fluid_sag_p2_ns", "t2_fse_flair_tra", "AX FLAIR+FS", "Ax T2 FLAIR PROPELLER", "mVox FLAIR",
        "3D FLAIR rest of head"]),
])
def test_kind_by_name(kind, names):
    assert {name: recognise(scan(name)).kind for name in names} == dict.fromkeys(names, kind)


@pytest.mark.parametrize("reason, names", [
    ("a mask or segmentation (the name contains '", ["FLAIR_roi", "T1_seg", "T1w_dseg", "brainmask_T1"]),
    ("a localiser (the name contains '", ["AAHead_Scout", "localizer T1", "t1_3-plane_loc"]),
    ("diffusion", ["ep2d_diff_tracew", "Average DC", "eDWI", "dADC_map", "ISO_DWI", "DTI 32 dir", "Ax T1 b1000"]),
    ("functional or perfusion", ["rs-fMRI", "3D ASL", "relCBF", "T1 perfusion"]),
    ("echo-planar (EPI)", ["ep2d_se", "SE_EPI", "T1_epi", "FEEPI"]),
    ("angiography", ["T1_TOF", "3D PCA", "MRA carotid"]),
    ("not of the head", ["T1 spine sag", "C-Spine T1", "T1 pituitary"]),
    ("susceptibility", ["SWI_T2star", "venBOLD", "Mag_Images", "t2_fl2d_tra_hemo"]),
    ("another contrast (the name contains '", ["MP2RAGE_INV1", "T1map"]),
    ("derived", ["t1_mprage_sag_MPR_Tra", "t1_mpr_ns_sag_p2_iso_MPR_Cor", "FLAIR MIP", "T1_SUB",
                 "3D FLAIR sag MPR tra", "MPR Ax FLAIR"]),
    ("with contrast agent (the name contains 'post')", ["T1_post_gd"]),
    ("with contrast agent", [
        "T1+C", "T1 +", "Ax T1 Gadovist", "AX T1 W/WO", "T1 pre and post Gd", "T1 postop Gd", "T1 增强",
        "T1 with contrast", "t1 mprage mdc", "ce-gadolinium_T1w", "cor FLAIR KM"]),
    ("T2 without an inversion that makes it a FLAIR (the name contains 't2", ["T2_tse_tra", "t2_space"]),
    ("the name contains both 't1' and 'flair'", ["FLAIR_to_T1"]),
    ("neither its name nor its header indicates T1 or FLAIR", ["scan_0000", "pat1"]),
])
def test_excluded_names_have_a_reason(reason, names):
    for name in names:
        verdict = recognise(scan(name))
        assert verdict.kind == OTHER and verdict.reason.startswith(reason), (name, verdict)


@pytest.mark.parametrize("metadata, kind, reason", [
    (scan("t2_space_sag", echo_ms=388, repetition_ms=5000, inversion_ms=1800), FLAIR, "the name contains 'space"),
    (scan("T2sel", echo_ms=388, repetition_ms=5000, inversion_ms=1800), FLAIR,
     "the name contains 't2sel', and TI 1800 ms"),
    (scan("T2sel", echo_ms=388, repetition_ms=5000), OTHER, "T2 without an inversion that makes it a FLAIR"),
    (scan("x", echo_ms=120, inversion_ms=2500), FLAIR, "timing of a FLAIR (TE 120 ms, TI 2500 ms)"),
    (scan("x", echo_ms=2.5, inversion_ms=900), T1W, "timing of an MPRAGE (TE 2.5 ms, TI 900 ms)"),
    (scan("x", echo_ms=3, repetition_ms=8, acquisition="3D"), T1W, "timing of a 3D gradient echo"),
    (scan("x", echo_ms=3, repetition_ms=8, acquisition="2D"), OTHER, "neither its name"),
    (scan("x", echo_ms=90, repetition_ms=4000), OTHER, "T2-weighted, without a long inversion (TE 90 ms)"),
    (scan("T1 FLAIR", echo_ms=10, inversion_ms=900), T1W, "a T1w by inversion recovery"),
    (scan("T1 FLAIR", echo_ms=10), OTHER, "the name contains both"),
    (scan("FLAIR space T1", echo_ms=120, inversion_ms=2000), FLAIR,
     "the name contains 'flair', the timing confirms it"),
    (scan("T1", echo_ms=110), OTHER, "the name contains 't1', but TE 110 ms is not a T1w's"),
    (scan("FLAIR", echo_ms=9), OTHER, "the name contains 'flair', but TE 9 ms is not a (T2-weighted) FLAIR's"),
    (scan("FLAIR", echo_ms=90, inversion_ms=160), OTHER, "the name contains 'flair', but TI 160 ms is not a FLAIR's"),
    (scan("T1", contrast_agent="Gadavist"), OTHER, "with contrast agent (Gadavist)"),
    (scan("T1", modality="CT"), OTHER, "not MR but CT"),
    (scan("T1", image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), OTHER, "a localiser (ImageType LOCALIZER)"),
    (scan("T1", image_type=("DERIVED", "PRIMARY", "MPR")), OTHER, "derived: a reformat (ImageType MPR)"),
    (scan("T1", image_type=("DERIVED", "SECONDARY")), OTHER, "derived from another series"),
    (scan("T1", image_type=("DERIVED", "PRIMARY", "M")), T1W, "the name contains 't1'"),
    (scan("T1", image_type=("ORIGINAL", "PRIMARY", "P", "ND")), OTHER, "a phase image (ImageType P)"),
    (scan("T1", orientations=3), OTHER, "a localiser: slices in 3 directions"),
    (scan("T1", shape=(256, 256, 5)), OTHER, "only 5 slices: a localiser, or a part of the head"),
    (scan("T1", shape=(64, 64, 40, 12)), OTHER, "a series of 12 volumes (shape 64x64x40x12)"),
    (scan("T1", shape=(64, 64)), OTHER, "a single picture of shape 64x64"),
    (scan("image", folders=("FLAIR", "scans")), FLAIR, "the name contains 'flair'"),
    (scan("image", folders=("FLAIR", "post_contrast")), OTHER, "with contrast agent"),
    (scan("T1w", "acq-FLAIRspace_"), T1W, "the name contains 't1w'"),
])
def test_headers_decide_without_a_name_and_may_contradict_it(metadata, kind, reason):
    verdict = recognise(metadata)
    assert verdict.kind == kind and verdict.reason.startswith(reason), verdict


@pytest.mark.parametrize("metadata, rank", [
    (scan("FLAIR", spacing_mm=(1, 1, 1)), VOLUMETRIC),
    (scan("FLAIR", spacing_mm=(0.7, 0.7, 4)), SLICES),
    (scan("FLAIR", acquisition="2D"), SLICES),
    (scan("T1_brain"), COPY),
    (scan("T1_Crop_1"), COPY),
    (scan("MP2RAGE_UNI_Images"), SLICES),
    (scan("SAG T1 BRAIN", header_names=("SAG T1 BRAIN",)), VOLUMETRIC),  # of the whole head
    (scan("T1_brain", "mprage", header_names=("mprage",)), COPY),
])
def test_rank(metadata, rank):
    assert recognise(metadata).rank == rank


@given(st.lists(st.text(max_size=40), max_size=3), st.lists(st.text(max_size=20), max_size=2),
       st.one_of(st.none(), st.floats(0.1, 1e4)), st.one_of(st.none(), st.floats(0.1, 1e4)),
       st.lists(st.integers(1, 300), max_size=5))
@settings(max_examples=300, deadline=None)
def test_every_verdict_has_a_reason(texts, folders, echo, inversion, shape):
    verdict = recognise(scan(*texts, folders=tuple(folders), echo_ms=echo, inversion_ms=inversion, shape=tuple(shape)))
    assert verdict.kind in (T1W, FLAIR, OTHER) and verdict.reason


@given(st.text(alphabet="abcdefghijkmnopqsvyzäöü0123456789 _-.", max_size=12),
       st.sampled_from(["T1w", "FLAIR"]), st.sampled_from(["_", "-", " ", "."]))
@settings(max_examples=200, deadline=None)
def test_separate_word_is_found_in_any_context(before, kind, separator):
    verdict = recognise(scan(f"{before}{separator}{kind}"))
    assert verdict.kind in (kind, OTHER) and (verdict.kind == kind or "the name contains" in verdict.reason), verdict
