"""Every page in every state, run by Streamlit's own test runner against the real job table and store."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import streamlit as st
from filelock import FileLock
from streamlit.runtime.scriptrunner import script_runner
from streamlit.testing.v1 import AppTest
from ui_songs import put, put_state, song

from drumscribe import settings as settings_module
from drumscribe.jobs.model import JobStatus
from drumscribe.ui import hints, owner, state

APP = str(Path(__file__).parent.parent / "app.py")
TOKEN = "ab" * 16
MINE = ["transcribe", "inspect", "edit", "about", "account"]


@pytest.fixture(scope="module")
def made():
    return song(8, separated=True)


@pytest.fixture(scope="module")
def silent():
    return song(0)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    # AppTest forgets before each run that app.py has a page table, as a server does only once, at its start.
    monkeypatch.setattr(script_runner, "_mpa_v1", lambda path: runpy.run_path(path, run_name="__main__"))
    settings_module.get_settings.cache_clear()
    st.cache_resource.clear()
    yield settings_module.get_settings()
    state.runner().close()
    st.cache_resource.clear()
    settings_module.get_settings.cache_clear()


def owner_of(token: str) -> str:
    import hashlib

    return "browser-" + hashlib.sha256(token.encode()).hexdigest()[:32]


def visit(
    page: str = "transcribe", *, song_id: str = "", token: str = TOKEN, mode: str = "", user=None, secrets=None
) -> AppTest:
    """A browser session of ``token``, or of who has signed in, that comes to ``page`` by a link."""
    app = AppTest.from_file(APP, default_timeout=60)
    app.session_state[owner._KEY] = token
    app.user, app.secrets = user or {}, secrets or {}
    if song_id:
        app.query_params["song"] = song_id
    if page != "transcribe":
        app.run()
        app.query_params.clear()  # as a link does
        if mode:
            app.query_params["mode"] = mode
        app.switch_page(f"pages/{page}.py")
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def texts(app: AppTest) -> str:
    parts = [*app.markdown, *app.info, *app.error, *app.warning, *app.success, *app.caption, *app.title, *app.header]
    return "\n".join(str(part.value) for part in parts) + "\n".join(str(one.proto.body) for one in app.get("html"))


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception, app.exception[0].message
    return app


@pytest.mark.parametrize("page", MINE)
def test_pages_without_a_song(settings, page):
    app = visit(page)
    assert app.title[0].value
    if page in ("inspect", "edit"):
        assert "No song is open" in texts(app)


@pytest.mark.parametrize("page", MINE)
def test_pages_with_a_song(settings, made, page):
    app = visit(page, song_id=put(settings, owner_of(TOKEN), made))
    if page not in ("about", "account"):
        assert "Test beat" in texts(app)


def test_first_page_lists_only_own_projects(settings, made):
    put(settings, owner_of(TOKEN), made)
    put_state(settings, owner_of("cd" * 16), JobStatus.FAILED, title="Somebody else's song", error={"what": "x"})
    shown = texts(visit())
    assert "Test beat" in shown and "Somebody" not in shown


def test_another_browsers_song_cannot_be_opened(settings, made):
    theirs = put(settings, owner_of("cd" * 16), made)
    app = visit(song_id=theirs)
    assert "not among this browser's projects" in texts(app) and "song" not in app.query_params


def test_a_failed_job_says_why_and_can_be_retried(settings):
    error = {"code": "silent_audio", "what": "The recording is silent.", "todo": "Check the recording."}
    job_id = put_state(settings, owner_of(TOKEN), JobStatus.FAILED, error=error)
    app = visit()
    assert "The recording is silent" in texts(app).replace("\\", "") and app.button(key=f"ds_again_{job_id}")
    page = visit("edit", song_id=job_id)
    assert any("The recording is silent" in one.value for one in page.error)
    assert page.button(key=f"ds_retry_{job_id}")


def test_a_failed_song_tried_again_is_seen_to_run(settings):
    job_id = put_state(settings, owner_of(TOKEN), JobStatus.FAILED, error={"code": "stage", "what": "x", "todo": "y"})
    page = visit("edit", song_id=job_id)
    database = state.runner().database
    database.move(job_id, JobStatus.QUEUED)
    database.move(job_id, JobStatus.RUNNING)  # before the keeper starts a worker for it
    assert "still being transcribed" in texts(page.run())


def test_every_page_shows_the_song_that_is_being_transcribed_and_opens_it(settings, made):
    job_id = put_state(settings, owner_of(TOKEN), JobStatus.RUNNING, title="Long song")
    page = visit("score")
    assert "Long song** is still being transcribed" in texts(page) and page.button(key=f"ds_cancel_{job_id}")
    done = put(settings, owner_of(TOKEN), made)
    state.runner().database.move(job_id, JobStatus.CANCELLED)
    page.session_state["ds_auto_open"] = done  # as if it had been this one
    assert page.run().button(key="ds_undo") and done in page.query_params["song"]


def test_a_running_job_shows_its_stage_and_can_be_cancelled(settings):
    job_id = put_state(settings, owner_of(TOKEN), JobStatus.RUNNING, title="Long song")
    app = visit()
    assert "In progress" in texts(app)
    press(app, f"ds_cancel_{job_id}")
    assert state.runner().get(job_id, owner=None).status is JobStatus.CANCELLING
    waiting = visit("edit", song_id=job_id)
    assert "still being transcribed" in texts(waiting)


def test_a_waiting_job_says_how_many_are_before_it_and_for_how_long(settings):
    settings.data_dir.mkdir()
    with FileLock(settings.data_dir / "worker.lock"):  # somebody else seems to keep the worker, so they go on waiting
        put_state(settings, "other", JobStatus.DONE, started_at=1.0, timings={"detect": 50.0})
        for title in ("First", "Second"):
            put_state(settings, owner_of(TOKEN), JobStatus.QUEUED, title=title)
        said = sorted(bar.proto.text for bar in visit().get("progress"))
    assert said[0].startswith("Waiting: 1 song before it, about 50 s.") and said[1].startswith("Waiting: next in line")


def test_a_data_folder_that_cannot_be_used_is_explained(settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_DIR", str(tmp_path / "file"))
        settings_module.get_settings.cache_clear()
        app = visit()
    settings_module.get_settings.cache_clear()
    assert app.error and not app.title


def test_deleting_a_project_removes_it(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit(song_id=job_id)
    press(app, f"ds_delete_{job_id}")
    assert not state.runner().list(owner=owner_of(TOKEN))
    assert not (settings.data_dir / "jobs" / job_id).exists()


def test_a_project_is_renamed_duplicated_and_found_again(settings, made):
    me = owner_of(TOKEN)
    job_id, other = put(settings, me, made), put(settings, me, made)
    app = visit(song_id=other)
    for one, title, artist in ((job_id, "Nightfall", "Die Ärzte"), (other, "Morning", "")):  # the second is open
        app.text_input(key=f"ds_title_{one}").set_value(title)
        app.text_input(key=f"ds_artist_{one}").set_value(artist)
        press(app, f"ds_rename_{one}")
    found = state.runner().result(job_id, owner=me)
    assert (found.title, found.artist) == ("Nightfall", "Die Ärzte")
    assert "Nightfall" in texts(app) and "Morning" in texts(app) and "Test beat" not in texts(visit())
    app.text_input(key="ds_search").set_value("ARZTE night").run()
    assert "Nightfall" in texts(app) and not [one for one in app.button if one.key == f"ds_open_{other}"]
    press(app, f"ds_duplicate_{job_id}")
    copy = state.runner().list(owner=me)[0]
    again = state.runner().result(copy.id, owner=me)
    assert (copy.title, copy.artist) == (again.title, again.artist) == ("Nightfall (copy)", "Die Ärzte")
    assert again.hits == found.hits and again.audio.sha256 == found.audio.sha256
    press(app, f"ds_delete_{job_id}")
    assert state.runner().result(copy.id, owner=me).audio.samples.shape[1]  # a copy stands by itself
    app.text_input(key="ds_search").set_value("nothing of the kind").run()
    assert "No song of yours" in texts(app)


def test_the_first_song_comes_with_three_hints_and_no_other(settings, made):
    me = owner_of(TOKEN)
    first = put(settings, me, made)
    app = visit(song_id=first)
    assert all(words in texts(app) for *_, words in hints.HINTS) and app.button(key="ds_hints_close")
    assert "three things" in texts(visit(song_id=first)), "until they are closed"
    press(app, "ds_hints_close")
    assert "three things" not in texts(app) + texts(visit(song_id=first))
    token = "ef" * 16
    one, other = put(settings, owner_of(token), made), put(settings, owner_of(token), made)
    assert "three things" not in texts(visit(song_id=one, token=token)), "who has songs knows the studio"
    state.runner().delete(other, owner=None)
    assert "three things" not in texts(visit(song_id=one, token=token))


def test_a_result_without_its_files_is_explained(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    (settings.data_dir / "jobs" / job_id / "project.json").write_bytes(b"{broken")
    app = visit("edit", song_id=job_id)
    assert app.error and not app.exception


def test_edits_are_kept_and_can_be_taken_back(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit("edit", song_id=job_id)
    app.segmented_control(key="ds_edit_mode").set_value("Review queue").run()
    before = len(made.hits)
    press(app, "ds_review_delete")
    assert len(state.runner().result(job_id, owner=None).hits) == before - 1
    again = visit("edit", song_id=job_id)  # a reload: a session of its own
    assert f"{before - 1} hits" in texts(again)
    press(again, "ds_undo")
    assert len(state.runner().result(job_id, owner=None).hits) == before
    press(again, "ds_redo")
    assert len(state.runner().result(job_id, owner=None).hits) == before - 1


def test_a_second_tab_does_not_overwrite_the_first(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    first, second = visit("edit", song_id=job_id), visit("edit", song_id=job_id)
    for app in (first, second):
        app.segmented_control(key="ds_edit_mode").set_value("Review queue").run()
    press(first, "ds_review_delete")
    press(second, "ds_review_accept")
    kept = state.runner().result(job_id, owner=None)
    assert len(kept.history.log) == 1 and len(kept.hits) == len(made.hits) - 1
    assert "changed in another tab" in texts(second)
    press(second, "ds_review_accept")  # now it knows the newest state
    assert len(state.runner().result(job_id, owner=None).history.log) == 2


def test_review_accept_relabel_skip(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit("edit", song_id=job_id)
    app.segmented_control(key="ds_edit_mode").set_value("Review queue").run()
    press(app, "ds_review_accept")
    press(app, "ds_review_skip")
    press(app, "ds_review_1")
    kept = state.runner().result(job_id, owner=None)
    assert [one.label.split()[0] for one in kept.history.edits] == ["Accept", "Make"]
    assert "You changed a" in texts(app)  # and its likes are offered
    count = len(kept.hits)
    press(app, "ds_likes_apply")
    after = state.runner().result(job_id, owner=None)
    assert len(after.history.edits) == 3 and len(after.hits) <= count
    assert len(after.history.edits[-1].added) >= 1


def test_review_ends(settings, made):
    app = visit("edit", song_id=put(settings, owner_of(TOKEN), made))
    app.segmented_control(key="ds_edit_mode").set_value("Review queue").run()
    app.slider(key="ds_review_below").set_value(5).run()
    assert "Nothing is left to review" in texts(app)


def test_candidates_are_accepted_with_one_click(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit("edit", song_id=job_id)
    app.segmented_control(key="ds_edit_mode").set_value("Candidates").run()
    likeliest = max(made.rejected, key=lambda hit: hit.confidence)
    press(app, f"ds_take_{likeliest.id}")
    taken = state.runner().result(job_id, owner=None).hits.by_id()[likeliest.id]
    assert taken.origin == "user" and taken.confidence == 1


def test_bulk_changes_of_all_shown(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit("edit", song_id=job_id)
    app.multiselect(key="ds_filter_drums").set_value(["mid_tom"]).run()
    app.segmented_control(key="ds_bulk_scope").set_value("All shown").run()
    app.selectbox(key="ds_bulk_drum").set_value("floor_tom").run()
    press(app, "ds_bulk_relabel")
    drums = [hit.drum for hit in state.runner().result(job_id, owner=None).hits]
    assert "mid_tom" not in drums and drums.count("floor_tom") == [hit.drum for hit in made.hits].count("mid_tom")


def test_a_filter_that_nothing_passes(settings, made):
    app = visit("edit", song_id=put(settings, owner_of(TOKEN), made))
    app.slider(key="ds_filter_below").set_value(5).run()
    assert "No hit fits these filters" in texts(app) and not app.exception


def test_adding_a_hit(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit("edit", song_id=job_id)
    time_s = next(box for box in app.number_input if box.label == "Time (s)")
    time_s.set_value(3.3)
    next(button for button in app.button if button.label == "Add hit").click().run()
    new = [hit for hit in state.runner().result(job_id, owner=None).hits if hit.origin == "user"]
    assert [(hit.time_s, hit.drum) for hit in new] == [(3.3, "snare")]


def test_inspect_steps_from_hit_to_hit_and_moves_its_window(settings, made):
    app = visit("inspect", song_id=put(settings, owner_of(TOKEN), made))
    press(app, "ds_step_on")
    first = app.session_state["ds_session"].selected
    press(app, "ds_step_on")
    assert first is not None and app.session_state["ds_session"].selected != first
    window = next(slider for slider in app.slider if slider.label.startswith("Window"))
    before = window.value
    press(app, "ds_window_zoom_in")
    window = next(slider for slider in app.slider if slider.label.startswith("Window"))
    assert window.value[1] - window.value[0] < before[1] - before[0]
    press(app, "ds_window_all")
    window = next(slider for slider in app.slider if slider.label.startswith("Window"))
    assert window.value == (0.0, pytest.approx(made.song.duration_s))


@pytest.mark.parametrize("rows", [["Spectrogram"], ["Hits"], []])
def test_inspect_shows_the_panels_asked_for(settings, made, rows):
    app = visit("inspect", song_id=put(settings, owner_of(TOKEN), made))
    app.pills(key="ds_inspect_rows").set_value(rows).run()
    assert not app.exception
    if not rows:
        assert "Choose at least one panel" in texts(app)


@pytest.mark.parametrize("chart", ["Timing", "Tempo", "Confidence"])
def test_inspect_charts(settings, made, chart):
    app = visit("inspect", song_id=put(settings, owner_of(TOKEN), made))
    app.segmented_control(key="ds_chart").set_value(chart).run()
    assert not app.exception


@pytest.mark.parametrize(("left", "says"), [(b"", "cannot be read"), (None, "holds no audio")])
def test_inspect_without_its_recording_still_shows_the_hits(settings, made, left, says):
    job_id = put(settings, owner_of(TOKEN), made)
    audio = settings.data_dir / "jobs" / job_id / "audio.flac"
    audio.unlink() if left is None else audio.write_bytes(left)
    app = visit("inspect", song_id=job_id)
    assert any(says in one.value for one in app.warning)
    assert not app.exception


def test_thresholds_change_the_hits_and_keep_the_edits(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit("inspect", song_id=job_id)
    slider = next(one for one in app.slider if one.label == "Snare drum")
    slider.set_value(0.1).run()
    kept = state.runner().result(job_id, owner=None)
    assert kept.options.detect.thresholds == {"snare": 0.1} and len(kept.hits) > len(made.hits)
    press(app, "ds_threshold_reset")
    assert len(state.runner().result(job_id, owner=None).hits) == len(made.hits)


@pytest.mark.parametrize(
    ("page", "mode"),
    [("transcribe", ""), ("inspect", ""), ("edit", "Table"), ("edit", "Review queue"), ("edit", "Candidates")],
)
def test_a_recording_without_drums(settings, silent, page, mode):
    app = visit(page, song_id=put(settings, owner_of(TOKEN), silent))
    if page == "edit":
        app.segmented_control(key="ds_edit_mode").set_value(mode).run()
    assert not app.exception


def test_settings_that_do_not_fit_are_explained_before_anything_starts(settings):
    app = visit()
    app.segmented_control(key="ds_intake_how").set_value("Link").run()
    link = next(box for box in app.text_input if box.label.startswith("Link"))
    link.set_value("https://example.org/not-a-video").run()
    press(app, "ds_start")
    assert app.error and not state.runner().list(owner=None)


def test_the_web_process_loads_no_network():
    import subprocess
    import sys

    code = (
        "import sys; import drumscribe.ui.shell, drumscribe.ui.intake, drumscribe.ui.explore, drumscribe.ui.hit_table, "
        "drumscribe.ui.review_queue, drumscribe.ui.about, drumscribe.hits, drumscribe.rhythm; "
        "from drumscribe.jobs.local import LocalRunner; "
        "print([name for name in ('tensorflow', 'torch', 'madmom', 'keras', 'librosa') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(APP).parent, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("page", ["inspect", "edit", "score", "practice"])
@pytest.mark.parametrize("kind", ["project", "midi"])
def test_what_was_reopened_without_its_recording_works_on_every_page(settings, made, page, kind):
    from drumscribe.jobs.local import LocalRunner
    from drumscribe.song import imports

    data = made.render("json" if kind == "project" else "midi")[0]
    runner = LocalRunner(settings)
    job = runner.adopt(imports.opened(data, "Beat.json" if kind == "project" else "Beat.mid"), owner=owner_of(TOKEN))
    runner.close()
    app = visit(page, song_id=job.id)
    assert not app.exception and not app.error
    assert f"{len(made.hits)} hits" in texts(app)


def test_files_for_other_programs_and_notes_for_other_kits(settings, made):
    from drumscribe.jobs.local import LocalRunner

    runner = LocalRunner(settings)
    job = runner.adopt(made, owner=owner_of(TOKEN))
    app = visit("score", song_id=job.id)
    other = app.selectbox(key="score_other")
    assert {"Guitar Pro 5", "Clone Hero, YARG (.chart)", "JAMS"} <= set(other.options)
    other.set_value("clone_hero").run()
    assert not app.exception and "It does not hold the hi-hat's foot" in texts(app)
    app.selectbox(key="score_note_map").set_value("addictive-drums-2").run()
    assert not app.exception and not app.error
    app = visit("transcribe")
    assert "Roland V-Drums (TD-11, TD-17, TD-50)" in app.selectbox(key="ds_set_note_map").options
    assert not app.exception
    runner.close()


DEFAULTS = {"slider": lambda one: tuple(one.proto.default), "number_input": lambda one: one.proto.default,
            "selectbox": lambda one: one.proto.default, "toggle": lambda one: one.proto.default,
            "checkbox": lambda one: one.proto.default, "text_input": lambda one: one.proto.default}  # fmt: skip


def told(one) -> object:
    """What a widget's value is on the way to the browser."""
    if one.type == "slider":
        return tuple(one.value) if isinstance(one.value, tuple) else (one.value,)
    if one.type == "selectbox":
        return one.index
    return one.value


