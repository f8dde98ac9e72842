"""The merged configuration of conda, by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.inputs.condarc import Entry, may_be_key, read_condarc


class CondaConfig:
    """The merged configuration of conda; a value is worked out when it is asked for."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.entries: dict[str, list[Entry]] = {}
        for source in read_condarc(env):
            for name, entry in source.items():
                self.entries.setdefault(name, []).append(entry)
        self.origins = {
            name: ", ".join(dict.fromkeys(entry.origin for entry in reversed(entries)))
            for name, entries in self.entries.items()
        }

    @property
    def unheeded(self) -> tuple[tuple[str, str], ...]:
        """The keys that are set and not obeyed, and variables that are no key's; each with its origin."""
        if not self.entries and not any(map(may_be_key, self._env)):
            return ()
        from envkit.models.conda_keys import KEYS, unknown_variables

        names = (name for name in self.entries if name not in KEYS or not KEYS[name].obeyed)
        variables = unknown_variables(self._env)
        return (*((name, self.origins[name]) for name in sorted(names)), *((name, name) for name in variables))

    def get(self, name: str) -> Any:
        """Return the merged value of a key, or None."""
        entries = self.entries.get(name)
        if not entries:
            return None
        from envkit.inputs.condarc_merge import merge
        from envkit.models.conda_keys import KEYS

        return merge(KEYS[name], entries, self._env)

    def list(self, name: str) -> list[str]:
        """Return the merged value of a list."""
        return list(self.get(name) or ())

    def map(self, name: str) -> dict[str, Any]:
        """Return the merged value of a map."""
        return dict(self.get(name) or {})

    def text(self, name: str) -> str | None:
        """Return a text that is not empty, or None."""
        value = self.get(name)
        return None if value is None else str(value).strip() or None

    def switch(self, name: str, *, default: bool = False) -> bool:
        """Return a value of yes or no."""
        value = self.get(name)
        if value is None:
            return default
        from envkit.inputs.condarc_merge import parse_switch

        return parse_switch(value, name, self.origins[name])

    def number(self, name: str, default: float) -> float:
        """Return a number."""
        value = self.get(name)
        if value is None:
            return default
        from envkit.inputs.condarc_merge import parse_number

        return parse_number(value, name, self.origins[name])
