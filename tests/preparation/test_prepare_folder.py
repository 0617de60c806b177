"""A folder of scans to a folder that nnU-Net reads: what is written, kept and refused."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_series import FLAIR, PATIENT, T1, write_series
from output_folders import snapshot, table, times
from registration_phantoms import best_affine, flair_to_t1, scan
from registration_phantoms import phantom as registration_phantom

from nnunet_tv.brain.coverage import find_coverage, missing_brain
from nnunet_tv.demo.phantom import MARKER_MM, Phantom, PhantomOptions, make_phantom
from nnunet_tv.imaging.volume import Volume, read_volume, write_volume
from nnunet_tv.intake.manual_pairs import read_manual_pairs
from nnunet_tv.intake.scan_pair import ScanPair
from nnunet_tv.preparation import prepare_case as case_worker
from nnunet_tv.preparation.alignment import RegistrationOptions
from nnunet_tv.preparation.prepare_folder import prepare_folder
from nnunet_tv.preparation.prepared_folder import PreparedFolder
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.errors import NnunetTVError


@pytest.fixture
def source(tmp_path) -> Path:
    """Two patients with a T1w and a FLAIR."""
    rng = np.random.default_rng(0)
    for path in ("anna/T1", "anna/FLAIR", "bert/T1", "bert/FLAIR"):
        data = rng.random((16, 18, 20)).astype(np.float32) + 1
        write_volume(Volume(data, np.diag([2.0, 2, 2, 1])), tmp_path / "in" / f"{path}.nii.gz")
    return tmp_path / "in"


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def run(source: Path, out: Path, **options):
    return prepare_folder(source, out, **{"space": "none", **options})


def rows(out: Path) -> dict[str, dict[str, str]]:
    return table(out / "preparation.tsv")


def test_what_is_written(source, tmp_path, out, monkeypatch):
    from nnunetv2.utilities.utils import create_lists_from_splitted_dataset_folder

    monkeypatch.chdir(tmp_path)
    done = run(Path("in"), Path("out"))
    assert not done.failed and all(outcome.changed for outcome in done.outcomes)
    assert {name for name in snapshot(out) if not name.startswith(".preparation")} == {"preparation.tsv", "qc.html"} | {
        one.format(case) for case in ("anna", "bert")
        for one in ("{}_0000.nii.gz", "{}_0001.nii.gz", "{}.prep.json", "qc/{}.png")}
    lists = create_lists_from_splitted_dataset_folder(str(out), ".nii.gz")
    assert [[Path(name).name for name in case] for case in lists] == [
        ["anna_0000.nii.gz", "anna_0001.nii.gz"], ["bert_0000.nii.gz", "bert_0001.nii.gz"]]
    original = read_volume(source / "anna" / "T1.nii.gz", case="x")
    assert np.array_equal(read_volume(out / "anna_0000.nii.gz", case="x").data, original.data)
    record = Provenance.read(out / "anna.prep.json")
    assert record.sources["FLAIR"].shape == (16, 18, 20) and record.details["scans"]["T1w"]["chosen"]
    assert record.details["scans"]["T1w"]["file"] == str(source / "anna" / "T1.nii.gz")  # found from any folder
    row = rows(out)["anna"]
    assert row["t1"] == "anna/T1.nii.gz" and row["status"] == "prepared" and len(row["flair_sha256"]) == 64
    page = (out / "qc.html").read_text()
    assert "For research use only" in page and 'src="qc/anna.png"' in page


def test_later_runs_keep_what_is_up_to_date_and_refuse_foreign_files(source, tmp_path, out):
    run(source, out)
    before = times(out)
    done = run(source, out)
    assert not any(outcome.changed for outcome in done.outcomes) and times(out) == before
    run(source, tmp_path / "other", processes=2)
    assert snapshot(tmp_path / "other") == snapshot(out)
    (source / "bert").rename(tmp_path / "bert")
    done = run(source, out)
    assert (out / "bert_0000.nii.gz").is_file()
    assert "1 cases of earlier runs are not in" in done.remarks[0] and "bert" in done.remarks[0]
    (out / "mine_0000.nii.gz").write_bytes(b"mine")
    for folder, message in ((out, r"mine_0000.nii.gz: found 1 files that nnunet-tv-prepare did not write"),
                            (source, "-i and -o are the same folder")):
        with pytest.raises(NnunetTVError, match=message):
            run(source, folder)


def test_a_bad_case_fails_alone_and_leaves_nothing_of_an_earlier_run(source, out):
    run(source, out)
    flair = source / "anna" / "FLAIR.nii.gz"
    flair.write_bytes(gzip.compress(b"broken"))
    done = run(source, out)
    assert "FLAIR.nii.gz: not a readable NIfTI image" in done.failed["anna"] and list(done.failed) == ["anna"]
    assert not [name for name in snapshot(out) if "anna" in name]
    assert [row["status"] for row in rows(out).values()] == ["failed", "prepared"]
    page = (out / "qc.html").read_text()
    assert page.index("anna: failed") < page.index("bert")
    flair.write_bytes((source / "anna" / "T1.nii.gz").read_bytes())
    assert "are the same scan (equal SHA-256)" in run(source, out).failed["anna"]
    flair.write_bytes(b"")
    assert "is empty: download or export it again" in run(source, out).failed["anna"]
    flair.unlink()
    assert "found none that is FLAIR" in run(source, out).failed["anna"]


def test_flags_come_first(source, out, monkeypatch):
    original = case_worker.prepare_case

    def flagged(case, *arguments, **options):
        done = original(case, *arguments, **options)
        flags = ["the scans do not fit"] if case == "bert" else []
        return replace(done, record=replace(done.record, flags=flags, details={"metrics": {"fit": {"cost": 0.25}}}))

    monkeypatch.setattr(case_worker, "prepare_case", flagged)
    run(source, out)
    assert rows(out)["bert"]["status"] == "flagged" and rows(out)["bert"]["flags"] == "the scans do not fit"
    page = (out / "qc.html").read_text()
    assert page.index('id="bert"') < page.index('id="anna"') and "fit cost" in page and "0.25" in page


def test_pairs_from_the_written_table(source, tmp_path, out):
    (source / "anna" / "T1.nii.gz").rename(source / "anna" / "x.nii.gz")
    assert "x.nii.gz: other: neither its name" in run(source, out).failed["anna"]
    text = (out / "preparation.tsv").read_text()
    (tmp_path / "mine.tsv").write_text(text.replace("anna\t\t\t", "anna\tanna/x.nii.gz\tanna/FLAIR.nii.gz\t"))
    done = run(source, out, manual_pairs=read_manual_pairs(table=tmp_path / "mine.tsv"))
    assert not done.failed and rows(out)["anna"]["t1"] == "anna/x.nii.gz"


def test_the_text_of_the_options_is_kept(tmp_path):
    """Otherwise all cases of existing folders would be prepared again."""
    job = case_worker.PreparationJob(case="a", folder=PreparedFolder(tmp_path), pair=ScanPair({}, {}), study="",
                                     space="mni", registration=RegistrationOptions())
    assert job.made_from({})["options"] == {
        "registration": "mni", "choices": "Choices(backend='simpleitk', brain='deepbet')"}


def marker_mm(volume: Volume) -> np.ndarray:
    """Centre of the phantom's marker, the brightest thing there is."""
    return volume.grid.to_mm(np.argwhere(volume.data > 0.95 * volume.data.max()).mean(axis=0))


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    options = PhantomOptions(resolution_mm=2.8, max_side=90, rotation_deg=15, oblique_deg=12, marker=True)
    return make_phantom(np.random.default_rng(5), patient=True, options=options)


