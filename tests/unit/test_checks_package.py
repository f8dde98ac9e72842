from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envkit.checks.package import check_entry_points, check_link_target, check_paths


def entry(path: str, kind: str = "hardlink") -> dict[str, str]:
    return {"_path": path, "path_type": kind}


@pytest.mark.parametrize("path", ["bin/python", "lib/a..b/c", "site-packages/x.py", "a b/ü", ".hidden", "etc/conda/x"])
def test_plain_paths_pass(path: str) -> None:
    assert check_paths([entry(path)], {path: False}) == []


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("../x", "out of the prefix"),
        ("a/../../x", "out of the prefix"),
        ("/etc/passwd", "absolute"),
        ("C:/x", "absolute"),
        ("a\\..\\x", "not a path"),
        ("conda-meta/x.json", "records"),
        ("CONDA-META/history", "records"),
        (".envkit.json", "records"),
        ("", "not a path"),
        ("a//b", "plain"),
        ("./a", "plain"),
        ("a\0b", "not a path"),
        ("a\nb", "not a path"),
    ],
)
def test_other_paths_do_not(path: str, word: str) -> None:
    (fault,) = check_paths([entry(path)], {path: False})
    assert word in fault


def test_what_is_listed_is_in_the_archive_once_and_of_its_type() -> None:
    assert "not in the archive" in check_paths([entry("a")], {})[0]
    assert "listed twice" in check_paths([entry("a"), entry("a")], {"a": False})[0]
    assert "type" in check_paths([entry("a")], {"a": True})[0]
    assert check_paths([entry("a", "softlink")], {"a": True}) == []


@pytest.mark.parametrize("junk", [None, 3, "x", {}, [3], [{}], [{"_path": 3}], [None]])
def test_junk_is_refused(junk: object) -> None:
    assert check_paths(junk, {})


@pytest.mark.parametrize(
    ("name", "target", "fine"),
    [
        ("lib/a", "b", True),
        ("lib/a", "../bin/b", True),
        ("lib/a", "../../b", False),
        ("a", "..", False),
        ("a", "/etc", False),
        ("x/y/z", "../../w", True),
        ("x/y/z", "../../../w", False),
    ],
)
def test_link_targets(name: str, target: str, *, fine: bool) -> None:
    assert (check_link_target(name, target) is None) is fine


@given(st.text(), st.text())
def test_no_accepted_link_leaves_the_prefix(name: str, target: str) -> None:
    if not check_paths([entry(name, "softlink")], {name: True}) and check_link_target(name, target) is None:
        end = posixpath.normpath(posixpath.join("/prefix", posixpath.dirname(name), target))
        assert end == "/prefix" or end.startswith("/prefix/")


@pytest.mark.parametrize(
    ("link", "fine"),
    [
        (None, True),
        ({}, True),
        ({"noarch": {"entry_points": ["tool = a.b:c"]}}, True),
        ({"noarch": {"entry_points": ["../tool = a:b"]}}, False),
        ({"noarch": {"entry_points": ["a/b = a:b"]}}, False),
        ({"noarch": {"entry_points": [" = a:b"]}}, False),
        ({"noarch": {"entry_points": [".. = a:b"]}}, False),
    ],
)
def test_entry_points(link: object, *, fine: bool) -> None:
    assert (not check_entry_points(link)) is fine
