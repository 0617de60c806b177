"""The store of processed cases: both layouts with a job that writes upper case letters."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from output_folders import snapshot, times

from nnunet_tv.utils import case_store
from nnunet_tv.utils.case_outcome import CaseOutcome
from nnunet_tv.utils.case_store import CaseFolders, CaseJob, CaseStore
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import sha256
from nnunet_tv.utils.shared_folder import SharedFolder


class Together(SharedFolder):
    STATE, COMMAND = ".state", "shout"
    FOLDERS, COMPLETE, HARMLESS = ("a", "b"), ("complete",), ("plan",)
    FILES = (("a", r"(.+)\.txt"), ("b", r"(.+)-2\.txt"))

    def withdraw(self, case):
        for path in [path for name, path in self.files() if name == case]:
            path.unlink()


class Apart(CaseFolders):
    COMMAND = "shout"


@dataclass(frozen=True, kw_only=True)
class Job(CaseJob):
    source: Path
    store: CaseStore
    option: str = ""
    error: BaseException | None = None

    @property
    def outputs(self):
        files = {"one": f"a/{self.case}.txt", "two": f"b/{self.case}-2.txt"} if isinstance(self.store, Together) else {}
        return {name: self.store.root / file for name, file in files.items()}

    def digests(self) -> Iterator[tuple[str, str]]:
        if isinstance(self.store, Apart):
            self.store.check_ours(self.case)
        yield "text", sha256(self.source)

    def made_from(self, digests):
        return [digests["text"], self.option]

    def make(self, staging, digests):
        for name in (f"{self.case}.txt", f"{self.case}-2.txt"):
            (staging / name).write_text(self.source.read_text().upper())
        if self.error:
            raise self.error
        return CaseOutcome(self.case, flags=("loud",), metrics={"length": 1.0})


@pytest.fixture(params=[Together, Apart])
def store(request, tmp_path) -> CaseStore:
    store = request.param(tmp_path / "out")
    store.create(*([store.record_path("x").parent] if isinstance(store, Together) else []))
    return store


@pytest.fixture
def job(store, tmp_path) -> Job:
    (tmp_path / "in.txt").write_text("text")
    return Job(case="x", source=tmp_path / "in.txt", store=store)


def results(store) -> list[Path]:
    return sorted(store.root.rglob("*.txt"))


def test_a_case_is_made_once_and_its_outcome_is_recorded(store, job):
    made = store.process(job)
    assert made == CaseOutcome("x", flags=("loud",), metrics={"length": 1.0}, sha256={"text": sha256(job.source)},
                               changed=True)
    assert [path.read_text() for path in results(store)] == ["TEXT", "TEXT"]
    before = times(store.root)
    assert store.process(job) == replace(made, changed=False) and times(store.root) == before


@pytest.mark.parametrize("change", [
    lambda store, job: job.source.write_text("other"),
    lambda store, job: results(store)[0].write_text("half"),
    lambda store, job: results(store)[1].unlink(),
    lambda store, job: store.record_path("x").write_text("{"),
    lambda store, job: store.record_path("x").write_text('{"outputs": 3, "files": 3}'),
], ids=["input", "damaged", "missing", "record", "old record"])
def test_what_changed_is_made_again(store, job, change):
    store.process(job)
    change(store, job)
    assert store.process(job).changed and not store.process(job).changed
    assert [path.read_text() for path in results(store)] == [job.source.read_text().upper()] * 2
    assert store.process(replace(job, option="!")).changed


def test_results_that_cannot_be_read_are_made_again(store, job, monkeypatch):
    store.process(job)

    def unreadable(path):
        if path in kept:
            raise PermissionError(path)
        return sha256(path)

    kept = results(store)
    monkeypatch.setattr(case_store, "sha256", unreadable)
    assert store.process(job).changed


@pytest.mark.parametrize("error, secrets, problem", [
    (CaseError("x", "no sound of Mary", "in.txt"), {"mary"}, "in.txt: no sound of ***"),
    (RuntimeError("surprise"), {}, "unexpected RuntimeError: surprise (test_case_store.py, line "),
    (RuntimeError("surprise of Mary"), {"mary"}, "unexpected RuntimeError (test_case_store.py, line "),
])
def test_an_error_of_one_case_is_its_problem_and_removes_earlier_results(store, job, error, secrets, problem):
    store.process(job)
    outcome = store.process(replace(job, option="!", error=error, secrets=frozenset(secrets)))
    assert outcome.problem.startswith(problem) and outcome.sha256 and not outcome.changed
    assert outcome.status("done") == "failed" and results(store) == []


@pytest.mark.parametrize("error", [NnunetTVError("program missing"), KeyboardInterrupt()])
def test_other_errors_end_the_run_and_leave_the_earlier_results(store, job, error):
    store.process(job)
    before = snapshot(store.root)
    with pytest.raises(type(error)):
        store.process(replace(job, option="!", error=error))
    assert snapshot(store.root) == before


def test_staged_files_of_a_killed_run_are_removed(store, job):
    before = snapshot(store.root)
    store.staging_of("x").mkdir(parents=True)
    (store.staging_of("x") / "half.txt").write_text("")
    (store.root / ".partial-99999999-complete").write_text("")
    with store.opened(["x"]) if isinstance(store, Together) else nullcontext():
        store.create()
    assert snapshot(store.root) == before


def test_all_cases_in_workers(store, job):
    jobs = [replace(job, case=case) for case in ("a", "b", "c")]
    assert [outcome.case for outcome in store.process_all(jobs, processes=2, label="shout")] == ["a", "b", "c"]
    assert len(results(store)) == 6


def test_a_folder_of_another_program_is_not_replaced(tmp_path, job):
    store = Apart(tmp_path / "other")
    (store.root / "x").mkdir(parents=True)
    outcome = store.process(replace(job, store=store))
    assert outcome.problem.endswith("this folder was not made by shout and stays as it is: choose another output "
                                    "folder (-o), or move it away") and (store.root / "x").is_dir()


def test_the_content_is_not_complete_while_files_are_moved(tmp_path, job, monkeypatch):
    store, seen, replace_file = Together(tmp_path / "together"), [], os.replace
    with store.opened(["x"]):
        (store.root / "complete").write_text("")
        monkeypatch.setattr(os, "replace", lambda start, end: (
            seen.append((store.root / "complete").exists()), replace_file(start, end)))
        store.process(replace(job, store=store))
    assert seen and not any(seen)


@pytest.mark.parametrize("content, message", [
    ({"mine": ""}, r"it was not made by shout .it holds mine. and stays as it is: choose another output folder .-o."),
    ({".state/records/x.json": "{}", "a/mine.txt": ""}, r"mine.txt: found 1 files that shout did not write and that"),
])
def test_files_of_another_origin_are_refused_and_stay(tmp_path, content, message):
    store = Together(tmp_path / "other")
    for name, text in content.items():
        (store.root / name).parent.mkdir(parents=True, exist_ok=True)
        (store.root / name).write_text(text)
    with pytest.raises(NnunetTVError, match=message), store.opened(["x"]):
        pass
    assert set(content) <= set(snapshot(store.root))


def test_one_run_at_a_time_in_a_folder_that_can_be_made(tmp_path):
    store = Together(tmp_path / "out")
    with store.opened([]), open(store.state / "lock", "w") as lock, pytest.raises(OSError, match="unavailable"):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with store.opened([]), pytest.raises(NnunetTVError, match="another shout is writing here"), store.opened([]):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(NnunetTVError, match=r"the folder cannot be made .Not a directory"):
        Together(tmp_path / "file" / "out").create(tmp_path / "file" / "out")
    with (pytest.raises(NnunetTVError, match="expected a folder or nothing, found a file: choose another"),
          Together(tmp_path / "file").opened(["x"])):
        pass
