"""The tree of a request without a solution: read from what solvers write, drawn, and as JSON."""

from __future__ import annotations

import io

from envkit.cli.output import Console, render_problem
from envkit.engines.problem_text import parse_classic, parse_not_found, parse_tree
from envkit.models.problem import Problem, cause_of, problem_lines, problem_of, unsatisfiable
from envkit.wire.results import error_json

RATTLER = """\
Cannot solve the request because of: The following packages are incompatible
├─ lib 1.10.* can be installed with any of the following options:
│  └─ lib 1.10
├─ lib 2.0 is excluded because due to strict channel priority not using this option from: 'second'
└─ app 2.* cannot be installed because there are no viable options:
   └─ app 2.0 | 2.1 would require
      └─ lib >=1.2,<1.10, which cannot be installed because there are no viable options:
         └─ lib 1.2, which conflicts with the versions reported above.
├─ the constraint lib <1.2 cannot be fulfilled
└─ the constraint lib <1.2 cannot be fulfilled
"""
LIBMAMBA = """\
Encountered problems while solving:
  - nothing provides lib >=9 needed by app-3.0-0

Could not solve for environment specs
The following packages are incompatible
├─ lib =1.10 * is requested and can be installed;
└─ top =* * is not installable because it requires
   └─ app >=2 * but there are no viable options
      ├─ app [2.0|2.1] would require
      │  └─ lib >=1.2,<1.10 *, which conflicts with any installable versions previously reported;
      └─ app 3.0 would require
         └─ lib >=9 *, which does not exist (perhaps a missing channel).
"""
CLASSIC = """\
The following specifications were found to be incompatible with each other:

Output in format: Requested package -> Available versions

Package lib conflicts for:
top -> app[version='>=2'] -> lib[version='>=1.2,<1.10|>=9']
lib=1.10The following specifications were found to be incompatible with your system:

  - ours -> __glibc

Your installed version is: not available
"""


def outline(problem: Problem) -> list[tuple[int, str, str, str]]:
    return [(len(before) // 3, node.kind, node.name, node.spec) for before, node in problem_lines(problem)]


def test_rattlers_tree() -> None:
    tree = parse_tree(RATTLER)
    assert tree.text == "The following packages are incompatible"
    assert outline(tree) == [
        (1, "package", "lib", "lib 1.10.*"),
        (2, "package", "lib", ""),
        (1, "conflict", "lib", ""),
        (1, "package", "app", "app 2.*"),
        (2, "package", "app", ""),
        (3, "package", "lib", "lib >=1.2,<1.10"),
        (4, "conflict", "lib", ""),
        (1, "constraint", "lib", "lib <1.2"),
    ]
    assert tree.children[2].children[0].versions == ("2.0", "2.1")


def test_versions_that_fare_alike_are_one_node() -> None:
    lines = [f"├─ lib {n}.0, which conflicts with the versions reported above." for n in (0, *range(9))]
    tree = parse_tree(
        "\n".join(
            ["app cannot be", *lines, "└─ lib 9.0 would require", "   └─ zlib, for which no candidates were found."]
        )
    )
    conflict, package = tree.children
    assert conflict.text == "lib 0.0|1.0|2.0|3.0|...4 more...|8.0, which conflicts with the versions reported above"
    assert conflict.versions == tuple(f"{n}.0" for n in range(9))
    assert package.versions == ("9.0",)
    assert cause_of(tree) == "zlib, for which no candidates were found"
    assert cause_of(Problem("request", "nothing")) == "nothing"


def test_libmambas_tree() -> None:
    tree = parse_tree(LIBMAMBA)
    assert tree.text == "The following packages are incompatible"
    assert outline(tree) == [
        (1, "package", "lib", "lib =1.10"),
        (1, "package", "top", "top"),
        (2, "package", "app", "app >=2"),
        (3, "package", "app", ""),
        (4, "conflict", "lib", "lib >=1.2,<1.10"),
        (3, "package", "app", ""),
        (4, "missing", "lib", "lib >=9"),
    ]


def test_one_package_alone() -> None:
    [only] = parse_tree("Cannot solve the request because of: No candidates were found for nothing *.").children
    assert (only.kind, only.name, only.spec) == ("missing", "nothing", "nothing")
    text = "app >=3 cannot be installed because there are no viable options:\n└─ app 3.0 would require"
    assert outline(parse_tree(text)) == [(1, "package", "app", "app >=3"), (2, "package", "app", "")]


def test_other_words_are_kept() -> None:
    tree = parse_tree("It failed\n└─ in a way that nobody foresaw.")
    assert (tree.text, tree.children) == ("It failed", (Problem("unclear", "in a way that nobody foresaw"),))
    assert parse_tree("").children == ()


def test_condas_lists() -> None:
    missing = parse_not_found(
        "The following packages are not available:\n\n  - nothing=1\n\nCurrent channels:\n\n  - a"
    )
    assert outline(missing) == [(1, "missing", "nothing", "nothing=1")]
    assert outline(parse_classic(CLASSIC, "ours")) == [
        (1, "conflict", "lib", ""),
        (2, "package", "top", ""),
        (2, "package", "lib", ""),
    ]
    system = CLASSIC[CLASSIC.index("The following specifications were found to be incompatible with your") :]
    assert "does not say why" in parse_classic(system, "ours").text
    asked = parse_classic(system.replace("\n\nYour", "\n  - hop -> __cuda[version='>=13']\n\nYour"), "ours")
    assert outline(asked) == [(1, "missing", "__cuda", "__cuda[version='>=13']")]


def test_as_an_error_as_json_and_on_a_terminal() -> None:
    leaf = Problem("missing", "lib >=9: no channel has it", "lib", "lib >=9")
    tree = Problem(
        "request", "cannot be", children=(Problem("package", "app needs", "app", "app", ("3", "4"), ("0",), (leaf,)),)
    )
    error = unsatisfiable(tree)
    assert problem_of(error) is tree
    assert error.message.splitlines()[1:] == ["cannot be", "└─ app needs", "   └─ lib >=9: no channel has it"]
    document = error_json(error)
    assert set(document) == {"schema_version", "problem", "error"}
    assert set(document["error"]) == {"code", "message", "hint"}
    [app] = document["problem"]["children"]
    assert (app["kind"], app["versions"], app["builds"]) == ("package", ["3", "4"], ["0"])
    assert app["children"][0] == {
        "kind": "missing",
        "text": leaf.text,
        "name": "lib",
        "spec": "lib >=9",
        "versions": [],
        "builds": [],
        "children": [],
    }
    out = io.StringIO()
    render_problem(Console(out, 80), tree)
    assert out.getvalue() == "cannot be\n└─ app needs\n   └─ lib >=9: no channel has it\n"
    wide = Problem("request", "many", children=tuple(Problem("missing", str(n)) for n in range(100)))
    render_problem(Console(out, 80), wide)
    assert "and 60 more lines" in out.getvalue()
    assert unsatisfiable(wide).message.splitlines()[-1] == "and 60 more lines"
    assert len(unsatisfiable(wide).message.splitlines()) == 1 + 1 + 40 + 1
