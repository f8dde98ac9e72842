"""Formulas as code: what a line of LaTeX says of matrices becomes an expression for numpy, PyTorch or JAX.

It knows what the notebooks of envkit use: fractions, roots, transposes, sums, products by juxtaposition, functions by
``\\operatorname``, and names with indices. A product is ``mul(a, b)``, which the reader of the expression defines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"\s*(?:(?P<command>\\(?:left|right|,|[a-zA-Z]+))|(?P<name>[a-zA-Z])|(?P<number>\d+)|(?P<mark>[-+(){}^_,=/]))"
)
_LINEAR = r"\left( X w + b - y \right)"
_SEEDS = {
    "dw": r"\frac{\partial L}{\partial w} = \frac{2}{m} X^\top " + _LINEAR,
    "db": r"\frac{\partial L}{\partial b} = \frac{2}{m} \mathbf{1}^\top " + _LINEAR,
    "attention": (
        r"\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\left( \frac{Q K^\top}{\sqrt{d_k}} \right) V"
    ),
    "multi_head": (
        r"\operatorname{MultiHead}(X) = "
        r"\operatorname{Concat}\left( \mathrm{head}_1, \ldots, \mathrm{head}_h \right) W^O"
    ),
    "head": r"\mathrm{head}_i = \operatorname{Attention}\left( X W_i^Q, X W_i^K, X W_i^V \right)",
}
"""The formulas of the articles, as the notebook has to show them."""

_CELL = """
def mul(a, b):
    return a * b if getattr(a, "ndim", 0) == 0 or getattr(b, "ndim", 0) == 0 else a @ b

rows, targets, weights, bias, (known_dw, known_db) = known.affine_regression()
X, y, w, b = array(rows), array(targets), array(weights), array(bias)
m, ones = len(y), 0 * X[:, 0] + 1
check("of LaTeX: dL/dw", flat({dw}), known_dw, unit=unit)
check("of LaTeX: dL/db", flat({db}), known_db, unit=unit)
found = gradients(lambda w, b: ((X @ w + b - y) ** 2).mean(), 1, w, b)
for name, gradient, answer in zip("wb", found, (known_dw, known_db)):
    check("of LaTeX: dL/d%s by the framework" % name, flat(gradient), answer, limit=limit)

def Attention(Q, K, V):
    d_k = Q.shape[-1]
    return {attention}

def MultiHead(X, *matrices):
    width = known.MULTI_HEAD["width"]
    each = [[w[:, i * width : (i + 1) * width] for i in range(heads)] for w in matrices[:3]]
    WQ, WK, WV, WO = *each, matrices[3]
    H = [{head} for i in range(heads)]
    return {multi_head}

tokens, matrices, above, answers = known.multi_head()
at = [array(part) for part in (tokens, *matrices)]
check("of LaTeX: multi-head attention", flat(MultiHead(*at)), answers["out"], unit=unit)
for name, found in zip(("x", "wq", "wk", "wv", "wo"), gradients(MultiHead, array(above), *at)):
    check("of LaTeX: multi-head attention, dL/d%s" % name, flat(found), answers["d" + name], limit=limit)
"""
_FRAMEWORK = {
    "numpy": """
unit, limit = 2.0**-53, 1e-7
Concat = lambda heads: np.concatenate(heads, axis=-1)

def gradients(function, above, *at):
    def loss(value, index):
        return (above * function(*at[:index], value, *at[index + 1 :])).sum()

    return [differences(lambda value, index=index: loss(value, index), at[index]) for index in range(len(at))]
""",
    "pytorch": """
unit, limit = 2.0**-24, None
Concat = lambda heads: torch.cat(heads, dim=-1)
softmax = lambda scores: torch.softmax(scores, dim=-1)

def gradients(function, above, *at):
    at = [tensor.detach().requires_grad_() for tensor in at]
    (above * function(*at)).sum().backward()
    return [tensor.grad for tensor in at]
""",
}


def cell_from(markdown: str, framework: str) -> str:
    """Return code that computes the notebook's formulas, as their LaTeX says, and checks them and their gradients.

    Raises:
        AssertionError: The notebook does not show a formula of the articles.
    """
    shown = formulas(markdown)
    for latex in _SEEDS.values():
        assert latex in shown, latex
    listed = r"\mathrm{head}_1, \ldots, \mathrm{head}_h"
    read = {name: expression(latex.replace(listed, "H")) for name, latex in _SEEDS.items()}
    return _FRAMEWORK[framework] + _CELL.format(**read)


def expression(latex: str) -> str:
    """Return the right side of an equation as Python.

    Raises:
        ValueError: It holds what this does not know.
    """
    parser = _Parser(list(_tokens(latex.partition("=")[2])))
    text = parser.sum()
    parser.end()
    return text


def formulas(markdown: str) -> list[str]:
    """Return the displayed formulas of a text."""
    return [" ".join(found.split()) for found in re.findall(r"\$\$(.+?)\$\$", markdown, re.DOTALL)]


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"not known: {text[position : position + 20]!r}")
        position = match.end()
        if match["command"] not in {"\\left", "\\right", "\\,"}:
            yield match[0].strip()


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens

    def sum(self) -> str:
        text = self.product()
        while self.peek() in {"+", "-"}:
            text += f" {self.take()} {self.product()}"
        return text

    def product(self) -> str:
        text = self.factor()
        while self.peek() not in {"", "+", "-", ")", "}", ","}:
            text = f"mul({text}, {self.factor()})"
        return text

    def factor(self) -> str:
        token = self.take()
        match token:
            case "(":
                text = f"({self.sum()}"
                while self.peek() == ",":
                    self.take()
                    text += f", {self.sum()}"
                text += self.take(")")
            case "\\frac":
                text = f"(({self.group()}) / ({self.group()}))"
            case "\\sqrt":
                text = f"({self.group()}) ** 0.5"
            case "\\operatorname":
                text = self.word() + self.factor()
            case "\\mathbf":
                text = {"1": "ones"}[self.word()]
            case _ if token.isalnum():
                text = token
            case _:
                raise ValueError(f"not known: {token}")
        return self.indices(text)

    def indices(self, text: str) -> str:
        index = ""
        while self.peek() in {"_", "^"}:
            mark = self.take()
            word = self.word() if self.peek() == "{" else self.take()
            if word == "\\top":
                text = f"{text}.swapaxes(-2, -1)" if text != "ones" else text
            elif mark == "^":
                text = f"{text}{word}"
            else:
                index = f"[{word}]" if word == "i" else ""
                text = text if index else f"{text}_{word}"
        return text + index

    def group(self) -> str:
        self.take("{")
        text = self.sum()
        self.take("}")
        return text

    def word(self) -> str:
        self.take("{")
        text = ""
        while self.peek() != "}":
            text += self.take()
        self.take("}")
        return text

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, expected: str | None = None) -> str:
        token = self.tokens.pop(0) if self.tokens else ""
        if not token or (expected is not None and token != expected):
            raise ValueError(f"{expected or 'more'} expected, not {token!r}")
        return token

    def end(self) -> None:
        if self.tokens:
            raise ValueError(f"left over: {self.tokens}")
