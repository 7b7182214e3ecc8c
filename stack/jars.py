"""Java artifacts: exactly those of the lock file, from a Maven repository, by digest."""

from __future__ import annotations

import hashlib
import tarfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from stack.authorities import Authorities, trusted
from stack.cache import arriving, cache_folder, only_one
from stack.progress import DownloadProgress
from stack.unavailable import EXTRA, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK = Path(__file__).with_name("jars.lock.toml")
# None: the public repository. Name to address, where another is to be asked.
REPOSITORIES: dict[str, str] | None = None
# Connections at once. Most of the time goes into round trips for small files.
MAX_CONNECTIONS = 6
# Seconds that a repository may stay silent.
SILENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Artifact:
    """One locked file: ``group:name:version[:classifier:type]`` and its SHA-256 in hex."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Return its name as repositories have it."""
        _, name, version, *rest = self.coordinate.split(":")
        classifier, kind = rest or ("", "jar")
        return f"{name}-{version}{'-' if classifier else ''}{classifier}.{kind}"

    @property
    def path(self) -> Path:
        """Return where it is, or will be, in the cache. The digest is part of it: another version is another path."""
        return cache_folder() / "jars" / self.sha256[:16] / self.file_name


def locked(group: str) -> list[Artifact]:
    """Return one group of the lock file, in class path order."""
    return [Artifact(coordinate, digest) for coordinate, digest in _groups(LOCK)[group].items()]


@cache
def _groups(lock: Path) -> dict[str, dict[str, str]]:
    with lock.open("rb") as file:
        return tomllib.load(file)


def fetch(group: str) -> list[Path]:
    """Return the paths of a group's files, after downloading what is missing. Interrupted, it goes on where it was.

    Raises:
        Unavailable: the repository cannot be reached, or a file is not the one that was locked.

    """
    artifacts = locked(group)
    if not all(artifact.path.exists() for artifact in artifacts):
        with only_one(cache_folder() / "jars", f"{group}'s jars"):
            missing = [artifact for artifact in artifacts if not artifact.path.exists()]
            if missing:
                _download(group, missing)
    return [artifact.path for artifact in artifacts]


def unpack(group: str) -> Path:
    """Return the folder with the content of a group's one archive, after fetching and unpacking it when needed."""
    (artifact,) = locked(group)
    target = cache_folder() / "unpacked" / f"{group}-{artifact.sha256[:16]}"
    if not target.exists():
        (archive,) = fetch(group)
        with only_one(target.parent, group):
            if not target.exists():
                with arriving(target) as scratch, tarfile.open(archive) as content:
                    # Asked for this way because the first releases of Python 3.11 have no such filter.
                    content.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
                    content.extractall(scratch / target.name)  # noqa: S202  # its digest was checked
    return target


def _download(group: str, missing: list[Artifact]) -> None:
    progress = DownloadProgress(group, len(missing))
    with trusted() as authorities, ThreadPoolExecutor(MAX_CONNECTIONS) as pool:
        # Taking each result raises the first error; files that arrived before it stay.
        for _ in pool.map(lambda artifact: _download_one(group, artifact, progress, authorities), missing):
            progress.file_done()
    progress.finish()


def _download_one(group: str, artifact: Artifact, progress: DownloadProgress, authorities: Authorities) -> None:
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415  # slow to import, seldom needed
    except ImportError as error:
        raise Unavailable(group, f"{error}; {EXTRA}") from error

    organisation, name, version, *rest = artifact.coordinate.split(":")
    with arriving(artifact.path) as scratch:
        context = MavenContext(
            resolver=PythonResolver(progress_callback=_meter(progress)),
            repo_cache=scratch / "repository",
            local_repos=[],
            remote_repos=REPOSITORIES,
            timeout=SILENCE_SECONDS,
        )
        try:
            found = context.project(organisation, name).at_version(version).artifact(*rest).resolve()
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            raise Unavailable(
                group, f"{artifact.coordinate} could not be downloaded: {error}{authorities.advice(error)}"
            ) from error
        with found.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != artifact.sha256:
            raise Unavailable(
                group,
                f"{artifact.coordinate} has SHA-256 {digest}, expected {artifact.sha256} by {LOCK.name}; "
                "the download was altered or cut short: try again, and find out who sits between if it repeats",
            )
        found.rename(scratch / artifact.path.name)


def _meter(progress: DownloadProgress) -> Callable[[str, int], AbstractContextManager[Callable[[int], None]]]:
    @contextmanager
    def metered(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield progress.advance

    return metered
