"""Table 1 of the TV paper (arXiv 2510.06276): 14 test subjects, 10 runs, mean and standard deviation."""

from collections.abc import Iterable

from nnunet_tv.reporting.tables.table_one import RunSummary, TableOneRow
from nnunet_tv.scoring.rows import FILTERED, RAW
from nnunet_tv.utils.errors import NnunetTVError

#: Footnote wherever the figures are shown.
NOTE = (
    "Rows \"TV paper\" are quoted from Table 1 of arXiv 2510.06276: 14 test subjects of an unpublished split, "
    "10 runs. Other subjects: not a paired comparison."
)
_MEASURES = ("Sens", "Prec", "DC", "sSens", "nFPC")
_FIGURES = {
    RAW: {
        "Dice": ((0.3822, 0.0337), (0.2767, 0.0417), (0.2811, 0.0200), (0.7857, 0.0337), (22.0071, 7.5851)),
        "Dice + BCE": ((0.3964, 0.0439), (0.2648, 0.0824), (0.2885, 0.0473), (0.8071, 0.0345), (9.8071, 6.4381)),
        "Dice + TV": ((0.3845, 0.0425), (0.3000, 0.0428), (0.3104, 0.0246), (0.8000, 0.0301), (8.4500, 2.2591)),
    },
    FILTERED: {
        "Dice": ((0.3765, 0.0333), (0.2880, 0.0440), (0.2866, 0.0204), (0.7714, 0.0452), (3.8786, 1.0118)),
        "Dice + BCE": ((0.3916, 0.0437), (0.2735, 0.0858), (0.2925, 0.0471), (0.8071, 0.0345), (3.1714, 1.0834)),
        "Dice + TV": ((0.3788, 0.0426), (0.3102, 0.0444), (0.3146, 0.0246), (0.7928, 0.0226), (3.1643, 0.7439)),
    },
}


def paper_rows() -> list[TableOneRow]:
    """The paper's figures as rows of Table 1, without single runs, which it does not give."""
    return [
        TableOneRow(f"TV paper: {loss}", stage, {name: RunSummary(mean, std, None, 10) for name, (mean, std)
                                                 in zip(_MEASURES, figures, strict=True)}, {})
        for stage, losses in _FIGURES.items() for loss, figures in losses.items()
    ]


def check_names(groups: Iterable[str]) -> None:
    """Raise if a group has the name of one of the paper's rows."""
    if taken := sorted(set(groups) & {row.group for row in paper_rows()}):
        raise NnunetTVError(f"{taken[0]!r} is the name of a row of the paper's: give your group another name, or "
                            "leave --paper out")
