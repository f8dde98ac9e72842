"""The kernels: executed by an interpreter, against the CPU; and what the interpreter itself is worth."""

from __future__ import annotations

import math
import random
import struct
from array import array
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ptx_interpreter import Kernel, Memory, Order, PtxError, add_f32, fma_f32, launch, parse, round_f32, to_f32

from envkit.probe import PROBES_DIR

PTX = (PROBES_DIR / "kernels.ptx").read_text()
KERNELS = parse(PTX)
NAN = b"\xff\xff\xff\xff"
f32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def shuffled(seed: int) -> Order:
    """Another order of the threads between any two barriers."""

    def order(count: int, turn: int) -> list[int]:
        sequence = list(range(count))
        random.Random(seed * 1000 + turn).shuffle(sequence)
        return sequence

    return order


def backwards(count: int, turn: int) -> range:
    assert turn >= 0
    return range(count - 1, -1, -1)


def random_floats(count: int, seed: int) -> array[float]:
    """float32 values whose sums and products are not exact, so that order and rounding show."""
    generator = random.Random(seed)
    return array("f", [generator.uniform(-1, 1) * 10 ** generator.randint(-3, 3) for _ in range(count)])


def run_vadd(kernel: Kernel, n: int) -> tuple[bytes, bytes]:
    """What the kernel makes of a vector, guard behind it included, and what it should."""
    memory, a, b = Memory(), random_floats(n, 1), random_floats(n, 2)
    out = memory.allocate(NAN * (n + 8))
    launch(kernel, ((n + 255) // 256, 1), [memory.allocate(a.tobytes()), memory.allocate(b.tobytes()), out, n], memory)
    expected = array("f", [add_f32(x, y) for x, y in zip(a, b, strict=True)])
    return bytes(memory.blocks[out]), expected.tobytes() + NAN * 8


def run_matmul(kernel: Kernel, n: int, order: Order | None = None) -> tuple[bytes, bytes]:
    memory, a, b = Memory(), random_floats(n * n, 3), random_floats(n * n, 4)
    out = memory.allocate(NAN * (n * n + 8))
    tiles = (n + 15) // 16
    addresses = [memory.allocate(a.tobytes()), memory.allocate(b.tobytes()), out]
    launch(kernel, (tiles, tiles), [*addresses, n], memory, order=order)
    expected = array("f")
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total = fma_f32(a[i * n + k], b[k * n + j], total)
            expected.append(total)
    return bytes(memory.blocks[out]), expected.tobytes() + NAN * 8


def run_reduce(kernel: Kernel, n: int, blocks: int, order: Order | None = None) -> tuple[int, int]:
    memory, generator, start = Memory(), random.Random(5), 2**64 - 12345
    values = array("I", [generator.randrange(2**32) for _ in range(n)])
    out = memory.allocate(start.to_bytes(8, "little"))
    launch(kernel, (blocks, 1), [memory.allocate(values.tobytes()), out, n], memory, order=order)
    return int.from_bytes(memory.blocks[out], "little"), (start + sum(values)) % 2**64


@pytest.mark.parametrize("n", [1, 15, 16, 17, 33, 40, 255, 256, 257, 1000])
def test_vadd(n: int) -> None:
    found, expected = run_vadd(KERNELS["vadd"], n)
    assert found == expected


@pytest.mark.parametrize("n", [1, 15, 16, 17, 33, 40])
def test_matmul(n: int) -> None:
    found, expected = run_matmul(KERNELS["matmul"], n)
    assert found == expected


@pytest.mark.parametrize("order", [backwards, shuffled(1)])
def test_matmul_in_any_order_of_the_threads(order: Order) -> None:
    found, expected = run_matmul(KERNELS["matmul"], 17, order)
    assert found == expected


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 33, 40, 1000])
def test_reduce(n: int, blocks: int) -> None:
    found, expected = run_reduce(KERNELS["reduce"], n, blocks)
    assert found == expected


@pytest.mark.parametrize("order", [backwards, shuffled(1), shuffled(2)])
def test_reduce_in_any_order_of_the_threads(order: Order) -> None:
    found, expected = run_reduce(KERNELS["reduce"], 1000, 2, order)
    assert found == expected


