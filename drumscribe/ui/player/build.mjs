// Bundles src/ into dist/player.js and dist/player.css. With --check: fails if dist/ is not what src/ gives.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";

const NOTICES = `/*! DrumScribe player.
 * Contains wavesurfer.js (BSD-3-Clause, (c) 2012-2023 katspaugh and contributors)
 * and signalsmith-stretch (MIT, (c) Geraint Luff / Signalsmith Audio Ltd.); licences in drumscribe/assets/LICENSES.md. */`;

const { outputFiles } = await build({
  entryPoints: { player: "src/index.js" },
  outdir: "dist",
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

await mkdir("dist", { recursive: true });
for (const file of outputFiles) {
  const name = file.path.split(/[\\/]/).pop();
  if (process.argv.includes("--check")) {
    const built = await readFile(`dist/${name}`, "utf8").catch(() => "");
    if (built !== file.text) {
      console.error(`dist/${name} is not what src/ gives: run "npm run build" and check it in.`);
      process.exitCode = 1;
    }
  } else {
    await writeFile(`dist/${name}`, file.text);
    console.log(`dist/${name}: ${(file.text.length / 1000).toFixed(0)} kB`);
  }
}
