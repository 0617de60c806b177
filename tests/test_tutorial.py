"""docs/tutorial.md: its commands run in order on phantoms in a lab's folder, and do what its checks promise.

The fast tests compare the page with the commands' parsers; the slow one walks through it.
"""

import argparse
import csv
import html
import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from command_lines import entry_point
from lab_folder import write_lab

from nnunet_tv.imaging.volume import read_mask, read_volume, same_grid
from nnunet_tv.utils.files import read_json
from nnunet_tv.utils.tables import read_tsv, write_tsv

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
#: All that differs between the page and its run on phantoms: pattern, replacement. The reasons: two cores without a
#: GPU, where 300 epochs of MS-DSA-Net at 128³ take weeks; and scans that are not of patients. The whole walk keeps the
#: grid of the T1w, 3 mm, and the skull; the sections before the training are walked on the template, too.
ON_THE_TEMPLATE = (
    (r'"Synthetic": false', '"Synthetic": true'),
    (r"-np 4", "-np 2"),
)
REPLACED = (
    *ON_THE_TEMPLATE,
    (r"--space mni", "--space none"),
    (r"(nnunet-tv-plan .*)", r"\1 --network sg-net --patch-size 64 64 64"),
    (r"nnUNetTrainerDiceTV", "nnUNetTrainerDiceTV_1epochs"),
    (r"__nnUNetPlans__", "__SGNetPlans__"),
    (r"((nnUNetv2_train|nnUNetv2_predict|nnunet-tv-predict) .*)", r"\1 -p SGNetPlans -device cpu"),
    (r"((nnUNetv2_predict|nnunet-tv-predict) .*)", r"\1 --disable_tta"),
)

#: Walked on the template only.
SIDES = "Check the sides"


@dataclass(frozen=True)
class Step:
    """A section of the page with commands."""

    title: str
    blocks: tuple[str, ...]
    opened: tuple[str, ...]  #: files that the text asks to open


