"""The JSON of some forty commands, held against what was recorded: a change of one is a change of the contract.

``ENVKIT_TEST_RECORD=1`` writes the files below ``recorded/`` anew; read their difference before it is committed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from channels import Package, write_channel
from gpu_files import Entry, library
from harness import Envkit

RECORDED = Path(__file__).parent / "recorded"
RECORDS = os.environ.get("ENVKIT_TEST_RECORD") == "1"


def _torch(version: str, cuda: str, python: str, *, major_only: bool = False) -> Package:
    """A build of conda-forge."""
    major = cuda.partition(".")[0]
    needs = [f"cuda-version >={major if major_only else cuda},<{int(major) + 1}.0a0", f"python {python}.*", "__cuda"]
    build = f"cuda{cuda.replace('.', '')}_mkl_py{python.replace('.', '')}_h0000000_300"
    return Package("pytorch", version, build, depends=[*needs, "__glibc >=2.17,<3.0.a0"])


def _older_torch(version: str, cuda: str, python: str) -> Package:
    """A build of the channel pytorch."""
    major, minor = map(int, cuda.split("."))
    needs = [f"pytorch-cuda >={cuda},<{major}.{minor + 1}", f"python >={python},<{python[:2]}{int(python[2:]) + 1}.0a0"]
    return Package(
        "pytorch", version, f"py{python}_cuda{cuda}_cudnn9.1.0_0", depends=[*needs, "pytorch-mutex 1.0 cuda"]
    )


def _jaxlib(version: str, cuda: str | None, python: str) -> Package:
    short = python.replace(".", "")
    if cuda is None:
        return Package("jaxlib", version, f"cpu_py{short}h0000000_0", depends=[f"python {python}.*"])
    needs = [f"cuda-version >={cuda},<{int(cuda.partition('.')[0]) + 1}", f"python {python}.*", "__cuda"]
    return Package("jaxlib", version, f"cuda{cuda.replace('.', '')}py{short}h0000000_200", depends=needs)


CONDA_FORGE = [
    *(_torch(version, "12.9", python) for version in ("2.8.0", "2.7.1") for python in ("3.11", "3.12")),
    *(_torch(version, "12.6", python) for version in ("2.7.1", "2.6.0") for python in ("3.11", "3.12")),
    _torch("2.12.0", "13.0", "3.12"),
    _torch("2.4.0", "11.8", "3.11"),
    Package("pytorch", "2.8.0", "cpu_mkl_py312_h0000000_100", depends=["python 3.12.*"]),
    Package("pytorch", "2.6.0", "cpu_mkl_py311_h0000000_100", depends=["python 3.11.*"]),
    Package("faiss", "1.99.0", "cuda130_h0000000_0", depends=["__cuda", "cuda-version >=13.0,<14"]),  # no table has it
    Package("tensorflow", "2.18.0", "cuda126py311h0000000_200", depends=["tensorflow-base 2.18.0 cuda126py311*"]),
    Package(
        *("tensorflow-base", "2.18.0", "cuda126py311h0000000_200"),
        depends=["cuda-version >=12.6,<13", "python 3.11.*", "__cuda"],
    ),
    Package("jax", "0.5.0", "pyhd8ed1ab_0", noarch="python", depends=["jaxlib >=0.5.0,<=0.5.0", "python >=3.10"]),
    *(_jaxlib("0.5.0", cuda, python) for cuda in (None, "12.6") for python in ("3.11", "3.12")),
    *(
        Package("cuda-version", version, depends=[], constrains=[f"__cuda >={version.split('.')[0]}"])
        for version in ("11.8", "12.1", "12.4", "12.6", "12.9", "13.0")
    ),
    *(
        Package("python", f"{version}.9", "h0000000_0_cpython", files={f"lib/python{version}/os.txt": b"os"})
        for version in ("3.11", "3.12")
    ),
    *(
        Package("tool", version, files={"lib/tool.txt": version.encode(), "share/t": b"t"})
        for version in ("1.0", "1.1", "2.0")
    ),
    Package("other", "1.0", depends=["tool <2"], files={"lib/other.txt": b"other"}),
    Package("pure", "3.0", noarch="generic", files={"share/pure.txt": b"pure", "share/link": "pure.txt"}),
    Package("more", "1.0", depends=["tool"], files={"lib/more.txt": b"more"}),
    Package("needy", "1.0", depends=["missing >=3"]),
    Package("hostile", "1.0", files={"lib/x": b""}, paths=[{"_path": "../evil", "path_type": "hardlink"}]),
    Package("cudatoolkit", "11.8.0"),
    Package("kernels", "1.0", files={"lib/libkernels.so": library(Entry("9.0"))}),
    Package("kernels", "2.0", files={"lib/libkernels.so": library(Entry("8.0"))}),
]
PYTORCH = [
    *(
        _older_torch(version, cuda, python)
        for version in ("2.5.1", "2.4.1")
        for cuda in ("12.4", "12.1", "11.8")
        for python in ("3.9", "3.11")
    ),
    Package("pytorch", "2.5.1", "py3.11_cpu_0", depends=["python >=3.11,<3.12.0a0", "pytorch-mutex 1.0 cpu"]),
    *(Package("pytorch-cuda", version, depends=["tool"]) for version in ("11.8", "12.1", "12.4")),
    *(Package("pytorch-mutex", "1.0", build) for build in ("cpu", "cuda")),
]


def _machine(name: str, driver: str | None, *gpus: tuple[str, str], **facts: Any) -> dict[str, Any]:
    about = {
        "subdir": "linux-64",
        "glibc": "2.31",
        "microarch": "x86_64_v3",
        "driver_version": driver,
        "driver_cuda": {"550.54.14": "12.4", "470.82.01": "11.4", "580.95.05": "13.0"}.get(driver or ""),
        "gpus": [{"name": gpu, "compute_capability": capability} for gpu, capability in gpus],
    }
    return {"name": name, "schema_version": 1, "facts": {**about, **facts}}


MACHINES = {
    "mixed": [_machine("node-a", "580.95.05", ("A100", "8.0")), _machine("node-b", "550.54.14", ("T4", "7.5"))],
    "login": [_machine("gpu", "550.54.14", ("A100", "8.0")), _machine("login", None)],
    "old": [_machine("new", "580.95.05", ("H100", "9.0")), _machine("old", "470.82.01", ("V100", "7.0"))],
}
A100 = ("--driver", "550.54.14", "--gpu", "a100")

FIND: Mapping[str, Sequence[str]] = {
    "find": ("pytorch", *A100),
    "find-all": ("pytorch", *A100, "--all"),
    "find-limit": ("pytorch", *A100, "--limit", "2"),
    "find-why": ("pytorch", "--driver", "535", "--gpu", "t4", "--why"),
    "find-matrix": ("pytorch", "--driver", "580", "--gpu", "v100", "--matrix"),
    "find-two-gpus": ("pytorch", "--driver", "580.95.05", "--gpu", "h100", "--gpu", "gtx 1080", "--why"),
    "find-blackwell": ("pytorch>=2.4", "--driver", "580", "--gpu", "b200", "--why"),
    "find-cuda-arch": ("pytorch", "--driver", "550", "--cuda-arch", "7.5", "--prefer", "native"),
    "find-cuda": ("pytorch", *A100, "--cuda", "12.1", "--why"),
    "find-cuda-major": ("pytorch", *A100, "--cuda", "11", "--python", "3.11"),
    "find-cuda-none": ("pytorch", *A100, "--cuda", "none"),
    "find-cuda-unpublished": ("pytorch", *A100, "--cuda", "14"),
    "find-old-driver": ("pytorch", "--driver", "440", "--gpu", "v100", "--cuda", "12.1"),
    "find-old-driver-any": ("pytorch", "--driver", "470", "--gpu", "a100", "--why"),
    "find-no-gpu": ("pytorch", "--no-gpu"),
    "find-no-gpu-cuda": ("pytorch", "--no-gpu", "--cuda", "12.4"),
    "find-python": ("pytorch=2.5", *A100, "--python", "3.9"),
    "find-python-none": ("pytorch", *A100, "--python", "3.8"),
    "find-glibc": ("pytorch", *A100, "--glibc", "2.12", "--why"),
    "find-platform": ("pytorch", "--platform", "osx-arm64"),
    "find-channel": ("pytorch", *A100, "-c", "pytorch", "--override-channels"),
    "find-ordered": ("pytorch", *A100, "-c", "pytorch", "-c", "conda-forge"),
    "find-jax": ("jax", *A100, "--why"),
    "find-inferred": ("faiss", "--driver", "580", "--gpu", "h100", "--why"),
    "find-tensorflow": ("tensorflow", "--driver", "580", "--gpu", "h100"),
    "find-version-absent": ("pytorch=9", *A100),
    "find-plain": ("tool",),
    "find-fix": ("cudatoolkit=12.1", *A100, "--fix"),
    "find-unfixed": ("cudatoolkit=12.1", *A100),
    "find-unknown": ("no-such-package",),
    "find-bad-spec": ("pytorch>>1",),
    "find-bad-cuda": ("pytorch", "--cuda", "twelve"),
    "find-bad-gpu": ("pytorch", "--driver", "550", "--gpu", "no such gpu"),
    "find-contradiction": ("pytorch", "--no-gpu", "--gpu", "a100"),
    "find-no-channel": ("pytorch", "-c", "nowhere", "--override-channels"),
    "find-hosts": ("pytorch", "--hosts", "mixed.json", "--why"),
    "find-hosts-one-without": ("pytorch", "--hosts", "login.json"),
    "find-hosts-one-old": ("pytorch", "--hosts", "old.json", "--cuda", "12.4"),
    "find-hosts-two-files": ("pytorch", "--hosts", "mixed.json", "--hosts", "old.json", "--matrix"),
}
"""Commands that read the channels."""

ENVIRONMENTS: Mapping[str, Sequence[str]] = {
    "list-nothing": ("list",),
    "create-dry-run": ("create", "pytorch=2.5", *A100, "--python", "3.11", "--dry-run"),
    "create-dry-run-hosts": ("create", "pytorch", "--hosts", "mixed.json", "--dry-run"),
    "create-dry-run-profiles": ("create", "pytorch", "--hosts", "login.json", "--dry-run"),
    "create-fix": ("create", "cudatoolkit=12.1", *A100, "--fix", "--dry-run"),
    "create-unsatisfiable": ("create", "needy", "tool"),
    "create-cuda-without-gpu": ("create", "pytorch", "--cuda", "12.4", "--no-gpu", "--dry-run"),
    "create-contradiction": ("create", "pytorch-cuda=12.1", "pytorch", "--cuda", "11.8", *A100, "--dry-run"),
    "create-hostile": ("create", "hostile"),
    "create-no-volume": ("create", "tool", "--persist", "absent/mount/envs"),
    "create": ("create", "other", "pure", "-n", "work"),
    "create-again": ("create", "other", "pure", "-n", "work"),
    "create-exists": ("create", "tool", "-n", "work"),
    "create-file": ("create", "-f", "environment.yml"),
    "create-torch": ("create", "pytorch=2.6", "-n", "torch", "--cuda", "none", "--no-gpu"),
    "create-require-gpu": ("create", "tool", "-n", "gpu", "--require-gpu"),
    "list": ("list",),
    "show": ("show", "work"),
    "show-unknown": ("show", "nothing"),
    "install-dry-run": ("install", "more", "-n", "work", "--dry-run"),
    "install": ("install", "more", "-n", "work"),
    "install-impossible": ("install", "tool=2", "-n", "work"),
    "uninstall": ("uninstall", "other", "-n", "work"),
    "uninstall-unknown": ("uninstall", "nothing", "-n", "work"),
    "upgrade-nothing-newer": ("upgrade", "-n", "fromfile"),
    "upgrade-spec": ("upgrade", "tool=2", "-n", "fromfile"),
    "history": ("history", "work"),
    "diff": ("diff", "work", "fromfile"),
    "rollback": ("rollback", "work", "1"),
    "rollback-unknown": ("rollback", "work", "9"),
    "clone": ("clone", "work", "copy"),
    "rename": ("rename", "copy", "second"),
    "export": ("export", "work"),
    "export-explicit": ("export", "work", "--explicit"),
    "export-pins": ("export", "work", "--pins"),
    "validate": ("validate", "work"),
    "validate-driver": ("validate", "torch", "--level", "driver"),
    "validate-torch": ("validate", "torch"),
    "validate-foreign": ("validate", "foreign/"),
    "validate-unknown": ("validate", "nothing"),
    "doctor": ("doctor",),
    "validate-damaged": ("validate", "work"),
    "doctor-damaged": ("doctor", "work", "--full"),
    "doctor-fix": ("doctor", "--fix"),
    "clean-dry-run": ("clean", "--dry-run", "--older-than", "0d", "--keep", "0"),
    "clean": ("clean", "--older-than", "0d", "--keep", "0"),
    "remove": ("remove", "second"),
    "remove-unknown": ("remove", "second"),
    "volume": ("volume",),
    "kernel": ("kernel", "list"),
    "detect": ("detect",),
    "recipes": ("recipes",),
    "create-passed-over": ("create", "kernels", "--driver", "570", "--gpu", "h100", "--no-validate"),
    "validate-for": ("validate", "kernels", "--gpu", "h100", "--gpu", "v100", "--driver", "570"),
    "create-no-gpu-code": ("create", "kernels=2.0", "-n", "second", "--driver", "570", "--gpu", "h100"),
    "pack": ("pack", "work", "-o", "work.tar.zst"),
    "unpack": ("unpack", "work.tar.zst", "-n", "carried"),
    "unpack-exists": ("unpack", "work.tar.zst", "-n", "torch"),
    "stage": ("stage", "work", "--to", "node"),
    "image": ("image", "work", "--pack", "work.tar.zst"),
    "image-local": ("image", "work"),
}
"""Commands on one volume, one after another."""

INSPECT: Mapping[str, Sequence[str]] = {
    "inspect": ("env/lib/libx.so",),
    "inspect-prefix": ("env", "--gpu", "v100", "--driver", "550"),
    "inspect-jit": ("env/lib/libx.so", "--cuda-arch", "12.0", "--driver", "580"),
    "inspect-damaged": ("env/lib/cut.so",),
    "inspect-nothing": ("nothing.so",),
}
"""Commands on files with GPU code."""

ENVIRONMENT_YML = """\
name: fromfile
channels:
  - conda-forge
