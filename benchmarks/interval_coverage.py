"""How often the report's 95 % intervals contain the true figure, by simulation, next to scipy's bootstraps.

``python benchmarks/interval_coverage.py --json coverage.json``: a population of patients is assumed for each figure,
samples of 8 to 85 of them are drawn, and the share of intervals with the population's figure is counted. Width is the
median width. The true figure of a rate, share or mean is that of the population; that of a pooled ratio and of a
difference the ratio or difference of its means.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from side_by_side import parser, table, write

from nnunet_tv.reporting.statistics import (
    Interval,
    auc,
    auc_interval,
    cluster_share,
    mean_interval,
    mean_of_shares,
    paired_difference,
    rate_interval,
    share_interval,
    unit_mean_interval,
)

Sample = Callable[[np.random.Generator, int], Any]
#: Resamples of the bootstraps here; the report's default is 10 000.
RESAMPLES = 2000


@dataclass(frozen=True)
class Figure:
    """A figure of the report, how its subjects are drawn, and its interval."""

    name: str
    draw: Sample  #: arrays of one row per subject
    truth: float
    ours: Callable[[Any, int], Interval]  #: of a sample and a seed
    peer: Callable[..., Any] | None  #: the same figure of arrays along their last axis, for scipy's bootstrap


def _dice(rng: np.random.Generator, n: int) -> np.ndarray:
    """A fifth of the lesions is missed; the others have a Dice of 0.46 on average."""
    return np.where(rng.random(n) < 0.2, 0.0, rng.beta(1.6, 1.9, n))


def _false(mean: float, shape: float, runs: int = 1) -> Sample:
    """False clusters, which gather in few subjects: negative binomial, with runs that share the subject's rate."""
    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.poisson(rng.gamma(shape, mean / shape, (n, 1)), (n, runs)).mean(axis=1)
    return draw


def _found(runs: int) -> Sample:
    """Subjects found in 0.78 of the runs on average, most of them always or never."""
    return lambda rng, n: rng.binomial(runs, rng.beta(1.4, 0.4, n)) / runs


def _voxels(rng: np.random.Generator, n: int) -> np.ndarray:
    """Voxels found and voxels of lesions, whose volumes differ by orders of magnitude."""
    lesion = np.ceil(rng.lognormal(7, 1, n))
    return np.stack([rng.binomial(lesion.astype(int), rng.beta(0.8, 1.2, n)), lesion])


def _paired_dice(rng: np.random.Generator, n: int) -> np.ndarray:
    first = _dice(rng, n)
    return np.stack([first, np.clip(first + rng.normal(0.03, 0.1, n), 0, 1)])


def _paired_found(rng: np.random.Generator, n: int) -> np.ndarray:
    first = rng.random(n) < 0.6
    return np.stack([first, np.where(first, rng.random(n) < 0.9, rng.random(n) < 0.4)]).astype(float)


def _clusters(mean: float, shape: float) -> Sample:
    """Clusters of each subject: a true one in 8 of 10, and false ones, which gather in few."""
    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return np.stack([rng.random(n) < 0.8, _false(mean, shape)(rng, n)]).astype(float)
    return draw


def _scores(rng: np.random.Generator, n: int) -> np.ndarray:
    """Normal scores of n patients and n controls, with an area under the ROC curve of 0.85."""
    return rng.normal([[stats.norm.ppf(0.85) * 2 ** 0.5], [0.0]], 1, (2, n))


def _positive(rng: np.random.Generator, n: int) -> np.ndarray:
    """Whether n patients and n controls are positive."""
    return rng.random((2, n)) < [[0.8], [0.2]]


def _large(draw: Sample, figure: Callable[[np.ndarray], float]) -> float:
    """Figure of a sample so large that it is the population's."""
    return float(figure(draw(np.random.default_rng(0), 4_000_000)))


def _mean(sample: np.ndarray, seed: int) -> Interval:
    return unit_mean_interval(sample[:, None], np.ones((len(sample), 1)), seed=seed, resamples=RESAMPLES)


def _ratio(sample: np.ndarray, seed: int) -> Interval:
    return mean_interval(*sample, seed=seed, limits=(0, 1), resamples=RESAMPLES)


def _difference(sample: np.ndarray, seed: int) -> Interval:
    return paired_difference(*sample, seed=seed).interval


def _area(sample: np.ndarray, seed: int) -> Interval:
    return auc_interval(auc(*sample.tolist()), *(len(scores) for scores in sample))


def _balanced(sample: np.ndarray, seed: int) -> Interval:
    return mean_of_shares(share_interval(sample[0]), share_interval(1.0 - sample[1]))


