"""The Live page: play into the microphone, see the hits at once, read the bars as they fill."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import streamlit as st

# Before anything may import TensorFlow: its libraries and libsrtp's crash each other in the other order.
from aiortc import rtcrtpreceiver
from aiortc.jitterbuffer import JitterBuffer
from streamlit_webrtc import WebRtcMode, create_audio_sink_track, webrtc_streamer

from drumscribe.errors import DrumScribeError
from drumscribe.live import LiveEngine, Take, ice_servers
from drumscribe.live.take import SHOWN_BARS
from drumscribe.options import Options
from drumscribe.settings import get_settings
from drumscribe.types import Hit, Meter
from drumscribe.ui import labels, lane_board, note_maps, owner, shell, state, theme, unconnected

if TYPE_CHECKING:
    import av


class _Prompt(JitterBuffer):
    """aiortc holds back 80 ms of sound in case packets overtake each other; to somebody drumming that is a lot."""

    def __init__(self, capacity: int, prefetch: int = 0, is_video: bool = False) -> None:
        super().__init__(capacity, min(prefetch, 1), is_video)


rtcrtpreceiver.JitterBuffer = _Prompt  # type: ignore[attr-defined]

# The connection's buttons are in a frame of their own, in another style.
_LOOK = st.components.v2.component(
    "drumscribe_live_look",
    js="""
export default function () {
  const dress = (frame) => {
    const page = frame.contentDocument;
    if (!page?.head || page.getElementById("ds-look")) return;
    const style = page.createElement("style");
    style.id = "ds-look";
    style.textContent = "button.MuiButton-root { text-transform: none; font: 500 1rem system-ui, sans-serif; " +
      "letter-spacing: 0; border-radius: 0.6rem; box-shadow: none !important; }";
    page.head.append(style);
  };
  const timer = setInterval(() => document.querySelectorAll("iframe[title*='webrtc']").forEach(dress), 200);
  return () => clearInterval(timer);
}
""",
)
METERS = ("4/4", "3/4", "6/8", "2/4", "5/4", "7/8", "12/8")
REDRAW_S = 0.5
"""Without a new hit the lanes are drawn anew so often; between, the browser moves them."""
BAR_PX = 340
"""Width of a bar of the running score, where there is room for it."""
BEHIND_S = 1.0
"""From this delay on the lanes are of little use, and the user is told why."""
_TAKE = "live_take"
_SERVERS = "live_ice_servers"


@st.cache_resource(show_spinner=False)
def engine() -> LiveEngine:
    """The server's one listening process."""
    return LiveEngine(get_settings())


def show() -> None:
    """Draw the page."""
    st.html(
        '<p class="ds-lead">Play into the microphone: hits appear as they fall, and each finished bar is written down. '
        "When you stop, the take is transcribed thoroughly and becomes a project.</p>"
        # The page runs as long as one plays; Streamlit's own Stop would freeze it and leave the microphone open.
        "<style>[data-testid=stStatusWidget] { display: none; }</style>"
    )
    if unconnected.insecure(st.context.url):
        unconnected.no_microphone()
        return
    take: Take | None = st.session_state.get(_TAKE)
    bpm, meter = settings(disabled=take is not None)
    try:
        context = microphone()
    except DrumScribeError as error:  # ICE_SERVERS
        shell.error(error)
        return
    if context.state.playing:
        if take is None:
            longest = get_settings().max_duration_s
            take = st.session_state[_TAKE] = Take(engine(), bpm=bpm, meter=meter, longest_s=longest)
            _sink()["take"] = take
            st.rerun()  # with the settings locked
        listening(context, take)
    elif take is not None and not context.state.signalling:
        finish(take)
    elif take is None and context.state.signalling:
        lanes([], [], 0.0)
        unconnected.connecting()
    else:
        engine().start()  # while the user reads, so that the first stroke is heard
        waiting()


def settings(*, disabled: bool) -> tuple[float, Meter]:
    """Tempo and meter to begin with."""
    left, right, rest = st.columns([2, 1, 2])
    with rest:
        _LOOK(key="live_look")
    with left:
        bpm = st.slider(
            "Tempo to begin with (BPM)", 40, 240, 110, key="live_bpm", disabled=disabled, persist_state="session",
            help="The bars follow you from there; the first stroke is beat one.",
        )  # fmt: skip
    with right:
        meter = st.selectbox("Meter", METERS, key="live_meter", disabled=disabled, persist_state="session")
    return float(bpm), Meter.parse(meter or METERS[0])


