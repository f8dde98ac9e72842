"""Warn, in one line, when an environment is used on a host where it was not validated."""

from __future__ import annotations

from envkit.client.volume import read_validations, validation_among
from envkit.paths import split_generation


def standing_note(prefix: str, name: str | None) -> str | None:
    """Return the warning for a generation; None if it passed on a host like this one, or was never validated.

    Takes a millisecond or two: reads files and does not ask the driver.
    """
    found = split_generation(prefix)
    if found is None:
        return None
    root, generation = found
    known = read_validations(root, generation)
    if not known:
        return None
    from envkit.host.fingerprint import fingerprint_now

    token, fingerprint = fingerprint_now()
    here = validation_among(known, token=token, fingerprint=fingerprint)
    called = name or prefix
    if here is None:
        last = known[0]
        host = last.get("host") or {}
        gpus = sorted({str(gpu.get("name")) for gpu in host.get("gpus") or ()})
        machine = ", ".join([f"driver {host['driver_version']}" if host.get("driver_version") else "no driver", *gpus])
        return (
            f"{called} was not validated on a host like this one, last elsewhere ({machine}: {last.get('verdict')}); "
            f"envkit validate {called}"
        )
    if here.get("verdict") != "fail":
        return None
    failed = [str(f.get("text")) for f in here.get("findings") or () if f.get("status") == "fail"]
    return f"{called} failed its last validation on this host: {failed[0] if failed else 'see envkit show'}"
