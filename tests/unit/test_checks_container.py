"""What is said of a container: each fault with its code, sentence and cure; the boundaries between them."""

from __future__ import annotations

from typing import Any

import pytest

from envkit.checks.container import container_findings
from envkit.models.codes import driver
from envkit.models.container import Certificates, ChannelAnswer, ContainerFacts, GpuAccess, PortUse
from envkit.models.fact import Fact
from envkit.models.report import Finding
from envkit.values import replace
from envkit.words.cures import cure
from envkit.words.say import say

GIVEN = GpuAccess("570.86.10", ("/dev/nvidia0",), libcuda=True, visible="all", capabilities="compute,utility")
WELL = ContainerFacts(
    kind="docker",
    volume="/data/envs",
    mount_point="/data",
    mount_type="ext4",
    in_layer=False,
    uid=1000,
    owner=1000,
    free_bytes=100 << 30,
    free_inodes=1_000_000,
    shm_bytes=8 << 30,
    now=1_800_000_000.0,
    newest=1_800_000_000.0,
    gpus=GIVEN,
    ports=(PortUse("jupyter", 8888, "all", "python jupyter-lab"), PortUse("ssh", 2222, "all", None)),
    certificates=Certificates("/etc/ssl/certs/ca-certificates.crt", count=140, expired=1),
)


def _failed(code: str) -> list[Finding]:
    return [Finding("driver.init", "fail", Fact(getattr(driver, code)))]


@pytest.mark.parametrize(
    ("facts", "probed", "status", "code", "sentence", "hint"),
    [
        ({"gpus": GpuAccess("570.86.10", visible="all")}, [], "fail", "gpu-not-given", "570.86.10", "--gpus all"),
        ({"gpus": GpuAccess(visible="all")}, [], "warn", "gpu-not-given", "asks for a GPU", "Container Toolkit"),
        (
            *({"gpus": replace(GIVEN, libcuda=False, capabilities="utility")}, [], "fail", "gpu-without-library"),
            *("NVIDIA_DRIVER_CAPABILITIES is utility", "not by `--device`"),
        ),
        ({"gpus": replace(GIVEN, closed=GIVEN.nodes)}, [], "fail", "gpu-closed", "may not be opened", "daemon-reload"),
        (
            *({"gpus": GpuAccess("570.86.10", visible="void")}, [], "fail", "gpu-hidden"),
            *("NVIDIA_VISIBLE_DEVICES=void", "NVIDIA_VISIBLE_DEVICES=all"),
        ),
        ({}, _failed("FABRIC_MANAGER"), "fail", "gpu-fabric", "802", "nvidia-fabricmanager"),
        ({}, _failed("DRIVER_MISMATCH"), "fail", "gpu-mismatch", "803", "--force-recreate"),
        ({}, _failed("COMPAT_NOT_SUPPORTED"), "fail", "gpu-compat", "804", "cuda-compat out of the image"),
        (
            *({"ports": (PortUse("jupyter", 8888, "all", "python -m http.server"),)}, [], "fail", "port-taken"),
            *("taken by python -m http.server", "-p 8889:8888"),
        ),
        (
            *({"ports": (PortUse("ssh", 2222, "loopback", "sshd: listener"),)}, [], "fail", "port-loopback"),
            *("loopback only", "--ip="),
        ),
        ({"ports": (PortUse("ssh", 2222, "none"),)}, [], "warn", "port-silent", "nothing listens", "-p 2222:2222"),
        (
            *({"in_layer": True, "mount_type": "overlay"}, [], "fail", "volume-in-layer"),
            *("own root (overlay)", "-v data:/data/envs"),
        ),
        (
            *({"foreign": ("/data/envs/a",), "foreign_count": 7}, [], "fail", "files-of-root"),
            *("7 paths of /data/envs", "chown -R 1000 /data/envs"),
        ),
        ({"shm_bytes": 64 << 20}, [], "fail", "shared-memory-small", "67.1 MB", "--shm-size=8g"),
        ({"shm_bytes": 512 << 20}, [], "warn", "shared-memory-small", "MB", "--shm-size=8g"),
        ({"newest": 1_800_000_301.0}, [], "fail", "clock-behind", "5 minutes behind", "set-ntp"),
        (
            *({"certificates": Certificates("/x.pem", "SSL_CERT_FILE", problem="No such file or directory")}, []),
            *("fail", "certificates-missing", "/x.pem of SSL_CERT_FILE", "Mount the file that SSL_CERT_FILE names"),
        ),
        (
            *({"certificates": Certificates("/x.pem", count=140, expired=71)}, [], "fail", "certificates-expired"),
            *("71 of 140", "Set the host's clock"),
        ),
        ({"free_bytes": 100 << 20}, [], "fail", "space-short", "104.9 MB left", "envkit clean"),
        ({"free_bytes": 2 << 30}, [], "warn", "space-short", "2.1 GB left", "larger volume"),
        ({"free_inodes": 100}, [], "fail", "space-short", "100 inodes", "envkit clean"),
    ],
)
def test_each_fault(
    facts: dict[str, Any], probed: list[Finding], status: str, code: str, sentence: str, hint: str
) -> None:
    found = [f for f in container_findings(replace(WELL, **facts), probed) if f.status not in {"pass", "skip"}]
    assert [(finding.status, finding.code) for finding in found] == [(status, code)]
    assert sentence in say(found[0])
    assert hint in str(cure(found[0]))


@pytest.mark.parametrize(
    ("ahead_s", "status", "text"),
    [
        ((), "pass", "not behind"),
        ((299.0, None), "pass", "not behind"),
        ((-301.0,), "fail", "5 minutes ahead of that of h0"),
        ((90_000.0, 4000.0), "fail", "1 hour behind that of h1"),  # the one that is nearest has the better clock
        ((90_000.0, 3.0), "pass", "not behind"),  # it is that server's own
        ((None, 200_000.0), "fail", "2 days behind that of h1"),
    ],
)
def test_the_clock_against_those_of_channels(ahead_s: tuple[float | None, ...], status: str, text: str) -> None:
    answers = tuple(ChannelAnswer(f"h{n}", "late", ahead_s=one) for n, one in enumerate(ahead_s))
    found = container_findings(replace(WELL, answers=answers), [])
    [clock] = [finding for finding in found if finding.check == "clock"]
    assert clock.status == status
    assert text in say(clock)
    for finding in found:
        if finding.check.startswith("channel."):
            assert ("Set the clock" in str(cure(finding))) == (status == "fail")


def test_all_is_well() -> None:
    found = container_findings(WELL, [])
    assert {finding.status for finding in found} == {"pass"}
    assert [finding.check for finding in found] == [
        *("gpu", "port.jupyter", "port.ssh", "mount", "owner", "shm", "clock", "certificates", "space")
    ]
    assert say(found[0]) == "the GPU computes (/dev/nvidia0)"
    without = container_findings(replace(WELL, gpus=GpuAccess()), [])
    assert (without[0].status, say(without[0])) == ("skip", "nothing asks for a GPU, and there is none")


def test_another_failure_of_the_driver_is_told_as_it_is() -> None:
    probed = [Finding("driver.memory", "fail", Fact(driver.OUT_OF_MEMORY))]
    assert container_findings(WELL, probed)[0] is probed[0]
