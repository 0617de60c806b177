"""Complete lists of the public data sets with tiny volumes, and their conversions; not to be changed by a test."""

from functools import cache

import pytest


@pytest.fixture(scope="session")
def whole_tree(tmp_path_factory):
    """Function of a converter: its complete list."""
    return cache(lambda converter: converter.tree.write(tmp_path_factory.mktemp("whole") / "tree"))


@pytest.fixture(scope="session")
def whole(whole_tree, tmp_path_factory):
    """Function of a converter: the raw data set of its complete list, with the defaults."""
    @cache
    def converted(converter):
        out = tmp_path_factory.mktemp("raw")
        assert converter(whole_tree(converter), out) == 0
        return out / converter.folder

    return converted
