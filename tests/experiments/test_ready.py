"""The shipped tv-weights and cv5 from their files to their results; nnU-Net's commands are quick stand-ins."""

import csv
from importlib.util import find_spec

import pytest
from fake_commands import FakeEnvironment, table

from nnunet_tv.experiments.experiment import ready_configs

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("snakemake") is None, reason="Snakemake is not installed")]
DICE, TV = "nnUNetTrainerDice", "nnUNetTrainerDiceTV"


def test_weights_of_total_variation(tmp_path):
    trainers = [DICE, f"{TV}_tv0p05", TV, f"{TV}_tv0p15", f"{TV}_tv0p2"]
    env = FakeEnvironment(tmp_path / "env", trainers, 1)
    (env.folder / "scans").mkdir()
    status, output = env.run("tv-weights", "-d", "scans", "-o", "study", "--cpu", "2", "--runs", "1", "-np", "1")
    assert status == 0, output
    assert sorted(call["command"][call["command"].index("-tr") + 1] for call in env.calls("train")) == sorted(trainers)
    folder = env.folder / "study" / "tv-weights"
    text = table(folder / "report")
    assert all(f"| TV {weight} | 1 |" in text for weight in ("0", "0.05", "0.1", "0.15", "0.2"))
    rows = [row for row in rows_of(folder / "sweep" / "sweep.csv") if row["stage"] == "raw"]
    assert [float(row["weight"]) for row in rows] == [0, 0.05, 0.1, 0.15, 0.2]
    # The prediction of weight number k is the reference's cube of 6 voxels, k voxels beside it.
    assert [float(row["DC"]) for row in rows] == pytest.approx([1 - k / 6 for k in range(5)])
    assert "No knee" in (folder / "sweep" / "sweep.md").read_text() and (folder / "sweep" / "sweep.png").stat().st_size


def test_cross_validation_is_one_pooled_row_with_strata_and_a_failed_fold_is_left_out_of_all(tmp_path):
    env = FakeEnvironment(tmp_path / "env", [DICE, TV], 1)
    names = env.cross_validation(folds=5, cases=3)
    (env.folder / "scans").mkdir()
    lines = ready_configs()["cv5"].read_text().splitlines()
    (env.folder / "folds.yaml").write_text("\n".join(line for line in lines if "BCE" not in line))
    arguments = ("folds.yaml", "-d", "scans", "-o", "study", "--cpu", "2", "-np", "1")
    fault = env.fault(f"train-{TV}-3", "error")
    status, output = env.run(*arguments)
    report = env.folder / "study" / "cv5" / "report"
    assert status == 1 and "Dice+TV, run 3: training failed" in output
    assert cases(report) == {group: set(names) - set(names[3::5]) for group in ("Dice", "Dice+TV")}
    assert "Missing: Dice+TV, run 3: training failed (exit status 1): RuntimeError: planned" in table(report)

    fault.unlink()
    status, output = env.run(*arguments)
    assert status == 0, output
    assert len(env.calls("train")) == 11 and not env.calls("predict")
    assert cases(report) == {group: set(names) for group in ("Dice", "Dice+TV")}
    text = table(report)
    assert "| Dice | 1 |" in text and "| Dice+TV | 1 |" in text and "Missing" not in text
    size = rows_of(report / "tables" / "strata-size.csv")
    assert [(row["Group"], row["Stage"], row["Subjects"]) for row in size] == [
        (group, stage, "15") for stage in ("raw", "filtered") for group in ("Dice", "Dice+TV")]
    contrast = rows_of(report / "tables" / "strata-contrast.csv")
    assert sum(int(row["Subjects"]) for row in contrast if (row["Group"], row["Stage"]) == ("Dice", "raw")) == 15
    assert len({row["Level"] for row in contrast}) > 1


def cases(report) -> dict[str, set[str]]:
    """Cases of each row of the table."""
    rows = rows_of(report / "cases.csv")
    return {group: {row["case"] for row in rows if row["group"] == group} for group in {row["group"] for row in rows}}


def rows_of(table_file) -> list[dict[str, str]]:
    """Rows of a table."""
    with table_file.open(newline="") as file:
        return list(csv.DictReader(file))
