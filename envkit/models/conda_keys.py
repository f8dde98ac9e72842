"""Every key of conda's configuration: conda 26.7 (``conda/base/context.py``), and ``mirrored_channels`` of mamba 2.9.

The variable of a key is ``CONDA_`` and its name, or an alias, in capitals. What envkit does with each key, in words,
stands in `envkit.words.conda_keys`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from envkit.patterns import regex
from envkit.tuples import NamedTuple

KeyKind = Literal["text", "list", "map", "lists", "maps"]


class Key(NamedTuple):
    """One key."""

    name: str
    kind: KeyKind  # ``lists``: a map of lists; ``maps``: a list of maps
    aliases: tuple[str, ...] = ()
    delimiter: str = ","  # between the parts of a list in a variable
    expanded: bool = False  # whether ``$NAME`` in its values stands for a variable
    obeyed: bool = False  # whether envkit does what it says

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that set this key; a map cannot be written in one."""
        names = (self.name, *self.aliases) if self.kind in {"text", "list"} else ()
        return tuple(f"CONDA_{name.upper()}" for name in names if "-" not in name)


_OBEYED = (
    Key("channels", "list", ("channel",), expanded=True),
    Key("channel_priority", "text"),
    Key("channel_alias", "text", expanded=True),
    Key("default_channels", "list", expanded=True),
    Key("custom_channels", "map", expanded=True),
    Key("custom_multichannels", "lists", expanded=True),
    Key("migrated_custom_channels", "map", expanded=True),
    Key("migrated_channel_aliases", "list"),
    Key("mirrored_channels", "lists", expanded=True),
    Key("allowlist_channels", "list", ("whitelist_channels",), expanded=True),
    Key("denylist_channels", "list", expanded=True),
    Key("override_channels_enabled", "text"),
    Key("use_local", "text"),
    Key("add_anaconda_token", "text", ("add_binstar_token",)),
    Key("envs_dirs", "list", ("envs_path",), delimiter=os.pathsep, expanded=True),
    Key("offline", "text"),
    Key("pinned_packages", "list", delimiter="&"),
    Key("ignore_pinned", "text"),
    Key("disallowed_packages", "list", ("disallow",), delimiter="&"),
    Key("proxy_servers", "map", expanded=True),
    Key("ssl_verify", "text", ("verify_ssl",), expanded=True),
    Key("remote_read_timeout_secs", "text"),
    Key("remote_connect_timeout_secs", "text"),
    Key("remote_max_retries", "text"),
    Key("remote_backoff_factor", "text"),
    Key("subdir", "text"),
    Key("override_virtual_packages", "map", ("virtual_packages",)),
    Key("solver", "text", ("experimental_solver",)),
    Key("pkgs_dirs", "list", expanded=True),
    Key("create_default_packages", "list"),
    Key("exclude_newer", "text", ("cooldown",)),
    Key("always_copy", "text", ("copy",)),
    Key("always_yes", "text", ("yes",)),
)
_NOT_OBEYED = (
    Key("add_pip_as_python_dependency", "text"),
    Key("aggressive_update_packages", "list"),
    Key("allow_conda_downgrades", "text"),
    Key("allow_cycles", "text"),
    Key("allow_non_channel_urls", "text"),
    Key("allow_softlinks", "text"),
    Key("always_softlink", "text", ("softlink",)),
    Key("anaconda_upload", "text", ("binstar_upload",)),
    Key("auto_activate", "text", ("auto_activate_base",)),
    Key("auto_stack", "text"),
    Key("auto_update_conda", "text", ("self_update",)),
    Key("bld_path", "text"),
    Key("changeps1", "text"),
    Key("channel_settings", "maps"),
    Key("client_ssl_cert", "text", ("client_cert",), expanded=True),
    Key("client_ssl_cert_key", "text", ("client_cert_key",), expanded=True),
    Key("clobber", "text"),
    Key("conda_build", "map", ("conda-build",)),
    Key("console", "text"),
    Key("croot", "text"),
    Key("debug", "text"),
    Key("default_activation_env", "text"),
    Key("default_python", "text"),
    Key("default_threads", "text"),
    Key("deps_modifier", "text"),
    Key("dev", "text"),
    Key("download_only", "text"),
    Key("dry_run", "text"),
    Key("enable_private_envs", "text"),
    Key("env_prompt", "text"),
    Key("environment_specifier", "text", ("env_spec",)),
    Key("envvars_force_uppercase", "text"),
    Key("error_upload_url", "text"),
    Key("exclude_newer_package", "map", ("cooldown_exclude",)),
    Key("execute_threads", "text"),
    Key("experimental", "list"),
    Key("export_platforms", "list", ("extra_platforms",)),
    Key("extra_safety_checks", "text"),
    Key("fetch_threads", "text"),
    Key("force", "text"),
    Key("force_32bit", "text"),
    Key("force_reinstall", "text"),
    Key("force_remove", "text"),
    Key("json", "text"),
    Key("list_fields", "list"),
    Key("local_repodata_ttl", "text"),
    Key("no_lock", "text"),
    Key("no_plugins", "text"),
    Key("non_admin_enabled", "text"),
    Key("notify_outdated_conda", "text"),
    Key("number_channel_notices", "text"),
    Key("path_conflict", "text"),
    Key("prefix_data_interoperability", "text", ("pip_interop_enabled",)),
    Key("preview", "list"),
    Key("protect_frozen_envs", "text"),
    Key("quiet", "text"),
    Key("register_envs", "text"),
    Key("repodata_fns", "list"),
    Key("repodata_threads", "text"),
    Key("repodata_use_shards", "text"),
    Key("repodata_use_zst", "text"),
    Key("report_errors", "text"),
    Key("rollback_enabled", "text"),
    Key("root_prefix", "text", ("root_dir",)),
    Key("safety_checks", "text"),
    Key("sat_solver", "text"),
    Key("separate_format_cache", "text"),
    Key("shortcuts", "text"),
    Key("shortcuts_only", "list", expanded=True),
    Key("show_channel_urls", "text"),
    Key("signing_metadata_url_base", "text"),
    Key("solver_ignore_timestamps", "text"),
    Key("subdirs", "list"),
    Key("target_prefix_override", "text"),
    Key("trace", "text"),
    Key("track_features", "list"),
    Key("unsatisfiable_hints", "text"),
    Key("unsatisfiable_hints_check_depth", "text"),
    Key("update_modifier", "text"),
    Key("use_index_cache", "text"),
    Key("use_only_tar_bz2", "text"),
    Key("verbosity", "text", ("verbose",)),
    Key("verify_threads", "text"),
)

