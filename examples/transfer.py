"""A score of one's own: from a function to an architecture, with the reasons. Seconds."""

import lapt


def score(architecture):
    """Here: long paths of 3x3 convolutions. Yours trains a network, asks a simulator, reads a file."""
    return str(architecture).count("nor_conv_3x3") - 0.5 * str(architecture).count("avg_pool")


found = lapt.transfer(score, source=lapt.table("invented", "invented_source"), budget=20, controls=["random"])
print(found)
print(f"random search with the same budget: {found.controls['random']}")
print(found.principles.principles[0].statement)
