"""Executes PTX text on the CPU: the instructions that ``kernels.ptx`` uses, and not one more.

Semantics: https://docs.nvidia.com/cuda/parallel-thread-execution/. Stricter than a GPU on purpose: an unknown
instruction, modifier or operand, a register that is read before it is written, an access outside an allocation, a
misaligned one and a barrier that part of a block never reaches are errors. Shared memory starts as NaN. Threads of a
block run one after the other, each up to its next barrier, in an order that the caller gives: a missing barrier shows
in some order. float32 arithmetic is exact: every result is rounded once from the rational value.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["Kernel", "Memory", "PtxError", "add_f32", "fma_f32", "launch", "parse"]

U32 = 2**32 - 1
U64 = 2**64 - 1
SIZES = {"f32": 4, "u32": 4, "b32": 4, "u64": 8, "b64": 8}
FORMATS = {"f32": "<f", "u32": "<I", "b32": "<I", "u64": "<Q", "b64": "<Q"}
SHARED_BASE = 0x100  # shared memory has an address space of its own

Value = int | float | bool


class PtxError(Exception):
    """The text is not PTX that this interpreter knows, or it does what a kernel may not do."""


# --- float32 --------------------------------------------------------------------------------------------------------


def to_f32(value: float) -> float:
    """The nearest float32, ties to even, of a float64; what is beyond the largest one becomes infinite."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        rounded = math.copysign(math.inf, value)
    return rounded


def round_f32(exact: Fraction) -> float:
    """The nearest float32 of a rational number, ties to even; subnormal numbers included."""
    if exact == 0:
        return 0.0
    magnitude = abs(exact)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if magnitude < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, -126) - 23)
    rounded = round(magnitude / unit) * unit  # round() of a Fraction ties to even
    return math.copysign(to_f32(float(min(rounded, Fraction(2) ** 128))), exact)


def fma_f32(a: float, b: float, c: float) -> float:
    """``fma.rn.f32``: a x b + c with one rounding."""
    if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return to_f32(a * b + c)
    product = a * b  # exact: two 24-bit significands fit into 53 bits
    total = product + c
    if total == 0:
        return total if product == -c else to_f32(total)
    back = total - product
    if (product - (total - back)) + (c - back) == 0 and product != 0:  # Knuth's two-sum: nothing was rounded away
        return to_f32(total)
    return round_f32(Fraction(a) * Fraction(b) + Fraction(c))


def add_f32(a: float, b: float) -> float:
    """``add.rn.f32``: float64 holds more than twice the digits, so rounding twice is rounding once."""
    return to_f32(a + b)


# --- memory ---------------------------------------------------------------------------------------------------------


@dataclass
class Memory:
    """Allocations in one address space; an access has to lie inside one of them."""

    blocks: dict[int, bytearray] = field(default_factory=dict)

    def allocate(self, data: bytes) -> int:
        """A new allocation, far from the others, so that an access beside it meets nothing."""
        address = 0x1000_0000 * (len(self.blocks) + 1)
        self.blocks[address] = bytearray(data)
        return address

    def find(self, address: int, size: int) -> tuple[bytearray, int]:
        if address % size:
            raise PtxError(f"misaligned access to {address:#x}")
        for base, block in self.blocks.items():
            if base <= address and address + size <= base + len(block):
                return block, address - base
        raise PtxError(f"access outside every allocation: {address:#x}")

    def load(self, kind: str, address: int) -> Value:
        block, offset = self.find(address, SIZES[kind])
        value: Value = struct.unpack_from(FORMATS[kind], block, offset)[0]
        return value

    def store(self, kind: str, address: int, value: Value) -> None:
        block, offset = self.find(address, SIZES[kind])
        struct.pack_into(FORMATS[kind], block, offset, value)


# --- parsing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Instruction:
    guard: tuple[bool, str] | None  # whether the predicate has to be true, and which
    operation: str
    operands: tuple[str, ...]


@dataclass
class Kernel:
    """One entry: parameters in order, the block it demands, shared arrays, code and where its labels are."""

    name: str
    parameters: list[tuple[str, str]] = field(default_factory=list)
    block: tuple[int, int, int] = (0, 0, 0)
    registers: dict[str, tuple[type, int | None]] = field(default_factory=dict)  # type, and the largest whole number
    constants: dict[str, Value] = field(default_factory=dict)  # as they are written
    shared: dict[str, int] = field(default_factory=dict)
    shared_size: int = 0
    code: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)


