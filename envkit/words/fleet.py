"""The sayings of findings about the nodes of a fleet, and their cures."""

from __future__ import annotations

from collections.abc import Callable

from envkit.models.codes import fleet as codes
from envkit.models.gpu_health import Slowed
from envkit.words.gpu_health import slowed_words
from envkit.words.values import figure_words, join, plural


def _silent(seconds: int, said: str) -> str:
    return f"no answer in {seconds} s{_end(said)}"


def _not_given(said: str) -> str:
    return f"its turn did not come before the deadline{_end(said)}"


def _down(state: str, reason: str) -> str:
    return f"its scheduler has it as {state}{_end(reason)}"


def _failed(exit_code: int | None, said: str) -> str:
    return (
        f"the command ended with exit status {exit_code}{_end(said)}" if exit_code is not None else f"lost{_end(said)}"
    )


def _missing(gpus: int, expected: int) -> str:
    return f"{plural(gpus, 'GPU')} of {expected} can be used"


def _slow(check: str, device: int | None, figure: str, value: float, usual: float, others: int) -> str:
    what, measured = figure_words(figure, value)
    where = f"{check}, GPU {device}" if device is not None else check
    more = f"; {plural(others, 'other figure')} too" if others else ""
    share = f"{value / usual:.0%}"
    return f"{what} ({where}) is {measured}, {share} of the {figure_words(figure, usual)[1]} of those like it{more}"


def _hang(backend: str, peers: list[str], said: str) -> str:
    return f"an all-reduce by {backend} with {_peers(peers)} does not end{_end(said)}"


def _wrong(backend: str, peers: list[str], said: str) -> str:
    return f"an all-reduce by {backend} with {_peers(peers)} comes out wrong{_end(said)}"


def _apart(peers: list[str], said: str) -> str:
    return f"it does not find {_peers(peers)} over the network{_end(said)}"


def _no_sum(backend: str, peers: list[str], said: str) -> str:
    return f"an all-reduce by {backend} with {_peers(peers)} fails{_end(said)}"


def _peers(peers: list[str]) -> str:
    return f"any of {join(peers, most=6)}" if len(peers) > 1 else peers[0]


def _untried(backend: str, pairs: int) -> str:
    return f"{plural(pairs, 'pair')} of nodes not tried by {backend} before the deadline"


def _bad_memory(gpu: int, errors: int, *, spent: bool) -> str:
    found = [f"{plural(errors, 'memory error')} that ECC could not correct since the last reboot"] if errors else []
    found += ["bad memory and no spare rows left"] if spent else []
    return f"GPU {gpu} has {' and '.join(found)}"


def _slowed(gpu: int, slowed: tuple[Slowed, ...]) -> str:
    return f"GPU {gpu} is {slowed_words(slowed)}"


def _end(said: str) -> str:
    return f": {said}" if said else ""


FLEET: dict[str, str | Callable[..., str]] = {
    codes.ENVIRONMENT_BROKEN: "{name} is damaged: {problem}",
    codes.NEVER_PROVEN: "{name} was never validated on any machine",
    codes.DRIVER_DIFFERS: "driver {driver}; most nodes with {gpu} have {usual}",
    codes.NODE_LACKS_GPUS: _missing,
    codes.GPUS_UNUSABLE: "no GPU can be used, yet there is {traces}",
    codes.NODE_DOWN: _down,
    codes.NODE_FAILED: _failed,
    codes.NODE_NOT_GIVEN: _not_given,
    codes.NODE_SILENT: _silent,
    codes.NODE_SLOW: _slow,
    codes.NODE_UNPROVEN: "no GPU here to prove it on",
    codes.GPU_MEMORY_BAD: _bad_memory,
    codes.GPU_MEMORY_MENDED: "GPU {gpu} waits for a reset to replace bad memory",
    codes.GPU_SLOWED: _slowed,
    codes.NODES_APART: _apart,
    codes.NODES_FAILED: _no_sum,
    codes.NODES_HANG: _hang,
    codes.NODES_NOT_ASKED: "no other node has a framework that computes over nodes, so nothing was computed together",
    codes.NODES_UNTRIED: _untried,
    codes.NODES_WRONG: _wrong,
    codes.NODE_WITHOUT_ENVKIT: "there is no {program} to run",
}

FLEET_CURES: dict[str, str | Callable[..., str]] = {
    codes.ENVIRONMENT_BROKEN: "`envkit doctor {name}` says more; `envkit rollback {name}` goes back.",
    codes.NEVER_PROVEN: "Run `envkit fleet validate {name}`.",
    codes.DRIVER_DIFFERS: "Give it the others' driver, or keep it out by a constraint.",
    codes.NODE_LACKS_GPUS: "Run `nvidia-smi` there and look for Xid messages in `dmesg`; then correct the scheduler.",
    codes.GPUS_UNUSABLE: "Run `envkit detect` there: it says what the driver answers.",
    codes.NODE_DOWN: "`scontrol show node` has the reason; `scontrol update` resumes it.",
    codes.NODE_FAILED: "Run the same command there by hand.",
    codes.NODE_NOT_GIVEN: "`squeue` shows who has it; wait with a longer --deadline, or leave it out with --nodes.",
    codes.NODE_SILENT: "Look whether it is busy or hangs; else give it longer with --deadline.",
    codes.NODE_SLOW: "Run `nvidia-smi -q -d PERFORMANCE,CLOCK` there: heat, power or another job may hold it back.",
    codes.NODE_UNPROVEN: "Leave it out with --nodes, or ask for GPUs: `-- --gres=gpu:1`; `envkit detect` there says "
    "why it sees none.",
    codes.GPU_MEMORY_BAD: "Drain the node and reset the GPU (`nvidia-smi --gpu-reset`); replace it if they come again.",
    codes.GPU_MEMORY_MENDED: "Drain the node and reset the GPU: `nvidia-smi --gpu-reset`.",
    codes.GPU_SLOWED: "Look at `nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER`, then at fans and power supply.",
    codes.NODES_APART: "Check addresses, routes and the firewall between them; name the interface to use with "
    "GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME.",
    codes.NODES_FAILED: "Try again with NCCL_DEBUG=INFO or TORCH_DISTRIBUTED_DEBUG=DETAIL set.",
    codes.NODES_HANG: "A firewall between them may drop ports, or the interface is the wrong one: name it with "
    "GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME.",
    codes.NODES_NOT_ASKED: "It takes PyTorch on two nodes that pass.",
    codes.NODES_UNTRIED: "Give it longer with --deadline.",
    codes.NODES_WRONG: "Trust no result of this node until its memory, its GPU and its network card are tested.",
    codes.NODE_WITHOUT_ENVKIT: "Mount the volume there at the same path and put envkit on it once with "
    "`envkit volume bootstrap`, or install envkit at this path on each node.",
}
