// The engraved pages: a cursor that runs with the song, heads that light up, clicks that select.
import { lowerBound } from "./deck.js";
import { Overlay } from "./overlay.js";

const GLOW_S = 0.16;
const EDGE = 0.28; // of a music stand's width, at either side: a tap there turns the page
const SWIPE_PX = 50;
const ABOVE_PX = 24; // room above a line that was brought to the top

async function fetchText(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`A page of the score could not be fetched (${response.status}). Reload the page.`);
  return response.text();
}

/** Paper below the last line is left out on screen. */
function crop(page) {
  const frame = page.firstElementChild?.getBoundingClientRect();
  if (!frame?.width) return;
  const lowest = Math.max(...[...page.querySelectorAll(".system, .legend")].map((part) => part.getBoundingClientRect().bottom));
  const height = Number.isFinite(lowest) ? Math.min(frame.height, lowest - frame.top + frame.width * 0.035) : frame.height;
  page.style.aspectRatio = `${frame.width} / ${height}`;
}

export class Score {
  constructor(root, { onSelect, hands }) {
    this.root = root;
    this.scroller = root.querySelector(".pages");
    this.cursor = root.querySelector(".cursor");
    this.pager = root.querySelector(".pager");
    this.onSelect = onSelect;
    this.heads = new Map(); // hit id → its notehead; hits under a repeat share one
    this.chart = { measures: [], aliases: [] };
    this.lit = new Set();
    this.anchors = [];
    this.follow = true;
    this.hands = hands;
    this.overlay = new Overlay(this);
    this.engraved = [];
    this.standing = false; // a music stand: touches turn pages, and edit nothing
    this.scroller.addEventListener("click", (event) => this.#clicked(event));
    this.#box();
    this.#swipes();
    for (const gesture of ["wheel", "touchmove", "pointerdown"]) {
      this.scroller.addEventListener(gesture, () => (this.touched = performance.now()), { passive: true });
    }
    this.pager.addEventListener("click", (event) => {
      const step = event.target.closest("button")?.dataset.step;
      if (step) this.#turn(Number(step));
    });
    this.scroller.addEventListener("scroll", () => this.#showPage(), { passive: true });
  }

  /** `urls`: of SVG pages, each a new one when its page changed, null where it is still to be engraved; noteheads are
   *  `hit-<id>`. `view`: {page, svg} of the one that came with them. */
  async setPages(urls, view = null) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const old = [...this.scroller.querySelectorAll(".page")];
    const texts = await Promise.all(urls.map((url, index) => (url === null || old[index]?.url === url ? null : view?.page === index ? view.svg : fetchText(url))));
    if (turn !== this.turn) return false;
    this.overlay.clear();
    const top = this.scroller.scrollTop;
    const parser = new DOMParser();
    urls.forEach((url, index) => {
      let page = old[index];
      if (!page) {
        page = document.createElement("div");
        page.className = "page";
        this.scroller.append(page);
      }
      page.classList.toggle("stale", url === null);
      if (texts[index] === null) return;
      const svg = parser.parseFromString(texts[index], "image/svg+xml").documentElement;
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", `Drum chart, page ${index + 1} of ${urls.length}`);
      page.replaceChildren(document.importNode(svg, true));
      page.url = url;
    });
    old.slice(urls.length).forEach((page) => page.remove());
    this.lit.clear();
    for (const element of this.scroller.querySelectorAll('[id^="hit-"]')) element.dataset.hit = element.id.slice(4);
    this.#join();
    for (const page of this.scroller.querySelectorAll(".page")) crop(page);
    this.scroller.scrollTop = top;
    this.anchors = [];
    this.#showPage();
    return true;
  }

  /** `measures`: [start_s, end_s, element id] of each bar as played; `aliases`: [hit id, element id] under repeats. */
  setChart(chart) {
    this.chart = chart;
    this.#join();
  }

  #join() {
    this.heads.clear();
    for (const element of this.scroller.querySelectorAll("[data-hit]:not(.fresh)")) this.heads.set(Number(element.dataset.hit), element);
    const aliases = new Map(this.chart.aliases.map(([hit, element]) => [hit, element]));
    for (const [hit, element] of aliases) {
      const head = this.heads.get(Number(element.slice(4)));
      if (head) this.heads.set(hit, head);
    }
    this.anchors = [];
  }

