"""Records of newer channels: variants by flags alone (CEP 45), and cuda-arch, which stands for __cuda_arch (CEP 46)."""

from __future__ import annotations

from pathlib import Path

import pytest
from channels import Package
from harness import Shell

_13 = ("cuda-version >=13.0,<14", "__cuda")


def _torch(version: str, build: str, *depends: str, flags: tuple[str, ...] = ()) -> Package:
    told = {"flags": list(flags)} if flags else {}
    return Package("pytorch", version, build, depends, files={"lib/torch.txt": build.encode()}, record=told)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell.below(tmp_path_factory.mktemp("flags"))
    shell.publish(
        _torch("3.1", "h1234567_0", *_13, "cuda-arch >=8.0", flags=("cuda:13_0", "blas:mkl")),
        _torch("3.1", "h2234567_0", *_13, "cuda-arch >=9.0", flags=("cuda:13_0", "blas:openblas")),
        _torch("3.1", "h3234567_0", flags=("cpu", "blas:mkl")),
        _torch("2.9", "cuda129_0", "cuda-version >=12.9,<13", "__cuda", "cuda-arch >=7.0,<9"),
        Package("cuda-version", "13.0", constrains=["__cuda >=13"]),
        Package("cuda-version", "12.9", constrains=["__cuda >=12"]),
        # As in conda-forge's recipe: each version goes with that of the virtual package only.
        *(Package("cuda-arch", v, constrains=[f"__cuda_arch {v}.*"], noarch="generic") for v in ("7.0", "8.0", "9.0")),
    )
    return shell


@pytest.mark.parametrize(
    ("spec", "gpu", "build"),
    [
        ("pytorch", "a100", "h1234567_0"),
        ("pytorch=2.9", "a100", "cuda129_0"),
        ("pytorch=2.9", "h100", None),
        ('pytorch[flags=["cuda*"]]', "a100", "h1234567_0"),
        ('pytorch[flags=["blas:open*"]]', "a100", None),
        ('pytorch[version=">=3", flags=["blas:open*", "cuda:13_0"]]', "h100", "h2234567_0"),
        ("pytorch[flags=[cpu]]", "h100", "h3234567_0"),
        ('pytorch[flags=["rocm"]]', "h100", None),
    ],
)
def test_find_and_create_agree(shell: Shell, spec: str, gpu: str, build: str | None) -> None:
    words = (spec, "-c", str(shell.channel), "--override-channels", "--driver", "580", "--gpu", gpu, "--json")
    found = shell.run("find", *words)
    planned = shell.run("create", *words, "-n", "new", "--dry-run")
    if build is None:
        assert found.code in {1, 4}
        assert planned.code == found.code
        return
    version = spec.removeprefix("pytorch=") if "=2.9" in spec else "3.1"
    assert found.json["pick"] == f"pytorch-{version}-{build}.conda", found.out
    assert build in {package["build"] for package in planned.json["packages"] if package["name"] == "pytorch"}


def test_an_environment_of_flags_alone(shell: Shell, tmp_path: Path) -> None:
    """The virtual package is absent here: a build for the CPU is taken, and it stays one."""
    words = ("-c", str(shell.channel), "--override-channels", "--no-validate", "--persist", str(tmp_path))
    shell.ok("create", 'pytorch[flags=["blas:mkl"]]', "-n", "demo", "--cuda", "none", *words)
    assert (tmp_path / "demo/lib/torch.txt").read_bytes() == b"h3234567_0"
    assert shell.ok("upgrade", "-n", "demo", "--persist", str(tmp_path), "--json").json["reused"] is True
