// Reads charts as the package scan-chart does, and prints what it found: node scan_chart.cjs NODE_MODULES CHART...
const fs = require("fs");
const Module = require("module");
const [modules, ...paths] = process.argv.slice(2);
const load = Module._load;
Module._load = (name, ...rest) => {
  if (["lodash", "midi-file"].includes(name)) return load(`${modules}/${name}`, ...rest);
  return name.startsWith(modules) || !/^[@a-z][a-z0-9/-]*$/.test(name) || Module.builtinModules.includes(name)
    ? load(name, ...rest)
    : {}; // images, audio, checksums: not asked for here
};
const { parseChartFile, defaultIniChartModifiers } = require(`${modules}/scan-chart`);
for (const path of paths) {
  const kind = path.endsWith(".mid") ? "mid" : "chart";
  const data = new Uint8Array(fs.readFileSync(path));
  const chart = parseChartFile(data, kind, { ...defaultIniChartModifiers, pro_drums: true });
  const track = chart.trackData.find((one) => one.instrument === "drums" && one.difficulty === "expert");
  console.log(JSON.stringify({
    notes: track.noteEventGroups.flat().map((note) => [note.tick, note.type - 12, note.flags]),
    rolls: track.flexLanes.map((lane) => [lane.tick, lane.length]),
    sections: chart.sections.map((section) => [section.tick, section.name.replace("]", "")]),
    end_s: (chart.endEvents[0]?.msTime ?? 0) / 1000,
  }));
}
