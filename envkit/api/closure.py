"""find's pick beside what `create` would install: the packages that it needs may not exist, or not go together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envkit.api.choose import Candidates
from envkit.api.session import Session
from envkit.api.solve import solve_request
from envkit.errors import ChannelError, EnvkitError
from envkit.models.build import Verdict
from envkit.models.codes.advice import CLOSURE_UNSOLVED
from envkit.models.fact import Advice
from envkit.models.problem import cause_of, problem_of
from envkit.models.request import Inquiry


def solvable_pick(
    session: Session, inquiry: Inquiry, candidates: Candidates, chosen: Verdict, index_dir: Path
) -> tuple[Verdict, list[Advice]]:
    """Return the build that `create` would take, and why it is another than the best by itself.

    Where nothing can be solved, the best build stays, and the advice says so.
    """
    quiet = Session(session.settings, session.policy, solver=session.engine, indexes=index_dir)
    try:
        records = solve_request(quiet, inquiry).records
    except ChannelError:
        return chosen, []  # the channels answer for this name and for no other: nothing is known
    except EnvkitError as error:
        problem = problem_of(error)
        why = error.message if problem is None else cause_of(problem)
        return chosen, [Advice(CLOSURE_UNSOLVED, build=chosen.build, why=why, taken=None)]
    every = (*candidates.ranked, *candidates.lower, *candidates.rejected)
    taken = _taken(every, {(record.fn, record.channel.rstrip("/")) for record in records})
    if taken is None or taken.build.record.version == chosen.build.record.version:
        return taken or chosen, []
    return taken, [Advice(CLOSURE_UNSOLVED, build=chosen.build, why=None, taken=taken.build)]


def _taken(verdicts: Sequence[Verdict], solution: set[tuple[str, str]]) -> Verdict | None:
    return next((v for v in verdicts if (v.build.record.fn, v.build.record.channel.rstrip("/")) in solution), None)
