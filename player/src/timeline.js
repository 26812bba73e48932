// Waveform (wavesurfer.js) over drum lanes (one canvas as wide as the window, however long the song is).
import WaveSurfer from "wavesurfer.js";
import Regions from "wavesurfer.js/dist/plugins/regions.esm.js";
import { lowerBound } from "./deck.js";

const LANE = 16;
const RULER = 18;
const WAVE = 76;
const MOST_ZOOM = 1500; // pixels per second: single hits stand apart

const css = (element, name, fallback) => getComputedStyle(element).getPropertyValue(name).trim() || fallback;

export class Timeline {
  constructor(root, deck, { onSelect, onLoop, hands }) {
    this.root = root;
    this.deck = deck;
    this.onSelect = onSelect;
    this.onLoop = onLoop;
    this.labels = root.querySelector(".lane-labels");
    this.stage = root.querySelector(".wave");
    this.canvas = root.querySelector(".lanes");
    this.zoom = root.querySelector(".zoom input");
    this.hits = [];
    this.drums = [];
    this.bars = [];
    this.hands = hands;
    this.selected = new Set();
    this.#zoomControls();
    this.#pointer();
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.canvas);
    deck.addEventListener("timeupdate", () => this.#announceSlider());
    deck.addEventListener("loopchange", () => this.#showLoop());
  }

  async setWaves(waves, duration) {
    const peaks = await Promise.all(
      waves.map(async ({ url }) => {
        const response = await fetch(url);
        if (!response.ok) throw new Error(`The waveform could not be fetched (${response.status}). Reload the page.`);
        return Float32Array.from(new Uint8Array(await response.arrayBuffer()), (value) => value / 255);
      }),
    );
    this.duration = duration;
    this.wavesurfer?.destroy();
    this.regions = Regions.create();
    const text = css(this.root, "--st-text-color", "#333");
    const accent = css(this.root, "--st-primary-color", "#4B3FBF");
    const colours = waves.map((wave) => wave.colour || text);
    this.wavesurfer = WaveSurfer.create({
      container: this.stage,
      media: this.deck,
      peaks: peaks.length ? peaks : [new Float32Array(2)],
      duration,
      height: WAVE,
      normalize: false,
      cursorColor: accent,
      cursorWidth: 2,
      waveColor: colours[0] ?? text,
      progressColor: colours[0] ?? text,
      splitChannels: peaks.length > 1 ? colours.map((waveColor) => ({ waveColor, progressColor: waveColor, overlay: true })) : undefined,
      autoScroll: true,
      autoCenter: false,
      dragToSeek: false,
      plugins: [this.regions],
    });
    for (const event of ["scroll", "redraw", "zoom", "resize"]) this.wavesurfer.on(event, () => this.draw());
    this.regions.enableDragSelection({ color: "transparent" }, 6);
    this.regions.on("region-created", (region) => this.#dragged(region));
    this.regions.on("region-updated", (region) => this.#dragged(region));
    this.wavesurfer.on("ready", () => {
      this.#showLoop();
      this.draw();
    });
  }

  setHits(hits, drums) {
    this.hits = hits;
    this.drums = drums;
    this.lane = new Map(drums.map((drum, index) => [drum.label, index]));
    this.labels.replaceChildren(
      ...drums.map(({ name, short, colour }) => {
        const label = document.createElement("div");
        label.className = "lane-label";
        label.style.setProperty("--drum", colour);
        label.innerHTML = `<span class="dot"></span><span class="long"></span><span class="short"></span>`;
        label.querySelector(".long").textContent = name;
        label.querySelector(".short").textContent = short;
        return label;
      }),
    );
    this.draw();
  }

  setBars(bars) {
    this.bars = bars;
    this.draw();
  }

  /** `ids`: of the hits to mark. */
  select(ids) {
    this.selected = ids;
    this.draw();
  }

  /** Scroll so that `time` can be seen. */
  reveal(time) {
    const [from, to] = this.window();
    if (time >= from && time <= to) return;
    this.wavesurfer?.setScrollTime(Math.max(0, time - (to - from) / 4));
  }

  /** Visible stretch of the song, in seconds. */
  window() {
    if (!this.wavesurfer || !this.duration) return [0, this.duration || 1];
    const total = this.wavesurfer.getWrapper().clientWidth || 1;
    const from = (this.wavesurfer.getScroll() / total) * this.duration;
    return [from, from + (this.wavesurfer.getWidth() / total) * this.duration];
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.#paint();
    });
  }

  #paint() {
    const width = this.canvas.clientWidth;
    const height = RULER + this.drums.length * LANE + 4;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.style.height = `${height}px`;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const text = css(this.root, "--st-text-color", "#333");
    const [from, to] = this.window();
    const x = (time) => ((time - from) / (to - from)) * width;
    pen.font = `11px ${css(this.root, "--st-font", "sans-serif")}`;
    pen.textBaseline = "middle";
    const perBar = this.bars.length ? ((this.bars.at(-1).end - this.bars[0].start) / this.bars.length / (to - from)) * width : width;
    const every = [1, 2, 4, 8, 16, 32, 64, 128].find((step) => step * perBar > 34) ?? 256;
    for (let i = lowerBound(this.bars, from, (bar) => bar.end); i < this.bars.length && this.bars[i].start < to; i += 1) {
      const bar = this.bars[i];
      const left = x(bar.start);
      const named = bar.number % every === 0 || every === 1 || bar.number === 1;
      pen.fillStyle = text;
      pen.globalAlpha = named ? 0.35 : perBar > 6 ? 0.14 : 0;
      pen.fillRect(left, 0, 1, height);
      if (named) {
        pen.globalAlpha = 0.85;
        pen.fillText(String(bar.number), left + 4, RULER / 2);
      }
      if (perBar / bar.pulses > 22) {
        pen.globalAlpha = 0.1;
        for (let pulse = 1; pulse < bar.pulses; pulse += 1) pen.fillRect(x(bar.start + ((bar.end - bar.start) * pulse) / bar.pulses), RULER, 1, height);
      }
    }
    pen.globalAlpha = 0.08;
    pen.fillStyle = text;
    for (let lane = 0; lane < this.drums.length; lane += 1) pen.fillRect(0, RULER + lane * LANE + LANE / 2, width, 1);
    const mark = Math.min(5, Math.max(1.4, (width / (to - from)) * 0.025));
    const first = lowerBound(this.hits, from - 0.1, (hit) => hit.time);
    const chosen = [];
    for (let i = first; i < this.hits.length && this.hits[i].time < to + 0.1; i += 1) {
      const hit = this.hits[i];
      const lane = this.lane.get(hit.drum);
      if (lane === undefined) continue;
      const tall = 4 + (hit.velocity / 127) * (LANE / 2 - 3);
      const top = RULER + lane * LANE + LANE / 2 - tall;
      const left = x(hit.time + (this.selected.has(hit.id) ? (this.dragged ?? 0) : 0));
      pen.globalAlpha = hit.faint ? 0.5 : 0.4 + 0.6 * hit.confidence;
      pen.fillStyle = pen.strokeStyle = this.drums[lane].colour;
      if (hit.faint) pen.strokeRect(left - mark / 2, top, mark, tall * 2);
      else pen.fillRect(left - mark / 2, top, mark, tall * 2);
      if (this.selected.has(hit.id)) chosen.push([left, RULER + lane * LANE + LANE / 2]);
    }
    pen.globalAlpha = 1;
    pen.strokeStyle = css(this.root, "--st-primary-color", "#4B3FBF");
    pen.lineWidth = 2;
    for (const [left, middle] of chosen) {
      pen.beginPath();
      pen.arc(left, middle, LANE / 2 - 0.5, 0, 2 * Math.PI);
      pen.stroke();
    }
    pen.lineWidth = 1;
    if (this.band) {
      const [x0, y0, x1, y1] = this.band;
      pen.globalAlpha = 0.8;
      pen.strokeRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    }
  }

