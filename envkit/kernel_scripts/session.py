"""Loaded into each kernel that envkit starts: the magic ``%envkit``, and answers in place of what cannot be done.

A copy of it lies in the kernelspec. It runs in the environment's Python, 3.7 and newer, and imports nothing of envkit:
``%envkit`` runs the volume's own envkit as a child process, or the one that registered the kernel.
"""

import json
import os
import shutil
import subprocess
import sys

_HELP = """\
%envkit status            this kernel's environment, its generation and its last validation
%envkit validate          prove by computing that it works here
%envkit why PACKAGE       which packages need this one
%envkit COMMAND [ARG]...  any other command of envkit, on the same volume
"""
_INSTALLERS = ("pip", "conda", "mamba", "micromamba")
_OF_PACKAGES = ("why", "install", "uninstall", "upgrade")
_OF_ENVIRONMENTS = ("show", "validate", "history", "diff", "doctor", "export", "tree", "rollback")
_CHANGES = ("install", "uninstall", "upgrade", "rollback", "create")
_WIDTH = 110


def load(shell, said):
    """Register the magics, and refuse cells where `said` holds a reason."""
    magic = Magic(shell, **said)
    shell.register_magic_function(magic.run, "line", "envkit")
    for name in _INSTALLERS:
        shell.register_magic_function(magic.refuse_installer, "line", name)
    if magic.refusal:
        shell.input_transformers_cleanup.insert(0, magic.gate)


class HostCannotRunError(RuntimeError):
    """The kernel's environment cannot be used on this machine."""

    def _render_traceback_(self):
        return str(self).splitlines()


class Magic:
    """The environment of the kernel."""

    def __init__(self, shell, name, volume, prefix, refusal, can_go_on):
        """Keep what `start.py` knows."""
        self.shell = shell
        self.name = name
        self.volume = volume
        self.prefix = prefix
        self.refusal = refusal
        self.can_go_on = can_go_on

    def gate(self, lines):
        """Let only ``%envkit`` through: raise the reason for any other cell."""
        words = "".join(lines).split()
        if words[:1] == ["%envkit"] or not words:
            return lines
        reason, cure = self.refusal
        text = ["%s cannot be used on this machine: %s." % (self.name, reason), cure]
        if self.can_go_on:
            text.append("To run cells all the same, without what is missing: %envkit anyway")
        else:
            text.append("Then restart the kernel: Kernel > Restart Kernel.")
        raise HostCannotRunError("\n".join(text))

    def refuse_installer(self, line):
        """Answer ``%pip`` and its like."""
        sys.stderr.write(
            "This environment is a generation of envkit and is never changed in place.\n"
            "Run `envkit install -n %s %s`, then restart the kernel.\n" % (self.name, line.partition("install ")[2])
        )

    def run(self, line):
        """Run a command of envkit; see ``%envkit help``."""
        import shlex

        try:
            words = shlex.split(line)
        except ValueError as error:
            sys.stderr.write("%%envkit: %s\n" % error)
            return
        command = words[0] if words else "help"
        if command in ("help", "--help", "-h"):
            sys.stdout.write(_HELP)
        elif command == "anyway":
            self.go_on()
        elif command == "status":
            self.status()
        else:
            code = self.stream(self.completed(words))
            if code == 0 and command in _CHANGES:
                self.tell_new_generation()

    def completed(self, words):
        """Add the kernel's environment to a command that names none."""
        command, rest = words[0], words[1:]
        if any(word in ("-n", "-p", "--name", "--prefix") for word in rest):
            return words
        if command in _OF_PACKAGES:
            return [command, "-n", self.name, *rest]
        if command in _OF_ENVIRONMENTS and all(word.startswith("-") for word in rest):
            return [command, self.name, *rest]
        return words

    def go_on(self):
        """Stop refusing cells."""
        gates = self.shell.input_transformers_cleanup
        if not self.refusal:
            print("%s runs on this machine already" % self.name)
        elif not self.can_go_on:
            print("%s cannot be used: %s. %s" % (self.name, *self.refusal))
        else:
            gates[:] = [gate for gate in gates if getattr(gate, "__self__", None) is not self]
            print("cells run now; %s" % self.refusal[0])
            self.refusal = None

    def status(self):
        """Show the environment in a few lines."""
        print("environment  %s of %s" % (self.name, self.volume))
        print("generation   %s" % os.path.basename(self.prefix))
        if self.refusal:
            print("here         cannot be used: %s" % self.refusal[0])
        code, out = self.capture(["show", self.name, "--json"])
        try:
            shown = json.loads(out)
        except ValueError:
            shown = {}
        if code == 0 and shown:
            for label, text in _rows(shown):
                print("%-12s %s" % (label, text))
        elif shown.get("error"):
            print("%-12s %s" % ("", shown["error"].get("message")))
        self.tell_new_generation()

    def tell_new_generation(self):
        """Say so where the environment has a newer generation than this kernel."""
        active = os.path.realpath(os.path.join(self.volume, self.name))
        if os.path.isdir(active) and active != self.prefix:
            print("%s is active now: restart the kernel to use it" % os.path.basename(active))

    def stream(self, words):
        """Run envkit and print what it says as it comes; return its exit code, or None if it was not started."""
        child = self.start(words, stderr=subprocess.STDOUT)
        if child is None:
            return None
        try:
            for line in child.stdout:
                sys.stdout.write(line)
            return child.wait()
        except KeyboardInterrupt:
            child.terminate()
            child.wait()
            raise

    def capture(self, words):
        """Run envkit; return its exit code and its output."""
        child = self.start(words, stderr=subprocess.DEVNULL)
        if child is None:
            return None, ""
        out = child.communicate()[0]
        return child.returncode, out

    def start(self, words, stderr):
        """Start envkit, or say how to get it."""
        command = find_envkit(self.volume)
        if command is None:
            sys.stderr.write(
                "envkit is not here. Put it on the volume once, from where it is: "
                "envkit volume bootstrap --persist %s\n" % self.volume
            )
            return None
        env = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
        env.update(CONDA_ENVS_PATH=self.volume, COLUMNS=str(_WIDTH), PYTHONIOENCODING="utf-8")
        env.pop("CONDA_ENVS_DIRS", None)
        return subprocess.Popen(
            [*command, *words],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            errors="replace",
        )


def find_envkit(volume):
    """Return what starts envkit: the volume's launcher, the Python that registered the kernel, or PATH; or None."""
    launcher = os.path.join(volume, ".envkit", "bin", "envkit")
    if os.access(launcher, os.X_OK):
        return [launcher]
    here = os.path.dirname(os.path.abspath(__file__))
    try:
        with open(os.path.join(here, "facts.json"), encoding="utf-8") as file:
            python = json.load(file).get("python")
    except (OSError, ValueError):
        python = None
    if python and os.access(python, os.X_OK):
        return [python, "-I", "-m", "envkit"]
    found = shutil.which("envkit")
    return [found] if found else None


def _rows(shown):
    """Yield labels and texts of ``envkit show --json``."""
    yield "asked", " ".join((shown.get("request") or {}).get("specs") or ())
    choice = shown.get("choice") or {}
    if choice.get("fn"):
        yield "build", "%s, %s where it was made" % (choice["fn"], choice.get("tier"))
    last = shown.get("validated") or {}
    if not last:
        yield "validated", "never: %envkit validate"
        return
    driver = "driver %s" % last["driver_version"] if last.get("driver_version") else "no driver"
    where = "here" if last.get("here") else "on another kind of machine: %envkit validate"
    yield "validated", "%s %s, %s, %s" % (last.get("verdict"), str(last.get("created"))[:10], driver, where)
