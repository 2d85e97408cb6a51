"""``lapt reasoner`` and ``lapt principles``: replies of language models, and the principles that were learned."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import JsonOption, StoreOption
from flows.screen.console import command, err, say
from lapt.errors import ConfigError
from lapt.reasoning.statements import StatedPrinciples
from storage.addresses import DEFAULT_STORE

reasoner_app = typer.Typer(help="Language models: prompts without a reply, and recordings.", no_args_is_help=True)
principles_app = typer.Typer(help="Design principles of runs, and their changes.", no_args_is_help=True)


@reasoner_app.command("waiting")
def waiting(store: StoreOption = DEFAULT_STORE) -> None:
    """List the prompts of chat:manual that have no reply yet."""
    from storage.runs.replies import FOLDER, PROMPT
    from storage.runs.replies import waiting as unanswered
    from storage.store import Store

    opened = Store(store)
    found = unanswered(opened)
    for prompt in found:
        say(f"{prompt}   {opened.address}/{FOLDER}/{prompt}{PROMPT}")
    answered = command("reasoner", "reply", *found[:1], "FILE", store=opened.address)
    say(f"What now?  {answered}" if found else "no prompt waits for a reply")


@reasoner_app.command("reply")
def reply(
    prompt: Annotated[str, typer.Argument(help="Id of a waiting prompt, or its first letters.")],
    file: Annotated[typer.FileText, typer.Argument(help="File with the reply; - for standard input.")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Save the reply to a prompt of chat:manual; then run the command that waits for it again."""
    from storage.runs.replies import reply as save
    from storage.store import Store

    save(Store(store), prompt, file.read())
    print("saved; now type the command again that waited for it")


@reasoner_app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The file to write: JSON lines.")],
    run: Annotated[str | None, typer.Option(help="Only this run: its id, or its first letters.")] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write recorded replies to one file, so that a run can be replayed from another store."""
    from storage.runs.replies import export_recordings
    from storage.store import Store

    say(f"wrote {export_recordings(Store(store), file, run)} replies to {file}")


@reasoner_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file of lapt reasoner export.")], store: StoreOption = DEFAULT_STORE
) -> None:
    """Add recorded replies to the store."""
    from storage.runs.replies import import_recordings
    from storage.store import Store

    print(f"added {import_recordings(Store(store), file)} replies")


@principles_app.command("list")
def list_(
    run: Annotated[str | None, typer.Option(help="Only this run: its id, or its first letters.")] = None,
    library: Annotated[
        str | None, typer.Option(help="In place of a store: shipped, or the file of a library of principles.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="With --library: only principles of this space.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="With --library: only what tasks of this metric say, such as accuracy.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List every set of principles, the latest run first; or the principles of a library, best founded first."""
    from flows.screen.store import show_principles
    from storage.runs.record import stated_principles
    from storage.store import Store

    if library is not None:
        from flows.screen.library import as_json as entries_as_json
        from flows.screen.library import show_library
        from storage.library import library_named

        known = library_named(library)
        (entries_as_json if as_json else show_library)(known, library, space, kind or ())
        return

    rows = stated_principles(Store(store), run)
    if as_json:
        kept = ("principles_id", "run_id", "task", "iteration", "step", "reasoner", "parent", "statements")
        print(json.dumps([{name: row[name] for name in kept} for row in rows], indent=2))
    else:
        show_principles(rows)