@pytest.fixture
def dicom(phantom, tmp_path) -> Path:
    """The phantom's two series, with the patient's name in paths and descriptions."""
    folder = tmp_path / "in" / "Quixano_Alonso_19470929"
    write_series(phantom.t1, folder / "ZX4711981", study="one", number=3, tags=T1)
    write_series(phantom.flair, folder, study="one", number=5, tags={**FLAIR, "SeriesDescription": "FLAIR Quixano"})
    return tmp_path / "in"


def test_dicom_to_prepared_keeps_sides_and_hides_the_patient(phantom, dicom, out, capfd):
    write_series(Volume(phantom.t1.data[:, :, :5], phantom.t1.affine), dicom / "Quixano_Alonso_19470929", study="two",
                 number=1, tags={"SeriesDescription": "Alonso survey"})
    done = run(dicom, out)
    good = next(case.case for case, outcome in zip(done.cases, done.outcomes, strict=True) if not outcome.problem)
    for index, (channel, pose) in enumerate((("T1w", phantom.t1_pose), ("FLAIR", phantom.flair_pose))):
        truth = pose.to_scanner(np.array(MARKER_MM))
        assert truth[0] > 60  # to the right
        for name in (f"scans/{good}_{channel}.nii.gz", f"{good}_000{index}.nii.gz"):
            assert np.linalg.norm(marker_mm(read_volume(out / name, case="x")) - truth) < 2
    assert not any(outcome.changed for outcome in run(dicom, out).outcomes)
    text = " ".join([*capfd.readouterr(), *done.failed.values(), *done.remarks])
    for name, content in snapshot(out).items():
        plain = gzip.decompress(content) if name.endswith(".gz") else content
        text += name + plain.decode("latin-1")
    secrets = ["quixano", "alonso", PATIENT["PatientID"].lower(), PATIENT["PatientBirthDate"], "acc990077", "panza"]
    assert not [secret for secret in secrets if secret in text.lower()]