def parse(text: str) -> dict[str, Kernel]:
    """Read a module; anything that is not known is an error."""
    text = re.sub(r"//[^\n]*", "", text)
    head, *entries = re.split(r"\.visible\s+\.entry\s+", text)
    if head.split() != [".version", "6.0", ".target", "sm_50", ".address_size", "64"]:
        raise PtxError(f"unknown head of the module: {head.split()}")
    kernels = [_parse_entry(entry) for entry in entries]
    return {kernel.name: kernel for kernel in kernels}


def _parse_entry(text: str) -> Kernel:
    shape = re.fullmatch(r"(\w+)\s*\((.*?)\)\s*\.reqntid (\d+), (\d+), (\d+)\s*\{(.*)\}\s*", text, re.DOTALL)
    if shape is None:
        raise PtxError(f"not an entry: {text[:60]!r}")
    name, parameters, x, y, z, body = shape.groups()
    kernel = Kernel(name, block=(int(x), int(y), int(z)))
    for parameter in parameters.split(","):
        declared = re.fullmatch(r"\s*\.param \.(u32|u64) (\w+)\s*", parameter)
        if declared is None:
            raise PtxError(f"not a parameter: {parameter!r}")
        kernel.parameters.append((declared[2], declared[1]))
    *statements, rest = body.split(";")
    if rest.strip():
        raise PtxError(f"not a statement: {rest.strip()!r}")
    for statement in statements:
        *labels, code = statement.split(":")
        kernel.labels.update(dict.fromkeys((label.strip() for label in labels), len(kernel.code)))
        _parse_statement(kernel, " ".join(code.split()))
    return kernel


