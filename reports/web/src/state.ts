// What is looked at: a window of time, an event, and which events are shown.
import { batch, computed, signal } from "@preact/signals";
import type { Model } from "./model";
import { follow, query } from "./query";

const CLIENTS_MAX = 14;

export class View {
  readonly from = signal(0);
  readonly to = signal(1);
  /** The event at the cursor. */
  readonly cursor = signal(0);
  /** Only what belongs to the story, unless something is asked for. */
  readonly story = signal(true);
  readonly query = signal("");
  readonly follow = signal("");

  readonly followed = computed(() => follow(this.model, this.follow.value));

  /** 1 for events that are shown. */
  readonly shown = computed(() => {
    const { trace } = this.model;
    const test = query(this.model, this.query.value);
    const base = this.followed.value ?? (this.story.value && !test ? this.model.story : undefined);
    if (!test) return base;
    const out = new Uint8Array(trace.length);
    for (let e = 0; e < trace.length; e++) if ((!base || base[e]) && test(e)) out[e] = 1;
    return out;
  });

  /** The events that are shown, in order. */
  readonly list = computed(() => {
    const shown = this.shown.value;
    const { length } = this.model.trace;
    if (!shown) {
      // From a function it would take a tenth of a second for a million events.
      const all = new Int32Array(length);
      for (let e = 0; e < length; e++) all[e] = e;
      return all;
    }
    const out: number[] = [];
    for (let e = 0; e < length; e++) if (shown[e]) out.push(e);
    return Int32Array.from(out);
  });

  /** Ends of messages that are shown, or whose beginnings are. */
  readonly told = computed(() => {
    const shown = this.shown.value;
    const { arrivals, sent, trace } = this.model;
    return shown ? arrivals.filter((e) => shown[e] || shown[sent[trace.field(e, 0)] ?? -1]) : arrivals;
  });

  /** The clients that have a lane: those of the evidence, of what is followed, then the others as they come. */
  readonly clients = computed(() => {
    const { data } = this.model;
    const followed = this.follow.value;
    const first = [...data.core, ...data.evidence].map((place) => data.operations[place]?.process);
    const named = /p(\d+)#/.exec(`${followed} ${data.head.sentence}`);
    if (named) first.unshift(Number(named[1]));
    const all = new Set(first.filter((it) => it !== undefined));
    const [from, to] = [this.from.value, this.to.value];
    for (const it of followed ? data.operations : []) if (it.keys.includes(followed)) all.add(it.process);
    for (const it of this.story.value ? [] : data.operations) if (it.invoked <= to && it.completed >= from) all.add(it.process);
    return [...all].slice(0, CLIENTS_MAX).sort((a, b) => a - b);
  });

  constructor(readonly model: Model) {
    this.to.value = model.end;
    const { bad, detected } = model.data.head;
    this.cursor.value = bad?.event ?? detected?.event ?? 0;
    this.focus();
  }

  /** Shows the story: from before its first line, if it is near, to the objection. */
  focus(): void {
    const { trace, data, end } = this.model;
    const { bad, detected } = data.head;
    if (!trace.length || !detected) return this.window(0, end);
    const last = trace.at[Math.min(detected.event, trace.length - 1)]!;
    const first = bad ? trace.at[bad.event]! : last;
    const around = Math.max((last - first) * 1.5, 20e6);
    this.window(first - around, last + around / 4);
  }

  window(from: number, to: number): void {
    const width = Math.min(Math.max(to - from, 1e3), this.model.end);
    // A little beyond the end, so that what happens last has room.
    const start = Math.min(Math.max(from, 0), this.model.end - width * 0.95);
    batch(() => {
      this.from.value = start;
      this.to.value = start + width;
    });
  }

  zoom(factor: number, around: number): void {
    const [from, to] = [this.from.value, this.to.value];
    this.window(around - (around - from) * factor, around + (to - around) * factor);
  }

  /** Puts the cursor on an event and shows it. */
  go(event: number): void {
    const { trace } = this.model;
    if (!trace.length) return;
    const e = Math.min(Math.max(event, 0), trace.length - 1);
    batch(() => {
      this.cursor.value = e;
      const at = trace.at[e]!;
      const [from, to] = [this.from.value, this.to.value];
      if (at < from || at > to) this.window(at - (to - from) / 2, at + (to - from) / 2);
    });
  }

  /** To the next event that is shown, or the one before. */
  step(by: 1 | -1): void {
    const list = this.list.value;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle]! < this.cursor.value) low = middle + 1;
      else high = middle;
    }
    const next = by < 0 ? low - 1 : list[low] === this.cursor.value ? low + 1 : low;
    if (next >= 0 && next < list.length) this.go(list[next]!);
  }
}
