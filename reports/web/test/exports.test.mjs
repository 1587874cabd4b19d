// What `whitewater export` writes, in the hands of those who read it: speedscope, which reads the Trace Event Format that
// Perfetto reads too, and the expression and the rules of ShiViz.
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser } from "./browser.mjs";
import { OUT, ROOT, exported } from "./failures.mjs";

const SPEEDSCOPE = join(ROOT, "reports/web/node_modules/speedscope/dist/release/index.html");

let light;
before(async () => {
  light = await browser();
});
after(async () => {
  await light.close();
  rmSync(OUT, { recursive: true, force: true });
});

test("speedscope opens a window in the trace event format, with a profile for each thread of each node", async () => {
  const file = exported("local-read", "perfetto", ["--to", "3500ms"]);
  const script = join(OUT, "window.js");
  const base64 = readFileSync(file).toString("base64");
  writeFileSync(script, `speedscope.loadFileFromBase64("window.json", ${JSON.stringify(base64)})`);
  const page = light.context.pages()[0];
  await page.goto(`file://${SPEEDSCOPE}#localProfilePath=${script}`);
  await page.waitForFunction(() => /\(1\/\d+\)/.test(document.body.innerText), null, { timeout: 20_000 });
  const bar = await page.innerText("body");
  assert.match(bar, /n1 \(pid 1\), role \(tid 1\)/);
  const threads = JSON.parse(readFileSync(file, "utf8")).traceEvents.filter((it) => it.ph === "X");
  const profiles = new Set(threads.map((it) => `${it.pid}/${it.tid}`));
  assert.ok(profiles.size > 6);
  assert.ok(bar.includes(`(1/${profiles.size})`), `${profiles.size} threads with slices: ${bar.slice(0, 200)}`);
  assert.deepEqual(light.errors, []);
});

test("the expression of ShiViz finds every event, and its rules for clocks hold", () => {
  const text = readFileSync(exported("local-read", "shiviz", ["--to", "3500ms"]), "utf8").trim();
  // The parser that ShiViz offers first, and what its `VectorTimestamp` and `ModelGraph` refuse.
  const all = [...text.matchAll(/(?<event>.*)\n(?<host>\S*) (?<clock>{.*})/g)].map((it) => it.groups);
  assert.equal(all.length * 2, text.split("\n").length);
  const clocks = new Map();
  for (const { event, host, clock } of all) {
    const times = JSON.parse(clock);
    assert.ok(event.length > 0 && Object.values(times).every((time) => Number.isInteger(time) && time >= 0));
    assert.equal(times[host], (clocks.get(host)?.[host] ?? 0) + 1, `${host} ${clock}`);
    for (const [other, time] of Object.entries(clocks.get(host) ?? {})) assert.ok(times[other] >= time, "a clock went back");
    clocks.set(host, times);
  }
  assert.ok(clocks.size >= 4, [...clocks.keys()].join());
});
