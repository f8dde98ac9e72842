"""Builds of a package as the API shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from envkit.client.table import html_table, text_table
from envkit.errors import EnvkitError


class BuildView:
    """One build of a package and how it runs on the target.

    Attributes:
        record: The channel's record (CEP 36), as ``envkit find --json`` prints it.
        channel: URL of the channel.
        variant: ``cuda``, ``cpu``, ``mps`` or ``generic``.
        build_cuda: CUDA toolkit that it was compiled with, or None.
        python: Its Python version, or None for any.
        tier: ``native``, ``minor``, ``jit``, ``compat``, ``unknown``, ``cpu`` or ``no``.
        runs: Whether it runs on the target.
        reasons: Why it has this tier, in sentences.
    """

    __slots__ = (
        "build", "build_cuda", "channel", "name", "python", "reasons", "record", "runs", "tier", "variant", "version",
    )  # fmt: skip

    def __init__(self, record: Mapping[str, Any]) -> None:
        said = record.get("envkit", {})
        self.record = dict(record)
        self.name = str(record.get("name", ""))
        self.version = str(record.get("version", ""))
        self.build = str(record.get("build", ""))
        self.channel = str(record.get("channel", ""))
        self.variant = str(said.get("variant", ""))
        self.build_cuda: str | None = said.get("build_cuda")
        self.python: str | None = said.get("python")
        self.tier = str(said.get("tier", "unknown"))
        self.runs = bool(said.get("runs"))
        self.reasons = tuple(str(reason.get("text", "")) for reason in said.get("reasons", ()))

    @property
    def spec(self) -> str:
        """MatchSpec for exactly this build, for `create`."""
        return f"{self.name}={self.version}={self.build}"

    def _row(self) -> tuple[str, ...]:
        channel = self.channel.rstrip("/").rsplit("/", 1)[-1]
        cuda = self.build_cuda or (self.variant if self.variant != "generic" else "")
        return (self.tier, self.version, cuda, self.python or "", channel, self.build, "; ".join(self.reasons[:1]))

    def __repr__(self) -> str:
        return f"<Build {self.name} {self.version} {self.build}: {self.tier}>"

    def _repr_html_(self) -> str:
        return html_table(self.name, _COLUMNS, [self._row()])


_COLUMNS = ("runs", "version", "CUDA", "Python", "channel", "build", "why")


class FindResultView:
    """The builds of one package, best first. Iterate over it, or take `pick`.

    Attributes:
        builds: Builds that match the request, best first.
        nearest: Builds that almost match, best first.
        pick: The build that `create` would take; None if none runs.
        total: Number of matching builds; `builds` holds the first of them.
        advice: Sentences on what limits the choice.
        target: The machine that builds were judged for.
        error: The error if there is no answer, else None.
    """

    __slots__ = ("advice", "builds", "error", "nearest", "pick", "query", "target", "total")

    def __init__(self, document: Mapping[str, Any], *, error: EnvkitError | None = None) -> None:
        self.builds = tuple(BuildView(record) for record in document.get("builds", ()))
        self.nearest = tuple(BuildView(record) for record in document.get("nearest", ()))
        chosen = document.get("pick")
        self.pick = next((build for build in self.builds if chosen and build.record.get("fn") == chosen), None)
        self.total = int(document.get("total", len(self.builds)))
        self.advice = tuple(str(line) for line in document.get("advice", ()))
        self.target: dict[str, Any] = dict(document.get("target", {}))
        self.query: dict[str, Any] = dict(document.get("query", {}))
        self.error = error

    def raise_for_error(self) -> FindResultView:
        """Return the result itself if a build runs.

        Raises:
            NoAnswerError: Nothing matches.
            HostCannotRunError: There are builds, but none of them runs.
        """
        if self.error is not None:
            raise self.error
        return self

    def __iter__(self) -> Iterator[BuildView]:
        return iter(self.builds)

    def __len__(self) -> int:
        return len(self.builds)

    def __bool__(self) -> bool:
        return self.pick is not None

    def _words(self) -> str:
        return f"{' '.join(self.query.get('specs', ()))}: {self.total} builds"

    def _notes(self) -> list[str]:
        notes = list(self.advice)
        if self.pick is not None:
            notes.append(f"pick: {self.pick.name} {self.pick.version} {self.pick.build} ({self.pick.tier})")
        if self.error is not None:
            notes += [self.error.message, *([self.error.hint] if self.error.hint else [])]
        return notes

    def __repr__(self) -> str:
        return f"<FindResult {self._words()}, pick {self.pick.build if self.pick else None}>"

    def __str__(self) -> str:
        shown = self.builds or self.nearest
        return "\n".join([text_table(_COLUMNS, [build._row() for build in shown]), *self._notes()])  # noqa: SLF001

    def _repr_html_(self) -> str:
        shown = self.builds or self.nearest
        caption = self._words() if self.builds or not shown else f"{self._words()}; the nearest:"
        return html_table(caption, _COLUMNS, [build._row() for build in shown], notes=self._notes())  # noqa: SLF001
