// What is derived from a trace once: lives and roles of nodes, messages with their ends, faults, what belongs to the story.
import { offsets, type Bend } from "./clocks";
import type { Trace } from "./trace";
import type { Data, Operation } from "./unpack";

export interface Segment {
  from: number;
  to: number;
  /** 0 follower, 1 pre-candidate, 2 candidate, 3 leader, -1 down. */
  role: number;
  term: number;
  paused: boolean;
}

export interface Span {
  from: number;
  to: number;
  text: string;
  event: number;
  is_cut: boolean;
  /** Of a cut: the side of each node. */
  side?: Map<number, number>;
}

export interface Batch {
  from: number;
  to: number;
  failed: boolean;
}

/** One node at one moment. */
export interface NodeState {
  life: "up" | "paused" | "down";
  role: number;
  term: number;
  leader: number;
  vote: string;
  last: number;
  durable: number;
  commit: number;
  applied: number;
  snapshot: number;
  writing: number[];
  /** By batch under way: the last index that it makes durable. */
  covers: number[];
}

const EVERY = 8192;

/** Kinds of which nothing is drawn but a dot. */
const SILENT = ["send", "deliver", "drop", "timer", "commit", "vote", "receive", "reply", "invoke", "complete", "read", "lease", "watch", "join"];
/** Kinds that change no node. */
const PASSING = ["invoke", "receive", "complete", "reply", "read", "watch", "send", "deliver", "drop", "timer", "lease", "clock"];

export class Model {
  readonly nodes: number[];
  /** The nodes in the order of their lanes: those of a side of the cut that matters most stand together. */
  readonly lanes: number[];
  readonly end: number;
  /** How far wall clocks are off, of those that are. */
  readonly offsets: Map<number, Bend[]>;
  /** The most that any of them is off. */
  readonly skew: number;
  readonly segments = new Map<number, Segment[]>();
  readonly batches = new Map<number, Batch[]>();
  readonly faults: Span[] = [];
  /** By message: the event that sent it; -1 if unknown. */
  readonly sent: Int32Array;
  /** Arrivals and losses in order: event of the end. */
  readonly arrivals: Int32Array;
  /** The longest time that any message was under way. */
  readonly slowest: number;
  /** 1 for events of the story. */
  readonly story: Uint8Array;
  readonly operations = new Map<string, Operation>();
  /** What an index holds, by whoever applied it first: process#sequence. */
  readonly entries = new Map<number, string>();
  /** The operations that the objection is about. */
  readonly wanted: Set<Operation>;
  private readonly passing: Uint8Array;
  private readonly checkpoints: Map<number, NodeState>[] = [];

