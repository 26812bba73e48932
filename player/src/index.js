// Entry: Streamlit calls the default export with new data after every rerun; one Player lives per mounted element.
import "./player.css";
import { Deck, lowerBound } from "./deck.js";
import { Timeline } from "./timeline.js";
import { Score } from "./score.js";
import { Hands } from "./hands.js";
import { HTML, ICONS } from "./markup.js";

const players = new WeakMap();
// song → position, speed, levels: the same on every page that plays it, after a reload, and in another tab. Each tab
// has its own; a new one begins with what was left last.
const STORE = "drumscribe-player";
const SILENT = "drumscribe-silent";
const SONGS_KEPT = 50;
const kept = {
  get(song) {
    try {
      return JSON.parse(sessionStorage.getItem(`${STORE}-${song}`)) ?? this.all()[song];
    } catch {
      return undefined; // a browser that keeps nothing
    }
  },
  set(song, state) {
    try {
      sessionStorage.setItem(`${STORE}-${song}`, JSON.stringify(state));
      const { [song]: before, ...others } = this.all();
      const songs = Object.entries(others).slice(1 - SONGS_KEPT); // the latest stand last
      localStorage.setItem(STORE, JSON.stringify(Object.fromEntries([...songs, [song, state]])));
    } catch {
      // the page plays all the same
    }
  },
  all() {
    return JSON.parse(localStorage.getItem(STORE)) ?? {};
  },
  get silent() {
    try {
      return localStorage.getItem(SILENT) !== null;
    } catch {
      return false;
    }
  },
  set silent(on) {
    try {
      if (on) localStorage.setItem(SILENT, "1");
      else localStorage.removeItem(SILENT);
    } catch {
      // until the page is left
    }
  },
};

const PAPER_PX = 780; // a score of this width or more is shown as it will be printed
const STEP_PX = 40;
const ANSWER_MS = 3000;
const NEAR = 1.25; // how much larger or smaller than engraved a score may be when a page is first drawn
const RAMP = { from: 0.6, step: 0.05 };
const SIZES = { least: 0.8, most: 2.2, step: 0.2, first: 1.2 }; // of notes on a music stand