def without_barrier(index: int) -> dict[str, Kernel]:
    """The kernels without the barrier number `index` of the text."""
    pieces = PTX.split("bar.sync 0;")
    return parse("bar.sync 0;".join(pieces[: index + 1]) + "bar.sync 0;".join(["", *pieces[index + 1 :]])[11:])


def test_each_barrier_is_needed() -> None:
    assert PTX.count("bar.sync 0;") == 3
    orders: list[Order] = [backwards, lambda count, _: range(count)]
    for index, name in enumerate(["matmul", "matmul", "reduce"]):
        kernel = without_barrier(index)[name]
        assert len(kernel.code) == len(KERNELS[name].code) - 1
        results: list[tuple[object, object]] = [
            run_matmul(kernel, 17, order) if name == "matmul" else run_reduce(kernel, 1000, 1, order)
            for order in orders
        ]
        assert any(found != expected for found, expected in results), f"barrier {index} of {name}"


@pytest.mark.parametrize(
    ("kernel", "old", "new"),
    [
        ("vadd", "setp.ge.u32 %p1, %r4, %r5;", "setp.gt.u32 %p1, %r4, %r5;"),
        ("vadd", "add.rn.f32 %f3, %f1, %f2;", "add.rn.f32 %f3, %f1, %f1;"),
        ("matmul", "add.u32 %r23, %r23, 64;", "add.u32 %r23, %r23, 4;"),
        ("matmul", "and.pred %p4, %p4, %p2;", ""),
        ("matmul", "setp.lt.u32 %p6, %r21, 16;", "setp.lt.u32 %p6, %r21, 15;"),
        ("reduce", "mov.u32 %r12, 128;", "mov.u32 %r12, 64;"),
        ("reduce", "setp.ne.u32 %p4, %r2, 0;", "setp.ne.u32 %p4, %r2, 1;"),
    ],
)
def test_a_wrong_kernel_is_noticed(kernel: str, old: str, new: str) -> None:
    assert PTX.count(old) == 1
    broken = parse(PTX.replace(old, new))[kernel]
    try:
        if kernel == "vadd":
            results: tuple[object, object] = run_vadd(broken, 257)
        elif kernel == "matmul":
            results = run_matmul(broken, 17)
        else:
            results = run_reduce(broken, 1000, 1)
    except PtxError:
        return
    assert results[0] != results[1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("add.rn.f32", "sub.rn.f32", "unknown instruction"),
        ("mul.wide.u32 %rd4, %r4, 4;", "mul.wide.u32 %rd9, %r4, 4;", "not declared"),
        ("mov.u32 %r3, %tid.x;", "", "read before"),
        ("mov.u32 %r3, %tid.x;", "mov.u32 %r3, %tid.z;", "unknown"),
        ("mul.wide.u32 %rd4, %r4, 4;", "mul.wide.u32 %rd4, %r4, 2;", "misaligned"),
        (".target sm_50", ".target sm_90", "head"),
        ("ret;", "ret ;;", "not a statement"),
    ],
)
def test_the_interpreter_refuses(old: str, new: str, message: str) -> None:
    with pytest.raises(PtxError, match=message):
        run_vadd(parse(PTX.replace(old, new, 1))["vadd"], 17)


@given(f32, f32, f32)
def test_fma_rounds_once(a: float, b: float, c: float) -> None:
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    assert struct.pack("<f", abs(fma_f32(a, b, c))) == struct.pack("<f", abs(round_f32(exact)))


@given(f32, f32)
def test_add_rounds_once(a: float, b: float) -> None:
    assert struct.pack("<f", abs(add_f32(a, b))) == struct.pack("<f", abs(round_f32(Fraction(a) + Fraction(b))))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_agrees_with_the_machine(value: float) -> None:
    assert round_f32(Fraction(value)) == to_f32(value)


def test_fma_is_not_two_roundings() -> None:
    a = 1 + 2**-12
    assert fma_f32(a, a, -1.0) != add_f32(to_f32(a * a), -1.0)
    assert math.isnan(fma_f32(math.inf, 0.0, 1.0))
