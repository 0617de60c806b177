"""Series as scanners write their headers: Siemens, GE, UIH, Canon/Toshiba, Philips, and de-identified ones.

Values follow the vendors' public reference series (the dcm_qa repositories) and conformance statements: GE writes the
exam's name as ProtocolName and EP\\RM for echo-planar imaging, UIH GR\\IR and ``gre_fsp``, Canon ``SE EP`` and no
inversion time, Philips EchoPlanarPulseSequence instead of EP.
"""

import numpy as np
import pytest
from dicom_series import write_header, write_series

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.intake.catalogue import read_catalogue
from nnunet_tv.intake.find import find_cases
from nnunet_tv.intake.manual_pairs import read_manual_pairs
from nnunet_tv.intake.recognise import FLAIR, OTHER, T1W, recognise

BLOCK = Volume(np.full((16, 16, 16), 20, np.float32), np.diag([1.0, 1.0, 1.0, 1.0]))
PLAIN = ("ORIGINAL", "PRIMARY", "OTHER")


def tags(description, te, tr, ti=None, *, sequence=(), name="", acquisition="2D", **others) -> dict:
    """Elements of a series; those that are empty are left out."""
    found = {"SeriesDescription": description, "EchoTime": te, "RepetitionTime": tr, "InversionTime": ti,
             "ScanningSequence": list(sequence), "SequenceName": name, "MRAcquisitionType": acquisition, **others}
    return {key: value for key, value in found.items() if value not in (None, "", [])}


