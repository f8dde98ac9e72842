"""The conda executable as an engine: its solver, its configuration, its JSON.

Each call is one child with its own condarc (`envkit.engines.condarc`); nothing of the user's is written. conda prints
full records only for packages it would download, so it is given an empty package cache. A solve gets what its request
may need of the channels (`envkit.engines.near`) where the index store knows that, else the channels.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from envkit.builds.dependency import record_matches
from envkit.builds.record import record_from_repodata
from envkit.checks.validity import check_validity
from envkit.engines.base import HOW_TO_WRITE_SPECS, Capabilities, ChannelAccess, QueryResult, named_package
from envkit.engines.condarc import REQUEST_NAME, Call, child_variables, roots, write_condarc, write_request
from envkit.engines.keep import solve_keeping
from envkit.engines.near import NearChannels, bring_near
from envkit.engines.problem_text import parse_classic, parse_not_found, parse_tree
from envkit.errors import ChannelError, EnvkitError, NoSpaceError, SettingsError, SpecError, UnsatisfiableError
from envkit.models.build import Record
from envkit.models.channel import parse_channel, redact
from envkit.models.problem import Problem, unsatisfiable
from envkit.models.solve import SolveTask
from envkit.models.spec import MatchSpec, parse_match_spec
from envkit.process import ChildResult, run_child
from envkit.scratch import scratch

if TYPE_CHECKING:
    from envkit.engines.rattler import RattlerEngine

_SOLVE_S = 300.0
_REQUEST_WORDS = "the constraints of the request"
_DERIVED = ("fn", "url", "channel", "package_type", "auth", "preferred_env")


def find_conda(env: Mapping[str, str]) -> Path | None:
    """Find conda: the one of the activated shell, else on PATH, else installed beside envkit."""
    named = env.get("CONDA_EXE")
    if named and Path(named).name == "conda" and os.access(named, os.X_OK):
        return Path(named)
    found = shutil.which("conda", path=env.get("PATH")) or shutil.which("conda", path=str(beside()))
    return Path(found) if found else None


def beside() -> Path:
    """Return the folder of programs beside this Python: the conda package of envkit brings its own conda."""
    return Path(sys.prefix) / ("Scripts" if os.name == "nt" else "bin")


def conda_version(executable: Path) -> str | None:
    """Read conda's version from its installation records, without starting it; None if they have none."""
    root = executable.resolve().parent.parent
    names = sorted((root / "conda-meta").glob("conda-[0-9]*.json"))
    if names:
        return names[-1].name.split("-")[1]
    dists = sorted(root.glob("lib/python3*/site-packages/conda-[0-9]*.dist-info"))
    return dists[-1].name.removesuffix(".dist-info").split("-")[1] if dists else None


