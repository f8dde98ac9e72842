"""The sayings of reasons, and the few words that a table has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from envkit.checks.driver import needed_driver
from envkit.frameworks.row import PackageLimit, RuntimeCompiler
from envkit.models.build import Claim, Relative, Verdict
from envkit.models.codes import reasons as codes
from envkit.models.version import CudaVersion, DriverVersion
from envkit.words.values import join


def _who(described: bool) -> str:  # noqa: FBT001 - a parameter of the fact
    return "the target" if described else "this host"


def _driver_too_old(
    build_cuda: CudaVersion,
    needed: DriverVersion | None = None,
    driver: DriverVersion | None = None,
    ceiling: CudaVersion | None = None,
    *,
    described: bool = True,
) -> str:
    if needed is None:
        return f"the record demands a driver for CUDA {build_cuda}, the target's driver supports {ceiling}"
    who = _who(described)
    if driver is None:
        have = f"supports CUDA {ceiling}"
    else:
        have = f"has driver branch {driver}" if driver.is_branch else f"has {driver}"
    return f"CUDA {build_cuda} needs driver {needed} or newer, {who} {have}"


def _hidden_by(channel: str) -> str:
    return f"{channel} comes first, by the priority of channels"


def _minor(build_cuda: CudaVersion, ceiling: CudaVersion, minimum: DriverVersion, *, major_only: bool) -> str:
    toolkit = f"some CUDA {build_cuda.major}.x" if major_only else f"CUDA {build_cuda}"
    return (
        f"compiled with {toolkit}, the driver supports {ceiling}: runs by minor-version compatibility "
        f"(driver {minimum} or newer), with machine code only"
    )


def _no_kernel_image(
    gpu: object = None,
    sass: frozenset[object] = frozenset(),
    ptx: frozenset[object] = frozenset(),
    *,
    spec: str | None = None,
    lowest: object = None,
    library: str | None = None,
    package: str = "",
) -> str:
    if spec is not None:
        return f"the record demands __cuda_arch {spec}, the target's lowest is {lowest}"
    if library is not None:
        return f"{_in_package(library, package)} holds {_held(sass, ptx)}: nothing for {join([gpu])}"
    return f"no code for {join([gpu])}: machine code for {join([sass])}, PTX for {join([ptx])}"


def relative_words(relative: Relative) -> str:
    """Return the builds that an arch list was inferred from."""
    return f"{relative.name} {relative.versions} for CUDA {relative.cuda} of {relative.channel}"


def _inferred(relative: Relative) -> str:
    return (
        f"which GPUs it holds code for is inferred from {relative_words(relative)}; create reads the packages before "
        "it publishes them"
    )


def _in_package(library: str, package: str) -> str:
    return f"{library} of {package}" if package else library


def _held(sass: frozenset[object], ptx: frozenset[object]) -> str:
    return " and ".join([*([join([sass])] if sass else []), *([f"PTX {join([ptx])}"] if ptx else [])])


def _machine_code(gpu: object, library: str | None = None, package: str = "") -> str:
    has = f"machine code for {join([gpu])}"
    return f"has {has}" if library is None else f"{_in_package(library, package)} has {has}"


def _partly(
    gpu: object,
    library: str,
    package: str,
    entries: int,
    least: int,
    sass: frozenset[object],
    ptx: frozenset[object],
) -> str:
    few = f"{entries} {'kernel file' if entries == 1 else 'kernel files'} for {join([gpu])} where {least} would do"
    return f"{_in_package(library, package)} holds {_held(sass, ptx)}: only {few}"


def _without(gpu: object, libraries: Sequence[str], package: str) -> str:
    return f"{_in_package(join(libraries), package)}: nothing for {join([gpu])}, so what needs it fails there"


def _jit(gpu: object, ptx: object, library: str | None = None, package: str = "") -> str:
    where = f"{_in_package(library, package)}: " if library is not None else ""
    return (
        f"{where}only PTX ({join([ptx])}) for {join([gpu])}: compiled by the driver at the first start, "
        "which takes minutes"
    )


def _jit_needs(
    gpu: object,
    ptx: object,
    build_cuda: object,
    needed: object,
    ceiling: object,
    *,
    library: str | None = None,
    package: str = "",
) -> str:
    where = f"{_in_package(library, package)}: " if library is not None else ""
    return (
        f"{where}only PTX ({join([ptx])}) for {join([gpu])}, and PTX of CUDA {build_cuda} needs driver {needed} or "
        f"newer; this one compiles up to CUDA {ceiling}"
    )


def _open(sass: frozenset[object] | None) -> str:
    inside = f"; machine code for {join([sass])}" if sass is not None else ""
    return f"no GPU is named: judged by the driver alone{inside}"


def _arch_list(gpu: object, build_cuda: CudaVersion, *, compiles: bool) -> str:
    if compiles:
        return f"which GPUs this build holds code for is not known; CUDA {build_cuda} can compile for {join([gpu])}"
    return f"CUDA {build_cuda} is older than {join([gpu])}, and whether the build holds PTX is not known"


def _covers(ceiling: CudaVersion, build_cuda: CudaVersion, *, kernel_alone: bool = False) -> str:
    who = "kernel driver alone" if kernel_alone else "driver"
    return f"the {who} supports CUDA {ceiling}, the build was compiled with {build_cuda}"


def _cpu_build(*, unused_gpu: bool = False, name: str | None = None) -> str:
    if name is not None:
        return f"{name} is a CPU build, and CUDA was asked for"
    return "a CPU build: it leaves the target's GPU unused" if unused_gpu else "runs on the CPU"


def _lacks(
    needed: object,
    gpu: object = None,
    build_cuda: object = None,
    library: str | None = None,
    capability: object = None,
    of_cuda: object = None,
) -> str:
    if library is None:
        return f"cuBLAS and cuDNN of CUDA {build_cuda} have no code for {join([gpu])}: {needed} is the first that has"
    if of_cuda is None:
        return f"{library} has no code for {capability}: {needed} is the first"
    return (
        f"{library} is of CUDA {of_cuda} and has no code for compute capability {capability}: "
        f"{needed} is the first that has"
    )


def _conflict(claims: Sequence[Claim] = (), rocm: str | None = None) -> str:
    if rocm is not None:
        return f"build string {rocm} is for AMD GPUs (ROCm)"
    return ", ".join(f"{claim.where} {claim.text} says {claim.says}".strip() for claim in claims)


def _platform(subdir: str, build_subdir: str | None = None, only: str | None = None, arm: str | None = None) -> str:
    if arm is not None:
        have = "a server or workstation (SBSA)" if arm == "tegra" else "Jetson"
        return f"an aarch64 build for {arm}, the target is {have}"
    what = f"a build for {build_subdir}" if build_subdir is not None else f"a package for {only} only"
    return f"{what}, the target is {subdir}"


def _python(wanted: str, python: str | list[str] | None = None, spec: str | None = None) -> str:
    if isinstance(python, list):
        have = f"its builds are for Python {join(python)}"
    else:
        have = f"a build for Python {python}" if python is not None else f"needs python {spec}"
    return f"{have}, asked for {wanted}"


def _compiler(compiler: RuntimeCompiler) -> str:
    slower = " and warns that the driver is older: slower compilation" if compiler.slower else ""
    return f"{compiler.name} compiles with its own {compiler.tool}{slower}"


def _too_new(other: str, name: str, limit: PackageLimit) -> str:
    return (
        f"{other} with {name} of channel {limit.channel} ends in an ImportError (undefined symbol: {limit.symbol}): "
        f"{limit.package} <{limit.below} works"
    )


REASONS: dict[str, str | Callable[..., str]] = {
    codes.ANY_HOST: "the same build for every GPU",
    codes.ARCH_LIST_UNKNOWN: _arch_list,
    codes.CODE_INFERRED: _inferred,
    codes.CPU_BUILD: _cpu_build,
    codes.CUDA_BUILD: "{name} is a CUDA build, and --cuda none was asked for",
    codes.CUDA_COMPAT: (
        "runs through the cuda-compat libcuda ({ceiling}) that is loaded here, over kernel driver {driver}"
    ),
    codes.CUDA_UNKNOWN: "neither the record nor its build string says which CUDA it was compiled with",
    codes.DRIVER_COVERS_TOOLKIT: _covers,
    codes.DRIVER_NEWER_THAN_TABLES: (
        "driver branch {branch} is newer than the tables: taken to support at least CUDA {ceiling}"
    ),
    codes.DRIVER_TOO_OLD: _driver_too_old,
    codes.DRIVER_UNKNOWN: "the driver is not known: CUDA {build_cuda} needs {needed} or newer (give --driver)",
    codes.FORWARD_COMPAT_POSSIBLE: (
        "{package} would let driver branch {branch} run CUDA {build_cuda} on this data centre GPU"
    ),
    codes.GLIBC_TOO_OLD: "needs glibc {needed} or newer, the target has {has}",
    codes.GPU_DROPPED_BY_DRIVER: "driver branch {last} is the last for {gpu}, not {branch}",
    codes.GPU_DROPPED_BY_TOOLKIT: "CUDA {build_cuda} compiles nothing for {gpu}",
    codes.GPU_NEEDS_NEWER_DRIVER: "{gpu} needs driver branch {first} or newer, not {driver}",
    codes.GPU_OPEN: _open,
    codes.GPU_UNKNOWN: "{gpu}: its compute capability is not known",
    codes.HIDDEN_BY_CHANNEL: _hidden_by,
    codes.JIT: _jit,
    codes.JIT_NEEDS_NEWER_DRIVER: _jit_needs,
    codes.LIBRARY_DROPPED_GPU: (
        "cuDNN {version} for CUDA {cuda_major} has no code for compute capability {capability}: "
        "{dropped_from} and newer begin at {lowest}"
    ),
    codes.LIBRARY_LACKS_GPU: _lacks,
    codes.LIBRARY_WITHOUT_CODE: _without,
    codes.MACHINE_CODE: _machine_code,
    codes.MACOS_TOO_OLD: "needs macOS {needed} or newer, the target has {has}",
    codes.MICROARCH_TOO_LOW: "needs x86-64 level {needed}, the target is {has}",
    codes.MINOR_COMPATIBILITY: _minor,
    codes.MIXED_CUDA: "{name} is for CUDA {build_cuda}, {other} for CUDA {other_cuda}: majors do not mix",
    codes.MKL_TOO_NEW: _too_new,
    codes.MPS: "runs on Apple's Metal (MPS)",
    codes.NOT_IN_SOLUTION: "{name} was asked for and is not in the solution",
    codes.NOT_NEWEST_GPUS: (
        "CUDA {build_cuda}: no machine code for {name} GPUs ({capability}), which driver {driver} also drives"
    ),
    codes.NO_GPU: "a CUDA build, and the target has no usable NVIDIA GPU",
    codes.NO_KERNEL_IMAGE: _no_kernel_image,
    codes.NO_MPS: "Metal (MPS) is not usable here: runs on the CPU",
    codes.NVIDIA_TRACES: "signs of NVIDIA without a usable GPU: {traces}",
    codes.PARTLY_COVERED: _partly,
    codes.RECORD_CONFLICT: _conflict,
    codes.RUNTIME_COMPILER: _compiler,
    codes.WRONG_CUDA: "{name} was compiled with CUDA {build_cuda}, asked for {asked}",
    codes.WRONG_GPU_VENDOR: "a build for AMD GPUs (ROCm)",
    codes.WRONG_PLATFORM: _platform,
    codes.WRONG_PYTHON: _python,
}

_PHRASES = {
    codes.ANY_HOST: "runs anywhere",
    codes.ARCH_LIST_UNKNOWN: "its GPU code is not known",
    codes.CPU_BUILD: "CPU build",
    codes.CUDA_COMPAT: "through cuda-compat",
    codes.CUDA_UNKNOWN: "its CUDA is not known",
    codes.DRIVER_COVERS_TOOLKIT: "driver covers it",
    codes.DRIVER_UNKNOWN: "driver not known",
    codes.GLIBC_TOO_OLD: "needs a newer glibc",
    codes.GPU_DROPPED_BY_DRIVER: "driver dropped this GPU",
    codes.GPU_DROPPED_BY_TOOLKIT: "CUDA dropped this GPU",
    codes.GPU_NEEDS_NEWER_DRIVER: "GPU needs a newer driver",
    codes.GPU_UNKNOWN: "GPU not known",
    codes.HIDDEN_BY_CHANNEL: "another channel comes first",
    codes.JIT: "compiled at first start",
    codes.JIT_NEEDS_NEWER_DRIVER: "PTX needs a newer driver",
    codes.LIBRARY_DROPPED_GPU: "cuDNN dropped this GPU",
    codes.LIBRARY_LACKS_GPU: "cuBLAS, cuDNN lack this GPU",
    codes.MACOS_TOO_OLD: "needs a newer macOS",
    codes.MICROARCH_TOO_LOW: "needs a newer CPU",
    codes.MINOR_COMPATIBILITY: "older driver, same major",
    codes.MPS: "Apple GPU (MPS)",
    codes.NO_GPU: "no usable GPU",
    codes.NO_KERNEL_IMAGE: "no code for this GPU",
    codes.NO_MPS: "MPS not usable",
    codes.PARTLY_COVERED: "little code for this GPU",
    codes.WRONG_GPU_VENDOR: "for AMD GPUs",
    codes.WRONG_PLATFORM: "another platform",
    codes.WRONG_PYTHON: "another Python",
}


def phrase(verdict: Verdict) -> str:
    """Return the decisive reason in about thirty characters; its code where there are no words for it."""
    if not verdict.reasons:
        return ""
    reason, build = verdict.reasons[0], verdict.build
    if reason.code == codes.DRIVER_TOO_OLD and build.build_cuda is not None:
        return f"needs driver {needed_driver(build.build_cuda, build.record.subdir)}"
    if reason.code == codes.GLIBC_TOO_OLD and build.needs.glibc:
        return f"needs glibc {build.needs.glibc}"
    inferred = " (inferred)" if any(r.code == codes.CODE_INFERRED for r in verdict.reasons) else ""
    return _PHRASES.get(reason.code, str(reason.code)) + inferred
