"""A prefix is judged by what was read of it."""

from __future__ import annotations

from typing import Any

import pytest

from envkit.checks.files import (
    added_findings,
    closed_finding,
    duplicate_findings,
    files_findings,
    gone_finding,
    manifest_finding,
    no_manifest_finding,
    place_finding,
    record_findings,
    validation_finding,
    venv_findings,
)
from envkit.models.installed import BadRecord, Distribution, InstalledPackage, Repair, WrongFile
from envkit.models.manifest import LockedPackage, Manifest, RecordedRequest, ValidationRecord
from envkit.words.cures import cure
from envkit.words.say import say

FIX = Repair("fix", "train")
MISSING = WrongFile("app 1.0", "share/app.txt", "missing")


def cured(repair: Repair) -> str:
    """How damaged files are cured."""
    return str(cure(*files_findings([MISSING], repair, files=1, full=False)))


def manifest_of(*names: str) -> Manifest:
    locked = tuple(
        LockedPackage(name=name, version="1.0", build="0", subdir="", fn="", url="", channel="") for name in names
    )
    request = RecordedRequest(specs=())
    texts: dict[str, Any] = dict.fromkeys(("envkit_version", "name", "generation", "prefix", "created", "digest"), "")
    return Manifest(packages=locked, request=request, channels=(), **texts)


def installed(name: str) -> InstalledPackage:
    return InstalledPackage(name, "1.0", "0", (), None, ())


def validation(verdict: Any) -> ValidationRecord:
    there = {"driver_version": "535"}
    return ValidationRecord(
        generation="", fingerprint="", verdict=verdict, created="2026-01-02T03:04:05+00:00", host=there
    )


def test_sound_files_pass_and_say_how_they_were_compared() -> None:
    [finding] = files_findings([], FIX, files=7, full=True)
    assert (finding.status, finding.code, finding.data) == ("pass", None, {"files": 7})
    assert "7 files" in say(finding)
    assert "sha256" in say(finding)
    assert "sha256" not in say(*files_findings([], FIX, files=7, full=False))


def test_damaged_files_blame_the_environment() -> None:
    [finding] = files_findings([MISSING] * 120, FIX, files=200, full=False)
    assert (finding.status, finding.code, finding.blames) == ("fail", "files-damaged", "environment")
    assert "120 files differ: " in say(finding)
    assert "117 more" in say(finding)
    assert len(finding.data["wrong"]) == 100  # type: ignore[arg-type]


def test_changed_files_of_other_tools_may_be_meant() -> None:
    assert files_findings([MISSING], Repair("tool"), files=1, full=False, lenient=True)[0].status == "warn"
    assert files_findings([], Repair("tool"), files=1, full=False, lenient=True)[0].status == "pass"


@pytest.mark.parametrize(
    ("repair", "words"),
    [
        (FIX, "doctor train --fix"),
        (Repair("create"), "--replace"),
        (Repair("tool"), "tool"),
        (Repair("pip"), "pip install"),
    ],
)
def test_what_made_the_prefix_decides_how_damage_is_cured(repair: Repair, words: str) -> None:
    [record] = record_findings([BadRecord("app.json", "ValueError: x")], repair)
    assert cure(record) == cured(repair)
    assert words in cured(repair)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (MISSING, "is missing"),
        (WrongFile("app", "x", "closed"), "by anybody"),
        (WrongFile("app", "x", "unreadable", error="I/O error"), "I/O error"),
        (WrongFile("app", "x", "size", 3, 4), "has 3 bytes, not 4"),
        (WrongFile("app", "x", "sha256"), "sha256"),
    ],
)
def test_each_fault_of_a_file_has_words(item: WrongFile, words: str) -> None:
    assert words in say(*files_findings([item], FIX, files=1, full=False))


def test_the_manifest_names_what_is_installed() -> None:
    assert manifest_finding(manifest_of("app", "lib"), [installed("lib"), installed("app")], FIX).status == "pass"


def test_packages_that_came_or_went_are_told_apart() -> None:
    finding = manifest_finding(manifest_of("app", "lib"), [installed("lib"), installed("new")], FIX)
    assert (finding.status, finding.code, cure(finding)) == ("fail", "records-differ", cured(FIX))
    assert "added by another tool: new-1.0-0" in say(finding)
    assert "taken away: app-1.0-0" in say(finding)


