"""The host as JSON."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envkit.errors import SettingsError
from envkit.host.wire import host_from_json, host_to_json
from envkit.models.host import Gpu, Host
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion

numbers = st.integers(0, 9999)
texts = st.text(max_size=20)
maybe_text = st.none() | texts
gpus = st.builds(
    Gpu,
    name=maybe_text,
    compute_capability=st.none() | st.builds(ComputeCapability, st.integers(0, 99), st.integers(0, 9)),
    memory_bytes=st.none() | st.integers(0, 1 << 60),
    uuid=maybe_text,
    mig=st.booleans(),
    tegra=st.booleans(),
)
hosts = st.builds(
    Host,
    subdir=texts,
    glibc=maybe_text,
    microarch=maybe_text,
    osx=maybe_text,
    driver_version=st.none() | st.builds(DriverVersion, st.lists(numbers, min_size=1, max_size=4).map(tuple)),
    driver_cuda=st.none() | st.builds(CudaVersion, numbers, numbers),
    gpus=st.lists(gpus, max_size=3).map(tuple),
    compat=st.booleans(),
    toolkits=st.dictionaries(texts, texts, max_size=3),
    container=maybe_text,
    wsl=st.booleans(),
    jetson=maybe_text,
    mps=st.booleans(),
    nvidia_traces=st.lists(texts, max_size=3).map(tuple),
    overridden=st.frozensets(texts, max_size=3),
    sources=st.dictionaries(texts, texts, max_size=3),
    notes=st.lists(texts, max_size=3).map(tuple),
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(hosts)
def test_writing_and_reading_are_inverse(host: Host) -> None:
    data = json.loads(json.dumps(host_to_json(host)))
    assert host_from_json(data) == host
    assert host_from_json({"schema_version": 1, "facts": data}) == host
    assert data["fingerprint"] == host.fingerprint


@given(hosts, st.data())
def test_junk_anywhere_is_read_or_refused(host: Host, data: st.DataObject) -> None:
    facts = host_to_json(host)
    facts[data.draw(st.sampled_from(sorted(facts)))] = data.draw(junk)
    with contextlib.suppress(SettingsError):
        assert isinstance(host_from_json(facts), Host)


@given(junk)
def test_any_junk_is_refused(value: object) -> None:
    with pytest.raises(SettingsError):
        host_from_json(value)


def test_the_members_of_facts() -> None:
    assert list(host_to_json(Host("linux-64"))) == [
        "subdir",
        "glibc",
        "microarch",
        "osx",
        "driver_version",
        "driver_cuda",
        "gpus",
        "compat",
        "toolkits",
        "container",
        "wsl",
        "jetson",
        "mps",
        "nvidia_traces",
        "overridden",
        "fingerprint",
        "sources",
        "notes",
    ]


def test_a_host_that_a_person_wrote() -> None:
    host = host_from_json(
        {"subdir": "linux-64", "driver_version": "550.54.14", "driver_cuda": "12.4", "gpus": [{"name": "NVIDIA L4"}]}
    )
    assert host.driver_cuda == CudaVersion(12, 4)
    assert host.gpus == (Gpu("NVIDIA L4", None),)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"gpus": [{}, {"name": 7}]}, r"hosts\.json\[2\]\.facts\.gpus\[1\]\.name: expected text, found 7"),
        (
            {"gpus": [{"compute_capability": 9.0}]},
            r"facts\.gpus\[0\]\.compute_capability: expected a compute capability",
        ),
        ({"gpus": [{"memory_bytes": True}]}, r"facts\.gpus\[0\]\.memory_bytes: expected a whole number"),
        ({"gpus": {}}, r"facts\.gpus: expected a list"),
        ({"gpus": [None]}, r"facts\.gpus\[0\]: expected an object"),
        ({"driver_cuda": "12.x"}, r"facts\.driver_cuda: expected a CUDA version"),
        ({"driver_version": 550}, r"facts\.driver_version: expected a driver version"),
        ({"notes": ["a", 1]}, r"facts\.notes\[1\]: expected text"),
        ({"toolkits": {"/a": None}}, r"facts\.toolkits: expected an object of texts"),
        ({"wsl": "no"}, r"facts\.wsl: expected true or false"),
        ({"subdir": None}, r"facts\.subdir: expected text"),
    ],
)
def test_a_bad_member_is_named_with_its_path(change: dict[str, object], path: str) -> None:
    with pytest.raises(SettingsError, match=path):
        host_from_json({"schema_version": 1, "facts": {"subdir": "linux-64", **change}}, where="hosts.json[2]")


def test_another_schema_is_refused() -> None:
    with pytest.raises(SettingsError, match="schema_version"):
        host_from_json({"schema_version": 2, "facts": {"subdir": "linux-64"}})
    with pytest.raises(SettingsError, match="subdir"):
        host_from_json({})
