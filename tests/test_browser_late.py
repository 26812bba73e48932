"""Messages that reach the server after the user has left the page that sent them: tables and sliders wait a moment."""

from __future__ import annotations

import pytest
from browser import at_rest, follow
from test_browser_a import TOKEN, chromium, come, made, name_first_hit, server, user  # noqa: F401
from test_ui_pages import owner_of
from ui_songs import put

from drumscribe.jobs.local import LocalRunner

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# In one task of the browser, so that the link is followed before the slider has sent anything.
TOUCH_AND_LEAVE = """([key, link]) => {
  const slider = document.activeElement;
  slider.dispatchEvent(new KeyboardEvent('keydown', { key, code: key, bubbles: true, cancelable: true }));
  [...document.querySelectorAll('a')].find((one) => one.innerText.trim().endsWith(link)).click();
}"""


class Line:
    """The connection of a page, which can be made slow: what the server says is kept until :meth:`release`.

    While it is slow, what is sent after a first message waits until the server has begun to draw the page asked for.
    Or messages are held back and reach the server together.
    """

    def __init__(self, page) -> None:
        self.runs: list = []  # what asked the server to run a page: its page's hash, and how many widgets it names
        self._page, self._slow, self._kept, self._waiting = page, False, [], []
        self._together = 0  # messages that shall reach the server at once
        self._asked = self._drawing = ""  # hashes of pages: the one that an answer is awaited of, the latest drawn
        page.route_web_socket("**/_stcore/stream", self._route)

    def _route(self, browser) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        upstream = browser.connect_to_server()

        def up(data) -> None:
            message = BackMsg()
            message.ParseFromString(data)
            if message.WhichOneof("type") == "rerun_script":
                run = message.rerun_script
                self.runs.append((run.page_script_hash, len(run.widget_states.widgets)))
            if self._asked or self._together:
                self._waiting.append(data)
                if len(self._waiting) == self._together:
                    self.release()
                return
            self._asked = message.rerun_script.page_script_hash if self._slow else ""
            upstream.send(data)

        def down(data) -> None:
            if self._slow:
                self._kept.append(data)
                message = ForwardMsg()
                message.ParseFromString(data)
                kind = message.WhichOneof("type")
                if kind == "new_session":  # what comes before it is still of the page that was being drawn
                    self._drawing = message.new_session.page_script_hash
                if self._asked and self._drawing == self._asked and kind in ("delta", "ref_hash"):
                    self._asked = ""
                    waiting, self._waiting, self._drawn = self._waiting, [], True
                    for late in waiting:
                        upstream.send(late)
            else:
                browser.send(data)

        browser.on_message(up)
        upstream.on_message(down)
        self._browser, self._upstream = browser, upstream

    def slow(self) -> None:
        self._slow, self._drawn, self._drawing = True, False, ""

    def together(self, count: int) -> None:
        self._together = count

    def release(self) -> None:
        for data in self._kept:
            self._browser.send(data)
        for data in self._waiting:
            self._upstream.send(data)
        self._slow, self._asked, self._together, self._kept, self._waiting = False, "", 0, [], []

    def wait_for_drawing(self) -> None:
        for _ in range(600):
            if self._drawn:
                return
            self._page.wait_for_timeout(50)
        raise AssertionError("the page was not drawn")

    def wait_for_runs(self, count: int) -> None:
        for _ in range(600):
            if len(self.runs) >= count:
                return
            self._page.wait_for_timeout(50)
        raise AssertionError(f"{len(self.runs)} of {count} messages came")


def touch_and_leave(page, line: Line, slider, key: str, link: str) -> None:
    """Move a slider and follow a link at once, over a line so slow that the slider sends from the old page."""
    at_rest(page)
    slider.focus()
    before = len(line.runs)
    line.slow()
    page.evaluate(TOUCH_AND_LEAVE, [key, link])
    line.wait_for_runs(before + 2)
    followed, late = line.runs[before : before + 2]
    assert followed[0] != late[0] and late[1] > followed[1]  # that is the case we want to see
    line.wait_for_drawing()
    page.wait_for_timeout(1500)
    line.release()