def _parse_statement(kernel: Kernel, statement: str) -> None:
    if registers := re.fullmatch(r"\.reg \.(pred|b32|f32|b64) (%[a-z]+)<(\d+)>", statement):
        kinds = {"pred": (bool, None), "f32": (float, None), "b32": (int, U32), "b64": (int, U64)}
        names = [f"{registers[2]}{i}" for i in range(int(registers[3]))]
        kernel.registers.update(dict.fromkeys(names, kinds[registers[1]]))
    elif shared := re.fullmatch(r"\.shared \.align (\d+) \.b8 (\w+)\[(\d+)\]", statement):
        align = int(shared[1])
        offset = -(-kernel.shared_size // align) * align
        kernel.shared[shared[2]] = SHARED_BASE + offset
        kernel.shared_size = offset + int(shared[3])
    elif code := re.fullmatch(r"(?:@(!?)(%p\d+) )?([a-z0-9_.]+)(?: (.*))?", statement):
        guard = (not code[1], code[2]) if code[2] else None
        operands = tuple(operand.strip() for operand in code[4].split(",")) if code[4] else ()
        kernel.code.append(Instruction(guard, code[3], operands))
        for operand in operands:
            if re.fullmatch(r"\d+", operand):
                kernel.constants[operand] = int(operand)
            elif number := re.fullmatch(r"0f([0-9A-Fa-f]{8})", operand):
                kernel.constants[operand] = struct.unpack(">f", bytes.fromhex(number[1]))[0]
    else:
        raise PtxError(f"not a statement: {statement!r}")


# --- execution ------------------------------------------------------------------------------------------------------

Order = Callable[[int, int], Sequence[int]]
"""Thread count and round (a round ends at a barrier) to the order in which the threads of a block run."""


def launch(
    kernel: Kernel, grid: tuple[int, int], arguments: Sequence[int], memory: Memory, *, order: Order | None = None
) -> None:
    """Run all blocks, one after the other; `arguments` are the parameters in order."""
    if len(arguments) != len(kernel.parameters):
        raise PtxError(f"{kernel.name} takes {len(kernel.parameters)} parameters")
    parameters = {name: value for (name, _), value in zip(kernel.parameters, arguments, strict=True)}
    width, height, _ = kernel.block
    for block_y in range(grid[1]):
        for block_x in range(grid[0]):
            shared = Memory({SHARED_BASE: bytearray(b"\xff" * kernel.shared_size)})
            special = {"%ctaid.x": block_x, "%ctaid.y": block_y, "%ntid.x": width, "%nctaid.x": grid[0]}
            threads = [
                _Thread(kernel, parameters, {**special, "%tid.x": i % width, "%tid.y": i // width}, memory, shared)
                for i in range(width * height)
            ]
            _run_block([thread.run() for thread in threads], order)


def _run_block(threads: list[Iterator[None]], order: Order | None) -> None:
    """Run each thread to its next barrier, then all on, until all have ended."""
    turn = 0
    while True:
        sequence = order(len(threads), turn) if order else range(len(threads))
        ended = [next(threads[i], "ended") == "ended" for i in sequence]
        if all(ended):
            return
        if any(ended):
            raise PtxError("part of a block ended before a barrier that the others wait at")
        turn += 1


class _Thread:
    """One thread: registers, and a generator that stops at each barrier."""

    def __init__(
        self, kernel: Kernel, parameters: dict[str, int], special: dict[str, int], memory: Memory, shared: Memory
    ) -> None:
        self.kernel = kernel
        self.parameters = parameters
        self.memory = memory
        self.shared = shared
        self.values: dict[str, Value] = {**kernel.constants, **kernel.shared, **special}  # registers as they come

    def run(self) -> Iterator[None]:
        kernel, at = self.kernel, 0
        while True:
            instruction = kernel.code[at]
            at += 1
            if instruction.guard is not None and self.read(instruction.guard[1]) is not instruction.guard[0]:
                continue
            operation = instruction.operation
            if operation in OPERATIONS:
                target, *sources = instruction.operands
                arity, compute = OPERATIONS[operation]
                if len(sources) != arity:
                    raise PtxError(f"{operation} takes {arity} sources: {instruction.operands}")
                self.write(target, compute(*map(self.read, sources)))
            elif operation in MEMORY_OPERATIONS:
                self.access(operation, instruction.operands)
            elif operation == "bra":
                at = kernel.labels[instruction.operands[0]]
            elif operation == "bar.sync" and instruction.operands == ("0",):
                yield
            elif operation == "ret":
                return
            else:
                raise PtxError(f"unknown instruction: {operation} {instruction.operands}")

    def read(self, operand: str) -> Value:
        try:
            return self.values[operand]
        except KeyError:
            raise PtxError(f"read before it was written, or unknown: {operand}") from None

    def write(self, register: str, value: Value) -> None:
        known, limit = self.kernel.registers.get(register, (None, None))
        if type(value) is not known or (limit is not None and not 0 <= value <= limit):
            raise PtxError(f"{register} is not declared, or not for {value!r}")
        self.values[register] = value

    def access(self, operation: str, operands: tuple[str, ...]) -> None:
        """``ld``, ``st`` and ``atom``."""
        verb, space, *more, kind = operation.split(".")
        place = operands[0] if verb == "st" else operands[1]
        inner = place[1:-1]
        if place != f"[{inner}]":
            raise PtxError(f"not an address: {place}")
        if space == "param":
            self.write(operands[0], self.parameters[inner])
            return
        memory, address = (self.shared if space == "shared" else self.memory), self.read(inner)
        if not isinstance(address, int):
            raise PtxError(f"not an address: {place}")
        match verb, more:
            case "ld", []:
                self.write(operands[0], memory.load(kind, address))
            case "st", []:
                memory.store(kind, address, self.read(operands[1]))
            case "atom", ["add"]:
                old = memory.load(kind, address)
                memory.store(kind, address, int(old) + int(self.read(operands[2])) & U64)
                self.write(operands[0], old)
            case _:
                raise PtxError(f"unknown instruction: {operation}")


MEMORY_OPERATIONS = {
    "ld.param.u32",
    "ld.param.u64",
    "ld.global.f32",
    "ld.global.u32",
    "ld.shared.f32",
    "ld.shared.u64",
    "st.global.f32",
    "st.shared.f32",
    "st.shared.u64",
    "atom.global.add.u64",
}

OPERATIONS: dict[str, tuple[int, Callable[..., Value]]] = {
    "mov.u32": (1, lambda a: a),
    "mov.u64": (1, lambda a: a),
    "mov.f32": (1, lambda a: a),
    "cvta.to.global.u64": (1, lambda a: a),  # here generic and global addresses are the same
    "cvt.u64.u32": (1, lambda a: a),
    "add.u32": (2, lambda a, b: a + b & U32),
    "add.u64": (2, lambda a, b: a + b & U64),
    "mul.lo.u32": (2, lambda a, b: a * b & U32),
    "mul.wide.u32": (2, lambda a, b: a * b),
    "mad.lo.u32": (3, lambda a, b, c: a * b + c & U32),
    "shl.b32": (2, lambda a, b: a << b & U32),
    "shr.u32": (2, lambda a, b: a >> b),
    "add.rn.f32": (2, add_f32),
    "fma.rn.f32": (3, fma_f32),
    "setp.lt.u32": (2, lambda a, b: a < b),
    "setp.ge.u32": (2, lambda a, b: a >= b),
    "setp.gt.u32": (2, lambda a, b: a > b),
    "setp.ne.u32": (2, lambda a, b: a != b),
    "and.pred": (2, lambda a, b: a and b),
}