KEYS: Mapping[str, Key] = {key.name: key for key in (*(key._replace(obeyed=True) for key in _OBEYED), *_NOT_OBEYED)}
"""Every key by its name."""

BY_ALIAS: Mapping[str, Key] = {name: key for key in KEYS.values() for name in (key.name, *key.aliases)}
"""Every key by each of its names."""

BY_VARIABLE: Mapping[str, Key] = {variable: key for key in KEYS.values() for variable in key.variables}
"""Every key by its variables."""

# Variables that are no keys: those of conda's shell functions and of its own workings (26.7), of conda-build and the
# activation scripts of compilers, of plugins, and those by which images name an installation.
_OTHERS = regex(
    r"CONDA_(EXE|EXES|BAT|SCRIPT|ROOT|DIR|HOME|VERSION|PREFIX(_\d+)?|SHLVL|DEFAULT_ENV|PROMPT_MODIFIER|PYTHON_EXE"
    r"|STACKED_\d+|BACKUP_.*|.*_BACKUP|ENV_SHLVL_.*|OVERRIDE_.*|PLUGINS_.*|BUILD.*|TOOLCHAIN_.*|PY|NPY|PERL|LUA|R"
    r"|DLL_SEARCH_MODIFICATION_ENABLE|DISABLE_FISH_PROMPT|LEFT_PROMPT|OLD_CHCP|LOGS_DIR|INSTRUMENTATION_.*"
    r"|TIMED_LOGGING|PIP_UNINITIALIZED|TEST_.*|FORGE_.*|TOKEN|AUTH_.*)"
)


def unknown_variables(env: Mapping[str, str]) -> list[str]:
    """List the ``CONDA_*`` variables that are set and that nothing of conda's reads."""
    names = (name for name in env if name.startswith("CONDA_") and env[name].strip())
    return sorted(name for name in names if name not in BY_VARIABLE and not _OTHERS.fullmatch(name))
