"""The pages as a browser shows them: headless Chromium, on the desk and on a phone, light and dark."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shared_server
from playwright.sync_api import Browser, sync_playwright
from small_study import a_study

from flows.studies.jobs import keep
from storage.runs.history import runs
from storage.store import Store

pytestmark = pytest.mark.integration
LAPT = Path(sys.executable).with_name("lapt")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "CI has a browser: .ci/run installs Debian's chromium"
        pytest.skip("no Chromium here: apt-get install chromium")
    root = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *root])
        yield browser
        browser.close()


SUPERNETS = """
name: shared
space: darts7
evaluator:
  kind: supernet
  data: digits
  channels: 2
  cells: 1
  training_images: 200
  calibration_images: 64
  recipe: {epochs: 1, batch_size: 50}
source: {task: rotation, archive: {strategy: random, samples: 8, size: 4}}
targets: [classification]
adaptation: {iterations: 2, top_r: 2}
search: {method: rea, population_size: 2, generations: 1, tournament_size: 2}
controls: [random]
"""
"""Without a final training."""


@pytest.fixture(scope="module")
def supernets(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The store of such a run, and what it said."""
    folder = tmp_path_factory.mktemp("supernets")
    (folder / "shared.yaml").write_text(SUPERNETS)
    store = str(folder / "store")
    return store, lapt("run", str(folder / "shared.yaml"), "--processes", "1", "--store", store)


def test_a_run_on_supernets_ends_with_what_trains_its_finding(supernets: tuple[str, str]) -> None:
    ending = supernets[1].partition("What now?")[2]
    assert "training what" not in supernets[1]
    assert "their validation scores compare roughly" in " ".join(supernets[1].split())
    assert "lapt export" not in ending, "nothing is trained, so there is nothing to take away"
    command = next(line for line in ending.splitlines() if " final " in line).replace("epochs=100", "epochs=1")
    assert "Trained from scratch" in lapt(*command.split()[1:])


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, supernets: tuple[str, str]) -> dict[str, Path]:
    """A run on the invented table, one on supernets, and a study."""
    folder = tmp_path_factory.mktemp("pages")
    store = Store(str(folder / "store"))
    result = json.loads(lapt("run", "invented", "--json", "--store", store.address))
    found = {"run": result["run_id"], "study": keep(store, a_study())}
    for name, identifier in found.items():
        lapt("report", identifier, "--store", store.address, "--out", str(folder / f"{name}.html"))
    (run,) = runs(Store(supernets[0]))
    lapt("report", run, "--store", supernets[0], "--out", str(folder / "supernets.html"))
    return {name: folder / f"{name}.html" for name in (*found, "supernets")}


def lapt(*arguments: str) -> str:
    clean = shared_server.environment(arguments[0])
    done = subprocess.run(
        [str(LAPT), *arguments], stdout=subprocess.PIPE, text=True, timeout=240, env=clean, check=True
    )
    return done.stdout


LOOK = """() => {
  const style = getComputedStyle(document.body);
  const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = text => {
    const [r, g, b] = rgb(text).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(colour) && colour !== 'transparent') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = [];
  for (const element of document.querySelectorAll('p, li, td, th, dd, dt, a, summary, caption, figcaption, svg text')) {
    if (!element.textContent.trim() || !element.getClientRects().length) continue;
    const own = getComputedStyle(element);
    const colour = element.closest('svg') ? own.fill : own.color;
    const [one, other] = [light(colour), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) faint.push([element.tagName, element.textContent.slice(0, 30), colour, ratio.toFixed(2)]);
  }
  return {
    width: document.documentElement.scrollWidth,
    paper: light(style.backgroundColor),
    faint,
    figures: [...document.querySelectorAll('svg')].map(figure => ({
      name: figure.getAttribute('aria-label'),
      box: [figure.getBoundingClientRect().width, figure.getBoundingClientRect().height],
      inside: [...figure.querySelectorAll('path, use, text')].filter(part => {
        const box = part.getBoundingClientRect(); return box.width + box.height > 1;
      }).length,
    })),
  };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["run", "study", "supernets"])
def test_a_page_is_drawn_in_a_browser(
    browser: Browser, pages: dict[str, Path], name: str, width: int, scheme: Any
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(pages[name].as_uri())
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.tagName")
    for summary in page.locator("summary").all():
        summary.click()
    seen = page.evaluate(LOOK)
    context.close()
    assert said == []
    assert asked == [pages[name].as_uri()]
    assert seen["width"] <= width
    assert (seen["paper"] < 0.1) == (scheme == "dark")
    assert seen["faint"] == []
    assert len(seen["figures"]) >= 2
    for figure in seen["figures"]:
        assert len(figure["name"]) > 20
        assert 200 < figure["box"][0] <= width
        assert figure["box"][1] > 100
        assert figure["inside"] > 15
    assert focused == "A"
