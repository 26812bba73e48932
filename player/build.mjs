// Bundles src/ into the Python package (player.js, player.css). With --check: fails if what is there is not what src/ gives.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";

const BUNDLE = new URL("../drumscribe/ui/player/bundle/", import.meta.url);
const NOTICES = `/*! DrumScribe player.
 * Contains wavesurfer.js (BSD-3-Clause, (c) 2012-2023 katspaugh and contributors)
 * and signalsmith-stretch (MIT, (c) Geraint Luff / Signalsmith Audio Ltd.); licences in drumscribe/assets/LICENSES.md. */`;

const { outputFiles } = await build({
  entryPoints: { player: "src/index.js" },
  outdir: "bundle",
  bundle: true,
  format: "esm",
  target: "es2022",
  // Not identifiers: signalsmith-stretch makes its worklet from its own source text and relies on its names.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  banner: { js: NOTICES, css: NOTICES + "\n" },
  write: false,
});

await mkdir(BUNDLE, { recursive: true });
for (const file of outputFiles) {
  const name = file.path.split(/[\\/]/).pop();
  if (process.argv.includes("--check")) {
    const built = await readFile(new URL(name, BUNDLE), "utf8").catch(() => "");
    if (built !== file.text) {
      console.error(`${name} is not what src/ gives: run "npm run build" in player/ and check it in.`);
      process.exitCode = 1;
    }
  } else {
    await writeFile(new URL(name, BUNDLE), file.text);
    console.log(`${name}: ${(file.text.length / 1000).toFixed(0)} kB`);
  }
}
