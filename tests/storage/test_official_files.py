"""The files that the benchmarks' makers publish are imported as they are."""

from __future__ import annotations

import itertools
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from official_files import (
    SCORES,
    Trained,
    nasbench201,
    natsbench,
    transnas,
    write_natsbench,
    write_packed,
    write_tar,
    write_torch,
)

from flows.cli.app import app
from lapt.errors import BenchmarkError
from lapt.spaces import BUILTIN
from storage.benchmarks.official import nas201 as official_nas201
from storage.benchmarks.official import transnas as official_transnas
from storage.benchmarks.official.published_files import ChecksumWarning, unheard
from storage.benchmarks.tables import import_benchmark, load

COLUMNS = [*SCORES.values(), "params_M", "flops_M"]
MICRO = [BUILTIN["trans101"].encode(cell) for cell in BUILTIN["trans101"].members()]


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Four cells with one, two, three and one seeds, whose numbers tell them apart."""
    space = BUILTIN["nas201"]
    cells = [space.encode(cell) for cell in itertools.islice(space.members(), 4)]
    return [
        (cell, {777 + seed: {c: 10.0 * i + seed**2 + j / 8 for j, c in enumerate(COLUMNS)} for seed in range(seeds)})
        for i, (cell, seeds) in enumerate(zip(cells, (1, 2, 3, 1), strict=True))
    ]


def as_one_file(trained: Trained, path: Path) -> Path:
    meta, files = natsbench(trained)
    return write_packed({**meta, "arch2infos": dict(enumerate(files))}, path)


WRITERS: dict[str, Callable[[Trained, Path], Path]] = {
    "pth": lambda trained, folder: write_torch(nasbench201(trained), folder / "made.pth", old=True),
    "pth of a newer torch": lambda trained, folder: write_torch(nasbench201(trained), folder / "new.pth", old=False),
    "last epoch alone": lambda t, folder: write_torch(nasbench201(t, full=False), folder / "short.pth", old=True),
    "NATS file": lambda trained, folder: as_one_file(trained, folder / "made.pickle.pbz2"),
    "NATS folder": lambda trained, folder: write_natsbench(trained, folder / "made"),
    "NATS tar": lambda trained, folder: write_tar(write_natsbench(trained, folder / "made"), folder / "made.tar"),
}
"""Every form in which NAS-Bench-201's results are published, and what newer versions of torch make of it."""


@pytest.mark.parametrize("form", WRITERS)
def test_nas_bench_201_in_every_form(trained: Trained, tmp_path: Path, form: str) -> None:
    shares: list[float] = []
    table = official_nas201.read(WRITERS[form](trained, tmp_path), shares.append)
    assert table.column("arch").to_pylist() == [cell for cell, _ in trained]
    for column in COLUMNS:  # mean over seeds after the last epoch; the columns' names say of which split
        means = [np.mean([row[column] for row in seeds.values()]) for _, seeds in trained]
        assert table.column(column).to_pylist() == means
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.integration
def test_a_whole_official_file_gives_the_table_of_its_parquet(
    nasbench201_file: Path, data: Path, tmp_path: Path
) -> None:
    made = pq.read_table(nasbench201_file)
    trained = [(row["arch"], {777: row}) for row in made.to_pylist()]
    content = nasbench201(trained, full=False, less=False)
    path = write_torch(content, tmp_path / "NAS-Bench-201-v1_1-096897.pth", old=True)
    with pytest.warns(ChecksumWarning, match="not in 096897 as its name says"):
        official = import_benchmark("nasbench201", path)
    parquet = import_benchmark("nasbench201", nasbench201_file)
    assert official.checksum == parquet.checksum
    assert (official.rows, parquet.replaced, parquet.identity) == (15625, None, None)
    assert load("nasbench201").checksum == official.checksum


def test_a_file_that_is_what_its_name_says(trained: Trained, data: Path, tmp_path: Path) -> None:
    from hashlib import md5

    made = WRITERS["pth"](trained, tmp_path)
    digits = md5(made.read_bytes()).hexdigest()[-6:]
    path = made.rename(tmp_path / f"NAS-Bench-201-v1_0-{digits}.pth")
    with pytest.raises(BenchmarkError, match=r"15,625 architectures of nas201 in .*; got 4; download the whole file"):
        import_benchmark("nasbench201", path)  # and no ChecksumWarning, which would be an error of this test
    assert not data.exists()


