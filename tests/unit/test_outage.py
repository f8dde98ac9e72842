"""Hosts that cannot be reached: the words for it, and how long it is remembered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envkit.engines.outage import MEMORY_S, describe_outage, recall_outage, remember_outage

URL = "https://conda.example/t/conda-forge"
SENDING = "Request failed after 3 retries Caused by: error sending request for url (https://conda.example/timeout/x) "


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("Caused by: dns error Caused by: failed to lookup address information: Name or service not known", "resolved"),
        ("Caused by: tcp connect error Caused by: Connection refused (os error 111)", "refuses the connection"),
        ("Caused by: tcp connect error Caused by: Network is unreachable (os error 101)", "cannot be reached"),
        ("Caused by: tcp connect error Caused by: Connection timed out (os error 110)", "in time"),
        ("Caused by: operation timed out", "in time"),
        ("Caused by: tunnel error: unsuccessful", "proxy"),
        ("Caused by: invalid peer certificate: UnknownIssuer", "is not trusted"),
        (
            "Caused by: invalid peer certificate: certificate expired: verification time 1795675883 (UNIX), but",
            "expired",
        ),
        (
            "Caused by: invalid peer certificate: certificate not valid yet: verification time 1795675876",
            "not valid yet",
        ),
        ("Caused by: Connection reset by peer (os error 104)", "breaks the connection off"),
    ],
)
def test_a_chain_of_causes_in_a_few_words(end: str, words: str) -> None:
    said = describe_outage(SENDING + end, URL)
    assert said is not None
    assert words in said
    assert "conda.example" in said
    assert len(said) < 70


@pytest.mark.parametrize(
    "text",
    [
        "HTTP status client error (404 Not Found) for url (https://conda.example/x/noarch/repodata.json)",
        "HTTP status server error (504 Gateway Timeout) for url (https://conda.example/x/noarch/repodata.json)",
        "failed to parse https://conda.example/timeout/certificate/repodata.json Caused by: EOF while parsing",
    ],
)
def test_a_host_that_answers_is_not_unreachable(text: str) -> None:
    assert describe_outage(text, URL) is None


def test_paths_have_no_host() -> None:
    assert describe_outage("Connection refused", "file:///srv/channel") is None


def test_an_outage_is_of_the_host_and_is_forgotten(tmp_path: Path) -> None:
    assert recall_outage(tmp_path, [URL]) is None
    remember_outage(tmp_path, "https://conda.example/nvidia", "refuses")
    kept = recall_outage(tmp_path, ["https://other.example/x", URL])
    assert kept is not None
    assert (kept.cause, kept.age_s < 10) == ("refuses", True)
    assert recall_outage(tmp_path, ["https://conda.example:8443/nvidia"]) is None
    (file,) = (tmp_path / "unreachable").iterdir()
    for moved in (-MEMORY_S - 1, 3600):  # long ago; and a clock that was set back
        os.utime(file, (file.stat().st_atime, file.stat().st_mtime + moved))
        assert recall_outage(tmp_path, [URL]) is None
        os.utime(file)


def test_a_cache_that_cannot_be_written_costs_the_memory_alone(tmp_path: Path) -> None:
    (tmp_path / "unreachable").write_text("a file in the way")
    remember_outage(tmp_path, URL, "refuses")
    assert recall_outage(tmp_path, [URL]) is None
