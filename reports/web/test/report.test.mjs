// Reports of real failures, opened from disk in a browser.
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser } from "./browser.mjs";
import { OUT, PLANTED, compared, find, paste, played, replayed } from "./failures.mjs";

let light;
before(async () => {
  light = await browser({ permissions: ["clipboard-read", "clipboard-write"] });
});
after(async () => {
  await light.close();
  rmSync(OUT, { recursive: true, force: true });
});

for (const planted of PLANTED) {
  test(`the report of ${planted.bug} names the promise, the first bad moment, a true story, and a line that works`, async () => {
    const folder = find(planted);
    const page = await light.open(join(folder, "report.html"));
    const heading = await page.textContent("h1");
    assert.match(heading, new RegExp(`^FAIL ${planted.code}\\b`));
    assert.ok(heading.includes(planted.broken), heading);
    assert.match(await page.title(), new RegExp(`^FAIL ${planted.code}`));

    const lines = await page.$$eval(".story li", (all) =>
      all.map((it) => ({
        mark: it.className,
        event: Number(it.querySelector("[data-event]").dataset.event),
        time: it.querySelector("time").textContent,
        text: it.querySelector("bdi").textContent,
      })),
    );
    assert.ok(lines.length >= 3 && lines.length <= 7, `${lines.length} lines`);
    const bad = lines.filter((it) => it.mark === "bad");
    const detected = lines.filter((it) => it.mark === "detected");
    assert.equal(bad.length, 1);
    assert.equal(detected.length, 1);
    assert.ok(bad[0].event < detected[0].event, "the first bad moment comes before the objection");
    assert.ok((await page.textContent(".moments")).includes(planted.condition));

    // Played again, the line gives the same verdict and the same events: the story is about what is in the trace.
    const line = await page.textContent("#repro");
    const events = join(folder, "again.jsonl");
    const again = paste(`${line} --lanes none --trace '${events}'`);
    assert.equal(again.status, 1, "the line plays the failure again");
    assert.ok(again.stdout.includes(planted.code));
    const rows = readFileSync(events, "utf8").trimEnd().split("\n").slice(1).map((row) => JSON.parse(row));
    for (const it of lines) {
      const row = rows[it.event];
      const micros = Math.floor(row.at / 1000);
      const time = `${Math.floor(micros / 1e6)}.${String(micros % 1e6).padStart(6, "0")} s`;
      if (it.mark === "detected") {
        // A bound runs out between two events.
        assert.ok(parseFloat(it.time) >= parseFloat(time), it.text);
      } else {
        assert.equal(it.time, time, it.text);
        isTrue(it.text, row, rows);
      }
    }
    assert.deepEqual(light.requests, []);
    assert.deepEqual(light.errors, []);
  });
}

/** Whether a line of the story says what its event is. */
function isTrue(text, row, rows) {
  const says = {
    role: () => text.includes(row.role === "leader" ? `n${row.node} leads term ${row.term}` : `n${row.node} `),
    deliver: () => text.startsWith(`n${row.node} takes from n${row.from}: ${sent(rows, row.message)}`),
    vote: () => text.startsWith(row.for === row.node ? `n${row.node} votes for itself in term ${row.term}` : `n${row.node} votes for n${row.for} in term ${row.term}`),
    append: () => text.startsWith(`n${row.node} log ${row.first}..${row.last}@${row.term}`),
    apply: () => text.startsWith(`n${row.node} applies`) && (row.revision === 0 || text.includes(`makes r${row.revision}`)),
    complete: () => text.startsWith(`p${row.process}#${row.sequence} `) && (row.outcome !== "ok" || text.includes(`at r${row.revision}`)),
    invoke: () => text.startsWith(`p${row.process}#${row.sequence} `) && text.includes(`is asked of n${row.node}`),
    commit: () => text.startsWith(`n${row.node} commits ${row.index}`),
    crash: () => text.startsWith(`n${row.node} ${row.power ? "loses power" : "crashes"}`),
    boot: () => text.startsWith(`n${row.node} starts, term ${row.term}`),
    "disk-done": () => text.startsWith(`n${row.node} batch ${row.write}`),
    "fault-on": () => text.startsWith("fault: ") || text.startsWith("the network is cut: "),
    drop: () => text.startsWith(sent(rows, row.message)) && text.includes(`from n${row.node} to n${row.to} is lost`),
    send: () => text.startsWith(`n${row.node} -> n${row.to} `),
    snapshot: () => text.startsWith(`n${row.node} ${row.installed ? "installs" : "takes"} snapshot ${row.index}`),
    watch: () => text.startsWith(`p${row.process}/${row.stream} `),
    timer: () => text === `n${row.node} timer`,
  }[row.kind];
  assert.ok(says, `a line about an event of kind ${row.kind}: ${text}`);
  assert.ok(says(), `${text} is not what ${JSON.stringify(row)} says`);
}

