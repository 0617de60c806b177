"""Errors for users: what was expected, what was found, what to do."""

from pathlib import Path


class NnunetTVError(Exception):
    """Base of every error that a command prints as one message and turns into exit status 1."""


class CaseError(NnunetTVError):
    """One case cannot be used; the others can.

    The `problem` is what was expected, what was found and what to do; the `path` that of the file at fault.
    """

    def __init__(self, case: str, problem: str, path: str | Path | None = None):
        self.case, self.problem, self.path = case, problem, None if path is None else Path(path)
        super().__init__(f"{case}: {problem}" if path is None else f"{case}: {path}: {problem}")

    def __reduce__(self):  # worker processes send it back
        return type(self), (self.case, self.problem, self.path)
