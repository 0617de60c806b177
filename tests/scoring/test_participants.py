"""Participants tables."""

import pytest

from nnunet_tv.scoring.participants import Column, of_cases, read_columns, read_participants
from nnunet_tv.utils.errors import NnunetTVError


def test_participants_with_byte_order_mark(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("\ufeffparticipant_id\tlobe\tage\nsub-1\tFL\t7\nsub-2\tn/a\t\n", encoding="utf-8")
    found = read_participants(path)
    assert found == {"sub-1": {"lobe": "FL", "age": "7"}, "sub-2": {"lobe": "not given", "age": "not given"}}
    assert of_cases(found, ["1", "sub-2", "sub-3"]) == ({"1": found["sub-1"], "sub-2": found["sub-2"]}, ["sub-3"])


@pytest.mark.parametrize(("content", "message"), [
    (b"subject\tlobe\na\tb\n", "expected a tab-separated table with a column participant_id and at least one row"),
    (b"participant_id\tlobe\n", "and at least one row"),
    (b"participant_id\tlobe\na\tb\na\tc\n", "a has two rows; keep one"),
    (b"\xff\xfe\x00", "not a readable table of participants"), (None, "not a readable table of participants"),
])
def test_unusable_participants(tmp_path, content, message):
    path = tmp_path / "p.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NnunetTVError, match=f"p.tsv: .*{message}"):
        read_participants(path)


def test_units_and_levels_of_columns(tmp_path):
    table = tmp_path / "participants.tsv"
    assert read_columns(table) == {}
    (tmp_path / "participants.json").write_text(
        '\ufeff{"age": {"Description": "at the scan", "Units": "year"}, "sex": {"Levels": {"M": "male ", "F": '
        '{"Description": "female"}}}, "lobe": {}}', encoding="utf-8")
    assert read_columns(table) == {"age": Column("year"), "sex": Column("", {"M": "male", "F": "female"}),
                                   "lobe": Column()}


@pytest.mark.parametrize("content", ["{", "[]", '{"age": "years"}', '{"age": {"Levels": ["a"]}}',
                                     '{"a": {"Levels": {"b": 3}}}'])
def test_an_unusable_sidecar_is_named(tmp_path, content):
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(NnunetTVError, match=r"p.json: expected .* BIDS"):
        read_columns(tmp_path / "p.tsv")
