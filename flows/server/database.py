"""The embedded server's database: one SQLite file per home, copied from a template that is made once per machine.

Prefect builds its tables by a hundred migrations, 9 s, and registers its block types, 2 to 4 s. The first database made
with an installed version is kept as a template before any run is in it; the next home starts from a copy of it.

It holds the history of runs and no results. An unusable database is set aside, and no run is refused for it.
"""

import importlib.metadata
import os
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

LOCKED_SECONDS = 30.0
"""Seconds to wait for a lock. Our own writers hold it for milliseconds, a first start on a busy machine for longer."""


def cache_folder() -> Path:
    """This user's folder for data that can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lapt"


def shared_folder(home: Path) -> Path:
    """The folder that all homes of this user share under this version of Prefect; ``home`` itself if there is none."""
    folder = cache_folder() / f"prefect-{importlib.metadata.version('prefect')}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return home
    return folder if os.access(folder, os.W_OK) else home


@contextmanager
def writable(home: Path) -> Iterator[Path]:
    """``home`` if a history can be written there, else a temporary folder, with a message."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
        Database(home, home).check_unlocked()
    except (OSError, sqlite3.OperationalError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        warnings.warn(
            f"expected Prefect's history in {home}; got {said}; this run goes on without one that is kept, its results "
            "are in the store",
            stacklevel=2,
        )
        with tempfile.TemporaryDirectory(prefix="lapt-history-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    yield home


@dataclass(frozen=True)
class Database:
    """The file in ``home`` and the template in ``shared``."""

    home: Path
    shared: Path

    @property
    def path(self) -> Path:
        return self.home / "prefect.db"

    @property
    def template(self) -> Path:
        return self.shared / "template.db"

    def is_current(self) -> bool:
        """Whether a server may start without a check for migrations: the schema is the template's."""
        schema = _schema(self.path)
        return schema is not None and schema == _schema(self.template)

    def check_unlocked(self) -> None:
        """Raises sqlite3.OperationalError if the database cannot be written, now or ever."""
        if not self.path.is_file():
            return
        try:
            with closing(sqlite3.connect(self.path, timeout=LOCKED_SECONDS, isolation_level=None)) as database:
                database.execute("BEGIN IMMEDIATE")
                database.execute("ROLLBACK")
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return  # broken: a server that starts finds out, and it is set aside

    def set_aside(self) -> Path | None:
        """Rename it, with its logs, so that a new one begins; None if there is none."""
        if not self.path.exists():
            return None
        aside = self.home / f"prefect-{datetime.now(UTC):%Y%m%dT%H%M%S}.db"
        self._rename(self.path, aside)
        return aside

    def put_back(self, aside: Path) -> None:
        """Restore a database that was set aside but was not at fault."""
        self._rename(aside, self.path)

    @staticmethod
    def _rename(path: Path, other: Path) -> None:
        for end in ("", "-wal", "-shm"):
            Path(f"{other}{end}").unlink(missing_ok=True)
            if Path(f"{path}{end}").exists():
                Path(f"{path}{end}").rename(f"{other}{end}")

    def copy_template(self) -> None:
        """Begin ``home``'s history with a copy of the template, if it has none and the template exists."""
        if not self.path.exists() and self.template.exists():
            unfinished = self.path.with_suffix(".new")
            shutil.copyfile(self.template, unfinished)
            unfinished.replace(self.path)

    def keep_template(self) -> None:
        """Keep a database that has no run in it yet as the template of later homes."""
        unfinished = self.template.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(unfinished)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, complete without a log beside it
        unfinished.replace(self.template)


def _schema(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            (revision,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError):
        return None
    return str(revision)
