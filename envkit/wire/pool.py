"""Documents of pools: machines by builds, and the profiles that are made of them."""

from __future__ import annotations

from typing import Any

from envkit.models.pool import PoolMatrix, ProfileInfo
from envkit.wire.results import LIST_LIMIT, members, target_json


def profile_json(info: ProfileInfo) -> dict[str, Any]:
    """Return one profile of an environment: ``main`` is that of the link, ``here`` that of this machine."""
    return {
        **members(info, "name", "prefix"),
        "generation": info.prefix.rsplit("/", 1)[-1] if info.prefix else None,
        "main": info.is_main,
        "here": info.here,
        "packages": len(info.records),
        **members(info, "download_bytes"),
        "pick": info.pick.build.record.fn if info.pick else None,
        "tier": info.pick.tier.value if info.pick else None,
        "validated": info.validated,
        "machines": [{"names": list(kind.names), "target": target_json(kind.target)} for kind in info.kinds],
    }


def pool_json(matrix: PoolMatrix, *, limit: int | None = LIST_LIMIT) -> list[dict[str, Any]]:
    """Return machines by builds: each kind with the builds that are asked for there, and the one that is chosen.

    The chosen builds come first; `limit` is how many are listed.
    """
    return [
        {
            "names": list(row.kind.names),
            "target": target_json(row.kind.target),
            "pick": matrix.builds[row.pick].record.fn if row.pick is not None else None,
            "builds": [
                {
                    **members(matrix.builds[number].record, "fn", "channel"),
                    "tier": verdict.tier.value,
                    "code": verdict.code,
                }
                for number, verdict in [*row.verdicts.items()][:limit]
            ],
        }
        for row in matrix.rows
    ]
