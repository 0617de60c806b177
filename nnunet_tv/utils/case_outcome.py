"""The outcome of processing one case: one type, and one place that turns exceptions into it."""

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
    """The result of a command for one case; a command fills in the fields that apply to it."""

    case: str
    problem: str = ""  #: why there is no result; empty if there is one
    flags: tuple[str, ...] = ()  #: what a person must check before the result is used
    notes: tuple[str, ...] = ()  #: other remarks
    text: str = ""  #: the result in one or two sentences
    clusters: int | None = None  #: number of clusters found
    metrics: Mapping[str, float] = field(default_factory=dict)  #: measurements of the preparation, for the QC page
    orientation: str = ""  #: axis codes of the first scan as it was found, such as ``PSR``
    sha256: Mapping[str, str] = field(default_factory=dict)  #: of the inputs that could be read, by name
    files: Mapping[str, Path] = field(default_factory=dict)  #: files written, by name
    changed: bool = False  #: whether files were written or moved; False if everything was up to date

    def status(self, success: str) -> str:
        """``failed``, ``flagged``, or the command's word for `success`."""
        return FAILED if self.problem else FLAGGED if self.flags else success


def attempt(case: str, work: Callable[[], CaseOutcome], *, secrets: Collection[str] = ()) -> CaseOutcome:
    """Outcome of `work`; an error becomes its problem, unless it concerns all cases.

    That is a :class:`NnunetTVError` other than :class:`CaseError`, such as a program that is not installed. With
    `secrets`, which must not appear in the outcome, the message of an unexpected error is left out.
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
