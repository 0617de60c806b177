"""All cases on one page, those that need a look first. It opens from disk: no network, no scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median
from typing import Protocol
from urllib.parse import quote

from nnunet_tv import __version__
from nnunet_tv.imaging.drawing import CONVENTION
from nnunet_tv.utils.html import RESEARCH_USE, bullets, document

#: A number this many median absolute deviations (scaled to a normal's sigma) off the others is marked.
UNUSUAL = 4.0
#: Fewer cases than this say nothing on what is usual.
FEWEST_CASES = 6


class Outcome(Protocol):
    """What the page needs to know of a case: why it failed, or its flags, notes and numbers."""

    case: str
    problem: str
    flags: Sequence[str]
    notes: Sequence[str]
    metrics: Mapping[str, float]


def qc_page(outcomes: Sequence[Outcome], *, registration: str) -> str:
    """HTML over all cases: failed first, then flagged, then the rest; pictures are beside it in ``qc/``.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One per case.
    registration : str
        Shown at the top.
    """
    failed = [outcome for outcome in outcomes if outcome.problem]
    unusual = unusual_numbers({outcome.case: outcome.metrics for outcome in outcomes if not outcome.problem})
    made = sorted((outcome for outcome in outcomes if not outcome.problem),
                  key=lambda one: (not one.flags, -len(unusual.get(one.case, ())), one.case))
    flagged = [outcome for outcome in made if outcome.flags]
    parts = [f"<h1>Preparation: what to look at</h1><p><strong>{escape(RESEARCH_USE)}</strong> "
             f"nnunet-tv {escape(__version__)}, registration: {escape(registration)}. {len(made)} cases prepared, "
             f"{len(flagged)} of them flagged, {len(failed)} failed.</p>"]
    for outcome in failed:
        parts.append(f'<div class="warning"><h2>{escape(outcome.case)}: failed</h2>'
                     f'<p style="white-space: pre-wrap">{escape(outcome.problem)}</p></div>')
    if made:
        parts.append(_table(made, unusual))
        parts.append(f"<p>{escape(CONVENTION)} Yellow: border of the brain mask; red: edges of the T1w; blue: edges of "
                     "the template. In the alternating rows the brain's border and the ventricles must run on from "
                     "field to field. Handedness cannot be checked here: a flipped header looks right.</p>")
    parts += [_case(outcome, unusual.get(outcome.case, {})) for outcome in made]
    return document("Preparation", [*parts, f"<p>{escape(RESEARCH_USE)}</p>"])


def unusual_numbers(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Numbers of a case far from the other cases' median: by case and name, the distance in robust sigmas.

    Nothing is unusual among fewer than :data:`FEWEST_CASES`, or where more than half are equal.
    """
    result: dict[str, dict[str, float]] = {}
    for name in sorted({name for numbers in metrics.values() for name in numbers}):
        values = {case: numbers[name] for case, numbers in metrics.items() if name in numbers}
        if len(values) < FEWEST_CASES:
            continue
        middle = median(values.values())
        spread = 1.4826 * median(abs(value - middle) for value in values.values())
        for case, value in values.items():
            if spread > 0 and abs(value - middle) > UNUSUAL * spread:
                result.setdefault(case, {})[name] = (value - middle) / spread
    return result


def _table(made: Sequence[Outcome], unusual: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for outcome in made for name in outcome.metrics))
    titles = ("case", "flags", *(name.replace("_", " ") for name in names))
    head = "".join(f"<th>{escape(text)}</th>" for text in titles)
    rows = []
    for outcome in made:
        cells = [f'<td><a href="#{escape(outcome.case)}">{escape(outcome.case)}</a></td>',
                 f"<td>{len(outcome.flags) or ''}</td>"]
        for name in names:
            text = _number(outcome.metrics.get(name))
            cells.append(f"<td>{f'<mark>{text}</mark>' if name in unusual.get(outcome.case, {}) else text}</td>")
        rows.append("<tr>" + "".join(cells) + "</tr>")
    return (f'<h2>Numbers</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table></div>")


def _case(outcome: Outcome, unusual: Mapping[str, float]) -> str:
    case = escape(outcome.case)
    lines = [*outcome.flags, *(f"{name}: {outcome.metrics[name]:.4g} is far from the other cases' ({sigmas:+.1f} sigma)"
                               for name, sigmas in unusual.items())]
    kind = ' class="warning"' if lines else ""
    return (f'<section id="{case}"{kind}><h2>{case}{": flagged" if outcome.flags else ""}</h2>'
            f"{bullets([*lines, *outcome.notes])}"
            f'<figure><img loading="lazy" src="qc/{quote(outcome.case)}.png" alt="Preparation of {case}"></figure>'
            "</section>")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
