"""The sayings of advice, and the headings of explanations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from envkit.models.build import Build, Verdict
from envkit.models.codes import advice as codes
from envkit.models.codes import topics
from envkit.models.request import CudaChoice
from envkit.words.inputs import INPUTS
from envkit.words.values import build_words, days_words, join, size_words

_NO_REASON = "it does not run there"
TOPICS: dict[str, str] = {
    topics.THIS_BUILD: "why this build",
    topics.NOT_NEWER: "why no newer one",
    topics.NO_BUILD: "why none",
    topics.CPU: "why CPU",
    topics.CHANGE: "what to change",
}


def _chosen(build: Build, tier: str, *, native_first: bool, among_all: bool) -> str:
    order = "the newest version of the surest tier" if native_first else "the newest version that runs"
    rest = "" if among_all else " and goes together with the rest of the request"
    return f"{build_words(build)} is {order}{rest}; it runs as {tier}"


def _refused(build: Build, more: int, reason: str | None) -> str:
    return f"{build_words(build)}{f' and {more} more' if more else ''}: {reason or _NO_REASON}"


def _limit(cuda: CudaChoice | None, build: Build, tier: str, held: str | None, *, version: bool, driver: bool) -> str:
    parts = [*([f"--cuda {cuda}"] if cuda is not None else []), *(["the version"] if version else [])]
    what = " and ".join(parts)
    limits = f"limits you to {held}" if held is not None else "leaves nothing that runs"
    who = "this driver" if driver else "this target"
    return f"{what} {limits}; {who} runs {build_words(build)}, {tier}: drop {what}"


def _hidden(verdict: Verdict, channel: str, cuda: CudaChoice | None) -> str:
    also = f", without --cuda {cuda} and what means it" if cuda is not None else ""
    return (
        f"{build_words(verdict.build)} runs as {verdict.tier.value}, and a channel of higher priority hides it: "
        f"-c {channel} first, or alone{also}"
    )


def _unsolvable(build: Build, why: str | None, taken: Build | None) -> str:
    needs = f"what {build_words(build)} needs is not in these channels, or does not go together"
    if taken is not None:
        return f"{needs}: `envkit create` takes {build_words(taken)}"
    return f"{needs}: `envkit create` refuses it ({why})"


def _opened(package: str, channel: str, first: str, newest: str, needed: tuple[str | None, str] | None) -> str:
    if needed is None:
        why = f"what {first} has of it (up to {newest}) does not go together with the rest"
    else:
        by, spec = needed
        why = f"{first} has it up to {newest}, and {by or 'the request'} demands {spec}"
    return f"{package} comes from {channel}, not from {first}: {why}"


def _same(build: Build, tier: str, reason: str | None, *, runs: bool) -> str:
    how = f"runs as {tier}" if runs else "does not run"
    return f"{build_words(build)} {how}: {reason or tier}"


def _no_gpu(*, described: bool) -> str:
    where = "the target" if described else "this machine"
    return f"{where} has no NVIDIA GPU: name another machine with --driver and --gpu, or a toolkit with --cuda"


def _ephemeral(point: str, fs_type: str, *, memory: bool) -> str:
    lost = f"{point} is memory ({fs_type}) and lost after a restart"
    return f"{lost if memory else 'it is lost with the container'}; give a mounted volume with --persist DIR"


def _no_hard_links(fs_type: str, copied_bytes: int | None, *, reflink: bool) -> str:
    cost = f": {size_words(copied_bytes)} more for this one" if copied_bytes else ""
    how = "clones (reflink), which share their blocks" if reflink else f"copies{cost}"
    return f"{fs_type or 'the file system'} has no hard links, so each environment's files are {how}"


def _kept_newest(number: int, owner: str, newest: int) -> str:
    which = f"the {newest} newest" if newest > 1 else "the newest"
    return f"number {number} of {owner}: {which} to go back to stay (--keep)"


def _leave_out(kinds: Sequence[object]) -> str:
    return f"leave {join(kinds, ' or ')} out of --hosts, or choose for it apart"


_SHOWN_USERS = 3


def _users(by: Sequence[Mapping[str, Any]]) -> str:
    """Return who uses a generation, as the subject of a sentence."""
    if not by:
        return "a process is"
    told = [f"process {u['pid']} of {u['user']} on {u['host']} (for {_hours(u['age_s'])})" for u in by]
    return f"{join(told, ' and ', most=_SHOWN_USERS)} {'is' if len(told) == 1 else 'are'}"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else days_words(seconds)


ADVICE: dict[str, str | Callable[..., str]] = {
    **INPUTS,
    codes.BEST_REFUSED: lambda build, reason: f"{build_words(build)}: {reason or _NO_REASON}",
    codes.BUILDS_REFUSED: _refused,
    codes.CHOSEN_BUILD: _chosen,
    codes.CODE_JIT: "{package}: {reason}",
    codes.CODE_MISSING_PARTLY: "{package}: {reason}",
    codes.CODE_PASSED_OVER: "{package} is passed over: {reason}",
    codes.COMPILED_PART: "the compiled part of {name} is {part}, whose builds differ by CUDA: they are listed",
    codes.COVERED_BUILD: (
        "{build} runs as {tier}; the newest that this driver covers wholly is {covered} (--prefer native)"
    ),
    codes.CPU_ASKED: "--cuda none was asked for, or a package that means it",
    codes.CPU_NO_GPU: _no_gpu,
    codes.CPU_RUNS: "{build} runs: --cuda none",
    codes.CPU_TRACES: "no GPU can be used here, though there are signs of one: {traces}",
    codes.CUDA_UNUSED: "--cuda {cuda} has no effect: no package of this request has to do with CUDA",
    codes.DESCRIBE_MACHINE: "signs of NVIDIA without a usable GPU: describe the machine with --driver and --gpu",
    codes.DOWNLOAD_ABANDONED: "its run died",
    codes.DROP_LIMIT: _limit,
    codes.EPHEMERAL_VOLUME: _ephemeral,
    codes.GENERATION_GONE: "its generation is gone",
    codes.GLIBC_ASSUMED: "glibc {version} is assumed: --glibc names another",
    codes.HALF_DELETED: "was being deleted",
    codes.CLOSURE_UNSOLVED: _unsolvable,
    codes.HIDDEN_BUILD: _hidden,
    codes.OPENED_CHANNEL: _opened,
    codes.PACK_UNUSED: "the generation that it is of is gone",
    codes.STAGE_UNUSED: lambda idle_s: f"a copy on this node's disk, last used {days_words(idle_s)} ago",
    codes.INDEX_UNKEPT: (
        "what was read of channel indexes cannot be kept in {folder} ({why}): commands read them whole until it can"
    ),
    codes.INDEX_UNUSED: lambda idle_s: f"a channel's index, last used {days_words(idle_s)} ago",
    codes.KEPT_IN_USE: lambda by=(): f"{_users(by)} using it; --force takes it all the same",
    codes.TAKEN_IN_USE: lambda by=(): f"taken by force: {_users(by)} using it",
    codes.KEPT_NEWEST: _kept_newest,
    codes.KEPT_YOUNG: lambda age_s, least_s: (
        f"it is {days_words(age_s)} old, younger than {least_s / 86400:g} (--older-than)"
    ),
    codes.DESCRIBE_TARGET: lambda: "to choose for the machine that will run it, name it: --driver 550 --gpu a100",
    codes.HELD_BY_NEED: lambda name, version, spec, there: (
        f"{name} {version} exists; it needs {spec}, and {there.name} {there.version} is there"
    ),
    codes.HELD_BY_PACKAGE: lambda name, version, spec, holder: (
        f"{name} {version} exists; {holder.name} {holder.version} needs {spec}"
    ),
    codes.HELD_BY_PIN: lambda name, version, spec, where: (
        f"{name} {version} exists; `{spec}` of {where} holds it (--no-pin)"
    ),
    codes.HELD_BY_REQUEST: lambda name, version, spec: f"{name} {version} exists; `{spec}` of the request holds it",
    codes.LEAVE_OUT: _leave_out,
    codes.PROFILES_SERVE: (
        "no one build runs on all of these machines; {count} together do: `envkit create --hosts` makes profiles "
        "of one environment, and each machine takes its own"
    ),
    codes.WHEELS_WITHOUT_GPU: lambda names: (
        f"{join(names)}: wheels for CUDA, and this machine has no GPU; what they do on the CPU works"
    ),
    codes.TORCH_INDEX: "torch {version} comes from {url}: the wheel on PyPI would not do",
    codes.MORE_REASONS: "and {number} more reasons: --all --why",
    codes.NEWER_DRIVER: "driver {driver} or newer runs {build}, {tier}",
    codes.NEEDED_ELSEWHERE: "another process needs it, or it is somebody else's",
    codes.NEEDS_UNKNOWN: "a generation cannot be read, so it is not known which packages it needs",
    codes.NETWORK_VOLUME: "{fs_type} is a network file system: linking takes longer than on a local disk",
    codes.NO_HARD_LINKS: _no_hard_links,
    codes.NO_LOCKS: "it has no locks: two commands at once may do the same work twice, nothing is lost by it",
    codes.DOWNLOAD_UNUSED: lambda idle_s: f"an archive that was looked into, last asked for {days_words(idle_s)} ago",
    codes.MEASUREMENT_UNUSED: lambda idle_s: f"the GPU code of a package, last asked for {days_words(idle_s)} ago",
    codes.NOT_HELD: "no generation holds {package}",
    codes.NO_NEWER: "no channel that was asked has a newer one that matches the request",
    codes.ORPHANED: "no environment points to it",
    codes.OTHER_PYTHONS: "--python {python}: the builds are for Python {known}",
    codes.PUBLISHED_ELSEWHERE: "{build} was published, by the table of {date}, and runs as {tier}: -c {channel}",
    codes.SAME_VERSION: _same,
    codes.SUPERSEDED: "superseded in {owner}, number {number}",
    codes.TABLE_CHANNELS: lambda channels: (
        f"the table knows these of {join(channels, ' and ')}: -c {join(channels, ' -c ')}"
    ),
    codes.UNFINISHED: "its maker died",
    codes.UNNAMED_LINK: "a link that never got its name",
    codes.UNSOLVED_BUILD: "{build} runs, and does not go together with the rest of the request: {why}",
    codes.WOULD_RUN: lambda build, tier, reason: f"{build_words(build)} would run as {tier} only: {reason}",
}
