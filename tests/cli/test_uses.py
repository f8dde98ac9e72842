"""What is in use stays: marks of activated shells and of jobs, on this host and on others, and what voids them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from channels import Package
from harness import ENVKIT, Shell

from envkit.layout.uses import LIMIT_S, read_uses
from envkit.layout.volume import Volume
from envkit.marks import leave_mark, read_node, read_start

CLEAN = ("clean", "--keep", "0", "--older-than", "0")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Two generations of one environment; the first is superseded."""
    shell = Shell.below(tmp_path)
    shell.publish(*(Package("app", version, files={"bin/app": b"#!/bin/sh\n"}) for version in ("1", "2")))
    shell.create("app=1")
    return shell


def supersede(shell: Shell) -> Path:
    old = shell.prefix()
    shell.ok("install", "-n", "demo", "app=2", "--no-validate")
    return old


def uses(shell: Shell) -> Path:
    return shell.volume / ".envkit" / "uses"


def marks(shell: Shell) -> list[str]:
    return sorted(path.name for path in uses(shell).iterdir())


@pytest.mark.parametrize("kind", ["bash", "dash", "zsh"])
@pytest.mark.parametrize("how", ["envkit", "conda"])
def test_an_activated_shell_keeps_its_generation(shell: Shell, kind: str, how: str) -> None:
    if not any(os.access(f"{folder}/{kind}", os.X_OK) for folder in os.environ["PATH"].split(":")):
        pytest.skip(f"no {kind}")
    old = shell.prefix()
    code = f'eval "$({" ".join(ENVKIT)} activate demo --shell {kind})"'
    if how == "conda":  # what conda does: the link in CONDA_PREFIX and PATH, then the scripts
        link = shell.volume / "demo"
        code = f"export CONDA_PREFIX={link} PATH={link}/bin:$PATH\n"
        code += f'for f in {link}/etc/conda/activate.d/*.sh; do . "$f"; done'
    with subprocess.Popen(
        [kind, "-c", f"{code}\necho ready $#; read -r _; exit 0", "name", "one", "two"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=shell.env(),
    ) as running:  # fmt: skip
        assert running.stdout is not None
        assert running.stdout.readline() == "ready 2\n"  # its parameters are its own
        assert any(use.pid == running.pid and not use.ended for use in read_uses(Volume(shell.volume))), marks(shell)
        supersede(shell)
        outcome = shell.ok(*CLEAN)
        assert "in use" in outcome.out or "using it" in outcome.out
        assert f"process {running.pid} of " in outcome.out
        assert old.is_dir()
        _, errors = running.communicate("\n")
        assert errors == ""
    shell.ok(*CLEAN)
    assert not old.exists()
    assert marks(shell) == []


HOOKED = {
    "fish": "set -gx CONDA_PREFIX {link}; set -gx PATH {link}/bin $PATH; source {hook}.fish; echo ready; read _",
    "tcsh": 'setenv CONDA_PREFIX {link}; set path = ( {link}/bin $path ); source {hook}.csh; echo ready; set _ = "$<"',
}


@pytest.mark.parametrize("kind", HOOKED)
def test_a_shell_of_another_kind_that_conda_activates_leaves_a_mark(shell: Shell, kind: str) -> None:
    program = shutil.which(kind)
    if program is None:
        pytest.skip(f"no {kind}")
    link, prefix = shell.volume / "demo", shell.prefix()
    code = HOOKED[kind].format(link=link, hook=f"{link}/etc/conda/activate.d/~~envkit") + "; echo $CONDA_PREFIX $PATH"
    for _ in range(2):  # a mark that is there is no error
        with subprocess.Popen(
            [program, "-c", f"{code}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=shell.env(),
        ) as running:  # fmt: skip
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            assert [
                (use.generation, use.ended) for use in read_uses(Volume(shell.volume)) if use.pid == running.pid
            ] == [(prefix.name, False)], marks(shell)
            out, errors = running.communicate("\n")
        assert (out.split()[0], errors) == (str(prefix), "")
        assert f"{prefix}/bin" in out
        assert str(link) not in out


def mark(shell: Shell, generation: str, *, host: str = "other", node: str = "0123abcd-42", pid: int = 7) -> Path:
    path = uses(shell) / f"{generation}~{host}~{node}~{pid}~99"
    path.touch()
    return path


def test_a_mark_of_another_host_counts_until_it_is_old_or_force_takes_it(shell: Shell) -> None:
    old = supersede(shell)
    path = mark(shell, old.name)
    outcome = shell.ok(*CLEAN)
    assert "process 7 of " in outcome.out
    assert " on other (for 0 h)" in outcome.out
    assert "--force" in outcome.out
    assert old.is_dir()
    document = shell.ok(*CLEAN, "--force", "--dry-run", "--json").json
    [why] = [item["why"] for item in document["items"] if item["kind"] == "generation"]
    assert "taken by force" in str(why)
    assert old.is_dir()
    outcome = shell.ok(*CLEAN, "--force")
    assert "taken by force: process 7 of " in outcome.out
    assert not old.exists()
    assert path.exists()  # its process is not known to have ended


def test_a_mark_is_void_when_it_is_old_or_its_process_has_ended_here(shell: Shell) -> None:
    old = supersede(shell)
    ancient = mark(shell, old.name)
    then = time.time() - LIMIT_S - 60
    os.utime(ancient, (then, then))
    node = read_node()
    assert node is not None
    mark(shell, old.name, node=node, pid=os.getpid())  # another process had this number
    shell.ok(*CLEAN)
    assert not old.exists()
    assert marks(shell) == []


def test_a_running_command_is_marked_where_nothing_can_be_locked(shell: Shell) -> None:
    old = shell.prefix()
    with subprocess.Popen(
        [*ENVKIT, "run", "demo", "--", "sh", "-c", "echo ready; read -r _"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=shell.env(),
    ) as running:  # fmt: skip
        assert running.stdout is not None
        running.stdout.readline()
        for path in (shell.volume / ".envkit" / "leases").iterdir():
            path.unlink()
        supersede(shell)
        shell.ok(*CLEAN)
        assert old.is_dir()
        running.communicate(b"\n")


def test_names_of_marks_are_not_trusted(shell: Shell, tmp_path: Path) -> None:
    old = supersede(shell)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for name in (
        "x",
        "~",
        f"{old.name}~h~0123abcd-42~7",
        "..~h~0123abcd-42~7~9",
        "a~b\n~0123abcd-42~7~9",
        "é~h~1-2~3~4",
    ):
        (uses(shell) / name).symlink_to(secret)
    (uses(shell) / f"{old.name}~h~0123abcd-42~99999999999999999999~9").touch()
    (uses(shell) / "folder~h~0123abcd-42~7~9").mkdir()
    shell.ok(*CLEAN)
    assert not old.exists()
    assert secret.read_text() == "secret"


def test_a_volume_that_cannot_be_written_says_nothing(shell: Shell) -> None:
    uses(shell).rmdir()
    for link in (None, "/nowhere"):
        if link is not None:
            uses(shell).symlink_to(link)
        outcome = shell.ok("activate", "demo", "--shell", "bash")
        assert outcome.err == ""
        assert shell.ok("run", "demo", "--", "true").err == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_another_user_without_rights_activates_in_silence(shell: Shell) -> None:
    for path in (shell.volume.parent, *shell.volume.parent.parents):
        path.chmod(path.stat().st_mode | 0o055)
    shell.volume.chmod(0o755)
    uses(shell).chmod(0o755)
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); from envkit.marks import leave_mark\n"
    code += f"import os; leave_mark({str(shell.prefix())!r}, os.getpid()); print('done')"
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", sys.executable, "-I", "-c", code],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode and "Permission" in done.stderr:
        pytest.skip("this Python is closed to other users")
    assert (done.stdout, done.stderr) == ("done\n", "")
    assert marks(shell) == []


def test_marks_tell_processes_apart() -> None:
    assert read_start(os.getpid()) is not None
    assert read_start(2**22 + 1) is None
    leave_mark("/nowhere", os.getpid())
    leave_mark("/nowhere/.envkit/g/train-00000000", os.getpid())
    assert json.dumps(read_node())
