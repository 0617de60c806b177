"""Reading report.json."""

import pytest

from nnunet_tv.reporting.record import read_record
from nnunet_tv.utils.errors import NnunetTVError


def test_a_folder_without_a_report(tmp_path):
    with pytest.raises(NnunetTVError, match="no such file; give the folder of an earlier report"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"), [
        ("{", "not a report.json of nnunet-tv-report"),
        ('{"meta": {"tool": "other"}}', "not a report.json of nnunet-tv-report"),
        ('{"meta": {"tool": "nnunet-tv-report"}}', "structure None, expected 3: written by another version"),
        ('{"meta": {"tool": "nnunet-tv-report", "format": 3, "settings": {}, "redraws": []}}',
         "damaged .*cases.*score again")])
def test_unusable_json(tmp_path, content, message):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(NnunetTVError, match=message):
        read_record(tmp_path)
