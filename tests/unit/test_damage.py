"""Files of another size: damage, or certificates that a network added to those of a package."""

from __future__ import annotations

from pathlib import Path

import pytest
from pip._vendor import certifi

from envkit.checks.files import added_findings, files_findings, venv_findings
from envkit.layout.damage import distributions, find_wrong
from envkit.models.installed import InstalledPackage, Repair
from envkit.words.cures import cure
from envkit.words.say import say

_END = "-----END CERTIFICATE-----\n"
CERTIFICATES = [f"{text}{_END}" for text in Path(certifi.where()).read_text().split(_END)[:3]]
SHIPPED, LONGER = "".join(CERTIFICATES[:2]), "".join(CERTIFICATES)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (LONGER, [("warn", "certificates-added")]),
        (LONGER.replace("\n", "\r\n") + "# our own\r\n", [("warn", "certificates-added")]),
        ("".join(reversed(CERTIFICATES)), [("warn", "certificates-added")]),  # another file in its place
        (CERTIFICATES[0], [("fail", "files-damaged")]),
        (LONGER.replace("MII", "M!I"), [("fail", "files-damaged")]),
        (SHIPPED + CERTIFICATES[2][:-40], [("fail", "files-damaged")]),
        ("x" * 2 * len(SHIPPED), [("fail", "files-damaged")]),
    ],
)
def test_more_certificates_are_no_damage(tmp_path: Path, content: str, found: list[tuple[str, str]]) -> None:
    site = tmp_path / "lib/python3.12/site-packages"
    bundles = ("certifi/cacert.pem", "pip/_vendor/certifi/cacert.pem")
    for name in ("ssl/cacert.pem", *(f"lib/python3.12/site-packages/{bundle}" for bundle in bundles)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content, newline="")
    for bundle in bundles:
        info = site / f"{bundle.split('/')[0]}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Name: it\n")
        (info / "RECORD").write_text(f"{bundle},sha256=0,{len(SHIPPED)}\n")
    venv = venv_findings("/venv", "/usr/bin/python3", distributions(tmp_path, [], full=True), exists=True)
    [bad] = [finding for finding in venv if finding.status != "pass"]
    paths = (("ssl/cacert.pem", len(SHIPPED), False),)
    conda = InstalledPackage("ca-certificates", "2026.1.4", "0", (), None, paths)
    whole = files_findings(find_wrong(tmp_path, [conda], full=False), Repair("tool"), files=9, full=False)
    for said in ([bad], whole):
        assert [(f.status, f.code) for f in said if f.status != "pass"] == found
    if found[0][0] == "warn":
        assert say(bad) == "certificates were added to certifi/cacert.pem, pip/_vendor/certifi/cacert.pem"
        assert "SSL_CERT_FILE" in str(cure(bad))
        assert say(whole[0]).startswith("8 files are as they were installed")
    else:
        assert say(bad).startswith("2 files differ: certifi/cacert.pem (certifi) has ")


def test_only_trusted_certificates_may_grow(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(LONGER)
    package = InstalledPackage("it", "1.0", "0", (), None, (("key.pem", len(SHIPPED), False),))
    assert [item.fault for item in find_wrong(tmp_path, [package], full=False)] == ["size"]


def test_beside_packages_of_conda_they_are_told_too(tmp_path: Path) -> None:
    info = tmp_path / "lib/python3.12/site-packages/certifi-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: certifi\n")
    (info / "RECORD").write_text(f"certifi/cacert.pem,sha256=0,{len(SHIPPED)}\n")
    (info.parent / "certifi").mkdir()
    (info.parent / "certifi/cacert.pem").write_text(LONGER)
    codes = [f.code for f in added_findings(distributions(tmp_path, [], full=False), Repair("tool"), ours=False)]
    assert codes == ["added-by-hand", "certificates-added"]
