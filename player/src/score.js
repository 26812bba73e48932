// The engraved pages: a cursor that runs with the song, heads that light up, clicks that select.
import { lowerBound } from "./deck.js";

const GLOW_S = 0.16;

export class Score {
  constructor(root, { onSelect }) {
    this.root = root;
    this.scroller = root.querySelector(".pages");
    this.cursor = root.querySelector(".cursor");
    this.pager = root.querySelector(".pager");
    this.onSelect = onSelect;
    this.heads = new Map(); // hit id → element
    this.lit = new Set();
    this.anchors = [];
    this.follow = true;
    this.scroller.addEventListener("click", (event) => {
      const note = event.target.closest?.("[data-hit]");
      if (note) this.onSelect(Number(note.dataset.hit));
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

  /** `pages`: SVG texts; `notes`: [[element id, hit id], ...]. */
  setPages(pages, notes) {
    const parser = new DOMParser();
    const top = this.scroller.scrollTop;
    const old = [...this.scroller.querySelectorAll(".page")];
    pages.forEach((text, index) => {
      let page = old[index];
      if (page?.source === text) return;
      if (!page) {
        page = document.createElement("div");
        page.className = "page";
        this.scroller.append(page);
      }
      const svg = parser.parseFromString(text, "image/svg+xml").documentElement;
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", `Drum chart, page ${index + 1} of ${pages.length}`);
      page.replaceChildren(document.importNode(svg, true));
      page.source = text;
    });
    old.slice(pages.length).forEach((page) => page.remove());
    this.heads.clear();
    this.lit.clear();
    const byId = new Map();
    for (const element of this.scroller.querySelectorAll("[id]")) byId.set(element.id, element);
    for (const [elementId, hitId] of notes) {
      const element = byId.get(elementId);
      if (!element) continue;
      element.dataset.hit = String(hitId);
      this.heads.set(hitId, element);
    }
    this.scroller.scrollTop = top;
    this.anchors = [];
    this.#showPage();
  }

  setHits(hits, drums) {
    this.hits = hits;
    this.colours = new Map(drums.map((drum) => [drum.label, drum.paper]));
    this.names = new Map(drums.map((drum) => [drum.label, drum.name]));
    this.anchors = [];
  }

  setBars(bars) {
    this.bars = bars;
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
    if (!this.hits?.length && !this.bars?.length) return;
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
    const anchors = [];
    const box = (element) => element.getBoundingClientRect();
    for (const page of this.scroller.querySelectorAll(".page")) {
      const frame = box(page);
      if (!frame.width) return;
      const at = (element, share, system, time) => {
        const [inner, outer] = [box(element), box(system)];
        anchors.push({
          time,
          page,
          system,
          x: (inner.left + inner.width * share - frame.left) / frame.width,
          top: (outer.top - frame.top) / frame.height,
          height: outer.height / frame.height,
        });
      };
      page.place = at;
    }
    for (const hit of this.hits) {
      const head = this.heads.get(hit.id);
      const page = head?.closest(".page");
      const shape = head?.querySelector(".notehead") ?? head;
      if (page) page.place(shape, 0.5, head.closest(".system") ?? head, hit.time);
    }
    const measures = [...this.scroller.querySelectorAll(".measure")];
    if (measures.length === this.bars?.length) {
      measures.forEach((measure, index) => {
        const page = measure.closest(".page");
        const system = measure.closest(".system") ?? measure;
        const staff = measure.querySelector(".staff") ?? measure;
        page.place(staff, 1, system, this.bars[index].end - 0.002);
        const first = this.hits[lowerBound(this.hits, this.bars[index].start - 0.03, (hit) => hit.time)];
        if (!first || first.time > this.bars[index].start + 0.03) page.place(staff, 0.08, system, this.bars[index].start);
      });
    }
    anchors.sort((a, b) => a.time - b.time);
    this.anchors = anchors;
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
    if (a.system !== b.system) share = share < 1 ? 0 : 1;
    const base = share === 1 ? b : a;
    const x = a.system === b.system ? a.x + (b.x - a.x) * share : base.x;
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
    const page = pages[Math.min(pages.length - 1, Math.max(0, this.#current() + step))];
    this.touched = performance.now();
    if (page) this.scroller.scrollTo({ top: page.offsetTop - this.scroller.offsetTop, behavior: "auto" });
  }

  #current() {
    const pages = [...this.scroller.querySelectorAll(".page")];
    const middle = this.scroller.scrollTop + this.scroller.clientHeight / 3;
    const index = pages.findIndex((page) => page.offsetTop - this.scroller.offsetTop + page.offsetHeight > middle);
    return index < 0 ? pages.length - 1 : index;
  }

  #showPage() {
    const count = this.scroller.querySelectorAll(".page").length;
    this.pager.hidden = count < 2;
    const label = `Page ${this.#current() + 1} of ${count}`;
    const text = this.pager.querySelector("span");
    if (text.textContent !== label) text.textContent = label;
  }

  resized() {
    this.anchors = [];
  }
}
