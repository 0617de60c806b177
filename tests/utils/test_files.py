import hashlib
import os

import pytest

from nnunet_tv.utils.files import atomic, read_json, remove_partial, sha256, write_json, write_json_rows


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    write_json({"a": 1}, path)
    with pytest.raises(RuntimeError, match="midway"), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("midway")
    assert read_json(path) == {"a": 1} and os.listdir(tmp_path) == ["a.json"]
    assert sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("content", [{"a": float("nan")}, {"a": [{"b": float("nan")}]}])
@pytest.mark.parametrize("write", [write_json, write_json_rows])
def test_nan_is_refused(tmp_path, write, content):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(content, tmp_path / "a.json")
    assert not os.listdir(tmp_path)


def test_rows_have_a_line_each(tmp_path):
    content = {"cases": [{"name": "ä\n", "sizes": [1, 2.5]}, {"name": "b", "sizes": []}], "no": [], "meta": {"a": [1]}}
    write_json_rows(content, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == content
    lines = (tmp_path / "a.json").read_text().splitlines()
    assert '{"name": "b", "sizes": []}' in lines and len(lines) == 2 + 4 + 1 + 5
    write_json_rows({}, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == {}


def test_what_dead_processes_left_is_removed_and_a_living_ones_is_not(tmp_path):
    for name in (".partial-99999999-a", f".partial-{os.getpid()}-b", f".partial-{os.getppid()}-c", ".partial-x", "d"):
        (tmp_path / name).touch()
    remove_partial(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [f".partial-{os.getppid()}-c", "d"]
