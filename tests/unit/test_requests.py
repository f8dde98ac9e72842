"""How a request is told apart from the one that the environment of its name was made from."""

from __future__ import annotations

from typing import Any

import pytest

from envkit.checks.requests import requests_differ
from envkit.errors import EnvironmentExistsError
from envkit.models.manifest import RecordedRequest
from envkit.words.requests import instead_words, unlike_words

A100 = {"subdir": "linux-64", "described": ["driver_version"], "driver_version": "550.54.14", "glibc": "2.31"}
OVERRIDDEN = {"subdir": "linux-64", "described": ["driver_cuda"], "driver_cuda": "12.4"}


def other_request(name: str, old: RecordedRequest, new: RecordedRequest) -> EnvironmentExistsError:
    return EnvironmentExistsError(unlike_words(name, old, new), hint=instead_words(name, old, new))


def request(**members: Any) -> RecordedRequest:
    return RecordedRequest(**{"specs": ("pytorch",), "platform": "linux-64", **members})


@pytest.mark.parametrize(
    ("members", "differing"),
    [
        ({}, set()),
        ({"source_sha256": "0" * 64}, set()),
        ({"specs": ("pytorch", "numpy")}, {"specs"}),
        ({"cuda": "12.1", "prefer": "native"}, {"cuda", "prefer"}),
        ({"target": A100}, {"target"}),
    ],
)
def test_what_counts_as_another_request(members: dict[str, Any], differing: set[str]) -> None:
    assert requests_differ(request(), request(**members)) == differing


def test_what_was_detected_beside_a_description_does_not_count() -> None:
    assert not requests_differ(request(target=A100), request(target={**A100, "glibc": "2.39"}))


def test_other_packages_are_installed_rather_than_replaced() -> None:
    error = other_request("train", request(), request(specs=("pytorch", "numpy"), cuda="auto"))
    assert error.message == "train is there and was made from another request: pytorch; now asked: pytorch numpy"
    assert error.hint is not None
    assert error.hint.startswith("Change it with `envkit install -n train`")


def test_every_difference_is_named() -> None:
    other = request(specs=("jax",), prefer="native", target=A100)
    error = other_request("train", request(), other)
    assert error.message == (
        "train is there and was made from another request: pytorch; now asked: jax; also --prefer (version; now "
        "native), the machine (the host as detected; now linux-64, driver 550.54.14)"
    )
    assert error.hint == "Choose another name with -n, or make a new generation of train with --replace."


@pytest.mark.parametrize(
    ("old", "new", "cure"),
    [
        ({"target": OVERRIDDEN}, {}, "When it was made, CONDA_OVERRIDE_CUDA or a flag described the machine"),
        ({}, {"target": OVERRIDDEN}, "now CONDA_OVERRIDE_CUDA or a flag describes another: leave it out"),
        ({"target": OVERRIDDEN}, {"target": {**OVERRIDDEN, "driver_cuda": "12.8"}}, "Give CONDA_OVERRIDE_CUDA"),
    ],
)
def test_a_variable_that_makes_the_difference_is_named(old: dict[str, Any], new: dict[str, Any], cure: str) -> None:
    error = other_request("train", request(**old), request(**new))
    assert error.message.startswith("train is there and was made from the same packages, but differs in the machine")
    assert cure in (error.hint or "")
