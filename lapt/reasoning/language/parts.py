"""The form of prompts and replies, and the parts of a prompt."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lapt.base.declarations import Frozen, added

Form = Literal["layers", "conditions"]
"""layers: principles name layers and candidates to keep or to avoid. conditions: they state conditions of
``lapt.conditions`` that are preferred or avoided."""


class PromptParts(Frozen):
    """Parts of the prompt. Each can be left out, so that its worth can be measured.

    ``form`` is no part: it chooses the prompts and the replies. Parts that only the form ``conditions`` has may be
    switched off there alone.
    """

    form: Form = added("layers", description="layers: candidates to keep or avoid; conditions: conditions to prefer")
    code: bool = Field(True, description="the cell as a Python class (Figure 2 of the paper)")
    meanings: bool = Field(True, description="the computation of each operator")
    paths: bool = Field(True, description="the paths from the cell's input to its output")
    dead: bool = Field(True, description="chosen operators that lie on no path, cell by cell")
    functions: bool = Field(True, description="the number of different functions of the cells")
    tasks: bool = Field(True, description="the tasks of the source and the target")
    counts: bool = Field(True, description="the number of choices of each operator on each layer")
    disguise: bool = Field(
        False, description="neutral tokens in place of all names, layers permuted, nothing explained"
    )
    usage: bool = added(True, description="conditions: what becomes of the answers")
    live: bool = added(True, description="conditions: counts over distinct functions, of layers that reach the output")
    rates: bool = added(True, description="conditions: the shares of the whole space beside all counts")
    poor: bool = added(True, description="conditions: poor architectures for contrast, or random ones")
    scores: bool = added(True, description="conditions: scores of the source's architectures, and their noise")
    tried: bool = added(True, description="conditions: the number evaluated on the target, the weaker ones, gaps")

    @model_validator(mode="after")
    def _are_known_to_the_form(self) -> PromptParts:
        off = [name for name in CONDITIONS_ALONE if not getattr(self, name)]
        if off and self.form == "layers":
            raise ValueError(f"{off[0]} is a part of the form conditions: say form: conditions, or leave it out")
        return self

    @property
    def switches(self) -> tuple[str, ...]:
        """The parts of a prompt of this form that can be left out."""
        apart = {"form", "disguise", *(CONDITIONS_ALONE if self.form == "layers" else ())}
        return tuple(name for name in type(self).model_fields if name not in apart)


CONDITIONS_ALONE = ("usage", "live", "rates", "poor", "scores", "tried")
EVERY_PART = PromptParts()
