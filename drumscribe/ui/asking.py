"""Review by question: strokes of one drum at one place of the bar, decided together, heard first if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.song import questions
from drumscribe.song.questions import Question
from drumscribe.ui import excerpt, facts, labels, review, state

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

_PASSED = "ds_questions_passed"
HEARD = 3
"""How many examples are played."""
OTHERS = 6
"""How many other drums are offered."""


def show(found: Transcription) -> None:
    """Draw the question that is likely to mend most, and what can be answered."""
    passed = _passed()
    rejected = facts.rejected(found)
    waiting = questions.ask(found.hits, rejected, found.rhythm, passed=passed)
    left = questions.expected_errors(found.hits, rejected)
    st.markdown(
        f"**{labels.plural(len(waiting), 'question')}**, the one likely to mend most bars first. About "
        f"{labels.plural(round(left), 'note')} of {len(found.hits):,} are likely still wrong or missing."
    )
    if not waiting:
        st.success("No question is left.", icon=":material/task_alt:")
        if passed:
            st.button("Ask the questions that were skipped", key="ds_question_again", on_click=passed.clear)
        return
    question = waiting[0]
    card, paper = st.columns(2, gap="medium")
    with card, st.container(border=True, key="ds_question"):
        _question(found, question)
    with paper:
        bars = review.bars_around(found.rhythm, question.hits[0].time_s)
        excerpt.show(found, *bars, key="ds_question_player")


def _question(found: Transcription, question: Question) -> None:
    name = labels.NAMES[question.drum].lower()
    place = labels.counted(question.onset, question.meter)
    count = labels.plural(len(question.hits), "time")
    if question.kind == "heard":
        st.markdown(f"### Is the {name} on {place} right?")
        st.caption(f"Heard {count}, on average {labels.percent(question.confidence)} sure.")
    else:
        st.markdown(f"### Was a {name} on {place} missed?")
        st.caption(f"It may be there {count}, at {labels.percent(question.confidence)}: below the threshold.")
    _listen(found, question)
    key = "_".join(question.key)
    ids = [hit.id for hit in question.hits]
    with st.expander("Only some of them"):
        number = dict(zip(ids, (found.rhythm.bars[bar].number for bar in question.bars), strict=True))
        ids = st.pills("Bars", ids, selection_mode="multi", default=ids, key=f"ds_question_bars_{key}",
                       format_func=lambda hit_id: str(number[hit_id]))  # fmt: skip
    chosen = labels.plural(len(ids), "hit")
    heard = question.kind == "heard"
    with st.container(horizontal=True):
        st.button(f"Yes: {chosen}", type="primary", icon=":material/check:", key="ds_question_yes", shortcut="A",
                  on_click=_answer, args=(question, ids, True), disabled=not ids)  # fmt: skip
        st.button(f"No, delete {chosen}" if heard else "No", icon=":material/delete:" if heard else ":material/close:",
                  key="ds_question_no", shortcut="D", on_click=_answer, args=(question, ids, False),
                  disabled=not ids)  # fmt: skip
        st.button("Skip", icon=":material/skip_next:", key="ds_question_skip", shortcut="S", on_click=_pass,
                  args=(question,))  # fmt: skip
    st.caption("It is there, but another drum:")
    with st.container(horizontal=True):
        for place_of, drum in enumerate(review.alternatives(found.activations, question.hits[0], OTHERS), start=1):
            st.button(labels.NAMES[drum], key=f"ds_question_{place_of}", shortcut=str(place_of), on_click=_answer,
                      args=(question, ids, True, drum), disabled=not ids)  # fmt: skip


def _listen(found: Transcription, question: Question) -> None:
    step = max(1, len(question.hits) // HEARD)
    examples = list(question.hits[::step][:HEARD])
    try:
        st.audio(facts.sounds_alike(found, examples), format="audio/wav", alt=f"{len(examples)} examples, one by one")
    except DrumScribeError as failure:
        st.caption(str(failure))


def _answer(question: Question, ids: list[int], right: bool, drum: str = "") -> None:
    if state.correct(lambda hits: questions.answer(question, hits, right=right, drum=drum, ids=ids)) is not None:
        _pass(question)


def _pass(question: Question) -> None:
    _passed().add(question.key)


def _passed() -> set[tuple[str, str, str, str]]:
    held = st.session_state.get(_PASSED)
    if held is None or held[0] != state.song_id():
        held = st.session_state[_PASSED] = (state.song_id(), set())
    found: set[tuple[str, str, str, str]] = held[1]
    return found
