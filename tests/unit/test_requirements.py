"""Requirements as pip reads them: lines, options, files that include others, credentials kept apart."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from harness import ROOT

from envkit.api.sources import read_source
from envkit.errors import RecipeError
from envkit.inputs.requirements import parse_requirements_txt, read_lines
from envkit.models.inputs import Recipe
from envkit.models.pip import FilePlace, PipSection, parse_address

SECRET = "PASS-77"
HASH = "a" * 64


def read(text: str | bytes, folder: Path = Path("/nowhere")) -> PipSection:
    data = text.encode() if isinstance(text, str) else text
    return parse_requirements_txt(data, folder / "requirements.txt", env={"TOKEN": SECRET, "EMPTY": ""})


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("six", ["six"]),
        ("Six == 1.16 # a comment", ["Six==1.16"]),
        ("# only a comment\n\n   \nsix", ["six"]),
        ("a#b @ https://h/x.whl", None),
        ("six (>=1.10)", ["six>=1.10"]),
        ("six \\\n  >=1, \\\n  <2", ["six<2,>=1"]),
        ("six \\\n# not part of it\n>=1", None),
        ("six\r\nattrs\r\n", ["six", "attrs"]),
        ("jax[cuda12]>=0.4 ; python_version < '3.13'", ['jax[cuda12]>=0.4; python_version < "3.13"']),
        ("torch==1.13.1+cu117", ["torch==1.13.1+cu117"]),
        (f"six==1 --hash=sha256:{HASH.upper()} \\\n --hash sha256:{HASH}", [f"six==1 --hash=sha256:{HASH}"]),
        ("https://h/p/jaxlib-0.1.51-cp37-none-linux.whl", ["jaxlib @ https://h/p/jaxlib-0.1.51-cp37-none-linux.whl"]),
        (f"https://h/six-1.16.tar.gz#sha256={HASH}", [f"https://h/six-1.16.tar.gz --hash=sha256:{HASH}"]),
        ("https://h/six.zip ; python_version<'4'", ["https://h/six.zip ; python_version<'4'"]),
        ("six @ https://h/six-1.16.tar.gz", ["six @ https://h/six-1.16.tar.gz"]),
        ("git+https://github.com/o/r.git@v1#egg=name", ["name @ git+https://github.com/o/r.git@v1"]),
        ("git+https://h/o/r@m#egg=shapely-1.7.1dev", ["shapely @ git+https://h/o/r@m"]),
        ("-e git+https://h/o/r.git#egg=n&subdirectory=py", ["n @ git+https://h/o/r.git#subdirectory=py"]),
        ("git+ssh://git@github.com/o/r.git", ["git+ssh://git@github.com/o/r.git"]),
        ("submodules/simple-knn", ["file:///nowhere/submodules/simple-knn"]),
        ("--editable=.[conda_dev]", ["-e file:///nowhere[conda_dev]"]),
        ("-e .", ["-e file:///nowhere"]),
        ("./a b", ["file:///nowhere/a%20b"]),
        ("-i https://h/simple", ["--index-url https://h/simple"]),
        ("-ihttps://h/simple\n--extra-index https://e/s", ["--index-url https://h/simple", "--extra-index-url https://e/s"]),
        ("--index-url https://h/a\n--index-url=https://h/b", ["--index-url https://h/b"]),
        ("--pre --no-index -f wheels", ["--find-links file:///nowhere/wheels", "--no-index", "--pre"]),
        ("--no-binary :all:\n--only-binary a,b\n--no-binary=a", ["--no-binary :all:,a", "--only-binary b"]),
        ("--only-binary=:all:", ["--only-binary :all:"]),
        ("--require-hashes\n--prefer-binary\n--trusted-host h", ["--require-hashes"]),
        ("six==${EMPTY}1", None),
    ],
)  # fmt: skip
def test_lines_are_read_as_pip_reads_them(text: str, lines: list[str] | None) -> None:
    if lines is None:
        with pytest.raises(RecipeError, match=r"requirements.txt:\d+:\d+: "):
            read(text)
        return
    section = read(text)
    assert section.lines[: len(lines)] == tuple(lines) or [line.split(" --hash")[0] for line in section.lines] == [
        line.split(" --hash")[0] for line in lines
    ]
    # The lines that are recorded mean the same again.
    again = read_lines([(FilePlace("m", 1), line) for line in section.lines], Path("/elsewhere"))
    assert again.lines == section.lines
    assert [(i.name, i.origin, i.hashes) for i in again.requirements] == [
        (i.name, i.origin, i.hashes) for i in section.requirements
    ]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("six\nnumpy=1.2", "2:1: 'numpy=1.2' is no requirement", "numpy==1.2"),
        ("six >= 1.x.y.z", "1:1: .* is no requirement", ""),
        ("--frobnicate", "'--frobnicate' is no option", ""),
        ("-q six", "'-q' is no option", ""),
        ("--index-url", "--index-url needs a value", ""),
        ("six --global-option=x", "--global-option has no equal", ""),
        ("six --hash=md5:abc", "--hash is not sha256", ""),
        ("-r none.txt", "none.txt, which cannot be read: No such file", "relative to the file"),
        ("-r https://h/r.txt", "it includes https://h/r.txt", "Download"),
        ("svn+https://h/r", r"svn\+https is no kind of repository", ""),
        ("git+git://github.com/o/r.git", "without encryption", "git+https"),
        ("--find-links 'a", "no closing quotation", ""),
        ("six\x00", "a control character", ""),
        (b"six # caf\xe9\natt\xe9", "2:1: bytes that are not UTF-8", ""),
        (b"# -*- coding: nonsense -*-\nsix", "encoding 'nonsense' is not known", ""),
        ("https://h:port/x.whl", "its host or port cannot be read", ""),
        ("--no-deps", "--no-deps is no option", ""),
    ],
)
def test_errors_name_file_line_and_fault(text: str | bytes, message: str, hint: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        read(text)
    assert caught.value.message.startswith("/nowhere/requirements.txt")
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    "data",
    [
        "six\n# café\n".encode("utf-8-sig"),
        "\ufeffsix\n".encode("utf-16-le"),
        b"# -*- coding: latin-1 -*-\n# caf\xe9\nsix",
        b"# caf\xe9 in no encoding\nsix",
    ],
)
def test_encodings(data: bytes) -> None:
    assert read(data).lines == ("six",)


def test_files_include_others_relative_to_themselves(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/more.txt").write_text("attrs\n-c limits.txt\n./local\n")
    (tmp_path / "sub/limits.txt").write_text("six<2\n-r deeper.txt\n")
    (tmp_path / "sub/deeper.txt").write_text("attrs<30\n")
    section = read("six\n-r sub/more.txt\n", tmp_path)
    assert section.lines == ("six", "attrs", f"file://{tmp_path}/sub/local")
    assert section.constraint_lines == ("six<2", "attrs<30")
    assert str(section.constraints[1].place) == f"{tmp_path}/sub/deeper.txt:1:1"
    (tmp_path / "loop.txt").write_text("-r loop.txt\n")
    with pytest.raises(RecipeError, match=r"loop.txt:1:1: .*loop.txt includes itself"):
        read("-r loop.txt", tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        f"--index-url https://user:{SECRET}@h/simple",
        "--extra-index-url https://user:${TOKEN}@h/simple",
        f"-f https://{SECRET}@h/links",
        f"six @ https://user:{SECRET}@h/six-1.16.whl",
        f"git+https://{SECRET}@github.com/o/r.git",
        f"-e git+https://user:{SECRET}@github.com/o/r.git#egg=r",
    ],
)
def test_credentials_are_kept_apart(text: str) -> None:
    section = read(text)
    assert SECRET in section.secrets
    assert SECRET not in repr(section) + "".join(section.lines)
    assert any(address.login and SECRET in address.login for address in section.addresses)


@pytest.mark.parametrize(
    "text",
    [
        f"--index-url https://h/t/{SECRET}/simple",
        f"https://h/six-1.16-py3-none-any.whl?token={SECRET}",
        f"--index-url https://[user:{SECRET}@h/simple",
        f"six @ https://user:{SECRET}\u2100@h/six.whl",
        f"six x://user:{SECRET}@h",
        f"-q https://user:{SECRET}@h",
        f"-r https://user:{SECRET}@h/r.txt",
        f"--frob=https://user:{SECRET}@h/r.txt",
        f"six --x=https://user:{SECRET}@h",
    ],
)
def test_what_cannot_be_read_is_not_quoted(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(text)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_user_of_ssh_is_no_secret() -> None:
    assert parse_address("ssh://git@h/r").userinfo is None
    assert parse_address("https://u:a%40b@h/r").login == ("u", "a@b")
    assert "a@b" in parse_address("https://u:a%40b@h/r").secrets


def test_places_of_a_pip_section(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text("dependencies:\n  - python\n  - pip:\n    - six\n    - |\n      attrs\n      --oops\n")
    with pytest.raises(RecipeError, match=r"environment.yml:7:7: '--oops' is no option"):
        read_source(path)
    path.write_text("dependencies: [python, {pip: [six, 'numpy=1']}]\n")
    with pytest.raises(RecipeError, match=r"environment.yml:1:36: 'numpy=1' is no requirement"):
        read_source(path)


_PLACES = [Path(os.environ.get("ENVKIT_TEST_FILES", "/nowhere")), *(p / "shared/files" for p in ROOT.parents[:2])]
FILES = next((path for path in _PLACES if path.is_dir()), Path("/nowhere"))
_REFUSED = {"git+git:// is a protocol": 1, "it includes ": 1}


@pytest.mark.skipif(not FILES.is_dir(), reason="the collected files are not beside this checkout")
def test_pip_sections_that_people_have_are_read() -> None:
    refused: Counter[str] = Counter()
    read_items = 0
    for path in sorted(FILES.glob("env__*")):
        try:
            recipe = read_source(path)
        except RecipeError as error:
            refused.update(start for start in _REFUSED if start in error.message)
            continue
        assert isinstance(recipe, Recipe)
        raw = path.read_text(encoding="utf-8-sig")
        for item in recipe.pip.requirements:
            read_items += 1
            assert item.place.file == str(path)
            written = raw.splitlines()[item.place.line - 1][item.place.column - 1 :]
            if item.requirement is not None and item.origin == "index":
                assert written.strip("\"'").lower().startswith(item.requirement.name.lower()), (path, item)
                assert all(str(one.version) in written for one in item.requirement.specifier), (path, item)
    assert refused == _REFUSED
    assert read_items > 1600
