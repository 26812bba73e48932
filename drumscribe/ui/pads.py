"""Striking the pads of an e-kit into the browser (Web MIDI): which note each sends."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from drumscribe.kit import DRUMS

# A pad counts once: its own note again is the same pad, and a faint note after a stroke is its neighbour's shaking.
_PADS = st.components.v2.component(
    "drumscribe_pads",
    html="""
<div class="pads">
  <button type="button" class="begin">Strike the pads now</button>
  <p class="says" role="status" aria-live="assertive"></p>
  <div class="ways" hidden>
    <button type="button" class="skip">My kit has not got it</button>
    <button type="button" class="back">Back</button>
  </div>
</div>
""",
    css="""
.pads { font: inherit; color: var(--st-text-color); }
.pads button { font: inherit; padding: 0.4rem 0.8rem; border: 1px solid var(--st-border-color); cursor: pointer;
  border-radius: 0.6rem; background: var(--st-background-color); color: inherit; }
.pads button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.says { margin: 0.6rem 0; font-size: 1.05rem; min-height: 1.6em; }
""",
    js="""
const FAINT = 20, SHAKING_MS = 150;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".pads");
  const [begin, skip, back] = [".begin", ".skip", ".back"].map((name) => root.querySelector(name));
  const says = root.querySelector(".says"), ways = root.querySelector(".ways");
  let access = null, taken = [], last = { note: null, at: 0 };

  const ask = () => {
    const drum = data.drums[taken.length];
    if (!drum) {
      stop();
      says.textContent = "All pads were struck.";
      setTriggerValue("struck", taken.filter(({ note }) => note !== null).map(({ label, note }) => [label, note]));
      return;
    }
    says.textContent = `Strike: ${drum.name} (${taken.length + 1} of ${data.drums.length})`;
    back.disabled = taken.length === 0;
  };
  const take = (note) => {
    taken.push({ label: data.drums[taken.length].label, note });
    ask();
  };
  const heard = ({ data: [status, note, velocity], timeStamp }) => {
    if ((status & 0xf0) !== 0x90 || velocity === 0) return;
    const shaking = velocity < FAINT && timeStamp - last.at < SHAKING_MS;
    if (shaking || note === last.note) return;
    last = { note, at: timeStamp };
    const before = taken.find((one) => one.note === note);
    if (before) {
      const { name } = data.drums.find(({ label }) => label === before.label);
      says.textContent = `That pad was ${name}. Strike: ${data.drums[taken.length].name}`;
      return;
    }
    take(note);
  };
  const listen = () => access?.inputs.forEach((input) => { input.onmidimessage = heard; });
  const stop = () => {
    access?.inputs.forEach((input) => { input.onmidimessage = null; });
    if (access) access.onstatechange = null;
    access = null;
    ways.hidden = true;
    begin.hidden = false;
  };
  begin.onclick = async () => {
    if (!navigator.requestMIDIAccess) {
      says.textContent = isSecureContext
        ? "This browser has no Web MIDI (Chrome, Edge and Firefox have). Give a MIDI file below."
        : "Browsers give MIDI only to pages over HTTPS or on this computer. Give a MIDI file below.";
      return;
    }
    try {
      access = await navigator.requestMIDIAccess();
    } catch {
      says.textContent = "The browser was not allowed to use MIDI. Allow it beside the address, or give a file below.";
      return;
    }
    if (access.inputs.size === 0) {
      says.textContent = "No MIDI instrument is connected. Plug your kit in by USB, switch it on, and press again.";
      access = null;
      return;
    }
    [taken, last] = [[], { note: null, at: 0 }];
    listen();
    access.onstatechange = listen;
    begin.hidden = true;
    ways.hidden = false;
    ask();
    skip.focus();
  };
  skip.onclick = () => take(null);
  back.onclick = () => { taken.pop(); last = { note: null, at: 0 }; ask(); };
  return stop;
}
""",
)


def struck(drums: Sequence[str]) -> list[tuple[str, int]] | None:
    """Draw the button and what it asks for; the drums with their notes once all were struck, ``None`` before."""
    wanted = [{"label": drum, "name": DRUMS[drum].name} for drum in drums]
    result = _PADS(key="ds_pads", data={"drums": wanted}, on_struck_change=lambda: None)
    rows = result.struck
    return [(str(label), int(note)) for label, note in rows] if rows else None