dependencies:
  - tool <2
  - pure
"""


MACHINE_MEMBERS = {
    *("glibc", "microarch", "container", "sources", "fs_type", "mount_point", "abilities", "concerns", "missing"),
    *("fingerprint", "id", "created", "seconds", "sha256", "md5", "digest", "size", "engines", "attempts", "toolkits"),
}
"""Members that differ from one machine, moment or release of a compressor to the next: only their kind is recorded."""

SENTENCES = {"text", "message", "hint", "advice", "why", "source_reason", "notes"}
"""Members for people: what they say is recorded, and that they say something is compared. Words may change."""


def _kind(value: object) -> str:
    return f"<{type(value).__name__}>"


@dataclass
class Recorder:
    """Runs commands in one folder and compares their documents with the recorded ones."""

    envkit: Envkit
    folder: Path
    differences: list[str] = field(default_factory=list)
    _generations: dict[str, str] = field(default_factory=dict)

    @property
    def volume(self) -> Path:
        return self.folder / "envs"

    def run(self, name: str, *arguments: str) -> None:
        env = {"CONDA_CHANNEL_ALIAS": (self.folder / "channels").as_uri(), "CONDA_ENVS_PATH": str(self.volume)}
        ended = self.envkit(*arguments, "--json", env=env, cwd=self.folder)
        if ended.err:
            self.differences.append(f"{name}: stderr is not empty: {ended.err}")
        found = {"command": " ".join(arguments), "exit_code": ended.code, "document": self._plain(ended.json)}
        path = RECORDED / f"{name}.json"
        if RECORDS:
            RECORDED.mkdir(exist_ok=True)
            path.write_text(_pretty(found) + "\n", encoding="utf-8")
        recorded = json.loads(path.read_text(encoding="utf-8"))
        self.differences += [f"{name}: {line}" for line in _differences(recorded, found)]

    def _plain(self, value: Any, member: str = "") -> Any:
        """The document without what is this machine's, this run's, or said of each of many builds."""
        if value is None or isinstance(value, bool):
            return value
        if member in MACHINE_MEMBERS or member.endswith(("_bytes", "_inodes")):
            return _kind(value)
        if isinstance(value, dict):
            return {key: _kind(item) if member == "uv" else self._plain(item, key) for key, item in value.items()}
        if isinstance(value, list):
            plain = [self._plain(item, member) for item in value]
            if member == "advice":  # where the tests' folders are in memory
                plain = [text for text in plain if "is memory (tmpfs)" not in text]
            if member == "items":  # of clean: in the order of their random names
                return sorted(plain, key=json.dumps)
            return [*plain[:1], *map(_brief, plain[1:])] if member in {"builds", "nearest"} else plain
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = text.replace(str(self.folder), "FOLDER")
        text = re.sub(r"\b[0-9a-f]{64}\b", "<sha256>", text)
        text = re.sub(r"\b[0-9a-f]{16}\b", "<id>", text)
        text = re.sub(r"\b\d{4}-\d\d-\d\d(T[0-9:+]*)?", "<time>", text)
        text = re.sub(r"\b\d+(\.\d+)? ([kMG]?B|bytes|inodes)\b", "<size>", text)
        text = re.sub(r"/envkit-\d+/", "/envkit-<uid>/", text)
        return re.sub(r"\b([a-z]+)-[0-9a-f]{8}\b", self._generation, text)

    def _generation(self, found: re.Match[str]) -> str:
        return self._generations.setdefault(found[0], f"{found[1]}-<{len(self._generations) + 1}>")


def _brief(build: Any) -> Any:
    """A build in one line: its document has the members of the first one's."""
    if not isinstance(build, dict) or "envkit" not in build:
        return build
    about = build["envkit"]
    return f"{about['tier']} {build['fn']} {' '.join(reason['code'] for reason in about['reasons'])}"


