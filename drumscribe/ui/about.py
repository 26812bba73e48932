"""What the About page says: how it works, limits, accuracy, legend, keys, privacy, licences."""

from __future__ import annotations

import html

import streamlit as st

from drumscribe._version import __version__
from drumscribe.kit import DRUMS
from drumscribe.settings import get_settings
from drumscribe.ui import account, labels, lan, people

HEADS = {"normal": "●", "x": "✕", "circle-x": "⊗", "diamond": "◆"}
KEYS = {
    "Everywhere": (
        ("Ctrl+Z", "undo the last edit"),
        ("Ctrl+Shift+Z", "redo it"),
        ("Tab, Shift+Tab", "move between controls"),
    ),
    "Edit, review queue": (
        ("A", "accept the hit"),
        ("D", "delete it"),
        ("1 – 8", "make it the drum with that number"),
        ("S", "skip it"),
        ("H", "hear it again"),
    ),
    "Edit, table": (
        ("Arrows, Enter", "move in the table, edit a cell"),
        ("Ctrl+C, Ctrl+V", "copy and paste cells"),
        ("Ctrl+Delete", "delete the picked hits"),
    ),
    "Score, with a note selected": (
        ("←, →, ↑, ↓", "next note, other voice; with Shift, select more"),
        ("Alt+←, Alt+→", "earlier, later by the grid"),
        ("Alt+↑, Alt+↓", "higher, lower drum"),
        ("K S X T M L", "bass drum, snare, cross-stick, high, mid, floor tom"),
        ("H O P", "closed, open hi-hat, hi-hat foot"),
        ("C Z N R B", "crash, splash, china, ride, ride bell"),
        ("G, A, F", "ghost, accent, flam"),
        ("Delete", "delete"),
        ("Ctrl+A, C, X, V", "select the bar, copy, cut, paste"),
    ),
    "Edit, questions": (
        ("A", "yes, for all"),
        ("D", "no, for all"),
        ("1 – 6", "make them the drum with that number"),
        ("S", "skip the question"),
    ),
    "Inspect": (("Alt+N", "next hit"), ("Alt+P", "previous hit")),
    "Player": (
        ("Space", "play, pause"),
        ("←, →", "back, forward"),
        ("L", "loop on, off"),
        ("+, −", "faster, slower"),
        ("Home", "to the start"),
        ("?", "show the keys"),
    ),
}
LICENCES = (
    ("DrumScribe", "this program", "MIT"),
    ("Demucs", "drum separation, code and weights", "MIT"),
    ("madmom models", "beat tracking", "CC BY-NC-SA 4.0: non-commercial use only; BEAT_TRACKER=librosa works without"),
    ("madmom", "beat tracking, code", "BSD 2-Clause"),
    ("librosa", "beat tracking without madmom", "ISC"),
    ("TensorFlow, Keras", "hit network", "Apache 2.0"),
    ("verovio", "engraving on the screen", "LGPL 3.0"),
    ("LilyPond", "engraving on paper, run as a program of its own", "GPL 3.0"),
    ("Fluid R3 GM", "synthesised drums", "MIT"),
    ("wavesurfer.js", "waveforms in the player", "BSD 3-Clause"),
    ("Streamlit", "this app", "Apache 2.0"),
)


_PERSON = (
    "- Your projects belong to the account that you sign in with; a cookie remembers that you have, another one how "
    "wide the score is on your screen. There are no analytics, and no other cookies of ours."
)
_BROWSER = (
    "- One cookie with a random number tells your browser from others, so that only you see your projects. Whoever "
    "clears it loses the way to them. Another one keeps how wide the score is on your screen. There are no accounts, "
    "no analytics, and no other cookies of ours."
)


