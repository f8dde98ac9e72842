"""Definitions of images: parsed, and their commands run here, where they put the environment at its path again."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser
from harness import Shell, serve
from packages import travelling

from envkit.outputs.image import ImageContent, apptainer_text, dockerfile_text


def instructions(path: Path) -> list[tuple[str, str]]:
    parsed = DockerfileParser(fileobj=io.BytesIO(path.read_bytes()))
    return [(step["instruction"], step["value"]) for step in parsed.structure if step["instruction"] != "COMMENT"]


def sections(text: str) -> list[dict[str, list[str]]]:
    """The stages of an Apptainer definition: headers, and the lines of each section."""
    stages: list[dict[str, list[str]]] = []
    section = ""
    for line in text.splitlines():
        if line.startswith("Bootstrap:"):
            stages.append({"": []})
            section = ""
        if not stages or line.startswith("#"):
            continue
        if line.startswith("%"):
            section = line
            stages[-1][section] = []
        elif line.strip():
            stages[-1][section].append(line.strip())
    return stages


def run_here(commands: str, pack: Path) -> None:
    """Run the commands of an image's first stage, with zstd installed and the pack elsewhere."""
    script = commands.replace(f"/tmp/{pack.name}", str(pack))
    script = script.replace("apt-get update -qq", "true").replace(
        "apt-get install -y -qq --no-install-recommends zstd", "true"
    )
    subprocess.run(["sh", "-ec", script], check=True, capture_output=True)


@pytest.mark.parametrize("form", ["dockerfile", "apptainer"])
def test_a_pack_comes_back_to_its_path(tmp_path: Path, form: str) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("needs zstd, as the image does")
    shell = Shell.below(tmp_path)
    shell.publish(travelling())
    shell.create("tool")
    prefix = shell.prefix()
    pack = tmp_path / "demo.tar.zst"
    digest = shell.ok("pack", "demo", "-o", str(pack), "--json").json["sha256"]
    out = shell.ok("image", "demo", "--pack", str(pack), "--format", form, "-o", str(tmp_path), "--json").json
    definition = Path(out["definition"])
    text = definition.read_text()
    if form == "dockerfile":
        steps = instructions(definition)
        assert [name for name, _ in steps] == ["FROM", "COPY", "RUN", "FROM", "COPY", "RUN", *["ENV"] * 3, "CMD"]
        assert json.loads(steps[1][1]) == [pack.name, "/tmp/"]
        assert json.loads(steps[4][1].removeprefix("--from=made ")) == [str(prefix), str(prefix)]
        variables = DockerfileParser(
            fileobj=io.BytesIO(definition.read_bytes()), build_args={}, parent_env={"PATH": "/bin"}
        ).envs
        assert variables["PATH"] == f"{prefix}/bin:/bin"
        assert variables["CONDA_PREFIX"] == str(prefix)
        commands, link = steps[2][1], steps[5][1]
    else:
        first, second = sections(text)
        assert first[""] == ["Bootstrap: docker", "From: docker.io/library/python:3.12-slim-bookworm", "Stage: made"]
        assert first["%files"] == [f"{pack} /tmp/".replace(str(pack), pack.name)]
        assert second["%files from made"] == [f"{prefix} {prefix}"]
        assert f'export PATH="{prefix}/bin:${{PATH}}"' in second["%environment"]
        assert second["%runscript"] == ['exec "$@"']
        commands, link = "\n".join(first["%post"]), "\n".join(second["%post"])
    assert digest in commands
    before = {path: path.lstat() for path in sorted(prefix.rglob("*"))}
    content = {path: path.read_bytes() for path in before if path.is_file()}
    prefix.rename(tmp_path / "away")
    (shell.volume / "demo").unlink()
    run_here(commands, pack)
    subprocess.run(["sh", "-ec", link], check=True)
    assert (shell.volume / "demo").resolve() == prefix
    after = {path: path.read_bytes() for path in sorted(prefix.rglob("*")) if path.is_file()}
    assert after == {path: data for path, data in content.items() if path.name != ".envkit-inventory.json"}
    assert shell.ok("doctor", "demo", "--full").code == 0


def test_a_lock_is_installed_at_the_path(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(travelling())
    with serve(shell.channel) as url:
        words = ("create", "tool", "-n", "demo", "-c", url, "--override-channels", "--json")
        shell.ok(*words)
        out = shell.ok("image", "demo", "-o", str(tmp_path), "--json").json
    (lock,) = map(Path, out["locks"])
    assert f"{url}/linux-64/tool-1.0-0.conda#sha256:" in lock.read_text()
    steps = instructions(Path(out["definition"]))
    assert steps[0] == ("FROM", "docker.io/mambaorg/micromamba:2 AS made")
    assert f"micromamba create -y -p {shell.prefix()} -f /tmp/demo.explicit.txt" in dict(steps[:4])["RUN"]


def test_wrong_inputs(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(travelling())
    shell.create("tool")
    pack = tmp_path / "demo.tar.zst"
    shell.ok("pack", "demo", "-o", str(pack))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/Dockerfile").write_text("FROM scratch\n")
    shell.ok("clone", "demo", "other")
    for words, code, said in (
        (("demo",), 2, "folder of this machine"),
        (("demo", "--format", "oci"), 2, "is not known"),
        (("demo", "--pack", str(tmp_path / "none")), 2, "cannot be read"),
        (("other", "--pack", str(pack)), 2, "is the pack of demo-"),
        (("demo", "--pack", str(pack), "--base", "debian\nRUN evil"), 2, "not the name of an image"),
        (("demo", "--pack", str(pack), "-o", str(tmp_path / "theirs")), 2, "not written by envkit"),
        (
            ("demo", "--pack", str(pack), "-o", str(tmp_path / "no" / "no")),
            7,
            "cannot be written: No such file or directory",
        ),
    ):
        done = shell.run("image", *words)
        assert (done.code, said in " ".join(done.err.split())) == (code, True), done.err


def test_words_with_spaces_and_signs(tmp_path: Path) -> None:
    content = ImageContent(
        name="My env",
        prefix="/data/a b/.envkit/g/my-00000001",
        link="/data/a b/my",
        base="debian:12-slim",
        variables={"GREETING": 'say "$HOME" `now` \\ then'},
        scripts=["/data/a b/.envkit/g/my-00000001/etc/conda/activate.d/x y.sh"],
        on_gpu=True,
        pack=("my env.tar.zst", "0" * 64),
    )
    path = tmp_path / "Dockerfile"
    path.write_text(dockerfile_text(content))
    steps = instructions(path)
    assert json.loads(steps[1][1]) == ["my env.tar.zst", "/tmp/"]
    entry = json.loads(next(value for name, value in steps if name == "ENTRYPOINT"))
    assert entry[2].endswith("""activate.d/x y.sh'; exec "$@\"""")
    assert ("ENV", 'NVIDIA_VISIBLE_DEVICES="all"') in steps
    shown = "\n".join(sections(apptainer_text(content))[1]["%environment"][:2])
    done = subprocess.run(["sh", "-c", f'{shown}\nprintf %s "$GREETING"'], capture_output=True, text=True, check=True)
    assert done.stdout == 'say "$HOME" `now` \\ then'
