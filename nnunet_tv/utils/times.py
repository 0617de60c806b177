"""The time as records have it."""

from datetime import datetime, timezone


def now() -> str:
    """The time in UTC, as ISO 8601 to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