def _pretty(value: Any, indent: str = "") -> str:
    """JSON with short things on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(indent) + len(line) <= 116:
        return line
    deeper = indent + " "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {_pretty(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(deeper + item for item in items) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + _pretty(item, deeper) for item in value) + f"\n{indent}]"


def _differences(recorded: Any, found: Any, place: str = "") -> Iterator[str]:
    member = re.sub(r"(\[\d+\])+$", "", place).rpartition(".")[2]
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key in sorted({*recorded, *found}):
            if key not in found or key not in recorded:
                yield f"{place}.{key} is {'missing' if key in recorded else f'new: {found[key]!r}'}"
            else:
                yield from _differences(recorded[key], found[key], f"{place}.{key}")
    elif isinstance(recorded, list) and isinstance(found, list):
        if len(recorded) != len(found):
            yield f"{place} has {len(found)} items, recorded were {len(recorded)}: {found} {recorded}"
        for index, (before, after) in enumerate(zip(recorded, found, strict=False)):
            yield from _differences(before, after, f"{place}[{index}]")
    elif member in SENTENCES and isinstance(recorded, str) and isinstance(found, str):
        if bool(recorded) != bool(found):
            yield f"{place} is {found!r}, recorded was {recorded!r}"
    elif recorded != found:
        yield f"{place} is {found!r}, recorded was {recorded!r}"


@pytest.fixture
def recorder(envkit: Envkit, tmp_path: Path) -> Recorder:
    for channel, packages in {"conda-forge": CONDA_FORGE, "pytorch": PYTORCH, "nvidia": []}.items():
        write_channel(tmp_path / "channels" / channel, packages)
    for name, machines in MACHINES.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(machines))
    (tmp_path / "environment.yml").write_text(ENVIRONMENT_YML)
    (tmp_path / "foreign" / "conda-meta").mkdir(parents=True)
    (tmp_path / "foreign" / "conda-meta" / "history").touch()
    return Recorder(envkit, tmp_path)


def test_inspect(recorder: Recorder) -> None:
    for name, data in {
        "env/lib/libx.so": library(Entry("8.0"), Entry("9.0a"), Entry("9.0", "8.4"), Entry("9.0", kind=8)),
        "env/lib/cut.so": library(Entry("8.0"))[:-80],
        "env/conda-meta/x-1.0-0.json": b'{"name": "x", "version": "1.0", "build": "0", "files": ["lib/libx.so"]}',
    }.items():
        path = recorder.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, arguments in INSPECT.items():
        recorder.run(name, "inspect", *arguments)
    assert not recorder.differences, "\n".join(recorder.differences)


FACTS: Mapping[str, Sequence[str]] = {
    "facts-offline": ("faiss", "--offline"),
    "facts": ("faiss",),
    "facts-unknown": ("pytroch",),
}


def test_facts(recorder: Recorder) -> None:
    for name, arguments in FACTS.items():
        recorder.run(name, "facts", *arguments)
    assert not recorder.differences, "\n".join(recorder.differences)


def test_find(recorder: Recorder) -> None:
    for name, arguments in FIND.items():
        recorder.run(name, "find", *arguments)
    assert not recorder.differences, "\n".join(recorder.differences)


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="recorded on a host without a GPU")
def test_environments(recorder: Recorder) -> None:
    for name, arguments in ENVIRONMENTS.items():
        if name == "validate-damaged":
            (recorder.volume / "work" / "lib" / "other.txt").unlink()
        recorder.run(name, *arguments)
    assert not recorder.differences, "\n".join(recorder.differences)
