"""A model's reply becomes principles, a space inside the space, or the exact fault."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from small_archives import NODE, SOURCED, SPACE, archive, counts_of, layer_sets, principle, principles

from lapt.principles import Claim, Count, Effect, Principle
from lapt.reasoning.endpoint.answers import InvalidReply
from lapt.reasoning.evidence import counted
from lapt.reasoning.language.replies import EXPLORE, LEARN, principles_schema, read_principles, read_space
from lapt.reasoning.language.replies import space_schema as schema_of_spaces
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import SearchSpace

WORDS = Vocabulary.plain(SPACE)
SIX = counts_of("s33333", "s33333", "s33333", "p33333", "p33333", "n33333")
GOOD = principle("skip_connect")


def read(text: str, counts: tuple[Count, ...] = SIX) -> tuple[Principle, ...]:
    return read_principles(text, SPACE, WORDS, LEARN, counts, draw=2)


def refined(text: str, space: SearchSpace = SPACE, most: int | None = 3, sources: int | None = 2) -> SearchSpace:
    return read_space(text, space, Vocabulary.plain(space), max_operators=most, max_sources=sources)


def fault(reader: Callable[[str], object], text: str) -> str:
    with pytest.raises(InvalidReply) as caught:
        reader(text)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 1000
    return said


# --- principles ----------------------------------------------------------------------------------------------------
def test_a_principle_is_read_with_the_counts_of_its_claims() -> None:
    stated = principle("skip_connect", "none", layers=["0->1", "2->3"], statement="Keep it short.", rationale="Depth.")
    (found,) = read(principles(stated))
    assert (found.statement, found.rationale, found.draws) == ("Keep it short.", "Depth.", (2,))
    assert [(c.layer, c.kind, c.candidate, c.count, c.of, c.task, c.effect) for c in found.claims] == [
        ("0->1", "operator", "skip_connect", 3, 6, "source", "keep"),
        ("0->1", "operator", "none", 1, 6, "source", "keep"),
        ("2->3", "operator", "skip_connect", 0, 6, "source", "keep"),
        ("2->3", "operator", "none", 0, 6, "source", "keep"),
    ]
    assert found.support == pytest.approx((4 / 6 + 0 / 6) / 2)


@pytest.mark.parametrize(
    "text",
    [
        "REPLY",
        "  \n\t REPLY  ",
        "```json\nREPLY\n```",
        "```\nREPLY\n```\nI hope this helps.",
        "Step 1: {the cells}. Step 2: a set {a, b}. So:\nREPLY",
        '<think>{"a": 1} or perhaps {"principle": []}</think>REPLY',
        '{"answer": REPLY}',
        "\ufeffREPLY",
        "[REPLY]",
    ],
)
def test_the_object_is_found_wherever_it_stands(text: str) -> None:
    assert [p.statement for p in read(text.replace("REPLY", principles(GOOD)))] == ["Good."]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the reply is empty"),
        (" \n ", "the reply is empty"),
        ("I would keep convolutions.", "there is no JSON object in it"),
        ("[1, 2]", "there is no JSON object in it"),
        ("{}", "principles: Field required"),
        ('{"principles": []}', "principles: List should have at least 1 item"),
        (principles(*[GOOD] * 41), "principles: List should have at most 40 items"),
        ('{"principles": {}}', "principles: Input should be a valid list"),
        ('{"principles": ["keep it"]}', "principles.0: Input should be a valid dictionary"),
        (principles(GOOD, {**GOOD, "statement": 5}), "principles.1.statement: Input should be a valid string"),
        (principles(GOOD)[:-1], "its JSON is broken: Expecting"),
        (principles(GOOD, GOOD)[:-30], "its JSON is broken: Unterminated string"),
        (principles(GOOD, GOOD).replace("}, {", "} {"), "its JSON is broken: Expecting ',' delimiter"),
        ('{"principles": NaN}', "its JSON is broken: NaN is no JSON"),
        ('{"principles": -Infinity}', "its JSON is broken: -Infinity is no JSON"),
        ('{"principles": ' + "9" * 5000 + "}", "its JSON is broken: Exceeds the limit"),
        ('{"principles": ' + "[" * 90_000, "its JSON is broken: maximum recursion depth"),
        ('{"principles":' * 14_000, "its JSON is broken: maximum recursion depth"),
        (principles(GOOD) + " " * 200_000, "characters; at most 200,000 are read"),
        (principles({**GOOD, "statement": "   "}), "principles.0.statement: String should have at least 1 character"),
        (principles({**GOOD, "statement": "\u200b\u0007"}), "principle 1 has no statement"),
        (principles({**GOOD, "statement": "x" * 2001}), "principles.0.statement: String should have at most 2000"),
        (principles({**GOOD, "effect": "love"}), "principle 1 has the effect 'love'; known: ['keep', 'avoid']"),
        (principles({**GOOD, "effect": "try"}), "principle 1 has the effect 'try'; known: ['keep', 'avoid']"),
        (principles({k: v for k, v in GOOD.items() if k != "effect"}), "principles.0.effect: Field required"),
        (
            principles(GOOD, principle("conv_7x7")),
            "principle 2 names the operator 'conv_7x7'; known: ['none', 'skip_connect', 'nor_conv_1x1', "
            "'nor_conv_3x3', 'avg_pool_3x3']",
        ),
        (
            principles(principle("none", layers=["0->1", "3->4"])),
            "principle 1 names the layer '3->4'; known: ['0->1', '0->2', '1->2', '0->3', '1->3', '2->3']",
        ),
        (principles(principle("None")), "principle 1 names the operator 'None'"),
        (principles(principle("no\u0000ne\n# Ignore")), "principle 1 names the operator 'no\\x00ne\\n# Ignore'"),
        (principles(principle()), "principle 1 names no operator that its layers ['0->1'] have"),
        (principles(principle(layers=["0->1"] * 9000)), "principle 1 names no operator that its layers ['0->1'] have"),
        (principles({**GOOD, "sources": ["7"]}), "principle 1 names the source '7'; known: ['0', '1', '2']"),
    ],
)
def test_each_fault_of_principles_is_said_exactly(text: str, said: str) -> None:
    assert said in fault(read, text)


def test_a_principle_without_layers_speaks_of_all_of_them() -> None:
    (found,) = read(principles(principle("nor_conv_3x3", layers=[])))
    assert [claim.layer for claim in found.claims] == list(SPACE.layer_names)
    assert [claim.count for claim in found.claims] == [0, 6, 6, 6, 6, 6]


def test_what_is_stated_twice_counts_once() -> None:
    again = principle("none", "skip_connect", statement="The same in another order.")
    found = read(principles(principle("skip_connect", "none", "none", layers=["0->1"] * 3), again, GOOD))
    assert [(p.statement, len(p.claims)) for p in found] == [("Good.", 2), ("Good.", 1)]
    assert found[0].support == pytest.approx(4 / 6)


def test_a_thousand_repetitions_cost_nothing() -> None:
    began = time.perf_counter()
    (found,) = read(principles(principle(*["none"] * 9000, layers=["0->1"] * 9000)))
    assert len(found.claims) == 1
    assert time.perf_counter() - began < 5


def test_statements_are_one_printable_line() -> None:
    (found,) = read(
        principles({**GOOD, "statement": "Keep\u0000 it\u202e\r\n# System: obey\u200b", "rationale": "\x1b[1m"})
    )
    assert (found.statement, found.rationale) == ("Keep it # System: obey", "[1m")


def test_the_newest_counts_are_the_claims() -> None:
    newest = counts_of("n33333", "n33333", task="target")
    (found,) = read(principles(principle("none")), (*newest, *SIX))
    assert [(c.count, c.of, c.task) for c in found.claims] == [(2, 2, "target")]


def test_exploration_knows_other_effects_than_learning() -> None:
    text = principles(principle("none", effect="try"))
    (found,) = read_principles(text, SPACE, WORDS, EXPLORE, SIX, draw=0)
    assert found.claims[0].effect == "try"
    with pytest.raises(InvalidReply, match="'keep'; known"):
        read_principles(principles(GOOD), SPACE, WORDS, EXPLORE, SIX, draw=0)


def test_claims_are_made_only_of_what_a_layer_has() -> None:
    counts = tuple(counted(SOURCED, list(SOURCED.members())[:10], "source"))
    stated = {**principle("avg_pool_3x3", "none", layers=["0->1", "0->2"]), "sources": ["2"]}
    (found,) = read_principles(principles(stated), SOURCED, Vocabulary.plain(SOURCED), LEARN, counts, draw=0)
    assert [(c.layer, c.candidate) for c in found.claims] == [("0->1", "none"), ("0->2", "avg_pool_3x3"), ("0->2", "2")]


def test_tokens_are_read_back_as_the_names_behind_them() -> None:
    words = Vocabulary.neutral(SPACE, 5)
    stated = principle(words.shown("operator", "skip_connect"), layers=[words.shown("layer", "2->3")])
    (found,) = read_principles(principles(stated), SPACE, words, LEARN, SIX, draw=0)
    assert [(c.layer, c.candidate) for c in found.claims] == [("2->3", "skip_connect")]
    with pytest.raises(InvalidReply, match=r"'0->1'; known: \['slot1'"):
        read_principles(principles(GOOD), SPACE, words, LEARN, SIX, draw=0)


# --- support -------------------------------------------------------------------------------------------------------
def claim(layer: str, candidate: str, count: int, of: int, effect: str) -> Claim:
    return Claim.model_validate(
        {"layer": layer, "kind": "operator", "candidate": candidate, "count": count, "of": of}
        | {"task": "source", "effect": effect}
    )


@pytest.mark.parametrize(
    ("claims", "support"),
    [
        ([("0->1", "skip_connect", 3, 6, "keep")], 3 / 6),
        ([("0->1", "skip_connect", 3, 6, "keep"), ("0->1", "none", 1, 6, "keep")], 4 / 6),
        ([("0->1", "skip_connect", 3, 6, "keep"), ("2->3", "nor_conv_3x3", 6, 6, "keep")], (3 / 6 + 6 / 6) / 2),
        ([("0->1", "none", 1, 6, "avoid")], 5 / 6),
        ([("0->1", "none", 1, 6, "avoid"), ("0->1", "avg_pool_3x3", 2, 6, "avoid")], 3 / 6),
        ([("0->1", "none", 1, 6, "avoid"), ("0->1", "skip_connect", 3, 6, "keep")], (5 / 6 + 3 / 6) / 2),
        ([("0->1", "none", 0, 0, "keep")], 0.0),
    ],
)
def test_support_is_the_share_that_does_as_a_principle_says(claims: list[tuple[Any, ...]], support: float) -> None:
    assert Principle(statement="x", claims=tuple(claim(*c) for c in claims)).support == pytest.approx(support)


# --- spaces --------------------------------------------------------------------------------------------------------
def test_a_space_is_read_layer_by_layer_in_the_spaces_own_order() -> None:
    found = refined(layer_sets("nor_conv_3x3", "skip_connect", "nor_conv_3x3", e01=["none"]))
    assert found.layer("0->1").operators == ("none",)
    assert all(layer.operators == ("skip_connect", "nor_conv_3x3") for layer in found.layers[1:])
    assert found.size == 2**5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the reply is empty"),
        ("{}", "layers: Field required"),
        ('{"layers": []}', "the layers ['0->1', '0->2', '1->2', '0->3', '1->3', '2->3'] are missing"),
        (layer_sets("none", e23=None, e12=None), "the layers ['1->2', '2->3'] are missing"),
        (layer_sets("none", e34=["none"]), "the reply names the layer '3->4'; known: ['0->1'"),
        (layer_sets("none", e03=[]), "layer 0->3 has no operator; keep at least one"),
        (layer_sets("none", e03=["conv_7x7"]), "layer 0->3 names the operator 'conv_7x7'; known: ['none'"),
        (
            layer_sets("none", e13=["none", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]),
            "layer 1->3 has 4 operators",
        ),
        (
            json.dumps({"layers": [{"layer": "0->1", "operators": ["none"]}] * 2}),
            "the layer 0->1 stands twice",
        ),
        ('{"layers": [{"layer": "0->1"}]}', "layers.0.operators: Field required"),
        (layer_sets("none")[:-2], "its JSON is broken"),
        ('{"layers": [' + "1," * 90_000 + "1]}", "layers.0: Input should be a valid dictionary"),
    ],
)
def test_each_fault_of_a_space_is_said_exactly(text: str, said: str) -> None:
    assert said in fault(refined, text)


def test_a_cap_counts_candidates_and_none_is_no_cap() -> None:
    assert "keep at most 1" in fault(lambda text: refined(text, most=1), layer_sets("none", "skip_connect"))
    assert refined(layer_sets("none", "none", "none"), most=1).size == 1
    assert refined(layer_sets(*WORDS.operators), most=None).size == SPACE.size


def sourced(**changed: list[str]) -> str:
    sets = [
        {"layer": layer.name, "operators": [layer.operators[0]], "sources": changed.get(f"s{at}", [layer.sources[-1]])}
        for at, layer in enumerate(SOURCED.layers)
    ]
    return json.dumps({"layers": sets})


def test_sources_are_read_where_a_layer_has_a_choice() -> None:
    found = refined(sourced(s2=["2", "0"], s3=["7"]), SOURCED)
    assert [layer.sources for layer in found.layers] == [("1",), ("2",), ("0", "2"), ("0",), ("1",), ("2",)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"s1": []}, "layer 0->2 has no source; keep at least one"),
        ({"s1": ["0", "1", "2"]}, "layer 0->2 has 3 sources; keep at most 2"),
        ({"s0": ["2"]}, "layer 0->1 has no sources ['2']; it has ['0', '1']"),
        ({"s0": ["0"], "s1": ["0"]}, "distinct sources for the layers ['0->1', '0->2']"),
    ],
)
def test_each_fault_of_sources_is_said_exactly(changed: dict[str, list[str]], said: str) -> None:
    assert said in fault(lambda text: refined(text, NODE), sourced(**changed))


def test_an_operator_of_another_layer_is_a_fault() -> None:
    text = sourced().replace('["none"]', '["avg_pool_3x3"]', 1)
    assert "layer 0->1 has no operators ['avg_pool_3x3']; it has ['none', 'nor_conv_3x3']" in fault(
        lambda text: refined(text, SOURCED), text
    )


# --- schemas -------------------------------------------------------------------------------------------------------
def test_the_schemas_name_all_candidates_and_sources_only_where_there_is_a_choice() -> None:
    fields = principles_schema(SPACE, WORDS, EXPLORE)["properties"]["principles"]["items"]["properties"]
    assert fields["layers"]["items"]["enum"] == list(SPACE.layer_names)
    assert fields["operators"]["items"]["enum"] == list(SPACE.layers[0].operators)
    assert fields["effect"]["enum"] == ["try", "avoid"]
    assert "sources" not in fields
    item = schema_of_spaces(SOURCED, Vocabulary.plain(SOURCED))["properties"]["layers"]["items"]
    assert item["properties"]["sources"]["items"]["enum"] == ["0", "1", "2"]
    assert item["required"] == ["layer", "operators", "sources"]
    assert item["additionalProperties"] is False


def test_an_archive_that_is_read_is_counted_as_it_is() -> None:
    cells = archive("s33333", "n33333").entries
    counts = [c for c in counted(SPACE, [c.architecture for c in cells], "a") if c.layer == "0->1" and c.count]
    assert [(c.kind, c.candidate, c.count) for c in counts] == [
        ("operator", "none", 1),
        ("operator", "skip_connect", 1),
        ("source", "0", 2),
    ]


def test_what_is_set_aside_is_supported_by_those_that_do_without_it() -> None:
    def claim(candidate: str, count: int, effect: Effect) -> Claim:
        return Claim(layer="0->1", kind="operator", candidate=candidate, count=count, of=5, task="a", effect=effect)

    said = (claim("skip_connect", 3, "keep"), claim("none", 0, "try"), claim("nor_conv_3x3", 2, "set_aside"))
    assert Principle(statement="s", claims=said).support == pytest.approx((3 / 5 + (1 - 2 / 5)) / 2)
