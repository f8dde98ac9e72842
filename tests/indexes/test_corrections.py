"""Corrections over real indexes: what is offered works, what does not is not offered."""

from __future__ import annotations

import pytest
from harness import Envkit

V100 = ("--driver", "450", "--gpu", "v100", "--dry-run", "--json")


@pytest.fixture
def defaults(index_server: str) -> str:
    return f"{index_server}/pkgs/main"


def test_tensorflow_gpu_of_defaults_selects_a_gpu_build(envkit: Envkit, defaults: str) -> None:
    planned = envkit("create", "tensorflow-gpu", "-c", defaults, "--override-channels", *V100)
    assert planned.code == 0, planned.out
    builds = {package["name"]: package["build"] for package in planned.json["packages"]}
    assert builds["_tflow_select"] == "gpu"
    assert builds["tensorflow-base"].startswith("gpu_")
    assert planned.json["corrections"] == []


@pytest.mark.parametrize(("more", "offered"), [((), ["pytorch-cuda-too-new"]), (("numpy==99",), [])])
def test_a_correction_is_tried(envkit: Envkit, index_server: str, more: tuple[str, ...], offered: list[str]) -> None:
    words = ("create", "pytorch", "pytorch-cuda=12.4", *more, "-c", "pytorch", "-c", "nvidia", "-c", "conda-forge")
    env = {"CONDA_CHANNEL_ALIAS": index_server}
    refused = envkit(*words, "--driver", "520", "--gpu", "a100", "--dry-run", "--json", env=env)
    assert refused.code == 4
    assert ("pytorch-cuda 11.8 runs there" in refused.json["error"]["hint"]) == bool(offered)
    fixed = envkit(*words, "--driver", "520", "--gpu", "a100", "--dry-run", "--json", "--fix", env=env)
    assert (fixed.code == 0) == bool(offered), fixed.out


def test_a_correction_of_a_name_that_no_channel_has(envkit: Envkit, index_server: str) -> None:
    words, env = ("find", "tensorflow-gpu", "--driver", "550", "--gpu", "a100"), {"CONDA_CHANNEL_ALIAS": index_server}
    refused = envkit(*words, "--json", env=env)
    assert refused.code == 1
    assert refused.json["error"]["hint"].endswith("envkit find tensorflow --driver 550 --gpu a100")
    assert envkit(*words, "--fix", env=env).code == 0
    meant = envkit("find", "pytroch", "--json", env=env)
    assert "Did you mean pytorch?" in meant.json["error"]["hint"]
