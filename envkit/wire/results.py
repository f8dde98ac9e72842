"""Documents of builds, requests, targets, findings and environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from envkit.errors import EnvkitError
from envkit.models.build import ArchList, Record, Relative, Verdict
from envkit.models.codes.reasons import HIDDEN_BY_CHANNEL
from envkit.models.fact import Answer, Fact, Reason
from envkit.models.host import Gpu, Target
from envkit.models.listing import EnvironmentInfo, ProfileState, VolumeListing
from envkit.models.outcome import Outcome
from envkit.models.problem import Problem
from envkit.models.report import Finding, Recorded, Report
from envkit.models.request import Correction, Request
from envkit.models.results import (
    CreateResult,
    FindResult,
    Matrix,
    NameListing,
    ValidateResult,
)
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion
from envkit.words.say import say

SCHEMA_VERSION = 1
LIST_LIMIT = 20


def members(value: object, *names: str) -> dict[str, Any]:
    """Return attributes as members of a document, under their own names; tuples as lists."""
    found = {name: getattr(value, name) for name in names}
    return {name: list(member) if isinstance(member, tuple) else member for name, member in found.items()}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def error_json(error: EnvkitError) -> dict[str, Any]:
    """Return ``{"schema_version", "error": {"code", "message", "hint"}}`` with the error's members beside it.

    A request without a solution has ``problem``: a tree of ``{"kind", "text", "name", "spec", "versions", "builds",
    "children"}`` (`envkit.models.problem`).
    """
    beside = {k: problem_json(v) if isinstance(v, Problem) else v for k, v in error.members.items()}
    return {"schema_version": SCHEMA_VERSION, **beside, "error": members(error, "code", "message", "hint")}


def problem_json(problem: Problem) -> dict[str, Any]:
    """Return the tree of reasons of a request without a solution."""
    return {
        **members(problem, "kind", "text", "name", "spec", "versions", "builds"),
        "children": [problem_json(child) for child in problem.children],
    }


def build_json(verdict: Verdict) -> dict[str, Any]:
    """Return a record verbatim (CEP 36), with ``fn``, ``url``, ``channel`` and the verdict under ``envkit``."""
    build = verdict.build
    record = build.record
    return {
        **record.raw,
        **members(record, "fn", "url", "channel"),
        "envkit": {
            **members(build, "framework", "variant"),
            "build_cuda": _text(build.build_cuda),
            **members(build, "cuda_major_only", "python"),
            "tier": verdict.tier.value,
            "runs": verdict.tier.runs,
            "reasons": reasons_json(verdict.reasons),
            "sass": sorted(str(cc) for cc in build.arch.sass) if build.arch else None,
            "ptx": sorted(str(cc) for cc in build.arch.ptx) if build.arch else None,
            "gpu_code": _gpu_code(build.arch) if build.arch else None,
            "conflicts": [say(conflict) for conflict in build.conflicts],
            **_hidden_by(verdict),
        },
    }


def _gpu_code(arch: ArchList) -> dict[str, Any]:
    """Return how an arch list is known; with it, the builds that an inferred one was taken from."""
    relative = relative_json(arch.relative) if arch.relative is not None else None
    return {**members(arch, "origin", "source"), "relative": relative}


def relative_json(relative: Relative) -> dict[str, Any]:
    """Return builds that an arch list was inferred from."""
    return {**members(relative, "name", "versions", "channel", "origin"), "cuda": str(relative.cuda)}


def _hidden_by(verdict: Verdict) -> dict[str, str]:
    """Return the channel that hides a build; empty for all others."""
    reason = verdict.decisive
    if reason is None or reason.code != HIDDEN_BY_CHANNEL:
        return {}
    return {"hidden_by": str(reason.params["channel"])}


def request_json(request: Request) -> dict[str, Any]:
    """Return the document of a request."""
    cuda = {"cuda": str(request.cuda)}
    return {**members(request, "specs"), **cuda, **members(request, "python", "prefer", "channels")}


def target_json(target: Target) -> dict[str, Any]:
    """Return the document of a target."""
    return {
        **members(target, "subdir", "glibc", "microarch", "osx"),
        **({"linux": target.linux} if target.linux else {}),
        **({"win": target.win} if target.win else {}),
        "driver_version": _text(target.driver_version),
        "driver_cuda": _text(target.driver_cuda),
        "gpus": [{"name": gpu.name, "compute_capability": _text(gpu.compute_capability)} for gpu in target.gpus],
        "mps": target.mps,
        "described": sorted(target.described),
    }


def target_from_json(document: dict[str, Any]) -> Target:
    """Read the target that `target_json` wrote, as far as a choice looks at it."""
    driver, ceiling = document.get("driver_version"), document.get("driver_cuda")
    gpus = tuple(
        Gpu(gpu.get("name"), ComputeCapability.parse(cc) if (cc := gpu.get("compute_capability")) else None)
        for gpu in document.get("gpus", ())
    )
    return Target(
        subdir=document["subdir"],
        glibc=document.get("glibc"),
        microarch=document.get("microarch"),
        osx=document.get("osx"),
        linux=document.get("linux"),
        win=document.get("win"),
        driver_version=DriverVersion.parse(driver) if driver else None,
        driver_cuda=CudaVersion.parse(ceiling) if ceiling else None,
        gpus=gpus,
        mps=bool(document.get("mps")),
        described=frozenset(document.get("described", ())),
    )


def reasons_json(reasons: Sequence[Reason]) -> list[dict[str, str]]:
    """Return reasons by code and text, as manifests keep them too."""
    return [{"code": reason.code, "text": say(reason)} for reason in reasons]


def lacking_json(lacking: Sequence[tuple[Record, Sequence[Reason]]]) -> list[dict[str, Any]]:
    """Return packages that hold no code for a GPU, as manifests keep them too."""
    return [{**members(record, "fn", "sha256"), "reasons": reasons_json(reasons)} for record, reasons in lacking]


def _answers(answers: Sequence[Answer]) -> list[dict[str, str]]:
    return [{"code": answer.topic, "text": say(answer.fact)} for answer in answers]


def correction_json(correction: Correction) -> dict[str, Any]:
    """Return a correction with the corrected request; ``cuda`` null leaves it."""
    told = {"code": correction.code, "text": say(correction.fact)}
    return {**told, **members(correction, "specs", "channels", "cuda")}


def matrix_json(matrix: Matrix) -> dict[str, Any]:
    """Return versions by CUDA: each cell with its best tier, that build's file and the number of builds."""
    return {
        "columns": list(matrix.columns),
        "rows": [
            {
                "version": version,
                "cells": {
                    column: {"tier": cell.tier.value, "fn": cell.best.build.record.fn, "builds": cell.number}
                    for column, cell in cells.items()
                },
            }
            for version, cells in matrix.rows
        ],
    }