def widgets(app: AppTest) -> list:
    return [one for kind in DEFAULTS for one in app.get(kind)]


@pytest.mark.parametrize("page", ["transcribe", "inspect", "edit", "score", "practice"])
def test_a_browser_that_missed_a_message_shows_the_truth_all_the_same(settings, made, page):
    """A widget whose value came too late shows its default: that has to be the value."""
    changed = made.rescore(
        beats={"bpm": 135, "bar_shift": 1, "meter": "3/4"},
        quantise={"triplets": False, "strength": 0.4, "swing": "on"},
        notate={"title": "Another name", "voices": 1, "repeats": False}, detect={"sensitivity": 0.7},
    )  # fmt: skip
    app = visit(page, song_id=put(settings, owner_of(TOKEN), changed))
    wrong = {one.label: (read(one), told(one)) for one in widgets(app) for read in [DEFAULTS[one.type]]
             if told(one) is not None and read(one) != told(one)}  # fmt: skip
    assert not wrong
    if page == "score":
        assert app.slider(key="score_bpm").proto.default == [135] and app.number_input(key="score_shift").value == 1


@pytest.mark.parametrize("page", ["inspect", "score"])
def test_after_a_run_that_was_broken_off_values_are_sent_again(settings, made, page):
    app = visit(page, song_id=put(settings, owner_of(TOKEN), made))
    kept = [one for one in widgets(app) if one.proto.set_value]
    assert len(kept) > 5
    app.run()
    assert not [one.label for one in widgets(app) if one.proto.set_value]  # nor is what somebody types overwritten
    app.session_state["ds_session"].complete = False
    app.run()
    assert {one.label for one in widgets(app) if one.proto.set_value} == {one.label for one in kept}


