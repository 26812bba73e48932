// The transport. Recordings, sampled drums, and click are all scheduled on one audio clock, so that they cannot drift
// apart; loops join without a gap. Speed: recordings are played faster or slower and one pitch shifter on their sum
// puts the pitch back; drums and click wait for the shifter's latency.
import SignalsmithStretch from "signalsmith-stretch";
import { Segments } from "./segments.js";
import { Kit } from "./kit.js";

const HORIZON = 0.6; // seconds that are scheduled ahead: a busy page may miss some ticks
const TICK_MS = 40;
const LEAD = 0.06; // from the decision to play to the first sample
const FADE = 0.006; // at joins of pieces and loops

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Index of the first item of `list` whose `key(item)` is not below `value`. */
export function lowerBound(list, value, key) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(list[middle]) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Looks enough like a media element for wavesurfer.js. Events: play, pause, timeupdate, seeking, ratechange, waiting,
 *  loopchange, countin (detail: beats left), error (detail: sentence). */
export class Deck extends EventTarget {
  constructor() {
    super();
    this.duration = 0;
    this.paused = true;
    this.ended = false;
    this.seeking = false;
    this.readyState = 4;
    this.volume = 1;
    this.muted = false;
    this.src = this.currentSrc = "";
    this.waiting = false;
    this.loop = null; // {start, end} in seconds
    this.countIn = false;
    this.division = 1; // clicks a beat
    this.ramp = null; // {from, step}: a loop begins at this speed, and each round is faster by a step, up to full speed
    this.pitchKept = true; // false where the browser offers no audio worklet
    this.faders = []; // [{id, feeds: {track: gain}}]
    this.levels = {}; // fader id → 0–1.5
    this.muted_drums = new Set();
    this.hits = []; // [{id, time, drum, velocity}] by time
    this.bars = []; // [{number, start, end, pulses}]
    this.tracks = new Map(); // id → Segments
    this.kit = null;
    this.context = null;
    this.at = 0; // where playing would start
    this.speed = 1;
    this.pieces = []; // stretches of song laid on the audio clock: {when, start, end}
    this.sources = new Set();
    this.run = 0; // counts starts and stops, so that late promises know they are late
  }

  // --- what is played -------------------------------------------------------------------------------------------

  setTracks(tracks) {
    const kept = new Map();
    for (const track of tracks) {
      const old = this.tracks.get(track.id);
      kept.set(track.id, old?.url === track.url ? old : new Segments(track));
    }
    this.tracks = kept;
    this.#levels();
  }

  setKit(kit) {
    if (kit && this.kit?.url !== kit.url) this.kit = new Kit(kit);
  }

  /** Hits may change while playing: what is not yet scheduled follows. */
  setHits(hits) {
    this.hits = hits;
  }

  setBars(bars) {
    this.bars = bars;
    this.#beat();
  }

  /** So many clicks a beat: 1, 2, 3, or 4. */
  setDivision(parts) {
    this.division = parts;
    this.#beat();
  }