def _sink() -> dict[str, Take | None]:
    """Where the connection's thread finds this session's take (it must not touch the session itself)."""
    held: dict[str, Take | None] = st.session_state.setdefault("live_sink_of", {"take": None})
    return held


def microphone() -> Any:
    """The connection to the browser's microphone. It leads to this server only. Raises OptionsError."""
    held = _sink()
    # Made once a session: with other ones in each run the connection would be made anew.
    servers = st.session_state.get(_SERVERS) or st.session_state.setdefault(_SERVERS, ice_servers(get_settings()))

    def feed(frame: av.AudioFrame) -> None:
        take = held["take"]
        if take is not None:
            take.feed(frame)

    return webrtc_streamer(
        key="live_microphone",
        mode=WebRtcMode.SENDONLY,
        rtc_configuration={"iceServers": servers},
        media_stream_constraints={
            "audio": {"echoCancellation": False, "noiseSuppression": False, "autoGainControl": False},
            "video": False,
        },
        sink_audio_track=create_audio_sink_track(feed, key="live_sink"),
        translations={"start": "Start", "stop": "Stop", "select_device": "Choose the microphone"},
    )


def waiting() -> None:
    """Before the first take."""
    lanes([], [], 0.0)
    st.caption(
        "Press **Start** and allow the microphone. Headphones keep other music out of it. "
        "The sound goes to this DrumScribe server and nowhere else."
    )
    unconnected.instead()
    note_maps.learn()


def listening(context: Any, take: Take) -> None:
    """Draw hits and bars until the connection ends. Streamlit breaks this off when the user does anything."""
    board, told, paper = st.empty(), st.empty(), st.empty()
    bars, drawn = 0, 0.0
    while context.state.playing:
        fresh = take.listen(0.1)
        if fresh or take.early or time.monotonic() - drawn > REDRAW_S:
            with board:
                lanes(take.hits, take.early, take.now_s)
            with told:
                status(take)
            drawn = time.monotonic()
        if take.bars() > bars:
            bars = take.bars()
            with paper:
                running_score(take)


def status(take: Take) -> None:
    """What is happening, in one line."""
    if take.error is not None:
        shell.error(take.error)
        return
    if not engine().wait_ready(0):
        st.info("The listener is warming up (some seconds, once). What you play is already being recorded.")
        return
    delay = take.delay_s
    parts = [f"{labels.clock(take.duration_s)}", labels.plural(len(take.hits), "hit"), f"{take.follower.bpm:.0f} BPM"]
    if delay is not None:
        parts.append(f"told {1000 * delay:.0f} ms after the sound came in")
        if delay > BEHIND_S:
            parts.append("this computer is too busy to keep up; the take itself is complete")
    if take.full:
        parts.append("the take is as long as it may be: press Stop")
    st.caption(" · ".join(parts))


def running_score(take: Take) -> None:
    """The last finished bars."""
    from drumscribe import notation
    from drumscribe.ui.excerpt import cropped

    try:
        score = take.score()
        if score is not None:
            shown = min(SHOWN_BARS, take.bars())
            st.image(cropped(notation.to_svg(score, [0])[0]), width=shown * BAR_PX, caption=f"Bar {take.bars()}")
    except DrumScribeError as error:
        st.caption(f"This bar could not be written. {error}")


def lanes(hits: Iterable[Hit], early: Iterable[Hit], now_s: float) -> None:
    """The last seconds as one lane a drum; the browser moves the marks until they are drawn anew."""
    st.html(lane_board.html(hits, early, now_s, dark=theme.is_dark()))


def finish(take: Take) -> None:
    """The connection has ended: hand the take to the runner, once."""
    path = take.finish()
    _sink()["take"] = None
    del st.session_state[_TAKE]
    if path is None:
        state.notify("warning", str(take.error or "That take was too short to keep. Play at least two seconds."))
        take.discard()
        st.rerun()
    options = Options().updated(
        separate={"separator": "none"},
        beats={"bpm": round(take.follower.bpm, 1), "meter": str(take.meter)},
        notate={"title": time.strftime("Live take, %d %B %H:%M")},
    )
    try:
        job = state.runner().submit(path, options, owner=owner.owner(), name=time.strftime("Live take %H.%M.%S.flac"))
    except DrumScribeError as error:
        state.notify("error", str(error))
        take.discard()
        st.rerun()
    take.discard()
    state.open_job(job.id)
    st.switch_page("pages/score.py")
