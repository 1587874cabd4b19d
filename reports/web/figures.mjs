// What a report of a million events costs in a browser, against what it may cost: `make web-figures`.
//
// Wall time counts what else the machine does; the CPU time of the page's main thread beside it does not. Each figure is
// the median of some openings in a new browser, that of frames the worst of all.
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import { browser } from "./test/browser.mjs";
import { COMMAND, OUT, ROOT, replayed } from "./test/failures.mjs";

const OPENINGS = Number(process.env.OPENINGS ?? 5);
const FRAMES = 24;

/** A run of a million events, as a page. */
function million() {
  const plan = join(OUT, "million.toml");
  const file = join(OUT, "million.html");
  const made = spawnSync(COMMAND, ["plan", "swarm", "--seed", "1", "--duration", "900s", "--operations", "4000"], { encoding: "utf8", maxBuffer: 1 << 26 });
  if (made.status !== 0) throw new Error(`plan: exit ${made.status}\n${made.stderr}`);
  writeFileSync(plan, made.stdout);
  const run = spawnSync(COMMAND, ["replay", plan, "--lanes", "none", "--report", file], { encoding: "utf8" });
  if (run.status > 1) throw new Error(`replay: exit ${run.status}\n${run.stderr}`);
  return file;
}

/** The CPU time of the main thread so far, in ms. */
async function cpu(session) {
  const { metrics } = await session.send("Performance.getMetrics");
  return 1000 * metrics.find((it) => it.name === "ThreadTime").value;
}

/** Opens a page once: when it had painted, and when it answered to keys. */
async function opened(file, frames) {
  const light = await browser();
  try {
    const page = light.context.pages()[0];
    const session = await light.context.newCDPSession(page);
    await session.send("Performance.enable");
    await page.goto("about:blank");
    const before = await cpu(session);
    await page.goto(`file://${file}`, { waitUntil: "commit" });
    await page.waitForSelector("html[data-ready=yes]", { timeout: 120_000 });
    const spent = (await cpu(session)) - before;
    const times = await page.evaluate(() => ({
      paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
      marks: Object.fromEntries(performance.getEntriesByType("mark").map((it) => [it.name, it.startTime])),
    }));
    const series = frames ? await moved(page, session) : [];
    if (light.errors.length) throw new Error(light.errors.join("\n"));
    return { ...times, spent, series };
  } finally {
    await light.close();
  }
}

/** Pans and zooms, with the story only and with everything: what each step took until it was painted. */
async function moved(page, session) {
  await page.evaluate(() => {
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const canvas = document.getElementById("space");
    globalThis.press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    globalThis.wheel = (options) => canvas.dispatchEvent(new WheelEvent("wheel", { bubbles: true, cancelable: true, clientX: 600, ...options }));
    globalThis.take = async (count, act) => {
      const frames = [];
      for (let i = 0; i < count; i++) {
        await frame();
        const began = performance.now();
        act(i);
        await frame();
        frames.push(performance.now() - began);
      }
      return frames;
    };
  });
  const series = [];
  const take = async (what, count, act) => {
    const before = await cpu(session);
    const frames = await page.evaluate(`take(${count}, (i) => ${act})`);
    series.push({ what, frames, spent: ((await cpu(session)) - before) / count });
  };
  const zoom = (by) => `wheel({ ctrlKey: true, deltaY: ${by} })`;
  const pan = "wheel({ shiftKey: true, deltaY: i % 2 ? 90 : -60 })";
  for (const shown of ["story", "everything"]) {
    if (shown === "everything") await take("show everything", 1, "press('s')");
    await page.evaluate("press('0')");
    await take(`pan all, ${shown}`, FRAMES, pan);
    await take(`zoom in, ${shown}`, FRAMES, zoom(-100));
    await take(`pan close, ${shown}`, FRAMES, pan);
    await take(`zoom half out, ${shown}`, FRAMES / 2, zoom(100));
    await take(`pan in between, ${shown}`, FRAMES, pan);
    await take(`zoom out, ${shown}`, FRAMES, zoom(100));
  }
  return series;
}

const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
const list = (all) => all.map((it) => it.toFixed(0)).join(" ");
function line(what, measured, most, unit, note = "") {
  const verdict = most === undefined ? "" : measured <= most ? "reached" : "MISSED";
  const limit = most === undefined ? "" : `<= ${most}`;
  console.log(`${what.padEnd(42)} ${limit.padStart(9)} ${measured.toFixed(measured < 10 ? 2 : 0).padStart(9)}  ${unit.padEnd(4)} ${verdict.padEnd(8)} ${note}`);
}

try {
  const script = readFileSync(join(ROOT, "reports/web/dist/viewer.js"));
  const style = readFileSync(join(ROOT, "reports/web/style.css"));
  line("script and style, gzip", gzipSync(Buffer.concat([script, style]), { level: 9 }).length / 1024, 60, "KB");
  const file = process.argv[2] ?? million();
  const small = replayed("local-read");
  line("a shrunk failure", statSync(small).size / 1000, 300, "KB");
  line("a million events", statSync(file).size / 1e6, 8, "MB");
  const all = [];
  for (let i = 0; i < OPENINGS; i++) all.push(await opened(file, i === OPENINGS - 1));
  const of = (get) => all.map(get);
  line("verdict painted", median(of((it) => it.paint)), 100, "ms", list(of((it) => it.paint)));
  const ready = of((it) => it.marks.interactive);
  line("interactive", median(ready), 1500, "ms", list(ready));
  for (const mark of ["began", "unpacked", "events", "model"]) {
    if (all[0].marks[mark] !== undefined) line(`  until ${mark}`, median(of((it) => it.marks[mark])), undefined, "ms");
  }
  line("  CPU of the main thread", median(of((it) => it.spent)), undefined, "ms", list(of((it) => it.spent)));
  for (const { what, frames, spent } of all[OPENINGS - 1].series) {
    line(what, Math.max(...frames), 50, "ms", `median ${median(frames).toFixed(0)}, CPU of the main thread a step ${spent.toFixed(1)}`);
  }
  console.log(`load of the machine: ${loadavg().map((it) => it.toFixed(1)).join(" ")}`);
} finally {
  rmSync(OUT, { recursive: true, force: true });
}
