from __future__ import annotations

from pathlib import Path

import pytest

from envkit.api.sources import read_source
from envkit.errors import RecipeError
from envkit.models.inputs import Recipe
from envkit.models.spec import parse_match_spec
from envkit.recipes import builtin_names, load_builtin


def test_what_envkit_brings() -> None:
    assert set(builtin_names()) >= {
        *("pytorch", "pytorch-cpu", "pytorch-2.7-jupyter", "pytorch-cu121-py39", "tensorflow-2.9-jupyter", "jax")
    }
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
