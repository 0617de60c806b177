"""Content of folders that commands write."""

from pathlib import Path

from nnunet_tv.utils.tables import read_tsv


def snapshot(root: Path) -> dict[str, bytes]:
    """All files but the lock, by path."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*"))
            if path.is_file() and path.name != "lock"}


def times(root: Path) -> dict[Path, int]:
    """Modification times of all files but the lock."""
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and path.name != "lock"}


def table(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a table by case."""
    return {row["case"]: row for row in read_tsv(path)[1].values()}
