"""Start a Jupyter kernel in an environment: ``start.py LINK NAME ARG...``, by the Python of the environment.

A copy of it lies in each kernelspec, with copies of `envkit.activation` (``activation.py``), `envkit.profiles` and of
``session.py``, and ``facts.json`` from `envkit.kernels`. It runs on Python 3.7 and newer and imports nothing of envkit,
which need not be there.

A kernel that did not start would be a dead one in the notebook, with its reason in a log. So one is started all the
same, which answers every cell with the reason and the cure: by the environment's Python where the machine cannot run
the environment's CUDA, and by Jupyter's own where the environment is gone or its Python does not start.
"""

import importlib.util
import json
import os
import re
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_LARGEST = 64 << 20
_DRIVER = re.compile(r"NVRM version:.*?(?: {2,}|\t+)(\d+(?:\.\d+)+)")
_TEGRA = ("nvgpu", "nvhost-gpu", "nvmap", "dxg")
_RULE, _PACKED = ".envkit-profiles.json", ".envkit-packed.json"  # as in envkit.paths
_NEWEST = 20  # validations of other machines that are looked at


def main(argv):
    """Become the kernel."""
    sys.dont_write_bytecode = True  # others may have to remove this folder
    link, name, arguments = argv[0], argv[1], argv[2:]
    volume = os.path.dirname(link)
    activation = load("activation")
    prefix, refusal = find(link, name)
    can_go_on = refusal is None
    python, env = sys.executable, dict(os.environ)
    packed = can_go_on and is_packed(prefix)
    if can_go_on:
        python = os.path.join(prefix, "bin", "python")
        refusal = judge(prefix, name, read_json(os.path.join(_HERE, "facts.json")))
    if can_go_on and not packed:
        try:
            env = activation.activated_environ(prefix, os.environ, name=name)
        except activation.ActivationError as error:
            refusal = ["its activation failed: %s" % error, "Look at its scripts in %s/etc/conda." % prefix]
    if not can_go_on:  # the log has it even if this Python has no ipykernel to answer with
        sys.stderr.write("envkit: %s cannot be used on this machine: %s\n%s\n" % (name, *refusal))
        sys.stderr.flush()
    said = {"name": name, "volume": volume, "prefix": prefix, "refusal": refusal, "can_go_on": can_go_on}
    line = "__import__('runpy').run_path(%r)['load'](get_ipython(), %r)" % (os.path.join(_HERE, "session.py"), said)
    words = [python, "-m", "ipykernel_launcher", *arguments, "--IPKernelApp.exec_lines=" + line]
    if packed:  # envkit mounts it, or copies it
        words = [*load("session").find_envkit(volume), "run", "--persist", volume, name, "--", *words]
    activation.replace_process(words, env)


def find(link, name):
    """Return the generation that this machine gets, and why there is none to start: a reason and a cure, or None."""
    volume = os.path.dirname(link)
    prefix = os.path.realpath(link)
    if not os.path.isdir(volume):
        return prefix, ["there is no volume at %s" % volume, "Mount it where it was: %s." % volume]
    if not os.path.isdir(prefix):
        cure = "Make it again: envkit create -n %s, or remove its kernel: envkit kernel remove %s" % (name, name)
        return prefix, ["there is no such environment in %s" % volume, cure]
    if os.path.lexists(os.path.join(prefix, _RULE)):
        prefix, refusal = profile(prefix, name, volume)
        if refusal is not None:
            return prefix, refusal
    python = os.path.join(prefix, "bin", "python")
    if is_packed(prefix):
        if load("session").find_envkit(volume) is None:
            cure = "Put envkit on the volume once: envkit volume bootstrap --persist %s" % volume
            return prefix, ["it is only a pack, which envkit has to mount", cure]
        return prefix, None
    if not os.access(python, os.X_OK):
        return prefix, ["it has no Python", "See what is damaged: envkit doctor %s --fix" % name]
    if os.path.realpath(sys.executable) != os.path.realpath(python) and not starts(python):
        reason = "its Python does not start here (%s)" % os.uname().machine
        return prefix, [reason, "See why: envkit validate %s" % name]
    if not has_ipykernel(prefix):
        return prefix, ["it has no ipykernel any more", "Add it: envkit install -n %s ipykernel" % name]
    return prefix, None


def profile(prefix, name, volume):
    """Return the generation of an environment with profiles that is for this machine, or a reason and a cure."""
    profiles = load("profiles")
    try:
        known = profiles.read_rule(prefix)
        chosen = profiles.choose_profile(known, machine(profiles, volume))
    except (profiles.RuleError, ValueError) as error:
        return prefix, ["its profiles are damaged: %s" % error, "See envkit doctor %s." % name]
    if chosen is None:
        names = ", ".join(one.name for one in known)
        cure = "See envkit show %s, or make one for this machine: envkit create --hosts" % name
        return prefix, ["none of its profiles is for this machine: %s" % names, cure]
    return os.path.join(os.path.dirname(prefix), chosen.generation), None


