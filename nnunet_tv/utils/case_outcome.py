"""The outcome of processing one case: one type, and one place that turns exceptions into it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.redaction import redact

log = logging.getLogger(__name__)
FAILED, FLAGGED = "failed", "flagged"


@dataclass(frozen=True)
class CaseOutcome:
    """What a command made of one case; a command fills in what applies to it.

    Attributes
    ----------
    case : str
        Case identifier.
    problem : str
        Why there is no result; empty if there is one.
    flags, notes : tuple of str
        What a person must check before the result is used; other remarks.
    text : str
        The result in one or two sentences.
    clusters : int, optional
        Number of clusters found.
    metrics : dict of str to float
        Measurements of the preparation, for the QC page.
    orientation : str
        Axis codes of the first scan as it was found, such as ``PSR``.
    sha256 : dict of str to str
        Digests of the inputs that could be read, by name.
    files : dict of str to Path
        Files that were written, by name.
    changed : bool
        Whether files were written or moved; False if everything was up to date.
    """

    case: str
    problem: str = ""
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    text: str = ""
    clusters: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    orientation: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    changed: bool = False

    def status(self, success: str) -> str:
        """``failed``, ``flagged``, or the command's word for `success`."""
        return FAILED if self.problem else FLAGGED if self.flags else success


def attempt(case: str, work: Callable[[], CaseOutcome], *, secrets: Collection[str] = ()) -> CaseOutcome:
    """Outcome of `work`; an error of one case becomes the problem of that case.

    Parameters
    ----------
    case : str
        Case identifier.
    work : callable
        Processes the case.
    secrets : collection of str
        Texts that must not appear in the outcome. The message of an unexpected error is then left out.

    Raises
    ------
    NnunetTVError
        Any but a :class:`CaseError`: it concerns all cases, such as a program that is not installed.
    """
    try:
        return work()
    except CaseError as error:
        problem = str(error).removeprefix(f"{case}: ")
    except NnunetTVError:
        raise
    except Exception as error:
        log.debug("%s", case, exc_info=not secrets)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        message = "" if secrets else f": {error}"
        problem = (f"unexpected {type(error).__name__}{message} ({Path(frame.filename).name}, line {frame.lineno}); "
                   "please report this with the case")
    return CaseOutcome(case, problem=redact(problem, secrets))
