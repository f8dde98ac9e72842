"""What envkit does with each key of conda's configuration, in words."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from envkit.models.conda_keys import BY_VARIABLE, KEYS

UNKNOWN = "conda 26.7 knows no such key; a plugin of conda may"
_OF_CONDA = "about conda's own commands and installation, which envkit leaves alone"
_ALWAYS_CHECKED = "envkit always checks every archive against its sha256, and every path in it"
_LINKS = "envkit links files the cheapest way that the volume allows: hard links, reflinks, else copies"
_THREADS = "envkit chooses its own number of downloads and threads"
_BUILD = "about conda-build and uploads"
_NO_SOLVER = "the solvers of envkit have no such switch; the engine conda obeys it where conda's solver does"
_SHORTCUTS = "envkit makes no menu entries"

HOW: Mapping[str, str] = {
    "add_anaconda_token": "tokens of `anaconda login` open their server's channels; false: they are not read",
    "add_pip_as_python_dependency": "CEP 34 leaves this to the records: ask for pip where you want it",
    "aggressive_update_packages": "only what is asked for is upgraded: `envkit upgrade`",
    "allow_conda_downgrades": _OF_CONDA,
    "allow_cycles": _NO_SOLVER,
    "allow_non_channel_urls": "a channel is a URL with an index; packages by URL go into an @EXPLICIT file",
    "allow_softlinks": _LINKS,
    "allowlist_channels": "channels that are not among them are refused",
    "always_copy": "environments get copies of the cache's files, as with --copy",
    "always_softlink": "envkit never links to the cache with symbolic links: `clean` would break environments",
    "always_yes": "envkit never asks",
    "anaconda_upload": _BUILD,
    "auto_activate": _OF_CONDA,
    "auto_stack": "envkit activates one environment at a time",
    "auto_update_conda": _OF_CONDA,
    "bld_path": _BUILD,
    "changeps1": "the prompt is changed as conda's default is",
    "channel_alias": "where channels live that are given by name",
    "channel_priority": "flexible (strict where that is solvable, else what it left out is opened), strict, disabled",
    "channel_settings": "auth names plugins of conda: logins go into netrc, RATTLER_AUTH_FILE or the URL; one "
    "exclude_newer holds for all channels",
    "channels": "the channels of a request, in order; files are joined, a later one first",
    "client_ssl_cert": "py-rattler sends no certificate of a client; the engine conda does",
    "client_ssl_cert_key": "py-rattler sends no certificate of a client; the engine conda does",
    "clobber": "two packages with one file: the engine keeps the file of one and says so",
    "conda_build": _BUILD,
    "console": _OF_CONDA,
    "create_default_packages": "`create` asks for these too, unless --no-default-packages is given",
    "croot": _BUILD,
    "custom_channels": "where named channels live; the names are asked nowhere else",
    "custom_multichannels": "several channels behind one name",
    "debug": _OF_CONDA,
    "default_activation_env": _OF_CONDA,
    "default_channels": "the channels behind the name defaults",
    "default_python": "without --python or a spec, the newest Python that the packages go with",
    "default_threads": _THREADS,
    "denylist_channels": "these channels are refused",
    "deps_modifier": _NO_SOLVER,
    "dev": _OF_CONDA,
    "disallowed_packages": "never part of a solution; asked for, they are refused",
    "download_only": "give --download-only",
    "dry_run": "give --dry-run",
    "enable_private_envs": _OF_CONDA,
    "env_prompt": "the prompt is changed as conda's default is",
    "environment_specifier": "the format of a file is recognised by its content",
    "envs_dirs": "the volumes; a new environment goes to the first that can be written",
    "envvars_force_uppercase": "variables keep the names that files give them",
    "error_upload_url": "envkit uploads nothing",
    "exclude_newer": "newer packages are not seen, as with --exclude-newer: a date, or an age such as 7d",
    "exclude_newer_package": "a solve has one cutoff for all packages: exclude_newer, --exclude-newer",
    "execute_threads": _THREADS,
    "experimental": _OF_CONDA,
    "export_platforms": "an export is for the platform of the environment",
    "extra_safety_checks": _ALWAYS_CHECKED,
    "fetch_threads": _THREADS,
    "force": _OF_CONDA,
    "force_32bit": "there are no 32-bit builds for GPUs; `subdir` chooses a platform",
    "force_reinstall": "every change makes a new generation, linked anew",
    "force_remove": "`uninstall` never leaves a package without what it needs",
    "ignore_pinned": "true: pinned_packages and conda-meta/pinned hold nothing, as with --no-pin",
    "json": "give --json",
    "list_fields": _OF_CONDA,
    "local_repodata_ttl": "an index is fresh for as long as its server says (Cache-Control)",
    "migrated_channel_aliases": "URLs below them are read below channel_alias",
    "migrated_custom_channels": "old places of named channels lead to the new ones",
    "mirrored_channels": "the URLs of a named channel: the next is asked where one fails (mamba's key)",
    "no_lock": "envkit is correct without locks, and takes them where the file system has them",
    "no_plugins": _OF_CONDA,
    "non_admin_enabled": _OF_CONDA,
    "notify_outdated_conda": _OF_CONDA,
    "number_channel_notices": "notices of channels are not shown",
    "offline": "only caches are used, as with --offline",
    "override_channels_enabled": "false: --override-channels is refused",
    "override_virtual_packages": "the machine in other words, below CONDA_OVERRIDE_* (CEP 30)",
    "path_conflict": "two packages with one file: the engine keeps the file of one and says so",
    "pinned_packages": "hold for every package that a solution has, and so do the lines of conda-meta/pinned",
    "pkgs_dirs": "packages in these caches are taken instead of downloaded, once verified; they are never written",
    "prefix_data_interoperability": "packages of pip are not counted as conda's",
    "preview": _OF_CONDA,
    "protect_frozen_envs": "envkit's environments carry the mark of CEP 22, and only envkit changes them",
    "proxy_servers": "http, https and all: their proxy, unless HTTP_PROXY and the like name one",
    "quiet": "give --progress none",
    "register_envs": "environments are found by their volume, not by ~/.conda/environments.txt",
    "remote_backoff_factor": "seconds before the first new try of a download; each later one waits twice as long",
    "remote_connect_timeout_secs": "a channel that accepts no connection for this long is given up",
    "remote_max_retries": "how often a failed transfer is tried again",
    "remote_read_timeout_secs": "a transfer that brings next to nothing for so long is given up; --timeout comes first",
    "repodata_fns": "envkit reads shards, else repodata.json in its best compression",
    "repodata_threads": _THREADS,
    "repodata_use_shards": "envkit reads shards where a channel has them",
    "repodata_use_zst": "envkit reads repodata.json in its best compression",
    "report_errors": "envkit uploads nothing",
    "rollback_enabled": "a failed change never touches what was there",
    "root_prefix": _OF_CONDA,
    "safety_checks": _ALWAYS_CHECKED,
    "sat_solver": _NO_SOLVER,
    "separate_format_cache": "the cache is addressed by content",
    "shortcuts": _SHORTCUTS,
    "shortcuts_only": _SHORTCUTS,
    "show_channel_urls": "channels are always shown",
    "signing_metadata_url_base": "signatures of conda's TUF are not checked; every sha256 is",
    "solver": "rattler, and libmamba where libmambapy is here; below --engine, ENVKIT_ENGINE and envkit's own file",
    "solver_ignore_timestamps": _NO_SOLVER,
    "ssl_verify": "true or truststore: the system's certificates; a path: those; false: none are checked",
    "subdir": "the platform to choose for, as with --platform",
    "subdirs": "the platforms are that of `subdir`, and noarch",
    "target_prefix_override": _OF_CONDA,
    "trace": _OF_CONDA,
    "track_features": "features are gone from channels; flags (CEP 45) take their place",
    "unsatisfiable_hints": "an unsatisfiable request is always explained",
    "unsatisfiable_hints_check_depth": "an unsatisfiable request is always explained",
    "update_modifier": "`install` keeps what it can, `upgrade` does not",
    "use_index_cache": "give --offline",
    "use_local": "the folders of conda-build come first",
    "use_only_tar_bz2": "both formats of archives are read",
    "verbosity": _OF_CONDA,
    "verify_threads": _THREADS,
}
"""What envkit does, by the name of the key."""


def key_words(name: str) -> str:
    """Return what envkit does with a key, or does instead."""
    return HOW.get(name, UNKNOWN)


def part_words(key: str) -> str:
    """Return why a part of a key that is obeyed otherwise is not."""
    what = {"override_virtual_packages": "no virtual package of that name can be overridden (CEP 30)"}
    return what.get(key, UNKNOWN)


def variable_words(name: str) -> str:
    """Return what to say of a variable that is no key's."""
    near = get_close_matches(name, BY_VARIABLE, 1, 0.85)
    return f"conda 26.7 reads no such variable{f': {near[0]}?' if near else ''}"


def unheeded_words(names: list[str]) -> str:
    """Return the note on keys that are set and not obeyed, and on variables that are no key's."""
    known = [name for name in names if name.partition(":")[0] in KEYS]
    variables = [name for name in names if name.startswith("CONDA_")]
    unknown = [name for name in names if name not in {*known, *variables}]
    parts = [f"not obeyed: {', '.join(known)}"] if known else []
    parts += [f"not known: {', '.join(unknown)}"] if unknown else []
    parts += [f"variables that conda does not read: {', '.join(variables)}"] if variables else []
    return f"of conda's configuration: {'; '.join(parts)} (see `envkit config show`)"
