"""nnunet-tv-convert on the complete lists of names with tiny volumes: what is the same for all data sets."""

from __future__ import annotations

import bonbid_tree
import ds004199_tree
import mets_tree
import pytest
from conversion_runs import BONBID, DS004199, METS, Converter, check_places, kill_after, table
from output_folders import snapshot

from nnunet_tv.utils.files import read_json

ds004199_whole, bonbid_whole, mets_whole = ds004199_tree.whole_tree, bonbid_tree.whole_tree, mets_tree.whole_tree


@pytest.fixture(scope="module", params=[DS004199, BONBID, METS], ids=lambda converter: converter.data_set)
def converter(request) -> Converter:
    return request.param


@pytest.fixture(scope="module")
def tree(converter, request):
    return request.getfixturevalue({DS004199: "ds004199_whole", BONBID: "bonbid_whole", METS: "mets_whole"}[converter])


@pytest.fixture(scope="module")
def whole(converter, tree, tmp_path_factory):
    """The complete list, converted with the defaults."""
    out = tmp_path_factory.mktemp("raw")
    assert converter(tree, out) == 0
    return out / converter.folder


def test_nnunet_accepts_it(whole):
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    verify_dataset_integrity(str(whole), num_processes=1)


def test_marker_and_lesion_stay_where_they_were_in_the_scanner(converter, whole):
    """Left stays left: the phantom is asymmetric, the poses of the scans differ; read by ITK, as nnU-Net reads them."""
    numbers = {DS004199: (10, 1, 32, 3, 4), METS: range(1, 11)}.get(converter) or [
        next(number for number in bonbid_tree.TRAINING_NUMBERS + bonbid_tree.VALIDATION_NUMBERS if number % 5 == pose)
        for pose in range(5)]
    assert {number % len(ds004199_tree.POSES) for number in numbers} == {0, 1, 2, 3, 4}
    for number in numbers:
        case = {DS004199: f"sub-{number:05d}", METS: f"P{number:03d}"}.get(converter) or bonbid_tree.name(number)
        check_places(whole, case, ("0000",) if converter is BONBID else ("0000", "0001"))


def test_a_killed_run_is_continued_and_another_run_changes_nothing(converter, tree, whole, tmp_path, capsys):
    folder, labels = tmp_path / converter.folder, 2 if converter is METS else 5
    processes = 2 if converter is DS004199 else 1
    written = kill_after(labels, folder, converter.arguments(tree, tmp_path), processes=processes)
    assert labels <= len(written) < len(snapshot(whole)) and not (folder / "dataset.json").exists()
    for path in written:
        assert path.read_bytes() == (whole / path.relative_to(folder)).read_bytes(), path
    assert converter(tree, tmp_path) == 0
    assert snapshot(folder) == snapshot(whole)
    capsys.readouterr()
    assert converter(tree, tmp_path) == 0
    assert ", 0 written or moved in this run" in capsys.readouterr().out


def test_a_dry_run_plans_the_conversion(converter, tree, whole, tmp_path):
    assert converter(tree, tmp_path, "--dry-run") == 0
    folder = tmp_path / converter.folder
    assert sorted(path.name for path in folder.iterdir()) == ["conversion.plan.tsv", "splits_final.plan.json"]
    plan, done = table(folder, "conversion.plan.tsv"), table(whole)
    assert {case: (row["sources"], row["split"]) for case, row in plan.items()} == {
        case: (row["sources"], row["split"]) for case, row in done.items()}
    assert read_json(folder / "splits_final.plan.json") == read_json(whole / "splits_final.json")
