"""Make many small environments on a volume within one process: VOLUME CHANNEL COUNT. Run as a script."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from envkit.api.create import CreateOptions, create_environment
from envkit.api.session import Session
from envkit.models.channel import parse_channel
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Inquiry, Request
from envkit.settings import load_settings


def fill_volume(volume: Path, channel: str, count: int) -> None:
    """Make environments e0 to e<count - 1> of the package `tiny`."""
    session = Session(load_settings(persist=volume))
    request = Request(("tiny",), cuda=CudaChoice("none"), channels=(channel,))
    inquiry = Inquiry(request, Target.from_host(session.host), {}, (parse_channel(channel),), override_channels=True)
    for number in range(count):
        create_environment(session, f"e{number}", inquiry, CreateOptions(proof="none"))


if __name__ == "__main__":
    fill_volume(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    sys.stdout.flush()
    os._exit(0)  # py-rattler now and then crashes when the interpreter takes it down