def steps() -> list[Step]:
    """Sections with commands, in order."""
    parts = re.split(r"^## (?:\d+\. )?(.*)$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    found = []
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        blocks = tuple(re.findall(r"^```bash\n(.*?)^```", text, re.S | re.M))
        opened = tuple(name for group in re.findall(r"[Oo]pen\s+(`[^`]+`(?:(?:,|,? and)\s+`[^`]+`)*)", text)
                       for name in re.findall(r"`([^`]+)`", group))
        if blocks:
            found.append(Step(title, blocks, opened))
    return found


def as_run(block: str, replaced: tuple[tuple[str, str], ...] = REPLACED) -> str:
    """A block with the replacements."""
    for pattern, text in replaced:
        block = re.sub(pattern, text, block)
    return block


class Shell:
    """Blocks of commands in one folder; exported variables and the folder stay from one to the next."""

    def __init__(self, folder: Path):
        self.state = folder / ".state"
        self.state.write_text(f"cd {shlex.quote(str(folder))}\n")
        self.environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                            "nnUNet_n_proc_DA": "1", "nnUNet_compile": "f"}
        for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
            self.environment.pop(name, None)

    def run(self, block: str) -> str:
        """Standard output and error of a block; AssertionError with both if a command of it fails."""
        code = (f"set -e -o pipefail\n. {shlex.quote(str(self.state))}\n{block}\n"
                f"{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} > {shlex.quote(str(self.state))}")
        done = subprocess.run(["bash", "-c", code], env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"$ {block}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout + done.stderr


def rows(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a TSV or CSV by case; the last of each."""
    if path.suffix == ".tsv":
        return {row["case"]: row for row in read_tsv(path)[1].values()}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


class Walk:
    """What is true after each section; methods are named after the sections' titles."""

    def __init__(self, folder: Path, lesions: dict, *, on_template: bool):
        self.folder, self.lesions, self.on_template, self.printed = folder, lesions, on_template, ""
        self.raw = folder / "nnUNet_raw" / "DatasetFCD"
        self.model = folder / "nnUNet_results" / "DatasetFCD" / "nnUNetTrainerDiceTV_1epochs__SGNetPlans__3d_fullres"

    def side(self, case: str) -> str:
        return {"L": "left", "R": "right"}[self.lesions[case].hemisphere]

    def midline(self, case: str) -> float:
        """Middle of the head in the converted T1w along x, mm; it is not 0 on the grid of a T1w."""
        t1 = read_volume(next(self.raw.glob(f"images*/{case}_0000.nii.gz")), case=case)
        return float(np.median(t1.grid.to_mm(np.argwhere(t1.data > t1.data.mean()).astype(float))[:, 0]))

    def prepare_a_folder(self) -> None:
        assert "!!" not in self.printed and (self.folder / "nnUNet_raw").is_dir()

    def your_scans(self) -> None:
        assert read_json(self.folder / "lab" / "dataset_description.json")["Name"]

    def list_the_cases(self) -> None:
        table = rows(self.folder / "cases.tsv")
        assert set(table) == {case for case in self.lesions if case.startswith("pat")}
        for case, row in table.items():
            assert "on the FLAIR, x" in self.printed and f"({self.side(case)})" in next(
                line for line in self.printed.splitlines() if line.startswith(case))
            assert row["label"] == f"lab/patients/{case}/lesion.nii.gz"
        assert {row["split"] for row in table.values()} == {"train", "selection", "test"}
        # by hand, as the page asks: what the clinical record states
        filled = [tuple({**row, "side": self.side(case)}.values()) for case, row in table.items()]
        write_tsv(tuple(next(iter(table.values()))), filled, self.folder / "cases.tsv")

    def convert(self) -> None:
        table, planned = rows(self.raw / "conversion.tsv"), rows(self.folder / "cases.tsv")
        assert {case: row["split"] for case, row in table.items()} == {
            case: row["split"] for case, row in planned.items()}
        assert all(row["status"] in ("converted", "flagged") for row in table.values())
        for case, row in table.items():
            assert not self.on_template or f"side {self.side(case)}, as the mask" in row["notes"]
            label = read_mask(next(self.raw.glob(f"labels*/{case}.nii.gz")), case=case)
            x = label.grid.to_mm(np.argwhere(label.data).astype(float))[:, 0]
            assert ("left" if np.median(x) < self.midline(case) else "right") == self.side(case)

    def check_the_sides(self) -> None:
        """A mask went to the template and came back: it lies where it was drawn."""
        table = rows(self.folder / "cases.tsv")
        for case, row in table.items():
            folder = self.folder / "sides" / ("test" if row["split"] == "test" else "train")
            drawn = read_mask(self.folder / "lab" / "patients" / case / "lesion.nii.gz", case=case)
            back = read_mask(folder / f"{case}_FLAIR_fcd.nii.gz", case=case)
            assert same_grid(drawn, back)
            both = np.count_nonzero(drawn.data & back.data)
            assert 2 * both / (drawn.data.sum() + back.data.sum()) > 0.8

    def plan_and_preprocess(self) -> None:
        folder = self.folder / "nnUNet_preprocessed" / "DatasetFCD"
        assert read_json(folder / "splits_final.json") == read_json(self.raw / "splits_final.json")

    def train(self) -> None:
        assert (self.model / "fold_0" / "checkpoint_final.pth").is_file()
        assert read_json(self.model / "fold_0" / "run.json")["status"] in ("finished", "stopped early")
        if find_spec("snakemake"):
            assert re.search(r"train +30 to run", self.printed) and "GPU-hours:" in self.printed
            assert not list((self.folder / "study").rglob("*.pth"))

    def predict_the_test_patients_and_the_controls(self) -> None:
        for name, folder in (("run0", self.raw / "imagesTs"), ("controls0", self.folder / "controls")):
            expected = {path.name[:-len("_0000.nii.gz")] for path in folder.glob("*_0000.nii.gz")}
            assert expected == {path.name[:-len(".nii.gz")] for path in
                                (self.folder / "predictions" / name).glob("*.nii.gz")}

    def make_the_report(self) -> None:
        report, test = self.folder / "report", sorted(path.name[:-7] for path in (self.raw / "labelsTs").glob("*.gz"))
        assert sorted(rows(report / "cases.csv")) == sorted([*test, "con01"])
        page = html.unescape((report / "report.html").read_text(encoding="utf-8"))
        assert "ynthetic" in page and "Patients and controls" in page
        with (report / "tables" / "test-set.csv").open(encoding="utf-8", newline="") as file:
            sides = {row["Value"]: row["Patients"].split()[0] for row in csv.DictReader(file)
                     if row["Characteristic"].startswith("Side of the lesion")}
        expected = Counter(self.side(case) for case in test)
        assert {side: int(number) for side, number in sides.items() if number != "0"} == expected
        with (report / "lesions.csv").open(encoding="utf-8", newline="") as file:
            found = [(row["case"], float(row["x_mm"])) for row in csv.DictReader(file)]
        assert {case for case, _ in found} == set(test)
        for case, x in found:
            assert ("left" if x < self.midline(case) else "right") == self.side(case)

    def a_new_patient(self) -> None:
        status = read_json(self.folder / "findings" / "status.json")["cases"]
        assert set(status) == {"new01"} and status["new01"]["status"] in ("done", "empty", "flagged")
        case = self.folder / "findings" / "new01"
        assert "synthetic" in (case / "new01.html").read_text(encoding="utf-8").lower()
        mask = read_mask(case / "new01_FLAIR_fcd.nii.gz", case="new01")
        clusters = list(csv.DictReader((case / "clusters.csv").open(encoding="utf-8", newline="")))
        assert bool(clusters) == bool(mask.data.any())
        for cluster in clusters:
            if cluster["side"] in ("left", "right"):
                assert not cluster["mni_x_mm"] or (float(cluster["mni_x_mm"]) < 0) == (cluster["side"] == "left")


def method_of(step: Step) -> str:
    return re.sub(r"\W+", "_", step.title.lower()).strip("_")


def can_run(block: str) -> bool:
    """Snakemake is an extra, and does not support Python 3.10."""
    return "nnunet-tv-experiment" not in block or find_spec("snakemake") is not None


def walk_through(folder: Path, sections: list[Step], replaced: tuple[tuple[str, str], ...], *, patients: int) -> None:
    """Run the commands of sections in order, with the checks after each."""
    lesions = write_lab(folder / "lab", patients=patients)
    walk, shell = Walk(folder, lesions, on_template=replaced is ON_THE_TEMPLATE), Shell(folder)
    for step in sections:
        begun = time.monotonic()
        walk.printed = "".join(shell.run(as_run(block, replaced)) for block in step.blocks if can_run(block))
        print(f"{step.title}: {time.monotonic() - begun:.0f} s", flush=True)
        getattr(walk, method_of(step))()
        for name in step.opened:
            if name.endswith("qc.html") and not walk.on_template:
                continue  # written with a registration only
            assert list(folder.glob(as_run(name, replaced))), f"{step.title}: {name}"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_tutorial_is_walkable(tmp_path):
    # without a registration there is nothing to bring back
    walk_through(tmp_path, [step for step in steps() if step.title != SIDES], REPLACED, patients=4)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_tutorials_conversion_to_the_template_keeps_the_sides(tmp_path):
    titles = [step.title for step in steps()]
    walk_through(tmp_path, steps()[:titles.index(SIDES) + 1], ON_THE_TEMPLATE, patients=3)


def test_every_section_with_commands_is_checked_and_every_replacement_is_used():
    found = steps()
    assert len(found) >= 8
    for step in found:
        assert hasattr(Walk, method_of(step)), step.title
    blocks = "".join(block for step in found for block in step.blocks)
    for pattern, _ in REPLACED:
        assert re.search(pattern, blocks), pattern


def options(command: str, monkeypatch) -> set[str]:
    """Options of a command's parser (of ``pairs`` for nnunet-tv-convert)."""
    class Found(Exception):
        pass

    def stop(self, args=None, namespace=None):
        raise Found(self)

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(sys, "argv", [command])
        with pytest.raises(Found) as found:
            entry_point(command)()
    parser = found.value.args[0]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and "pairs" in action.choices:
            parser = action.choices["pairs"]
    return set(parser._option_string_actions)


def named_commands() -> Iterator[tuple[str, list[str]]]:
    """Commands in blocks and in the text, with the options that follow."""
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"^```bash\n(.*?)^```", text, re.S | re.M) for line in block.splitlines()]
    for line in [*lines, *re.findall(r"`([^`\n]+)`", text)]:
        words = re.findall(r"\S+", line)
        if words and re.fullmatch(r"nnunet-tv-[a-z-]+|nnUNetv2_\w+", words[0]):
            yield words[0], [word.partition("=")[0] for word in words[1:] if re.match(r"--?[A-Za-z]", word)]


def test_every_option_of_the_tutorial_exists(monkeypatch):
    known: dict[str, set[str]] = {}
    for command, named in named_commands():
        known.setdefault(command, options(command, monkeypatch))
        assert set(named) <= known[command], command
    assert {"nnunet-tv-table", "nnunet-tv-convert", "nnunet-tv-report", "nnUNetv2_train"} <= set(known)
    alone = set(re.findall(r"`(--[a-z][\w-]*)", PAGE.read_text(encoding="utf-8")))
    assert alone <= set().union(*known.values())