def show() -> None:
    """Draw the page."""
    settings = get_settings()
    st.html(
        '<p class="ds-lead">DrumScribe listens to a recording and writes down what the drums play. It shows how sure '
        "it is of every hit, so that you know where to look, and makes each correction a matter of one key.</p>"
    )
    _tablet()
    st.header("How it works")
    st.markdown(
        "1. **Read**: the file, link or recording is decoded to 44.1 kHz.\n"
        "2. **Separate**: Demucs takes the drums out of the mix, where its model is at hand. Otherwise the network "
        "listens to the whole mix, and the result says so.\n"
        "3. **Find hits**: a convolutional network gives, a hundred times a second, how likely each of "
        f"{len(DRUMS)} drums is struck. Peaks above a threshold become hits; those below stay visible as candidates.\n"
        "4. **Find beats**: a recurrent network and a probabilistic model follow beats and bar lines through tempo "
        "changes.\n"
        "5. **Write**: hits are quantised beat by beat and engraved by the conventions of the Percussive Arts Society."
    )
    st.header("Limits")
    st.markdown(
        f"- {labels.limits(settings)}.\n"
        "- It is surest of bass drum, snare and closed hi-hat, less so of cymbals and toms, and least of ghost notes "
        "in a dense mix. A confidence of 80 % means that about eight in ten such hits are right.\n"
        "- Splash and china are often taken for one another or for a crash, the bell for the ride: the chart writes "
        "crash and ride, unless you name the hit yourself or ask on the Score page for what was heard.\n"
        "- Where the bars begin is found less reliably than the beats: *Bar shift* on the Score page corrects it.\n"
        "- Drum machines with unusual sounds, and several drummers at once, are beyond it."
    )
    _accuracy()
    st.header("The drums")
    _legend()
    st.header("Keyboard")
    columns = st.columns(2)
    for number, (where, keys) in enumerate(KEYS.items()):
        with columns[number % 2]:
            rows = "".join(f"<tr><td><kbd>{html.escape(key)}</kbd></td><td>{what}</td></tr>" for key, what in keys)
            st.subheader(where)
            st.html(f'<table class="ds-table"><tbody>{rows}</tbody></table>')
    if account.offered():
        st.header("Programs")
        st.markdown(
            "What these pages do, programs can do over the REST API (`python -m drumscribe.api`). With an API token "
            "they work on the same songs."
        )
        st.page_link(account.PAGE, label="API tokens", icon=":material/key:")
    st.header("Privacy")
    hours = settings.artifact_ttl_hours
    kept = f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"
    st.markdown(
        "- Your recordings are worked on by this server alone and sent nowhere. The network is used only to fetch a "
        "link that you paste, and models that are not yet here.\n"
        f"- Uploads, results and edits are kept for {kept} after the last run, or until you delete them on the "
        "Transcribe page, which removes audio, hits and files at once.\n"
        + (_PERSON if people.configured() else _BROWSER)
    )
    st.header("Licences")
    rows = "".join(f"<tr><td>{name}</td><td>{what}</td><td>{licence}</td></tr>" for name, what, licence in LICENCES)
    st.html(
        '<table class="ds-table"><thead><tr><th scope="col">What</th><th scope="col">Used for</th>'
        f'<th scope="col">Licence</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    st.caption(f"DrumScribe {__version__}")


def _tablet() -> None:
    """How the tablet on the music stand gets in."""
    if lan.shared is None:
        if not get_settings().public:
            st.header("Open on a tablet")
            st.markdown(
                "Start DrumScribe with `drumscribe serve --lan`: it shows a QR code here and in the terminal, for a "
                "tablet or phone in the same Wi-Fi, which then has the same songs; Live can use its microphone."
            )
        return
    st.header("Open on a tablet")
    code, words = st.columns([1, 2], vertical_alignment="center")
    with code:
        st.image(lan.shared.picture, caption="Scan with the tablet's camera")
    with words:
        st.markdown(
            f"In the same Wi-Fi, open **{lan.shared.link.partition('?')[0]}** and type the code "
            f"**{lan.shared.code}**, or scan the picture.\n\n"
            "The first time, the browser warns that it does not know the certificate, which this computer made itself: "
            "choose to go on. The tablet then shows the songs of this computer's browser, and stays paired."
        )


def _legend() -> None:
    rows = "".join(
        f'<tr><td><span class="ds-dot ds-inline" style="background:{drum.colour}" aria-hidden="true"></span> '
        f"{drum.name}</td><td>{HEADS[drum.notehead]} <span class='ds-quiet'>{drum.notehead}</span></td>"
        f"<td>{drum.staff}</td><td>{'up' if drum.voice == 'hands' else 'down'}</td><td>{drum.midi}</td></tr>"
        for drum in DRUMS.values()
    )
    st.html(
        '<table class="ds-table"><thead><tr><th scope="col">Drum</th><th scope="col">Notehead</th>'
        '<th scope="col">Staff position</th><th scope="col">Stem</th><th scope="col">MIDI note</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
    st.caption("Staff positions are named as in treble clef. Colours are the same in plots, tables and player.")


def _accuracy() -> None:
    """Scores that were recorded with the packaged hit model: one row a drum, one column a kind of recording."""
    from drumscribe.hits.card import default_card

    card = default_card()
    scores = card.made.get("scores", {}).get("held_out_test", {})
    kinds = {kind: scores[kind] for kind in ("drums", "mix") if isinstance(scores.get(kind), dict)}
    if not kinds:
        return
    st.header("Accuracy")
    names = {"micro": "All hits"} | labels.NAMES
    heads = "".join(f'<th scope="col">{({"drums": "Drums alone", "mix": "Full mix"})[kind]}</th>' for kind in kinds)
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td>" + "".join(f"<td>{_bar(one.get(label))}</td>" for one in kinds.values())
        + "</tr>"
        for label, name in names.items()
        if any(label in one for one in kinds.values())
    )  # fmt: skip
    st.html(
        f'<table class="ds-table"><thead><tr><th scope="col">Drum</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )
    st.caption(
        f"F-measure of hits within 50 ms (1.00: each hit found, none invented) on kits and songs that {card.title} "
        "never heard, recorded when it was trained. They are harder than most records."
    )


def _bar(score: float | None) -> str:
    if score is None:
        return '<span class="ds-quiet">not there</span>'
    return f'<meter min="0" max="1" value="{score:.2f}" aria-hidden="true"></meter> {score:.2f}'