class CondaEngine:
    """conda as an `Engine`, started with the variables of this process or others."""

    def __init__(self, executable: Path, *, env: Mapping[str, str] | None = None) -> None:
        self._executable = executable
        self._env = os.environ if env is None else env
        self._apart: set[ChannelAccess] = set()  # what only conda can read

    @cached_property
    def _index(self) -> RattlerEngine:
        """The reader of the channels' indexes; finding conda needs none."""
        from envkit.engines.rattler import RattlerEngine

        return RattlerEngine()

    def query(self, spec: str, *, platforms: Sequence[str], access: ChannelAccess) -> QueryResult:
        """See `Engine.query`. A solve fills the index store, not conda's cache: offline, both are asked."""
        if not access.policy.offline:
            return self._query(spec, platforms, access)
        failed: ChannelError | None = None
        found = QueryResult(named_package(spec), (), ())
        try:
            found = self._query(spec, platforms, access)
        except ChannelError as error:
            failed = error
        if not (found.matching or found.others):
            with contextlib.suppress(EnvkitError, MemoryError):
                return self._index.query(spec, platforms=platforms, access=access)
        if failed is not None:
            raise failed
        return found

    def _query(self, spec: str, platforms: Sequence[str], access: ChannelAccess) -> QueryResult:
        name = named_package(spec)
        records = self._search(name, platforms, access)
        if spec.strip().lower() == name:
            return QueryResult(name, records, ())
        matching = {record.url for record in self._search(spec, platforms, access)}
        return QueryResult(
            name,
            tuple(record for record in records if record.url in matching),
            tuple(record for record in records if record.url not in matching),
        )

    def _search(self, spec: str, platforms: Sequence[str], access: ChannelAccess) -> tuple[Record, ...]:
        with self._call(access) as call:
            write_condarc(call, access, platforms)
            answer = self._run(call, ["search", "--json", "--skip-flexible-search", "--", spec], access)
        if _not_found(answer):
            return ()
        _raise(answer, access)
        return tuple(_record(raw) for records in answer.values() if isinstance(records, list) for raw in records)

    def solve(self, task: SolveTask, *, access: ChannelAccess) -> tuple[Record, ...]:
        """See `Engine.solve`."""
        if task.exclude_newer is not None:
            raise SettingsError(
                "conda's solvers cannot leave out what is newer than a date",
                hint="Choose another engine for this: --engine rattler.",
            )
        return solve_keeping(task, lambda attempt: self._solve(attempt, access))

    def _solve(self, task: SolveTask, access: ChannelAccess) -> tuple[Record, ...]:
        with self._near(task, access) as near, self._call(access, near) as call:
            here = near or NearChannels(task, access, access.channels)
            write_condarc(call, here.access, task.platforms, priority=task.channel_priority, request=True)
            write_request(call, here.task)
            create = ["create", "--dry-run", "--json", "--no-default-packages", "--prefix", str(call.prefix)]
            arguments = [*create, "--", REQUEST_NAME, *roots(here.task)]
            answer = self._run(call, arguments, here.access, timeout_s=task.timeout_s or _SOLVE_S, near=near)
        _raise(answer, access, near)
        fetched = (answer.get("actions") or {}).get("FETCH", [])
        found = [_record(raw if near is None else near.record(raw)) for raw in fetched]
        kept = [record for record in found if not record.name.startswith((REQUEST_NAME, "__"))]
        _refuse_broken(kept, task)
        return tuple(sorted(kept, key=lambda record: record.name))

    @contextlib.contextmanager
    def _near(self, task: SolveTask, access: ChannelAccess) -> Iterator[NearChannels | None]:
        """Yield what the task may need of the channels; None where only conda can tell."""
        with contextlib.ExitStack() as stack:
            near = None
            if access not in self._apart and access.policy.use_index_cache and not access.secrets:
                specs = [parse_match_spec(spec) for spec in task.specs]
                names = list(dict.fromkeys(spec.name for spec in specs))
                try:
                    subsets = stack.enter_context(self._index.subsets(names, platforms=task.platforms, access=access))
                    # conda may know more: its own copy of an index may be newer, and a query may have read that one.
                    if subsets and self._has_all(specs, names, task.platforms, access):
                        near = bring_near(stack.enter_context(scratch()), subsets, task, access)
                except (EnvkitError, MemoryError, OSError):  # conda may have other ways to the channels, or says it
                    self._apart.add(access)
            yield near

    def _has_all(
        self, specs: Sequence[MatchSpec], names: Sequence[str], platforms: Sequence[str], access: ChannelAccess
    ) -> bool:
        """Return whether there is a record for each spec in the indexes that the index store reads."""
        records = self._index.records(names, platforms=platforms, access=access)
        return all(
            any(record_matches(spec, record) for record in records if record.name == spec.name) for spec in specs
        )

    def trouble(self) -> OSError | None:
        """See `Engine.trouble`."""
        return self._index.trouble()

    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        version = conda_version(self._executable)
        if version is None:
            ended = run_child([self._executable, "--version"], env=self._env, timeout_s=60)
            version = ended.text.strip().removeprefix("conda ") or "unknown"
        return Capabilities("conda", version, exclude_newer=False, flexible_priority=True)

    @contextlib.contextmanager
    def _call(self, access: ChannelAccess, near: NearChannels | None = None) -> Iterator[Call]:
        """Yield the folder of one call.

        conda writes the URL of an index beside it, credentials included, so channels with credentials are cached for
        one call only, as are the folders of one.
        """
        with scratch() as folder:
            private = Path(folder) / "pkgs"
            yield Call(folder, private if access.secrets or near is not None else access.index_dir / "conda")

    def _run(
        self,
        call: Call,
        arguments: Sequence[str],
        access: ChannelAccess,
        *,
        timeout_s: float = _SOLVE_S,
        near: NearChannels | None = None,
    ) -> dict[str, Any]:
        env = child_variables(call, self._env)
        ended = run_child([self._executable, *arguments], env=env, timeout_s=timeout_s)
        if ended.error is not None:
            raise SettingsError(
                f"{self._executable} cannot be started: {ended.error.strerror}",
                hint="Mend it, or use --engine rattler.",
            )
        if ended.state == "timed-out":
            raise UnsatisfiableError(
                f"conda found no answer in time ({timeout_s:.0f} s)",
                hint="Pin more versions: fewer choices, faster answer. Or use --engine rattler.",
            )
        try:
            answer = json.loads(ended.stdout)
        except ValueError:
            raise _no_json(self._executable, ended, access, near) from None
        answer = answer if isinstance(answer, dict) else {}
        remote = [c.name for c in access.channels if urlsplit(c.url).scheme != "file"]
        # Offline and without a cached index, conda takes a channel for an empty one.
        if _not_found(answer) and access.policy.offline and remote and not any(call.index_dir.glob("cache/*.json")):
            raise ChannelError(
                f"the index of {', '.join(remote)} is not in conda's cache and --offline forbids to fetch it",
                hint="Run once without --offline.",
            )
        return answer


