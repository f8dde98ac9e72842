"""Tables for people fit their terminal and keep names whole."""

from __future__ import annotations

import io

from envkit.cli.output import Console, labelled, table, without

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


def test_columns_give_room_as_far_as_their_longest_words() -> None:
    out = Console(io.StringIO(), 40)
    view = table("what", "why")
    view.add_row("one two three", "unbroken-word " + "and more of them " * 4)
    view.add_row("extraordinarily", "no")
    out.print(view)
    assert isinstance(out.file, io.StringIO)
    shown = out.file.getvalue()
    assert "extraordinarily" in shown
    assert "unbroken-word" in shown
    assert all(len(line) <= 40 for line in shown.splitlines())


def test_a_table_without_rows_is_no_line() -> None:
    out = Console(io.StringIO(), 40)
    out.print(labelled())
    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue() == ""
