// How far the wall clocks of the nodes are from true time: pieces of lines, with a step wherever a clock jumps.
import type { Trace } from "./trace";
import type { Data } from "./unpack";

/** From here on a clock is off by so many nanoseconds. */
export interface Bend {
  at: number;
  off: number;
}

interface Clock {
  bends: Bend[];
  at: number;
  off: number;
  /** Too fast by so much, in parts per million: both clocks, and the wall clock alone. */
  drift: number;
  slew: number;
}

/** By node. Nodes whose clocks are right to the microsecond are missing. */
export function offsets(trace: Trace, data: Data, nodes: number[], end: number): Map<number, Bend[]> {
  const clocks = new Map<number, Clock>();
  for (const node of nodes) {
    const { drift_ppm: drift = 0, offset_ns: off = 0 } = data.clocks[node - 1] ?? {};
    clocks.set(node, { bends: [{ at: 0, off }], at: 0, off, drift, slew: 0 });
  }
  const go = (clock: Clock, at: number) => {
    clock.off += ((at - clock.at) * (clock.drift + clock.slew)) / 1e6;
    clock.at = at;
    clock.bends.push({ at, off: clock.off });
  };
  /** By fault: the clock that it slews, and since when. */
  const slews = new Map<number, { clock: Clock; since: number; ppm: number }>();
  const [step, on, off, heal] = ["clock", "fault-on", "fault-off", "heal"].map((name) => trace.kinds.get(name));
  const unslew = (fault: number, at: number) => {
    const slew = slews.get(fault);
    if (!slews.delete(fault) || !slew) return;
    go(slew.clock, at);
    slew.clock.slew -= slew.ppm;
    slew.clock.off -= ((at - slew.since) * slew.ppm) / 1e6;
    slew.clock.bends.push({ at, off: slew.clock.off });
  };
  for (let e = 0; e < trace.length; e++) {
    const kind = trace.kind[e];
    if (kind !== step && kind !== on && kind !== off && kind !== heal) continue;
    const at = trace.at[e]!;
    if (kind === heal) [...slews.keys()].forEach((fault) => unslew(fault, at));
    else if (kind === off) unslew(trace.field(e, 0), at);
    else if (kind === on) {
      const fault = trace.field(e, 0);
      const ppm = data.faults[fault]?.slew_ppm ?? 0;
      const clock = clocks.get(trace.field(e, 1));
      if (!ppm || !clock) continue;
      go(clock, at);
      clock.slew += ppm;
      slews.set(fault, { clock, since: at, ppm });
    } else {
      const clock = clocks.get(trace.node[e]!);
      if (!clock) continue;
      go(clock, at);
      const [forward, back, fast, slow] = [0, 1, 2, 3].map((column) => trace.field(e, column)) as [number, number, number, number];
      if (forward || back) {
        clock.off += forward - back;
        clock.bends.push({ at, off: clock.off });
      } else clock.drift = fast - slow;
    }
  }
  const out = new Map<number, Bend[]>();
  for (const [node, clock] of clocks) {
    go(clock, end);
    if (clock.bends.some((it) => Math.abs(it.off) >= 1e3)) out.set(node, clock.bends);
  }
  return out;
}

/** The first bend at or after a time, by its place. */
export function after(bends: Bend[], at: number): number {
  let low = 0;
  let high = bends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bends[middle]!.at < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How far a clock is off at a time. */
export function offset(bends: Bend[], at: number): number {
  const place = after(bends, at);
  const [before, next] = [bends[place - 1], bends[place]];
  if (!before || !next) return (next ?? before)?.off ?? 0;
  const part = next.at > before.at ? (at - before.at) / (next.at - before.at) : 1;
  return before.off + (next.off - before.off) * part;
}