def machine(profiles, volume):
    """Return the facts that a rule looks at: as envkit detects them, else by the driver's own libraries."""
    import subprocess

    command = load("session").find_envkit(volume)
    if command is not None:
        try:
            told = subprocess.run([*command, "detect", "--json"], stdout=subprocess.PIPE, timeout=60, check=False)
            return profiles.facts_of(json.loads(told.stdout)["facts"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, subprocess.SubprocessError):
            pass
    return profiles.look_around(os.environ)


def is_packed(prefix):
    """Return whether a generation is only a pack."""
    return os.path.exists(os.path.join(prefix, _PACKED)) and not os.path.exists(os.path.join(prefix, "bin", "python"))


def starts(python):
    """Return whether a Python starts."""
    import subprocess

    try:
        return subprocess.call([python, "-I", "-c", ""], stdin=subprocess.DEVNULL, timeout=60) == 0
    except (OSError, subprocess.SubprocessError):
        return False


def has_ipykernel(prefix):
    """Return whether an environment has the package that runs cells."""
    library = os.path.join(prefix, "lib")
    return any(
        os.path.exists(os.path.join(library, name, "site-packages", "ipykernel_launcher.py"))
        for name in (os.listdir(library) if os.path.isdir(library) else ())
        if name.startswith("python3")
    )


def judge(prefix, name, facts, root="/"):
    """Return why this machine cannot run an environment's CUDA, and the cure; None if files give no reason.

    The rules are those of `envkit.client.local.refusal`: no GPU at all, or a driver that is too old for the builds.
    What passed on such a machine runs; a failure there that the machine was blamed for is a reason, too.
    """
    manifest = read_json(os.path.join(prefix, ".envkit.json"))
    choice = manifest.get("choice") or {}
    if choice.get("variant") != "cuda" or not sys.platform.startswith("linux"):
        return None
    built = str(choice.get("build_cuda") or "")
    what = "it holds CUDA %s builds" % built if built else "it needs a GPU"
    specs = " ".join("'%s'" % spec for spec in (manifest.get("request") or {}).get("specs") or ())
    driver = read_driver(root)
    gpus = list_gpus(root)
    known = validations(prefix, driver, gpus)
    if any(record.get("verdict") == "pass" for record in known):
        return None
    if not gpus and not any(os.path.exists(os.path.join(root, "dev", node)) for node in _TEGRA):
        return [
            "%s, and there is no NVIDIA GPU here: no device in /dev" % what,
            "Use it where the GPU is, check the container's GPU setting, or make a CPU environment: "
            "envkit create -n %s-cpu --cuda none %s" % (name, specs),
        ]
    least = (facts.get("drivers") or {}).get(built)
    if driver and least and choice.get("tier") != "compat" and numbers(driver) < numbers(least):
        return [
            "%s, which need driver %s or newer, and here is driver %s" % (what, least, driver),
            "Update the driver to %s or newer, or make a generation for this one: "
            "envkit create -n %s --replace %s" % (least, name, specs),
        ]
    for record in known[:1]:
        for finding in record.get("findings") or ():
            if finding.get("status") == "fail" and finding.get("blames") == "host":
                cure = finding.get("hint") or "See envkit validate %s." % name
                return ["its validation on such a machine failed: %s" % finding.get("text"), cure]
    return None


def read_driver(root="/"):
    """Return the version of the NVIDIA module in the kernel; None without one."""
    for path, pattern in (("proc/driver/nvidia/version", _DRIVER), ("sys/module/nvidia/version", None)):
        try:
            with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
                text = file.read(4096)
        except OSError:
            continue
        found = pattern.search(text) if pattern else re.match(r"\s*(\d+(?:\.\d+)+)\s*$", text)
        if found:
            return found.group(1)
    return None


def list_gpus(root="/"):
    """Return the names of the GPUs that have a device, as the kernel driver knows them; ``?`` where it tells none."""
    try:
        nodes = [name for name in os.listdir(os.path.join(root, "dev")) if re.match(r"nvidia\d+$", name)]
    except OSError:
        nodes = []
    models = []
    folder = os.path.join(root, "proc/driver/nvidia/gpus")
    for gpu in sorted(os.listdir(folder)) if nodes and os.path.isdir(folder) else ():
        try:
            with open(os.path.join(folder, gpu, "information"), encoding="utf-8", errors="replace") as file:
                found = re.search(r"(?m)^Model:\s*(.+?)\s*$", file.read(4096))
        except OSError:
            found = None
        models.append(found.group(1) if found else "?")
    return models if len(models) == len(nodes) else ["?"] * len(nodes)


def validations(prefix, driver, gpus):
    """Return validations of a generation on machines with this driver and these kinds of GPUs, newest first."""
    private, generation = os.path.split(prefix)
    folder = os.path.join(os.path.dirname(private), "validations", generation)
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith(".")]
    except OSError:
        return []
    records = []
    for name in names[:_NEWEST]:
        record = read_json(os.path.join(folder, name))
        host = record.get("host") or {}
        kinds = {str(gpu.get("name")) for gpu in host.get("gpus") or ()}
        if gpus and host.get("driver_version") == driver and kinds == set(gpus):
            records.append(record)
    return sorted(records, key=lambda record: str(record.get("created")), reverse=True)


def numbers(version):
    """Return the numbers of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def read_json(path):
    """Return the object in a file; an empty one where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO would wait for its writer
        with os.fdopen(descriptor, "rb") as file:
            content = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def load(name):
    """Load a module that lies beside this file."""
    spec = importlib.util.spec_from_file_location("_envkit_" + name, os.path.join(_HERE, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its classes are looked up there
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1:])
