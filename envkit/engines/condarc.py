"""The configuration of one conda call: a condarc, a request channel, and environment variables.

conda merges every condarc that it finds. Keys that the task decides are written with conda's ``#!final``, so that
nothing merges into them; all others (the solver, TLS, proxies) stay as the user configured them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from envkit.engines.base import ChannelAccess
from envkit.models.solve import SolveTask
from envkit.models.spec import parse_match_spec
from envkit.patterns import regex
from envkit.values import dataclass

REQUEST_NAME = "_envkit-request"
"""Name of the record that carries pins and constraints; never part of an answer."""

# Virtual packages that conda detects; an empty CONDA_OVERRIDE_* removes each (conda's documentation, "virtual
# packages"; CUDA_ARCH is a plugin's). __unix and __linux follow from the platform, and their versions do not matter.
_DETECTED = ("CUDA", "CUDA_ARCH", "GLIBC", "OSX", "ARCHSPEC", "WIN")
_OF_PLATFORM = ("__unix", "__linux")
# Variables that would win over the condarc of this call (conda's order: variables over files).
_TASK_VARIABLES = regex(
    r"CONDARC|CONDA_(OVERRIDE_.*|CHANNEL.*|PKGS_DIRS|ENVS_.*|SUBDIRS?|PINNED_PACKAGES|OFFLINE|REPODATA_FNS|PREFIX.*"
    r"|CREATE_DEFAULT_PACKAGES|SHLVL|DEFAULT_ENV|DRY_RUN|JSON|USE_ONLY_TAR_BZ2|DISALLOWED_PACKAGES|TRACK_FEATURES"
    r"|ADD_PIP_AS_PYTHON_DEPENDENCY|WHITELIST_CHANNELS|ALLOWLIST_CHANNELS|REPORT_ERRORS|REPODATA_USE_SHARDS)"
    r"|PYTHON(PATH|HOME|SAFEPATH|STARTUP|INSPECT|WARNINGS)"
)


@dataclass(frozen=True, slots=True)
class Call:
    """The private folder of one call, and the folder of conda's indexes (no package is downloaded into it)."""

    folder: Path
    index_dir: Path

    @property
    def condarc(self) -> Path:
        """The configuration of conda; it may hold credentials."""
        return self.folder / "condarc"

    @property
    def request_channel(self) -> Path:
        """The channel of the request record."""
        return self.folder / "request"

    @property
    def prefix(self) -> Path:
        """A prefix that is never created."""
        return self.folder / "envs" / "none"


