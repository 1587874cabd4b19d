// The first failing seed of planted bugs, as `whitewater run` leaves them.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
export const COMMAND = process.env.WHITEWATER ?? join(TARGET, "release/whitewater");
export const OUT = mkdtempSync(join(tmpdir(), "whitewater-reports-"));

/** Bugs of different classes: the scenario that finds them, and what their report must say. */
export const PLANTED = [
  { bug: "reply-before-persist", scenario: "swarm", code: "promise", broken: "a promise left a node before its disk held it", condition: "DiskHoldsPromise" },
  { bug: "vote-not-persisted", scenario: "swarm", code: "promise", broken: "a promise left a node before its disk held it", condition: "DiskHoldsPromise" },
  { bug: "local-read", scenario: "swarm", code: "read-freshness", broken: "a read missed what had been acknowledged", condition: "FreshReads" },
  { bug: "watch-event-lost-when-slow", scenario: "watchers", code: "watch", broken: "a watch did not tell the truth", condition: "Told" },
  { bug: "snapshot-not-reported", scenario: "slow_follower_snapshot", code: "liveness", broken: "the cluster did not recover", condition: "CaughtUp" },
];

/** Looks for a bug; the folder of its first failing seed. */
export function find({ bug, scenario }) {
  const out = join(OUT, bug);
  const run = spawnSync(
    COMMAND,
    ["run", scenario, "--seeds", "100", "--fail-fast", "--no-shrink", "--mutation", bug, "--out", out],
    { encoding: "utf8" },
  );
  if (run.status !== 1) throw new Error(`${bug}: exit ${run.status}\n${run.stdout}\n${run.stderr}`);
  const folders = readdirSync(out, { withFileTypes: true }).filter((entry) => entry.name.endsWith(`-${bug}`));
  const first = folders.map((entry) => entry.name).sort((a, b) => seed(a) - seed(b))[0];
  return join(out, first);
}

const seed = (folder) => Number(/-(\d+)-/.exec(folder)?.[1] ?? 0);

/** The page of a pinned plan. */
export function replayed(name, extra = []) {
  const file = join(OUT, `${name}.html`);
  const plan = join(ROOT, "scenarios/mutants", `${name}.toml`);
  spawnSync(COMMAND, ["replay", plan, "--lanes", "none", "--report", file, ...extra], { encoding: "utf8" });
  return file;
}

/** The page of a plan of our own. */
export function played(name, text, extra = []) {
  const plan = join(OUT, `${name}.toml`);
  const file = join(OUT, `${name}.html`);
  writeFileSync(plan, text);
  const run = spawnSync(COMMAND, ["replay", plan, "--lanes", "none", "--report", file, ...extra], { encoding: "utf8" });
  if (run.status > 1) throw new Error(`${name}: exit ${run.status}\n${run.stderr}`);
  return file;
}

/** A window of a pinned plan in the words of another viewer. */
export function exported(name, form, extra = []) {
  const file = join(OUT, `${name}.${form}`);
  const plan = join(ROOT, "scenarios/mutants", `${name}.toml`);
  const run = spawnSync(COMMAND, ["export", plan, "--as", form, "--output", file, ...extra], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(`${name}: exit ${run.status}\n${run.stderr}`);
  return file;
}

/** The page of a pinned plan, with the nearest run that passes beside it. */
export function compared(name) {
  const file = join(OUT, `${name}-diff.html`);
  const plan = join(ROOT, "scenarios/mutants", `${name}.toml`);
  const run = spawnSync(COMMAND, ["diff", plan, "--report", file], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(`${name}: exit ${run.status}\n${run.stderr}`);
  return file;
}

/** Runs a line as a shell would. */
export function paste(line) {
  try {
    execFileSync("sh", ["-c", line], { encoding: "utf8", cwd: process.cwd(), stdio: "pipe" });
    return { status: 0, stdout: "" };
  } catch (error) {
    return { status: error.status, stdout: error.stdout };
  }
}
