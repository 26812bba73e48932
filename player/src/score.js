// The engraved pages: a cursor that runs with the song, heads that light up, clicks that select.
import { lowerBound } from "./deck.js";

const GLOW_S = 0.16;

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
  constructor(root, { onSelect }) {
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
    this.scroller.addEventListener("click", (event) => {
      const note = event.target.closest?.("[data-hit]");
      if (note) this.onSelect(this.#hitOf(note));
    });
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
   *  `hit-<id>`. */
  async setPages(urls) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const old = [...this.scroller.querySelectorAll(".page")];
    const texts = await Promise.all(urls.map((url, index) => (url === null || old[index]?.url === url ? null : fetchText(url))));
    if (turn !== this.turn) return;
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
  }

  /** `measures`: [start_s, end_s, element id] of each bar as played; `aliases`: [hit id, element id] under repeats. */
  setChart(chart) {
    this.chart = chart;
    this.#join();
  }

  #join() {
    this.heads.clear();
    for (const element of this.scroller.querySelectorAll("[data-hit]")) this.heads.set(Number(element.dataset.hit), element);
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
      if (this.heads.get(hit.id) === head && (!best || Math.abs(hit.time - here) < Math.abs(best.time - here))) best = hit;
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

  select(id) {
    for (const head of this.scroller.querySelectorAll(".chosen")) head.classList.remove("chosen");
    const head = this.heads.get(id);
    if (!head) return;
    head.classList.add("chosen");
    this.#reveal(head.closest(".system") ?? head);
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
    if (playing && base.system !== this.system && performance.now() - (this.touched ?? -1e9) > 3000) this.#reveal(base.system);
    this.system = base.system;
  }

  #reveal(element) {
    const [inner, outer] = [element.getBoundingClientRect(), this.scroller.getBoundingClientRect()];
    if (inner.top >= outer.top + 8 && inner.bottom <= outer.bottom - 8) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroller.scrollTo({ top: this.scroller.scrollTop + inner.top - outer.top - 24, behavior: calm ? "auto" : "smooth" });
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