def names_json(listing: NameListing) -> dict[str, Any]:
    """Return the document of ``find PATTERN --json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        **members(listing, "pattern", "channels", "total"),
        "packages": [members(package, "name", "version", "channel") for package in listing.packages],
    }


def find_json(
    result: FindResult, *, everything: bool = False, matrix: bool = False, fixed: Sequence[Correction] = ()
) -> dict[str, Any]:
    """Return the document of ``find --json``."""
    limit = None if everything else LIST_LIMIT
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "query": {**request_json(result.request), "channels": list(result.channels)},
        "target": target_json(result.target),
        "pick": result.pick.build.record.fn if result.pick else None,
        "total": len(result.builds),
        "builds": [build_json(verdict) for verdict in result.builds[:limit]],
        "nearest": [build_json(verdict) for verdict in result.nearest[:limit]],
        "advice": [say(advice) for advice in result.advice],
        "corrections": [correction_json(correction) for correction in result.corrections],
        "explanation": _answers(result.explanation),
        "source": result.source,
        "source_reason": result.source_reason or None,
    }
    if fixed:
        document["fixed"] = [correction_json(correction) for correction in fixed]
    if matrix:
        document["matrix"] = matrix_json(result.matrix)
    if result.table_date is not None:
        document["table_date"] = result.table_date
    if result.hosts:
        document["hosts"] = [{"name": name, "target": target_json(host)} for name, host in result.hosts.items()]
    if result.machines is not None:
        from envkit.wire.pool import pool_json

        document["machines"] = pool_json(result.machines, limit=limit)
    if isinstance(result.error, EnvkitError):
        document["error"] = members(result.error, "code", "message", "hint")
    return document


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return the document of a finding."""
    from envkit.words.cures import cure

    return {
        "check": finding.check,
        "status": finding.status,
        "blames": finding.blames,
        "code": finding.code,
        "text": say(finding),
        "hint": cure(finding),
        "data": {key: _plain(value) for key, value in finding.data.items()},
    }


