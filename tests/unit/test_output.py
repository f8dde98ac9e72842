"""Tables for people fit their terminal and keep names whole."""

from __future__ import annotations

import io

from envkit.cli.output import Console, table, without

NAME = "an-environment-with-a-name-that-is-rather-long"


def printed(width: int) -> list[str]:
    out = Console(io.StringIO(), width)
    view = table("name", "validated", "generation", whole=("name", "generation"))
    view.add_row(NAME, "pass on a machine without a GPU", f"{NAME}-3f9c2a1b")
    out.print(without(out, view, "generation"))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def test_a_wide_terminal_shows_all() -> None:
    header, row = printed(160)
    assert header.split() == ["name", "validated", "generation"]
    assert row.rstrip().endswith(f"{NAME}-3f9c2a1b")


def test_a_narrow_terminal_shows_less_and_keeps_names_whole() -> None:
    header, *rows = printed(80)
    assert header.split() == ["name", "validated"]
    assert rows[0].split()[0] == NAME
    assert all(len(line) <= 80 for line in rows)
