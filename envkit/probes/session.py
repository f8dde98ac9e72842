"""Run the probe of one framework: arguments, one JSON document on standard output, a trace of what goes on.

Run by a target environment's own Python, 3.7 or newer, with nothing but the standard library::

    PYTHON -I session.py SCRIPT [--gpu COUNT] [--thorough] [--plan JSON] [--nonce TEXT] [--trace FD]

The folder stays off ``sys.path``, where ``jax.py`` would hide JAX. SCRIPT is loaded by path; it may import this module
and the mathematics as ``envkit_session`` and ``envkit_exercises``, and has ``main(probe)``. A script that starts
processes of its own has ``work(plan)`` as well, which runs in each of them (`Session.worker`).

Nothing is judged here. The document::

    schema_version  1
    framework       "pytorch", ...
    version         of the framework
    build           what the framework says of its build: cuda, cudnn, arch_list, ...
    devices         id ("cpu", "cuda:0", "mps"), kind ("cpu", "gpu"), name, compute_capability, ...
    answers         asked (all arguments), python (version, implementation): who answers, and to what
    libraries_elsewhere  files of CUDA's libraries (not of the driver) that were loaded from outside of the environment
    checks          check, device (an id or null), outcome ("ok", "error", "skipped"), elapsed_s; with "ok" detail,
                    with "error" error_type and error, with "skipped" reason
"""

import argparse
import contextlib
import ctypes
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TEXT_LIMIT = 2000
CUDA_LIBRARY = re.compile(
    r"lib(cudart|cublas|cublasLt|cudnn\w*|cufft|curand|cusolver|cusolverMg|cusparse|cusparseLt|cutensor|nccl|nvJitLink|"
    r"nvrtc|nvrtc-builtins|nvshmem_host)\.so"
)
WORKER = "--worker"


class Skip(Exception):  # noqa: N818 - not an error: a check that does not apply here
    """This check does not apply here; the text says why."""


class Session:
    """One run of a probe: gathers facts, tells the parent through the trace, writes the document."""

    def __init__(self):
        """Read the arguments and keep standard output for the document."""
        parser = argparse.ArgumentParser()
        parser.add_argument("script")
        parser.add_argument("--trace", type=int)
        parser.add_argument("--nonce", help="repeated in the answer, with all arguments")
        parser.add_argument("--gpu", type=int, default=0, metavar="COUNT", help="so many GPUs are expected: use them")
        parser.add_argument("--thorough", action="store_true", help="also what takes its time")
        parser.add_argument("--plan", type=json.loads, help="what a script that takes part in something is to do")
        self.options = parser.parse_args()
        self.out = os.dup(1)
        os.dup2(2, 1)  # what libraries print must not mix with the document
        self.scratch = tempfile.mkdtemp(prefix="envkit-probe-")
        self.use_scratch()
        self.devices = []
        self.checks = []
        self.document = {
            "schema_version": 1,
            "framework": self.options.script[:-3],
            "version": None,
            "build": {},
            "devices": self.devices,
            "checks": self.checks,
            "answers": {
                "asked": sys.argv[1:],
                "python": {"version": sys.version, "implementation": sys.implementation.name},
            },
        }

    def use_scratch(self):
        """Send what compilers cache into a folder that goes again: an old cache would hide that compiling fails."""
        for name in (
            "CUDA_CACHE_PATH",
            "CUPY_CACHE_DIR",
            "NUMBA_CACHE_DIR",
            "TORCHINDUCTOR_CACHE_DIR",
            "TRITON_CACHE_DIR",
        ):
            os.environ[name] = os.path.join(self.scratch, name.lower())

    def trace(self, line):
        """Tell the parent one thing."""
        if self.options.trace is None:
            return
        data = (json.dumps(line, default=str) + "\n").encode("ascii")
        try:
            while data:
                data = data[os.write(self.options.trace, data) :]
        except OSError:  # the parent is gone
            self.options.trace = None

    def step(self, check, call, device=None):
        """`call` is about to happen."""
        self.trace({"step": {"check": check, "call": call + (" on " + device if device else ""), "device": None}})

    def fact(self, key, value):
        """`value` is known."""
        self.document[key] = value
        self.trace({"facts": {key: value}})

    def build(self, key, action):
        """A fact about the build; one that cannot be had is left out."""
        try:
            self.document["build"][key] = action()
        except Exception as error:  # noqa: BLE001 - a framework may raise anything
            self.document["build"][key + "_error"] = describe(error)
        self.trace({"facts": {"build": self.document["build"]}})

    def device(self, name, kind="cpu", called=None, **more):
        """Note a device that the framework sees; returns its id."""
        self.devices.append(dict({"id": name, "kind": kind, "name": called}, **more))
        self.trace({"facts": {"devices": self.devices}})
        return name

    def gpus(self, look):
        """Return the GPUs that `look` lists; none where it raises, which is recorded with its reason.

        A framework that cannot list them has ``range(probe.options.gpu)``.
        """
        found = []

        def count():
            found.extend(look())
            return {"count": len(found)}

        if self.options.gpu:
            self.check("devices", None, count)
        return found

    def check(self, name, device, action):
        """Run `action`, record what it answers or raises; returns its detail or None."""
        self.step(name, name, device)
        record = {"check": name, "device": device, "outcome": "ok"}
        began = time.perf_counter()
        detail = None
        try:
            detail = action() or {}
            record["detail"] = detail
        except Skip as reason:
            record["outcome"], record["reason"] = "skipped", str(reason)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a framework may raise anything
            record["outcome"] = "error"
            record["error_type"], record["error"] = type(error).__name__, describe(error)
        record["elapsed_s"] = round(time.perf_counter() - began, 4)
        self.checks.append(record)
        self.trace({"check": record})
        return detail

    def gpus_of_cupy(self, cupy):
        """Go through the GPUs by CuPy, on which RAPIDS builds; each is the current one while it is used."""
        runtime = cupy.cuda.runtime
        for index in self.gpus(lambda: range(runtime.getDeviceCount())):
            with cupy.cuda.Device(index) as device:
                called = runtime.getDeviceProperties(index)["name"].decode("utf-8", "replace")
                capability = "%s.%s" % (device.compute_capability[:-1], device.compute_capability[-1])
                yield self.device("cuda:%d" % index, "gpu", called, compute_capability=capability)

    def worker(self, plan, log):
        """Start a process that runs ``work(plan)`` of this probe's script; it ends with this one's process group."""
        command = [sys.executable, "-I", "-B", os.path.abspath(__file__), self.options.script, WORKER, json.dumps(plan)]
        with open(log, "wb") as file:
            return subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)

    def finish(self):
        """Write the document and leave at once, without the exit handlers of frameworks."""
        self.document["libraries_elsewhere"] = libraries_elsewhere()
        shutil.rmtree(self.scratch, ignore_errors=True)
        with os.fdopen(self.out, "w", encoding="utf-8") as file:
            file.write(json.dumps(self.document, default=str) + "\n")
        sys.stdout.flush()
        os._exit(0)


