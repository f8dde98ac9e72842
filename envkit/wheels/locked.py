"""Python distributions of lock files, as those of a pip part and back."""

from __future__ import annotations

from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from envkit.errors import RecipeError
from envkit.models.inputs import LockedDistribution
from envkit.models.manifest import PipPackage
from envkit.models.pip import parse_address

_HASHES = {"sha256", "sha384", "sha512", "md5"}


def package_of(item: LockedDistribution, path: str) -> PipPackage:
    """Return a distribution of a lock as it is installed; `path` names the lock.

    Raises:
        RecipeError: Its URL cannot be read, or nothing tells which bytes it is.
    """
    name = canonicalize_name(item.name)
    is_git = item.url.startswith("git+")
    if not is_git and "://" not in item.url:
        return PipPackage(name=name, version=item.version, kind="directory", url=f"file://{item.url}", direct=True)
    try:
        address = parse_address(item.url.removeprefix("git+"))
    except ValueError:
        raise RecipeError(f"{path}: the URL of {name} cannot be read", hint="Write the lock again.") from None
    parts = urlsplit(address.url)
    if is_git:
        base, _, commit = parts.path.partition("@")
        commit = commit or parts.fragment.partition("&")[0]  # pixi writes it behind #
        url = parts._replace(path=base, query="", fragment="").geturl()
        if not commit or "=" in commit:
            raise RecipeError(f"{path}: {name} is of a repository, without a commit", hint="Write the lock again.")
        return PipPackage(name=name, version=item.version, kind="vcs", url=url, commit=commit, direct=True)
    hashes = {kind: digest for kind, digest in item.hashes if kind in _HASHES}
    if not hashes:
        raise RecipeError(
            f"{path}: {name} has no digest", hint="envkit installs nothing that it cannot verify: write the lock again."
        )
    return PipPackage(
        name=name,
        version=item.version,
        kind="wheel" if parts.path.endswith(".whl") else "sdist",
        url=parts._replace(fragment="").geturl(),
        hashes=hashes,
    )


def distribution_of(package: PipPackage) -> LockedDistribution:
    """Return a distribution of a pip part as a lock holds it."""
    url = package.url
    if package.kind == "vcs":
        inner = f"#subdirectory={package.subdirectory}" if package.subdirectory else ""
        url = f"git+{package.url}@{package.commit}{inner}"
    return LockedDistribution(package.name, package.version, url, tuple(sorted(package.hashes.items())))