def write_condarc(
    call: Call, access: ChannelAccess, platforms: Sequence[str], *, priority: str = "strict", request: bool = False
) -> None:
    """Write the configuration of one call, with the request channel first if there is a `request`.

    Credentials go only into this file (mode 0600 in a folder of mode 0700), since arguments and variables show in
    process lists.
    """
    policy = access.policy
    urls = [channel.secret_url for channel in access.channels]
    if request:
        urls.insert(0, "file://" + quote(str(call.request_channel)))
    decided: dict[str, object] = {
        "channels": urls,
        "channel_priority": priority,
        "subdir": platforms[0],
        "subdirs": list(platforms),
        "pkgs_dirs": [str(call.index_dir)],
        "envs_dirs": [str(call.prefix.parent)],
        "repodata_fns": ["repodata.json"],
        "offline": policy.offline,
        "remote_max_retries": policy.retries,
        "remote_read_timeout_secs": policy.stall_s,
        "remote_connect_timeout_secs": policy.connect_s,
        "local_repodata_ttl": 1 if policy.use_index_cache else 0,
        "pinned_packages": [],
        "create_default_packages": [],
        "aggressive_update_packages": [],
        "disallowed_packages": [],
        "track_features": [],
        "allowlist_channels": [],
        "add_pip_as_python_dependency": False,  # CEP 34 leaves it to the records
        "use_only_tar_bz2": False,
        "notify_outdated_conda": False,
        "number_channel_notices": 0,
        "report_errors": False,
    }
    # JSON is YAML. conda's marks are comments at the end of a line; for a list, on the line of its key.
    lines = []
    for key, value in decided.items():
        if isinstance(value, list) and value:
            lines += [f"{key}:  #!final", *(f"  - {json.dumps(item)}" for item in value)]
        else:
            lines.append(f"{key}: {json.dumps(value)}  #!final")
    descriptor = os.open(call.condarc, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def roots(task: SolveTask) -> tuple[str, ...]:
    """Return the specs for the command line, one for each name: conda cannot merge two build patterns of a name."""
    pins = {pin.spec for pin in task.pins}
    chosen: dict[str, str] = {}
    for spec in sorted(task.specs, key=pins.__contains__):
        chosen.setdefault(parse_match_spec(spec).name, spec)
    return tuple(spec for spec in task.specs if spec in chosen.values())


def request_records(task: SolveTask) -> dict[str, dict[str, object]]:
    """Return the request channel's ``noarch`` records by file name.

    They depend on specs that the command line cannot express (a second one for a name) and carry the constraints, which
    a solver obeys for packages it takes. For several specs of a name in one record, conda's classic solver keeps a
    merged one or the last, so each record has one spec for a name, and the first record depends on the others.

    The virtual packages of the target are records too, and dependencies of the first: conda does not know them all, and
    libmamba before 2.9 obeys a ``constrains: __cuda`` only where ``__cuda`` was requested.
    """
    named = roots(task)
    virtual = [package for package in task.virtual_packages if package.name not in _OF_PLATFORM]
    layers: list[dict[str, tuple[str, str]]] = [{}]
    for kind, specs in (
        ("depends", [package.name for package in virtual]),
        ("depends", [spec for spec in task.specs if spec not in named]),
        ("constrains", task.constraints),
    ):
        for spec in specs:
            name = parse_match_spec(spec).name
            layer = next((layer for layer in layers if name not in layer), None)
            if layer is None:
                layers.append(layer := {})
            layer[name] = (kind, spec)
    names = [REQUEST_NAME, *(f"{REQUEST_NAME}-{number}" for number in range(1, len(layers)))]
    records = [_record(package.name, package.version, package.build) for package in virtual]
    for name, layer in zip(names, layers, strict=True):
        depends = [spec for kind, spec in layer.values() if kind == "depends"]
        constrains = [spec for kind, spec in layer.values() if kind == "constrains"]
        more = names[1:] if name == REQUEST_NAME else []
        records.append(_record(name, "1", "0", depends=[*depends, *more], constrains=constrains))
    return {f"{r['name']}-{r['version']}-{r['build']}.conda": r for r in records}


def _record(name: str, version: str, build: str, **lists: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "version": version,
        "build": build,
        "build_number": 0,
        "depends": [],
        "constrains": [],
        "subdir": "noarch",
        "noarch": "generic",
        "size": 0,
        "md5": "0" * 32,
        "sha256": "0" * 64,
        **lists,
    }


def write_request(call: Call, task: SolveTask) -> None:
    """Write the request channel."""
    for subdir in dict.fromkeys((*task.platforms, "noarch")):
        folder = call.request_channel / subdir
        folder.mkdir(parents=True)
        records = request_records(task) if subdir == "noarch" else {}
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": records, "repodata_version": 1}
        (folder / "repodata.json").write_text(json.dumps(index), encoding="utf-8")


def child_variables(call: Call, env: Mapping[str, str]) -> dict[str, str]:
    """Return conda's variables: those of this process, less those that the task or conda itself decides.

    A condarc named by ``CONDARC`` is kept: conda reads it last but one.
    """
    variables = {name: value for name, value in env.items() if not _TASK_VARIABLES.fullmatch(name)}
    named = env.get("CONDARC")
    if named and Path(named).is_file():
        (call.folder / ".condarc").symlink_to(Path(named).absolute())
        variables["CONDA_PREFIX"] = str(call.folder)  # conda reads $CONDA_PREFIX/.condarc before $CONDARC
    variables["CONDARC"] = str(call.condarc)
    variables.update({f"CONDA_OVERRIDE_{name}": "" for name in _DETECTED})
    return variables