def describe(error):
    """One line of an exception, bounded."""
    text = " ".join(str(error).split())
    return "%s: %s" % (type(error).__name__, text[:TEXT_LIMIT])


def libraries_elsewhere():
    """The CUDA libraries that are mapped into this process and lie outside of the environment, without the driver's."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
            paths = {line.split(None, 5)[-1].rstrip("\n") for line in file if "/" in line}
    except OSError:
        return []
    own = tuple(
        os.path.join(folder, "")
        for prefix in {sys.prefix, sys.base_prefix, *filter(os.path.isdir, sys.path)}
        for folder in (prefix, os.path.realpath(prefix))
        if folder.rstrip("/") not in ("", "/usr", "/usr/local")
    )
    return sorted(path for path in paths if CUDA_LIBRARY.match(os.path.basename(path)) and not path.startswith(own))


def cuda_of_cupy(cupy):
    """The version of the CUDA runtime that is loaded."""
    return "%d.%d" % divmod(cupy.cuda.runtime.runtimeGetVersion() // 10, 100)


def best_rate(operations, run, seconds=0.5, at_most=20):
    """Operations for a second of the fastest of some runs of `run`, which returns when it is done."""
    run()  # the first pays for what is loaded and compiled
    best, until = None, time.perf_counter() + seconds
    for _ in range(at_most):
        began = time.perf_counter()
        run()
        elapsed = time.perf_counter() - began
        best = elapsed if best is None else min(best, elapsed)
        if time.perf_counter() >= until:
            break
    return operations / best if best else None


def load(script):
    """Load a script beside this one as a module."""
    name = "envkit_" + script[:-3]
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(os.path.dirname(os.path.abspath(__file__)), script)
    )
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def die_with_parent():
    """Have this process killed when the one that started it ends (prctl(2)): else it goes on and holds the GPU."""
    if sys.platform.startswith("linux"):
        parent = os.getppid()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def main():
    """Run the script that the first argument names."""
    die_with_parent()
    sys.modules["envkit_session"] = sys.modules["__main__"]
    load("exercises.py")
    script = load(sys.argv[1])
    if sys.argv[2:3] == [WORKER]:
        script.work(json.loads(sys.argv[3]))
        sys.stdout.flush()
        os._exit(0)
    probe = Session()
    script.main(probe)
    probe.finish()


if __name__ == "__main__":
    main()
