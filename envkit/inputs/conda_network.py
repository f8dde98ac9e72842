"""Proxies, certificates and limits in conda's configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping

from envkit.errors import SettingsError
from envkit.inputs.conda_config import CondaConfig
from envkit.models.channel import redact
from envkit.models.network import NetworkPolicy
from envkit.paths import volume_path


def read_network(conda: CondaConfig, env: Mapping[str, str], notes: list[str]) -> NetworkPolicy:
    """Return how the network may be used; add to `notes` what is not obeyed."""
    plain = NetworkPolicy()
    proxies = {str(scheme).lower(): str(url) for scheme, url in conda.map("proxy_servers").items() if url}
    for scheme in sorted(proxies.keys() - {"http", "https", "all"}):
        del proxies[scheme]
        notes.append(
            f"proxy_servers of {conda.origins['proxy_servers']}: {redact(scheme)} is not obeyed, only http, "
            "https and all are"
        )
    verify, ca = _certificates(conda, env)
    return NetworkPolicy(
        offline=conda.switch("offline"),
        retries=int(conda.number("remote_max_retries", plain.retries)),
        backoff_s=conda.number("remote_backoff_factor", plain.backoff_s),
        stall_s=conda.number("remote_read_timeout_secs", plain.stall_s),
        connect_s=conda.number("remote_connect_timeout_secs", plain.connect_s),
        proxies=tuple(sorted(proxies.items())),
        verify=verify,
        ca=ca,
    )


def _certificates(conda: CondaConfig, env: Mapping[str, str]) -> tuple[bool, str | None]:
    """Return whether certificates are checked, and which are trusted in place of the system's.

    A path in ``ssl_verify`` comes first; then ``SSL_CERT_FILE`` (py-rattler), and requests' own variables.
    """
    value = conda.text("ssl_verify")
    if value is not None and value.lower() not in {"true", "truststore", "yes", "on", "1"}:
        if value.lower() in {"false", "no", "off", "0"}:
            return False, None
        path = volume_path(value, env)
        if not os.path.exists(path):
            raise SettingsError(
                f"ssl_verify in {conda.origins['ssl_verify']} names {value}, which is not there",
                hint="Give it true, false, truststore, or the path of a file or folder of certificates.",
            )
        return True, f"{path}/" if os.path.isdir(path) else path
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if env.get(name):
            return True, None
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = env.get(name, "")
        if os.path.exists(path):
            return True, f"{path}/" if os.path.isdir(path) else path
    return True, None
