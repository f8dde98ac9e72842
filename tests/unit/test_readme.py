"""The README: its commands are commands, its links lead somewhere, and each picture is shown beside its command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
from harness import ROOT

import envkit
from envkit.cli.app import _named
from envkit.cli.commands import GROUPS, function_of
from envkit.cli.conda_options import read_options
from envkit.cli.grammar import parameters_of, parse
from envkit.cli.habits import translate

FILES = ("README.md", "CONTRIBUTING.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
_REFUSED = "error (usage)"  # such an answer follows a command that shows what is refused


def _commands() -> Iterator[str]:
    """Yield the commands of console blocks, and those within sentences."""
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, answer = part.partition("\n")
            found = re.search(r"(?:^|[/(\s])(envkit [^#|)&>]*)", line)
            if found and not answer.startswith(_REFUSED):
                yield found[1]
    for text in re.findall(r"`(envkit [^`]+)`", README.replace("\n", " ")):
        if "..." not in text:
            yield text


@pytest.mark.parametrize("line", sorted({line.strip() for line in _commands()}))
def test_a_command_can_be_typed_as_it_is_written(line: str) -> None:
    _, *words = shlex.split(line)
    path, rest = _named(list(read_options(translate(words)).argv))
    assert path is not None, line
    if path in GROUPS and not rest:
        return
    assert parse(parameters_of(function_of(path)), rest, interspersed=path != "run") is not None


def test_there_are_commands() -> None:
    assert len(set(_commands())) > 50


def test_the_python_of_the_readme_uses_what_there_is() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    compile(block, "README.md", "exec")
    assert [name for name in re.findall(r"envkit\.(\w+)", block) if not hasattr(envkit, name)] == []


def _anchors(text: str) -> set[str]:
    """Return the anchors of a page, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    titles = [re.sub(r"<[^>]*>", "", title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    slugs = {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}
    return slugs | set(re.findall(r'<a name="([^"]+)">', text))


@pytest.mark.parametrize("name", FILES)
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    anchors = {file: _anchors((ROOT / file).read_text(encoding="utf-8")) for file in FILES}
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        assert (ROOT / file).exists(), link
        assert not anchor or anchor in anchors[file or name], link
    assert len(re.findall(r'<a name="([^"]+)">', text)) == len(set(re.findall(r'<a name="([^"]+)">', text)))


def test_each_row_of_the_comparison_leads_to_a_command() -> None:
    section = README.partition("## Beside conda")[2].partition("\n## ")[0]
    rows = [row.split("|")[2].strip() for row in section.splitlines() if row.startswith("| ")][1:]
    assert len(rows) > 12
    assert [row for row in rows if not row.startswith(("[`", "no"))] == []


def test_each_picture_is_shown_and_is_small() -> None:
    pictures = sorted((ROOT / "scripts" / "figures").iterdir())
    shown = re.findall(r"!\[([^\]]+)\]\((scripts/figures/[^)]+)\)", README)
    assert sorted(path for _, path in shown) == [f"scripts/figures/{path.name}" for path in pictures]
    assert all(words for words, _ in shown)
    assert sum(path.stat().st_size for path in pictures) < 1_000_000
