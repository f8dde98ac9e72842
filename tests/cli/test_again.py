"""`create` of what is there is answered from files only where the whole command line would say the same."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from channels import Package
from harness import Outcome, Shell, run_program

_RECALL = "import sys; from envkit.cli.again import recall; sys.exit(0 if recall(sys.argv[1:]) else 99)"
_WHOLE = (
    "import sys; import envkit.cli.again as again; again._read_note = lambda place: None; "
    "sys.argv = ['envkit', *sys.argv[1:]]; from envkit.__main__ import main; main()"
)


class Setting:
    """An environment that was made and found again, from packages and from a file."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.cwd = shell.home
        self.variables: dict[str, str] = {}
        only = ("-c", str(shell.channel), "--override-channels", "-q")
        self.words: tuple[str, ...] = ("app", "-n", "demo", *only)
        self.file = shell.home / "environment.yml"
        self.file.write_text("dependencies:\n  - app\n  - lib >=1\n")
        self.from_file: tuple[str, ...] = ("-n", "filed", "-f", str(self.file), *only)

    @property
    def env(self) -> dict[str, str]:
        return self.shell.env(**{"LC_ALL": "C.UTF-8", **self.variables})

    @property
    def outcomes(self) -> Path:
        return self.shell.volume / ".envkit" / "validations" / self.shell.prefix().name

    def quick(self) -> Outcome | None:
        """The answer from files, if there is one."""
        done = run_program([sys.executable, "-c", _RECALL, *self.words], env=self.env, cwd=self.cwd)
        return None if done.code == 99 else done

    def whole(self) -> Outcome:
        return run_program([sys.executable, "-c", _WHOLE, "create", *self.words], env=self.env, cwd=self.cwd)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell.below(tmp_path_factory.mktemp("again"))
    lib = Package("lib", files={"share/lib": b"lib"})
    shell.publish(lib, Package("app", depends=["lib"], files={"bin/app": b"#!/bin/sh\necho app\n"}))
    setting = Setting(shell)
    for words in (setting.words, setting.from_file):
        setting.words = words
        assert setting.whole().code == 0
        again = setting.whole()
        assert "was there already" in again.out
        assert setting.quick() == again
    shutil.copytree(shell.volume, shell.volume.parent / "kept", symlinks=True)
    return shell


@pytest.fixture
def setting(made: Shell) -> Setting:
    """The same at the same paths, as it was."""
    shutil.rmtree(made.volume)
    shutil.copytree(made.volume.parent / "kept", made.volume, symlinks=True)
    shutil.rmtree(made.home / ".config", ignore_errors=True)
    (made.home / ".condarc").unlink(missing_ok=True)
    return Setting(made)


def _edit(path: Path, **members: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **members}))


def _record(setting: Setting) -> Path:
    return next(setting.outcomes.glob("*.json"))


def _note(setting: Setting) -> Path:
    return next(setting.outcomes.glob("*.request"))


def _words(*words: str) -> Callable[[Setting], None]:
    def change(setting: Setting) -> None:
        setting.words = (*setting.words, *words)

    return change


def _variables(**variables: str) -> Callable[[Setting], None]:
    return lambda setting: setting.variables.update(variables)


def _other_file(setting: Setting) -> None:
    setting.words = setting.from_file
    setting.file.write_text("dependencies:\n  - app\n  - lib >=0\n")


def _other_generation(setting: Setting) -> None:
    (setting.shell.volume / "demo").unlink()
    (setting.shell.volume / "demo").symlink_to(f".envkit/g/{setting.shell.prefix('filed').name}")


def _own_settings(setting: Setting) -> None:
    folder = setting.shell.home / ".config" / "envkit"
    folder.mkdir(parents=True)
    (folder / "config.yml").write_text("engine: libmamba\n")


def _linked_note(setting: Setting) -> None:
    note = _note(setting)
    note.rename(setting.shell.home / "note")
    note.symlink_to(setting.shell.home / "note")


