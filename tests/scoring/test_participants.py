"""Participants tables."""

import pytest

from nnunet_tv.scoring.participants import of_cases, read_participants
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