@pytest.mark.integration
def test_transnas_bench_101(data: Path, tmp_path: Path) -> None:
    macro = ["64-4111-basic", "64-43243-basic", "64-112344-basic"]
    content = transnas(MICRO, macro)
    path = write_torch(content, tmp_path / "transnas-bench_v10141024.pth", old=True)
    info = import_benchmark("transnas101-micro", path)
    assert (info.name, info.rows, len(info.tasks)) == ("transnas101_micro", 4096, 16)
    assert info.tasks["segmentsemantic_miou_best"].metric == "mIoU, best epoch"
    table = load("transnas101_micro")
    for task, metric in (("jigsaw", "valid_top1"), ("room_layout", "valid_neg_loss"), ("normal", "valid_ssim")):
        found = [content["data"]["micro"][name][task]["metrics"][metric] for name in table.architectures]
        assert list(table.column(task)) == [curve[-1] for curve in found]
        assert list(table.column(f"{task}_best")) == [max(curve) for curve in found]
    # the test score at the epoch that validates best is not the best test score, which nobody could have chosen
    tests = [content["data"]["micro"][name]["jigsaw"]["metrics"]["test_top1"] for name in table.architectures]
    assert list(table.column("jigsaw_best", "test")) == [curve[1] for curve in tests]
    assert all(curve[1] < max(curve) for curve in tests)
    assert table.parameters is not None
    first = content["data"]["micro"][table.architectures[0]]["class_scene"]["model_info"]
    assert table.parameters[0] == round(first["model_params"])

    written = official_transnas.import_macro(path, data, unheard)
    plain = pq.read_table(written.path)
    assert (written.rows, plain.column("architecture").to_pylist()) == (3, macro)
    assert plain.column("class_object_best_val").to_pylist() == [
        max(content["data"]["macro"][name]["class_object"]["metrics"]["valid_top1"]) for name in macro
    ]


def test_counts_in_millions_and_in_ones_are_told_apart(tmp_path: Path) -> None:
    tables = []
    for millions in (True, False):
        path = write_torch(transnas(MICRO[:3], [], millions=millions), tmp_path / "made.pth", old=False)
        tables.append(official_transnas.read("micro", path, unheard))
    for column in ("params_M", "flops_M"):
        one, other = (table.column(column).to_pylist() for table in tables)
        assert one == pytest.approx(other)


def test_the_command_line_says_what_can_be_done_with_the_macro_table(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_torch(transnas(MICRO[:1], ["64-4111-basic"]), tmp_path / "made.pth", old=True)
    app(["benchmark", "import", "transnas101-macro", str(path)], standalone_mode=False)
    said, progress = capsys.readouterr()
    assert f"1 architectures in {data / 'published' / 'transnas101_macro.parquet'}" in said
    assert f"import table {data / 'published' / 'transnas101_macro.parquet'} --declare mine.yaml" in said
    assert progress == ""  # it did not take long


def test_an_interrupted_import_says_that_nothing_was_imported(
    trained: Trained, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(source: object, size: int) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("storage.benchmarks.official.published_files._Watched.read", stopped)
    path = WRITERS["last epoch alone"](trained, tmp_path)
    with pytest.raises(SystemExit) as ended:
        app(["benchmark", "import", "nasbench201", str(path)], standalone_mode=False)
    assert (ended.value.code, capsys.readouterr().err) == (130, "lapt: interrupted; nothing was imported\n")
    assert not data.exists()


# --- what is refused -------------------------------------------------------------------------------------------------
def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.pop(key)  # type: ignore[return-value]


def full(content: dict[str, Any], index: int = 2) -> dict[str, Any]:
    found: dict[str, Any] = content["arch2infos"][index]["full"]
    return found


CHANGES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (without("meta_archs"), "no list meta_archs"),
    (without("arch2infos"), "no dict arch2infos"),
    (lambda c: c["arch2infos"].pop(1), "results of 4 architectures .* got none of number 1"),
    (lambda c: c["arch2infos"].update({9: c["arch2infos"][1]}), "architecture 9"),
    (lambda c: c["arch2infos"].update({"x": c["arch2infos"][1]}), "architecture 'x'"),
    (lambda c: c["arch2infos"][2].pop("full"), "architecture 2 .KeyError: '200'"),
    (lambda c: full(c).update(arch_str="|none~0|"), "results of another architecture"),
    (lambda c: full(c)["dataset_seed"].pop("cifar100"), "architecture 2 .KeyError: 'cifar100'"),
    (lambda c: full(c)["dataset_seed"].update(cifar10=[]), "architecture 2 .ValueError: no number"),
    (lambda c: full(c)["dataset_seed"]["cifar10"].append((1,)), "a seed that is no number"),
    (lambda c: full(c)["dataset_seed"]["cifar10"].append(1), r"architecture 2 .KeyError: \('cifar10', 1\)"),
    (lambda c: full(c)["all_results"]["cifar10", 777]["eval_acc1es"].pop("ori-test@199"), "'ori-test@199'"),
    (lambda c: full(c)["all_results"]["cifar10", 777]["eval_acc1es"].update({"ori-test@199": "9"}), "no number"),
    (lambda c: full(c)["all_results"]["cifar10", 777].update(epochs=90), "another training"),
    (
        lambda c: c["arch2infos"].update({2: {**c["arch2infos"][2], "full": c["arch2infos"][2]["less"]}}),
        "of 200 epochs",
    ),
]


@pytest.mark.parametrize(("change", "named"), CHANGES, ids=[named for _, named in CHANGES])
def test_results_that_are_not_as_the_api_reads_them(
    trained: Trained, tmp_path: Path, change: Callable[[dict[str, Any]], Any], named: str
) -> None:
    content = nasbench201(trained, full=False)
    change(content)
    path = write_torch(content, tmp_path / "made.pth", old=True)
    with pytest.raises(BenchmarkError, match=named) as raised:
        official_nas201.read(path, unheard)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (without("data"), "no data of the micro space"),
        (lambda c: c["data"].update(micro={}), "no architectures of the micro space"),
        (lambda c: c["data"]["micro"][MICRO[1]].pop("normal"), f"'{MICRO[1]}' .KeyError: 'normal'"),
        (lambda c: c["data"]["micro"][MICRO[1]]["jigsaw"]["metrics"].update(valid_top1=[]), MICRO[1]),
        (lambda c: c["data"]["micro"][MICRO[1]]["jigsaw"]["metrics"].update(test_top1=[1.0]), MICRO[1]),
        (lambda c: c["data"]["micro"][MICRO[1]]["class_scene"].pop("model_info"), "KeyError: 'model_info'"),
    ],
)
def test_transnas_results_that_are_not_as_the_api_reads_them(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], named: str
) -> None:
    content = transnas(MICRO[:3], [])
    change(content)
    path = write_torch(content, tmp_path / "made.pth", old=True)
    with pytest.raises(BenchmarkError, match=named):
        official_transnas.read("micro", path, unheard)


