// The cluster at the cursor, and what there is to read: events, logs, configuration, schedule, the raw event.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { offset } from "./clocks";
import { Differences } from "./difference";
import type { View } from "./state";
import { nodes, seconds, span, tell } from "./tell";

const ROLES = ["follower", "pre-candidate", "candidate", "leader"];

export function Cluster({ view }: { view: View }) {
  const { model } = view;
  const e = view.cursor.value;
  if (!model.trace.length) return null;
  const states = model.state(e);
  const skewed = model.offsets.size > 0;
  const wrong = (node: number) => {
    const off = offset(model.offsets.get(node) ?? [], model.trace.at[e]!);
    return `${off < 0 ? "\u2212" : "+"}${span(Math.abs(off))}`;
  };
  return (
    <section class="pane" aria-label="The cluster at the cursor">
      <h2>
        At {seconds(model.trace.at[e]!)} s, event {e}
      </h2>
      <p aria-live="polite">
        <bdi>{tell(model, e)}</bdi>
      </p>
      <div style={{ overflow: "auto" }}>
        <table class="mono">
          <thead>
            <tr>
              {["", "role", "term", "leader", "voted", "last", "on disk", "commit", "applied", "snapshot", "writing"].map((it) => (
                <th key={it}>{it}</th>
              ))}
              {skewed && <th>clock</th>}
            </tr>
          </thead>
          <tbody>
            {model.nodes.map((node) => {
              const it = states.get(node);
              if (!it) return null;
              return (
                <tr key={node}>
                  <th>n{node}</th>
                  <td>{it.life === "up" ? ROLES[it.role] : it.life}</td>
                  <td>{it.term}</td>
                  <td>{it.leader ? `n${it.leader}` : "\u2014"}</td>
                  <td>{it.vote || "\u2014"}</td>
                  <td>{it.last}</td>
                  <td style={it.durable < it.last ? { color: "var(--bad)", fontWeight: "bold" } : {}}>{it.durable}</td>
                  <td>{it.commit}</td>
                  <td>{it.applied}</td>
                  <td>{it.snapshot || "\u2014"}</td>
                  <td>{it.writing.length || "\u2014"}</td>
                  {skewed && <td>{wrong(node)}</td>}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <Logs view={view} around={6} />
    </section>
  );
}

/** The ends of the logs, or as much as there is. */
function Logs({ view, around }: { view: View; around: number }) {
  const { model } = view;
  const e = view.cursor.value;
  const states = model.state(e);
  const logs = new Map(model.nodes.map((node) => [node, model.log(node, e)]));
  const last = Math.max(0, ...[...states.values()].map((it) => it.last));
  const least = Math.min(...[...states.values()].filter((it) => it.life !== "down").map((it) => it.applied), last);
  const first = Math.max(1, Math.min(least, last - around + 1), last - 2 * around);
  const indexes = Array.from({ length: Math.max(last - first + 1, 0) }, (_, place) => first + place);
  if (!indexes.length) return null;
  return (
    <div style={{ overflow: "auto", marginTop: ".8rem" }}>
      <table class="mono">
        <thead>
          <tr>
            <th>log</th>
            {indexes.map((index) => (
              <th key={index}>{index}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {model.nodes.map((node) => {
            const it = states.get(node);
            return (
              <tr key={node}>
                <th>n{node}</th>
                {indexes.map((index) => {
                  const term = logs.get(node)?.get(index);
                  const has = it && index <= it.last;
                  const mark = !it || !has ? "" : index > it.durable ? "~" : index <= it.applied ? "\u25cf" : index <= it.commit ? "\u25d0" : "\u25cb";
                  return (
                    <td key={index} title={model.entries.has(index) ? `p${model.entries.get(index)}` : ""}>
                      {has ? `${mark}${term ?? ""}` : "\u00b7"}
                    </td>
                  );
                })}
              </tr>
            );
          })}
        </tbody>
      </table>
      <p class="quiet" style={{ fontSize: ".8rem" }}>
        ~ in memory only, ○ on disk, ◐ committed, ● applied; the number is the term
      </p>
    </div>
  );
}

const LINE = 21.6;

function Events({ view }: { view: View }) {
  const { model } = view;
  const box = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const list = view.list.value;
  const cursor = view.cursor.value;
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]! < cursor) low = middle + 1;
    else high = middle;
  }
  useEffect(() => {
    const it = box.current;
    if (!it) return;
    const y = low * LINE;
    if (y < it.scrollTop || y > it.scrollTop + it.clientHeight - LINE) it.scrollTop = y - it.clientHeight / 2;
  }, [cursor, list]);
  const { bad, detected } = model.data.head;
  // Browsers end a page at some million points; a longer list scrolls in steps.
  const scale = Math.max(1, (list.length * LINE) / 8e6);
  const first = Math.max(0, Math.floor((top.value * scale) / LINE) - 5);
  const count = 40;
  return (
    <div>
      <p class="quiet">
        {list.length.toLocaleString("en")} of {model.trace.length.toLocaleString("en")} events
      </p>
      <div ref={box} class="scroll" tabIndex={0} aria-label="Events" style={{ maxHeight: "24rem", minHeight: "8rem" }} onScroll={(event) => (top.value = event.currentTarget.scrollTop)}>
        <div style={{ height: `${(list.length * LINE) / scale}px`, position: "relative" }}>
          <div class="rows" style={{ position: "absolute", top: `${(first * LINE) / scale}px`, left: 0, right: 0 }}>
            {Array.from(list.subarray(first, first + count)).map((e) => (
              <div
                key={e}
                class={`${e === cursor ? "at" : ""} ${e === bad?.event ? "bad" : ""} ${e === detected?.event ? "detected" : ""}`}
                onClick={() => view.go(e)}
              >
                {`${seconds(model.trace.at[e]!).padStart(11)} ${String(e).padStart(7)} ${model.trace.name(e).padEnd(10)} ${tell(model, e).slice(0, 300)}`}
              </div>
            ))}
          </div>
        </div>
      </div>
    </div>
  );
}

function Configuration({ view }: { view: View }) {
  const { data, trace } = view.model;
  const members = [...trace.all("members").subarray(0, 200)];
  return (
    <div class="scroll">
      <table>
        <tbody>
          {data.head.trust.map(([name, value]) => (
            <tr key={name}>
              <th>{name}</th>
              <td>
                <bdi class="wrap">{value}</bdi>
              </td>
            </tr>
          ))}
          {data.clocks.map((clock, place) => (
            <tr key={`clock${place}`}>
              <th>clock of n{place + 1}</th>
              <td>{clock.drift_ppm} ppm</td>
            </tr>
          ))}
        </tbody>
      </table>
      {members.map((e) => (
        <p key={e} class="mono">
          <a href={`#event-${e}`} data-event={e}>
            {seconds(trace.at[e]!)} s
          </a>{" "}
          n{trace.node[e]}: {nodes(trace.field(e, 1))}
          {trace.field(e, 2) ? ` leaving ${nodes(trace.field(e, 2))}` : ""}
          {trace.field(e, 3) ? ` learning ${nodes(trace.field(e, 3))}` : ""}
        </p>
      ))}
      <table>
        <thead>
          <tr>
            <th>check</th>
            <th>evaluations</th>
            <th>discriminating</th>
          </tr>
        </thead>
        <tbody>
          {data.checks.map(([check, evaluations, discriminating]) => (
            <tr key={check}>
              <td>{check}</td>
              <td>{evaluations.toLocaleString("en")}</td>
              <td>{discriminating.toLocaleString("en")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Schedule({ view }: { view: View }) {
  const { data, faults } = view.model;
  return (
    <div class="scroll">
      <table class="mono">
        <thead>
          <tr>
            <th>fault</th>
            <th>planned</th>
            <th>happened</th>
          </tr>
        </thead>
        <tbody>
          {data.faults.map((it, place) => {
            const found = faults.find((span) => view.model.trace.field(span.event, 0) === place);
            return (
              <tr key={place}>
                <td>{it.kind}</td>
                <td>
                  {seconds(it.at)} s to {seconds(it.until)} s
                </td>
                <td>
                  {found ? (
                    <a href={`#event-${found.event}`} data-event={found.event}>
                      {seconds(found.from)} s to {seconds(found.to)} s, {found.text}
                    </a>
                  ) : (
                    "not before the end"
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {!data.faults.length && <p class="quiet">No faults were planned.</p>}
      <details open={data.plan.length < 4000}>
        <summary>The plan</summary>
        <pre class="wrap">{data.plan}</pre>
      </details>
    </div>
  );
}

/** An event with the names of its numbers, what brought it about, and what came of it. */
function Raw({ view }: { view: View }) {
  const { trace } = view.model;
  const e = view.cursor.value;
  if (!trace.length) return null;
  const kind = trace.schema[trace.kind[e]!]!;
  const causes: number[] = [];
  for (let at = trace.cause(e); at >= 0 && causes.length < 12; at = trace.cause(at)) causes.push(at);
  const effects: number[] = [];
  for (let at = e + 1; at < Math.min(trace.length, e + 20_000) && effects.length < 12; at++) if (trace.cause(at) === e) effects.push(at);
  const link = (event: number) => (
    <li key={event}>
      <a href={`#event-${event}`} data-event={event}>
        {event}
      </a>{" "}
      <bdi>{tell(view.model, event)}</bdi>
    </li>
  );
  return (
    <div class="scroll">
      <p>
        <code>{kind.name}</code>: {kind.meaning}
      </p>
      <table class="mono">
        <tbody>
          <tr>
            <th>event</th>
            <td>{e}</td>
          </tr>
          <tr>
            <th>at</th>
            <td>{trace.at[e]} ns</td>
          </tr>
          <tr>
            <th>node</th>
            <td>{trace.node[e]}</td>
          </tr>
          {kind.columns.map(([name], column) => (
            <tr key={name}>
              <th>{name}</th>
              <td>{trace.word(e, column)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h2>Brought about by</h2>
      <ul>{causes.map(link)}</ul>
      <h2>Brought about</h2>
      <ul>{effects.map(link)}</ul>
    </div>
  );
}

const TABS = ["events", "logs", "configuration", "schedule", "difference", "raw"] as const;

export function Tabs({ view }: { view: View }) {
  const tab = useSignal<(typeof TABS)[number]>("events");
  const tabs = TABS.filter((it) => it !== "difference" || view.model.data.difference);
  const move = (by: number) => {
    tab.value = tabs[(tabs.indexOf(tab.value) + by + tabs.length) % tabs.length]!;
    document.getElementById(`tab-${tab.value}`)?.focus();
  };
  return (
    <section class="pane" aria-label="What there is to read">
      <div
        class="bar"
        role="tablist"
        onKeyDown={(event) => {
          if (event.key === "ArrowRight") move(1);
          else if (event.key === "ArrowLeft") move(-1);
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      >
        {tabs.map((it) => (
          <button
            key={it}
            id={`tab-${it}`}
            type="button"
            role="tab"
            aria-selected={tab.value === it}
            tabIndex={tab.value === it ? 0 : -1}
            onClick={() => (tab.value = it)}
          >
            {it}
          </button>
        ))}
      </div>
      <div role="tabpanel" aria-labelledby={`tab-${tab.value}`}>
        {tab.value === "events" && <Events view={view} />}
        {tab.value === "logs" && <Logs view={view} around={24} />}
        {tab.value === "configuration" && <Configuration view={view} />}
        {tab.value === "schedule" && <Schedule view={view} />}
        {tab.value === "difference" && <Differences view={view} />}
        {tab.value === "raw" && <Raw view={view} />}
      </div>
    </section>
  );
}
