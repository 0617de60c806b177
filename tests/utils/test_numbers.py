"""Numbers for readers: no negative zero."""

import pytest

from nnunet_tv.utils.numbers import fixed, rounded


@pytest.mark.parametrize(("value", "digits", "text"), [
    (-0.0, 0, "0"), (-0.4, 0, "0"), (0.4, 0, "0"), (-0.6, 0, "-1"), (-0.004, 2, "0.00"), (-0.006, 2, "-0.01"),
    (-12.34, 1, "-12.3"), (1e6, 0, "1000000")])
def test_no_negative_zero(value, digits, text):
    assert fixed(value, digits) == text
    assert str(rounded(value, digits))[0] == "-" or text[0] != "-"
    assert not str(rounded(value, digits)).startswith("-0.0") or text == "-0.01"
