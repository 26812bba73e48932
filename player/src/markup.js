// The component's skeleton. Icons are drawn here; they carry no text, so each button has a label.
import { HAND_KEYS } from "./hands.js";

const icon = (path) => `<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="${path}"/></svg>`;

export const ICONS = {
  play: icon("M8 5v14l11-7z"),
  pause: icon("M6 5h4v14H6zM14 5h4v14h-4z"),
  back: icon("M6 5h2.4v14H6zM20 5v14L9.5 12z"),
  forward: icon("M15.6 5H18v14h-2.4zM4 5v14l10.5-7z"),
  loop: icon("M7 7h10v3l4-4-4-4v3H5v6h2V7zm10 10H7v-3l-4 4 4 4v-3h12v-6h-2v4z"),
  count: icon("M9 3h6l4 18H5L9 3zm1.5 2L7.6 18h8.8L13.9 7.3 11 15l-1.8-.7L12.8 5h-2.3z"),
  stand: icon("M4 4h6v2H6v4H4V4zm10 0h6v6h-2V6h-4V4zM4 14h2v4h4v2H4v-6zm14 0h2v6h-6v-2h4v-4z"),
  leave: icon("M8 4h2v6H4V8h4V4zm6 0h2v4h4v2h-6V4zM4 14h6v6H8v-4H4v-2zm10 0h6v2h-4v4h-2v-6z"),
  ramp: icon("M3 19h4v-4h4v-4h4V7h6V5h-8v4H9v4H5v4H3z"),
  help: icon("M4 6h16v12H4V6zm2 2v2h2V8H6zm4 0v2h2V8h-2zm4 0v2h2V8h-2zM6 12v2h2v-2H6zm4 0v2h2v-2h-2zm4 0v2h4v-2h-4zM8 16h8v1H8z"),
};

export const KEYS = [
  ["Space", "play or pause"],
  ["← →", "a bar back or forward"],
  ["L", "loop this bar, or stop looping"],
  ["+ −", "faster, slower"],
  [", .", "previous, next hit"],
  ["Home", "to the beginning"],
  ["V", "music stand: the whole screen is the score"],
  ["PageDown PageUp", "there, and the arrow keys: turn the page, as pedals do"],
  ["?", "show or hide these keys"],
];

const rows = (keys) => `<dl>${keys.map(([key, what]) => `<dt>${key.split(" ").map((k) => (k === "+" && key.length > 3 ? k : `<kbd>${k}</kbd>`)).join(" ")}</dt><dd>${what}</dd>`).join("")}</dl>`;

export const HTML = `
<div class="player" role="group" aria-label="Player">
  <div class="transport">
    <button type="button" class="round" data-do="back" aria-label="One bar back" title="One bar back (←)">${ICONS.back}</button>
    <button type="button" class="round main" data-do="play" aria-label="Play" title="Play (space)">${ICONS.play}</button>
    <button type="button" class="round" data-do="forward" aria-label="One bar forward" title="One bar forward (→)">${ICONS.forward}</button>
    <output class="where" aria-live="off"></output>
    <span class="gap"></span>
    <button type="button" class="pill" data-do="loop" aria-pressed="false" title="Loop (L)">${ICONS.loop}<span>Loop</span></button>
    <span class="bars" hidden>
      <label>bar <input type="number" data-loop="from" min="0" step="1" aria-label="Loop from bar"></label>
      <label>to <input type="number" data-loop="to" min="0" step="1" aria-label="Loop to bar"></label>
    </span>
    <button type="button" class="pill" data-do="count" aria-pressed="false" title="Count one bar in before playing">${ICONS.count}<span>Count-in</span></button>
    <label class="clicks" title="Clicks a beat of the metronome">Click <select data-do="division" aria-label="Clicks a beat">
      <option value="1">on beats</option><option value="2">eighths</option><option value="3">triplets</option><option value="4">sixteenths</option></select></label>
    <button type="button" class="pill" data-do="ramp" aria-pressed="false" title="Faster with each round: begins the loop at 60 %, and every round is 5 % faster, up to full speed" hidden>${ICONS.ramp}<span>Faster each round</span></button>
    <span class="tempo"><button type="button" class="round touch" data-do="slower" aria-label="Slower" title="Slower (−)">−</button>
    <label class="speed" title="Speed (+ and −)"><span class="name">Speed</span>
      <input type="range" min="50" max="120" step="5" value="100" data-do="speed" aria-label="Speed in percent"><output>100 %</output></label>
    <button type="button" class="round touch" data-do="faster" aria-label="Faster" title="Faster (+)">+</button></span>
    <span class="sizes standing"><button type="button" class="round" data-do="smaller" aria-label="Smaller notes" title="Smaller notes">A−</button>
    <button type="button" class="round" data-do="larger" aria-label="Larger notes" title="Larger notes">A+</button></span>
    <button type="button" class="pill" data-do="stand" aria-pressed="false" title="Music stand: the whole screen is the score (V)" hidden></button>
    <details class="keys"><summary aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)">${ICONS.help}</summary>
      <div class="sheet"><label class="sounding"><input type="checkbox" data-do="sounding"> Notes sound when they are selected</label>${rows(KEYS)}<div class="hand-keys" hidden><strong>In the score</strong>${rows(HAND_KEYS)}<p class="hand-drums"></p></div></div></details>
  </div>
  <p class="message" role="status" hidden></p>
  <div class="timeline" hidden>
    <div class="gutter"><label class="zoom" title="Zoom (ctrl + wheel)"><span>Zoom</span><input type="range" min="0" max="100" step="1" value="0" aria-label="Zoom of the timeline"></label>
      <div class="lane-labels"></div></div>
    <div class="stage"><div class="wave" role="slider" tabindex="0" aria-label="Position in the song" aria-valuemin="0" aria-valuenow="0"></div><canvas class="lanes" aria-hidden="true"></canvas></div>
  </div>
  <div class="mixer" hidden><div class="mixes" role="group" aria-label="What to play along with" hidden></div><div class="faders" role="group" aria-label="Mixer"></div><div class="mutes" role="group" aria-label="Drums that the synthesiser plays"></div></div>
  <div class="score" hidden>
    <div class="pager" hidden><button type="button" data-step="-1">Previous page</button><span></span><button type="button" data-step="1">Next page</button></div>
    <div class="pages" tabindex="0" role="region" aria-label="Score"><div class="cursor" hidden></div></div>
  </div>
  <div class="sr" role="status" aria-live="polite"></div>
  <div class="counted" aria-hidden="true" hidden></div>
</div>`;
