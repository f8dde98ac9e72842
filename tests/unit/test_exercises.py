"""The known answers of the probes: against plain definitions, differences, and numbers worked out by hand."""

from __future__ import annotations

import importlib.util
import math
import struct
from types import ModuleType

import pytest

from envkit.probe import PROBES_DIR


@pytest.fixture(scope="module")
def exercises() -> ModuleType:
    spec = importlib.util.spec_from_file_location("exercises", PROBES_DIR / "exercises.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_inputs_are_exact(exercises: ModuleType) -> None:
    numbers = exercises.Numbers(7).vector(1000)
    assert all(struct.unpack("f", struct.pack("f", value))[0] == value for value in numbers)
    assert -1 <= min(numbers) < -0.9 < 0.9 < max(numbers) < 1
    short = exercises.Numbers(7, bits=7).vector(1000)
    assert all((value * 128).is_integer() for value in short)
    assert exercises.Numbers(7).vector(3) == numbers[:3]


def test_matmul_by_its_definition(exercises: ModuleType) -> None:
    a, b, answer = exercises.matmul()
    for row, column in ((0, 0), (79, 95), (40, 17)):
        index = row * 96 + column
        assert answer.values[index] == pytest.approx(sum(a[row][k] * b[k][column] for k in range(112)), abs=1e-12)
        assert answer.scale[index] == pytest.approx(sum(abs(a[row][k] * b[k][column]) for k in range(112)))


def test_convolution_by_its_definition(exercises: ModuleType) -> None:
    x, w, answer = exercises.convolution()

    def at(n: int, c: int, row: int, column: int) -> float:
        inside = 0 <= row < 12 and 0 <= column < 12
        return float(x[((n * 4 + c) * 12 + row) * 12 + column]) if inside else 0.0

    for n, f, row, column in ((0, 0, 0, 0), (1, 7, 11, 11), (1, 3, 5, 0)):
        expected = sum(
            at(n, c, row + i - 1, column + j - 1) * w[((f * 4 + c) * 3 + i) * 3 + j]
            for c in range(4)
            for i in range(3)
            for j in range(3)
        )
        assert answer.values[((n * 8 + f) * 12 + row) * 12 + column] == pytest.approx(expected, abs=1e-12)


def test_gradient_of_the_regression_by_differences(exercises: ModuleType) -> None:
    x, y, w, answer = exercises.regression()

    def loss(weights: list[float]) -> float:
        squares = [(sum(map(float.__mul__, row, weights)) - t) ** 2 for row, t in zip(x, y, strict=True)]
        return math.fsum(squares) / len(squares)

    for index in range(len(w)):
        up, down = list(w), list(w)
        up[index] += 1e-5
        down[index] -= 1e-5
        assert answer.values[index] == pytest.approx((loss(up) - loss(down)) / 2e-5, rel=1e-6, abs=1e-9)


def test_gradients_of_attention_by_differences(exercises: ModuleType) -> None:
    q, k, v, g, answers = exercises.attention()
    heads, tokens, width = 2, 16, 16

    def loss() -> float:
        total: float = 0.0
        for h in range(heads):
            for t in range(tokens):
                scores = [sum(map(float.__mul__, q[h][t], k[h][s])) / math.sqrt(width) for s in range(tokens)]
                powers = [math.exp(score) for score in scores]
                for d in range(width):
                    mixed = sum(p * v[h][s][d] for s, p in enumerate(powers)) / sum(powers)
                    total += g[h][t][d] * mixed
        return float(total)

    for part, answer in zip((q, k, v), answers, strict=True):
        for h, t, d in ((0, 0, 0), (1, 15, 7)):
            kept = part[h][t][d]
            part[h][t][d] = kept + 1e-5
            up = loss()
            part[h][t][d] = kept - 1e-5
            down = loss()
            part[h][t][d] = kept
            assert answer.values[(h * tokens + t) * width + d] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-8)


def test_comparison(exercises: ModuleType) -> None:
    answer = exercises.Answer([1.0, 2.0, 0.0], [2.0, 4.0, 0.0], 3)
    assert answer.compare([1.0, 2.0, 0.0])["relative_error"] == 0
    off = answer.compare([1.0, 2.5, 0.0])
    assert (off["relative_error"], off["worst"]) == (0.125, {"index": 1, "found": 2.5, "expected": 2.0})
    assert answer.compare([1.0, math.nan, 9.0])["relative_error"] == "nan"
    assert answer.compare([1.0, math.inf, 0.0])["relative_error"] == "inf"
    assert answer.compare([1.0, 2.0, 0.1])["relative_error"] == "inf"
    assert answer.compare([1.0])["relative_error"] == "shape"
    worst = exercises.worst_of([off, answer.compare([math.nan] * 3)])
    assert worst["relative_error"] == "nan"


def test_the_staircase_is_halved_by_its_best_first_split(exercises: ModuleType) -> None:
    x, y, answer = exercises.steps()
    assert [row[0] for row in x] == list(range(64))
    assert answer.values == y

    def squares(part: list[float]) -> float:
        mean = sum(part) / len(part)
        return sum((value - mean) ** 2 for value in part)

    assert min(range(1, 64), key=lambda at: squares(y[:at]) + squares(y[at:])) == 32
    for half in (y[:32], y[32:]):
        assert min(squares(half[:at]) + squares(half[at:]) for at in range(1, 32)) == 0


def test_the_nearest_neighbour_is_one_alone_and_distances_are_exact(exercises: ModuleType) -> None:
    base, queries, answer = exercises.neighbours(count=4)
    for index, query in enumerate(queries):
        squares = sorted(
            (sum((a - b) ** 2 for a, b in zip(query, point, strict=True)), at) for at, point in enumerate(base)
        )
        assert squares[0] == (1, 31 * index)
        assert squares[1][0] > 1
        assert [square for square, _ in squares[:4]] == answer.values[4 * index : 4 * index + 4]
    assert all(value.is_integer() and value < 2**24 for value in answer.values)
