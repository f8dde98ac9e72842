"""Ask the servers of channels whether their certificates are valid by this clock, and what time it is there."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import envkit
from envkit.engines.network import proxy_for
from envkit.models.container import AnswerProblem, ChannelAnswer
from envkit.models.network import NetworkPolicy
from envkit.values import replace

_LIMIT_S = 5.0
_PROBLEMS: dict[int, AnswerProblem] = {9: "early", 10: "late"}  # X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED


def ask_channel_servers(urls: Sequence[str], policy: NetworkPolicy) -> tuple[ChannelAnswer, ...]:
    """Ask each server of these URLs once, all at the same time, for five seconds; nothing secret is sent."""
    places = dict.fromkeys(urlsplit(url)._replace(path="/", query="", fragment="").geturl() for url in urls)
    found = {place: _unreached(place, "no answer in time") for place in places if place.startswith("http")}
    threads = [threading.Thread(target=_ask, args=(place, policy, found), daemon=True) for place in found]
    deadline = time.monotonic() + _LIMIT_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return tuple(found.copy().values())


def _unreached(place: str, error: str) -> ChannelAnswer:
    return ChannelAnswer(urlsplit(place).netloc, "unreached", error)


def _ask(place: str, policy: NetworkPolicy, found: dict[str, ChannelAnswer]) -> None:
    host = urlsplit(place).netloc
    try:
        found[place] = ChannelAnswer(host, None, ahead_s=_ahead_s(place, policy, _context(policy)))
    except ssl.SSLCertVerificationError as error:
        problem = _PROBLEMS.get(error.verify_code, "untrusted")
        ahead_s = None
        if problem != "untrusted":  # which of the two clocks is wrong? It may tell its time to anybody
            with suppress(OSError, http.client.HTTPException):
                ahead_s = _ahead_s(place, policy, _context(replace(policy, verify=False)))
        found[place] = ChannelAnswer(host, problem, error.verify_message, ahead_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        proxy = proxy_for(policy, place, os.environ)
        by = f" (proxy {proxy})" if proxy else ""
        found[place] = _unreached(place, f"{str(error) or type(error).__name__}{by}")


def _context(policy: NetworkPolicy) -> ssl.SSLContext:
    """Trust what the engines trust: the authorities that a policy names, else those of SSL_CERT_FILE or the system."""
    ca = policy.ca or ""
    folder = ca.endswith("/")
    context = ssl.create_default_context(cafile=ca if ca and not folder else None, capath=ca if folder else None)
    if not policy.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _ahead_s(place: str, policy: NetworkPolicy, context: ssl.SSLContext) -> float | None:
    """Return by how many seconds a server's clock is ahead of this one; None where it does not tell its time.

    Raises:
        OSError, HTTPException: It does not answer; a certificate that is not accepted is an OSError.
    """
    parts = urlsplit(place)
    proxy = proxy_for(policy, place, os.environ)
    target = "/"
    if parts.scheme == "http":
        connection = http.client.HTTPConnection(proxy or parts.netloc, timeout=_LIMIT_S)
        target = place if proxy else target
    else:
        connection = http.client.HTTPSConnection(proxy or parts.netloc, timeout=_LIMIT_S, context=context)
        if proxy:
            connection.set_tunnel(parts.netloc)
    try:
        headers = {"User-Agent": f"envkit/{envkit.__version__}", "Cache-Control": "no-cache"}
        connection.request("HEAD", target, headers=headers)
        said = connection.getresponse().headers
    finally:
        connection.close()
    try:
        then = parsedate_to_datetime(said["Date"]).timestamp() + float(said.get("Age") or 0)  # of a cache (RFC 9111)
    except (TypeError, ValueError):
        return None
    return then - time.time()
