"""`run` says in one line when the environment was validated elsewhere only, or failed here; else it says nothing."""

from __future__ import annotations

import json
from pathlib import Path

from harness import Envkit


def test_run_tells_where_it_was_validated(envkit: Envkit, tmp_path: Path) -> None:
    prefix = tmp_path / "envs" / ".envkit" / "g" / "train-0123abcd"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "conda-meta").mkdir()
    (prefix / ".envkit.json").write_text(json.dumps({"schema_version": 1, "name": "train", "request": {}}))
    (tmp_path / "envs" / "train").symlink_to(prefix)
    run = ("run", "--persist", tmp_path / "envs", "train", "--", "true")
    assert envkit(*run).err == ""  # never validated: nobody asked for it

    folder = tmp_path / "envs" / ".envkit" / "validations" / prefix.name
    folder.mkdir(parents=True)
    elsewhere = {
        "schema_version": 1,
        "generation": prefix.name,
        "fingerprint": "000000000000",
        "verdict": "pass",
        "created": "2026-01-01T00:00:00+00:00",
        "host": {"driver_version": "550.54.14", "gpus": [{"name": "NVIDIA H100"}]},
    }
    (folder / "000000000000.json").write_text(json.dumps(elsewhere))
    told = envkit(*run)
    assert told.code == 0
    assert told.err == (
        "envkit: train was not validated on a host like this one, last elsewhere "
        "(driver 550.54.14, NVIDIA H100: pass); envkit validate train\n"
    )

    fingerprint = envkit("detect", "--json").json["facts"]["fingerprint"]
    here = {**elsewhere, "fingerprint": fingerprint, "created": "2026-01-02T00:00:00+00:00"}
    (folder / f"{fingerprint}.json").write_text(json.dumps(here))
    assert envkit(*run).err == ""
    failed = {**here, "verdict": "fail", "findings": [{"status": "fail", "text": "numpy does not import"}]}
    (folder / f"{fingerprint}.json").write_text(json.dumps(failed))
    assert envkit(*run).err == "envkit: train failed its last validation on this host: numpy does not import\n"