def _plain(value: object) -> object:
    """Return a value of a finding's data, with sentences for facts."""
    if isinstance(value, Fact):
        return say(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def finding_from_json(document: Mapping[str, Any]) -> Finding:
    """Read a finding that an earlier run wrote: its words are kept, its facts are not."""
    about = {key: value for key, value in document.items() if key not in {"text", "hint"}}
    return Finding(**about, fact=Recorded(document["text"], document["hint"]))


def report_json(report: Report, host: dict[str, Any]) -> dict[str, Any]:
    """Return the document of ``validate --json``, and ``create --json`` under ``validation``."""
    return {
        "schema_version": SCHEMA_VERSION,
        **members(report, "verdict", "prefix", "fingerprint", "created", "seconds"),
        "host": host,
        "findings": [finding_json(finding) for finding in report.findings],
        "figures": [{"check": check, "name": name, "value": value} for check, name, value in report.figures],
        "on_gpu": report.on_gpu,
    }


def validate_json(result: ValidateResult, host: dict[str, Any]) -> dict[str, Any]:
    """Return the document of ``validate --json``."""
    return {**report_json(result.report, host), "environment": result.environment}


def create_json(result: CreateResult, host: dict[str, Any]) -> dict[str, Any]:
    """Return the document of ``create --json``."""
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "environment": result.environment,
        "generation": result.prefix.rsplit("/", 1)[-1] if result.prefix else None,
        **members(result, "prefix", "path", "reused"),
        "packages": [members(r, "name", "version", "build", "url", "sha256", "size") for r in result.records],
        **members(result, "download_bytes", "cached"),
        "pick": build_json(result.pick) if result.pick else None,
        "advice": [say(advice) for advice in result.advice],
        "corrections": [correction_json(correction) for correction in result.corrections],
        "explanation": _answers(result.explanation),
        **members(result, "skipped_link_scripts"),
        "validation": report_json(result.report, host) if result.report else None,
    }
    if result.pip:
        document["pip"] = [p.to_json() for p in result.pip]
    if result.fixed:
        document["fixed"] = [correction_json(correction) for correction in result.fixed]
    if result.passed_over:
        document["passed_over"] = lacking_json(result.passed_over)
    from envkit.wire.pool import pool_json, profile_json

    if result.profiles:
        document["profiles"] = [profile_json(info) for info in result.profiles]
    if result.machines is not None:
        document["machines"] = pool_json(result.machines)
    if result.dry_run:
        document["dry_run"] = True
    if result.kernel is not None:
        document["kernel"] = result.kernel
    if result.ports:
        document["ports"] = dict(result.ports)
    return document


def _environment(info: EnvironmentInfo) -> dict[str, Any]:
    validated = info.validated
    return {
        **members(info, "name", "path", "prefix"),
        "generation": info.prefix.rsplit("/", 1)[-1],
        **members(info, "packages", "size_bytes", "adds_bytes", "created", "problem"),
        "validated": {
            **members(validated, "verdict", "created", "fingerprint"),
            "driver_version": validated.host.get("driver_version"),
            "here": info.here,
        }
        if validated
        else None,
        "last_passed": _passed(info.passed) if info.passed else None,
        **({"profile": info.profile, "profiles": list(map(_state, info.profiles))} if info.profiles else {}),
    }


def _state(state: ProfileState) -> dict[str, Any]:
    return {
        **members(state.rule, "name", "subdir", "gpu", "glibc", "driver", "cuda", "capabilities", "machines"),
        "main": state.is_main,
        "here": state.here,
        **{key: value for key, value in _environment(state.info).items() if key not in {"name", "path"}},
    }


def _passed(outcome: Outcome) -> dict[str, Any]:
    return {
        "created": outcome.last_pass,
        "fingerprint": outcome.fingerprint,
        "driver_version": outcome.host.get("driver_version"),
        "gpus": outcome.gpus,
    }


def list_json(listings: Sequence[VolumeListing]) -> dict[str, Any]:
    """Return the document of ``list --json``; ``volumes`` where there are several."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "volume": listings[0].root,
        "size_bytes": sum(listing.size_bytes for listing in listings),
        "environments": [_environment(info) for listing in listings for info in listing.environments],
    }
    if len(listings) > 1:
        document["volumes"] = [listing.root for listing in listings]
    return document


def show_json(info: EnvironmentInfo) -> dict[str, Any]:
    """Return the document of ``show --json``."""
    manifest = info.manifest
    return {
        "schema_version": SCHEMA_VERSION,
        **_environment(info),
        "packages": [
            members(package, "name", "version", "build", "channel", "url", "size")
            for package in (manifest.packages if manifest else ())
        ],
        "pip": manifest.pip.to_json() if manifest and manifest.pip else None,
        "request": manifest.request.to_json() if manifest else None,
        "channels": list(manifest.channels) if manifest else [],
        "choice": manifest.choice if manifest else {},
        "digest": manifest.digest if manifest else None,
        "skipped_link_scripts": list(manifest.skipped_link_scripts) if manifest else [],
        "findings": list(info.validated.findings) if info.validated else [],
    }
