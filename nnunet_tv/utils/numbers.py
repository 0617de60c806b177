"""Numbers and lists for readers."""

from collections.abc import Sequence


def rounded(value: float, digits: int = 0) -> float:
    """`value` rounded to `digits` decimals; never a negative zero.

    Examples
    --------
    >>> rounded(-0.004, 2), rounded(-1.25, 1)
    (0.0, -1.2)
    """
    return round(float(value), digits) + 0.0


def fixed(value: float, digits: int = 0) -> str:
    """`value` with `digits` decimals; never ``-0``.

    Examples
    --------
    >>> fixed(-0.4), fixed(-0.004, 2), fixed(-1.5)
    ('0', '0.00', '-2')
    """
    return f"{rounded(value, digits):.{digits}f}"


def counted(count: int, noun: str) -> str:
    """`count` and `noun`, with an s for any number but one.

    Examples
    --------
    >>> counted(0, "case"), counted(1, "case"), counted(2, "case")
    ('0 cases', '1 case', '2 cases')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def some(names: Sequence[str]) -> str:
    """The first six of `names`, and how many more there are.

    Examples
    --------
    >>> some(["a", "b"]), some("abcdefgh")
    ('a; b', 'a; b; c; d; e; f and 2 more')
    """
    return "; ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def spell(number: float) -> str:
    """A number as trainer names have it: ``0.05`` is ``0p05``, ``1.0`` is ``1``.

    >>> spell(0.05), spell(1.0), spell(12.5)
    ('0p05', '1', '12p5')
    """
    return f"{number:.10f}".rstrip("0").rstrip(".").replace(".", "p")
