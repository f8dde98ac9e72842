"""What envkit writes into a prefix never goes through a link: not into the cache, not into another environment."""

from __future__ import annotations

import json
from pathlib import Path

from channels import Package, write_channel
from harness import Envkit

OWN = b"[externally-managed]\nError=my own words\n"
PACKAGES = [
    Package("marked", files={"lib/python3.11/os.py": b"", "lib/python3.11/EXTERNALLY-MANAGED": OWN}),
    Package("unmarked", files={"lib/python3.11/os.py": b""}),
    Package("detour", files={"share/records": "../conda-meta"}),
    Package("through", depends=["detour"], files={"share/records/frozen": b"mine", "share/records/history": b"mine"}),
]


def cached(volume: Path, name: str) -> dict[str, bytes]:
    (folder,) = (volume / ".envkit" / "pkgs").glob(f"*/{name}-1.0-0")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_mark_of_a_package_stays(envkit: Envkit, tmp_path: Path) -> None:
    volume, channel = tmp_path / "envs", write_channel(tmp_path / "channel", PACKAGES)
    made = envkit("create", "marked", "--persist", volume, "-c", channel, "--override-channels", "--no-validate")
    assert made.code == 0, made.err
    assert cached(volume, "marked")["lib/python3.11/EXTERNALLY-MANAGED"] == OWN
    assert (volume / "marked" / "lib/python3.11/EXTERNALLY-MANAGED").read_bytes() == OWN
    checked = envkit("doctor", "marked", "--persist", volume, "--full")
    assert checked.code == 0
    assert "2 files are as they were installed (by sha256)" in " ".join(checked.out.split())


def test_the_marks_name_what_changes_an_environment(envkit: Envkit, tmp_path: Path) -> None:
    volume, channel = tmp_path / "envs", write_channel(tmp_path / "channel", PACKAGES)
    made = envkit("create", "unmarked", "--persist", volume, "-c", channel, "--override-channels", "--no-validate")
    assert made.code == 0, made.err
    prefix = volume / "unmarked"
    message = json.loads((prefix / "conda-meta" / "frozen").read_text())["message"]
    assert "envkit install -n NAME" in message
    marker = prefix / "lib/python3.11/EXTERNALLY-MANAGED"
    assert marker.read_text() == f"[externally-managed]\nError={message}\n"
    assert marker.stat().st_mode & 0o777 == 0o644


def test_records_written_by_a_detour_do_not_reach_the_cache(envkit: Envkit, tmp_path: Path) -> None:
    volume, channel = tmp_path / "envs", write_channel(tmp_path / "channel", PACKAGES)
    made = envkit("create", "through", "--persist", volume, "-c", channel, "--override-channels", "--no-validate")
    assert "Traceback" not in made.err
    assert cached(volume, "through")["share/records/frozen"] == b"mine"
    assert cached(volume, "through")["share/records/history"] == b"mine"
    if made.code == 0:
        assert b"mine" not in (volume / "through" / "conda-meta" / "frozen").read_bytes()
