"""From a record to a `Build`: dependencies and constraints speak first, the build string second."""

from __future__ import annotations

from collections.abc import Iterable

from envkit.builds.buildstring import parse_build_string
from envkit.builds.knowledge import Knowledge, shipped_knowledge
from envkit.builds.needs import read_needs, read_python
from envkit.builds.signals import read_constraint, read_dependency
from envkit.builds.toolkit import Toolkit, read_toolkit
from envkit.builds.variant import read_variant
from envkit.cuda.drivers import newest_toolkit
from envkit.frameworks.table import row_of
from envkit.models.build import Build, Record
from envkit.models.codes.reasons import RECORD_CONFLICT
from envkit.models.fact import Reason


def classify(record: Record, knowledge: Knowledge | None = None) -> Build:
    """Read what a record means for a GPU. Total: any record, however broken, gives a Build.

    Args:
        knowledge: What is known of GPU code; that of this release where None.
    """
    knowledge = knowledge or shipped_knowledge()
    conflicts: list[Reason] = []
    dependencies = [signal for signal in map(read_dependency, record.depends) if signal is not None]
    constraints = [signal for signal in map(read_constraint, record.constrains) if signal is not None]
    said = parse_build_string(record.build)
    variant = read_variant(record, dependencies, constraints, said, conflicts)
    is_cuda = variant == "cuda"
    toolkit = read_toolkit(record, dependencies, constraints, said, conflicts) if is_cuda else Toolkit()
    lows = [s.bounds.low for s in (*dependencies, *constraints) if s.kind == "driver" and s.bounds.low is not None]
    needs = read_needs(dependencies, constraints)
    python = read_python(dependencies, said.python, record, conflicts)
    arch = None
    if toolkit.cuda is not None:
        cuda = (toolkit.library or newest_toolkit(toolkit.cuda.major)) if toolkit.major_only else toolkit.cuda
        arch = knowledge.find(record, cuda, needs.arm_variant, major_only=toolkit.major_only)
    if said.rocm:
        conflicts.append(Reason(RECORD_CONFLICT, rocm=record.build))
    return Build(
        record=record,
        framework=row.key if (row := row_of(record.name)) is not None else None,
        variant=variant,
        build_cuda=toolkit.cuda,
        cuda_major_only=toolkit.major_only,
        min_cuda=max(lows, default=None) if is_cuda else None,
        python=python,
        arch=arch,
        conflicts=tuple(conflicts),
        needs=needs,
        library_cuda=toolkit.library,
    )


def classify_all(records: Iterable[Record], knowledge: Knowledge | None = None) -> list[Build]:
    """Read many records; those whose libraries were read on this machine are relatives of the others."""
    listed = list(records)
    if knowledge is not None and knowledge.here:
        knowledge.learn(classify(record, knowledge) for record in listed if knowledge.measured(record) is not None)
    return [classify(record, knowledge) for record in listed]