/** What kind of message it is. */
function sent(rows, message) {
  return rows.find((it) => it.kind === "send" && it.message === message).type;
}

test("without scripts everything that counts is there", async () => {
  const plain = await browser({ javaScriptEnabled: false });
  try {
    const page = await plain.open(replayed("local-read"), false);
    const text = await page.innerText("body");
    for (const word of ["FAIL read-freshness", "The promise", "FIRST BAD MOMENT", "FreshReads(n1)", " replay ", "n3 leads term 4"]) {
      assert.ok(text.includes(word), word);
    }
    assert.deepEqual(plain.requests, []);
  } finally {
    await plain.close();
  }
});

test("a click on the line copies it", async () => {
  const page = await light.open(replayed("local-read"));
  const line = await page.textContent("#repro");
  await page.click("#copy");
  await page.waitForFunction(() => document.getElementById("copy").textContent === "Copied");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), line);
});

test("keys step through the story, search narrows it, and following shows one life", async () => {
  const page = await light.open(replayed("local-read"));
  const cursor = async () => Number(/event (\d+)/i.exec(await page.textContent("[aria-label='The cluster at the cursor'] h2"))[1]);
  const first = await cursor();
  assert.equal(first, Number(await page.getAttribute(".story .bad [data-event]", "data-event")));
  await page.keyboard.press("ArrowRight");
  const next = await cursor();
  assert.ok(next > first);
  await page.keyboard.press("ArrowLeft");
  assert.equal(await cursor(), first);
  await page.keyboard.press("d");
  assert.equal(await cursor(), Number(await page.getAttribute(".story .detected [data-event]", "data-event")));

  await page.keyboard.press("/");
  await page.keyboard.type("kind=role role=leader");
  const rows = await page.$$eval(".rows div", (all) => all.map((it) => it.textContent));
  assert.equal(rows.length, 3);
  assert.ok(rows.every((row) => row.includes("leads term")));
  await page.fill("#search", "");

  await page.fill("#follow", "p1#38");
  await page.keyboard.press("Enter");
  const life = await page.$$eval(".rows div", (all) => all.map((it) => it.textContent));
  assert.ok(life.length >= 3 && life.every((row) => row.includes("p1#38") || row.includes("violation")), life.join("\n"));
  await page.fill("#follow", "k0");
  await page.keyboard.press("Enter");
  const key = await page.$$eval(".rows div", (all) => all.length);
  assert.ok(key > 10);
  assert.deepEqual(light.errors, []);
});

test("every tab can be reached by keys and shows something", async () => {
  const page = await light.open(replayed("snapshot-not-reported"));
  await page.focus("#tab-events");
  for (const tab of ["logs", "configuration", "schedule", "raw"]) {
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.getAttribute(`#tab-${tab}`, "aria-selected"), "true");
    assert.ok((await page.innerText("[role=tabpanel]")).length > 20, tab);
  }
  assert.deepEqual(light.errors, []);
});