@principles_app.command("show")
def show(
    principles: Annotated[str, typer.Argument(help="Id of principles, or its first letters.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Show statements, claims, and how far the architectures they were learned from support them."""
    from flows.screen.store import show_stated
    from storage.runs.record import principles_by_id, space_of
    from storage.store import Store

    opened = Store(store)
    found = principles_by_id(opened, principles)
    if as_json:
        print(found.model_dump_json(indent=2, ensure_ascii=True))
    else:
        show_stated(found, space_of(opened, found))


@principles_app.command("diff")
def diff(
    before: Annotated[str, typer.Argument(help="Id of principles, or its first letters.")],
    after: Annotated[str, typer.Argument(help="Id of principles, or its first letters.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Compare two sets of principles claim by claim: claims of the first alone (-), and of the second alone (+)."""
    from lapt.principles import difference
    from storage.runs.record import principles_by_id
    from storage.store import Store

    opened = Store(store)
    changes = difference(principles_by_id(opened, before), principles_by_id(opened, after))
    if as_json:
        print(json.dumps(changes, indent=2))
        return
    for sign, claims in (("-", changes["gone"]), ("+", changes["new"])):
        for claim in claims:
            say(f"{sign} {claim}")
    if not any(changes.values()):
        print("they claim the same", file=sys.stderr)


@principles_app.command("experts")
def experts(
    principles: Annotated[str, typer.Argument(help="Id of principles, or its first letters.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Show principles of experts: how far the architectures read support them, and which of them were learned."""
    from flows.screen.store import show_grounded
    from lapt.reasoning.experts.grounding import grounded
    from storage.runs.record import architectures_read, principles_by_id, space_of
    from storage.store import Store

    opened = Store(store)
    learned = principles_by_id(opened, principles)
    found = grounded(space_of(opened, learned), architectures_read(opened, learned), learned)
    if as_json:
        rows = [
            {
                "statement": beside.expert.statement,
                "source": beside.expert.source,
                "support": beside.support,
                "base_rate": beside.base_rate,
                "matched_by": beside.matched,
            }
            for beside in found
        ]
        print(json.dumps(rows, indent=2))
    else:
        show_grounded(found, learned)


@principles_app.command("import")
def import_replies(
    file: Annotated[Path, typer.Argument(help="JSON Lines: a model's replies, with the keys step, draw and reply.")],
    out: Annotated[Path, typer.Option(help="The file of principles to write.")],
    space: Annotated[str, typer.Option(help="A search space by name, or the file of a declared one.")] = "nas201",
    where: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only lines with this key, e.g. --where draw=1.")
    ] = None,
) -> None:
    """Read replies of a language model as principles: conditions on layers, each draw an adviser."""
    from lapt.front.places import space as space_of
    from lapt.reasoning.language.imported import as_statements, replies_in

    _write(out, as_statements(replies_in(file, where or ()), space_of(space)))


@principles_app.command("export")
def export_principles(
    principles: Annotated[str, typer.Argument(help="Id of principles, or its first letters.")],
    out: Annotated[Path, typer.Option(help="The file of principles to write.")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write principles as a file of conditions, which another run starts from."""
    from lapt.reasoning.exported import exported
    from storage.runs.record import principles_by_id, space_of
    from storage.store import Store

    opened = Store(store)
    found = principles_by_id(opened, principles)
    stated, behind = exported(space_of(opened, found), found)
    _write(out, stated)
    if behind:
        say(f"left behind: {len(behind)} features of a regression, which are no conditions")


def _write(out: Path, stated: StatedPrinciples) -> None:
    from lapt.reasoning.statements import advisers_in
    from storage.files import LocalFiles

    LocalFiles(out.absolute().parent).write(out.name, stated.text.encode())
    advisers = [name or "unnamed" for name in advisers_in(stated.principles)]
    say(f"wrote {len(stated.principles)} principles of {', '.join(advisers)} to {out}")
    say(f"What now?  lapt run PIPELINE --reasoner stated:{out}, or --reasoner patterns+stated:{out}")


@principles_app.command("carry")
def carry(
    file: Annotated[Path, typer.Argument(help="A file of principles (lapt principles export, import).")],
    to: Annotated[str, typer.Option(help="A search space by name, or the file of a declared one.")],
    of: Annotated[
        str | None, typer.Option("--from", help="The file's own space, if it is a declared one: its declaration.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The file to write; standard output if unset.")] = None,
) -> None:
    """Say principles of one search space for another, by what operators and layers are; what stays behind is told."""
    from lapt.front.places import space as space_of
    from lapt.reasoning.across import carried
    from lapt.reasoning.statements import read_principles_file
    from lapt.roles.operators import without_role

    stated = read_principles_file(file)
    source, target = space_of(of or stated.space), space_of(to)
    found = carried(stated, source, target)
    for space in dict.fromkeys((source, target)):
        for operator, reason in without_role(space):
            err.print(f"{operator} of {space.name} has no role: {reason}", soft_wrap=True)
    for sentence, reason in found.behind:
        err.print(f"left behind: {sentence} {reason}", soft_wrap=True)
    if output is None:
        print(found.statements.text, end="")
    else:
        _write(output, found.statements)


@principles_app.command("schema")
def schema() -> None:
    """Print the JSON Schema of conditions, the language in which principles can be stated."""
    from lapt.conditions.language import schema as of_conditions

    print(json.dumps(of_conditions(), indent=2))


@principles_app.command("judge")
def judge(
    file: Annotated[Path, typer.Argument(help="A YAML or JSON file: a condition, or a list of them.")],
    space: Annotated[str, typer.Option(help="A search space by name, or the file of a declared one.")] = "nas201",
    table: Annotated[str | None, typer.Option(help="An imported table, whose best architectures are read.")] = None,
    task: Annotated[str | None, typer.Option(help="A task of that table.")] = None,
    best: Annotated[int, typer.Option(min=1, help="Number of its best architectures.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Say conditions as sentences, and how many good architectures and how much of the space they hold for."""
    from flows.screen.store import show_judged
    from lapt.archive import best_of_all
    from lapt.conditions.files import judged
    from lapt.front.places import space as space_of
    from lapt.front.places import table as table_of

    if (table is None) != (task is None):
        raise ConfigError("--table and --task together", "one of them", "name both, or neither")
    searched, read = space_of(space), None
    if table is not None and task is not None:
        evaluator = table_of(table, task)
        searched = evaluator.space
        read = [entry.architecture for entry in best_of_all(searched, evaluator, best).entries]
    found = judged(file, searched, read)
    if as_json:
        print(json.dumps([one.as_data for one in found], indent=2))
    else:
        show_judged(found, searched.name, None if read is None else f"the best {len(read)} on {task}")