def test_a_generation_without_a_manifest_was_not_finished() -> None:
    assert (no_manifest_finding().code, no_manifest_finding().status) == ("no-manifest", "fail")


def test_a_link_to_nothing_is_gone() -> None:
    finding = gone_finding("train-0123abcd", "train")
    assert (finding.code, finding.status, finding.blames) == ("gone", "fail", "environment")
    assert "rollback train" in (cure(finding) or "")


def test_a_closed_generation_is_no_fault_of_its_own() -> None:
    finding = closed_finding("train-0123abcd", "ann")
    assert (finding.code, finding.status, finding.blames) == ("closed", "fail", "host")


def test_a_moved_prefix_fails() -> None:
    finding = place_finding("/old", FIX, moved=True)
    assert (finding.code, finding.status, cure(finding)) == ("moved", "fail", cured(FIX))
    assert "/old" in say(finding)
    assert "elsewhere" in say(place_finding(None, Repair("tool"), moved=True))
    assert place_finding("/old", FIX, moved=False).status == "pass"


def test_a_generation_is_never_added_to() -> None:
    found = [Distribution("six", "1.0", "pip", ())]
    [ours] = added_findings(found, FIX, ours=True)
    assert (ours.code, ours.status, ours.blames) == ("added-by-hand", "fail", "environment")
    assert ours.data == {"distributions": ["six==1.0"]}


def test_users_add_to_environments_of_other_tools() -> None:
    found = [Distribution(f"d{n}", "1.0", "pip", ()) for n in range(7)]
    [theirs] = added_findings(found, Repair("tool"), ours=False)
    assert (theirs.status, theirs.blames, cure(theirs)) == ("warn", None, None)
    assert "2 more" in say(theirs)
    assert added_findings([], Repair("tool"), ours=False) == []


def test_files_that_were_added_are_checked_too() -> None:
    found = [Distribution("six", "1.0", "pip", (WrongFile("six", "six.py", "missing"),))]
    codes = [finding.code for finding in added_findings(found, FIX, ours=True)]
    assert codes == ["added-by-hand", "files-damaged"]


def test_a_virtual_environment_needs_the_python_that_made_it() -> None:
    sound = venv_findings("/venv", "/usr/bin/python3", [], exists=True)
    assert [finding.status for finding in sound] == ["pass", "pass"]
    [python, _] = venv_findings("/venv", "/usr/bin/python3", [], exists=False)
    assert (python.code, python.status) == ("no-python", "fail")


def test_damage_in_a_virtual_environment_is_cured_by_pip() -> None:
    found = [Distribution("six", "1.0", "pip", (WrongFile("six", "six.py", "missing"),))]
    [_, files] = venv_findings("/venv", "/usr/bin/python3", found, exists=True)
    assert (files.code, cure(files)) == ("files-damaged", cured(Repair("pip")))


def test_a_folder_may_be_no_environment() -> None:
    [finding] = venv_findings("/somewhere", None, [], exists=False)
    assert (finding.code, finding.status) == ("not-an-environment", "fail")


@pytest.mark.parametrize(
    ("known", "last", "status", "code"),
    [
        ("pass", "pass", "pass", None),
        ("skip", "skip", "pass", None),
        ("fail", "pass", "warn", "validation-failed"),
        (None, None, "warn", "never-validated"),
        (None, "pass", "warn", "host-changed"),
    ],
)
def test_validations_on_this_kind_of_host_count(
    known: str | None, last: str | None, status: str, code: str | None
) -> None:
    records = [validation(verdict) if verdict else None for verdict in (known, last)]
    finding = validation_finding("train", *records, here={"driver_version": "570"})
    assert (finding.status, finding.code) == (status, code)
    if code == "host-changed":
        assert "driver 535" in say(finding)
        assert "here driver 570" in say(finding)


def test_two_records_of_a_package_are_found() -> None:
    assert duplicate_findings([installed("app"), installed("lib")], FIX) == []
    [twice] = duplicate_findings([installed("app"), installed("lib"), installed("app")], FIX)
    assert (twice.status, twice.code, twice.blames) == ("fail", "duplicate-records", "environment")
    assert say(twice) == "conda-meta holds more than one record of app"
    assert cure(twice) == cured(FIX)
