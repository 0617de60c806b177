"""One study and its report, for all tests of the report."""

from functools import partial

import numpy as np
import pytest
import scored_folders

from nnunet_tv.cli.report import main

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
        save(root / "controls", f"con-{number}", (ball((15, 15, 15), 4) * (number == 0)).astype(np.uint8))
        lines.append(f"con-{number}\tn/a\tA")
    (root / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def report(study):
    """The report of the study with every part."""
    arguments = ["--ref", "ref", "--pred", "Dice=dice", "TV=tv", "--probabilities", "Dice=dice-p", "TV=tv-p",
                 "--controls", "TV=controls", "--images", "images", "--participants", "participants.tsv",
                 "--strata", "lobe,size,contrast,hemisphere", "--hit", "any", "--hit", "overlap:0.1", "--measures",
                 "--paper", "--primary", "sSens", "--seed", "3", "-np", "1", "-o", "out"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(study)
        assert main(arguments) == 0
    return study / "out"
