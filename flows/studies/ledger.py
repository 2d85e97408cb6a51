"""Results of studies in the store: finished jobs, so that a stopped study goes on, and rows for ``lapt sql``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import lapt
from flows.studies.count.figures import Curve, Returned
from flows.studies.jobs import Job
from flows.studies.rows import StudyResult, Who
from lapt.base.digests import digest, short
from lapt.errors import StoreError
from storage.store import Store
from storage.versions import versions

VERSION = 1
"""Raise it by hand when the form of a stored job changes."""


class Ledger:
    """Finished jobs of studies in a store. A job is found by its content and computed once for all studies.

    ``checksum``: of the table. The key also has the code's digest: no figure mixes two versions of a method.
    """

    def __init__(self, store: Store, checksum: str) -> None:
        self.store, self.checksum = store, checksum

    def key(self, job: Job) -> str:
        entrant = job.entrant
        search = entrant.search
        named = (search.func, *search.args) if isinstance(search, partial) else (search,)
        return digest(
            {
                "version": VERSION,
                "code": code(),
                "table": self.checksum,
                "pipeline": entrant.pipeline.model_dump(mode="json"),
                "who": list(entrant.who),
                "search": [getattr(part, "__name__", str(part)) for part in named],
                "budget": entrant.budget,
                "draw": job.draw,
                "seeds": list(job.seeds),
            }
        )

    def known(self, jobs: Sequence[Job]) -> dict[str, list[Curve]]:
        """Key -> result, of the jobs that are finished."""
        keys = [self.key(job) for job in jobs]
        stored = self.store.read("study_jobs", filter=pc.field("key").isin(keys)).to_pylist()
        return {row["key"]: [_curve(written) for written in json.loads(row["curves"])] for row in stored}

    def keep(self, study: str, job: Job, curves: Sequence[Curve]) -> None:
        written = json.dumps([asdict(curve) for curve in curves], separators=(",", ":"))
        row = {"key": self.key(job), "study": study, "label": job.entrant.label, "curves": written}
        self.store.append("study_jobs", [row])


def keep(store: Store, result: StudyResult) -> str:
    """Append the rows to the data set ``studies`` and write the whole result for its page. Returns their id, a digest
    of the rows."""
    rows = [row.model_dump(mode="json") for row in result.rows]
    said = {"study": result.study, "pipeline": result.pipeline, "rows": rows}
    study_id = short(said)
    common = {"study_id": study_id, "study": result.study, "pipeline": result.pipeline}
    store.append("studies", [{**common, **row} for row in rows])
    whole = {"versions": versions(), "result": result.model_dump(mode="json")}
    store.files.write(_file(study_id), json.dumps(whole, separators=(",", ":")).encode())
    return study_id


def studies(store: Store) -> list[str]:
    """The ids of all stored studies, each once."""
    return sorted({row["study_id"] for row in store.read("studies", ["study_id"]).to_pylist()})


def kept(store: Store, study_id: str) -> tuple[StudyResult, dict[str, str]]:
    """A stored study's result, and the versions that ran it. Raises StoreError if its file is gone or unreadable."""
    try:
        whole = json.loads(store.files.read(_file(study_id)))
        return StudyResult.model_validate(whole["result"]), whole["versions"]
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"the file {_file(study_id)} of {store.address}", f"{type(error).__name__}: {error}", "run the study again"
        ) from error


def _file(study_id: str) -> str:
    return f"reports/study-{study_id}.json"


@lru_cache(maxsize=1)
def code() -> str:
    """Digest of the modules that a figure depends on."""
    folders = (Path(lapt.__file__).parent, Path(__file__).parent)
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py")) if "report" not in path.parts]
    return digest([path.read_text(encoding="utf-8") for path in paths])


def _curve(written: dict[str, Any]) -> Curve:
    returned = {int(budget): Returned(*found) for budget, found in written["returned"].items()}
    lists = {name: tuple(written[name]) for name in ("ranks", "values")}
    return Curve(**{**written, **lists, "who": Who(*written["who"]), "returned": returned})