SIEMENS = {"Manufacturer": "SIEMENS"}
GE = {"Manufacturer": "GE MEDICAL SYSTEMS", "ProtocolName": "BRAIN EPILEPSY W WO CONTRAST"}
UIH = {"Manufacturer": "UIH"}
CANON = {"Manufacturer": "TOSHIBA_MEC"}
PHILIPS = {"Manufacturer": "Philips Medical Systems"}
M = ("ORIGINAL", "PRIMARY", "M", "ND", "NORM")
STUDIES = {
    "siemens": [
        (tags("localizer", 4, 8.6, sequence=["GR"], name="*fl2d1", **SIEMENS), M, OTHER, "a localiser"),
        (tags("t1_mprage_sag_p2_iso", 2.26, 1900, 900, sequence=["GR", "IR"], name="*tfl3d1_16ns", acquisition="3D",
              **SIEMENS), M, T1W, ""),
        (tags("t2_tirm_tra_dark-fluid", 81, 9000, 2500, sequence=["SE", "IR"], name="*tir2d1_16", **SIEMENS), M, FLAIR,
         ""),
        (tags("t2_tirm_cor_fs", 60, 5000, 160, sequence=["SE", "IR"], name="*tir2d1_16", **SIEMENS), M, OTHER, "T2"),
        (tags("ep2d_diff_3scan_trace_p2_TRACEW", 90, 4500, sequence=["EP"], name="*ep_b1000t", **SIEMENS),
         ("DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "ND"), OTHER, "diffusion"),
        (tags("ep2d_diff_3scan_trace_p2_ADC", 90, 4500, sequence=["EP"], name="*ep_b0_1000", **SIEMENS),
         ("DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"), OTHER, "diffusion"),
        (tags("ep2d bold rest", 30, 2000, sequence=["EP"], name="*epfid2d1_64", **SIEMENS),
         ("ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"), OTHER, "functional"),
        (tags("ep2d_t2star", 30, 2000, sequence=["EP"], name="*epfid2d1_64", **SIEMENS), M, OTHER, "susceptibility"),
        (tags("ep2d_flair", 90, 9000, 2500, sequence=["EP", "IR"], name="*epir2d1_128", **SIEMENS), M, OTHER,
         "echo-planar"),
        (tags("TOF_3D_multi-slab", 3.6, 21, sequence=["GR"], name="*fl3d1r_t70", acquisition="3D", AngioFlag="Y",
              **SIEMENS), M, OTHER, "angiography"),
        (tags("t2_swi3d_tra", 20, 28, sequence=["GR"], name="*swi3d1r", acquisition="3D", **SIEMENS), M, OTHER, ""),
    ],
    "ge": [
        (tags("3-Plane Loc", 1.7, 5.4, sequence=["GR"], **GE), PLAIN, OTHER, "a localiser"),
        (tags("Sag 3D BRAVO", 3.2, 8.5, 450, sequence=["GR"], acquisition="3D", **GE), PLAIN, T1W, ""),
        (tags("Ax T2 FLAIR", 119, 8802, 2200, sequence=["SE", "IR"], **GE), PLAIN, FLAIR, ""),
        (tags("Ax T2 FSE", 102, 5000, sequence=["SE"], **GE), PLAIN, OTHER, "T2"),
        (tags("Ax DWI", 75, 6000, sequence=["EP", "SE"], **GE), PLAIN, OTHER, "diffusion"),
        (tags("Axial 4 directions, 3 shells", 85.1, 7800, sequence=["EP", "SE"], name="epi2", **GE), PLAIN, OTHER,
         "echo-planar"),
        (tags("Axial EPI-FMRI", 30, 5000, sequence=["EP", "GR"], **GE), ("ORIGINAL", "PRIMARY", "EPI", "NONE"), OTHER,
         "functional"),
        (tags("rsfMRI_Run", 30, 2000, sequence=["EP", "RM"], name="epi", **GE), PLAIN, OTHER, "functional"),
        (tags("Ax SWAN", 25, 38, sequence=["GR"], acquisition="3D", **GE), PLAIN, OTHER, "susceptibility"),
        (tags("PJN:Ax MIP", 3, 24, sequence=["GR"], acquisition="3D", **GE),
         ("DERIVED", "SECONDARY", "PROJECTION IMAGE", "IVI"), OTHER, "derived"),
        (tags("Ax T1 C+", 3.2, 8.5, 450, sequence=["GR"], acquisition="3D", **GE), PLAIN, OTHER, "with contrast"),
        (tags("3D ASL", 10.5, 4800, 2025, sequence=["RM"], acquisition="3D", **GE), PLAIN, OTHER, "functional"),
    ],
    "uih": [
        (tags("gre_scout", 3, 7, sequence=["GR"], name="gre_scout", **UIH), PLAIN, OTHER, "a localiser"),
        (tags("t1_gre_fsp_3d_sag", 3.1, 7.25, 750, sequence=["GR", "IR"], name="gre_fsp", acquisition="3D",
              ProtocolName="t1_gre_fsp_3d_sag", **UIH), ("ORIGINAL", "PRIMARY", "M", "UCA", "IF"), T1W, ""),
        (tags("t2_fse_flair_tra", 110, 8000, 2440, sequence=["SE", "IR"], name="fse", **UIH),
         ("ORIGINAL", "PRIMARY", "M", "NONE"), FLAIR, ""),
        (tags("dti_tra_dir16_AP", 71.5, 5865, sequence=["EP"], name="epi_dti", **UIH),
         ("ORIGINAL", "PRIMARY", "M", "VFRAME"), OTHER, "diffusion"),
        (tags("t2_star", 20, 500, sequence=["GR"], name="gre", **UIH), PLAIN, OTHER, "susceptibility"),
    ],
    "canon": [
        (tags("Locator", 5, 20, sequence=["GR"], name="FE", **CANON), PLAIN, OTHER, "a localiser"),
        (tags("3D T1 MPRAGE", 2.7, 5.8, sequence=["GR"], name="FE3D_fsp", acquisition="3D", **CANON),
         ("ORIGINAL", "PRIMARY", "GDC"), T1W, ""),
        (tags("FLAIR AX", 105, 10000, sequence=["SE"], name="FSE2D+15", **CANON), PLAIN, FLAIR, ""),
        (tags("DTI_AX_20d", 79, 10000, sequence=["SE", "EP"], name="SEEPI2D+0.7", **CANON),
         ("ORIGINAL", "PRIMARY", "GDC"), OTHER, "diffusion"),
        (tags("T2*", 20, 600, sequence=["GR"], name="FE2D", **CANON), PLAIN, OTHER, ""),
        (tags("FSBB", 20, 29, sequence=["GR"], name="FE3D_fsbb", acquisition="3D", **CANON), PLAIN, OTHER,
         "susceptibility"),
    ],
    "philips": [
        (tags("Survey", 4.6, 11, sequence=["GR"], **PHILIPS), ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"), OTHER,
         "a localiser"),
        (tags("sT1W_3D_TFE", 3.8, 8.2, sequence=["GR"], acquisition="3D", **PHILIPS),
         ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"), T1W, ""),
        (tags("3D_Brain_VIEW_FLAIR_SHC", 340, 4800, 1650, sequence=["SE"], acquisition="3D", **PHILIPS),
         ("ORIGINAL", "PRIMARY", "M_SE", "M", "SE"), FLAIR, ""),
        (tags("FE_EPI", 30, 2000, sequence=["GR"], EchoPlanarPulseSequence="YES", **PHILIPS),
         ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"), OTHER, "echo-planar"),
        (tags("series", 80, 5000, sequence=["SE"], DiffusionBValue=1000.0, **PHILIPS),
         ("ORIGINAL", "PRIMARY", "M_SE", "M", "SE"), OTHER, "diffusion"),
        (tags("B0 map", 2.5, 20, sequence=["GR"], acquisition="3D", **PHILIPS),
         ("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"), OTHER, ""),
    ],
    "de-identified": [  # without any text
        (tags("", 3.2, 8.5, sequence=["GR"], acquisition="3D", FlipAngle=12), PLAIN, T1W, ""),
        (tags("", 119, 8802, 2200, sequence=["SE", "IR"]), PLAIN, FLAIR, ""),
        (tags("", 102, 5000, sequence=["SE"]), PLAIN, OTHER, "T2"),
        (tags("", 85, 7800, sequence=["EP", "SE"]), PLAIN, OTHER, "echo-planar"),
        (tags("", 3.6, 21, sequence=["GR"], acquisition="3D"), PLAIN, OTHER, "neither"),  # TOF
        (tags("", 2.4, 5.5, sequence=["GR"], SequenceVariant=["SS"], acquisition="3D", FlipAngle=50), PLAIN, OTHER,
         "neither"),  # balanced steady state
        (tags("", 20, 28, sequence=["GR"], name="*swi3d1r", acquisition="3D"), M, OTHER, "neither"),
        (tags("", 60, 5000, 160, sequence=["SE", "IR"]), M, OTHER, "T2"),  # STIR
    ],
}


@pytest.mark.parametrize("vendor", STUDIES)
def test_study_as_the_vendor_writes_it(tmp_path, vendor):
    series = STUDIES[vendor]
    for number, (elements, image_type, _, _) in enumerate(series, 1):
        write_series(BLOCK, tmp_path / str(number), number=number, tags=elements, image_type=image_type)
    scans = read_catalogue(tmp_path).scans
    verdicts = {scan.number: recognise(scan.metadata) for scan in scans}
    for number, (_, _, kind, reason) in enumerate(series, 1):
        verdict = verdicts[number]
        assert verdict.kind == kind, (number, verdict)
        assert reason in verdict.reason, (number, verdict)
        assert kind != OTHER or reason == "neither" or not verdict.possible, (number, verdict)
    case, = find_cases(tmp_path).cases
    expected = [number for kind in (T1W, FLAIR) for number, row in enumerate(series, 1) if row[2] == kind]
    assert [scan.number for scan in case.pair.scans.values()] == expected and case.pair.flags == ()


@pytest.mark.parametrize("elements, image_type", [
    (tags("ep2d_bold", 30, 2000, sequence=["EP"], **SIEMENS), M),
    (tags("Axial EPI-FMRI", 30, 5000, sequence=["EP", "GR"], **GE), ("ORIGINAL", "PRIMARY", "EPI", "NONE")),
    (tags("gre epi", 40, 3000, sequence=["EP", "RM"], name="epi2", **GE), PLAIN),
    (tags("", 30, 2000, sequence=["GR"], EchoPlanarPulseSequence="YES", **PHILIPS), PLAIN),
    (tags("epi_flair", 90, 9000, 2500, sequence=["EP", "IR"], **UIH), PLAIN),
])
def test_echo_planar_image_that_is_not_diffusion_is_not_called_so(tmp_path, elements, image_type):
    write_series(BLOCK, tmp_path, number=1, tags=elements, image_type=image_type)
    verdict = recognise(read_catalogue(tmp_path).scans[0].metadata)
    assert verdict.kind == OTHER and "diffusion" not in verdict.reason and not verdict.possible


@pytest.mark.parametrize("others, expected", [
    ([STUDIES["uih"][3]], "none that is FLAIR"),
    ([STUDIES["ge"][5], STUDIES["ge"][4]], "none that is FLAIR"),
    ([STUDIES["siemens"][9], STUDIES["siemens"][0], STUDIES["siemens"][5]], "none that is FLAIR"),
    ([STUDIES["ge"][10], STUDIES["ge"][2], STUDIES["ge"][2]], "two that are FLAIR"),
])
def test_implausible_pairs_are_never_suggested(tmp_path, others, expected):
    """A T1w with contrast agent, diffusion, angiography, a localiser, an ADC map as a partner."""
    for number, (elements, image_type, _, _) in enumerate([STUDIES["uih"][1], *others], 1):
        write_series(BLOCK, tmp_path / str(number), number=number, tags=elements, image_type=image_type)
    case, = find_cases(tmp_path).cases
    assert expected in case.problem
    assert ("(such as --pair" in case.problem) == ("two" in expected)
    if "two" in expected:
        assert "--pair 'case-0001,series-1,series-3'" in case.problem


@pytest.mark.parametrize("time, flagged", [("113000", True), ("090000", False), ("", False)])
def test_t1w_acquired_after_a_series_with_contrast_agent_is_flagged(tmp_path, time, flagged):
    """What is scanned after the injection is enhanced, whether or not its name states it."""
    for number, (row, clock) in enumerate([(1, time), (2, "093000"), (10, "110000")], 1):
        elements = {**STUDIES["ge"][row][0], "AcquisitionTime": clock}
        write_series(BLOCK, tmp_path / str(number), number=number, tags=elements, image_type=PLAIN)
    by_hand = read_manual_pairs(["case-0001,series-1,series-2"])
    for pairs in ({}, by_hand):
        pair = find_cases(tmp_path, manual_pairs=pairs).cases[0].pair
        assert [scan.number for scan in pair.scans.values()] == [1, 2]
        assert ["series-1" in flag and "series-3" in flag for flag in pair.flags] == ([True] if flagged else [])
    enhanced = read_manual_pairs(["case-0001,series-3,series-2"])
    assert len(find_cases(tmp_path, manual_pairs=enhanced).cases[0].pair.flags) == 1


def test_word_epi_in_the_name_of_an_epilepsy_protocol(tmp_path):
    """The header of a spin echo outweighs it; SE_EPI, or no header, does not."""
    for name, sequence, kind in (("t2_flair_cor_Epi", ["SE", "IR"], FLAIR), ("t2_flair_epi", [], OTHER),
                                 ("SE_EPI flair", ["SE", "IR"], OTHER), ("t2_flair_epi", ["EP", "IR"], OTHER)):
        elements = tags(name, 110, 8000, 2400, sequence=sequence, **PHILIPS)
        write_header(tmp_path / "a", number=1, tags=elements)
        assert recognise(read_catalogue(tmp_path).scans[0].metadata).kind == kind, name


def test_t1_flair_is_a_t1w_and_thin_volumes_are_preferred_to_it(tmp_path):
    elements = tags("Ax T1 FLAIR", 11, 2200, 860, sequence=["SE", "IR"], **GE)
    write_series(BLOCK, tmp_path / "1", number=1, tags=elements, image_type=PLAIN)
    write_series(BLOCK, tmp_path / "2", number=2, tags=STUDIES["ge"][2][0], image_type=PLAIN)
    numbers = [[scan.number for scan in find_cases(tmp_path).cases[0].pair.scans.values()]]
    write_series(BLOCK, tmp_path / "3", number=3, tags=STUDIES["ge"][1][0], image_type=PLAIN)
    numbers.append([scan.number for scan in find_cases(tmp_path).cases[0].pair.scans.values()])
    assert numbers == [[1, 2], [3, 2]]


def test_protocol_name_of_the_whole_exam_decides_nothing(tmp_path):
    """GE: the exam's name, here with words of other contrasts, is in every series."""
    protocol = {"ProtocolName": "MRA DWI T1 FLAIR POST GD"}
    for number in (2, 3):
        elements, image_type, _, _ = STUDIES["ge"][number - 1]
        write_series(BLOCK, tmp_path / str(number), number=number, tags={**elements, **protocol}, image_type=image_type)
    case, = find_cases(tmp_path).cases
    assert [scan.number for scan in case.pair.scans.values()] == [2, 3]


@pytest.mark.parametrize("elements, reason", [
    ({"AcquisitionContrast": "DIFFUSION"}, "diffusion"), ({"AcquisitionContrast": "TOF"}, "angiography"),
    ({"EchoPlanarPulseSequence": "YES"}, "echo-planar"), ({"TimeOfFlightContrast": "YES"}, "angiography"),
    ({"AngioFlag": "Y"}, "angiography"), ({"ContrastBolusAgent": "Gadovist"}, "with contrast agent"),
    ({"EchoTime": 110, "InversionTime": 2400}, "TE 110 ms and TI 2400 ms are not a T1w's"),
])
def test_header_outweighs_a_name(tmp_path, elements, reason):
    write_header(tmp_path / "a", number=1, tags={"SeriesDescription": "T1 MPRAGE", **elements})
    verdict = recognise(read_catalogue(tmp_path).scans[0].metadata)
    assert verdict.kind == OTHER and reason in verdict.reason
