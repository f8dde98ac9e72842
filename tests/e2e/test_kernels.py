"""Jupyter kernels of real environments, before and after a new generation, by jupyter_client."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from formulas import cell_from
from harness import ENVKIT, Envkit, build_wheel_channel, kept_variables, run_program

from envkit.kernels import install_kernel, list_kernels, remove_kernels, shared_dir, user_dir
from envkit.paths import PROFILES
from envkit.profiles import Profile, rule_text

if TYPE_CHECKING:  # one test loads playwright
    from browser import Browser, Visit

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
jupyter_client = pytest.importorskip("jupyter_client")


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel_channel(tmp_path_factory.mktemp("kernel-channel"), ["ipykernel", "numpy"])


@pytest.fixture(scope="module")
def volume(channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A volume with ``nb`` (ipykernel and numpy) and ``plain`` (Python alone)."""
    folder = tmp_path_factory.mktemp("kernels")
    for name, specs in (("nb", ("ipykernel", "numpy")), ("plain", ("python",))):
        words: list[str | Path] = [
            "create",
            *specs,
            "-n",
            name,
            "-c",
            channel,
            "--override-channels",
            "--no-validate",
            "--persist",
            folder / "envs",
        ]
        env = {**kept_variables(), "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        made = run_program([*ENVKIT, *words], env=env)
        assert made.code == 0, made.err
    yield folder / "envs"
    shutil.rmtree(folder, ignore_errors=True)


Cell = Callable[[str], str]


@contextmanager
def notebook(kernel: str) -> Iterator[Cell]:
    """A running kernel; the value executes a cell and returns what it printed and what it showed as HTML."""
    manager = jupyter_client.KernelManager(kernel_name=kernel)
    manager.start_kernel(stderr=subprocess.DEVNULL)
    client = manager.client()
    client.start_channels()

    def cell(code: str) -> str:
        shown: list[str] = []

        def listen(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                shown.append(content["text"])
            elif message["msg_type"] == "execute_result":
                shown.append(content["data"].get("text/html") or content["data"]["text/plain"])
            elif message["msg_type"] == "error":
                shown.append(f"{content['ename']}: {content['evalue']}")

        client.execute_interactive(code, output_hook=listen, timeout=60)
        return "".join(shown)

    try:
        client.wait_for_ready(timeout=60)
        yield cell
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


Notebook = Callable[[str], AbstractContextManager[Cell]]
_PATIENT_MS = 120_000
WHERE = "import os, sys; print(sys.prefix, os.environ['CONDA_PREFIX'], os.environ['PATH'].split(':')[0])"


@contextmanager
def made_for_cuda(prefix: Path) -> Iterator[None]:
    """The manifest of a generation says that it holds CUDA builds, which this machine has no GPU for."""
    path, text = prefix / ".envkit.json", (prefix / ".envkit.json").read_text()
    choice = {"name": "pytorch", "fn": "x", "variant": "cuda", "build_cuda": "12.6", "tier": "native", "reasons": []}
    path.write_text(json.dumps({**json.loads(text), "choice": choice}))
    try:
        yield
    finally:
        path.write_text(text)


def test_kernel_follows_the_next_generation(envkit: Envkit, volume: Path, channel: Path, isolation: Path) -> None:
    first = os.path.realpath(volume / "nb")
    installed = envkit("kernel", "install", "nb", "--persist", volume, "--json")
    assert installed.code == 0, installed.err
    (kernel,) = installed.json["kernels"]
    assert (kernel["name"], kernel["environment"], kernel["shared"]) == ("envkit-nb", "nb", False)
    assert kernel["display_name"] == f"nb (Python {sys.version_info[0]}.{sys.version_info[1]})"
    mine = install_kernel(str(volume), "nb", shared=True, display_name="Mine", env={"HOME": str(isolation)})
    start = Path(kernel["path"], "start.py")
    with notebook("envkit-nb") as cell:
        assert cell(WHERE).split() == [first, first, f"{first}/bin"]
        start.write_text("# of an older envkit")
        words = ("create", "ipykernel", "numpy", "-n", "nb", "--replace", "-c", channel, "--override-channels")
        made = envkit(*words, "--persist", volume)
        assert made.code == 0, made.err
        second = os.path.realpath(volume / "nb")
        assert second != first
        # What runs keeps its generation; what starts gets the next one.
        assert cell("import xml.dom; print(xml.dom.__file__.startswith(sys.prefix), sys.prefix)").split() == [
            "True",
            first,
        ]
        assert "restart the kernel" in cell("%envkit status")
    assert "of an older envkit" not in start.read_text()
    assert {k.display_name for k in list_kernels([str(volume)], os.environ)} == {kernel["display_name"], "Mine"}
    shutil.rmtree(mine.path)
    with notebook("envkit-nb") as cell:
        assert cell("print([name for name in dir() if 'envkit' in name])") == "[]\n"
        assert cell(WHERE).split() == [second, second, f"{second}/bin"]
        _envkit_answers(cell, second)
        _the_api_answers(cell, str(volume))
    # With profiles, the kernel starts in the generation that is for this machine, which has no GPU. That one cannot
    # run here either, and answers.
    subdir = envkit("detect", "--json").json["facts"]["subdir"]
    rule = Path(second, PROFILES)
    names = {profile: Path(prefix).name for profile, prefix in (("gpu", second), ("cpu", first))}
    rule.write_text(rule_text(tuple(Profile(key, name, subdir, key == "gpu") for key, name in names.items())))
    try:
        with made_for_cuda(Path(first)), notebook("envkit-nb") as cell:
            _what_cannot_run_answers(cell)
            assert cell(WHERE).split() == [first, first, f"{first}/bin"]
    finally:
        rule.unlink()


def _envkit_answers(cell: Cell, generation: str) -> None:
    shown = cell("%envkit status")
    assert f"generation   {Path(generation).name}" in shown
    assert re.search(r"validated +pass \d{4}-\d\d-\d\d, no driver, here", shown)
    assert "numpy" in cell("%envkit why numpy")
    assert "unknown-environment" in cell("%envkit show nothing")
    assert "No closing quotation" in cell("%envkit 'x")
    refused = cell("%pip install six")
    assert refused.startswith("This environment is a generation of envkit")
    assert "envkit install -n nb six" in refused


def _the_api_answers(cell: Cell, volume: str) -> None:
    source = str(Path(__file__).parents[2])
    assert cell(f"import sys; sys.path.append({source!r}); import envkit") == ""
    shown = cell(f"envkit.require('nb', persist={volume!r})")
    assert "<table>" in shown
    assert "validated: pass" in shown
    assert cell(f"envkit.require('nb', persist={volume!r}).activate()") == ""  # it runs there already
    refused = cell(f"envkit.require('plain', persist={volume!r}).activate()")
    assert refused.startswith("UsageError: the process of a notebook")


def _what_cannot_run_answers(cell: Cell) -> None:
    refused = cell("print(1)")
    assert refused.startswith("HostCannotRunError: nb cannot be used on this machine: it holds CUDA 12.6 builds")
    assert "envkit create -n nb-cpu --cuda none 'ipykernel' 'numpy'" in refused
    assert "cannot be used: it holds CUDA 12.6" in cell("%envkit status")
    assert cell("%envkit anyway").startswith("cells run now")
    assert cell("print(1)") == "1\n"


def test_a_notebook_of_formulas_ends_in_known_numbers(
    envkit: Envkit, volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert envkit("kernel", "install", "nb", "--shared", "--persist", volume).code == 0
    made = envkit("notebook", "new", "-n", "nb", "--persist", volume, "--json").json["notebook"]
    assert (made["framework"], made["kernel"], made["notes"]) == ("numpy", "envkit-nb", [])
    path = tmp_path / made["path"]
    notebook = nbformat.read(path, as_version=4)
    texts = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    notebook.cells.append(nbformat.v4.new_code_cell(cell_from(texts, "numpy")))
    nbformat.write(notebook, path)
    monkeypatch.setenv("JUPYTER_PATH", str(shared_dir(volume).parent))
    done = nbclient.execute(notebook, timeout=120)  # raises where a check of the notebook does not pass
    said = "".join(output.get("text", "") for cell in done.cells for output in cell.get("outputs", ()))
    assert "product on the CPU" in said
    assert said.count("pass  ") == 35
    # The same as a page, with its numbers, that loads nothing.
    nbformat.write(done, path)
    assert envkit("notebook", "export", path, "--persist", volume).code == 0
    text = path.with_suffix(".html").read_text()
    assert text.count("<math") >= 40
    assert "of LaTeX: multi-head attention, dL/dwo" in text
    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?!data:)[^\"]*", text) == []


@pytest.mark.full
def test_a_formula_that_is_wrong_fails_the_export(envkit: Envkit, volume: Path, tmp_path: Path) -> None:
    assert envkit("kernel", "install", "nb", "--persist", volume).code == 0
    assert envkit("notebook", "new", "-n", "nb", "--persist", volume).code == 0
    path = tmp_path / "notebook-math.ipynb"
    (tmp_path / "data.txt").touch()  # a notebook runs where it lies
    path.write_text(path.read_text().replace("results = []", "open('data.txt').close(); results = []"))
    done = envkit("notebook", "export", path, "--execute", "--to", "pdf", "--persist", volume)
    assert (done.code, path.with_suffix(".pdf").read_bytes()[:5]) == (0, b"%PDF-"), done.err
    path.write_text(path.read_text().replace("2 / len(y) * X.T @ r", "X.T @ r"))
    failed = envkit("notebook", "export", path, "--execute", "--persist", volume)
    assert (failed.code, "AssertionError: regression: dL/dw by the formula" in failed.err) == (3, True), failed.err


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JupyterLab in a virtual environment, without envkit."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    done = subprocess.run([folder / "bin" / "pip", "install", "--quiet", "jupyterlab~=4.4"], check=False)
    if done.returncode:
        pytest.skip("JupyterLab cannot be installed here")
    return folder / "bin" / "jupyter"


@contextmanager
def served(jupyter: Path, folder: Path) -> Iterator[str]:
    """JupyterLab on a folder, as its documentation starts it without network; the value is its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    offline = ("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.extension_manager=readonly")
    words = ["lab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={folder}", f"--ServerApp.port={port}"]
    words += ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", "--LabApp.news_url=None", *offline]
    process = subprocess.Popen([jupyter, *words], stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.full
def test_jupyterlab_draws_the_formulas_and_runs_the_cells(
    envkit: Envkit, volume: Path, jupyterlab: Path, browser: Browser, tmp_path: Path
) -> None:
    assert envkit("kernel", "install", "nb", "--persist", volume).code == 0
    assert envkit("notebook", "new", "-n", "nb", "--persist", volume).code == 0
    drawn = "document.querySelectorAll('.jp-Notebook mjx-container').length"
    said = "[...document.querySelectorAll('.jp-OutputArea-output')].some(node => node.textContent.includes('{}'))"

    def use(visit: Visit) -> int:
        page = visit.page
        page.wait_for_function(f"{drawn} >= 37", timeout=_PATIENT_MS)
        page.click("text=Run")
        page.click("text=Run All Cells")
        page.wait_for_function(said.format("25 checks passed"), timeout=_PATIENT_MS)
        return int(page.evaluate("document.querySelectorAll('mjx-merror, .MathJax_Error').length"))

    def refused(visit: Visit) -> None:
        visit.page.wait_for_function(f"{drawn} >= 37", timeout=_PATIENT_MS)
        visit.page.click("text=Run")
        visit.page.click("text=Run All Cells")
        visit.page.wait_for_function(said.format("envkit create -n nb-cpu --cuda none"), timeout=_PATIENT_MS)

    with served(jupyterlab, tmp_path) as address:
        found: list[Any] = []

        def look(visit: Visit) -> None:
            found.append(use(visit))
            found.append([request for request in visit.requests if not request.startswith(address)])
            found.append(visit.errors)

        browser.visit(f"{address}/lab/tree/notebook-math.ipynb", look)
        assert found == [0, [], []]
        with made_for_cuda(Path(os.path.realpath(volume / "nb"))):
            shutil.copy(tmp_path / "notebook-math.ipynb", tmp_path / "other.ipynb")
            browser.visit(f"{address}/lab/workspaces/b/tree/other.ipynb", refused)


@pytest.mark.full
def test_jupyter_s_own_python_answers_for_an_environment_that_is_gone(
    volume: Path, isolation: Path, jupyterlab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_kernel(str(volume), "nb", env={"HOME": str(isolation)})
    monkeypatch.setenv("PATH", f"{jupyterlab.parent}{os.pathsep}{os.environ['PATH']}")
    python = Path(os.path.realpath(volume / "nb")) / "bin" / "python"
    for path, reason in ((python, "it has no Python"), (volume / "nb", "there is no such environment in")):
        kept = path.with_name(".kept")
        path.rename(kept)
        try:
            with notebook("envkit-nb") as cell:
                assert cell("print(1)").startswith(f"HostCannotRunError: nb cannot be used on this machine: {reason}")
                assert "nb cannot be used" in cell("%envkit anyway")
                assert reason in cell("%envkit status")
        finally:
            kept.rename(path)


@pytest.mark.full
def test_a_kernel_of_a_pack_has_it_mounted(envkit: Envkit, volume: Path, channel: Path) -> None:
    words = ("create", "ipykernel", "-n", "pk", "--packed", "--no-validate", "-c", channel, "--override-channels")
    made = envkit(*words, "--persist", volume, timeout_s=600)
    assert made.code == 0, made.err
    assert not (volume / "pk" / "bin").exists()
    assert envkit("kernel", "install", "pk", "--persist", volume).code == 0
    with notebook("envkit-pk") as cell:
        prefix = os.path.realpath(volume / "pk")
        assert cell(WHERE).split() == [prefix, prefix, f"{prefix}/bin"]
        assert os.path.basename(prefix) in cell("%envkit status")
    assert not (volume / "pk" / "bin").exists()


def test_shared_kernel(envkit: Envkit, volume: Path, isolation: Path) -> None:
    installed = envkit("kernel", "install", "nb", "--shared", "--display-name", "For all", "--persist", volume)
    assert installed.code == 0, installed.err
    folder = shared_dir(volume) / "envkit-nb"
    assert f"JUPYTER_PATH={volume}/.envkit/jupyter" in installed.out.replace("\n", "")
    spec = json.loads((folder / "kernel.json").read_text())
    assert spec["display_name"] == "For all"
    known = jupyter_client.kernelspec.KernelSpecManager(kernel_dirs=[str(folder.parent)]).find_kernel_specs()
    assert known["envkit-nb"] == str(folder)
    # A Jupyter of any environment of the volume finds it.
    told = envkit("run", "--persist", volume, "plain", "--", "sh", "-c", 'echo "$JUPYTER_PATH"')
    assert told.out.strip() == str(folder.parents[1])
    listed = envkit("kernel", "list", "--persist", volume, "--json").json["kernels"]
    assert [(k["name"], k["shared"], k["problem"]) for k in listed] == [("envkit-nb", True, None)]
    removed = envkit("kernel", "remove", "nb", "--persist", volume, "--json")
    assert [k["path"] for k in removed.json["kernels"]] == [str(folder)]
    assert not folder.exists()
    assert envkit("kernel", "remove", "nb", "--persist", volume).code == 1
    assert not list_kernels([str(volume)], {"HOME": str(isolation)})


def test_without_ipykernel_the_way_on_is_told(envkit: Envkit, volume: Path) -> None:
    refused = envkit("kernel", "install", "plain", "--persist", volume, "--json")
    assert refused.code == 1
    assert refused.json["error"]["code"] == "package-not-found"
    assert re.search(r"envkit install .*-n plain ipykernel", refused.json["error"]["hint"])
    assert "--replace 'python' ipykernel" in refused.json["error"]["hint"]
    assert envkit("kernel", "install", "nothing", "--persist", volume).code == 1


def test_kernels_of_others_are_left_alone(volume: Path, isolation: Path, tmp_path: Path) -> None:
    env = {"HOME": str(isolation)}
    folder = user_dir(env) / "envkit-nb"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": [], "display_name": "mine", "language": "python"}')
    with pytest.raises(Exception, match="belongs to something that envkit did not make"):
        install_kernel(str(volume), "nb", env=env)
    assert remove_kernels(volume, "nb", env) == []
    assert (folder / "kernel.json").exists()
    shutil.rmtree(folder)
    install_kernel(str(volume), "nb", env=env)
    assert remove_kernels(tmp_path, "nb", env) == []
    assert [k.environment for k in remove_kernels(volume, "nb", env)] == ["nb"]
    assert not folder.exists()


def test_folders_are_those_of_jupyter(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = pytest.importorskip("jupyter_core.paths")
    for name, value in (("", ""), ("XDG_DATA_HOME", "/x"), ("JUPYTER_DATA_DIR", "/j")):
        if name:
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "0")
        assert str(user_dir(os.environ)) == os.path.join(paths.jupyter_data_dir(), "kernels")
