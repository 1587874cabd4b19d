// The two blocks of the page: base64, gzip.
import { gunzipSync } from "fflate";

/** A moment as the page shows it. */
export interface Moment {
  event: number;
  at: string;
  condition: string;
  text: string;
}

export interface Line {
  event: number;
  at: string;
  text: string;
  mark: "step" | "bad" | "detected";
}

export interface Operation {
  process: number;
  sequence: number;
  node: number;
  invoked: number;
  completed: number;
  /** 0 ok, 1 fail, 2 info. */
  outcome: number;
  revision: number;
  is_read: boolean;
  request: string;
  answer: string;
  keys: string[];
}

export interface Message {
  process: number;
  stream: number;
  node: number;
  at: number;
  kind: "sent" | "received" | "broken";
  watch: string;
  text: string;
  revisions: number[];
}

/** A client believed that it held a lock. */
export interface Hold {
  process: number;
  lock: string;
  lease: string;
  revision: number;
  from: number;
  to: number;
}

/** The life of a lease. `reports/src/page/holding.rs` says what its times are. */
export interface Lease {
  lease: string;
  process: number;
  asked: number;
  from: number;
  renewed: number[];
  promised: number;
  ended: number | null;
  end: "" | "expired" | "revoked";
  keys: string[];
}

/** Something that this run and another one have, and in which they differ. */
export interface Pair {
  what: string;
  sides: [string | null, string | null];
}

/** Another run beside this one. */
export interface Difference {
  other: string;
  events: [number, number];
  first: { event: number; sides: [string | null, string | null]; before: string[] } | null;
  terms: Pair[];
  entries: Pair[];
  operations: Pair[];
  faults: Pair[];
}

/** All but the events. `reports/src/page/data.rs` writes it. */
export interface Data {
  version: number;
  head: {
    code: string;
    class: string;
    sentence: string;
    bad: Moment | null;
    detected: Moment | null;
    trust: [string, string][];
  };
  story: Line[];
  kinds: { name: string; meaning: string }[];
  operations: Operation[];
  watches: Message[];
  faults: { kind: string; at: number; until: number; slew_ppm: number }[];
  plan: string;
  core: number[];
  evidence: number[];
  unplaced: number | null;
  placements: { after: number; before: number; forbidden: string }[];
  clocks: { drift_ppm: number; offset_ns: number }[];
  holds: Hold[];
  leases: Lease[];
  difference: Difference | null;
  heals: number;
  checks: [string, number, number][];
}

/** The bytes of a block; nothing if it is empty. */
export async function block(id: string): Promise<Uint8Array | undefined> {
  const text = document.getElementById(id)?.textContent?.trim();
  return text ? gunzip(bytes(text)) : undefined;
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  const native = Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  if (native.fromBase64) return native.fromBase64(text);
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}

async function gunzip(packed: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (typeof DecompressionStream === "undefined") return gunzipSync(packed);
  // Written to directly: a Blob's stream would come through another process, piece by piece.
  const { readable, writable } = new DecompressionStream("gzip");
  const writer = writable.getWriter();
  // Gzip ends with the length of what was packed.
  const out = new Uint8Array(new DataView(packed.buffer).getUint32(packed.byteLength - 4, true));
  await Promise.all([writer.write(packed), writer.close(), fill(out, readable.getReader())]);
  return out;
}

async function fill(out: Uint8Array, from: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  for (let at = 0; ; ) {
    const { value } = await from.read();
    if (!value) return;
    out.set(value, at);
    at += value.length;
  }
}