  constructor(
    readonly trace: Trace,
    readonly data: Data,
  ) {
    this.wanted = new Set([...data.core, ...data.evidence].flatMap((place) => data.operations[place] ?? []));
    for (const it of data.operations) this.operations.set(`${it.process}#${it.sequence}`, it);
    this.nodes = [...new Set(trace.all("boot").map((e) => trace.node[e]!))].sort((a, b) => a - b);
    this.end = Math.max(trace.length ? trace.at[trace.length - 1]! : 0, ...data.operations.map((it) => it.completed), 1);
    this.story = new Uint8Array(trace.length);
    this.sent = sends(trace);
    this.arrivals = merged(trace.all("deliver"), trace.all("drop"));
    this.slowest = slowest(trace, this.sent);
    const role = new Map<number, Segment>();
    const open = new Map<number, Map<number, Batch>>();
    const close = (node: number, at: number) => {
      const segment = role.get(node);
      if (segment) segment.to = at;
    };
    const change = (node: number, at: number, next: Partial<Segment>) => {
      const before = role.get(node);
      close(node, at);
      const segment: Segment = {
        role: 0,
        term: 0,
        paused: false,
        ...(before ? { role: before.role, term: before.term, paused: before.paused } : {}),
        ...next,
        from: at,
        to: this.end,
      };
      role.set(node, segment);
      let all = this.segments.get(node);
      if (!all) this.segments.set(node, (all = []));
      all.push(segment);
    };
    const faults = new Map<number, Span>();
    const cuts = new Map<Span, Set<string>>();
    const live = new Map<number, NodeState>();
    const passing = (this.passing = Uint8Array.from(trace.schema, (kind) => (PASSING.includes(kind.name) ? 1 : 0)));
    // Most events are messages, and need no look into their numbers.
    const silent = Uint8Array.from(trace.schema, (kind) => (SILENT.includes(kind.name) ? 1 : 0));
    for (let e = 0; e < trace.length; e++) {
      if (e % EVERY === 0) this.checkpoints.push(copy(live));
      const kind = trace.kind[e]!;
      if (silent[kind]) {
        if (!passing[kind]) take(live, trace, e);
        continue;
      }
      const node = trace.node[e]!;
      const at = trace.at[e]!;
      const a = trace.field(e, 0);
      const b = trace.field(e, 1);
      let told = false;
      switch (trace.name(e)) {
        case "role": {
          const before = role.get(node);
          told = a >= 2 || before?.role === 3;
          change(node, at, { role: a, term: b });
          break;
        }
        case "boot":
          told = true;
          change(node, at, { role: 0, term: b, paused: false });
          break;
        case "crash":
        case "stop":
        case "refuse":
          told = true;
          change(node, at, { role: -1, paused: false });
          break;
        case "pause":
          told = true;
          change(node, at, { paused: true });
          break;
        case "resume":
          told = true;
          change(node, at, { paused: false });
          break;
        case "submit": {
          const batch = { from: at, to: this.end, failed: false };
          let all = this.batches.get(node);
          if (!all) this.batches.set(node, (all = []));
          all.push(batch);
          const writes = open.get(node) ?? new Map<number, Batch>();
          open.set(node, writes.set(a, batch));
          break;
        }
        case "disk-done": {
          const batch = open.get(node)?.get(a);
          if (batch) [batch.to, batch.failed] = [at, b === 0];
          told = b === 0;
          break;
        }
        case "apply":
          if (trace.field(e, 3) > 0 && !this.entries.has(a)) {
            this.entries.set(a, `${trace.field(e, 3)}#${trace.field(e, 4)}`);
          }
          break;
        case "fault-on": {
          told = true;
          const kind = data.faults[a]?.kind.replaceAll("_", " ") ?? "fault";
          const span = { from: at, to: this.end, text: b ? `${kind} n${b}` : kind, event: e, is_cut: false };
          this.faults.push(span);
          faults.set(a, span);
          break;
        }
        case "cut": {
          const span = faults.get(a);
          if (span) {
            span.is_cut = true;
            const links = cuts.get(span) ?? new Set();
            cuts.set(span, links.add(`${b}/${trace.field(e, 2)}`));
          }
          told = e + 1 >= trace.length || !trace.is(e + 1, "cut");
          break;
        }
        case "fault-off": {
          told = true;
          const span = faults.get(a);
          if (span) span.to = at;
          break;
        }
        case "heal":
          told = true;
          for (const span of this.faults) span.to = Math.min(span.to, at);
          break;
        case "snapshot":
          told = trace.field(e, 2) === 1;
          break;
        case "append":
          told = trace.field(e, 3) > 0;
          break;
        case "members":
        case "clock":
        case "violation":
        case "end":
          told = true;
          break;
      }
      if (told) this.story[e] = 1;
      if (!passing[kind]) take(live, trace, e);
    }
    for (const [span, links] of cuts) {
      span.side = sidesOf(this.nodes, links);
      span.text += ` ${sideNames(this.nodes, span.side)}`;
    }
    const { bad, detected } = data.head;
    const moment = trace.at[(bad ?? detected)?.event ?? 0] ?? 0;
    const long = [...cuts.keys()].sort((a, b) => b.to - b.from - (a.to - a.from));
    const first = long.find((it) => it.from <= moment && it.to >= moment) ?? long[0];
    this.lanes = [...this.nodes].sort((a, b) => (first?.side?.get(a) ?? 0) - (first?.side?.get(b) ?? 0) || a - b);
    this.offsets = offsets(trace, data, this.nodes, this.end);
    this.skew = Math.max(1, ...[...this.offsets.values()].flat().map((it) => Math.abs(it.off)));
    this.markOperations();
    for (const line of data.story) this.story[line.event] = 1;
  }

  /** What clients asked that is part of the evidence belongs to the story. */
  private markOperations(): void {
    const { trace } = this;
    const wanted = new Set([...this.wanted].map((it) => `${it.process}#${it.sequence}`));
    for (const kind of ["invoke", "receive", "reply", "complete"]) {
      for (const e of wanted.size > 0 ? trace.all(kind) : []) {
        if (wanted.has(`${trace.field(e, 0)}#${trace.field(e, 1)}`)) this.story[e] = 1;
      }
    }
  }

  operation(process: number, sequence: number): Operation | undefined {
    return this.operations.get(`${process}#${sequence}`);
  }

  /** The cluster after an event. */
  state(event: number): Map<number, NodeState> {
    const place = Math.min(Math.floor(event / EVERY), this.checkpoints.length - 1);
    const live = copy(this.checkpoints[place] ?? new Map());
    for (let e = place * EVERY; e <= event && e < this.trace.length; e++) {
      if (!this.passing[this.trace.kind[e]!]) take(live, this.trace, e);
    }
    return live;
  }

  /** The log of a node after an event: index and term of its entries. */
  log(node: number, event: number): Map<number, number> {
    const log = new Map<number, number>();
    for (const e of this.trace.all("append")) {
      if (e > event) break;
      if (this.trace.node[e] !== node) continue;
      const first = this.trace.field(e, 0);
      const last = this.trace.field(e, 1);
      const replaced = this.trace.field(e, 3);
      for (let index = first; index < first + replaced; index++) log.delete(index);
      for (let index = first; index <= last; index++) log.set(index, this.trace.field(e, 2));
    }
    return log;
  }
}

