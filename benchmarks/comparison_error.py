"""How often the report's comparisons find a difference between two equal losses, by simulation.

``python benchmarks/comparison_error.py --json comparison_error.json``: two groups of the same loss on the same
subjects, whose trainings vary as in Table 1 of the TV paper (false clusters: coefficient of variation 0.345 between
runs, 7.59 / 22.0; Dice: standard deviation 0.02) or not at all, with and without subjects that one of the two groups
happens to suit. The share of p < 0.05 should be 0.05 (3 to 7 %). "Models": the comparison of these trained models,
whose question is another one. "Trainings": the comparison of losses.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from side_by_side import parser, table, write

from nnunet_tv.reporting.statistics import difference_of_trainings, paired_difference


@dataclass(frozen=True)
class Scenario:
    """What varies in two groups without a difference between their losses."""

    endpoint: str  #: ``nFPC`` or ``DC``
    subjects: int = 14
    runs: tuple[int, int] = (10, 10)
    between_runs: float = 0.345  #: coefficient of variation of nFPC, standard deviation of DC
    suits: float = 0.0  #: the same of subjects that suit one group

    def draw(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Values of both groups, shape (subjects, runs)."""
        subjects, tables = rng.gamma(2, 4, (self.subjects, 1)), []
        level = 0.35 + 0.25 * rng.standard_normal((self.subjects, 1))
        for runs in self.runs:
            run, suited = rng.standard_normal((1, runs)), rng.standard_normal((self.subjects, 1))
            if self.endpoint == "nFPC":
                tables.append(rng.poisson(subjects * _lognormal(run, self.between_runs)
                                          * _lognormal(suited, self.suits)).astype(float))
            else:
                noise = 0.08 * rng.standard_normal((self.subjects, runs))
                tables.append(np.clip(level + self.between_runs * run + self.suits * suited + noise, 0, 1))
        return tables


def _lognormal(normal: np.ndarray, variation: float) -> np.ndarray:
    """Factors with a mean of 1 and a coefficient of variation."""
    spread = np.log1p(variation ** 2) ** 0.5
    return np.exp(spread * normal - spread ** 2 / 2)


SCENARIOS = (
    *(Scenario("nFPC", n) for n in (8, 14, 28, 85)),
    *(Scenario("nFPC", runs=(runs, runs)) for runs in (3, 5)),
    Scenario("nFPC", runs=(10, 3)), Scenario("nFPC", suits=0.3), Scenario("nFPC", between_runs=0, suits=0.3),
    Scenario("nFPC", between_runs=0),
    *(Scenario("DC", n, between_runs=0.02) for n in (8, 14, 28)),
    Scenario("DC", between_runs=0.02, suits=0.05), Scenario("DC", between_runs=0, suits=0.05),
    Scenario("DC", between_runs=0),
)


def simulate(scenario: Scenario, *, repeats: int, seed: int = 1) -> dict[str, Any]:
    """Shares of p < 0.05."""
    rng = np.random.default_rng(seed)
    found = np.zeros(2)
    for _ in range(repeats):
        first, second = scenario.draw(rng)
        ps = (paired_difference(first.mean(axis=1), second.mean(axis=1)).p,
              difference_of_trainings(first, second)[1])
        found += [p is not None and p < 0.05 for p in ps]
    models, trainings = (found / repeats).tolist()
    return {**{name: str(value) for name, value in vars(scenario).items()}, "models": models, "trainings": trainings}


def main(argv: list[str] | None = None) -> int:
    """Print the table, write the JSON."""
    options = parser(__doc__, repeats=2000).parse_args(argv)
    rows = []
    for scenario in SCENARIOS:
        rows.append(simulate(scenario, repeats=options.repeats))
        print(rows[-1], flush=True)
    print(table(rows, {"endpoint": "endpoint", "subjects": "subjects", "runs": "runs", "between_runs": "between runs",
                       "suits": "subjects that suit one", "models": "models: p < 0.05",
                       "trainings": "trainings: p < 0.05"}))
    write(options.json, {"settings": vars(options), "rows": rows})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
