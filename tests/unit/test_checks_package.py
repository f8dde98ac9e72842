from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envkit.checks.package import check_entry_points, check_link_target, check_paths, check_record
from envkit.models.build import Record


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
        ("z", "a/b/up/../..", False),
        ("lib/a", "./b//c", True),
        ("lib/a", "../x/../b", False),
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


def record(**fields: object) -> Record:
    plain = {"name": "a", "version": "1!2.0+cu121_3", "build": "py311_h1~0", "subdir": "linux-64", "fn": "a-1-0.conda"}
    known = {key: fields.pop(key) for key in (*plain, "sha256") if key in fields}
    return Record(**{**plain, **known}, raw=fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("fields", [{}, {"sha256": "A" * 64}, {"md5": "0" * 32}, {"name": "_x", "subdir": ""}])
def test_plain_records_pass(fields: dict[str, object]) -> None:
    assert check_record(record(**fields)) is None


@pytest.mark.parametrize("field", ["name", "version", "build", "fn", "subdir"])
@pytest.mark.parametrize("value", ["..", ".", "x/../../y", "/etc", "a b", "a\nb", "a\n", "a\\b", "a\0b", "é", "%2e%2e"])
def test_fields_that_name_files_are_words(field: str, value: str) -> None:
    assert f"{field} {value!r} is not" in str(check_record(record(**{field: value})))


@given(st.text(max_size=20), st.sampled_from(["name", "version", "build"]))
def test_no_field_leads_out_of_its_directory(value: str, field: str) -> None:
    checked = record(**{field: value})
    if check_record(checked) is None:
        stem = f"{checked.name}-{checked.version}-{checked.build}"
        assert posixpath.normpath(stem) == stem
        assert "/" not in stem


@pytest.mark.parametrize(
    "fields",
    [
        {"sha256": "../" * 21 + "x"},
        {"sha256": "a" * 63},
        {"md5": "../../x"},
        {"md5": 5},
        {"version": ""},
        {"build": "x" * 300},
        {"python_site_packages_path": "../../x"},
        {"python_site_packages_path": 3},
    ],
)
def test_other_records_do_not(fields: dict[str, object]) -> None:
    assert check_record(record(**fields)) is not None


@pytest.mark.parametrize("told", ["../x", "b", None, 3])
def test_the_raw_record_says_the_same(told: object) -> None:
    """The native installer reads the raw one."""
    raw = {"name": "a", "version": "1", "build": told}
    assert "build" in str(check_record(Record("a", "1", "0", fn="a-1-0.conda", raw=raw)))


@pytest.mark.parametrize("path", ["etc", "etc/conda", "etc/conda/activate.d"])
def test_files_where_the_environment_has_directories(path: str) -> None:
    assert "needs a directory" in check_paths([entry(path)], {path: False})[0]
    assert "needs a directory" in check_paths([entry(path, "softlink")], {path: True})[0]
    assert check_paths([entry(path, "directory")], {}) == []


@pytest.mark.parametrize("suffix", ["sh", "fish", "csh"])
def test_the_hook_of_envkit_is_its_own(suffix: str) -> None:
    path = f"etc/conda/activate.d/~~envkit.{suffix}"
    assert "records" in check_paths([entry(path)], {path: False})[0]


@pytest.mark.parametrize("points", [5, "x = a:b", {"x": 1}, True])
def test_entry_points_are_a_list(points: object) -> None:
    assert "list of entry points" in check_entry_points({"noarch": {"entry_points": points}})[0]