/** Tell the server how wide a player's score is here, the next time that this browser comes. */
function keepWidth(name, pixels) {
  const kept = document.cookie.split("; ").find((one) => one.startsWith("drumscribe_widths="));
  const widths = new URLSearchParams(kept?.slice(kept.indexOf("=") + 1));
  if (widths.get(name) === String(pixels)) return;
  widths.set(name, pixels);
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `drumscribe_widths=${widths}; path=/; max-age=${90 * 24 * 3600}; samesite=strict${secure}`;
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

/** Keys that belong to what is focused are none of ours. */
function taken(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  const target = event.composedPath()[0];
  if (!(target instanceof Element)) return false;
  if (target.closest('input:not([type="range"]), textarea, select, [contenteditable="true"], [role="grid"], [role="listbox"], [role="textbox"], [role="dialog"]')) return true;
  const arrows = event.key.startsWith("Arrow") || event.key === "Home";
  if (arrows) return Boolean(target.closest('input[type="range"], [role="slider"]:not(.wave), [role="tab"], [role="radio"], [role="radiogroup"], [role="menu"], .pages'));
  return event.key === " " && Boolean(target.closest('button, summary, a, label, [role="button"], [role="checkbox"], [role="switch"], [role="tab"], [role="radio"]'));
}

class Player {
  constructor(component) {
    this.component = component;
    const host = component.parentElement.querySelector(".mount");
    host.innerHTML = HTML;
    this.root = host.querySelector(".player");
    this.deck = new Deck();
    this.root.deck = this.deck;
    this.at = {};
    this.standing = false;
    this.size = SIZES.first;
    const select = (id, how) => this.select(id, true, how);
    this.hands = new Hands(this);
    this.timeline = new Timeline(this.$(".timeline"), this.deck, { onSelect: select, onLoop: (start, end) => this.loop({ start, end }), hands: this.hands });
    this.score = new Score(this.$(".score"), { onSelect: select, hands: this.hands });
    this.#wire();
  }

  $(selector) {
    return this.root.querySelector(selector);
  }

  update(component) {
    this.component = component;
    const { data } = component;
    const { at } = this;
    const changed = (name) => at[name] !== data.versions[name] && ((at[name] = data.versions[name]), true);
    const part = (name) => JSON.parse(data.texts[name]); // sent as text: what has not changed need not be read
    const first = this.song === undefined;
    if (this.song !== data.song) {
      this.song = data.song;
      this.#restore(data);
    }
    this.deck.duration = data.duration;
    this.$(".wave").setAttribute("aria-valuemax", data.duration.toFixed(1));
    if (changed("sound")) {
      const sound = part("sound");
      this.deck.setTracks(sound.tracks);
      this.deck.setKit(data.kit);
      this.#mixer(sound);
      clearTimeout(this.preparing);
      this.preparing = setTimeout(() => this.deck.prepare(), 400); // what is seen comes first
    }
    if (changed("bars")) {
      this.bars = part("bars").map(([number, start, end, pulses]) => ({ number, start, end, pulses }));
      this.deck.setBars(this.bars);
      this.timeline.setBars(this.bars);
    }
    if (changed("grid")) this.hands.grid = part("grid");
    const taken = this.hands.update(data);
    const score = this.$(".pages");
    score.setAttribute("role", this.hands.active ? "application" : "region");
    score.setAttribute("aria-label", this.hands.active ? "Score: arrow keys go from note to note, ? shows the keys" : "Score");
    this.$(".hand-keys").hidden = !this.hands.active;
    this.$(".hand-drums").textContent = this.hands.kit.map((drum) => `${drum.key} ${drum.name}`).reverse().join(", ");
    const fresh = changed("hits");
    if (fresh) {
      const { id, time, drum, velocity, confidence, faint } = part("hits");
      this.drums = data.drums;
      this.truth = time.map((t, i) => ({ id: id[i], time: t, drum: data.drums[drum[i]].label, velocity: velocity[i], confidence: confidence[i], faint: Boolean(faint[i]) }));
    }
    if (fresh || taken) this.#showHits();
    if (fresh) this.#mutes(data);
    this.$(".timeline").hidden = !data.parts.timeline;
    this.$(".score").hidden = !data.parts.score;
    this.$(".mixer").hidden = !data.parts.mixer;
    this.root.style.setProperty("--score-height", `${data.score_height}px`);
    this.$('[data-do="stand"]').hidden = !data.parts.score;
    if (data.parts.timeline && changed("waves")) this.timeline.setWaves(part("waves"), data.duration).catch((error) => this.message(error.message));
    if (changed("chart")) this.score.setChart(part("chart"));
    // While one edits, the selection is the browser's; the server only hears of it.
    const own = this.hands.active && (data.selected === null || this.hands.chosen.has(data.selected));
    const moved = first || (at.selected !== data.selected && !own);
    at.selected = data.selected;
    const pages = part("pages");
    const drawn = data.parts.score && changed("pages") ? this.score.setPages(pages, data.view) : Promise.resolve();
    const { truth } = this;
    drawn.then(
      (old) => {
        if (old === false) return; // newer pages are on their way
        this.score.engraved = truth;
        this.score.overlay.show(truth, this.hits, this.hands.drums);
        this.score.colour(data.tint);
        this.score.select(this.#marked());
        this.#fit(); // first, for pages may be narrower then
        this.#frame();
        if (first && this.deck.at > 0) this.score.showCursor();
        // What is in view has been drawn; now the rest.
        if (pages.includes(null)) component.setTriggerValue("more", { page: this.score.current(), of: data.versions.pages });
      },
      (error) => this.message(error.message),
    );
    if (moved) {
      this.#mark(data.selected, data.selected !== null && !this.mine);
      this.mine = false;
    }
    if (changed("loop")) {
      const loop = part("loop");
      if (loop) this.deck.setLoop({ start: loop[0], end: loop[1] });
      this.cued = Boolean(loop);
    }
    if (data.excerpt && at.excerpt !== data.excerpt.id) {
      at.excerpt = data.excerpt.id;
      if (!first || data.excerpt.now) this.deck.excerpt(data.excerpt.start, data.excerpt.end);
    }
    this.#frame();
  }

  // --- what the user does ---------------------------------------------------------------------------------------

  /** `how`: as {@link Hands.pick}. */
  select(id, heard, how = "") {
    if (this.hands.active && (how || id === null)) return this.hands.pick(id, how);
    const hit = this.hits.find((h) => h.id === id);
    if (!hit) return;
    this.mine = true;
    this.hands.chosen = new Set([id]);
    this.hands.anchor = this.hands.head = id;
    this.#mark(id, false);
    this.#say(`${this.#name(hit)}, ${this.#where(hit.time)}, ${Math.round(hit.confidence * 100)} percent sure`);
    if (heard && this.deck.paused) {
      this.deck.seek(hit.time);
      this.heard(hit);
    }
    this.#report(id);
  }

  #report(id) {
    clearTimeout(this.reporting);
    if (!this.component.data.report.includes("select")) return;
    if (this.hands.pending()) this.#reportLater(id); // what is being edited is not broken off
    else if (this.hits.some((hit) => hit.id === id)) this.component.setTriggerValue("select", { hit: id });
  }

  /** For whoever goes from note to note. */
  #reportLater(id) {
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => this.#report(id), 600);
  }

  // --- asked for by Hands -----------------------------------------------------------------------------------------

  get time() {
    return this.deck.currentTime;
  }

  say(text) {
    this.#say(text);
  }

  /** What is selected has changed. */
  picked() {
    const head = this.hits.find((hit) => hit.id === this.hands.head);
    this.chosen = head?.id ?? null;
    this.timeline.select(this.hands.chosen);
    this.score.select(this.hands.chosen, this.chosen);
    if (!head) return;
    if (this.hands.chosen.size === 1) this.#say(`${this.#name(head)}, ${this.#where(head.time)}, ${Math.round(head.confidence * 100)} percent sure`);
    if (this.deck.paused) this.deck.seek(head.time);
    this.timeline.reveal(head.time);
    this.mine = true;
    if (head.id >= 0) this.#reportLater(head.id);
  }

  heard(hit) {
    const wanted = this.deck.paused && this.$('[data-do="sounding"]').checked;
    if (wanted) this.deck.preview(hit.drum, hit.velocity).catch((error) => this.message(error.message));
  }

  /** Something was done by hand: show it. */
  changed() {
    this.#showHits();
    this.score.overlay.show(this.score.engraved, this.hits, this.hands.drums);
    this.score.select(this.#marked());
  }

  #marked() {
    return this.hands.chosen.size ? this.hands.chosen : new Set(this.chosen === null || this.chosen === undefined ? [] : [this.chosen]);
  }

  #showHits() {
    this.hits = this.hands.shown(this.truth);
    const missing = this.hands.kit.filter((drum) => this.hits.some((hit) => hit.drum === drum.label) && !this.drums.some((one) => one.label === drum.label));
    const drums = missing.length ? [...missing, ...this.drums] : this.drums;
    this.deck.setHits(this.hits.filter((hit) => !hit.faint));
    this.timeline.setHits(this.hits, drums);
    this.score.setHits(this.hits, drums);
    this.timeline.select(this.#marked());
  }

  loop(range) {
    this.cued = false;
    this.deck.setLoop(range);
    this.#remember();
    if (this.component.data.report.includes("loop")) this.component.setStateValue("loop", range ? [range.start, range.end] : null);
  }

  #do(what) {
    const { deck } = this;
    const bar = () => Math.max(0, lowerBound(this.bars, deck.currentTime + 0.02, (b) => b.end));
    if (what === "play") {
      if (deck.paused) deck.play();
      else deck.pause();
    } else if (what === "back" || what === "forward") {
      if (!this.bars.length) return deck.seek(deck.currentTime + (what === "back" ? -2 : 2));
      const index = Math.min(bar(), this.bars.length - 1);
      // Back goes to this bar's line first, as every player does.
      const inside = deck.currentTime - this.bars[index].start > 0.3;
      const target = what === "forward" ? lowerBound(this.bars, deck.currentTime + 0.02, (b) => b.start) : inside ? index : index - 1;
      const to = this.bars[Math.min(this.bars.length - 1, Math.max(0, target))];
      deck.seek(to.start);
      this.#say(`Bar ${to.number}`);
    } else if (what === "loop") {
      if (deck.loop) this.loop(null);
      else if (this.bars.length) {
        const here = this.bars[Math.min(bar(), this.bars.length - 1)];
        this.loop({ start: here.start, end: here.end });
        this.#say(`Looping bar ${here.number}`);
      }
    } else if (what === "count") {
      deck.countIn = !deck.countIn;
      this.#buttons();
      this.#remember();
    } else if (what === "faster" || what === "slower") {
      deck.playbackRate = deck.playbackRate + (what === "faster" ? 0.05 : -0.05);
      this.#say(`Speed ${Math.round(deck.playbackRate * 100)} percent`);
    } else if (what === "next" || what === "previous") {
      const index = this.hits.findIndex((hit) => hit.id === this.chosen);
      const near = index < 0 ? lowerBound(this.hits, deck.currentTime, (hit) => hit.time) : index + (what === "next" ? 1 : -1);
      const hit = this.hits[Math.min(this.hits.length - 1, Math.max(0, near))];
      if (hit) this.select(hit.id, true);
    } else if (what === "ramp") {
      deck.setRamp(deck.ramp ? null : RAMP);
      this.#say(deck.ramp ? "From 60 percent, 5 percent faster with each round" : "The speed stays");
      this.#buttons();
      this.#remember();
    } else if (what === "stand") this.#stand(!this.standing);
    else if (what === "larger" || what === "smaller") {
      const size = this.size + (what === "larger" ? SIZES.step : -SIZES.step);
      this.size = Math.min(SIZES.most, Math.max(SIZES.least, Math.round(size * 10) / 10));
      this.#fit(0);
      this.#remember();
    } else if (what === "start") deck.seek(this.deck.loop?.start ?? 0);
    else if (what === "keys") {
      const sheet = this.$(".keys");
      sheet.open = !sheet.open;
      if (sheet.open) sheet.querySelector("summary").focus();
    }
  }

  #wire() {
    const { deck } = this;
    this.root.addEventListener("click", (event) => {
      const what = event.target.closest("button[data-do]")?.dataset.do;
      if (what) this.#do(what);
    });
    const speed = this.$('[data-do="speed"]');
    speed.addEventListener("input", () => (deck.playbackRate = speed.value / 100));
    const division = this.$('[data-do="division"]');
    division.addEventListener("change", () => {
      deck.setDivision(Number(division.value));
      if (!deck.levels.click) this.#level("click", 0.6); // asked for, it is to be heard
      this.#remember();
    });
    for (const input of this.root.querySelectorAll("[data-loop]")) input.addEventListener("change", () => this.#loopBars());
    const sounding = this.$('[data-do="sounding"]');
    sounding.checked = !kept.silent;
    sounding.addEventListener("change", () => (kept.silent = !sounding.checked));
    this.onkey = (event) => {
      if (!this.root.isConnected) return;
      if (this.standing && this.#pedal(event)) return event.preventDefault();
      if (taken(event)) return;
      const keys = {
        " ": "play", ArrowLeft: "back", ArrowRight: "forward", l: "loop", L: "loop", "+": "faster", "=": "faster",
        "-": "slower", "−": "slower", ",": "previous", ".": "next", Home: "start", "?": "keys",
        v: "stand", V: "stand",
      };
      const what = keys[event.key];
      if (!what || (event.repeat && what === "play")) return;
      event.preventDefault();
      this.#do(what);
    };
    document.addEventListener("keydown", this.onkey);
    this.$(".keys").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.$(".keys").open = false;
      this.$(".keys summary").focus();
    });
    this.root.addEventListener("keydown", (event) => {
      if (!this.hands.active || this.standing || !event.composedPath().includes(this.$(".pages"))) return;
      if (!this.hands.key(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.onundo = (event) => {
      const control = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "z";
      if (!control || !this.hands.active || !this.hands.pending()) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      this.hands.do(event.shiftKey ? "redo" : "undo", {}, event.shiftKey ? "Redone" : "Undone");
    };
    document.addEventListener("keydown", this.onundo, true);
    this.onfull = () => {
      if (this.full && !document.fullscreenElement) this.#stand(false); // left by the browser's own key
    };
    document.addEventListener("fullscreenchange", this.onfull);
    this.onseen = () => this.#awake();
    document.addEventListener("visibilitychange", this.onseen);
    this.onleave = () => this.#remember();
    window.addEventListener("pagehide", this.onleave);
    deck.addEventListener("play", () => {
      this.message("");
      this.#awake();
      this.#buttons();
      this.#frame();
    });
    deck.addEventListener("pause", () => {
      this.#awake();
      this.#buttons();
      this.#frame();
      this.#remember();
      if (this.component.data.report.includes("position")) this.component.setStateValue("position", deck.currentTime);
    });
    deck.addEventListener("seeked", () => this.#frame());
    deck.addEventListener("ratechange", () => {
      this.#buttons();
      this.#remember();
    });
    deck.addEventListener("loopchange", () => this.#buttons());
    deck.addEventListener("waiting", () => this.root.classList.toggle("waiting", deck.waiting));
    deck.addEventListener("error", (event) => this.message(event.detail));
    deck.addEventListener("countin", (event) => {
      const box = this.$(".counted");
      box.hidden = !event.detail;
      box.textContent = event.detail || "";
    });
    this.resize = new ResizeObserver(() => {
      this.score.resized();
      this.#fit();
      this.#frame();
    });
    this.resize.observe(this.$(".pages"));
  }

  // --- the screen -----------------------------------------------------------------------------------------------------

  /** Have the score engraved for the width of its window, if it is not. */
  #fit(patience = 300) {
    clearTimeout(this.fitting);
    const now = this.component.data.score_width;
    const wide = this.$(".pages").clientWidth / (this.standing ? this.size : 1);
    if (now === null || now === undefined || !wide) return;
    const wanted = !this.standing && wide >= PAPER_PX ? 0 : STEP_PX * Math.max(6, Math.round(wide / STEP_PX));
    if (!this.standing) keepWidth(this.component.data.name, wanted);
    const same = (pixels) => Math.abs(wide - pixels) < 0.75 * STEP_PX;
    const fits = now ? same(now) && (this.standing || wide < PAPER_PX) : !this.standing && wide > PAPER_PX - STEP_PX;
    const ratio = wide / (now || PAPER_PX);
    if (this.fitted === undefined && Math.max(ratio, 1 / ratio) <= NEAR) this.fitted = wide;
    this.root.classList.toggle("fitted", now > 0 || same(this.fitted));
    if (fits || (!this.standing && same(this.fitted))) return;
    this.fitted = null;
    if (this.asked?.wanted === wanted && performance.now() - this.asked.at < ANSWER_MS) return; // it is being engraved
    this.fitting = setTimeout(() => {
      if (this.hands.pending()) return this.#fit(1000); // what is being edited is not broken off
      this.asked = { wanted, at: performance.now() };
      this.component.setTriggerValue("width", { width: wanted });
    }, patience);
  }

  /** The whole screen is the score, or no more. */
  async #stand(on) {
    if (on === this.standing) return;
    this.standing = this.score.standing = on;
    this.root.classList.toggle("stand", on);
    this.#buttons();
    this.#awake();
    if (on) {
      try {
        await this.root.requestFullscreen({ navigationUI: "hide" });
        this.full = true;
      } catch {
        this.root.popover = "manual"; // a browser without full screen for parts of a page: above all else of it
        this.root.showPopover();
      }
      this.$(".pages").focus({ preventScroll: true });
      this.#say("Music stand. Page down and page up turn pages, Escape leaves.");
      if (!navigator.wakeLock) this.message("The screen may go dark by itself here: open the page over https to keep it awake.");
    } else {
      if (this.full && document.fullscreenElement) document.exitFullscreen().catch(() => {});
      this.full = false;
      this.root.removeAttribute("popover");
    }
    this.score.resized();
    this.#fit();
  }

  /** A page pedal is a keyboard: its keys turn pages; returns whether this was one. */
  #pedal(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === "Escape") {
      this.#stand(false);
      return true;
    }
    if (event.composedPath()[0].closest?.("input")) return false;
    const step = { PageDown: 1, ArrowRight: 1, ArrowDown: 1, PageUp: -1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return false;
    this.score.turnScreen(step);
    return true;
  }

  /** On a music stand, and while it plays, the screen stays on. */
  async #awake() {
    const wanted = (this.standing || !this.deck.paused) && document.visibilityState === "visible";
    this.awake = wanted;
    if (wanted && !this.lock && navigator.wakeLock) {
      try {
        const lock = await navigator.wakeLock.request("screen");
        lock.addEventListener("release", () => (this.lock = null));
        if (this.lock) lock.release();
        else this.lock = lock;
      } catch {
        // low battery, or the browser does not want to
      }
    }
    if (!this.awake && this.lock) this.lock.release().catch(() => {});
  }

  #loopBars() {
    const value = (name) => Number(this.$(`[data-loop="${name}"]`).value);
    const from = this.bars.find((bar) => bar.number === value("from"));
    const to = this.bars.findLast((bar) => bar.number === Math.max(value("from"), value("to")));
    if (from && to) this.loop({ start: from.start, end: to.end });
    else this.#buttons();
  }

  // --- what the user sees ---------------------------------------------------------------------------------------

  #mark(id, reveal) {
    this.chosen = id;
    this.hands.chosen = new Set(id === null ? [] : [id]);
    this.hands.anchor = this.hands.head = id;
    this.timeline.select(this.hands.chosen);
    this.score.select(this.hands.chosen, id);
    const hit = reveal && this.hits?.find((h) => h.id === id);
    if (!hit) return;
    this.timeline.reveal(hit.time);
    if (this.deck.paused) this.deck.seek(hit.time);
  }

  #frame() {
    cancelAnimationFrame(this.ticking);
    const { deck } = this;
    const time = deck.currentTime;
    this.$(".where").textContent = `${this.#where(time)}  ${clock(time)} / ${clock(deck.duration)}`;
    if (!this.$(".score").hidden) this.score.seek(time, !deck.paused);
    if (!deck.paused) this.ticking = requestAnimationFrame(() => this.#frame());
  }

  #where(time) {
    const bar = this.bars?.[Math.min(lowerBound(this.bars, time + 1e-3, (b) => b.end), this.bars.length - 1)];
    if (!bar || time < bar.start - 0.001) return "";
    const beat = Math.min(bar.pulses, 1 + Math.floor(((time + 0.001 - bar.start) / (bar.end - bar.start)) * bar.pulses));
    return `Bar ${bar.number}, beat ${beat}`;
  }

  #name(hit) {
    return this.drums.find((drum) => drum.label === hit.drum)?.name ?? hit.drum;
  }

  #buttons() {
    const { deck } = this;
    const play = this.$('[data-do="play"]');
    play.innerHTML = deck.paused ? ICONS.play : ICONS.pause;
    play.setAttribute("aria-label", deck.paused ? "Play" : "Pause");
    play.title = `${deck.paused ? "Play" : "Pause"} (space)`;
    this.$('[data-do="loop"]').setAttribute("aria-pressed", String(Boolean(deck.loop)));
    this.$('[data-do="count"]').setAttribute("aria-pressed", String(deck.countIn));
    const stand = this.$('[data-do="stand"]');
    stand.innerHTML = `${this.standing ? ICONS.leave : ICONS.stand}<span>${this.standing ? "Close" : "Music stand"}</span>`;
    stand.setAttribute("aria-label", this.standing ? "Close the music stand" : "Music stand");
    stand.setAttribute("aria-pressed", String(Boolean(this.standing)));
    const percent = Math.round(deck.playbackRate * 100);
    this.$('[data-do="speed"]').value = String(percent);
    this.$(".speed output").textContent = `${percent} %`;
    this.$(".bars").hidden = !deck.loop;
    this.$('[data-do="ramp"]').hidden = !deck.loop;
    this.$('[data-do="ramp"]').setAttribute("aria-pressed", String(Boolean(deck.ramp)));
    this.$('[data-do="division"]').value = String(deck.division);
    if (deck.loop) {
      const from = this.bars.find((bar) => bar.end > deck.loop.start + 0.01);
      const to = this.bars.findLast((bar) => bar.start < deck.loop.end - 0.01);
      this.$('[data-loop="from"]').value = from?.number ?? "";
      this.$('[data-loop="to"]').value = to?.number ?? "";
    }
    if (!deck.pitchKept && percent !== 100) this.message("The pitch follows the speed here: open the page over https, or on this computer itself, to keep it.");
  }

  #mixer({ faders, mixes }) {
    this.deck.faders = faders;
    const stored = kept.get(this.song)?.levels ?? {};
    const box = this.$(".faders");
    box.replaceChildren(
      ...faders.map(({ id, label, level }) => {
        const now = stored[id] ?? level;
        this.deck.levels[id] = now;
        const row = document.createElement("label");
        row.className = "fader";
        row.innerHTML = `<span></span><input type="range" min="0" max="150" step="1"><output></output>`;
        row.querySelector("span").textContent = label;
        const [input, output] = [row.querySelector("input"), row.querySelector("output")];
        input.value = String(now * 100);
        input.dataset.fader = id;
        input.setAttribute("aria-label", `${label}, level in percent`);
        const show = () => (output.textContent = `${input.value} %`);
        show();
        input.addEventListener("input", () => {
          show();
          this.deck.setLevel(id, input.value / 100);
          this.#remember();
        });
        return row;
      }),
    );
    const pills = this.$(".mixes");
    pills.hidden = !mixes.length;
    pills.replaceChildren(
      ...mixes.map(({ label, levels }) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "pill";
        button.textContent = label;
        button.addEventListener("click", () => this.#levels(levels));
        return button;
      }),
    );
    this.deck.setLevel(faders[0]?.id, this.deck.levels[faders[0]?.id] ?? 1);
  }

  #level(id, level) {
    this.deck.setLevel(id, level);
    const input = this.$(`[data-fader="${id}"]`);
    if (!input) return;
    input.value = String(100 * level);
    input.dispatchEvent(new Event("input"));
  }

  /** Set every fader: those that `levels` does not name go down. */
  #levels(levels) {
    for (const input of this.root.querySelectorAll("[data-fader]")) {
      input.value = String(100 * (levels[input.dataset.fader] ?? 0));
      input.dispatchEvent(new Event("input"));
    }
  }

  #mutes(data) {
    const present = new Set(this.hits.map((hit) => hit.drum));
    this.$(".mutes").replaceChildren(
      ...data.drums
        .filter((drum) => present.has(drum.label))
        .map((drum) => {
          const button = document.createElement("button");
          button.type = "button";
          button.className = "mute";
          button.style.setProperty("--drum", drum.colour);
          button.innerHTML = `<span class="dot"></span><span></span>`;
          button.lastElementChild.textContent = drum.name;
          const show = () => {
            const off = this.deck.muted_drums.has(drum.label);
            button.setAttribute("aria-pressed", String(!off));
            button.title = off ? `${drum.name} is muted: click to hear it` : `Mute ${drum.name}`;
          };
          button.addEventListener("click", () => {
            this.deck.muteDrum(drum.label, !this.deck.muted_drums.has(drum.label));
            show();
            this.#remember();
          });
          show();
          return button;
        }),
    );
  }

  message(text) {
    const box = this.$(".message");
    box.textContent = text;
    box.hidden = !text;
  }

  #say(text) {
    this.$(".sr").textContent = text;
  }

  // --- the same song on another page -------------------------------------------------------------------------------

  #remember() {
    const { deck } = this;
    const loop = this.cued ? (kept.get(this.song)?.loop ?? null) : deck.loop; // a page's own loop stays on that page
    kept.set(this.song, { at: deck.currentTime, speed: deck.speed, loop, countIn: deck.countIn, size: this.size, division: deck.division, ramp: Boolean(deck.ramp), levels: { ...kept.get(this.song)?.levels, ...deck.levels }, muted: [...deck.muted_drums] });
  }

  #restore(data) {
    const before = kept.get(data.song);
    const { deck } = this;
    deck.pause();
    deck.at = Math.min(before?.at ?? 0, data.duration);
    deck.speed = before?.speed ?? 1;
    deck.loop = before?.loop ?? null;
    deck.countIn = before?.countIn ?? false;
    deck.setDivision(before?.division ?? 1);
    deck.ramp = before?.ramp ? RAMP : null;
    this.size = before?.size ?? SIZES.first;
    deck.muted_drums = new Set(before?.muted ?? []);
    queueMicrotask(() => this.#buttons());
  }

  destroy() {
    this.#remember();
    document.removeEventListener("keydown", this.onkey);
    document.removeEventListener("keydown", this.onundo, true);
    window.removeEventListener("pagehide", this.onleave);
    document.removeEventListener("fullscreenchange", this.onfull);
    document.removeEventListener("visibilitychange", this.onseen);
    this.#stand(false);
    this.deck.pause();
    this.#awake();
    clearTimeout(this.fitting);
    clearTimeout(this.reporting);
    this.hands.destroy();
    clearTimeout(this.preparing);
    cancelAnimationFrame(this.ticking);
    this.resize.disconnect();
    this.timeline.destroy();
    this.deck.destroy();
  }
}

export default function mount(component) {
  const { parentElement } = component;
  let player = players.get(parentElement);
  if (!player) {
    player = new Player(component);
    players.set(parentElement, player);
  }
  player.update(component);
  return () => {
    player.destroy();
    players.delete(parentElement);
  };
}
