from __future__ import annotations

import pytest

from envkit.models.pack import Embedded
from envkit.packing.relocate import put_prefix

OLD = "/data/envs/.envkit/g/t-00000001"
ROOM = 80


def linked(prefix: str, text: str) -> bytes:
    """What linking makes of a string with placeholders of ROOM bytes."""
    holder = "/" + "h" * (ROOM - 1)
    whole = text.replace("@", holder)
    return text.replace("@", prefix).encode().ljust(len(whole), b"\0") + b"\0"


@pytest.mark.parametrize("new", ["/n", OLD[:-1] + "2", "/" + "n" * (ROOM - 1)])
@pytest.mark.parametrize("text", ["@", "@/lib", "-L@/a:@/b:@", "before @ after"])
def test_a_binary_becomes_what_linking_there_makes(new: str, text: str) -> None:
    head, tail = b"\1\0", b"next\0\0\xff"
    data = head + linked(OLD, text) + tail
    assert put_prefix(data, Embedded("binary", OLD, ROOM), new) == head + linked(new, text) + tail


def test_a_binary_and_back() -> None:
    data = linked(OLD, "@/x") + b"\0\0\0" + linked(OLD, "@:@") + b"end"
    there = put_prefix(data, Embedded("binary", OLD, ROOM), "/" + "n" * (ROOM - 1))
    assert put_prefix(there, Embedded("binary", "/" + "n" * (ROOM - 1), ROOM), OLD) == data


def test_a_binary_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room for a path of 80 bytes"):
        put_prefix(linked(OLD, "@/lib"), Embedded("binary", OLD, ROOM), "/" + "n" * ROOM)
    # The padding is another tool's: NULs that belong to what follows are not taken.
    with pytest.raises(ValueError, match=f"room for a path of {len(OLD)} bytes"):
        put_prefix(f"{OLD}/lib\0next".encode(), Embedded("binary", OLD, ROOM), OLD + "2")


@pytest.mark.parametrize(
    ("new", "first"),
    [
        ("/n", b"#!/n/bin/python3 -E"),
        ("/with space", b"#!/usr/bin/env python3 -E"),
        ("/" + "n" * 110, b"#!/usr/bin/env python3 -E"),
        ("/" + "n" * 104, b"#!/" + b"n" * 104 + b"/bin/python3 -E"),
    ],
)
def test_first_lines_that_the_kernel_reads(new: str, first: bytes) -> None:
    data = f"#!{OLD}/bin/python3 -E\nhome = '{OLD}'\n".encode()
    there = put_prefix(data, Embedded("text", OLD, 0), new)
    assert there == first + f"\nhome = '{new}'\n".encode()


def test_first_lines_of_others_stay() -> None:
    data = f"#!/bin/sh -{'x' * 200}\n{OLD}\n".encode()
    assert put_prefix(data, Embedded("text", OLD, 0), "/n") == data.replace(OLD.encode(), b"/n")
