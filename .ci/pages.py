"""Hook of mkdocs: the pages of the repository, under their own paths.

A relative link leads to the same file in the repository and on the site, so pages are written once, for both. Source
files that a page links to are copied as they are. A link to a folder, which a site does not have, is shown as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
"""Pages of the site that lie outside of docs/."""
LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:)([^)#]+)(?:#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace what mkdocs found in docs/ by the same under its path in the repository, and add the rest."""
    docs = Path(config.docs_dir)
    theme = [file for file in files if file.src_dir != config.docs_dir]
    inside = [path for path in sorted(docs.rglob("*")) if path.is_file()]
    pages = [*(ROOT / page for page in PAGES), *inside]
    linked = {target for page in pages if page.suffix == ".md" for target in _targets(page) if target.is_file()}
    paths = dict.fromkeys([*pages, *sorted(linked)])
    return Files([*theme, *(_file(config, path.relative_to(ROOT).as_posix()) for path in paths)])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write links to folders as text."""
    folder = (ROOT / page.file.src_uri).parent
    return LINK.sub(lambda link: link[1] if (folder / link[2]).is_dir() else link[0], markdown)


def _targets(page: Path) -> Iterator[Path]:
    for _, target in LINK.findall(page.read_text(encoding="utf-8")):
        yield (page.parent / target).resolve()


def _file(config: MkDocsConfig, path: str) -> File:
    return File(path, str(ROOT), config.site_dir, config.use_directory_urls)