  #beat() {
    const { bars, division } = this;
    this.pulses = bars.flatMap((bar) =>
      Array.from({ length: bar.pulses * division }, (_, i) => ({
        time: bar.start + ((bar.end - bar.start) * i) / (bar.pulses * division),
        accent: i === 0,
        loud: i % division === 0,
      })),
    );
  }

  setLevel(id, level) {
    this.levels[id] = level;
    this.#levels();
  }

  muteDrum(drum, mute) {
    if (mute) this.muted_drums.add(drum);
    else this.muted_drums.delete(drum);
    this.#levels();
  }

  #levels() {
    if (!this.context) return;
    const now = this.context.currentTime;
    const set = (node, value) => node.gain.setTargetAtTime(value, now, 0.015);
    for (const [id] of this.tracks) {
      let sum = 0;
      for (const fader of this.faders) sum += (this.levels[fader.id] ?? 0) * (fader.feeds?.[id] ?? 0);
      set(this.#trackGain(id), sum);
    }
    set(this.drumBus, this.levels.synth ?? 0);
    set(this.clickBus, this.levels.click ?? 0);
    for (const [drum, node] of this.drumGains) set(node, this.muted_drums.has(drum) ? 0 : 1);
  }

  #trackGain(id) {
    let node = this.trackGains.get(id);
    if (!node) {
      node = new GainNode(this.context, { gain: 0 });
      node.connect(this.recordings);
      this.trackGains.set(id, node);
    }
    return node;
  }

  #drumGain(drum) {
    let node = this.drumGains.get(drum);
    if (!node) {
      node = new GainNode(this.context, { gain: this.muted_drums.has(drum) ? 0 : 1 });
      node.connect(this.drumBus);
      this.drumGains.set(drum, node);
    }
    return node;
  }

  // --- the graph ------------------------------------------------------------------------------------------------

  /** Fetch and decode what the first press of play needs. Browsers allow that before any gesture; sounding, not. */
  prepare() {
    this.#graph();
    this.kit?.load(this.context).catch(() => {}); // asked again, and told, at play
    for (const wanted of this.#need(this.at, 0.5)) wanted.catch(() => {});
  }

  #graph() {
    if (!this.context) {
      const context = (this.context = new AudioContext({ latencyHint: "interactive" }));
      this.trackGains = new Map();
      this.drumGains = new Map();
      this.recordings = new GainNode(context);
      this.direct = new GainNode(context); // recordings at full speed
      this.drumBus = new GainNode(context, { gain: 0 });
      this.clickBus = new GainNode(context, { gain: 0 });
      this.late = new DelayNode(context, { maxDelayTime: 1 });
      this.audition = new GainNode(context, { gain: 0.9 });
      // A limiter, since five faders up are louder than full scale.
      const limiter = new DynamicsCompressorNode(context, { threshold: -2, knee: 0, ratio: 20, attack: 0.002, release: 0.12 });
      this.recordings.connect(this.direct).connect(limiter);
      this.drumBus.connect(this.late);
      this.clickBus.connect(this.late);
      this.late.connect(limiter);
      this.audition.connect(limiter);
      limiter.connect(context.destination);
      this.limiter = limiter;
      this.#levels();
    }
  }

  async #open() {
    this.#graph();
    if (this.context.state !== "running") await this.context.resume();
  }

  async #shifter() {
    if (this.speed === 1 || this.stretch || !this.pitchKept) return;
    if (!this.context.audioWorklet) {
      this.pitchKept = false; // pages over plain http, other than localhost, have no worklets
      return;
    }
    const stretch = await SignalsmithStretch(this.context, { numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [2] });
    // Short blocks keep drum strokes short; the bass still fits in twice.
    await stretch.configure({ blockMs: 80, intervalMs: 20 });
    this.latencyOfShift = await stretch.latency();
    this.shifted = new GainNode(this.context, { gain: 0 });
    this.recordings.connect(stretch).connect(this.shifted).connect(this.limiter);
    this.stretch = stretch;
  }

  #route() {
    const shift = this.speed !== 1 && this.stretch;
    this.direct.gain.value = shift ? 0 : 1;
    this.late.delayTime.value = shift ? this.latencyOfShift : 0;
    if (!this.stretch) return;
    this.shifted.gain.value = shift ? 1 : 0;
    this.stretch.schedule({ active: Boolean(shift), semitones: -12 * Math.log2(this.speed) });
  }

  get #latency() {
    return (this.context.outputLatency || this.context.baseLatency || 0) + this.late.delayTime.value;
  }

  // --- transport ------------------------------------------------------------------------------------------------

  get currentTime() {
    if (this.paused || this.waiting || !this.pieces.length) return this.at;
    const now = this.context.currentTime - this.#latency;
    while (this.pieces.length > 1 && this.pieces[1].when <= now) this.pieces.shift();
    const piece = this.pieces[0];
    return clamp(piece.start + (now - piece.when) * this.speed, piece.start, piece.end);
  }

  set currentTime(time) {
    this.seek(time);
  }

  get playbackRate() {
    return this.speed;
  }

  set playbackRate(rate) {
    const speed = clamp(Math.round(rate * 100) / 100, 0.5, 1.2);
    if (speed === this.speed) return;
    const at = this.currentTime;
    this.speed = speed;
    this.#emit("ratechange");
    if (!this.paused) this.#start(at);
  }

  async play() {
    if (!this.paused) return;
    this.paused = false;
    this.ended = false;
    this.#emit("play");
    let at = this.at >= this.duration - 0.01 ? 0 : this.at;
    if (this.loop && (at < this.loop.start - 0.01 || at >= this.loop.end - 0.01)) at = this.loop.start;
    await this.#start(at, this.countIn);
  }

  pause() {
    if (this.paused) return;
    this.at = this.currentTime;
    this.#halt();
    this.paused = true;
    this.#emit("pause");
    this.#emit("timeupdate");
  }

  seek(time) {
    const at = clamp(time, 0, this.duration);
    this.#emit("seeking");
    if (this.paused) this.at = at;
    else this.#start(at);
    this.#emit("seeked");
    this.#emit("timeupdate");
  }

  setLoop(loop) {
    const at = this.currentTime;
    this.loop = loop && loop.end - loop.start > 0.05 ? { start: Math.max(0, loop.start), end: Math.min(this.duration, loop.end) } : null;
    this.#emit("loopchange");
    if (this.paused) return;
    const outside = this.loop && (at < this.loop.start || at >= this.loop.end);
    this.#start(outside ? this.loop.start : at);
  }

  /** Sound one hit by itself, on the sampled drum. */
  async preview(drum, velocity) {
    await this.#open();
    if (!this.kit) return;
    await this.kit.load(this.context);
    this.kit.strike(this.context, this.audition, drum, velocity, this.context.currentTime + 0.01);
  }

  /** Play from `start` to `end` once, whatever the loop is, then stop where playing stood before. */
  async excerpt(start, end) {
    const back = this.currentTime;
    if (!this.paused) this.pause();
    this.paused = false;
    this.#emit("play");
    await this.#start(clamp(start, 0, this.duration), false, { end: clamp(end, 0, this.duration), back });
  }

  destroy() {
    this.#halt();
    this.paused = true;
    this.context?.close();
  }

  // --- scheduling -----------------------------------------------------------------------------------------------

  #halt() {
    this.run += 1;
    clearInterval(this.timer);
    this.waiting = false;
    if (!this.context) return;
    const now = this.context.currentTime;
    for (const { source, gain } of this.sources) {
      gain.gain.cancelScheduledValues(now);
      gain.gain.setTargetAtTime(0, now, 0.004);
      source.stop(now + 0.03);
    }
    this.sources.clear();
    this.kit?.hush(this.context);
    this.pieces = [];
  }

  async #start(at, countIn = false, once = null) {
    this.#halt();
    const run = this.run;
    this.at = at;
    this.once = once;
    this.#wait(true);
    try {
      await this.#open();
      await Promise.all([this.kit?.load(this.context), this.#shifter(), ...this.#need(at, 0.5)]);
    } catch (error) {
      if (run === this.run) this.#fail(error);
      return;
    }
    if (run !== this.run) return;
    this.#wait(false);
    this.#route();
    const bar = countIn && this.bars.find((b) => b.end > at + 0.001);
    let when = this.context.currentTime + LEAD;
    if (bar) when = this.#countIn(bar, when);
    this.#piece(at, when);
    this.#tick();
    this.timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Click one bar at the tempo of `bar`; returns when the music starts. */
  #countIn(bar, when) {
    const step = (bar.end - bar.start) / bar.pulses / this.speed;
    const run = this.run;
    for (let i = 0; i < bar.pulses; i += 1) {
      const beat = when + i * step;
      this.kit?.strike(this.context, this.audition, i ? "click" : "click_accent", 110, beat);
      const inMs = (beat - this.context.currentTime) * 1000;
      setTimeout(() => run === this.run && this.#emit("countin", i + 1), inMs);
    }
    const start = when + bar.pulses * step;
    setTimeout(() => run === this.run && this.#emit("countin", 0), (start - this.context.currentTime) * 1000);
    // With the shifter on, recordings come later than clicks that bypass the delay.
    return start - this.late.delayTime.value;
  }

  #piece(start, when) {
    const end = this.once?.end ?? (this.loop && start < this.loop.end ? this.loop.end : this.duration);
    this.pieces.push({ when, start, end, filled: start, struck: start });
  }

  #tick() {
    const ahead = this.context.currentTime + HORIZON;
    for (;;) {
      const piece = this.pieces.at(-1);
      const until = Math.min(piece.end, piece.start + (ahead - piece.when) * this.speed);
      if (!this.#fill(piece, until)) return this.#stall();
      this.#strike(piece, until);
      if (until < piece.end) break;
      const over = piece.when + (piece.end - piece.start) / this.speed;
      if (this.once || !this.loop || piece.end !== this.loop.end) {
        if (this.context.currentTime - this.#latency >= over) return this.#finish(piece.end);
        break;
      }
      if (this.ramp && this.speed < 1) return this.#faster(over);
      this.#piece(this.loop.start, over);
    }
    this.#emit("timeupdate");
  }

  /** The round is over at `over` on the clock: the next one is faster. */
  #faster(over) {
    if (this.context.currentTime - this.#latency < over) return this.#emit("timeupdate");
    this.speed = clamp(Math.round(100 * (this.speed + this.ramp.step)) / 100, 0.5, 1);
    this.#emit("ratechange");
    this.#start(this.loop.start, this.countIn);
  }

  /** Begin each loop slowly, and play every round faster; `null`: as fast as the speed says. */
  setRamp(ramp) {
    this.ramp = ramp;
    if (ramp) this.playbackRate = ramp.from;
  }

  #finish(end) {
    this.at = this.once ? this.once.back : end;
    this.ended = !this.once;
    this.#halt();
    this.paused = true;
    this.#emit("pause");
    this.#emit("timeupdate");
  }

  /** Lay the recordings from `piece.filled` to `until` on the clock; false if they are not decoded yet. */
  #fill(piece, until) {
    while (piece.filled < until) {
      const [first] = this.tracks.values();
      if (!first) {
        piece.filled = until;
        break;
      }
      const index = first.index(piece.filled + 1e-6);
      const end = index === first.spans.length - 1 ? piece.end : Math.min(piece.end, (index + 1) * first.length);
      const buffers = [...this.tracks].map(([id, segments]) => [id, segments, segments.get(index)]);
      if (buffers.some(([, , buffer]) => !buffer)) return false;
      const when = piece.when + (piece.filled - piece.start) / this.speed;
      for (const [id, segments, buffer] of buffers) this.#sound(id, buffer, piece.filled - segments.spans[index][0], end - piece.filled, when);
      piece.filled = end;
      this.#ahead(index + 1);
    }
    return true;
  }

  #sound(id, buffer, offset, length, when) {
    const { context, speed } = this;
    const source = new AudioBufferSourceNode(context, { buffer, playbackRate: speed });
    const gain = new GainNode(context, { gain: 0 });
    source.connect(gain).connect(this.#trackGain(id));
    const over = when + length / speed;
    gain.gain.setValueAtTime(0, when);
    gain.gain.linearRampToValueAtTime(1, when + FADE);
    gain.gain.setValueAtTime(1, over);
    gain.gain.linearRampToValueAtTime(0, over + FADE);
    source.start(when, Math.max(0, offset));
    source.stop(over + FADE);
    const voice = { source, gain };
    this.sources.add(voice);
    source.onended = () => this.sources.delete(voice);
  }

  #strike(piece, until) {
    if (!this.kit) return;
    const when = (time) => piece.when + (time - piece.start) / this.speed;
    const from = piece.struck;
    for (let i = lowerBound(this.hits, from, (h) => h.time); i < this.hits.length && this.hits[i].time < until; i += 1) {
      const hit = this.hits[i];
      this.kit.strike(this.context, this.#drumGain(hit.drum), hit.drum, hit.velocity, when(hit.time));
    }
    const pulses = this.pulses ?? [];
    for (let i = lowerBound(pulses, from, (p) => p.time); i < pulses.length && pulses[i].time < until; i += 1) {
      this.kit.strike(this.context, this.clickBus, pulses[i].accent ? "click_accent" : "click", pulses[i].loud ? 110 : 55, when(pulses[i].time));
    }
    piece.struck = Math.max(until, from);
  }

  #need(at, seconds) {
    const wanted = [];
    for (const segments of this.tracks.values()) {
      const last = segments.index(at + seconds);
      for (let index = segments.index(at); index <= last; index += 1) wanted.push(segments.load(this.context, index));
    }
    return wanted;
  }

  #ahead(index) {
    for (const segments of this.tracks.values()) {
      segments.load(this.context, index).catch(() => {}); // asked again, and told, when it is needed
      if (this.loop) segments.load(this.context, segments.index(this.loop.start)).catch(() => {});
    }
  }

  #stall() {
    this.#start(this.currentTime, false, this.once);
  }

  #fail(error) {
    this.#halt();
    this.paused = true;
    this.#emit("pause");
    this.#emit("error", error.message || String(error));
  }

  #wait(waiting) {
    this.waiting = waiting;
    this.#emit("waiting");
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // --- asked for by wavesurfer.js ---------------------------------------------------------------------------------

  load() {}
  remove() {}
  removeAttribute() {}
  canPlayType() {
    return "";
  }
}
