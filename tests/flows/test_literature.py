"""``lapt study table4`` and ``table5``: every published row, what is counted beside it, no figure that was not run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_cli import refused
from typed import typed

from flows.studies.literature import TABLES, literature
from flows.studies.published import TABLE_4, TABLE_5
from lapt.families.darts.published_cells import PUBLISHED_CELLS
from lapt.networks.references import REFERENCES
from storage.store import Store


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_table_has_every_published_row_and_says_what_was_not_run(name: str, tmp_path: Path) -> None:
    done = typed("study", name, "--store", str(tmp_path / "store"), columns=100)
    assert done.returncode == 0, done.stderr
    shown, _, now = done.stdout.partition("What now?")
    assert " report " in now
    lines = [line.rstrip() for line in shown.splitlines()]
    assert max(map(len, lines)) <= 100
    table = lines[: next(at for at, line in enumerate(lines) if line.startswith("* "))]
    for network in TABLES[name].rows:
        (row,) = (line for line in table if line.startswith(f" {network.name[:15]}"))
        figures = [network.accuracy, network.gpu_days, *([network.parameters] if network.parameters else [])]
        words = row.split()
        assert [word for word in words if word in figures][: len(figures)] == figures
        assert "not run" in row
        assert (words[-2:] == ["-", "-"]) == (network.counted is None)
    assert "full scale" in squeezed("\n".join(table))
    assert "no network is trained here" in done.stdout
    stored = Store(tmp_path / "store").read("studies").to_pylist()
    assert {row["study"] for row in stored} == {name}


def test_the_document_of_table_4(tmp_path: Path) -> None:
    done = typed("study", "table4", "--json", "--store", str(tmp_path / "store"))
    study = json.loads(done.stdout)
    assert (study["study"], study["seeds"], study["methods"]) == ("table4", 0, [row.name for row in TABLE_4])
    by = {(row["method"], row["quantity"]): row for row in study["rows"]}
    assert by["ResNet-110 (He et al. 2016)", "parameters"]["mean"] == 1_727_962
    assert by["DARTs (Liu, Simonyan, and Yang 2018)", "parameters"]["mean"] == 3_349_342
    assert by["SNAS (Xie et al. 2018)", "gpu_days"]["published"] == "1.5"
    assert by["LAPT-REA", "test"]["published"] == "97.35"
    assert all(row["mean"] is None for row in study["rows"] if row["quantity"] in ("test", "gpu_days"))


def test_the_published_figures_are_those_of_the_paper() -> None:
    """Spot checks of Tables 4 and 5, among them figures whose last digit is a zero."""
    cifar = {network.name.partition(" (")[0]: (network.accuracy, network.gpu_days) for network in TABLE_4}
    assert (cifar["ResNet-110"], cifar["GibbsNAS"]) == (("93.40", "-"), ("97.47", "0.5"))
    assert (cifar["MSNAS"], cifar["MFENAS"]) == (("97.32", "0.25"), ("97.61", "0.6"))
    imagenet = {network.name.partition(" (")[0]: network for network in TABLE_5}
    for name, printed in {
        "ShuffleNet": ("73.7", "5.0M", "-"),
        "FairDARTs": ("75.6", "4.3M", "3.0"),
        "LAPT-REA": ("75.1", "4.6M", "2.0"),
    }.items():
        assert (imagenet[name].accuracy, imagenet[name].parameters, imagenet[name].gpu_days) == printed


def test_only_shufflenet_is_far_from_its_published_parameters() -> None:
    """5.45M, where the literature prints "about 5M"."""
    apart = [note for note in literature("table5").notes if "from the published" in note]
    assert [note.partition(";")[0] for note in apart] == ["ShuffleNet: counted parameters are +9% from the published"]


def test_every_network_that_is_counted_is_known_and_every_reference_is_used() -> None:
    counted = {network.counted for network in TABLE_4 + TABLE_5 if network.counted}
    assert counted <= {*REFERENCES, *PUBLISHED_CELLS}
    assert counted >= {*REFERENCES}


@pytest.mark.parametrize(
    "option", [("--seeds", "3"), ("--methods", "rea"), ("--set", "seed=1"), ("--fresh",), ("--plots", "plots")]
)
def test_options_of_running_are_refused(option: tuple[str, ...]) -> None:
    line = refused(typed("study", "table5", *option), 2)
    assert line == (
        f"lapt: expected --store and --json alone with table5, which runs nothing; got {option[0]}; leave it out"
    )
