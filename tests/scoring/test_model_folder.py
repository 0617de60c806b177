"""Model folders: which folds are runs, which a cross-validation, and what is refused."""

import re
import shutil

import pytest
from scored_folders import cube, save

from nnunet_tv.scoring.folders import score_folders
from nnunet_tv.scoring.model_folder import check_comparable, model_runs, numbered_as
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import write_json

DATASET, LESION = "DatasetFCD", cube((2, 2, 2), side=5)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """References of six cases."""
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "pre"))
    for number in range(6):
        save(tmp_path / "pre" / DATASET / "gt_segmentations", f"sub-{number}", LESION)
    return tmp_path


def split(host, *folds, selection=()):
    """Write a split; the cases of its folds."""
    names, chosen = ([[f"sub-{number}" for number in fold] for fold in part] for part in (folds, selection))
    entries = [{"train": [], "val": val} for val in names]
    for entry, cases in zip(entries, chosen, strict=False):
        entry["selection"] = cases
    write_json(entries, host / "pre" / DATASET / "splits_final.json")
    return dict(enumerate(names))


def trained(host, folds, trainer="nnUNetTrainerDiceTV"):
    model = host / "results" / DATASET / f"{trainer}__MSDSANetPlans__3d_fullres"
    for number, cases in folds.items():
        for case in cases:
            save(model / f"fold_{number}" / "validation", case, cube((3, 2, 2), side=5))
            save(model / f"fold_{number}" / "validation_filtered", case, LESION)
    return model


def test_equal_folds_are_runs(host):
    model = trained(host, split(host, (0, 1), (0, 1), selection=((0, 1), (0, 1))))
    found = model_runs(model)
    assert (found.group, found.kind, found.cases) == ("DiceTV", "repeats", ("sub-0", "sub-1"))
    assert found.note == ("Selection set, not test: the cases on which training stopped and its weights were chosen.")
    assert found.runs == tuple(Run("DiceTV", k, model / f"fold_{k}/validation", model / f"fold_{k}/validation_filtered")
                               for k in (0, 1))
    assert found.warnings == () and found.reference == host / "pre" / DATASET / "gt_segmentations"
    scores = score_folders(found.reference, found.runs, cases=found.cases)
    assert scores.problems == [] and [row.case for row in scores.rows] == ["sub-0", "sub-1"] * 4
    assert [row.score.dice for row in scores.rows][:3] == [0.8, 0.8, 1.0]


def test_disjoint_folds_are_one_pooled_run(host):
    found = model_runs(trained(host, split(host, (0, 1), (2, 3), (4, 5), selection=((2,), (4,), (0,)))), group="mine")
    assert (found.group, found.kind, len(found.runs), found.warnings) == ("mine", "crossval", 1, ())
    assert found.note == ("Cross-validation: 3 disjoint folds pooled as one run, each scored by the model that did not "
                          "see it.")
    scores = score_folders(found.reference, found.runs, cases=found.cases)
    assert scores.problems == [] and len(scores.rows) == 12 and {row.run for row in scores.rows} == {0}
    assert scores.rows[6].score.dice == 1.0


@pytest.mark.parametrize(("folds", "selection", "note"), [
    (((0, 1), (2, 3)), (), "; where the split has no selection set of its own, a trainer that stops early chose its "
     "weights on the cases scored here."),
    (((0, 1), (0, 1)), ((4,), (5,)), "Validation cases of one split, not used for the choice of weights."),
])
def test_notes_on_selection(host, folds, selection, note):
    model = trained(host, split(host, *folds, selection=selection))
    assert model_runs(model).note.endswith(note)


def test_folds_that_are_not_there_are_named(host):
    folds = split(host, (0, 1), (2, 3), (4, 5))
    model = trained(host, {0: folds[0], 2: folds[2]})
    (model / "fold_1").mkdir()
    (model / "fold_all").mkdir()
    found = model_runs(model)
    assert found.cases == ("sub-0", "sub-1", "sub-4", "sub-5")
    unvalidated, whole, lacking = found.warnings
    assert "fold_1: no segmentations in validation; left out. Validate it with nnUNetv2_train … 1 --val" in unvalidated
    assert "fold_all: trained on all cases" in whole
    text = "fold 1 of the split's 3 not validated, so that their cases are in no figure"
    assert lacking.endswith(text) and found.note.endswith(f"Incomplete: {text}.")  # over the tables too


def test_a_missing_prediction_of_a_fold_is_found_by_scoring(host):
    folds = split(host, (0, 1), (0, 1))
    found = model_runs(trained(host, {0: folds[0], 1: folds[1][:1]}))
    scores = score_folders(found.reference, found.runs, cases=found.cases)
    assert len(scores.problems) == 2 and all("sub-1: missing" in text and "run 1" in text for text in scores.problems)


