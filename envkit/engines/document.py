"""Fetch one document over HTTP."""

from __future__ import annotations

import base64
import http.client
import time
import urllib.error
import urllib.request
from typing import IO
from urllib.parse import unquote, urlsplit

import envkit
from envkit.engines.watch import Pace
from envkit.errors import ChannelError, RecipeError, UsageError
from envkit.models.channel import redact
from envkit.models.network import NetworkPolicy
from envkit.models.pip import Address, parse_address

_CHUNK_BYTES = 1 << 16


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but not from https to http, and to another host without the password."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        """See `urllib.request.HTTPRedirectHandler`."""
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme not in {"http", "https"} or (old.scheme == "https" and new.scheme != "https"):
            raise urllib.error.HTTPError(req.full_url, code, "it redirects to a place without encryption", headers, fp)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and (old.scheme, old.netloc) != (new.scheme, new.netloc):
            request.remove_header("Authorization")
        return request


def fetch_document(url: str, policy: NetworkPolicy, *, most_bytes: int) -> tuple[bytes, str]:
    """Return the content of a URL, one byte more than `most_bytes` at most, and its host and path as its name.

    Credentials in the URL are sent in a header, and are in no message.

    Raises:
        UsageError: ``--offline`` forbids it, or it is no URL.
        ChannelError: It cannot be reached.
        RecipeError: There is no such document.
    """
    try:
        address = parse_address(url)
    except ValueError as error:
        raise UsageError(f"-f: a URL that cannot be used: {error}", hint="Write it as https://HOST/FILE.") from None
    if not urlsplit(address.url).hostname:
        raise UsageError("-f: a URL without a host cannot be used", hint="Write it as https://HOST/FILE.")
    # A query may hold a signature.
    shown = redact(address.url).partition("?")[0].partition("://")[2]
    if policy.offline:
        raise UsageError(f"{shown} is on the network, and --offline forbids to use it", hint="Download it before.")
    opener = urllib.request.build_opener(_Redirects)
    try:
        with opener.open(_request(address), timeout=policy.stall_s) as answer:
            return _read(answer, most_bytes + 1, policy), shown
    except urllib.error.HTTPError as error:
        what = f"{shown} cannot be read: {error.code} {error.msg}"
        if error.code in {404, 410}:
            raise RecipeError(what, hint="Check the URL after -f.") from None
        raise ChannelError(what, hint="Check the URL after -f, and whether it needs a login.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ChannelError(
            f"{shown} cannot be read: {redact(str(reason), address.secrets)}", hint="Check the network and the URL."
        ) from None


def _read(answer: http.client.HTTPResponse, most_bytes: int, policy: NetworkPolicy) -> bytes:
    data = bytearray()
    pace = Pace(policy.stall_s, time.monotonic())
    while len(data) < most_bytes and (more := answer.read1(min(_CHUNK_BYTES, most_bytes - len(data)))):
        data += more
        if pace.is_stalled(time.monotonic(), len(data)):
            raise TimeoutError(f"it sent next to nothing for {policy.stall_s:.0f} s")
    return bytes(data)


def _request(address: Address) -> urllib.request.Request:
    headers = {"User-Agent": f"envkit/{envkit.__version__}"}
    if address.userinfo:
        token = base64.b64encode(unquote(address.userinfo).encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    return urllib.request.Request(address.url, headers=headers)  # noqa: S310 - http and https only
