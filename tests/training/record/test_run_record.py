"""Reading ``run.json``, digests, and the checkout."""

import hashlib
import json
import subprocess
from dataclasses import asdict, replace

import pytest
from run_records import make_record, make_session

from nnunet_tv.training.record.digests import data_digests, json_sha256
from nnunet_tv.training.record.environment import checkout
from nnunet_tv.training.record.run_record import read_run_record, write_run_record
from nnunet_tv.utils.errors import NnunetTVError


def test_what_is_written_is_read_again(tmp_path):
    record = make_record(sessions=(make_session(), make_session(first_epoch=5, peak_device_bytes=1)))
    write_run_record(record, tmp_path / "run.json")
    assert read_run_record(tmp_path) == read_run_record(tmp_path / "run.json") == record


def test_hours_are_summed_over_sessions_and_gpus():
    gpu = replace(make_session().device, type="cuda", count=4)
    sessions = (make_session(started="2026-01-01T00:00:00+00:00", updated="2026-01-01T01:30:00+00:00"),
                make_session(started="2026-01-03T00:00:00+00:00", updated="2026-01-03T00:30:00+00:00", device=gpu))
    record = make_record(sessions=sessions)
    assert (record.hours, record.gpu_hours) == (2.0, 2.0)
    assert (record.started, record.updated, record.device) == (
        "2026-01-01T00:00:00+00:00", "2026-01-03T00:30:00+00:00", gpu)


@pytest.mark.parametrize(("content", "found"), [
    (None, "no such file"), ("{", "not a run.json"), ("[]", "not a run.json"), ('{"tool": "x"}', "not a run.json"),
    ('{"tool": "nnunet-tv-run", "format": 2}', "structure 2, expected 1"),
    ('{"tool": "nnunet-tv-run", "format": 1, "status": "finished"}', "damaged"),
])
def test_what_is_no_record_is_an_error_that_names_the_file(tmp_path, content, found):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(NnunetTVError, match=f"run.json: {found}"):
        read_run_record(tmp_path / "run.json")


def test_a_record_without_sessions_is_damaged(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(asdict(make_record(sessions=()))))
    with pytest.raises(NnunetTVError, match="damaged"):
        read_run_record(tmp_path)


def test_canonical_json_does_not_depend_on_order_blanks_or_tuples():
    assert json_sha256({"b": (1, 2.5), "a": "é"}) == json_sha256(json.loads('{ "a": "\\u00e9",\n "b": [1, 2.5] }'))
    assert json_sha256({"a": 1, "b": None}) == hashlib.sha256(b'{"a":1,"b":null}').hexdigest()
    assert json_sha256({"a": 1}) != json_sha256({"a": 2})


def digests(folder, **roles):
    return data_digests(roles, folder, splits=folder / "splits.json", dataset_json={}, conversion=None)


def test_digests_of_data_depend_on_names_roles_and_content(tmp_path):
    for case, content in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (tmp_path / f"{case}.b2nd").write_bytes(content)
        (tmp_path / f"{case}.npy").write_bytes(b"unpacked, not read")
    (tmp_path / "a_seg.b2nd").write_bytes(b"3")
    first = digests(tmp_path, train=["a", "b"], selection=["c"])
    lines = "".join(f"{name} {hashlib.sha256(content).hexdigest()}\n"
                    for name, content in (("a.b2nd", b"1"), ("a_seg.b2nd", b"3"), ("b.b2nd", b"2")))
    assert first.roles["train"].files_sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert first.roles["train"].names_sha256 == hashlib.sha256(b"a\nb\n").hexdigest()
    assert (first.roles["train"].cases, first.splits_sha256, first.conversion_sha256) == (2, None, None)
    assert digests(tmp_path, train=["b", "a"], selection=["c"]) == first
    assert digests(tmp_path, train=["a", "c"], selection=["b"]).sha256 != first.sha256
    (tmp_path / "a_seg.b2nd").write_bytes(b"4")
    changed = digests(tmp_path, train=["a", "b"], selection=["c"])
    assert changed.sha256 != first.sha256
    assert changed.roles["train"].names_sha256 == first.roles["train"].names_sha256
    assert changed.roles["selection"] == first.roles["selection"]


def test_a_case_without_files_is_named(tmp_path):
    with pytest.raises(NnunetTVError, match="files of sub-7, found none"):
        digests(tmp_path, train=["sub-7"])


def test_the_commit_of_a_checkout_and_changes_of_its_code(tmp_path):
    def git(*arguments):
        return subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path), *arguments],
                              capture_output=True, text=True, check=True).stdout.strip()

    package = tmp_path / "nnunet_tv"
    package.mkdir()
    (package / "x.py").write_text("")
    assert checkout(package) == (None, None)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "a")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "notes.txt").write_text("no code")
    assert checkout(package) == (commit, False)
    (package / "x.py").write_text("1")
    assert checkout(package) == (commit, True)
    installed = package / "site-packages" / "nnunet_tv"
    installed.mkdir(parents=True)
    assert checkout(installed) == (None, None)
