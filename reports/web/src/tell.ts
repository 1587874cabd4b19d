// An event in a few words, as the terminal has them.
import type { Model } from "./model";

const ROLES = ["follower", "pre-candidate", "candidate", "leader"];

export function seconds(at: number): string {
  const micros = Math.floor(at / 1e3);
  return `${Math.floor(micros / 1e6)}.${String(micros % 1e6).padStart(6, "0")}`;
}

/** A length of time with its unit. */
export function span(nanos: number): string {
  if (nanos >= 1e9) return `${(nanos / 1e9).toFixed(2)} s`;
  if (nanos >= 1e6) return `${(nanos / 1e6).toFixed(2)} ms`;
  return `${(nanos / 1e3).toFixed(0)} \u00b5s`;
}

export function nodes(mask: number): string {
  const names: string[] = [];
  for (let id = 0; id < 64; id++) if (Math.floor(mask / 2 ** id) % 2 === 1) names.push(`n${id}`);
  return `{${names.join(",")}}`;
}

const WORD_MAX = 32;

/** Long words cut short, so that a line stays one. */
export function elided(text: string): string {
  return text.replace(/\S{40,}/g, (word) => `${word.slice(0, WORD_MAX)}\u2026 (${word.length} B)`);
}

export function tell(model: Model, e: number): string {
  const { trace } = model;
  const n = `n${trace.node[e]}`;
  const [a, b, c, d, f, g] = [0, 1, 2, 3, 4, 5].map((column) => trace.field(e, column)) as [number, number, number, number, number, number];
  const operation = (process: number, sequence: number) => {
    const it = model.operation(process, sequence);
    return it ? `p${process}#${sequence} ${elided(it.request)}` : `p${process}#${sequence}`;
  };
  switch (trace.name(e)) {
    case "send":
      return `${n} \u2192 n${b}: ${message(trace.word(e, 2), d, f, g)}`;
    case "deliver": {
      const sent = model.sent[a] ?? -1;
      const what = sent < 0 ? `#${a}` : message(trace.word(sent, 2), trace.field(sent, 3), trace.field(sent, 4), trace.field(sent, 5));
      return `${n} takes from n${b}: ${what}${c > 0 ? ", again" : ""}`;
    }
    case "drop": {
      const sent = model.sent[a] ?? -1;
      return `${sent < 0 ? "a message" : trace.word(sent, 2)} from ${n} to n${b} is lost: ${trace.word(e, 2)}`;
    }
    case "timer":
      return `${n} timer`;
    case "submit":
      return `${n} writes batch ${a}: ${b} ops, ${c} B`;
    case "disk-done":
      return b === 0 ? `${n} batch ${a} failed` : `${n} batch ${a} is on disk`;
    case "append":
      return `${n} log ${a === b ? a : `${a}..${b}`}, term ${c}${d > 0 ? `, replaces ${d}` : ""}`;
    case "vote":
      return b === trace.node[e] ? `${n} votes for itself in term ${a}` : `${n} votes for n${b} in term ${a}`;
    case "boot":
      return `${n} starts in term ${b}, applied ${c}`;
    case "refuse":
      return `${n} refuses to start: ${trace.word(e, 1)}`;
    case "crash":
      return b === 1 ? `${n} loses power, and ${c} unsynced B with it` : `${n} crashes`;
    case "stop":
      return `${n} stops: ${trace.word(e, 1)}`;
    case "pause":
      return `${n} stands still`;
    case "resume":
      return `${n} goes on`;
    case "role":
      if (a === 3) return `${n} leads term ${b}`;
      if (a === 0) return c ? `${n} follows n${c} in term ${b}` : `${n} follows nobody in term ${b}`;
      return `${n} is ${ROLES[a]} in term ${b}`;
    case "commit":
      return `${n} commits ${a}`;
    case "apply":
      return d > 0 ? `${n} applies ${a}: ${operation(d, f)}${g ? `, makes r${g}` : ""}` : `${n} applies ${a}`;
    case "snapshot":
      return c === 1 ? `${n} installs snapshot ${a}` : `${n} takes snapshot ${a}`;
    case "members":
      return `${n} members at ${a}: ${nodes(b)}${c ? `, leaving ${nodes(c)}` : ""}${d ? `, learning ${nodes(d)}` : ""}`;
    case "invoke":
      return `${operation(a, b)} is asked of ${n}`;
    case "receive":
      return `${n} gets ${operation(a, b)}`;
    case "reply":
      return `${n} ${c === 1 ? "answers" : "refuses"} ${operation(a, b)}`;
    case "complete": {
      const answer = elided(model.operation(a, b)?.answer ?? "");
      if (c === 2) return `${operation(a, b)} ends without an answer`;
      return c === 1 ? `${operation(a, b)} is refused` : `${operation(a, b)} \u2192 ${answer} at r${d}`;
    }
    case "fault-on":
      return `fault: ${model.data.faults[a]?.kind.replaceAll("_", " ") ?? a}${b ? ` on n${b}` : ""}`;
    case "fault-off":
      return `fault ends: ${model.data.faults[a]?.kind.replaceAll("_", " ") ?? a}`;
    case "cut":
      return `n${b} \u2192 n${c} is cut`;
    case "join":
      return "the partition lets go for a while";
    case "heal":
      return "all faults have ended";
    case "violation":
      return `${trace.word(e, 0)} was false for the first time at event ${b}`;
    case "read":
      return `${n} reads for ${operation(a, b)}: applied ${c}, r${d}${f ? ", by its lease alone" : ""}`;
    case "lease":
      return `${n} lets lease ${lease(model, a)} end${b ? `, its keys go at r${b}` : ""}`;
    case "clock":
      if (a || b) return `the clock of ${n} jumps ${a ? `${span(a)} forward` : `${span(b)} back`}`;
      return c || d ? `the clock of ${n} runs ${c ? `${c} ppm too fast` : `${d} ppm too slow`}` : `the clock of ${n} runs true again`;
    case "end":
      return "the end";
    case "watch": {
      const what = trace.word(e, 2);
      const watch = d < 0 ? "all watches" : `w${d}`;
      return `p${a}/${b} at ${n}: ${what === "sent" ? "asks" : `${watch} ${what} r${f}`}`;
    }
    default:
      return trace.name(e);
  }
}

/** A number of 64 bits has lost its last digits here; a lease that a client knows has kept its name. */
function lease(model: Model, number: number): string {
  return model.data.leases.find((it) => Number(it.lease.slice(1)) === number)?.lease ?? `l${number}`;
}

function message(kind: string, term: number, index: number, more: number): string {
  switch (kind) {
    case "append":
      return more ? `append ${index + 1}..${index + more}, term ${term}` : `append after ${index}, term ${term}`;
    case "append-reject":
      return `append-reject ${index}, has ${more}, term ${term}`;
    case "vote":
    case "pre-vote":
      return `${kind}, term ${term}, log ${index}@${more}`;
    case "snapshot-part":
      return `snapshot-part ${more} of ${index}, term ${term}`;
    case "append-ok":
    case "heartbeat":
    case "heartbeat-ok":
      return `${kind} ${index}, term ${term}`;
    case "hello":
    case "welcome":
    case "ghost":
      return kind;
    default:
      return `${kind}, term ${term}`;
  }
}
