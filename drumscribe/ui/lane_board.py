"""The last seconds of live playing, one lane a drum. Pure: no streamlit here.

The browser moves the marks from right to left by itself, so that they need drawing anew only when there are new ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from drumscribe.kit import DRUMS
from drumscribe.types import Hit
from drumscribe.ui import labels, theme

LANES = ("crash", "ride", "open_hihat", "closed_hihat", "high_tom", "mid_tom", "floor_tom", "snare", "kick")
"""From the top; rarer drums share the lane of what they resemble."""
_LANE_OF = {label: label for label in DRUMS} | {
    "splash": "crash", "china": "crash", "ride_bell": "ride", "pedal_hihat": "closed_hihat", "cross_stick": "snare",
}  # fmt: skip
SHOWN_S = 6.0
"""What the lanes show."""

_CSS = """
<style>
@keyframes ds-live { from { left: 100%; } to { left: 0%; } }
.ds-lanes { position: relative; border: 1px solid rgba(128,124,140,0.35); border-radius: 0.6rem; overflow: hidden; }
.ds-lane { position: relative; height: 1.75rem; border-bottom: 1px solid rgba(128,124,140,0.18); }
.ds-lane:last-child { border-bottom: 0; }
.ds-lane > b { position: absolute; z-index: 2; left: 0.5rem; top: 0.28rem; font-weight: 550; font-size: 0.78rem; }
.ds-track { position: absolute; inset: 0 0.4rem 0 7.2rem; overflow: hidden; }
.ds-track > i { position: absolute; top: 50%; width: 0.42rem; margin-left: -0.21rem; border-radius: 0.2rem;
  transform: translateY(-50%); animation: ds-live 6s linear forwards; }
.ds-clock { font-variant-numeric: tabular-nums; }
@media (max-width: 640px) { .ds-track { left: 5.6rem; } .ds-lane > b { font-size: 0.7rem; left: 0.3rem; } }
</style>
"""


def html(hits: Iterable[Hit], early: Iterable[Hit], now_s: float, *, dark: bool) -> str:
    """HTML of the lanes at ``now_s``, with their style: decided hits are solid, guesses pale."""
    shown = [hit for hit in hits if hit.time_s > now_s - SHOWN_S]
    guessed = [hit for hit in early if hit.time_s > now_s - SHOWN_S]
    counts = Counter(hit.drum for hit in shown)
    rows = []
    for label in LANES:
        colour = theme.line_colour(label, dark=dark)
        marks = "".join(_mark(hit, now_s, colour, sure) for sure, some in ((True, shown), (False, guessed))
                        for hit in some if _LANE_OF[hit.drum] == label)  # fmt: skip
        rows.append(f'<div class="ds-lane"><b>{DRUMS[label].name}</b><div class="ds-track">{marks}</div></div>')
    text = ", ".join(f"{labels.plural(count, DRUMS[label].name.lower())}" for label, count in counts.items())
    return _CSS + (
        f'<div class="ds-lanes" role="img" aria-label="Hits of the last {SHOWN_S:.0f} seconds: {text or "none"}">'
        f"{''.join(rows)}</div>"
    )


def _mark(hit: Hit, now_s: float, colour: str, sure: bool) -> str:
    age = max(0.0, now_s - hit.time_s)
    tall = 35 + 60 * hit.velocity / 127
    return (
        f'<i style="left:{100 - 100 * age / SHOWN_S:.1f}%;height:{tall:.0f}%;background:{colour};'
        f'opacity:{1 if sure else 0.5};animation-delay:-{age:.2f}s"></i>'
    )
