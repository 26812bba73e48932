"""How long after a stroke its mark is on the Live page, in Chromium, from the microphone to the screen.

    python -m benchmarks.live [--seconds 20] [--bpm 100]

Chromium's fake microphone plays strokes of the sampled kit. In the page, the stream that goes to the server is listened
to at its source, and the lanes are watched: both on the browser's own clock. Prints each part of the way in
milliseconds: stroke to mark (all that a player notices), and within it the server's share.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser import CHROMIUM, FLAGS, Server  # noqa: E402

from drumscribe.audio import synth  # noqa: E402
from drumscribe.types import Hit, Hits  # noqa: E402

WATCH = """
(() => {
  const now = () => performance.timeOrigin + performance.now();
  const log = (window.top.liveLog ??= { strokes: [], marks: [] });
  const ask = navigator.mediaDevices?.getUserMedia?.bind(navigator.mediaDevices);
  if (ask) navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    const context = new AudioContext();
    const tap = context.createScriptProcessor(256, 1, 1);
    let quiet = 0;
    tap.onaudioprocess = (event) => {
      const loudest = event.inputBuffer.getChannelData(0).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      const block = event.inputBuffer.duration;
      if (loudest > 0.05 && quiet > 0.15) log.strokes.push(now() - 1000 * block);
      quiet = loudest > 0.05 ? 0 : quiet + block;
    };
    context.createMediaStreamSource(stream).connect(tap);
    tap.connect(context.destination);
    return stream;
  };
  if (window !== window.top) return;
  let last = 0;
  new MutationObserver(() => {
    let newest = 0;
    for (const mark of document.querySelectorAll('.ds-track > i:not([data-seen])')) {
      mark.dataset.seen = '';
      newest = Math.max(newest, now() + 1000 * parseFloat(mark.style.animationDelay));
    }
    if (newest > last + 200) { last = newest; requestAnimationFrame(() => log.marks.push(now())); }
  }).observe(document, { childList: true, subtree: true });
})();
"""


def strokes(path: Path, bpm: float) -> None:
    """A bar of kick and snare, which the fake microphone repeats."""
    beat = 60 / bpm
    hits = Hits.of(Hit(i, 0.1 + i * beat, ("kick", "snare")[i % 2], 1.0, 105) for i in range(8))
    sound = synth.render(hits, 8 * beat)
    soundfile.write(path, np.asarray(sound).mean(axis=0), 44_100, "PCM_16")


def latencies(log: dict[str, list[float]]) -> list[float]:
    """For each mark, milliseconds since the latest stroke that no mark was seen of."""
    found = []
    waiting = sorted(log["strokes"])
    for seen in sorted(log["marks"]):
        before = [at for at in waiting if at < seen]
        if before and seen - before[-1] < 500:
            found.append(seen - before[-1])
        waiting = [at for at in waiting if at > seen]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--bpm", type=float, default=100)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        strokes(Path(folder) / "strokes.wav", arguments.bpm)
        server = Server(Path(folder) / "data")
        fake = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={folder}/strokes.wav"]  # fmt: skip
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *fake])
        try:
            page: Any = browser.new_context(permissions=["microphone"]).new_page()
            page.set_default_timeout(120_000)
            page.add_init_script(WATCH)
            page.goto(f"{server.url}/live")
            page.frame_locator("iframe[title*='webrtc']").get_by_role("button", name="Start").click()
            page.wait_for_selector("text=/told \\d{1,3} ms after/")  # it has caught up with its own start
            page.wait_for_timeout(5000)
            page.evaluate("() => { window.liveLog.strokes.splice(0); window.liveLog.marks.splice(0); }")
            page.wait_for_timeout(1000 * arguments.seconds)
            log = page.evaluate("() => window.liveLog")
            told = page.get_by_text(re.compile(r"told \d+ ms after")).inner_text()
        finally:
            browser.close()
            server.stop()
    found = latencies(log)
    print(f"{len(log['strokes'])} strokes, {len(found)} seen; load average {os.getloadavg()[0]:.1f}")
    if found:
        low, middle, high = np.percentile(found, [10, 50, 90])
        print(f"stroke to mark on the screen: p10 {low:.0f}, median {middle:.0f}, p90 {high:.0f} ms")
    print(f"the server's own share: {told.split(' · ')[-1]}")


if __name__ == "__main__":
    main()
