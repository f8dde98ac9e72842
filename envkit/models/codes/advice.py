"""Codes of advice: what limits a choice, what else there is, what to change."""

from __future__ import annotations

from envkit.models.fact import Code


def _advice(name: str, meaning: str) -> Code:
    return Code("advice", name, meaning)


BEST_REFUSED = _advice("best-refused", "Why the best build of those that match does not run.")
BUILDS_REFUSED = _advice("builds-refused", "Builds that do not run, with the reason that they share.")
CHOSEN_BUILD = _advice("chosen-build", "The rule by which the build was chosen.")
CLOSURE_UNSOLVED = _advice("closure-unsolved", "The packages that the best build needs cannot be together.")
COMPILED_PART = _advice("compiled-part", "The builds of another package decide, since it holds the compiled code.")
COVERED_BUILD = _advice("covered-build", "The newest build whose toolkit the driver covers.")
CPU_ASKED = _advice("cpu-asked", "The request asks for the CPU.")
CPU_NO_GPU = _advice("cpu-no-gpu", "The machine has no NVIDIA GPU.")
CPU_RUNS = _advice("cpu-runs", "A build runs on the CPU.")
CPU_TRACES = _advice("cpu-traces", "The machine shows signs of a GPU that cannot be used.")
DESCRIBE_MACHINE = _advice("describe-machine", "Flags can describe the machine that is meant.")
DROP_LIMIT = _advice("drop-limit", "A part of the request keeps something newer from being chosen.")
GLIBC_ASSUMED = _advice("glibc-assumed", "The target names no glibc, so one is assumed.")
DESCRIBE_TARGET = _advice("describe-target", "How to choose for a machine with a GPU on one without.")
HELD_BY_NEED = _advice("held-by-need", "A newer version needs another version of a package that is there.")
HELD_BY_PACKAGE = _advice("held-by-package", "Another package excludes a newer version.")
HELD_BY_PIN = _advice("held-by-pin", "A pin of the environment or of the configuration excludes a newer version.")
HELD_BY_REQUEST = _advice("held-by-request", "The request excludes a newer version.")
HIDDEN_BUILD = _advice("hidden-build", "A channel of higher priority hides a newer build.")
LEAVE_OUT = _advice("leave-out", "Machines that rule everything out on their own.")
MORE_REASONS = _advice("more-reasons", "How many reasons are not listed.")
NEWER_DRIVER = _advice("newer-driver", "The build that a newer driver would run.")
NO_NEWER = _advice("no-newer", "No channel that was asked has a newer build that matches.")
OPENED_CHANNEL = _advice(
    "opened-channel", "A package comes from a channel that is not the first to have its name, and what demands it."
)
OTHER_PYTHONS = _advice("other-pythons", "The Pythons that builds exist for.")
PUBLISHED_ELSEWHERE = _advice("published-elsewhere", "By the built-in table, another channel has a build that runs.")
SAME_VERSION = _advice("same-version", "How another build of the chosen version runs.")
TABLE_CHANNELS = _advice("table-channels", "The channels whose builds the built-in table knows.")
TORCH_INDEX = _advice("torch-index", "PyTorch's wheels come from another index than PyPI.")
UNSOLVED_BUILD = _advice("unsolved-build", "A better build that the rest of the request excludes.")
WHEELS_WITHOUT_GPU = _advice("wheels-without-gpu", "Wheels for CUDA are installed where there is no GPU.")
WOULD_RUN = _advice("would-run", "A newer build that runs less well.")

EPHEMERAL_VOLUME = _advice("ephemeral-volume", "The volume does not outlive the container.")
NETWORK_VOLUME = _advice("network-volume", "The volume is on a network file system.")
NO_HARD_LINKS = _advice("no-hard-links", "The file system has no hard links, so files are copied.")
NO_LOCKS = _advice("no-locks", "The file system has no locks, so two commands may do the same work twice.")

DOWNLOAD_ABANDONED = _advice("download-abandoned", "The process of the download died.")
GENERATION_GONE = _advice("generation-gone", "The generation that was validated is gone.")
CODE_JIT = _advice("code-jit", "A package runs on a GPU only through PTX, as its libraries were measured.")
CODE_MISSING_PARTLY = _advice("code-missing-partly", "Libraries of a package that runs hold no code for a GPU.")
CODE_PASSED_OVER = _advice("code-passed-over", "A better package holds no code for a GPU, as it was measured.")
HALF_DELETED = _advice("half-deleted", "An earlier run was deleting it.")
INDEX_UNKEPT = _advice("index-unkept", "What was read of a channel's index cannot be kept.")
INDEX_UNUSED = _advice("index-unused", "The index of a channel was not used for days.")
KEPT_IN_USE = _advice("kept-in-use", "A process is using the generation.")
TAKEN_IN_USE = _advice("taken-in-use", "A process is using the generation, which is removed all the same.")
KEPT_NEWEST = _advice("kept-newest", "The newest superseded generations stay, to go back to.")
KEPT_YOUNG = _advice("kept-young", "The generation is younger than what is removed.")
DOWNLOAD_UNUSED = _advice("download-unused", "A file that `inspect` or `find` downloaded was not used for days.")
MEASUREMENT_UNUSED = _advice("measurement-unused", "What was measured of a package was not used for days.")
NEEDED_ELSEWHERE = _advice("needed-elsewhere", "Another process needs it, or another user owns it.")
NEEDS_UNKNOWN = _advice("needs-unknown", "A generation cannot be read, so the packages that it needs are not known.")
NOT_HELD = _advice("not-held", "No generation holds the package.")
PACK_UNUSED = _advice("pack-unused", "The generation of the pack is gone.")
STAGE_UNUSED = _advice("stage-unused", "The copy on this node's disk was not used for days.")
ORPHANED = _advice("orphaned", "No environment points to the generation.")
SUPERSEDED = _advice("superseded", "Another generation of the environment is active.")
UNFINISHED = _advice("unfinished", "The process that was making the generation died.")
UNNAMED_LINK = _advice("unnamed-link", "A link never got its name.")
