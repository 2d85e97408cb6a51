"""Names are other people's text: what each printer makes of hostile ones, and which are refused."""

from __future__ import annotations

import io
import re
import shlex
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import ValidationError

from flows.screen import console
from lapt.pipeline.config import Pipeline, load_pipeline
from lapt.pipeline.wording import code, literal, visible
from lapt.report.pages import page
from lapt.report.tables import Column, Table, markdown
from tasks import artifacts

HOSTILE = [
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b2J", "a\rb", "\u202egnp.exe", "\ud800", "[bold]x[/bold]",
    ":warning:",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;", "a|b", "`a`", "``", "**a**", "_a_", "~~a~~",
    "[a](javascript:1)", "![a](b)", "# a", "1. a", "2) b", "- a", "+ a", "> a", "= a", "a\\", "$x$", "; rm -rf /",
    "$(id)", "`id`", "it's", 'say "x"', "-x", "--target", "{{ 7 }}", "{% raw %}", "{target}", "%s", "画像", "a\n\nb",
]  # fmt: skip
texts = st.text(st.characters(), max_size=12) | st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def each(test: object) -> object:
    for text in HOSTILE:
        test = example(text)(test)  # type: ignore[arg-type]
    return given(texts)(test)  # type: ignore[arg-type]


def one_line(text: str) -> str:
    return " ".join(visible(text).split())


# --- the terminal --------------------------------------------------------------------------------------------
@each
def test_a_terminal_is_given_no_command(text: str) -> None:
    assert not CONTROL.search(visible(text))
    screen = console._Console()
    screen.file, screen.width = io.StringIO(), 1000
    screen.print(text, soft_wrap=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "out", screen)
        for width in (1000, 12):
            screen.width = width
            console.print_table(Table.of([text, Column(text, number=True)], [(text, text)], text))
    written = screen.file.getvalue()
    assert not CONTROL.search(written)
    assert written.startswith(visible(text).expandtabs(8).split("\n")[0].rstrip("\n")) or "\t" in text


def test_plain_text_is_as_it_was() -> None:
    assert visible("nor_conv_3x3\t±\n画像 é") == "nor_conv_3x3\t±\n画像 é"
    assert visible("\x1b[31m") == "\\x1b[31m"


def test_a_failure_and_a_warning_are_shown_without_commands(capsys: pytest.CaptureFixture[str]) -> None:
    console.complain("got \x1b[31m[bold]")
    console.warned(UserWarning("of \x9b2J"))
    assert capsys.readouterr().err == "lapt: got \\x1b[31m[bold]\nlapt: warning: of \\x9b2J\n"


# --- what is typed next --------------------------------------------------------------------------------------
@each
def test_a_command_is_typed_as_one(text: str) -> None:
    said = console.command("export", "run", f"--target={text}", text)
    assert shlex.split(said)[1:] == ["export", "run", f"--target={text}", text]


def test_a_statement_of_sql_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/bin/lapt")
    assert console.command("sql", "SELECT * WHERE a = 'b'") == "lapt sql \"SELECT * WHERE a = 'b'\""
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["/a b/lapt"])
    assert console.command("ui") == "'/a b/lapt' ui"


# --- Markdown ------------------------------------------------------------------------------------------------
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


class _Page(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags += [tag] if tag != "wbr" else []  # where a line may break

    def handle_data(self, data: str) -> None:
        self.text += data


@each
def test_markdown_shows_it_literally(text: str) -> None:
    for before, tags in (("", ["p"]), ("# ", ["h1"]), ("* ", ["ul", "li"]), ("1. ", ["ol", "li"])):
        if one_line(text):
            shown = _Page(MARKDOWN.render(f"{before}{literal(text)}"))
            assert (shown.tags, shown.text.strip()) == (tags, one_line(text))
            shown = _Page(MARKDOWN.render(f"{before}{code(text)}"))
            assert (shown.tags, shown.text.strip()) == ([*tags, "code"], one_line(text))
    lines = markdown(Table.of([text, Column(text, code=True)], [(text, text)]))
    row = _Page(MARKDOWN.render("\n".join(lines)))
    inside = ["code"] if one_line(text) else []
    assert row.tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td", *inside]
    assert row.text.split() == 4 * one_line(text).split()


@each
def test_a_cell_of_an_artifact_is_shown_literally(text: str) -> None:
    made: list[list[dict[str, str]]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "create_table_artifact", lambda rows, **_: made.append(rows))
        artifacts.table(Table.of(["a", Column("b", code=True)], [(text, text)]), "said", "key")
    [[row]] = made
    for cell, tags in ((row["a"], ["p"]), (row["b"], ["p", "code"])):
        shown = _Page(MARKDOWN.render(cell))
        assert (shown.tags, shown.text.strip()) == (tags if one_line(text) else [], one_line(text))


def test_a_key_of_an_artifact_is_one_whatever_the_name() -> None:
    assert artifacts._key("p", "room_layout", "targets") == "p-room-layout-targets"
    keys = {artifacts._key("p", name, "targets") for name in ("画像", "音声", "<>", "a b")}
    assert len(keys) == 4
    assert all(re.fullmatch(r"[a-z0-9]+(-+[a-z0-9]+)*", key) for key in keys)


# --- pages ---------------------------------------------------------------------------------------------------
def study(text: str) -> str:
    groups = [[Table.of([text, Column(text, code=True)], [(text, text)], text)]]
    return page(
        "study", title=text, about=[text], groups=groups, figures=[], remarks=[text], command=text, study_id=text,
        versions=text,
    )  # fmt: skip


PLAIN = _Page(study("plain")).tags


@each
def test_a_page_has_no_tag_of_a_name(text: str) -> None:
    shown = _Page(study(text))
    assert shown.tags == (PLAIN if text else _Page(study("")).tags)
    assert not CONTROL.search(shown.text)
    assert visible(text).strip() in shown.text


# --- the boundary --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["\x1b[31m", "a\nb", "", " a", "a ", "\u202eb", "\u2028", "x" * 201])
def test_names_of_tasks_that_are_none_are_refused(name: str) -> None:
    known = load_pipeline("nas201").model_dump(mode="json")
    for declared in ({**known, "targets": [name]}, {**known, "source": {**known["source"], "task": name}}):
        with pytest.raises(ValidationError, match="printable characters"):
            Pipeline.model_validate(declared)


@pytest.mark.parametrize(
    "name", ["cifar10", "room_layout", "room layout", "a/b", "[bold]", "<b>", "画像", "-x", "it's"]
)
def test_names_that_a_store_may_hold_today_stay(name: str) -> None:
    known = load_pipeline("nas201").model_dump(mode="json")
    assert Pipeline.model_validate({**known, "targets": [name]}).targets == (name,)
