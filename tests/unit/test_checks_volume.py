"""A volume is judged by what was read of it."""

from __future__ import annotations

import stat

import pytest

from envkit.checks.sharing import barred_findings, sharing_findings
from envkit.checks.volume import cache_finding, leftover_findings, volume_finding
from envkit.models.installed import WrongFile
from envkit.models.manifest import VolumeFile
from envkit.models.volume import PathsOf, SharingState
from envkit.words.cures import cure
from envkit.words.say import say

ROOT = "/data/envs"
MODE = stat.S_IFDIR | 0o775
HOME = VolumeFile(id="0123", mounted_at="/old", created="")


@pytest.mark.parametrize(
    ("described", "made", "here", "status", "code"),
    [
        (None, False, False, "warn", "not-a-volume"),
        (None, True, False, "fail", "volume-file"),
        (HOME, True, True, "pass", None),
        (HOME, True, False, "fail", "moved"),
    ],
)
def test_a_volume_is_described_and_where_it_was(
    described: VolumeFile | None, made: bool, here: bool, status: str, code: str | None
) -> None:
    finding = volume_finding(ROOT, described, made=made, here=here)
    assert (finding.status, finding.code) == (status, code)
    if code == "moved":
        assert "/old" in say(finding)
        assert "/old" in (cure(finding) or "")


def test_leftovers_only_warn() -> None:
    assert leftover_findings([]) == []
    [finding] = leftover_findings([f"train-{n}" for n in range(5)])
    assert (finding.status, finding.code) == ("warn", "unfinished")
    assert say(finding).startswith("5 ")


def test_a_sound_cache_passes() -> None:
    assert cache_finding(3, {}, full=True).status == "pass"


def test_a_damaged_cache_names_its_packages() -> None:
    wrong = {f"{ROOT}/.envkit/pkgs/ab/app-1-0": WrongFile("app-1-0", "share/app.txt", "size", 3, 4)}
    finding = cache_finding(3, wrong, full=True)
    assert (finding.status, finding.code, finding.data) == ("fail", "cache-damaged", {"packages": list(wrong)})
    assert "1 of 3" in say(finding)
    assert "share/app.txt (app-1-0) has 3 bytes, not 4" in say(finding)


def test_a_volume_that_all_can_use_passes() -> None:
    assert [finding.status for finding in sharing_findings(SharingState(ROOT, 0o40755))] == ["pass"]


@pytest.mark.parametrize("trusted", [False, True])
def test_who_may_write_a_volume_is_said(trusted: bool) -> None:
    *_, shared = sharing_findings(SharingState(ROOT, 0o42775, trusts_group=trusted))
    assert (shared.status, shared.code) == ("pass", None)
    assert "its group may write it (drwxrwsr-x), and so run code as those who use it" in say(shared)
    assert ("used by all" in say(shared)) is trusted
    [opened] = sharing_findings(SharingState(ROOT, 0o40757))
    assert (opened.status, opened.code) == ("warn", "open-to-all")
    assert sharing_findings(SharingState(ROOT, 0o41777))[0].status == "pass"


def test_what_is_too_open_is_one_finding() -> None:
    [found] = sharing_findings(SharingState(ROOT, 0o40750, too_open=(f"{ROOT}/.envkit/g",)))
    assert (found.status, found.code) == ("warn", "too-open")


def test_each_obstacle_is_one_finding() -> None:
    paths = tuple(f"{ROOT}/.envkit/g/train-{n}" for n in range(120))
    state = SharingState(ROOT, MODE, paths, paths, PathsOf(paths, ("ann", "bob")), PathsOf(paths, ("ann",)))
    *found, _ = sharing_findings(state)
    assert [finding.code for finding in found] == ["volume-barred", "cache-writable", "closed", "not-removable"]
    assert [finding.status for finding in found] == ["warn", "warn", "fail", "warn"]
    assert [finding.blames for finding in found] == [None, None, "host", None]
    for finding in found:
        assert finding.data == {"paths": list(paths[:100])}
        assert ".envkit/g/train-0, .envkit/g/train-1, .envkit/g/train-2 and 117 more" in say(finding)
    assert "ann, bob" in say(found[2])


def test_an_environment_that_others_cannot_read_warns() -> None:
    assert barred_findings(ROOT, [], []) == []
    [finding] = barred_findings(ROOT, [f"{ROOT}/.envkit/g/train-1/bin"], [])
    assert (finding.status, finding.code) == ("warn", "barred")
    assert ".envkit/g/train-1/bin" in say(finding)