/** By message: the event that sent it; -1 if unknown. */
function sends(trace: Trace): Int32Array {
  const events = trace.all("send");
  const messages = trace.numbers("send", 0);
  let most = 0;
  for (let i = 0; i < events.length; i++) most = Math.max(most, messages[i]!);
  const out = new Int32Array(most + 1).fill(-1);
  for (let i = 0; i < events.length; i++) out[messages[i]!] = events[i]!;
  return out;
}

/** The longest time that a message was under way. */
function slowest(trace: Trace, sent: Int32Array): number {
  let most = 0;
  for (const kind of ["deliver", "drop"]) {
    const events = trace.all(kind);
    const messages = trace.numbers(kind, 0);
    for (let i = 0; i < events.length; i++) {
      const from = sent[messages[i]!]!;
      if (from >= 0) most = Math.max(most, trace.at[events[i]!]! - trace.at[from]!);
    }
  }
  return most;
}

/** Both of two lists in order. */
function merged(left: Int32Array, right: Int32Array): Int32Array {
  const out = new Int32Array(left.length + right.length);
  let [l, r] = [0, 0];
  for (let i = 0; i < out.length; i++) {
    out[i] = r >= right.length || (l < left.length && left[l]! < right[r]!) ? left[l++]! : right[r++]!;
  }
  return out;
}

/** Groups of nodes that reach each other in both directions, by the lowest number. */
function sidesOf(nodes: number[], links: Set<string>): Map<number, number> {
  const groups: number[][] = [];
  const isCut = (a: number, b: number) => links.has(`${a}/${b}`) || links.has(`${b}/${a}`);
  for (const node of nodes) {
    const home = groups.find((group) => group.every((it) => !isCut(it, node)));
    if (home) home.push(node);
    else groups.push([node]);
  }
  return new Map(groups.flatMap((group, place) => group.map((node): [number, number] => [node, place])));
}

/** `n1 | n2 n3` */
function sideNames(nodes: number[], side: Map<number, number>): string {
  const groups: string[][] = [];
  for (const node of nodes) (groups[side.get(node) ?? 0] ??= []).push(`n${node}`);
  return groups.map((group) => group.join(" ")).join(" | ");
}

function copy(live: Map<number, NodeState>): Map<number, NodeState> {
  const out = new Map<number, NodeState>();
  for (const [node, it] of live) out.set(node, { ...it, writing: [...it.writing], covers: [...it.covers] });
  return out;
}

function take(live: Map<number, NodeState>, trace: Trace, e: number): void {
  const node = trace.node[e]!;
  if (node === 0) return;
  const name = trace.name(e);
  let it = live.get(node);
  if (!it || name === "boot") {
    it = {
      life: "up",
      role: 0,
      term: 0,
      leader: 0,
      vote: "",
      last: it?.durable ?? 0,
      durable: it?.durable ?? 0,
      commit: 0,
      applied: 0,
      snapshot: it?.snapshot ?? 0,
      writing: [],
      covers: [],
    };
    live.set(node, it);
  }
  const a = trace.field(e, 0);
  const b = trace.field(e, 1);
  const c = trace.field(e, 2);
  switch (name) {
    case "boot":
      [it.term, it.applied, it.commit] = [b, c, c];
      it.last = Math.max(it.last, c);
      it.durable = it.last;
      break;
    case "role":
      [it.role, it.term, it.leader] = [a, b, c];
      break;
    case "vote":
      it.vote = `n${b}@${a}`;
      break;
    case "append":
      it.last = b;
      it.durable = Math.min(it.durable, a - 1);
      break;
    case "submit":
      it.writing.push(a);
      it.covers.push(it.last);
      break;
    case "disk-done": {
      const place = it.writing.indexOf(a);
      if (place < 0) break;
      if (b === 1) it.durable = Math.max(it.durable, Math.min(it.covers[place]!, it.last));
      it.writing.splice(place, 1);
      it.covers.splice(place, 1);
      break;
    }
    case "commit":
      it.commit = a;
      break;
    case "apply":
      it.applied = a;
      break;
    case "snapshot":
      it.snapshot = a;
      if (c === 1) {
        it.applied = a;
        it.commit = Math.max(it.commit, a);
        it.last = Math.max(it.last, a);
        it.durable = Math.max(it.durable, a);
      }
      break;
    case "crash":
    case "stop":
    case "refuse":
      it.life = "down";
      [it.role, it.leader] = [0, 0];
      it.writing = [];
      it.covers = [];
      break;
    case "pause":
      it.life = "paused";
      break;
    case "resume":
      it.life = "up";
      break;
  }
}