  /** The hit that a head stands for: under a repeat, the one nearest to where the song is. */
  #hitOf(head) {
    const here = this.time ?? 0;
    let best = null;
    for (const hit of this.hits) {
      if (this.#headOf(hit.id) === head && (!best || Math.abs(hit.time - here) < Math.abs(best.time - here))) best = hit;
    }
    return best?.id ?? Number(head.dataset.hit);
  }

  setHits(hits, drums) {
    this.hits = hits;
    this.colours = new Map(drums.map((drum) => [drum.label, drum.paper]));
    this.names = new Map(drums.map((drum) => [drum.label, drum.name]));
    this.anchors = [];
  }

  /** Colour the heads as the drums are coloured everywhere else, or print them black. */
  colour(on) {
    for (const hit of this.hits ?? []) {
      const head = this.heads.get(hit.id);
      if (!head) continue;
      if (on) head.style.setProperty("--drum", this.colours.get(hit.drum));
      head.classList.toggle("tinted", on);
    }
  }

  /** Mark the heads of some hits; scroll to that of `shown`. */
  select(ids, shown = null) {
    for (const head of this.scroller.querySelectorAll(".chosen")) head.classList.remove("chosen");
    for (const id of ids) this.#headOf(id)?.classList.add("chosen");
    const head = this.#headOf(shown ?? [...ids][0]);
    if (head && ids.size === 1) this.#reveal(head.closest(".system") ?? head);
  }

