// Why clients can tell: the operations that cannot all be right, as intervals in time, and why no place is left for one of
// them; and what a watch was told of which revision.
import type { View } from "./state";
import { seconds } from "./tell";
import type { Operation } from "./unpack";

const ROW = 46;

export function Proof({ view }: { view: View }) {
  const { data } = view.model;
  if (data.head.class !== "linearizability") return null;
  const places = data.core.length ? data.core : data.evidence;
  const operations = places.flatMap((place) => {
    const operation = data.operations[place];
    return operation ? [{ place, operation }] : [];
  });
  if (!operations.length) return null;
  const processes = [...new Set(operations.map((it) => it.operation.process))].sort((a, b) => a - b);
  // Time is not to scale: what comes before what is.
  const times = [...new Set(operations.flatMap(({ operation: it }) => [it.invoked, it.completed]))].sort((a, b) => a - b);
  const x = (at: number) => 6 + (times.indexOf(at) / Math.max(times.length - 1, 1)) * 88;
  const unplaced = data.unplaced === null ? undefined : data.operations[data.unplaced];
  return (
    <section aria-label="Why clients can tell">
      <h2>Why clients can tell</h2>
      <div class="proof" style={{ height: `${processes.length * ROW + 8}px` }}>
        {processes.map((process, row) => (
          <div key={process} class="mono quiet" style={{ top: `${row * ROW + 8}px`, left: ".3rem" }}>
            p{process}
          </div>
        ))}
        {operations.map(({ place, operation: it }) => {
          const [from, to] = [x(it.invoked), x(it.completed)];
          return (
            <div
              key={place}
              class={`mono operation ${it.outcome === 2 ? "unknown" : ""} ${it === unplaced || (!unplaced && place === data.evidence[0]) ? "unplaced" : ""}`}
              title={`${text(it)}, ${seconds(it.invoked)} s to ${seconds(it.completed)} s`}
              style={{ top: `${processes.indexOf(it.process) * ROW + 8}px`, left: `${from}%`, width: `${Math.max(to - from, 1)}%`, height: `${ROW - 14}px` }}
            >
              <div class={from > 50 ? "ends" : ""}>
                p{it.process}#{it.sequence} {text(it).slice(0, 70)}
              </div>
            </div>
          );
        })}
      </div>
      <p class="quiet" style={{ fontSize: ".8rem" }}>Time from left to right, not to scale; dashed: nobody knows whether it happened.</p>
      {unplaced && data.placements.length > 0 && (
        <div>
          <p>
            p{unplaced.process}#{unplaced.sequence} has no place:
          </p>
          <ul class="why">
            {data.placements.map((it, place) => (
              <li key={place}>
                {where(it.after, it.before)}: <bdi>{it.forbidden}</bdi>
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}

function text(it: Operation): string {
  return `${it.request} \u2192 ${it.answer}`;
}

function where(after: number, before: number): string {
  if (!after && !before) return "alone";
  if (!after) return `before r${before}`;
  if (!before) return `after r${after}`;
  return `between r${after} and r${before}`;
}

const RUNGS_MAX = 60;

/** Scrolls its own box, not the page. */
function show(row: HTMLElement | null): void {
  const box = row?.closest(".scroll");
  if (row && box) box.scrollTop = row.offsetTop - box.clientHeight / 2;
}

/** One row a revision, one column a watch: when it was told of what. */
export function WatchLadder({ view }: { view: View }) {
  const { data } = view.model;
  const named = /p(\d+)\/(\d+)/.exec(data.head.sentence);
  if (data.head.class !== "watch" || !data.watches.length) return null;
  const streams = new Map<string, typeof data.watches>();
  for (const it of data.watches) {
    if (named && it.process !== Number(named[1])) continue;
    const name = `p${it.process}/${it.stream}${it.watch && it.kind === "received" ? ` ${it.watch}` : ""}`;
    const all = streams.get(name);
    if (all) all.push(it);
    else streams.set(name, [it]);
  }
  const columns = [...streams].filter(([, all]) => all.some((it) => it.revisions.length > 0)).slice(0, 4);
  const writes = data.operations.filter((it) => !it.is_read && it.outcome === 0 && it.revision > 1);
  const wrong = new Set(data.evidence.map((place) => data.operations[place]?.revision));
  const about = / at r(\d+)/.exec(data.head.sentence);
  if (about) wrong.add(Number(about[1]));
  const all = [...new Set([...writes.map((it) => it.revision), ...columns.flatMap(([, told]) => told.flatMap((it) => it.revisions))])].sort((a, b) => a - b);
  const middle = all.findIndex((revision) => wrong.has(revision));
  const start = Math.max(0, Math.min(middle - RUNGS_MAX / 2, all.length - RUNGS_MAX));
  return (
    <section aria-label="What the watch was told">
      <h2>What the watch was told</h2>
      <div class="scroll">
        <table class="mono">
          <thead>
            <tr>
              <th>revision</th>
              {columns.map(([name]) => (
                <th key={name}>{name}</th>
              ))}
              <th>made by</th>
            </tr>
          </thead>
          <tbody>
            {all.slice(start, start + RUNGS_MAX).map((revision) => {
              const write = writes.find((it) => it.revision === revision);
              return (
                <tr key={revision} ref={revision === all[middle] ? show : null} style={wrong.has(revision) ? { background: "var(--mark)" } : {}}>
                  <td>{wrong.has(revision) ? "\u25b6 " : ""}r{revision}</td>
                  {columns.map(([name, told]) => {
                    const times = told.filter((it) => it.revisions.includes(revision));
                    return <td key={name}>{times.length ? times.map((it) => `${seconds(it.at)} s`).join(", ") : wrong.has(revision) ? "\u2014 never" : "\u2014"}</td>;
                  })}
                  <td>
                    <bdi>{write ? `p${write.process}#${write.sequence} ${write.request}`.slice(0, 80) : "not known"}</bdi>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <p class="quiet" style={{ fontSize: ".8rem" }}>
        {"\u2014"} not told, as is right where the watch was not open or does not want the key
      </p>
    </section>
  );
}