def watched(chromium, server, path: str):  # noqa: F811
    """A browser's context and its page at ``path``, with the line that it talks over."""
    context = user(chromium, server, TOKEN)
    page = context.new_page()
    line = Line(page)
    page.goto(f"{server.url}/{path}")
    return context, page, line


def test_a_late_slider_does_not_take_the_user_back(chromium, server, made):  # noqa: F811
    job_id = put(server.settings, owner_of(TOKEN), made)
    context, page, line = watched(chromium, server, f"edit?song={job_id}")
    slider = page.get_by_role("slider", name="Confidence at most")
    slider.wait_for()
    page.locator(".pages [data-hit]").first.wait_for()
    touch_and_leave(page, line, slider, "ArrowLeft", "Score")
    page.get_by_role("slider", name="BPM").wait_for()
    at_rest(page)
    assert "/score" in page.url and page.get_by_role("heading", level=1).inner_text() == "Score"

    page.go_back()  # what looks alike and is no late message
    page.get_by_role("heading", level=1).filter(has_text="Edit").wait_for()
    at_rest(page)
    assert "/edit" in page.url and page.get_by_role("heading", level=1).inner_text() == "Edit"
    context.close()


def test_a_link_and_a_late_message_that_come_at_once_end_on_the_page_of_the_link(chromium, server, made):  # noqa: F811
    job_id = put(server.settings, owner_of(TOKEN), made)
    context, page, line = watched(chromium, server, f"edit?song={job_id}")
    heading, slider = page.get_by_role("heading", level=1), page.get_by_role("slider", name="Confidence at most")
    for key, width in (("ArrowLeft", 1360), ("", 1000), ("ArrowLeft", 1000)):
        if "/edit" not in page.url:
            follow(page, "Edit")
        page.locator(".pages [data-hit]").first.wait_for()
        at_rest(page)
        slider.focus()
        page.set_viewport_size({"width": width, "height": 1000})  # which the player tells in a moment
        before = len(line.runs)
        line.together(2)
        page.evaluate(TOUCH_AND_LEAVE, [key, "Score"])
        line.wait_for_runs(before + 2)
        assert line.runs[before][0] != line.runs[before + 1][0]
        heading.filter(has_text="Score").wait_for()
        at_rest(page)
        assert heading.inner_text() == "Score" and page.get_by_text("encountered an error").count() == 0
    context.close()


def test_a_late_change_counts_and_nothing_else_does(chromium, server, made):  # noqa: F811
    job_id = put(server.settings, owner_of(TOKEN), made)
    context, page, line = watched(chromium, server, f"score?song={job_id}")
    slider = page.get_by_role("slider", name="BPM")
    slider.wait_for()
    touch_and_leave(page, line, slider, "End", "Practice")
    page.get_by_text("Synthesised").first.wait_for()
    at_rest(page)
    assert "/practice" in page.url and page.get_by_role("heading", level=1).inner_text() == "Practice"
    runner = LocalRunner(server.settings)
    kept = runner.result(job_id, owner=None)
    runner.close()
    assert kept.options == made.options.updated(beats={"bpm": 300.0})
    context.close()


def test_the_edit_page_is_drawn_once_and_once_for_an_edit(chromium, server, made):  # noqa: F811
    job_id = put(server.settings, owner_of(TOKEN), made)
    context, page, line = watched(chromium, server, f"edit?song={job_id}")
    page.locator('[data-testid="stDataFrame"]').wait_for()
    page.locator(".pages [data-hit]").first.wait_for()
    at_rest(page)
    assert len(line.runs) == 1  # the first drawing is the last: nothing moves under the user's hands
    name_first_hit(page, "China")
    before = len(line.runs)
    page.keyboard.press("Enter")
    page.locator(".st-key-ds_undo button:enabled").first.wait_for()
    at_rest(page)
    page.wait_for_timeout(1000)
    assert len(line.runs) == before + 1

    page.set_viewport_size({"width": 1000, "height": 1000})  # the notes beside the table get another width
    line.wait_for_runs(before + 2)
    at_rest(page)
    page.reload()  # and that is known from now on
    page.locator(".pages [data-hit]").first.wait_for()
    page.wait_for_timeout(500)
    at_rest(page)
    assert len(line.runs) == before + 3
    context.close()