test("a run that passes stands beside the one that fails, from the first difference on", async () => {
  const page = await light.open(compared("reply-before-persist"));
  await page.click("#tab-difference");
  const text = await page.innerText("[role=tabpanel]");
  assert.match(text, /without reply-before-persist/);
  const event = Number(await page.getAttribute("[role=tabpanel] [data-event]", "data-event"));
  await page.click("[role=tabpanel] [data-event]");
  const cursor = await page.textContent("[aria-label='The cluster at the cursor'] h2");
  assert.ok(cursor.endsWith(`event ${event}`), cursor);
  assert.deepEqual(light.errors, []);
});

test("leases are shown from their grant to their end", async () => {
  const page = await light.open(replayed("lease-expired-early"));
  const label = await page.getAttribute("#holding", "aria-label");
  assert.match(label, /lease \w+ of p\d+ from [\d.]+ s/);
  await page.click("text=Locks and leases");
  assert.equal(await page.$("#holding"), null);
  assert.deepEqual(light.errors, []);
});

test("a short run is shown as a ladder", async () => {
  const page = await light.open(replayed("vote-not-persisted"));
  const text = await page.textContent("svg[role=img]");
  assert.ok(text.includes("n1 votes for itself in term 2"), text);
  // Behind numbers of 64 bits, small ones are still exact.
  assert.ok(text.includes("pre-vote, term 2, log 1@1"), text);
});

test("what a watch was told is shown by revision", async () => {
  const page = await light.open(replayed("watch-event-lost-when-slow"));
  const text = await page.innerText("[aria-label='What the watch was told']");
  assert.match(text, /r4[\s\S]*never/);
});

test("dark mode, a narrow window and a zoom of 400 % lose nothing", async () => {
  const dark = await browser({ colorScheme: "dark", viewport: { width: 340, height: 250 } });
  try {
    const page = await dark.open(replayed("local-read"));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 1, `the page is ${wide} px wider than the window`);
    const contrast = await page.evaluate(() => {
      const luminance = (color) => {
        const parts = color.match(/[\d.]+/g).slice(0, 3).map((it) => it / 255);
        const [r, g, b] = parts.map((it) => (it <= 0.03928 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = luminance(getComputedStyle(document.body).backgroundColor);
      return [".sentence", ".word", ".label", "a.event", ".story time", ".story .bad bdi"].map((selector) => {
        const ink = luminance(getComputedStyle(document.querySelector(selector)).color);
        return [selector, (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)];
      });
    });
    for (const [selector, ratio] of contrast) assert.ok(ratio >= 4.5, `${selector}: ${ratio}`);
    assert.deepEqual(dark.errors, []);
  } finally {
    await dark.close();
  }
});

test("hostile keys and values are shown as text", async () => {
  const script = "</script><script>broken=1</script>";
  const image = "<img/src=x/onerror=broken=1>";
  const text = `version = 1
scenario = "hostile"
seed = "1"
duration = "3s"
timeout = "500ms"
[cluster]
nodes = 3
[[client]]
home = 1
operations = [
  "@1.8s put ${script} ${image}",
  "+10ms put k0 ${"v".repeat(1 << 20)}",
  "+10ms get ${script}",
]
`;
  const page = await light.open(played("hostile", text));
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.equal(await page.$$eval("img", (all) => all.length), 0);
  await page.click("text=Story only");
  await page.fill("#search", "kind=invoke");
  const rows = (await page.$$eval(".rows div", (all) => all.map((it) => it.textContent))).join("\n");
  assert.ok(rows.includes(script), rows);
  assert.deepEqual(light.requests, []);
  assert.deepEqual(light.errors, []);
});

test("values can be hidden", async () => {
  const page = await light.open(replayed("local-read", ["--redact"]));
  await page.click("text=Story only");
  const text = await page.innerText("body");
  assert.ok(!/v2_9\b/.test(text) && /put k0 #[0-9a-f]{8}/.test(text));
});
