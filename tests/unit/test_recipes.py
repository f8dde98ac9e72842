from __future__ import annotations

from pathlib import Path

import pytest

from envkit.api.recipes import machines_of, refuse_platform
from envkit.api.sources import read_source
from envkit.builds.distributions import provided_by
from envkit.errors import RecipeError, UsageError
from envkit.models.build import Record
from envkit.models.inputs import Recipe
from envkit.models.recipe import RecipeBlock, RecipeMachine
from envkit.models.spec import parse_match_spec
from envkit.recipes import builtin_names, load_builtin


def test_what_envkit_brings() -> None:
    for name in builtin_names():
        recipe = load_builtin(name)
        assert recipe.name == name
        assert all(parse_match_spec(spec).name for spec in recipe.dependencies)


def test_unknown_recipe_names_the_others() -> None:
    with pytest.raises(RecipeError) as caught:
        load_builtin("nope")
    assert "pytorch" in str(caught.value.hint)


def test_versions_stay_text(tmp_path: Path) -> None:
    """YAML would read 3.10 as 3.1, and `no` as False."""
    path = tmp_path / "environment.yml"
    path.write_text(
        "name: 3.10\nchannels: [no]\nplatforms: [linux-64]\ndependencies:\n"
        "  - python=3.10\n  - pip:\n    - six==1.10\nvariables:\n  A: 0010\n  B: yes\n"
    )
    recipe = read_source(path)
    assert isinstance(recipe, Recipe)
    assert recipe.name == "3.10"
    assert recipe.channels == ("no",)
    assert recipe.dependencies == ("python=3.10",)
    assert recipe.pip.lines == ("six==1.10",)
    assert recipe.variables == (("A", "0010"), ("B", "yes"))
    assert recipe.platforms == ("linux-64",)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_bytes(b"\xef\xbb\xbfdependencies: [python]\n")
    recipe = read_source(path)
    assert isinstance(recipe, Recipe)
    assert recipe.dependencies == ("python",)


def _read(tmp_path: Path, block: str, head: str = "") -> Recipe:
    path = tmp_path / "mine.yml"
    path.write_text(f"{head}dependencies: [python]\nenvkit:\n{block}")
    recipe = read_source(path)
    assert isinstance(recipe, Recipe)
    return recipe


def test_the_block_is_read(tmp_path: Path) -> None:
    recipe = _read(
        tmp_path,
        "  for: Us.\n  note: Old.\n  frameworks: [pytorch]\n  cuda: cu121\n  validate: collective\n  kernel: yes\n"
        "  ports: {jupyter: 8888, ssh: 2222}\n  runs-on: [a100/550]\n  refused-on:\n    cpu: It needs a GPU.\n",
    )
    assert recipe.block == RecipeBlock(
        audience="Us.",
        note="Old.",
        frameworks=("pytorch",),
        cuda="12.1",
        level="collective",
        kernel=True,
        ports=(("jupyter", 8888), ("ssh", 2222)),
        machines=(RecipeMachine("a100/550"), RecipeMachine("cpu", "It needs a GPU.")),
    )
    assert recipe.flags == {"cuda": "12.1"}
    assert _read(tmp_path, "  cuda: '12'\n", "# envkit: --cuda 11.8\n").flags == {"cuda": "11.8"}
    assert load_builtin("mxnet").flags == {"cuda": "none"}


@pytest.mark.parametrize(
    ("block", "place", "message"),
    [
        ("  colour: red\n", "line 3, column 11", "colour: is no key of the block"),
        ("  - a\n", "line 3, column 3", "envkit: is not a mapping"),
        ("  frameworks: [torch]\n", "line 3", "torch is not known"),
        ("  frameworks: pytorch\n", "line 3", "frameworks: is not a list"),
        ("  cuda: twelve\n", "line 3", "'twelve' cannot be read"),
        ("  validate: quick\n", "line 3", "'quick' is no level"),
        ("  kernel: maybe\n", "line 3", "'maybe' is neither true nor false"),
        ("  ports: {jupyter: 70000}\n", "line 3", "'70000' is no port"),
        ("  ports: {jupyter: ²}\n", "line 3", "is no port"),
        ("  ports: {a: 1, a: 2}\n", "line 3", "twice"),
        ("  runs-on: [[a]]\n", "line 3", "is not a text"),
        (f"  for: {'x' * 201}\n", "line 3", "longer than one line"),
    ],
)
def test_a_wrong_block_is_refused_with_its_place(tmp_path: Path, block: str, place: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        _read(tmp_path, block)
    assert place in str(caught.value)
    assert message in str(caught.value)


def test_a_machine_that_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine\.yml: the machine 'a100' names a GPU and no driver"):
        machines_of(_read(tmp_path, "  runs-on: [a100]\n"), {})
    assert list(machines_of(_read(tmp_path, "  for: Us.\n"), {})) == [
        *("a100-470", "t4-535", "a100-550", "rtx-5090-570", "h100-580", "gb10-580-linux-aarch64", "cpu"),
        "cpu-osx-arm64",
    ]


def test_a_platform_is_refused_with_the_recipes_reason() -> None:
    refusal = refuse_platform(load_builtin("mps"), "linux-64")
    assert refusal is not None
    assert str(refusal.hint).startswith("Metal is Apple's; on Linux take recipe pytorch. ")
    assert refuse_platform(load_builtin("mps"), "osx-arm64") is None


def test_packages_that_are_no_distributions_stay_out_of_pips_constraints() -> None:
    python = {"depends": ["python >=3.12"]}
    records = [
        Record(name, "1.0", "0", 0, "noarch", f"{name}-1.0-0.conda", raw=python)
        for name in ("_python_abi3_support", "numpy")
    ]
    assert [item.name for item in provided_by(records)] == ["numpy"]