def test_incomplete_parts_of_folds_are_not_used(host):
    # Filtered twins and probabilities of some folds or cases only, and a case that the split does not name.
    folds = split(host, (0, 1), (0, 1))
    model = trained(host, {0: folds[0], 1: [*folds[1], "sub-5"]})
    shutil.rmtree(model / "fold_1" / "validation_filtered")
    for name in ("fold_0/validation/sub-0.npz", "fold_0/validation/sub-1.npz", "fold_1/validation/sub-0.npz"):
        (model / name).write_bytes(b"")
    found = model_runs(model)
    assert [run.filtered for run in found.runs] == [None, None]
    assert [run.probabilities for run in found.runs] == [model / "fold_0" / "validation", None]
    twins, probabilities, extra = found.warnings
    assert "not every fold has validation_filtered; the filter is applied in memory for all" in twins
    assert "fold_1/validation: probabilities of 1 of 2 cases only; not used" in probabilities
    assert "1 segmentations of cases that the split does not give to this fold, not scored: sub-5" in extra


@pytest.mark.parametrize(("trainer", "group"), [
    ("nnUNetTrainerDice_5epochs", "Dice_5epochs"), ("nnUNetTrainer", "nnUNetTrainer"), ("Own", "Own")])
def test_names_of_groups(host, trainer, group):
    assert model_runs(trained(host, split(host, (0, 1)), trainer)).group == group


def test_references_and_split_of_ones_own(host, monkeypatch):
    model = trained(host, split(host, (0, 1)))
    (host / "pre" / DATASET / "splits_final.json").rename(host / "own.json")
    monkeypatch.delenv("nnUNet_preprocessed")
    assert model_runs(model, reference=host, splits=host / "own.json").reference == host
    with pytest.raises(NnunetTVError, match="nnUNet_preprocessed is not set"):
        model_runs(model, reference=host)


@pytest.mark.parametrize(("content", "message"), [
    (None, "splits_final.json: no such file; it lists the cases"),
    ("[{}]", r"splits_final.json: not a list of folds with their cases under 'val' \(KeyError"),
    ("nothing", "splits_final.json: not a list of folds"),
    ('[{"val": []}]', "splits_final.json: a fold has no cases under 'val'"),
    ('[{"val": ["a", "b"]}, {"val": ["c", "d"]}, {"val": ["d", "e"]}]',
     r"splits_final.json: folds 1 and 2 share 1 of 2 and 2 cases: neither"),
    ('[{"val": ["sub-0"]}]', "splits_final.json: 1 folds, but fold_1 was trained: nnU-Net drew a split of its own"),
])
def test_unusable_splits_are_named(host, content, message):
    model = trained(host, {0: ["sub-0"], 1: ["sub-0"]})
    path = host / "pre" / DATASET / "splits_final.json"
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)
    with pytest.raises(NnunetTVError, match=message):
        model_runs(model)


def test_what_is_no_model_folder_is_named(host):
    split(host, (0, 1))
    for path in (host / "nowhere__a__b", host):
        with pytest.raises(NnunetTVError, match=re.escape(f"{path}: expected a model folder, RESULTS/DATASET/")):
            model_runs(path)
    model = trained(host, {})
    model.mkdir(parents=True)
    with pytest.raises(NnunetTVError, match="no fold has segmentations in fold_k/validation: finish the training"):
        model_runs(model)


def test_models_with_other_cases_or_references_do_not_compare(host):
    folds = split(host, (0, 1), (2, 3))
    whole = model_runs(trained(host, folds))
    check_comparable([whole, model_runs(trained(host, folds, "nnUNetTrainerDice"))])
    half = model_runs(trained(host, {0: folds[0]}, "nnUNetTrainerDiceBCE"))
    with pytest.raises(NnunetTVError, match=r"DiceTV \(crossval, 4 cases\) and DiceBCE \(crossval, 2 cases\) were not"):
        check_comparable([whole, half])
    with pytest.raises(NnunetTVError, match=r"DiceTV has its references in .*, B in .*: name one folder with --ref"):
        check_comparable([whole, model_runs(trained(host, folds), group="B", reference=host)])


def test_controls_of_a_model_have_the_numbers_of_its_folds(host):
    cases = split(host, (0, 1), (0, 1), (0, 1), (0, 1))
    model = model_runs(trained(host, {fold: cases[fold] for fold in (1, 3)}))
    assert [run.run for run in model.runs] == [1, 3]
    others = [Run("Other", k, host / f"other{k}") for k in range(3)]
    found = numbered_as([model], [Run("DiceTV", 0, host / "a"), Run("DiceTV", 1, host / "b"), *others])
    assert found == [Run("DiceTV", 1, host / "a"), Run("DiceTV", 3, host / "b"), *others]
    with pytest.raises(NnunetTVError, match=r"DiceTV: expected at most 2 .*\(1, 3\)"):
        numbered_as([model], [Run("DiceTV", k, host / str(k)) for k in range(3)])


def test_controls_of_a_cross_validation_keep_their_numbers(host):
    model = model_runs(trained(host, split(host, (0, 1), (2, 3))))
    controls = [Run("DiceTV", k, host / str(k)) for k in range(2)]
    assert model.kind == "crossval" and numbered_as([model], controls) == controls