def test_unexpected_errors_of_dicom_quote_nothing(dicom, out, monkeypatch):
    def surprising(case, channels, **options):
        raise RuntimeError("Quixano")

    monkeypatch.setattr(case_worker, "prepare_case", surprising)
    assert run(dicom, out).failed["case-0001"].startswith("unexpected RuntimeError (test_prepare_folder.py")


@pytest.mark.slow
def test_dicom_to_the_template_keeps_sides(phantom, dicom, out):
    assert not run(dicom, out, space="mni").failed
    record = Provenance.read(out / "case-0001.prep.json")
    assert record.grid.shape == (182, 218, 182) and record.registration == "mni"
    for channel, pose in (("T1w", phantom.t1_pose), ("FLAIR", phantom.flair_pose)):
        point = record.to_grid(channel).apply(pose.to_scanner(np.array(MARKER_MM)))
        assert np.linalg.norm(point - MARKER_MM) < 8  # the phantom's warp is not affine
    for name in ("flair_to_t1", "t1_to_template"):
        assert (out / "transforms" / f"case-0001_{name}.tfm").is_file()


@pytest.mark.slow
def test_what_blank_slabs_hide_is_stated_after_registration(out, tmp_path):
    """The left of the T1w and the right of the back of the FLAIR are blank."""
    one = registration_phantom(4)
    to_t1, to_flair = best_affine(one), best_affine(one) @ flair_to_t1(one)
    t1, flair = scan(one.t1), scan(one.flair)
    t1.data[to_t1.apply(t1.grid.points().astype(float))[..., 0] < -45] = 0
    where = to_flair.apply(flair.grid.points().astype(float))
    flair.data[(where[..., 0] > 20) & (where[..., 1] < -50)] = 0
    maps = {"T1w": to_t1.inverse(), "FLAIR": to_flair.inverse()}
    truth = find_coverage({name: missing_brain(one, maps[name]) for name, one in (("T1w", t1), ("FLAIR", flair))}, maps)
    for name, volume in (("T1w", t1), ("FLAIR", flair)):
        write_volume(volume, tmp_path / "in" / "a" / f"{name}.nii.gz")
    outcome, = run(tmp_path / "in", out, space="mni", registration=RegistrationOptions(brain="template")).outcomes
    found = Provenance.read(out / "a.prep.json").coverage
    for gap, true, side, lobe in zip(found, truth, ("left", "right"), ("temporal", "parietal"), strict=True):
        assert gap.missing_ml == pytest.approx(true.missing_ml, rel=0.1) and gap.missing_ml > 100
        assert gap.sides == (side,) and gap.parts[0].lobe == lobe
        assert gap.text in outcome.flags and gap.text in rows(out)["a"]["flags"]
        assert gap.text in (out / "qc.html").read_text()