def _share(true: np.ndarray, false: np.ndarray, axis: int = -1) -> np.ndarray:
    return true.sum(axis=axis) / (true.sum(axis=axis) + false.sum(axis=axis))


def figures() -> list[Figure]:
    """All figures; the peer of a difference is the mean of the differences."""
    mean, both = np.mean, lambda a, b, axis=-1: (b - a).mean(axis=axis)
    difference = [_large(draw, lambda pair: (pair[1] - pair[0]).mean()) for draw in (_paired_dice, _paired_found)]
    rates = ((22, 2, 1), (8, 1, 1), (3, 0.7, 1), (0.5, 0.5, 1), (8, 1, 10))
    return [
        Figure("DC", _dice, 0.8 * 1.6 / 3.5, _mean, mean),
        Figure("sSens, 1 run", _found(1), 1.4 / 1.8, lambda sample, seed: share_interval(sample), mean),
        Figure("sSens, 10 runs", _found(10), 1.4 / 1.8, lambda sample, seed: share_interval(sample), mean),
        *(Figure(f"nFPC {mean_:g}, {runs} run{'s' if runs > 1 else ''}", _false(mean_, shape, runs), mean_,
                 lambda sample, seed, runs=runs: rate_interval(sample, runs=runs), mean)
          for mean_, shape, runs in rates),
        Figure("Sens, pooled", _voxels, _large(_voxels, lambda pair: pair[0].mean() / pair[1].mean()), _ratio,
               lambda a, b, axis=-1: a.sum(axis=axis) / b.sum(axis=axis)),
        *(Figure(f"cluster PPV, {mean_:g} false a subject", _clusters(mean_, shape), 0.8 / (0.8 + mean_),
                 lambda sample, seed: cluster_share(*sample), _share)
          for mean_, shape in ((22, 2), (3, 0.7), (0.5, 0.5))),
        Figure("balanced accuracy, n and n", _positive, 0.8, _balanced, None),
        Figure("AUC, n and n", _scores, 0.85, _area, None),
        Figure("difference of DC", _paired_dice, difference[0], _difference, both),
        Figure("difference of sSens, 1 run", _paired_found, difference[1], _difference, both),
    ]


def simulate(figure: Figure, n: int, *, repeats: int, peers: int, seed: int = 1) -> dict[str, Any]:
    """Coverage and median width of ours in `repeats` samples, and of scipy's bootstraps in the first `peers`.

    A sample in which a method gives no interval counts as not covered, except that ours states that it has none.
    """
    rng = np.random.default_rng([seed, n])
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "percentile": [], "BCa": []}
    without = 0
    for number in range(repeats):
        sample = figure.draw(rng, n)
        ours = figure.ours(sample, number % 5)
        if ours.low is None or ours.high is None:
            without += 1
        else:
            found["ours"].append((ours.low, ours.high))
        if number < peers and figure.peer is not None:
            data = tuple(np.atleast_2d(sample))
            for method in ("percentile", "BCa"):
                with np.errstate(all="ignore"):
                    peer = stats.bootstrap(data, figure.peer, paired=len(data) > 1, method=method, n_resamples=999,
                                           rng=np.random.default_rng(number)).confidence_interval
                found[method].append((peer.low, peer.high))
    row: dict[str, Any] = {"figure": figure.name, "n": n, "none": without / repeats}
    for method, bounds in found.items():
        if bounds:
            low, high = np.array(bounds).T
            row[f"{method}_coverage"] = float(np.mean((low <= figure.truth) & (figure.truth <= high)))
            row[f"{method}_width"] = float(np.nanmedian(high - low))
    return row


def main(argv: list[str] | None = None) -> int:
    """Print the table, write the JSON."""
    arguments = parser(__doc__, repeats=2000)
    arguments.add_argument("--peers", type=int, default=500, help="samples for scipy's bootstraps")
    arguments.add_argument("--subjects", type=int, nargs="+", default=[8, 14, 28, 85])
    options = arguments.parse_args(argv)
    rows = []
    for figure in figures():
        for n in options.subjects:
            rows.append(simulate(figure, n, repeats=options.repeats, peers=options.peers))
            print(rows[-1], flush=True)
    methods = {"ours": "ours", "percentile": "percentile bootstrap", "BCa": "BCa bootstrap"}
    print(table(rows, {"figure": "figure", "n": "n", "none": "no interval", **{
        f"{key}_{part}": f"{title}: {part}" for key, title in methods.items() for part in ("coverage", "width")}}))
    write(options.json, {"settings": vars(options), "rows": rows})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