  #headOf(id) {
    return this.overlay.heads?.get(id) ?? this.heads.get(id);
  }

  // --- the pointer --------------------------------------------------------------------------------------------------

  #clicked(event) {
    if (this.boxed) return;
    const note = event.target.closest?.("[data-hit]");
    if (this.standing) {
      const frame = this.scroller.getBoundingClientRect();
      const share = (event.clientX - frame.left) / frame.width;
      if (share < EDGE || share > 1 - EDGE) return this.turnScreen(share < EDGE ? -1 : 1);
      if (note) this.onSelect(this.#hitOf(note), "");
      return;
    }
    const how = !this.hands.active ? "" : event.shiftKey ? "range" : event.ctrlKey || event.metaKey ? "toggle" : "";
    if (note) return this.onSelect(this.#hitOf(note), how);
    if (!this.hands.active) return;
    const under = this.overlay.under(event.clientX, event.clientY, this.time ?? 0, this.engraved);
    const place = under && this.hands.place(under.time);
    const drum = under && this.#drumAt(under.height);
    if (place && drum && !how) this.hands.add(place.bar, place.onset, drum);
    else if (!under && this.hands.chosen.size) this.hands.pick(null);
  }

  /** The drum whose line this is: of several, the one that the song has most of. */
  #drumAt(height) {
    const near = this.hands.kit.filter((drum) => Math.abs(drum.height - height) <= 0.5);
    const count = (drum) => this.hits.reduce((sum, hit) => sum + (hit.drum === drum.label), 0);
    return near.sort((a, b) => count(b) - count(a))[0]?.label;
  }

  /** A box drawn with the mouse selects the heads inside. */
  #box() {
    let from = null;
    let box = null;
    this.scroller.addEventListener("pointerdown", (event) => {
      this.boxed = false;
      if (!this.hands.active || this.standing || event.pointerType === "touch" || event.button || event.target.closest?.("[data-hit]")) return;
      const frame = this.scroller.getBoundingClientRect();
      if (event.clientX - frame.left > this.scroller.clientWidth) return; // on the scroll bar
      from = [event.clientX, event.clientY];
    });
    const corners = (event) => [Math.min(from[0], event.clientX), Math.min(from[1], event.clientY), Math.max(from[0], event.clientX), Math.max(from[1], event.clientY)];
    this.scroller.addEventListener("pointermove", (event) => {
      if (!from || (!box && Math.hypot(event.clientX - from[0], event.clientY - from[1]) < 7)) return;
      if (!box) {
        box = document.createElement("div");
        box.className = "box";
        this.scroller.append(box);
        this.scroller.setPointerCapture(event.pointerId);
      }
      const frame = this.scroller.getBoundingClientRect();
      const [left, top, right, bottom] = corners(event);
      box.style.transform = `translate(${left - frame.left + this.scroller.scrollLeft}px, ${top - frame.top + this.scroller.scrollTop}px)`;
      box.style.width = `${right - left}px`;
      box.style.height = `${bottom - top}px`;
    });
    const end = (event) => {
      if (box && event.type === "pointerup") {
        this.boxed = true; // the click that follows is none
        const [left, top, right, bottom] = corners(event);
        const ids = [];
        for (const hit of this.hits) {
          const frame = !hit.faint && this.#headOf(hit.id)?.querySelector(".notehead")?.getBoundingClientRect();
          const [x, y] = frame ? [frame.left + frame.width / 2, frame.top + frame.height / 2] : [-1, -1];
          if (frame && x >= left && x <= right && y >= top && y <= bottom) ids.push(hit.id);
        }
        this.hands.pickAll(ids);
      }
      box?.remove();
      from = box = null;
    };
    this.scroller.addEventListener("pointerup", end);
    this.scroller.addEventListener("pointercancel", end);
  }

  /** On a music stand a swipe turns the page. */
  #swipes() {
    let from = null;
    this.scroller.addEventListener("pointerdown", (event) => {
      from = this.standing ? event : null;
      if (from) this.boxed = false;
    });
    this.scroller.addEventListener("pointerup", (event) => {
      if (!from || !this.standing) return;
      const [x, y] = [event.clientX - from.clientX, event.clientY - from.clientY];
      from = null;
      if (Math.abs(x) < SWIPE_PX || Math.abs(x) < 1.5 * Math.abs(y)) return;
      this.boxed = true; // the click that follows is none
      this.turnScreen(x < 0 ? 1 : -1);
    });
  }

  /** A page of the window on or back: the first line that was not seen whole comes to the top. */
  turnScreen(step) {
    const box = this.scroller.getBoundingClientRect();
    const lines = this.#systems().map((line) => {
      const frame = line.getBoundingClientRect();
      return { top: frame.top - box.top + this.scroller.scrollTop, bottom: frame.bottom - box.top + this.scroller.scrollTop };
    });
    const [from, height] = [this.scroller.scrollTop, this.scroller.clientHeight];
    const next = lines.find((line) => line.bottom > from + height && line.top > from + ABOVE_PX + 1);
    const before = lines.filter((line) => line.top < from).at(-1); // the last one that is hidden or cut above
    const back = before && lines.find((line) => before.bottom - line.top <= height - 2 * ABOVE_PX);
    this.touched = performance.now();
    const line = step > 0 ? next : back;
    if (step < 0 && (!line || line === lines[0])) this.scroller.scrollTop = 0;
    else if (line) this.scroller.scrollTop = line.top - ABOVE_PX;
  }

  #systems() {
    return [...this.scroller.querySelectorAll(".system")];
  }

  /** Show the cursor at `time`; `playing` lights the heads up and turns pages. */
  seek(time, playing) {
    this.time = time;
    if (!this.hits?.length && !this.chart.measures.length) return;
    if (!this.anchors.length) this.#measure();
    const now = new Set();
    if (playing) {
      for (let i = lowerBound(this.hits, time - GLOW_S, (hit) => hit.time); i < this.hits.length && this.hits[i].time <= time; i += 1) {
        const head = this.heads.get(this.hits[i].id);
        if (head) now.add(head);
      }
    }
    for (const head of this.lit) if (!now.has(head)) head.classList.remove("playing");
    for (const head of now) head.classList.add("playing");
    this.lit = now;
    this.#place(time, playing);
  }

  /** Where each time stands on paper: every head, and every bar's edges; as shares of the page's size. */
  #measure() {
    const spots = new Map();
    const spot = (element, shape) => {
      if (!spots.has(element)) {
        const page = element.closest(".page");
        const system = element.closest(".system") ?? element;
        const [frame, inner, outer] = [page, shape, system].map((part) => part.getBoundingClientRect());
        if (!frame.width) return null;
        spots.set(element, {
          page,
          system,
          left: (inner.left - frame.left) / frame.width,
          width: inner.width / frame.width,
          top: (outer.top - frame.top) / frame.height,
          height: outer.height / frame.height,
        });
      }
      return spots.get(element);
    };
    const anchors = [];
    const add = (time, element, shape, share) => {
      const found = spot(element, shape);
      if (found) anchors.push({ ...found, time, x: found.left + found.width * share });
    };
    for (const hit of this.hits) {
      const head = this.heads.get(hit.id);
      if (head) add(hit.time, head, head.querySelector(".notehead") ?? head, 0.5);
    }
    for (const [start, end, id] of this.chart.measures) {
      const measure = this.scroller.querySelector(`[id="${id}"]`);
      if (!measure) continue;
      const staff = measure.querySelector(".staff") ?? measure;
      const first = this.hits[lowerBound(this.hits, start - 0.04, (hit) => hit.time)];
      if (!first || first.time > start + 0.04 || !this.heads.has(first.id)) add(start, measure, staff, 0.06);
      add(end - 0.002, measure, staff, 1);
    }
    this.anchors = anchors.sort((a, b) => a.time - b.time);
  }

  #place(time, playing) {
    const { anchors } = this;
    if (!anchors.length) {
      this.cursor.hidden = true;
      return;
    }
    const after = Math.min(anchors.length - 1, Math.max(0, lowerBound(anchors, time + 1e-6, (anchor) => anchor.time)));
    const before = Math.max(0, after - 1);
    const [a, b] = [anchors[before], anchors[after]];
    let share = b.time > a.time ? Math.min(1, Math.max(0, (time - a.time) / (b.time - a.time))) : 0;
    // Forward on one line the cursor glides; to another line, or back to a repeat sign, it jumps.
    const glides = a.system === b.system && b.x >= a.x;
    if (!glides) share = share < 1 ? 0 : 1;
    const base = share === 1 ? b : a;
    const x = glides ? a.x + (b.x - a.x) * share : base.x;
    const { page } = base;
    this.cursor.hidden = false;
    const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = page;
    this.cursor.style.transform = `translate(${offsetLeft + x * offsetWidth}px, ${offsetTop + base.top * offsetHeight}px)`;
    this.cursor.style.height = `${base.height * offsetHeight}px`;
    if (base.system !== this.system) {
      if (playing && performance.now() - (this.touched ?? -1e9) > 3000) this.#follow(base.system);
      this.system = base.system;
    }
  }

  /** The line that sounds, and the one after it, for the eye runs ahead. */
  #follow(system) {
    const lines = this.#systems();
    const next = lines[lines.indexOf(system) + 1];
    const [first, last, box] = [system, next ?? system, this.scroller].map((one) => one.getBoundingClientRect());
    if (first.top < box.top || last.bottom > box.bottom) this.#bring(first, box);
  }

  #reveal(element) {
    const [inner, outer] = [element.getBoundingClientRect(), this.scroller.getBoundingClientRect()];
    if (inner.top >= outer.top + 8 && inner.bottom <= outer.bottom - 8) return;
    this.#bring(inner, outer);
  }

  #bring(inner, outer) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroller.scrollTo({ top: this.scroller.scrollTop + inner.top - outer.top - ABOVE_PX, behavior: calm ? "auto" : "smooth" });
  }

  /** Scroll to where the cursor is. */
  showCursor() {
    if (this.system) this.#reveal(this.system);
  }

  #turn(step) {
    const pages = [...this.scroller.querySelectorAll(".page")];
    const page = pages[Math.min(pages.length - 1, Math.max(0, this.current() + step))];
    this.touched = performance.now();
    if (page) this.scroller.scrollTo({ top: page.offsetTop - this.scroller.offsetTop, behavior: "auto" });
  }

  /** Index of the page in view. */
  current() {
    const pages = [...this.scroller.querySelectorAll(".page")];
    const middle = this.scroller.scrollTop + this.scroller.clientHeight / 3;
    const index = pages.findIndex((page) => page.offsetTop - this.scroller.offsetTop + page.offsetHeight > middle);
    return index < 0 ? pages.length - 1 : index;
  }

  #showPage() {
    const count = this.scroller.querySelectorAll(".page").length;
    this.pager.hidden = count < 2;
    const label = `Page ${this.current() + 1} of ${count}`;
    const text = this.pager.querySelector("span");
    if (text.textContent !== label) text.textContent = label;
  }

  resized() {
    this.anchors = [];
  }
}