CHANGES: dict[str, Callable[[Setting], object]] = {
    "another package": _words("lib"),
    "another channel": _words("-c", "conda-forge"),
    "cuda": _words("--cuda", "none"),
    "json": _words("--json"),
    "replace": _words("--replace"),
    "dry run": _words("--dry-run"),
    "gpu required": _words("--require-gpu"),
    "a switch of conda": _words("--copy"),
    "condarc": lambda s: (s.shell.home / ".condarc").write_text("subdir: linux-aarch64\n"),
    "own settings": _own_settings,
    "a variable of conda": _variables(CONDA_CHANNEL_PRIORITY="strict"),
    "an override": _variables(CONDA_OVERRIDE_CUDA="12.1"),
    "a file of pip": _words("--pip", " -r other.txt"),
    "an archive of pip": _words("--pip=one.whl"),
    "a short option with an equals sign": _words("-c=x", "x"),
    "hidden devices": _variables(CUDA_VISIBLE_DEVICES="-1"),
    "another driver": _variables(LD_LIBRARY_PATH="/opt/other"),
    "a narrow page": _variables(COLUMNS="40"),
    "another folder": lambda s: setattr(s, "cwd", s.shell.volume.parent),
    "the file": _other_file,
    "no validation": lambda s: _record(s).unlink(),
    "a failed validation": lambda s: _edit(_record(s), verdict="fail"),
    "another validation": lambda s: _edit(_record(s), findings=[]),
    "an unknown machine": lambda s: _edit(_record(s), tokens=[]),
    "a damaged manifest": lambda s: (s.shell.prefix() / ".envkit.json").write_text("{"),
    "another manifest": lambda s: _edit(s.shell.prefix() / ".envkit.json", lineage="0"),
    "no manifest": lambda s: (s.shell.prefix() / ".envkit.json").unlink(),
    "no link": lambda s: (s.shell.volume / "demo").unlink(),
    "another generation": _other_generation,
    "a volume that is not ready": lambda s: (s.shell.volume / "env.sh").unlink(),
    "a note of another schema": lambda s: _edit(_note(s), schema_version=2),
    "a torn note": lambda s: _note(s).write_text("{"),
    "a note behind a link": _linked_note,
    "a note that sets the title": lambda s: _edit(_note(s), text="\x1b]0;title\x07"),
    "a note of no text": lambda s: _edit(_note(s), text=None),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_is_left_to_the_whole_command_line(setting: Setting, what: str) -> None:
    assert setting.quick() is not None
    CHANGES[what](setting)
    assert setting.quick() is None


@pytest.mark.parametrize(("name", "value"), [("SLURM_JOB_ID", "7"), ("HOSTNAME", "pod-3"), ("SHLVL", "3")])
def test_what_has_no_part_in_it_changes_nothing(setting: Setting, name: str, value: str) -> None:
    setting.variables[name] = value
    answer = setting.quick()
    assert answer is not None
    assert answer == setting.whole()


def test_what_changes_meanwhile_is_not_kept_for_what_it_is_now(setting: Setting) -> None:
    _note(setting).unlink()
    folder = setting.shell.home / ".config" / "envkit"
    folder.mkdir(parents=True)
    late = (
        "import sys, pathlib; import envkit.cli.create as create; told = create.told_again\n"
        f"file = pathlib.Path({str(folder / 'config.yml')!r})\n"
        "def later(*args, **more): file.write_text('engine: libmamba\\n'); return told(*args, **more)\n"
        "create.told_again = later; sys.argv = ['envkit', *sys.argv[1:]]\n"
        "from envkit.__main__ import main; main()"
    )
    done = run_program([sys.executable, "-c", late, "create", *setting.words], env=setting.env, cwd=setting.cwd)
    assert "was there already" in done.out
    assert setting.quick() is None


def test_which_volumes_have_the_environment_is_looked_at(setting: Setting, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(setting.shell.volume, other, symlinks=True)
    setting.variables["CONDA_ENVS_PATH"] = f"{other}:{setting.shell.volume}"
    setting.words = (*setting.words, "--persist", str(setting.shell.volume))
    assert "--persist" in setting.whole().out
    (other / "demo").unlink()
    assert setting.quick() in (None, setting.whole())
    assert "--persist" not in setting.whole().out


def test_settings_that_change_nothing_are_seen_once(setting: Setting) -> None:
    (setting.shell.home / ".condarc").write_text("channels:\n  - conda-forge\n")
    assert setting.quick() is None
    whole = setting.whole()
    assert setting.quick() == whole


@pytest.mark.skipif(os.geteuid() != 0, reason="another user takes root")
def test_nothing_of_a_stranger_is_believed(setting: Setting) -> None:
    generations = setting.shell.volume / ".envkit" / "g"
    os.chown(generations, 12345, -1)
    assert setting.quick() is None
    os.chown(generations, 0, -1)
    assert setting.quick() is not None
    os.chown(_note(setting), 12345, -1)
    assert setting.quick() is None


def test_the_whole_command_line_says_the_same_from_the_file(setting: Setting) -> None:
    setting.words = setting.from_file
    answer = setting.quick()
    assert answer is not None
    assert answer == setting.whole()


@pytest.mark.parametrize(
    "text",
    [
        "dependencies: [app]\n# ${HOME}\n",
        "dependencies:\n  - app\n  - pip:\n    - -r other.txt\n",
        "dependencies: [app, pip: [-r other.txt]]\n",
        'dependencies:\n  - app\n  - pip:\n    - "\\x2dr other.txt"\n',
        "dependencies: [app, pip: [\u00a0-r other.txt]]\n",
    ],
)
def test_a_file_that_reaches_out_is_read_each_time(setting: Setting, text: str) -> None:
    (setting.shell.home / "other.txt").write_text("# nothing\n")
    setting.file.write_text(text)
    setting.words = ("-n", "reach", *setting.from_file[2:])
    assert setting.whole().code == 0
    assert "was there already" in setting.whole().out
    assert setting.quick() is None


def test_notes_do_not_pile_up(setting: Setting) -> None:
    for number in range(30):
        (setting.outcomes / f"{number:032x}.request").write_text("{}")
    setting.variables["CONDA_DEFAULT_ENV"] = "x"
    assert setting.whole().code == 0
    assert len(list(setting.outcomes.glob("*.request"))) == 16
    assert setting.quick() is not None
