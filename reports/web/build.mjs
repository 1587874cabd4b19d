// Builds the one script of the report. With --check it writes nothing, and fails if the committed script is not what the
// sources give.
import { build } from "esbuild";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const BYTES_MAX = 60 * 1024;

const result = await build({
  absWorkingDir: here("."),
  entryPoints: ["src/main.tsx"],
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  write: false,
});
const script = result.outputFiles[0].text;
const style = readFileSync(here("style.css"), "utf8");
const bytes = gzipSync(script + style, { level: 9 }).length;
console.log(`script ${script.length} B, with the style ${bytes} B in gzip, of ${BYTES_MAX}`);
if (bytes > BYTES_MAX) throw new Error("script and style are too large");
if (/<\/script|<!--/i.test(script)) throw new Error("the script would end its own element");

const committed = here("dist/viewer.js");
if (process.argv.includes("--check")) {
  if (readFileSync(committed, "utf8") !== script) {
    throw new Error("dist/viewer.js is not what the sources give: run `make web` and commit it");
  }
} else {
  writeFileSync(committed, script);
}