  /** The hit nearest to a point of the lanes, within ten pixels. */
  #hitAt(px, py) {
    const [from, to] = this.window();
    const scale = this.canvas.clientWidth / (to - from);
    const time = from + px / scale;
    const drum = this.drums[Math.floor((py - RULER) / LANE)]?.label;
    const reach = 10 / scale;
    let best = null;
    for (let i = lowerBound(this.hits, time - reach, (hit) => hit.time); i < this.hits.length && this.hits[i].time <= time + reach; i += 1) {
      const hit = this.hits[i];
      if (hit.drum === drum && (!best || Math.abs(hit.time - time) < Math.abs(best.time - time))) best = hit;
    }
    return best;
  }

  #pointer() {
    this.canvas.addEventListener("click", (event) => {
      if (this.ended) return; // of a drag
      const hit = this.#hitAt(event.offsetX, event.offsetY);
      const how = !this.hands.active ? "" : event.shiftKey ? "range" : event.ctrlKey || event.metaKey ? "toggle" : "";
      const time = this.#timeAt(event.offsetX);
      const drum = this.drums[Math.floor((event.offsetY - RULER) / LANE)];
      const place = this.hands.active && event.offsetY > RULER && drum && this.hands.place(time);
      if (hit) this.onSelect(hit.id, hit.faint ? "" : how);
      else if (place && this.#roomy()) this.hands.add(place.bar, place.onset, drum.label);
      else this.deck.seek(time);
      const score = this.root.parentElement.querySelector(".pages");
      if (this.hands.active && score.offsetParent) score.focus({ preventScroll: true });
    });
    this.#drags();
    this.canvas.addEventListener("pointermove", (event) => {
      const hit = this.#hitAt(event.offsetX, event.offsetY);
      this.canvas.style.cursor = hit ? "pointer" : "default";
      this.canvas.title = hit ? `${this.drums[this.lane.get(hit.drum)].name}, ${hit.time.toFixed(2)} s, ${Math.round(hit.confidence * 100)} %` : "";
    });
    this.root.addEventListener(
      "wheel",
      (event) => {
        if (!this.wavesurfer) return;
        if (event.ctrlKey || event.metaKey) {
          event.preventDefault();
          this.#zoomTo(this.#density() * Math.exp(-event.deltaY * 0.004), event.offsetX / this.canvas.clientWidth);
        } else if (event.deltaX || event.shiftKey) {
          event.preventDefault();
          this.wavesurfer.setScroll(this.wavesurfer.getScroll() + (event.deltaX || event.deltaY));
        }
      },
      { passive: false },
    );
  }

  #timeAt(px) {
    const [from, to] = this.window();
    return from + (px / this.canvas.clientWidth) * (to - from);
  }

  /** Whether places of the grid can be told apart under the pointer. */
  #roomy() {
    const [from, to] = this.window();
    return this.canvas.clientWidth / (to - from) > 40;
  }

  /** Dragging a hit moves what is selected in time; dragging over empty lanes selects. */
  #drags() {
    let from = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      this.ended = false;
      if (!this.hands.active || event.button || event.pointerType === "touch") return;
      from = { x: event.offsetX, y: event.offsetY, hit: this.#hitAt(event.offsetX, event.offsetY) };
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!from || (!from.moving && Math.hypot(event.offsetX - from.x, event.offsetY - from.y) < 5)) return;
      if (!from.moving && from.hit && !this.selected.has(from.hit.id)) this.hands.pick(from.hit.id);
      from.moving = true;
      if (from.hit) this.dragged = this.#timeAt(event.offsetX) - this.#timeAt(from.x);
      else this.band = [from.x, from.y, event.offsetX, event.offsetY];
      this.draw();
    });
    const end = (event) => {
      if (from?.moving && event.type === "pointerup") {
        this.ended = true;
        if (this.dragged) this.hands.move(this.dragged);
        else if (this.band) this.#pickBand();
      }
      from = this.dragged = this.band = null;
      this.draw();
    };
    this.canvas.addEventListener("pointerup", end);
    this.canvas.addEventListener("pointercancel", end);
  }

  #pickBand() {
    const [x0, y0, x1, y1] = this.band;
    const [low, high] = [this.#timeAt(Math.min(x0, x1)), this.#timeAt(Math.max(x0, x1))];
    const lane = (y) => Math.floor((y - RULER) / LANE);
    const [top, bottom] = [lane(Math.min(y0, y1)), lane(Math.max(y0, y1))];
    const inside = (hit) => !hit.faint && hit.time >= low && hit.time <= high && this.lane.get(hit.drum) >= top && this.lane.get(hit.drum) <= bottom;
    this.hands.pickAll(this.hits.filter(inside).map((hit) => hit.id));
  }

  #density() {
    return this.wavesurfer.getWrapper().clientWidth / this.duration;
  }

  #zoomTo(density, around = 0.5) {
    const [from, to] = this.window();
    const fit = this.wavesurfer.getWidth() / this.duration;
    const wanted = Math.min(MOST_ZOOM, Math.max(fit, density));
    const playhead = this.deck.currentTime;
    const anchor = around === 0.5 && playhead >= from && playhead <= to ? playhead : from + (to - from) * around;
    const share = (anchor - from) / (to - from);
    this.wavesurfer.zoom(wanted);
    this.wavesurfer.setScrollTime(Math.max(0, anchor - (this.wavesurfer.getWidth() / wanted) * share));
    this.zoom.value = String((100 * Math.log(wanted / fit)) / Math.log(MOST_ZOOM / fit));
    this.draw();
  }

  #zoomControls() {
    this.zoom.addEventListener("input", () => {
      if (!this.wavesurfer) return;
      const fit = this.wavesurfer.getWidth() / this.duration;
      this.#zoomTo(fit * (MOST_ZOOM / fit) ** (this.zoom.value / 100));
    });
  }

  #dragged(region) {
    if (this.placing) return;
    const { start, end } = region;
    this.onLoop(this.#snap(start), Math.max(this.#snap(end), this.#snap(start) + 0.1));
  }

  /** The nearest bar line, if it is near on screen. */
  #snap(time) {
    const [from, to] = this.window();
    const near = (14 / this.canvas.clientWidth) * (to - from);
    let best = time;
    for (const bar of this.bars) for (const line of [bar.start, bar.end]) if (Math.abs(line - time) < Math.min(near, Math.abs(best - time) || near)) best = line;
    return best;
  }

  #showLoop() {
    if (!this.regions) return;
    this.placing = true;
    this.regions.clearRegions();
    const { loop } = this.deck;
    if (loop) {
      const accent = css(this.root, "--st-primary-color", "#4B3FBF");
      this.regions.addRegion({ start: loop.start, end: loop.end, color: `color-mix(in srgb, ${accent} 22%, transparent)` });
    }
    this.placing = false;
  }

  #announceSlider() {
    const time = this.deck.currentTime;
    this.stage.setAttribute("aria-valuenow", time.toFixed(1));
    this.stage.setAttribute("aria-valuetext", `${Math.floor(time / 60)} min ${Math.floor(time % 60)} s`);
  }

  destroy() {
    this.observer.disconnect();
    this.wavesurfer?.destroy();
  }
}