def test_the_address_of_the_edit_page_keeps_how_one_corrects(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit("edit", song_id=job_id)
    app.segmented_control(key="ds_edit_mode").set_value("Review queue").run()
    assert app.query_params["mode"] in ("review", ["review"])
    again = visit("edit", song_id=job_id, mode="candidates")
    assert again.segmented_control(key="ds_edit_mode").value == "Candidates"


UNHEARD = "Transcribed from the whole mix, because the drums could not be separated first. It cannot be reached."


def test_drums_that_could_not_be_separated_are_told_of_once_and_turned_off_for_good(settings):
    from dataclasses import replace

    songs = [put(settings, owner_of(TOKEN), replace(song(2, title=title), warnings=(UNHEARD,))) for title in "ab"]
    app = visit(song_id=songs[0])
    assert "could not be separated" in texts(app) and not app.warning
    assert "offline" in texts(app) or app.button(key="ds_unseparated_fetch")
    press(app, f"ds_open_{songs[1]}")
    assert "could not be separated" not in texts(app) and "whole mix" in texts(app)
    fresh = visit(song_id=songs[1])
    press(fresh, "ds_unseparated_off")
    assert "could not be separated" not in texts(fresh)
    assert fresh.selectbox(key="ds_set_separator").value == "none"
    another_day = visit(song_id=songs[0])
    assert "could not be separated" not in texts(another_day)
    assert another_day.selectbox(key="ds_set_separator").value == "none"
    another_day.selectbox(key="ds_set_separator").set_value("auto").run()
    assert visit().selectbox(key="ds_set_separator").value == "auto"


def test_one_answer_decides_many_hits_and_one_undo_takes_it_back(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit("edit", song_id=job_id)
    app.segmented_control(key="ds_edit_mode").set_value("Questions").run()
    assert "likely still wrong" in texts(app) and app.get("audio")
    before = state.runner().result(job_id, owner=None)
    press(app, "ds_question_skip")
    press(app, "ds_question_yes")
    kept = state.runner().result(job_id, owner=None)
    assert len(kept.history.edits) == 1 and len(kept.history.edits[0].added) > 1
    press(app, "ds_question_1")
    press(app, "ds_undo")
    press(app, "ds_undo")
    assert state.runner().result(job_id, owner=None).hits == before.hits
    for _ in range(60):
        if "No question is left" in texts(app):
            break
        press(app, "ds_question_skip")
    press(app, "ds_question_again")
    assert app.button(key="ds_question_yes")


def test_another_way_to_count_is_one_click_and_one_undo(settings, made):
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit("score", song_id=job_id)
    assert not [button for button in app.button if button.key == "score_count_1"], "nothing is engraved unseen"
    app.session_state["score_counts"] = True
    app.run()
    other = made.grid.alternatives[0]
    assert f"Now: {made.grid.name}" in texts(app) and "data:image/svg+xml" in texts(app)
    press(app, "score_count_1")
    kept = state.runner().result(job_id, owner=None)
    assert kept.grid.meter == other.meter and kept.grid.bpm == pytest.approx(other.bpm, rel=0.02)
    assert f"Now: {kept.grid.name}" in texts(app)
    press(app, "ds_undo")
    assert state.runner().result(job_id, owner=None).options.beats == made.options.beats


def test_what_the_dial_changes_is_listed_and_taken_back(settings):
    made = song(8, doubts=True)
    job_id = put(settings, owner_of(TOKEN), made)
    app = visit("score", song_id=job_id)
    assert not [button for button in app.button if button.key == "score_changes_back"]
    app.select_slider(key="score_reading").set_value(1.0).run()
    kept = state.runner().result(job_id, owner=None)
    first, *others = kept.rhythm.changes
    assert kept.options.quantise.reading == "clean" and others and f"{len(others) + 1} strokes" in app.expander(
        key="score_changes").label  # fmt: skip
    press(app, f"score_change_back_{first.hit_id}")
    kept = state.runner().result(job_id, owner=None)
    assert [change.hit_id for change in kept.rhythm.changes] == [change.hit_id for change in others]
    press(app, "score_changes_back")
    assert state.runner().result(job_id, owner=None).rhythm.changes == ()
    press(app, "score_changes_again")
    assert len(state.runner().result(job_id, owner=None).rhythm.changes) == len(others) + 1
    for _ in range(4):
        press(app, "ds_undo")
    assert state.runner().result(job_id, owner=None).options == made.options


def test_an_edit_is_repeated_in_all_bars_like_it(settings, made):
    from drumscribe.song import edits

    snare = next(hit for hit in made.hits if hit.drum == "snare" and hit.time_s > 2.6)
    job_id = put(settings, owner_of(TOKEN), made.edit(edits.relabel(made.hits, [snare.id], "cross_stick")))
    app = visit("score", song_id=job_id)
    others = len(app.pills(key="score_alike_bars_1").value)
    assert others > 1 and "Bar 2: the same" in texts(app)
    press(app, "score_alike_repeat")
    kept = state.runner().result(job_id, owner=None)
    assert len(kept.history.edits) == 2
    assert [hit.drum for hit in kept.hits].count("cross_stick") == others + 1
    press(app, "ds_undo")
    press(app, "score_settle")
    assert "Bar 2 is right as you left it" in texts(app)
    press(app, "ds_undo")
    assert app.button(key="score_settle").label == "Bar 2 is right"
    press(app, "score_alike_equal")
    kept = state.runner().result(job_id, owner=None)
    assert [hit.drum for hit in kept.hits].count("cross_stick") == others + 1


@pytest.fixture
def held(settings, made, monkeypatch):
    """A session with a song open, without a page."""
    job_id = put(settings, owner_of(TOKEN), made)
    session = state.Session(job=state.runner().get(job_id, owner=None))
    session.transcription = state.runner().result(job_id, owner=None)
    monkeypatch.setattr(state, "session", lambda: session)
    monkeypatch.setattr(state, "owner", lambda: owner_of(TOKEN))
    return session


def box(held, *actions, name="tab") -> dict:
    return {"song": held.transcription.song.sha256, "box": name, "actions": list(actions)}


def test_a_box_of_edits_is_taken_in_once_and_in_order(held, made):
    from drumscribe.ui.hands import take

    snare = next(hit for hit in made.hits if hit.drum == "snare")
    first = {"id": 1, "kind": "relabel", "hits": [snare.id], "drum": "ride"}
    second = {"id": 2, "kind": "add", "bar": 2, "onset": 0.75, "drum": "china", "names": [-2]}
    take(box(held, first))
    take(box(held, first, second))  # the browser has not heard of the first one yet
    take(box(held, first, second))
    assert [edit.label for edit in held.transcription.history.edits] == ["Make 1 hit ride cymbal", "Add china cymbal"]
    assert held.acted["tab"].last == 2
    third = {"id": 3, "kind": "delete", "hits": [-2]}
    take(box(held, third, {"id": 4, "kind": "undo"}, {"id": 5, "kind": "undo"}, {"id": 6, "kind": "step",
             "hits": [snare.id], "by": -1}))  # fmt: skip
    kept = state.runner().result(held.job.id, owner=None)
    assert [entry.kind for entry in kept.history.log] == ["do", "do", "do", "undo", "undo", "do"]
    assert kept.hits.by_id()[snare.id].drum == "high_tom" and held.acted["tab"].last == 6
    take(box(held, {"id": 1, "kind": "delete", "hits": [snare.id]}, name="another tab"))  # counts for itself
    assert snare.id not in held.transcription.hits.by_id()


def test_edits_that_cannot_be_done_are_told_and_the_others_stand(held, made):
    from drumscribe.ui.hands import take

    kick = next(hit for hit in made.hits if hit.drum == "kick")
    take(box(held, {"id": 1, "kind": "flam", "hits": [kick.id]}, {"id": 2, "kind": "delete", "hits": [kick.id]}))
    assert held.notice[0] == "warning" and "flam" in held.notice[1]
    assert kick.id not in held.transcription.hits.by_id() and held.acted["tab"].last == 2
    take(box(held, {"id": 3, "kind": "nonsense"}))
    assert held.notice[0] == "error" and len(held.transcription.history.log) == 1
    take(box(held, {"id": 3, "kind": "undo"}) | {"song": "another"})
    assert len(held.transcription.history.log) == 1
