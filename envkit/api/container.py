"""doctor --container: what the engine gave to this container, or what a machine gives to one."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from envkit.api.choose import channels_for
from envkit.api.session import Session
from envkit.checks.container import container_findings
from envkit.checks.driver_probe import check_driver
from envkit.engines.answers import ask_channel_servers
from envkit.host.inside import read_container_facts
from envkit.models.care import Checkup, Subject
from envkit.probe import run_driver_probe
from envkit.values import replace

_PROBE_S = 20.0


def check_container(session: Session) -> Checkup:
    """Check GPUs, ports, the volume's mount and owners, shared memory, clock, certificates, channels and space."""
    began = time.monotonic()
    facts = read_container_facts(session.volume.root, os.environ)
    if not session.policy.offline:
        channels, _ = channels_for([], explicit=(), override=False, settings=session.settings)
        facts = replace(facts, answers=ask_channel_servers([channel.url for channel in channels], session.policy))
    probed = []
    if facts.gpus.libcuda and (facts.gpus.nodes or session.host.gpus):
        probed = check_driver(run_driver_probe(Path(sys.executable), env=os.environ, timeout_s=_PROBE_S))
    subject = Subject(facts.kind or "no container", str(session.volume.root), tuple(container_findings(facts, probed)))
    return Checkup((subject,), full=False, seconds=round(time.monotonic() - began, 3))
