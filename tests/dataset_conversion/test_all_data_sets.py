"""nnunet-tv-convert on the complete lists of names with tiny volumes: what is the same for all data sets."""

import re

import bonbid_tree
import ds004199_tree
import mets_tree
import pytest
import SimpleITK as sitk
from conversion_runs import BONBID, DS004199, METS, check_failed, check_places, damage, kill_after, table
from output_folders import snapshot

from nnunet_tv.utils.files import read_json

all_data_sets = pytest.mark.parametrize("converter", [DS004199, BONBID, METS], ids=lambda one: one.data_set)


@all_data_sets
def test_nnunet_accepts_it_and_all_files_of_a_case_have_one_geometry_for_itk(converter, whole):
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    verify_dataset_integrity(str(whole(converter)), num_processes=1)
    for label in whole(converter).glob("labels*/*"):
        images = label.parent.with_name(label.parent.name.replace("labels", "images"))
        read = [sitk.ReadImage(str(path)) for path in [label, *images.glob(f"{label.name[:-7]}_*.nii.gz")]]
        geometry = {(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()) for image in read}
        assert len(read) == 3 and len(geometry) == 1, label


@all_data_sets
def test_marker_and_lesion_stay_where_they_were_in_the_scanner(converter, whole):
    """Left stays left: the phantom is asymmetric, the poses of the scans differ; read by ITK, as nnU-Net reads them."""
    folder, cases = whole(converter), {}
    for path in sorted(folder.glob("labels*/*")):
        if path.name != "sub-00027.nii.gz":  # its FLAIR has slices too thick for the marker
            cases.setdefault(int(re.search(r"\d+", path.name)[0]) % len(ds004199_tree.POSES), path.name[:-7])
    assert len(cases) == len(ds004199_tree.POSES)
    for case in cases.values():
        check_places(folder, case, converter.channels)


@all_data_sets
def test_a_killed_run_is_continued_and_another_run_changes_nothing(converter, whole_tree, whole, tmp_path, capsys):
    folder, labels, tree = tmp_path / converter.folder, 2 if converter is METS else 5, whole_tree(converter)
    processes = 2 if converter is DS004199 else 1
    written = kill_after(labels, folder, converter.arguments(tree, tmp_path), processes=processes)
    complete = snapshot(whole(converter))
    assert labels <= len(written) < len(complete) and not (folder / "dataset.json").exists()
    for path in written:
        assert path.read_bytes() == complete[path.relative_to(folder).as_posix()], path
    for _ in range(2):
        capsys.readouterr()
        assert converter(tree, tmp_path) == 0
        assert snapshot(folder) == complete
    assert ", 0 written or moved in this run" in capsys.readouterr().out


@all_data_sets
def test_a_dry_run_plans_the_conversion(converter, whole_tree, whole, tmp_path, capsys):
    assert converter(whole_tree(converter), tmp_path, "--dry-run") == 0
    folder = tmp_path / converter.folder
    assert sorted(path.name for path in folder.iterdir()) == ["conversion.plan.tsv", "splits_final.plan.json"]
    assert (folder / "conversion.plan.tsv").read_text() in capsys.readouterr().out
    plan, done = ({case: (row["sources"], row["split"]) for case, row in rows.items()}
                  for rows in (table(folder, "conversion.plan.tsv"), table(whole(converter))))
    assert plan == done
    assert read_json(folder / "splits_final.plan.json") == read_json(whole(converter) / "splits_final.json")


@pytest.mark.parametrize("converter, case, kind, target, message", [
    *((DS004199, "sub-00003", *row) for row in [
        ("pointer", "FLAIR", "git-annex pointer"),
        ("elsewhere", "FLAIR", "lies wholly outside the grid"),
        ("missing", "roi", "expected one T1w, one FLAIR and one lesion mask"),
    ]),
    *((BONBID, bonbid_tree.name(306), *row) for row in [
        ("missing", "Zmap",
         r"expected one ADC, one Z map and one lesion mask, found 0 × Z map \(2Z_ADC\): complete"),
        ("cut", "ADC", "its compressed voxels are cut or damaged"),
        ("shifted", "Zmap", "expected the Zmap on the ADC's grid .*where the voxels do correspond, copy the ADC's"),
        ("cropped", "Zmap", r"found shape \(12, 12, 11\)"),
        ("shifted", "label", r"expected the mask on the ADC's grid \(shape \(12, 12, 12\)"),
    ]),
    *((METS, "P004", *row) for row in [
        ("missing", "core_seg", r"expected one each of \*_t1ce_img, \*_flair_img, \*_core_seg, found 0 × \*_core_seg "
                                r"\(P004_flair_img.nii.gz, P004_t1ce_img.nii.gz, P004_whole"),
        ("both endings", "t1ce_img", r"found 2 × \*_t1ce_img"),
        ("elsewhere", "core_seg", "the grid of the mask does not overlap the T1c's"),
    ]),
])
def test_a_bad_file_fails_only_its_case(tmp_path, capsys, converter, case, kind, target, message):
    tree = converter.tree.write(tmp_path / "tree", converter.tree.SMALL)
    path = {DS004199: lambda: ds004199_tree.file_of(tree, case, target),
            BONBID: lambda: bonbid_tree.files(tree / bonbid_tree.TRAIN, case)[target],
            METS: lambda: mets_tree.files(tree, 4)[target]}[converter]()
    damage(path, kind)
    assert converter(tree, tmp_path, "--repeats", "2") == 1
    place = path.parents[1] if converter is BONBID else path.parent
    check_failed(tmp_path / converter.folder, case, message, capsys.readouterr().err,
                 named=place if kind in ("missing", "both endings") else path)
