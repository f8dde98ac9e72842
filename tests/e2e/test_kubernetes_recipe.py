"""What recipes/kubernetes holds is valid by the API's schemas, and its commands run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from harness import ENVKIT, ROOT, Shell
from packages import travelling
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from envkit.outputs.constraint import kubernetes_constraint
from envkit.profiles import Profile

FOLDER = ROOT / "recipes" / "kubernetes"
SCHEMAS = "kubernetes-validate==1.37.0"  # a wheel of 17,000 small files, of which these tests read a few in place
VERSION = "v1.37.0-local-strict"

Documents = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def documents() -> Documents:
    """All documents of the folder by kind."""
    found: Documents = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            found[document["kind"]] = document
    return found


def containers(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    pod = document["spec"]["template"]["spec"]
    return {each["name"]: each for each in (*pod["initContainers"], *pod["containers"])}


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("schemas")
    words = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*words, "-d", folder, SCHEMAS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        yield wheel


def errors(schemas: zipfile.ZipFile, document: Mapping[str, Any]) -> list[str]:
    def read(name: str) -> Resource[Any]:
        file = name.rpartition("/")[2]
        data = json.loads(schemas.read(f"kubernetes_validate/kubernetes-json-schema/{VERSION}/{file}"))
        return Resource.from_contents(data, default_specification=DRAFT7)

    group, _, version = document["apiVersion"].rpartition("/")
    name = "-".join(filter(None, [document["kind"].lower(), group.partition(".")[0], version]))
    registry: Registry[Any] = Registry(retrieve=read)  # type: ignore[call-arg] # attrs hides it
    validator = jsonschema.Draft7Validator({"$ref": f"{name}.json"}, registry=registry)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def test_documents_are_valid_by_the_schemas_of_the_api(documents: Documents, schemas: zipfile.ZipFile) -> None:
    assert set(documents) == {"ConfigMap", "DaemonSet", "Job", "PersistentVolumeClaim"}
    assert {kind: errors(schemas, document) for kind, document in documents.items()} == {kind: [] for kind in documents}
    broken = {**documents["Job"], "spec": {**documents["Job"]["spec"], "backofLimit": 2}}
    assert errors(schemas, broken)


def test_what_fleet_constraint_prints_fits_into_a_pod(documents: Documents, schemas: zipfile.ZipFile) -> None:
    row = Profile("a", "a-00000000", "linux-64", gpu=True, driver="525.60.13", capabilities=("8.0", "9.0"))
    printed = yaml.safe_load("\n".join(kubernetes_constraint([row]).lines))
    job = json.loads(json.dumps(documents["Job"]))
    job["spec"]["template"]["spec"] |= printed
    assert errors(schemas, job) == []


def test_names_in_a_pod_refer_to_what_is_there(documents: Documents) -> None:
    for kind in ("Job", "DaemonSet"):
        pod = documents[kind]["spec"]["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in containers(documents[kind]).values():
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= set(volumes)
            told = {variable["name"] for variable in container.get("env", ())}
            used = re.findall(r"\$\(?([A-Z_]+)", " ".join(container["args"]))
            assert set(used) <= told, container["name"]
        assert (
            volumes["envs"]["persistentVolumeClaim"]["claimName"]
            == documents["PersistentVolumeClaim"]["metadata"]["name"]
        )
    selector = documents["DaemonSet"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= documents["DaemonSet"]["spec"]["template"]["metadata"]["labels"].items()


def test_the_commands_run(documents: Documents, tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(travelling())
    envs, local, recipe = tmp_path / "envs", tmp_path / "local", tmp_path / "recipe"
    recipe.mkdir()
    places = {"/data/envs": str(envs), "/local": str(local), "/recipe": str(recipe)}
    # The channel and the program of the tests, in place of PyTorch.
    channel = f"channels: [{shell.channel}]\ndependencies: [tool]\n"
    (recipe / "environment.yml").write_text(f"name: train\n{channel}")

    def run(kind: str, name: str) -> subprocess.CompletedProcess[str]:
        container = containers(documents[kind])[name]
        variables = {one["name"]: one.get("value", "node7") for one in container.get("env", ())}
        variables = {key: value for key, value in variables.items() if not key.startswith("NVIDIA")}  # no GPU here
        words = [*container["command"], *container["args"]]
        for place, here in places.items():
            words = [re.sub(rf"(?<![\w/]){place}(?![\w])", here, word) for word in words]
            variables = {key: re.sub(rf"^{place}\b", here, value) for key, value in variables.items()}
        words = [re.sub(r"\$\(([A-Z_]+)\)", lambda found: variables[found[1]], word) for word in words]
        words = ["where" if word in {"python", f"{recipe}/train.py"} else word for word in words]
        env = {**shell.env(), **variables, "HOME": str(tmp_path)}
        return subprocess.run(words, env=env, capture_output=True, text=True, check=False)

    # As `volume bootstrap` leaves it; a test of that command makes it for real.
    launcher = envs / ".envkit" / "bin" / "envkit"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(f'#!/bin/sh\nexec {" ".join(map(str, ENVKIT))} "$@"\n')
    launcher.chmod(0o755)
    for kind, name in (("Job", "envkit"), ("Job", "environment"), ("Job", "train"), ("DaemonSet", "place")):
        done = run(kind, name)
        assert done.returncode == 0, f"{name}: {done.stderr}"
    for name in ("stage", "validate"):
        done = run("DaemonSet", name)
        assert done.returncode == 0, f"{name}: {done.stderr}"
    assert list((local / "envkit").iterdir())
