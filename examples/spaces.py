"""What a search space can do: sizes, moves, restriction, cells that compute the same. Seconds."""

import numpy as np

import lapt

rng = np.random.default_rng(0)
for name in ("nas201", "trans101", "darts"):
    space = lapt.space(name)
    cell = space.sample(rng)
    child = space.mutate(cell, rng)
    changed = sum(a != b for a, b in zip(cell.operators, child.operators, strict=True))
    changed += sum(a != b for a, b in zip(cell.sources, child.sources, strict=True))
    print(f"{name}: {space.size:,} architectures, {len(space.layers)} layers; a mutation changed {changed} choice")
    print(f"  {space.encode(cell)}")
    assert space.decode(space.encode(cell)) == space.as_member(cell)

darts = lapt.space("darts")
refined = darts.restrict(
    operators={layer.name: ["sep_conv_3x3", "skip_connect"] for layer in darts.layers},
    sources={"normal.5a": ["input0", "input1"]},
)
print(f"refined: {refined.size:,} architectures; every one is one of the whole: {darts.contains(refined.sample(rng))}")

nas201 = lapt.space("nas201")
functions = {nas201.canonical(cell) for cell in nas201.members()}
print(f"{nas201.size:,} cells of NAS-Bench-201 compute {len(functions):,} different functions")
