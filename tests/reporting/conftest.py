"""One study and its report, for all tests of the report."""

import shutil
from functools import partial

import numpy as np
import pytest
import scored_folders

from nnunet_tv.cli.report import main
from nnunet_tv.imaging.volume import read_mask

AFFINE = np.array([[2.0, 0, 0, -30], [0, 2, 0, -30], [0, 0, 2, -30], [0, 0, 0, 1]])
SHAPE = (30, 30, 30)
save = partial(scored_folders.save, affine=AFFINE)


def ball(centre, radius):
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    return ((grid - centre) ** 2).sum(axis=-1) <= radius ** 2


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """Seven patients, two groups with probabilities, three controls, a table of participants."""
    root, rng = tmp_path_factory.mktemp("study"), np.random.default_rng(0)
    lines = ["participant_id\tlobe\tscanner"]
    for number in range(7):
        case, centre, radius = f"sub-{number + 1}", rng.uniform(8, 21, 3), rng.uniform(2, 5)
        lesion = ball(centre, radius)
        save(root / "ref", case, lesion.astype(np.uint8))
        save(root / "images", f"{case}_0000", (rng.normal(100, 5, SHAPE) + 20 * lesion).astype(np.float32))
        for group, shift in (("dice", 3.0), ("tv", 1.0)):
            seen = 0.9 * ball(centre + shift, radius) if number else np.zeros(SHAPE)
            probability = np.maximum(seen, rng.uniform(0.3, 0.8) * ball((4, 4, 4), 3)).astype(np.float32)
            save(root / group, case, (probability > 0.5).astype(np.uint8))
            save(root / f"{group}-p", case, probability)
        lines.append(f"{case}\t{'FL' if number % 2 else 'TL'}\t{'A' if number < 4 else 'B'}")
    for number in range(3):
        probability = (0.45 + 0.3 * (number == 0)) * ball((15, 15, 15), 4)
        save(root / "controls", f"con-{number}", (probability > 0.5).astype(np.uint8))
        save(root / "controls-p", f"con-{number}", probability.astype(np.float32))
        lines.append(f"con-{number}\tn/a\tA")
    (root / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def report(study):
    """The report of the study with every part."""
    arguments = ["--ref", "ref", "--pred", "Dice=dice", "TV=tv", "--probabilities", "Dice=dice-p", "TV=tv-p",
                 "--controls", "TV=controls", "--controls-probabilities", "TV=controls-p",
                 "--images", "images", "--participants", "participants.tsv",
                 "--strata", "lobe,size,contrast,hemisphere", "--hit", "any", "--hit", "overlap:0.1", "--measures",
                 "--paper", "--primary", "sSens", "--seed", "3", "-np", "1", "-o", "out"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(study)
        assert main(arguments) == 0
    return study / "out"


@pytest.fixture(scope="session")
def rescans(study, tmp_path_factory):
    """The report of the study with second scans of three patients, one of them without a reference, and a control."""
    root = tmp_path_factory.mktemp("rescans")
    for folder in ("ref", "tv", "dice", "controls"):
        shutil.copytree(study / folder, root / folder)
    for case in ("sub-2", "sub-3"):
        save(root / "tv-again", case, np.roll(read_mask(root / "tv" / f"{case}.nii.gz", case=case).data, 1, axis=0))
    for folder in ("tv", "tv-again"):
        save(root / folder, "sub-without-reference", ball((9, 9, 9), 5).astype(np.uint8))
    save(root / "tv-again", "con-1", np.zeros(SHAPE, np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert main(["--ref", "ref", "--pred", "TV=tv", "Dice=dice", "--controls", "TV=controls", "--rescan",
                     "TV=tv-again", "-np", "1", "-o", "out"]) == 0
    return root / "out"
