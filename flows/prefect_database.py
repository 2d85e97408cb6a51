"""The embedded server's database: one SQLite file a home, made once a machine and copied from then on.

Prefect builds its tables by a hundred migrations, 9 s, and registers its block types, 2 to 4 s. The first database made
with an installed version is kept as a template before any run is in it; the next home starts from a copy of it.
"""

import importlib.metadata
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


def shared_folder(home: Path) -> Path:
    """What all homes of this user share under this version of Prefect; ``home`` itself where there is no such place."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "lapt" / f"prefect-{importlib.metadata.version('prefect')}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return home
    return folder if os.access(folder, os.W_OK) else home


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
        """Whether a server may start without looking for migrations: the schema is the template's."""
        schema = _schema(self.path)
        return schema is not None and schema == _schema(self.template)

    def copy_template(self) -> None:
        """Begin ``home``'s history, where there is none, with a copy of the template, where there is one."""
        if not self.path.exists() and self.template.exists():
            unfinished = self.path.with_suffix(".new")
            shutil.copyfile(self.template, unfinished)
            unfinished.replace(self.path)

    def keep_template(self) -> None:
        """Keep a database that has no run in it yet for the homes to come."""
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