def test_folders_and_tars_without_what_they_must_have(trained: Trained, tmp_path: Path) -> None:
    folder = write_natsbench(trained, tmp_path / "made")
    (folder / "000002.pickle.pbz2").unlink()
    with pytest.raises(BenchmarkError, match="got none of number 2"):
        official_nas201.read(folder, unheard)
    (folder / "meta.pickle.pbz2").unlink()
    for path in (folder, write_tar(folder, tmp_path / "made.tar")):
        with pytest.raises(BenchmarkError, match=r"a folder or tar with meta\.pickle\.pbz2"):
            official_nas201.read(path, unheard)
    with pytest.raises(BenchmarkError, match="no pickle"):
        official_transnas.read("micro", folder, unheard)


@pytest.mark.parametrize("name", ["../000000.pickle.pbz2", "/000000.pickle.pbz2", "a/../../x", "C:\\x", "..\\x"])
def test_a_tar_that_leads_out_of_itself(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "made.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(BenchmarkError, match="a file outside itself"):
        official_nas201.read(tmp_path / "made.tar", unheard)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_tar_with_links_or_devices(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "made.tar", "w") as archive:
        entry = tarfile.TarInfo("000000.pickle.pbz2")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(BenchmarkError, match="a link, device or hole"):
        official_nas201.read(tmp_path / "made.tar", unheard)


def test_a_tar_whose_files_claim_to_be_larger(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "made.tar"
    entry = tarfile.TarInfo("000000.pickle.pbz2")
    entry.size = 10**12
    path.write_bytes(entry.tobuf() + bytes(4096))
    with pytest.raises(BenchmarkError, match="larger than the tar"):
        official_nas201.read(path, unheard)


def test_a_stopped_import_leaves_nothing(nasbench201_file: Path, trained: Trained, data: Path, tmp_path: Path) -> None:
    path = WRITERS["NATS folder"](trained, tmp_path)

    def stopped(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_benchmark("nasbench201", path, progress=stopped)
    assert not data.exists()
    before = import_benchmark("nasbench201", nasbench201_file)
    with pytest.raises(KeyboardInterrupt):
        import_benchmark("nasbench201", path, progress=stopped)
    assert [file.name for file in data.iterdir()] == ["nasbench201.parquet"]
    assert load("nasbench201").checksum == before.checksum


def test_parquet_under_any_name_is_parquet(nasbench201_file: Path, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    path.write_bytes(nasbench201_file.read_bytes())
    assert import_benchmark("nasbench201", path).identity is None
