"""The reader beside NVIDIA's cuobjdump: what ptxas and fatbinary make, and every library of real wheels."""

from __future__ import annotations

import subprocess
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from cuda_tools import CUOBJDUMP, OLD_CUOBJDUMP, fetch_tool, fetch_wheel, listed_by_cuobjdump, told_like_cuobjdump
from gpu_files import archive, elf, padded

from envkit.gpucode.read import begins_like_code, read_gpu_code
from envkit.gpucode.source import MemoryBytes
from envkit.models.gpucode import GpuLibrary
from envkit.scan.file import read_library

KERNEL = """\
.version {isa}
.target {target}
.address_size 64
.visible .entry store(.param .u64 to) {{
 .reg .b64 %rd<4>; .reg .b32 %r<2>;
 ld.param.u64 %rd1, [to]; cvta.to.global.u64 %rd2, %rd1; mov.u32 %r1, %tid.x;
 mul.wide.u32 %rd3, %r1, 4; add.s64 %rd2, %rd2, %rd3; st.global.u32 [%rd2], %r1; ret;
}}
"""
TOOLKITS = {
    "nvidia-cuda-nvcc-cu11==11.8.89": ("7.8", ["50", "70", "75", "80", "86", "89", "90"]),
    "nvidia-cuda-nvcc-cu12==12.9.86": ("8.8", ["50", "70", "90", "90a", "100", "100a", "100f", "101", "120f", "121a"]),
    "nvidia-cuda-nvcc==13.0.*": ("9.0", ["75", "80", "90a", "100", "100f", "103a", "110", "120", "120a", "121f"]),
}
FATBINARY = "nvidia-cuda-nvcc==13.0.*"
COMPRESSIONS = {
    "none": ["--compress=false"],
    "ptx": [],  # what nvcc does
    "zstd": ["--compress-all", "--compress-mode=size"],
    "lz4": ["--compress-all", "--compress-mode=speed"],
}


@pytest.fixture(scope="session")
def tool(pytestconfig: pytest.Config) -> Callable[[str, str], Path]:
    """Gives a program of a PyPI requirement, kept from run to run."""
    assert pytestconfig.cache is not None
    folder = Path(pytestconfig.cache.mkdir("cuda-tools"))
    return lambda requirement, name: fetch_tool(folder, requirement, name)


@pytest.fixture(scope="session", params=TOOLKITS)
def images(
    request: pytest.FixtureRequest, tool: Callable[[str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[str, str, Path]]:
    """Cubins of one toolkit, relocatable ones and PTX: kind, architecture, file."""
    folder = tmp_path_factory.mktemp("images")
    isa, architectures = TOOLKITS[request.param]
    ptxas = tool(request.param, "ptxas")
    made: list[tuple[str, str, Path]] = []
    for arch in architectures:
        source = folder / f"{arch}.ptx"
        source.write_text(KERNEL.format(isa=isa, target=f"sm_{arch}"))
        for flags, name in (((), f"{arch}.cubin"), (("-c",), f"{arch}.reloc.cubin")):
            subprocess.run([ptxas, *flags, f"-arch=sm_{arch}", source, "-o", folder / name], check=True)
        made += [("elf", arch, folder / f"{arch}.cubin"), ("ptx", arch, source)]
    return made


def _arch(library: GpuLibrary) -> list[str]:
    return [f"{arch.capability.sm}{arch.suffix}" for arch in (*library.sass, *library.ptx)]


def test_a_cubin_tells_its_architecture(images: list[tuple[str, str, Path]]) -> None:
    for kind, arch, path in images:
        for file in (path, path.with_suffix(".reloc.cubin")) if kind == "elf" else (path,):
            library = read_library(file, "it")
            assert library is not None
            assert _arch(library) == [arch], file.name
            assert begins_like_code(file.read_bytes()[:64])


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_fatbins_are_read_as_cuobjdump_reads_them(
    compression: str, images: list[tuple[str, str, Path]], tool: Callable[[str, str], Path], tmp_path: Path
) -> None:
    cuobjdump, fatbinary = tool(CUOBJDUMP, "cuobjdump"), tool(FATBINARY, "fatbinary")
    halves = [images[: len(images) // 2], images[len(images) // 2 :]]
    regions: list[bytes] = []
    for half in halves:
        specs = [f"--image3=kind={kind},sm={arch},file={path}" for kind, arch, path in half]
        out = tmp_path / f"{len(regions)}.fatbin"
        subprocess.run([fatbinary, "-64", *COMPRESSIONS[compression], f"--create={out}", *specs], check=True)
        regions.append(out.read_bytes())
    built = (Counter(arch for kind, arch, _ in images if kind == "elf"),) * 2
    library = elf({".text": b"code", ".nv_fatbin": padded(*regions)})
    for name, data, times in (
        ("it.so", library, 1),
        ("both.so", elf({".nv_fatbin": padded(*regions), "__nv_relfatbin": padded(*regions)}), 2),
        ("it.a", archive([("a.o", elf({".nv_fatbin": regions[0]})), ("b.o", elf({".nv_fatbin": regions[1]}))]), 1),
    ):
        (tmp_path / name).write_bytes(data)
        found = read_gpu_code(MemoryBytes(data), name)
        assert found is not None
        told = told_like_cuobjdump(found)
        exact = [Counter({f"{a.capability.sm}{a.suffix}": n for a, n in found.sass.items()})]
        exact.append(Counter({f"{a.capability.sm}{a.suffix}": c.entries for a, c in found.ptx.items()}))
        assert exact == [Counter({arch: times * n for arch, n in counted.items()}) for counted in built], name
        assert told == listed_by_cuobjdump(cuobjdump, tmp_path / name), name


WHEELS = {
    "torch": "torch==2.14.1",
    "cuDNN": "nvidia-cudnn-cu13==9.24.0.43",
    "cuBLAS": "nvidia-cublas==13.1.1.3",
    "bitsandbytes": "bitsandbytes==0.50.2",
    "CUDA 11": "nvidia-cublas-cu11==11.11.3.6",
}
GIVES_UP = {"libbitsandbytes_cuda121.so"}  # cuobjdump 13.5 calls some cubins of CUDA 12.1 invalid


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", WHEELS)
def test_every_library_of_a_wheel_is_read_as_cuobjdump_reads_it(
    name: str, tool: Callable[[str, str], Path], pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    assert pytestconfig.cache is not None
    folder = Path(pytestconfig.cache.mkdir("gpu-wheels"))
    cuobjdump = tool(OLD_CUOBJDUMP if name == "CUDA 11" else CUOBJDUMP, "cuobjdump")
    compared = 0
    with zipfile.ZipFile(fetch_wheel(folder, WHEELS[name])) as archive:
        for member in archive.infolist():
            with archive.open(member) as stream:
                if not begins_like_code(stream.read(64)):
                    continue
            path = Path(archive.extract(member, tmp_path))
            # cuobjdump knows the sections that nvcc makes.
            with path.open("rb") as file:
                library = read_gpu_code(MemoryBytes(file.read()), path.name, nvcc_sections_only=True)
            if library is not None and (library.sass or library.ptx):
                listed = listed_by_cuobjdump(cuobjdump, path)
                assert (listed is None) == (path.name in GIVES_UP), path.name
                assert listed is None or listed == told_like_cuobjdump(library), path.name
                compared += 1
            path.unlink()
    assert compared