def _not_found(answer: Mapping[str, Any]) -> bool:
    return str(answer.get("exception_name", "")).startswith("PackagesNotFound")


def _raise(answer: Mapping[str, Any], access: ChannelAccess, near: NearChannels | None = None) -> None:
    """Raise the error of conda's document, translated."""
    kind = str(answer.get("exception_name") or "")
    if kind:
        text = redact(str(answer.get("message") or answer.get("error") or kind).strip(), access.secrets)
        text = text if near is None else near.named(text)
        raise _translate(kind, text.replace(REQUEST_NAME, _REQUEST_WORDS), access)


def _refuse_broken(records: Sequence[Record], task: SolveTask) -> None:
    """Refuse packages that do not go together.

    The classic solver (26.7) ignores a ``constrains`` on a virtual package, and was seen to leave a dependency unmet
    (libblas 3.9.0 21_linux64_mkl beside mkl 2022.2.1).
    """
    broken = [violation for violation in check_validity(records, task) if violation.rule != "spec"]
    if broken:
        virtual = all(v.rule == "constrains" and v.text.startswith("__") for v in broken)
        what = "the target's virtual packages exclude" if virtual else "do not go together"
        raise UnsatisfiableError(
            f"conda's solver chose packages that {what}: "
            + "; ".join(f"{violation.subject}: {violation.text}" for violation in broken),
            hint="Its libmamba solver heeds these (conda config --set solver libmamba); or use --engine rattler.",
        )


def _translate(kind: str, text: str, access: ChannelAccess) -> EnvkitError:
    flat = " ".join(text.split())
    where = ", ".join(channel.name for channel in access.channels)
    if "Unsatisfiable" in kind or "Conflict" in kind or kind.startswith(("PackagesNotFound", "ResolvePackageNotFound")):
        return unsatisfiable(_problem(kind, text))
    if "MatchSpec" in kind or "VersionSpec" in kind or kind in {"CondaValueError", "ArgumentError"}:
        return SpecError(f"cannot read a package specification: {flat}", hint=HOW_TO_WRITE_SPECS)
    if "NoSpace" in kind:
        return NoSpaceError(f"no space left for conda's index: {flat}", hint="Free some space there.")
    if any(part in kind for part in ("Channel", "HTTP", "SSL", "Proxy", "Connection", "Offline", "JSONDecode")):
        return ChannelError(
            f"conda cannot read the channels {where}: {flat}",
            hint="Check the name or URL of the channel, the network and the proxy.",
        )
    return SettingsError(f"conda failed ({kind}): {flat}", hint="Mend conda (`conda doctor`), or use --engine rattler.")


def _problem(kind: str, text: str) -> Problem:
    """Parse the explanation of an unsatisfiable request, which each of conda's solvers words differently."""
    if "NotFound" in kind and "not available" in text:
        return parse_not_found(text)
    if "─ " not in text and ("incompatible with" in text or "Did not find conflicting" in text):
        return parse_classic(text, _REQUEST_WORDS)
    return parse_tree(text)


def _no_json(executable: Path, ended: ChildResult, access: ChannelAccess, near: NearChannels | None) -> EnvkitError:
    text = redact((ended.error_text + ended.text).strip(), access.secrets)
    lines = (text if near is None else near.named(text)).splitlines() or [f"it {ended.ending}"]
    last = lines[-1].strip()
    for kind in ("InvalidMatchSpec", "InvalidVersionSpec"):
        found = next((line for line in lines if line.lstrip().startswith((kind, f"conda.exceptions.{kind}"))), None)
        if found is not None:
            return _translate(kind, found.strip(), access)
    return SettingsError(f"{executable} gave no answer: {last}", hint="Mend conda, or use --engine rattler.")


def _record(raw: Mapping[str, Any]) -> Record:
    """Convert a record of conda's: without derived members and credentials."""
    url, subdir, fn = str(raw.get("url", "")), str(raw.get("subdir", "")), str(raw.get("fn", ""))
    try:
        base = parse_channel(url.removesuffix(f"/{subdir}/{fn}")).url
    except ValueError:
        base = ""
    kept = {
        key: value
        for key, value in raw.items()
        if key not in _DERIVED and not (value is None and key in {"arch", "platform"})
    }
    return record_from_repodata(kept, fn, base, subdir)
