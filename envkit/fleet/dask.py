"""The adapter for Dask: a task for each host that has workers, whatever started them.

A task is the text of a script of the standard library, so a worker's Python may be another than ours and needs no
envkit. The command is a child process of the worker, which ends it when nobody waits for the task any more, be it that
this process was interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from envkit.errors import HostCannotRunError, UsageError
from envkit.fleet.base import OUTPUT_LIMIT, OUTPUT_TAIL, Commands, Heard
from envkit.models.fleet import AnswerState, Node, NodeAnswer

if TYPE_CHECKING:
    from distributed import Client, Future

SCHEMES = ("dask", "tls")
_PORT = 8786  # of a scheduler, unless it is told otherwise
_TASK = Path(__file__).parents[1] / "probes" / "dask_task.py"
# Called through eval, since a function of ours would have to be importable there.
_CALL = "exec(source, scope) or scope['run'](*words)"
_CONNECT_S = 10.0
_REPLY_S = 5.0
_GRACE_S = 3.0  # for the answer of a worker that has ended its command at the deadline
_POLL_S = 0.1
_ROLL_CALL_S = 1.0
_AT_ONCE = 128

T = TypeVar("T")


class DaskFleet:
    """The hosts that have workers of a Dask scheduler.

    Args:
        address: As Dask writes it, ``tcp://10.0.0.1:8786``.
        wanted: Names of hosts; none for all.
    """

    name = "dask"

    def __init__(self, address: str, wanted: Sequence[str] = ()) -> None:
        self._address = address
        self._wanted = tuple(dict.fromkeys(wanted))
        self._workers: dict[str, str] = {}

    def nodes(self) -> tuple[Node, ...]:
        """See `Fleet.nodes`."""
        found = _run(self._find())
        if not found:
            raise HostCannotRunError(
                f"the Dask scheduler at {self._address} has no workers",
                hint="Start some with `dask worker`, or by what starts them at your site.",
            )
        strange = [name for name in self._wanted if name not in found]
        if strange:
            raise UsageError(
                f"no Dask worker is on a host called {', '.join(strange[:3])}",
                hint=f"There are workers on {', '.join(sorted(found)[:8])}.",
            )
        self._workers = {name: found[name] for name in self._wanted or sorted(found)}
        return tuple(map(Node, self._workers))

    def ask(self, commands: Commands, *, deadline_s: float, heard: Heard) -> tuple[NodeAnswer, ...]:
        """See `Fleet.ask`."""
        if not self._workers:
            self.nodes()
        answers = _run(self._ask(commands, deadline_s, heard))
        return tuple(answers[node] for node in commands)

    async def _find(self) -> dict[str, str]:
        """Return the address of a worker for each host, by the host's own name."""
        async with self._client() as client:
            scheduler: Any = client.scheduler
            workers = (await self._reply(scheduler.identity()))["workers"]
            names = await _host_names(client, workers)
        return hosts_of(workers, names)

    async def _ask(self, commands: Commands, deadline_s: float, heard: Heard) -> dict[str, NodeAnswer]:
        async with self._client() as client:
            asking = _Asking(client, f"envkit-{os.urandom(6).hex()}", heard)
            try:
                for node, command in commands.items():
                    asking.start(node, self._workers.get(node, ""), command, deadline_s)
                await asking.wait(time.monotonic() + deadline_s + _GRACE_S)
                await asking.give_up(deadline_s)
            finally:
                asking.cancel()
            if asking.strange and not any(answer.state == "ended" for answer in asking.answers.values()):
                await self._check_version(asking.strange)
            return asking.answers

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        """Connect to the scheduler.

        Raises:
            UsageError: Dask is not installed.
            HostCannotRunError: There is none, or one that speaks another version.
        """
        try:
            from distributed import Client
        except ImportError as error:
            raise UsageError(
                "--via dask takes the package distributed, which is not installed",
                hint="Install it beside envkit: pip install 'envkit[fleet]', in the version of the cluster.",
            ) from error
        await self._knock()
        client = None
        try:
            client = Client(self._address, asynchronous=True, timeout=_CONNECT_S, set_as_default=False)
            await self._reply(client)
            yield client
        finally:
            if client is not None:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(client.close(), _REPLY_S)

    async def _knock(self) -> None:
        """Find out at once whether somebody listens; a client of Dask would try again until its time is over."""
        parts = urlsplit(self._address)
        try:
            opened = asyncio.open_connection(parts.hostname, parts.port)
            _, writer = await asyncio.wait_for(opened, _CONNECT_S)
        except (OSError, asyncio.TimeoutError) as error:
            raise self._unreachable(str(error) or f"no answer in {_CONNECT_S:.0f} s") from error
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def _unreachable(self, why: str) -> HostCannotRunError:
        hint = "Give the address that `dask scheduler` prints; its distributed has to be of the version of yours."
        if self._address.startswith("tls:"):
            hint = (
                "Dask's configuration names the certificates (distributed.comm.tls), or the variables "
                "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..._CLIENT__CERT and ..._CLIENT__KEY."
            )
        return HostCannotRunError(f"no Dask scheduler answers at {self._address}: {_first_line(why)}", hint=hint)

    async def _reply(self, asked: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(asked, _CONNECT_S)
        except Exception as error:  # whatever a server of another kind or version leads to
            said = _first_line(f"{type(error).__name__}: {error}")
            await self._check_version(said)
            raise self._unreachable(said) from error

    async def _check_version(self, said: str) -> None:
        """Blame a failure that is Dask's own on versions, where these differ."""
        from importlib.metadata import version

        from distributed.core import rpc

        ours = theirs = version("distributed")
        with contextlib.suppress(Exception):
            async with rpc(self._address, timeout=_REPLY_S) as scheduler:
                asked = scheduler.versions(packages=[])
                theirs = str((await asyncio.wait_for(asked, _REPLY_S))["packages"]["distributed"])
        if theirs != ours:
            raise HostCannotRunError(
                f"Dask's scheduler has distributed {theirs}, here is {ours}: {said}",
                hint=f"Install its version beside envkit: pip install 'distributed=={theirs}'",
            )


class _Asking:
    """Commands on their way to workers.

    Attributes:
        answers: What has come, by node.
        strange: What Dask said of a task that it could not run for a reason of its own; empty without one.
    """

    def __init__(self, client: Client, topic: str, heard: Heard) -> None:
        self.answers: dict[str, NodeAnswer] = {}
        self.strange = ""
        self._client = client
        self._topic = topic
        self._heard = heard
        self._source = _TASK.read_text(encoding="utf-8")
        self._futures: dict[str, Future[Any]] = {}
        self._places: dict[str, str] = {}
        self._reading: dict[str, asyncio.Task[NodeAnswer]] = {}

    def start(self, node: str, worker: str, command: Sequence[str], limit_s: float) -> None:
        """Give a command to a worker."""
        words = (list(command), self._topic, limit_s, OUTPUT_LIMIT, OUTPUT_TAIL)
        values = {"source": self._source, "scope": {}, "words": words}
        self._places[node] = worker
        self._futures[node] = self._client.submit(
            eval,
            _CALL,
            values,
            key=self._key(node),
            workers=[worker],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )

    async def wait(self, deadline: float) -> None:
        """Collect answers until all are there or the time of `time.monotonic` has come."""
        called = time.monotonic()
        while len(self.answers) < len(self._futures) and (left_s := deadline - time.monotonic()) > 0:
            for node, future in self._futures.items():
                if future.status != "pending" and node not in self._reading and node not in self.answers:
                    self._reading[node] = asyncio.create_task(self._read(node, future, left_s))
            for node, task in list(self._reading.items()):
                if task.done():
                    del self._reading[node]
                    self._hear(task.result())
            if time.monotonic() - called > _ROLL_CALL_S:
                await self._call_roll()
                called = time.monotonic()
            await asyncio.sleep(min(_POLL_S, left_s))

    async def _call_roll(self) -> None:
        """Give up nodes whose worker has left: Dask would wait for it to come back."""
        with contextlib.suppress(Exception):
            here = await asyncio.wait_for(self._client.nthreads(), _REPLY_S)
            for node, worker in self._places.items():
                if worker not in here and node not in self.answers and node not in self._reading:
                    self._hear(NodeAnswer(node, "lost", said="its Dask worker has left or died"))

    async def _read(self, node: str, future: Future[Any], limit_s: float) -> NodeAnswer:
        read: Coroutine[Any, Any, Any] = asyncio.wait_for(future.result(), limit_s)
        result: Any = (await asyncio.gather(read, return_exceptions=True))[0]
        if isinstance(result, BaseException):  # of Dask: what the command does raises nothing
            said = _first_line(f"{type(result).__name__}: {result}")
            if type(result).__name__ == "KilledWorker":
                return NodeAnswer(node, "lost", said="its Dask worker died, and again when it was restarted")
            if "connection-lost" in said:
                return NodeAnswer(node, "lost", said="Dask's scheduler has gone")
            self.strange = said
            return NodeAnswer(node, "lost", said=said)
        state, code, stdout, errors, elapsed_s = result
        states: dict[str, AnswerState] = {"ended": "ended", "timed-out": "silent"}
        lines = errors.decode("utf-8", "replace").strip().splitlines()
        ending = {"crashed": f"was ended by signal {code}", "flooded": "wrote too much"}.get(state, "")
        return NodeAnswer(
            node,
            states.get(state, "lost"),
            code if state == "ended" else None,
            stdout,
            (lines[-1] if lines else ending)[:300],
            elapsed_s,
        )

    async def give_up(self, deadline_s: float) -> None:
        """Put the missing answers down as those of nodes that hang, or that never began."""
        missing = [node for node in self._futures if node not in self.answers]
        begun: set[str] = set()
        if missing:
            with contextlib.suppress(Exception):
                events = await asyncio.wait_for(self._client.get_events(self._topic), _REPLY_S)
                begun = {str(message) for _, message in events}
        for node in missing:
            if self._key(node) in begun:
                self._hear(NodeAnswer(node, "silent", said="its Dask worker hangs", elapsed_s=deadline_s))
            else:
                self._hear(NodeAnswer(node, "queued", said="its Dask worker is busy, or hangs"))

    def cancel(self) -> None:
        """Tell workers that nobody waits for the rest, and stop reading."""
        for task in self._reading.values():
            task.cancel()
        for node, future in self._futures.items():
            if node not in self.answers or self.answers[node].state != "ended":
                future.release()

    def _key(self, node: str) -> str:
        return f"{self._topic}-{node}"

    def _hear(self, answer: NodeAnswer) -> None:
        self.answers[answer.node] = answer
        self._heard(answer)


def parse_dask(text: str) -> str:
    """Return the address of a scheduler as Dask writes it.

    Raises:
        UsageError: It names no host.
    """
    hint = "Name Dask's scheduler: --via dask://HOST:8786, or tls://HOST:8786 with certificates."
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port or _PORT
    except ValueError as error:
        raise UsageError(f"--via {text!r}: {error}", hint=hint) from error
    if not host or parts.scheme not in SCHEMES or parts.path.strip("/") or parts.query or parts.username:
        raise UsageError(f"--via {text!r} is no address of a scheduler", hint=hint)
    return f"{'tls' if parts.scheme == 'tls' else 'tcp'}://{f'[{host}]' if ':' in host else host}:{port}"


def hosts_of(workers: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, str]:
    """Return the address of one worker for each host, by the host's name.

    Args:
        workers: What the scheduler knows of each worker, by its address.
        names: What their hosts call themselves, of those workers that answered.
    """
    hosts: dict[tuple[str, str], str] = {}
    idle_first = sorted(workers, key=lambda each: workers[each].get("metrics", {}).get("executing", 0))
    for address in sorted(idle_first, key=lambda each: each not in names):
        place = str(workers[address].get("host", address))
        if address in names:
            hosts.setdefault((names[address], place), address)
        elif place not in {known for _, known in hosts}:  # it does not answer, nor does any other there
            hosts[place, place] = address
    called = Counter(name for name, _ in hosts)  # machines that were made from one image may have one name
    return {f"{name}@{place}" if called[name] > 1 else name: address for (name, place), address in hosts.items()}


async def _host_names(client: Client, workers: Iterable[str]) -> dict[str, str]:
    """Return the names that hosts give themselves, by the address of a worker; without those that do not answer."""
    names: dict[str, str] = {}
    room = asyncio.Semaphore(_AT_ONCE)

    async def ask(worker: str) -> None:
        async with room:
            # In the worker's event loop: a worker whose threads are all busy answers, too.
            with contextlib.suppress(Exception):
                asked = client.run(platform.node, workers=[worker])
                names[worker] = str((await asyncio.wait_for(asked, _REPLY_S))[worker])

    await asyncio.gather(*map(ask, workers))
    return names


def _run(work: Coroutine[Any, Any, T]) -> T:
    with _quiet():
        return asyncio.run(work)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log and its warnings of other versions to itself; what matters of them becomes an answer."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:300]
