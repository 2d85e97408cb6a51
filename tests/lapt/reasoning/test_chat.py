"""The reasoner of the paper, with a model that says what a test tells it to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from openai_server import OpenAIServer
from scripted_model import Scripted, caller
from small_archives import (
    LAYERS,
    NODE,
    SOURCED,
    SPACE,
    archive,
    archive_of,
    evaluations,
    layer_sets,
    members,
    principle,
    principles,
    scored,
)

from lapt.principles import Principles
from lapt.reasoning import Chat, Frequency
from lapt.reasoning.endpoint.calls import AwaitingReply, Caller, Completion, InMemory, ReasonerError
from lapt.reasoning.endpoint.models import LangChainModel
from lapt.reasoning.language.chat import combined, spread
from lapt.spaces import BUILTIN, SearchSpace

ARCHIVE = archive("s33333", "s33333", "n33333")
SKIP = principle("skip_connect", statement="Skip first.")
CONV = principle("nor_conv_3x3", layers=[], statement="Convolve everywhere.")


def chat(*replies: str | Completion | Exception, draws: int = 1, **changed: Any) -> Chat:
    """Without repairs: each reply is that of one draw."""
    asked = {name: changed.pop(name) for name in ("repairs", "recordings", "mode", "sample") if name in changed}
    return Chat(caller(*replies, **({"repairs": 0} | asked)), draws=draws, **changed)


def model_of(reasoner: Chat) -> Scripted:
    assert isinstance(reasoner.caller.model, Scripted)
    return reasoner.caller.model


def operators(space: SearchSpace) -> list[tuple[str, ...]]:
    return [layer.operators for layer in space.layers]


def effects(found: Principles) -> list[tuple[str, str, str, str]]:
    return [(p.statement, c.layer, c.candidate, c.effect) for p in found.principles for c in p.claims]


def learned(*stated: dict[str, Any]) -> Principles:
    return chat(principles(*stated)).learn(SPACE, ARCHIVE)


# --- the four calls ------------------------------------------------------------------------------------------------
def test_learning_states_principles_on_all_that_was_counted() -> None:
    reasoner = chat(principles(SKIP, CONV))
    found = reasoner.learn(SPACE, ARCHIVE)
    assert [(p.statement, len(p.claims), p.draws) for p in found.principles] == [
        ("Skip first.", 1, (0,)),
        ("Convolve everywhere.", 6, (0,)),
    ]
    assert found.principles[0].support == pytest.approx(2 / 3)
    assert found.principles[1].support == pytest.approx(5 / 6)
    assert len(found.counts) == 6 * (5 + 1)  # six layers with five operators and one source
    assert (found.origin.reasoner, found.origin.step, found.origin.task) == ("chat:scripted", "learn", "source")
    assert (found.origin.archive, found.origin.instead_of) == (ARCHIVE.digest, None)
    assert found.origin.prompt_hash
    assert (found.version, found.parent) == (1, None)
    assert found.id == chat(principles(SKIP, CONV)).learn(SPACE, ARCHIVE).id


def test_translating_gives_the_space_that_the_reply_says() -> None:
    found = chat(layer_sets("nor_conv_3x3", "none", e01=["skip_connect"])).translate(
        SPACE, learned(SKIP), task="target"
    )
    assert operators(found) == [("skip_connect",)] + [("none", "nor_conv_3x3")] * 5


def test_updating_counts_the_targets_architectures_before_the_sources() -> None:
    before = learned(SKIP)
    after = chat(principles(principle("none"))).update(SPACE, before, evaluations("n33333", "n33333"), task="target")
    assert [(c.candidate, c.count, c.of, c.task) for c in after.claims] == [("none", 2, 2, "target")]
    assert [count.task for count in after.counts] == ["target"] * 36 + ["source"] * 36
    assert (after.version, after.parent, after.origin.step) == (2, before.id, "update")
    again = chat(principles(principle("none"))).update(SPACE, after, evaluations("s33333"), task="target")
    assert [count.task for count in again.counts] == ["target"] * 36 + ["source"] * 36


def test_exploring_adds_to_the_principles_what_none_of_them_speaks_of() -> None:
    before = learned(principle("skip_connect", "none", "nor_conv_1x1", "nor_conv_3x3", layers=[]))
    reasoner = chat(principles(principle("avg_pool_3x3", layers=["2->3"], effect="try", statement="Pool last.")))
    after = reasoner.explore(SPACE, before, task="target")
    assert after.principles[0] == before.principles[0]
    assert effects(after)[-1] == ("Pool last.", "2->3", "avg_pool_3x3", "try")
    assert (after.version, after.parent, after.origin.step, after.origin.task) == (2, before.id, "explore", "target")
    (prompt,) = model_of(reasoner).prompts
    unspoken = prompt.split("# What they do not speak of\n")[1].split("# Task")[0]
    assert unspoken.strip() == "\n".join(f"- {layer}: avg_pool_3x3" for layer in LAYERS)


def test_exploring_asks_nothing_where_all_is_spoken_of() -> None:
    before = learned(principle(*SPACE.layers[0].operators, layers=[]))
    assert chat().explore(SPACE, before, task="target") == before


def test_exploring_can_try_what_the_source_space_lacks() -> None:
    trans101 = BUILTIN["trans101"]
    before = chat(principles(SKIP)).learn(trans101, archive("s33333", space=trans101))
    pool = principles(principle("avg_pool_3x3", effect="try", statement="Pool."))
    after = chat(pool).explore(SPACE, before, task="target")
    assert [(c.candidate, c.count, c.of) for c in after.principles[1].claims] == [("avg_pool_3x3", 0, 0)]
    assert after.principles[1].support == 0.0
    standing_in = chat("no", on_invalid="frequency").explore(SPACE, before, task="target")
    assert {count.candidate for count in standing_in.counts if count.kind == "operator"} == set(
        SPACE.layers[0].operators
    )


def test_the_same_reasoner_on_a_real_server(server: OpenAIServer) -> None:
    pytest.importorskip("langchain_openai")
    recordings = InMemory()
    model = LangChainModel("openai:test-model", base_url=server.url, timeout=10)
    reasoner = Chat(Caller(model, recordings), max_operators=None)
    found = reasoner.learn(SPACE, ARCHIVE)
    assert [principle.claims[0].effect for principle in found.principles] == ["keep", "avoid"]
    assert reasoner.translate(SPACE, found, task="target") == SPACE
    assert recordings.spent().tokens == 2 * 1100
    silent = replace(reasoner, caller=Caller(Scripted([], model.name, model.parameters), recordings, mode="replay"))
    assert silent.learn(SPACE, ARCHIVE) == found


# --- replies that cannot be used -----------------------------------------------------------------------------------
def test_a_fault_goes_back_to_the_model() -> None:
    reasoner = chat(principles(principle("conv_7x7")), principles(SKIP), repairs=2)
    assert effects(reasoner.learn(SPACE, ARCHIVE)) == [("Skip first.", "0->1", "skip_connect", "keep")]
    first, second = model_of(reasoner).asked
    assert second[: len(first)] == first
    assert "principle 1 names the operator 'conv_7x7'; known: ['none'" in second[-1].text
    assert isinstance(reasoner.caller.recordings, InMemory)
    assert [call.valid for call in reasoner.caller.recordings.calls] == [False, True]
    assert [call.question.step for call in reasoner.caller.recordings.calls] == ["learn", "learn"]


def test_no_usable_reply_is_an_error_that_names_the_fault() -> None:
    reasoner = chat("no", "no", principles(principle("conv_7x7")), repairs=2)
    with pytest.raises(ReasonerError) as caught:
        reasoner.learn(SPACE, ARCHIVE)
    assert caught.value.expected == "a reply of chat:scripted that can be used, in 3 attempts"
    assert "conv_7x7" in caught.value.got
    assert "on_invalid: frequency" in caught.value.remedy


def test_frequency_stands_in_and_the_principles_say_so() -> None:
    frequency = Frequency(max_operators=3, max_sources=2)
    reasoner = chat("no", "no", "no", "no", on_invalid="frequency")
    found = reasoner.learn(SPACE, ARCHIVE)
    assert found.principles == frequency.learn(SPACE, ARCHIVE).principles
    assert (found.origin.reasoner, found.origin.instead_of) == ("frequency", "chat:scripted")
    top = evaluations("p33333", "p33333")
    updated = reasoner.update(SPACE, found, top, task="target")
    assert updated.principles == frequency.update(SPACE, found, top, task="target").principles
    assert (updated.origin.reasoner, updated.origin.instead_of) == ("frequency", "chat:scripted")
    explored = reasoner.explore(SPACE, found, task="target")
    assert explored.principles == frequency.explore(SPACE, found, task="target").principles
    assert (explored.origin.reasoner, explored.origin.instead_of) == ("frequency", "chat:scripted")
    stated = learned(SKIP, CONV)
    assert reasoner.translate(SPACE, stated, task="target") == frequency.translate(SPACE, stated, task="target")


def test_after_frequency_the_model_speaks_for_itself_again() -> None:
    found = chat("no", on_invalid="frequency").learn(SPACE, ARCHIVE)
    after = chat(principles(principle("avg_pool_3x3", effect="try"))).explore(SPACE, found, task="target")
    assert (after.origin.reasoner, after.origin.instead_of) == ("chat:scripted", None)


def test_frequency_explores_a_models_principles_layer_by_layer() -> None:
    # On 0->1, two of three choose skip_connect and one none; on the others all choose nor_conv_3x3.
    stated = learned(
        principle("skip_connect", "nor_conv_1x1", layers=["0->1"]), principle("none", "nor_conv_3x3", layers=[])
    )
    after = chat("no", on_invalid="frequency").explore(SPACE, stated, task="target")
    of = {p.claims[0].layer: {c.candidate: c.effect for c in p.claims} for p in after.principles}
    assert of["0->1"] == {
        "skip_connect": "keep",
        "nor_conv_1x1": "keep",
        "none": "keep",
        "nor_conv_3x3": "set_aside",  # of what is kept without support, the last in the space's order
        "avg_pool_3x3": "try",
    }
    assert of["2->3"] == {"none": "set_aside", "nor_conv_3x3": "keep", "skip_connect": "try"}
    assert all({claim.layer for claim in p.claims} == {p.claims[0].layer} for p in after.principles)


def test_frequency_leaves_what_a_model_avoids_avoided() -> None:
    stated = learned(principle("none", effect="avoid", layers=[], statement="No dead edges."))
    after = chat("no", on_invalid="frequency").explore(SPACE, stated, task="target")
    assert {effect for _, _, _, effect in effects(after)} == {"avoid"}
    assert after.principles[0].statement == "On layer 0->1, none (1 of 3) is avoided."


# --- draws ---------------------------------------------------------------------------------------------------------
def refined(*kept: tuple[str, ...]) -> list[SearchSpace]:
    return [SPACE.restrict({"0->1": operators}) for operators in kept]


N, S, C1, C3, P = SPACE.layers[0].operators
THREE = [(N, S), (S, C1), (S, N, C3)]  # skip_connect has three votes, none two, the convolutions one each
APART = [(N,), (S,), (C1,)]


@pytest.mark.parametrize(
    ("draws", "how", "kept"),
    [
        (THREE, "majority", (N, S)),
        (THREE, "union", (N, S, C1, C3)),
        (THREE, "intersection", (S,)),
        (APART, "majority", (N, S, C1)),
        (APART, "intersection", (N, S, C1)),
        (APART, "union", (N, S, C1)),
        ([(N, S), (S, C1)], "majority", (S,)),
        ([(N, S), (C1, C3), (N, C1), (P,)], "majority", (N, C1)),  # three of four are needed, two is what most have
        ([(N, S)], "majority", (N, S)),
    ],
)
def test_draws_are_combined_layer_by_layer(draws: list[tuple[str, ...]], how: Any, kept: tuple[str, ...]) -> None:
    whole = combined(refined(*draws), how)
    assert operators(whole) == [kept] + [SPACE.layers[0].operators] * 5
    replies = [layer_sets(*SPACE.layers[0].operators, e01=list(operators)) for operators in draws]
    reasoner = chat(*replies, draws=len(draws), combine=how, max_operators=None)
    assert reasoner.translate(SPACE, learned(SKIP), task="target") == whole


def test_the_spread_of_draws_is_one_minus_the_mean_jaccard_index() -> None:
    assert spread([{"0->1": [N, S]}]) == 0.0
    assert spread([{"0->1": [N, S], "0->2": [N]}, {"0->2": [N], "0->1": [S, N]}]) == 0.0
    # On 0->1 they share one of three, on 0->2 all; a layer that one of them does not name is no disagreement.
    assert spread([{"0->1": [N, S], "0->2": [N]}, {"0->1": [S, C1], "0->2": [N], "1->2": [N]}]) == pytest.approx(1 / 3)
    assert spread([{"0->1": [N]}, {"0->1": [S]}, {"0->1": [N]}]) == pytest.approx((1 + 0 + 1) / 3)


def test_sources_are_combined_too() -> None:
    one, two = ({"0->2": kept} for kept in (["0", "1"], ["1", "2"]))
    spaces = [SOURCED.restrict(sources=kept) for kept in (one, two)]
    assert combined(spaces, "intersection").layer("0->2").sources == ("1",)
    assert combined(spaces, "union").layer("0->2").sources == ("0", "1", "2")
    assert combined([space.model_copy(update={"groups": NODE.groups}) for space in spaces], "majority").size > 0


def test_merged_principles_list_the_draws_that_state_them_the_most_stated_first() -> None:
    replies = [principles(SKIP), principles(CONV, {**SKIP, "statement": "The same."}), principles(CONV)]
    found = chat(*replies, principles(CONV), draws=4).learn(SPACE, ARCHIVE)
    assert [(p.statement, p.draws) for p in found.principles] == [
        ("Convolve everywhere.", (1, 2, 3)),
        ("Skip first.", (0, 1)),
    ]
    assert [[p.statement for p in found.of_draw(draw)] for draw in (0, 1)] == [
        ["Skip first."],
        ["Convolve everywhere.", "Skip first."],
    ]


def test_each_draw_goes_on_from_what_it_stated_itself() -> None:
    found = chat(principles(SKIP), principles(CONV), draws=2).learn(SPACE, ARCHIVE)
    reasoner = chat(layer_sets("none"), layer_sets("none"), draws=2)
    reasoner.translate(SPACE, found, task="target")
    shown = [["Skip first." in prompt, "Convolve everywhere." in prompt] for prompt in model_of(reasoner).prompts]
    assert shown == [[True, False], [False, True]]


def test_a_draw_that_cannot_be_used_is_left_out() -> None:
    found = chat("no", principles(CONV), "no", draws=3).learn(SPACE, ARCHIVE)
    assert [(p.statement, p.draws) for p in found.principles] == [("Convolve everywhere.", (1,))]
    refined = chat(layer_sets("none"), "no", layer_sets("none", "skip_connect"), draws=3)
    assert refined.translate(SPACE, found, task="target").size == 1  # none has two votes of two, skip_connect one


def test_a_draw_that_is_awaited_does_not_stop_the_others_from_being_asked() -> None:
    waiting = AwaitingReply("a reply", "none yet", "give one")
    reasoner = chat(principles(SKIP), waiting, principles(SKIP), waiting, draws=4)
    with pytest.raises(AwaitingReply, match="none yet"):
        reasoner.learn(SPACE, ARCHIVE)
    assert len(model_of(reasoner).asked) == 4


# --- replays -------------------------------------------------------------------------------------------------------
def run(reasoner: Chat) -> list[Principles | SearchSpace]:
    first = reasoner.learn(SPACE, ARCHIVE)
    updated = reasoner.update(SPACE, first, evaluations("p33333", "n33333"), task="target")
    explored = reasoner.explore(SPACE, updated, task="target")
    return [
        first,
        reasoner.translate(SPACE, first, task="target"),
        updated,
        explored,
        reasoner.translate(SPACE, explored, task="target"),
    ]


def test_a_replayed_run_is_the_same_and_asks_nobody() -> None:
    recordings = InMemory()
    learnt = [principles(SKIP), "no", principles(CONV), principles(SKIP, CONV)]  # the second is repaired
    updated = [principles(principle("avg_pool_3x3")), principles(CONV), "no", principles(SKIP)]
    explored = [principles(principle("nor_conv_1x1", effect="try"))] * 3
    spaces = [layer_sets("none", "skip_connect"), layer_sets("skip_connect"), layer_sets("nor_conv_3x3")]
    first = chat(*learnt, *updated, *explored, *spaces, *spaces, draws=3, repairs=2, recordings=recordings)
    told = run(first)
    assert model_of(first).replies == []
    again = chat(draws=3, repairs=2, recordings=recordings, mode="replay")
    assert run(again) == told
    assert len(recordings.calls) == 2 * 17
    with pytest.raises(ReasonerError, match="recorded reply"):
        run(replace(again, draws=4))
    with pytest.raises(ReasonerError, match="recorded reply"):
        run(replace(again, caller=replace(again.caller, sample=1)))


def test_seeds_and_draws_are_questions_of_their_own() -> None:
    recordings = InMemory()
    for sample in (0, 1):
        chat(principles(SKIP), principles(SKIP), draws=2, sample=sample, recordings=recordings).learn(SPACE, ARCHIVE)
    assert len({call.key for call in recordings.calls}) == 4
    assert [(call.sample, call.draw) for call in recordings.calls] == [(0, 0), (0, 1), (1, 0), (1, 1)]


# --- sources -------------------------------------------------------------------------------------------------------
def test_frequency_stands_in_where_layers_choose_sources_too() -> None:
    read = archive_of(scored(*members(SOURCED, 3)), SOURCED)
    stated = chat(principles({**principle("none"), "sources": ["1"]})).learn(SOURCED, read)
    after = chat("no", on_invalid="frequency").explore(SOURCED, stated, task="target")
    assert [(c.kind, c.candidate, c.effect) for c in after.claims] == [
        ("operator", "none", "set_aside"),
        ("operator", "nor_conv_3x3", "try"),
        ("source", "1", "set_aside"),
        ("source", "0", "try"),
    ]
