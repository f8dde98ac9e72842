"""conda's order of versions and its version specs, without a native library (CEP 33, conda's ``VersionOrder``)."""

from __future__ import annotations

from functools import lru_cache, total_ordering
from itertools import zip_longest

from envkit.patterns import regex
from envkit.values import dataclass

_VALID = regex(r"[*.+!_0-9a-z]+\Z")
_RUN = regex(r"[0-9]+|\*+|[^0-9*]+")
_CLAUSE = regex(r"(>=|<=|==|!=|~=|>|<|=)?\s*(\S+)\Z")

# (kind, number, text): text sorts before numbers, "post" after them.
_Element = tuple[int, int, str]
_ZERO: _Element = (1, 0, "")
_Component = tuple[_Element, ...]


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class VersionKey:
    """A version in conda's order: ``1.0 == 1.0.0``, ``1.0.dev1 < 1.0a1 < 1.0 < 1.0.post1``."""

    epoch: int
    release: tuple[_Component, ...]
    local: tuple[_Component, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VersionKey) and self._compare(other) == 0

    def __lt__(self, other: VersionKey) -> bool:
        return self._compare(other) < 0

    def __hash__(self) -> int:
        return hash((self.epoch, _strip(self.release), _strip(self.local)))

    def _compare(self, other: VersionKey) -> int:
        if self.epoch != other.epoch:
            return -1 if self.epoch < other.epoch else 1
        return _compare(self.release, other.release) or _compare(self.local, other.local)


def _compare(left: tuple[_Component, ...], right: tuple[_Component, ...]) -> int:
    for mine, theirs in zip_longest(left, right, fillvalue=(_ZERO,)):
        if mine == theirs:
            continue
        for a, b in zip_longest(mine, theirs, fillvalue=_ZERO):
            if a != b:
                return -1 if a < b else 1
    return 0


def _strip(components: tuple[_Component, ...]) -> tuple[_Component, ...]:
    kept: list[_Component] = []
    for component in components:
        elements = list(component)
        while elements and elements[-1] == _ZERO:
            elements.pop()
        kept.append(tuple(elements))
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)


def _element(run: str) -> _Element:
    if run.isdigit():
        return (1, int(run), "")
    if run == "post":
        return (2, 0, "")
    # "dev" sorts before every other text, as capitals do before "*" and small letters in conda's own table.
    return (0, 0, "\x00dev" if run == "dev" else run)


def _components(text: str) -> tuple[_Component, ...]:
    # openssl's 1.0.2_: a trailing underscore stays with the last part
    tail = "_" if text.endswith("_") else ""
    text = text[: len(text) - len(tail)].replace("_", ".") + tail
    components: list[_Component] = []
    for part in text.split("."):
        elements = [_element(run) for run in _RUN.findall(part)]
        if elements and not part[0].isdigit():
            elements.insert(0, _ZERO)
        components.append(tuple(elements) or (_ZERO,))
    return tuple(components)


@lru_cache(maxsize=65536)
def version_key(text: str) -> VersionKey:
    """Return the key that sorts a version as conda does.

    Total: what is no version by CEP 33 (``""``, ``"a b"``) sorts before every version, by its text.
    """
    lowered = text.strip().lower()
    if _VALID.match(lowered) is None:
        lowered = lowered.replace("-", "_")
        if _VALID.match(lowered) is None:
            return VersionKey(-1, (((0, 0, lowered),),), ())
    epoch_text, mark, rest = lowered.partition("!")
    if not mark:
        epoch_text, rest = "0", lowered
    if not epoch_text.isdigit() or "!" in rest or rest.count("+") > 1:
        return VersionKey(-1, (((0, 0, lowered),),), ())
    release, _, local = rest.partition("+")
    return VersionKey(int(epoch_text), _components(release), _components(local) if local else ())


def _starts_with(version: VersionKey, prefix: VersionKey) -> bool:
    if version.epoch != prefix.epoch:
        return False
    head, last = prefix.release[:-1], prefix.release[-1]
    padded = version.release + ((_ZERO,),) * (len(prefix.release) - len(version.release))
    if _compare(padded[: len(head)], head) != 0:
        return False
    return padded[len(head)][: len(last)] == last


def _clause_matches(version: VersionKey, clause: str) -> bool:
    match = _CLAUSE.match(clause)
    if match is None:
        return False
    operator, text = match.groups()
    if text == "*":
        return operator != "!="
    starred = text.endswith("*")
    # As in conda: only a bare "2.7.*", "=2.7" and "!=2.7.*" match by prefix; after other operators ".*" means nothing.
    fuzzy = operator == "=" or (starred and operator in {None, "!="})
    key = version_key(text.rstrip(".*") if starred else text)
    if operator == "~=":
        prefix = VersionKey(key.epoch, key.release[:-1] or key.release, ())
        return version >= key and _starts_with(version, prefix)
    if operator in {None, "=", "=="}:
        return _starts_with(version, key) if fuzzy else version == key
    if operator == "!=":
        return not (_starts_with(version, key) if fuzzy else version == key)
    return {">=": version >= key, "<=": version <= key, ">": version > key, "<": version < key}[operator]


@lru_cache(maxsize=16384)
def version_matches(spec: str, version: str) -> bool:
    """Return whether a version satisfies a version spec such as ``>=3.11,<3.12.0a0``, ``12.9|12.9.*`` or ``=2.5``.

    A bare version is exact, as inside a MatchSpec of three words. Regular expressions are not read: they match nothing.
    """
    key = version_key(version)
    return any(
        all(_clause_matches(key, clause.strip()) for clause in alternative.strip("() ").split(","))
        for alternative in spec.split("|")
    )
