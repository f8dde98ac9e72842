"""Notebooks that envkit writes: their cells for each framework, their JSON, formulas of pages, and export's limits."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import nbformat
import pytest
from browser import Browser
from formulas import cell_from

from envkit.api import notebook as api
from envkit.errors import PackageNotFoundError, RecipeError, UsageError, VolumeError
from envkit.notebooks.convert import find_nbconvert, has_latex, run_nbconvert
from envkit.notebooks.excerpt import excerpt
from envkit.notebooks.mathml import with_mathml
from envkit.notebooks.source import FRAMEWORKS, cells_for
from envkit.probe import PROBES_DIR
from envkit.recipes import load_notebook

EXERCISES = (PROBES_DIR / "exercises.py").read_text()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_notebook_is_valid_and_holds_code_of_one_framework(framework: str, tmp_path: Path) -> None:
    made = api.new_notebook("notebook-math", tmp_path / "n.ipynb", framework=framework)
    read = json.loads(Path(made.path).read_text())
    nbformat.validate(read)
    assert (read["nbformat"], read["nbformat_minor"], read["metadata"]["kernelspec"]["name"]) == (4, 5, "python3")
    code = ["".join(cell["source"]) for cell in read["cells"] if cell["cell_type"] == "code"]
    for text in code:
        ast.parse(text, feature_version=(3, 8))  # the Python of TensorFlow 2.9
    imported = {"pytorch": "torch", "tensorflow": "tensorflow", "jax": "jax", "numpy": "numpy"}
    assert [key for key, module in imported.items() if f"\nimport {module}" in code[0]] == [framework]
    if framework == "pytorch":
        assert code[0].endswith("torch.cuda.is_available()")
    assert any(cell["metadata"].get("jupyter", {}).get("source_hidden") for cell in read["cells"])
    texts = "".join("".join(cell["source"]) for cell in read["cells"] if cell["cell_type"] == "markdown")
    assert cell_from(texts, "numpy")
    assert "@" not in texts


def test_the_same_notebook_is_the_same_bytes_and_other_files_stay(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    api.new_notebook("notebook-math", path)
    before = path.read_bytes()
    assert api.new_notebook("notebook-math", path).path == str(path)
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match="is there already"):
        api.new_notebook("notebook-math", path, framework="numpy")
    assert api.new_notebook("notebook-math", path, framework="numpy", force=True).framework == "numpy"
    with pytest.raises(VolumeError, match="cannot be written"):
        api.new_notebook("notebook-math", tmp_path / "missing" / "n.ipynb")


def test_what_is_not_known_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="has no notebook") as error:
        load_notebook("pytorch")
    assert "notebook-math" in str(error.value.hint)
    with pytest.raises(RecipeError, match="is not known"):
        load_notebook("../secret")
    with pytest.raises(UsageError, match="--framework 'mxnet'"):
        api.new_notebook("notebook-math", tmp_path / "n.ipynb", framework="mxnet")
    for source, message in (("```python torch\n```", "block for 'torch'"), ("text\n```python\nx", "is not closed")):
        with pytest.raises(RecipeError, match=message):
            cells_for(source, "pytorch", EXERCISES)
    with pytest.raises(LookupError, match="nothing"):
        excerpt(EXERCISES, ["nothing"])


def test_an_excerpt_runs_alone_and_is_what_the_module_has() -> None:
    names = ["affine_regression", "multi_head"]
    text = excerpt(EXERCISES, names)
    assert "CONVOLUTION" not in text
    found: dict[str, object] = {}
    exec(text, found)  # noqa: S102 - the excerpt is what is tested
    whole: dict[str, object] = {}
    exec(EXERCISES, whole)  # noqa: S102 - as above
    *_, (dw, _) = found["affine_regression"]()  # type: ignore[operator]
    *_, (same, _) = whole["affine_regression"]()  # type: ignore[operator]
    assert dw.values == same.values


def test_the_environment_decides_and_what_it_lacks_is_told(tmp_path: Path) -> None:
    site = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    for module in ("jax", "numpy"):
        (site / module).mkdir(parents=True)
        (site / module / "__init__.py").touch()
    home = api.Home(str(tmp_path / "env"), str(tmp_path), "train")
    made = api.new_notebook("notebook-math", tmp_path / "n.ipynb", home=home)
    assert (made.framework, made.kernel, made.environment) == ("jax", "envkit-train", "train")
    assert made.notes == (
        "ipykernel is not in it yet: envkit install -n train ipykernel",
        "Jupyter does not know it yet: envkit kernel install train",
    )
    other = api.new_notebook("notebook-math", tmp_path / "o.ipynb", framework="pytorch", home=home)
    assert "pytorch and ipykernel is not" in other.notes[0]
    assert api.kernel_of(tmp_path / "n.ipynb") == "envkit-train"


def test_formulas_become_mathml_and_prices_and_code_stay() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["The loss $x_i^2$ costs $5 or $6.\n", "`$a$`\n", "\n$$\\frac{a}{b}$$"]},
        {"cell_type": "markdown", "source": "```\n$$c$$\n```\nand \\$d\\$, $e$"},
        {"cell_type": "code", "source": "'$x$'"},
    ]
    made, failed = with_mathml({"cells": cells, "nbformat": 4})
    first, second, third = (cell["source"] for cell in made["cells"])
    assert first.count("<math") == 2
    assert "costs $5 or $6." in first
    assert "`$a$`" in first
    assert 'display="block"' in first
    assert second.startswith("```\n$$c$$\n```\nand \\$d\\$, <math")
    assert (third, failed) == ("'$x$'", 0)
    shown = [
        {"output_type": "execute_result", "data": {"text/latex": ["$\\displaystyle ", "x^{2}$"], "text/plain": "x**2"}},
        {"output_type": "display_data", "data": {"text/markdown": "**so** $y$", "text/latex": "$\\left( z$"}},
        {"output_type": "stream", "text": "$5"},
        None,
    ]
    made, failed = with_mathml({"cells": [{"cell_type": "code", "source": "", "outputs": shown}, "odd"]})
    first, second, *rest = made["cells"][0]["outputs"]
    assert (first["data"]["text/html"][:5], second["data"]["text/markdown"][:14]) == ("<math", "**so** <math x")
    assert (failed, rest, "text/html" in second["data"]) == (1, shown[2:], False)
    hard = "$\\left( a$ and $\\unknown$, $x^2^3$\n"
    hard += "\\begin{align*}\na &= b\n\\end{align*}\n$$\\begin{aligned}a&=b\\end{aligned}$$"
    broken, failed = with_mathml({"cells": [{"cell_type": "markdown", "source": hard}]})
    text = broken["cells"][0]["source"]
    assert (failed, text.count("<mtable"), text.count("$")) == (3, 2, 6)


def test_nbconvert_is_envkit_s_own_the_environment_s_or_that_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_nbconvert(None) == [sys.executable, "-m", "nbconvert"]
    monkeypatch.setattr("envkit.notebooks.convert.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageNotFoundError) as error:
        find_nbconvert(str(tmp_path))
    assert "envkit[notebook]" in str(error.value.hint)
    program = tmp_path / "jupyter-nbconvert"
    program.touch(mode=0o755)
    assert find_nbconvert(str(tmp_path)) == [str(program)]
    own = tmp_path / "lib" / "python3.11" / "site-packages" / "nbconvert"
    own.mkdir(parents=True)
    (own / "__main__.py").touch()
    assert find_nbconvert(str(tmp_path)) == [str(tmp_path / "bin" / "python"), "-m", "nbconvert"]


def test_export_refuses_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "n.ipynb"
    for content in ("", "{}", "[" * 100_000, '{"nbformat": "4"}'):
        path.write_text(content)
        with pytest.raises(UsageError, match="is not a notebook"):
            api.export_notebook(path, "html", None)
    with pytest.raises(UsageError, match="cannot be read"):
        api.export_notebook(tmp_path, "html", None)
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}))
    with pytest.raises(UsageError, match="--to 'docx'"):
        api.export_notebook(path, "docx", None)
    (tmp_path / "n.py").write_text("print('mine')\n")
    with pytest.raises(UsageError, match="was not exported"):
        api.export_notebook(path, "py", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("envkit.notebooks.convert._MAC_BROWSERS", ())
    with pytest.raises(PackageNotFoundError, match="can make a PDF") as error:
        api.export_notebook(path, "pdf", None)
    assert "apt-get install chromium" in str(error.value.hint)


@pytest.mark.parametrize(
    ("said", "raised", "words"),
    [
        (
            "! Undefined control sequence.\nl.419 \\[\\wrong\n                       {x}\\]\n? \n! Emergency stop.",
            UsageError,
            r"LaTeX cannot set n.ipynb: Undefined control sequence. \[\wrong",
        ),
        (
            "! LaTeX Error: File `tcolorbox.sty' not found.\n\nType X to quit or <RETURN> to proceed,",
            PackageNotFoundError,
            "LaTeX has no tcolorbox.sty",
        ),
        ("! I can't find file `x.tex'.\n<*> x.tex", PackageNotFoundError, "LaTeX has no x.tex"),
    ],
)
def test_what_latex_says_is_told(said: str, raised: type[Exception], words: str, tmp_path: Path) -> None:
    """It says why far before the end of what nbconvert prints."""
    convert = tmp_path / "nbconvert"
    text = f"Traceback\n{said}\nTranscript written on notebook.log."
    convert.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{text}\nEND\nexit 1\n")
    convert.chmod(0o755)
    with pytest.raises(raised) as error:
        run_nbconvert([str(convert)], tmp_path / "n.ipynb", "pdf", tmp_path / "n.pdf", env={"PATH": "/usr/bin:/bin"})
    assert words in str(error.value)
    assert "apt-get install" in str(vars(error.value)["hint"])


@pytest.mark.full
def test_pdf_of_a_browser_and_of_latex(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real ones, where they are installed; on paper no line is cut."""
    path = tmp_path / "n.ipynb"
    long = "x = " + " + ".join(f"value_{number}" for number in range(60))
    _write_notebook(path, "Gradient: $\\nabla f = 2 x$", long)
    api.export_notebook(path, "pdf", None)
    assert path.with_suffix(".pdf").read_bytes()[:5] == b"%PDF-"
    api.export_notebook(path, "html", None)
    page = path.with_suffix(".html")
    wide = "() => Math.max(...[...document.querySelectorAll('pre')].map(one => one.scrollWidth - one.clientWidth))"
    assert browser.visit(page, lambda visit: visit.page.evaluate(wide), width=700) > 0
    api._fit_for_print(page, path)
    assert browser.visit(page, lambda visit: visit.page.evaluate(wide), width=700) == 0
    if not has_latex():
        pytest.skip("needs xelatex and pandoc")
    monkeypatch.setattr(api, "find_browser", lambda: None)
    made = api.export_notebook(path, "pdf", tmp_path / "latex.pdf")
    assert Path(made.path).read_bytes()[:5] == b"%PDF-"
    assert made.notes == ()
    _write_notebook(path, "Größe $\\alpha$", "# π, 中")
    made = api.export_notebook(path, "pdf", tmp_path / "latex.pdf")
    assert "lacks π, 中:" in made.notes[0]
    _write_notebook(path, "$$\\wrong{x}$$", long)
    with pytest.raises(UsageError, match="Undefined control sequence"):
        api.export_notebook(path, "pdf", tmp_path / "wrong.pdf")
    assert not (tmp_path / "wrong.pdf").exists()


def _write_notebook(path: Path, text: str, code: str) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": text},
        {"cell_type": "code", "metadata": {}, "source": code, "outputs": [], "execution_count": None},
    ]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}))
