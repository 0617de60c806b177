"""A conversion: the summary files describe what is there, and only what changed is converted."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nibabel.affines import from_matvec
from output_folders import snapshot, table, times
from small_dataset import small_dataset

from nnunet_tv.conversion import convert_case
from nnunet_tv.conversion.folder import RawFolder
from nnunet_tv.conversion.plan import ConversionOptions, make_plan
from nnunet_tv.conversion.source import SourceDataset
from nnunet_tv.conversion.writer import convert, dry_run
from nnunet_tv.imaging.volume import Volume, read_volume, write_volume
from nnunet_tv.preparation.alignment import SPACES
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json


@pytest.fixture
def source(tmp_path) -> SourceDataset:
    """Six patients and two controls."""
    return small_dataset(tmp_path / "source", shape=(6, 7, 8), spacing=2.0, controls=2,
                         lesion=(slice(2, 5), slice(3, 6), slice(2, 6)))


def plan_of(source, **settings):
    return make_plan(source, ConversionOptions(repeats=2, **settings))


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "raw" / "DatasetTest"


def test_everything_is_there_and_counted_and_replaces_the_plan_of_a_dry_run(source, root):
    assert dry_run(plan_of(source), root).ok
    planned = read_json(root / "splits_final.plan.json")
    report = convert(plan_of(source), root)
    content, folds = read_json(root / "dataset.json"), read_json(root / "splits_final.json")
    assert folds == planned and not list(root.glob("*.plan.*"))
    images = {path.name[:-12] for path in (root / "imagesTr").iterdir()}
    assert report.ok and report.counts == {"training": 5, "test": 1, "changed": 6}
    assert content["numTraining"] == 5 == len(images)
    assert content["channel_names"] == {"0": "T1w", "1": "FLAIR"} and content["labels"] == {"background": 0, "FCD": 1}
    assert content["conversion"]["split"] == "paper" and content["file_ending"] == ".nii.gz"
    assert len(folds) == 2 and images == {*folds[0]["train"], *folds[0]["val"]}
    assert {path.name[:-7] for path in (root / "labelsTr").iterdir()} == images
    assert len(list((root / "imagesTs").iterdir())) == 2 and len(list((root / "labelsTs").iterdir())) == 1
    rows = table(root / "conversion.tsv")
    assert list(rows) == [f"case{n}" for n in range(6)]
    assert rows["case0"]["sources"] == "T1w=case0_T1w.nii.gz; FLAIR=case0_FLAIR.nii.gz; label=case0_roi.nii.gz"
    assert all(row["status"] == "converted" for row in rows.values())
    digests = {kind: hashlib.sha256(path.read_bytes()).hexdigest() for kind, path in source.cases[0].files.items()}
    assert rows["case0"]["sha256"] == "; ".join(f"{kind}={digest}" for kind, digest in digests.items())
    assert "2 controls left out (--controls none)" in report.remarks
    assert "folds 0-1: 4 train, 1 val, 1 selection" in report.remarks


def test_a_second_run_converts_a_changed_source_only(source, root):
    convert(plan_of(source), root)
    before, when = snapshot(root), times(root)
    assert convert(plan_of(source), root).counts["changed"] == 0
    assert snapshot(root) == before and times(root) == when
    flair = read_volume(source.cases[2].channels["FLAIR"], case="case2")
    write_volume(Volume(flair.data + 1, flair.affine), source.cases[2].channels["FLAIR"])
    report = convert(plan_of(source), root)
    assert report.counts["changed"] == 1
    assert {path.name for path, time in times(root).items() if time != when[path] and ".nii" in path.name} == {
        "case2_0000.nii.gz", "case2_0001.nii.gz", "case2.nii.gz"}


def test_another_version_or_setting_converts_everything_again(source, root, monkeypatch):
    convert(plan_of(source), root)
    monkeypatch.setattr(convert_case, "CHAIN_VERSION", convert_case.CHAIN_VERSION + 1)
    assert convert(plan_of(source), root).counts["changed"] == 6
    monkeypatch.setitem(SPACES, "other", SPACES["none"])
    assert convert(plan_of(source, space="other"), root).counts["changed"] == 6
    moved = replace(source, label_on="T1w")
    assert convert(plan_of(moved, space="other"), root).counts["changed"] == 6
    assert convert(plan_of(moved, space="other"), root).counts["changed"] == 0


def test_another_split_moves_files_and_converts_nothing(source, root, monkeypatch):
    convert(plan_of(source), root)
    monkeypatch.setattr(convert_case, "prepare_case", None)  # would fail if a case was converted again
    plan = make_plan(source, ConversionOptions("cv5"))
    report = convert(plan, root)
    assert report.ok and report.counts == {"training": 6, "test": 0, "changed": 1}
    assert not list((root / "imagesTs").iterdir()) and not list((root / "labelsTs").iterdir())
    assert len(list((root / "imagesTr").iterdir())) == 12 and read_json(root / "dataset.json")["numTraining"] == 6


def test_a_case_that_left_the_plan_leaves_the_data_set(source, root):
    convert(plan_of(source, controls="train"), root)
    report = convert(plan_of(source), root)
    assert not [name for name in snapshot(root) if "case6" in name or "case7" in name]
    assert "removed what an earlier conversion had made of 2 cases: case6, case7" in report.remarks
    assert read_json(root / "dataset.json")["numTraining"] == 5


def test_a_bad_case_fails_alone_and_is_taken_out_again_and_back_when_repaired(source, root):
    convert(plan_of(source), root)
    before, path = snapshot(root), source.cases[1].channels["FLAIR"]
    good = path.read_bytes()
    path.write_bytes(b"broken")
    report = convert(plan_of(source), root)
    assert not report.ok and list(report.failed) == ["case1"] and path.name in report.failed["case1"]
    assert not [name for name in snapshot(root) if "case1" in name]
    folds = read_json(root / "splits_final.json")
    present = {path.name[:-7] for path in (root / "labelsTr").iterdir()}
    assert present == {*folds[0]["train"], *folds[0]["val"]}
    assert read_json(root / "dataset.json")["numTraining"] == len(present) == 4
    row = table(root / "conversion.tsv")["case1"]
    assert row["status"] == "failed" and "not a readable NIfTI" in row["notes"] and "FLAIR=" in row["sha256"]
    path.unlink()
    assert "no such file" in convert(plan_of(source), root).failed["case1"]
    path.write_bytes(good)
    assert convert(plan_of(source), root).counts["changed"] == 1 and snapshot(root) == before


@pytest.mark.parametrize("roles, message", [
    (("train", "selection"), "no training case could be converted: the data set cannot be used"),
    (("selection",), "fold 0 has no val case, so that neither splits_final.json nor dataset.json was written: repair"),
])
def test_nothing_usable(source, root, roles, message):
    plan = plan_of(source)
    for planned in plan.cases:
        if planned.split in roles:
            planned.source.channels["T1w"].unlink()
    report = convert(plan, root)
    assert report.incomplete.startswith(message) and not report.ok
    assert not (root / "splits_final.json").exists() and not (root / "dataset.json").exists()


def test_a_foreign_data_set_is_left_alone(source, root):
    (root / "imagesTr").mkdir(parents=True)
    (root / "dataset.json").write_text("{}")
    for action in (convert, dry_run):
        with pytest.raises(NnunetTVError, match=r"DatasetTest: it was not made by nnunet-tv-convert .*dataset.json"):
            action(plan_of(source), root)
    assert snapshot(root) == {"dataset.json": b"{}"}


def test_what_a_killed_run_left_is_cleared(source, root):
    convert(plan_of(source), root)
    before = snapshot(root)
    RawFolder(root).staging_of("case0").mkdir(parents=True)
    (root / ".partial-99999999-dataset.json").write_text("{")
    image = next(root.glob("imagesTr/*"))
    os.replace(image, root / "imagesTs" / image.name)  # killed while moving
    convert(plan_of(source), root)
    assert snapshot(root) == before


def test_cases_with_damaged_records_are_converted_again(source, root):
    convert(plan_of(source), root)
    before = snapshot(root)
    for number, record in enumerate(["[]", "null", "{"]):
        (root / ".conversion" / "records" / f"case{number}.json").write_text(record)
    report = convert(plan_of(source), root)
    assert report.ok and report.counts["changed"] == 3 and snapshot(root) == before


def test_a_dry_run_reads_no_voxels_and_cannot_be_mistaken(source, root):
    for case in source.cases:
        for path in case.files.values():
            path.unlink()
    source.cases[0].channels["T1w"].symlink_to("nowhere")
    source.cases[0].channels["FLAIR"].write_bytes(b"")
    first, second, *others = source.cases
    bad = replace(source, cases=(first, replace(second, problem="two candidates"), *others))
    report = dry_run(plan_of(bad), root)
    assert sorted(path.name for path in root.iterdir()) == ["conversion.plan.tsv", "splits_final.plan.json"]
    rows = table(root / "conversion.plan.tsv")
    assert rows["case0"]["status"] == "planned"
    assert rows["case0"]["notes"].startswith("content missing: T1w case0_T1w.nii.gz: dangling link; "
                                             "content missing: FLAIR case0_FLAIR.nii.gz: the file is empty; ")
    assert rows["case1"]["status"] == "failed" and report.failed == {"case1": "two candidates"}
    assert "case1" not in (root / "splits_final.plan.json").read_text()


def test_grids_with_different_axes_are_reported(source, root):
    flipped = from_matvec(np.diag([-2.0, 2.0, 2.0]), [10.0, 0.0, 0.0])
    write_volume(Volume(np.random.default_rng(0).random((6, 7, 8)).astype(np.float32), flipped),
                 source.cases[0].channels["T1w"])
    report = convert(plan_of(source), root)
    assert any("T1w grids have different axes (LAS 1, RAS 5)" in line for line in report.remarks)
