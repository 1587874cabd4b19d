// The packed trace, `sim/record/src/trace/columns.rs`, as columns in memory.
const MAGIC = "whitewater-trace 2\n";

interface OwnKind {
  kind: string;
  columns: { name: string; words?: string[] }[];
}

interface Kind {
  name: string;
  meaning: string;
  columns: [string, string[]][];
}

const NONE = new Int32Array(0);

/**
 * Events as columns. Most of a large trace is never looked at: a column stays packed until somebody asks for one of its
 * numbers. Numbers of 64 bits are signed here; those beyond 2^53 lose their last digits.
 */
export class Trace {
  readonly length: number;
  readonly kind: Uint8Array;
  readonly at: Float64Array;
  readonly node: Uint8Array;
  /** The place of an event among those of its kind. */
  private readonly place: Int32Array;
  /** By kind: its events, in order. */
  private readonly events: Int32Array[];
  /** By kind: by column: by place; or where its bytes begin. */
  private readonly columns: (Float64Array | number)[][] = [];
  private causes: Int32Array | number;
  readonly schema: Kind[];
  /** The number of a kind, by its name. */
  readonly kinds = new Map<string, number>();

  constructor(
    private readonly bytes: Uint8Array,
    kinds: { name: string; meaning: string }[],
  ) {
    const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
    if (magic !== MAGIC) throw new Error(`the trace begins with ${JSON.stringify(magic)}`);
    // The trace says itself what its numbers mean.
    const end = bytes.indexOf(10, MAGIC.length);
    const own = JSON.parse(new TextDecoder().decode(bytes.subarray(MAGIC.length, end))) as OwnKind[];
    const meanings = new Map(kinds.map((kind) => [kind.name, kind.meaning]));
    const schema = (this.schema = own.map((it) => ({
      name: it.kind,
      meaning: meanings.get(it.kind) ?? "",
      columns: it.columns.map((column): [string, string[]] => [column.name, column.words ?? []]),
    })));
    schema.forEach((kind, number) => this.kinds.set(kind.name, number));
    let cursor = end + 1;
    const after = skipped(bytes, cursor, 1);
    const n = (this.length = varints(bytes, cursor, 1)[0]!);
    this.kind = bytes.subarray(after, (cursor = after + n));
    this.at = varints(bytes, cursor, n);
    for (let i = 1; i < n; i++) this.at[i]! += this.at[i - 1]!;
    cursor = skipped(bytes, cursor, n);
    this.node = bytes.subarray(cursor, (cursor += n));
    this.causes = cursor;
    cursor = skipped(bytes, cursor, n);
    const counts = new Int32Array(256);
    for (let i = 0; i < n; i++) counts[this.kind[i]!]!++;
    this.events = schema.map((_, kind) => new Int32Array(counts[kind]!));
    for (let kind = 0; kind < schema.length; kind++) {
      this.columns.push(
        schema[kind]!.columns.map(() => {
          const begin = cursor;
          cursor = skipped(bytes, cursor, counts[kind]!);
          return begin;
        }),
      );
    }
    this.place = new Int32Array(n);
    counts.fill(0);
    for (let i = 0; i < n; i++) {
      const kind = this.kind[i]!;
      const place = counts[kind]!++;
      this.place[i] = place;
      this.events[kind]![place] = i;
    }
  }

  /** The event that brought one about; -1 for none. */
  cause(event: number): number {
    if (typeof this.causes === "number") {
      const back = varints(this.bytes, this.causes, this.length);
      this.causes = Int32Array.from(back, (it, i) => (it === 0 ? -1 : i - it));
    }
    return this.causes[event]!;
  }

  /** The events of a kind, in order. */
  all(kind: string): Int32Array {
    return this.events[this.kinds.get(kind) ?? -1] ?? NONE;
  }

  /** A number of all events of a kind, in the same order. */
  numbers(kind: string, column: number): Float64Array {
    return this.column(this.kinds.get(kind) ?? -1, column) ?? new Float64Array(this.all(kind).length);
  }

  private column(kind: number, column: number): Float64Array | undefined {
    const it = this.columns[kind]?.[column];
    if (typeof it !== "number") return it;
    return (this.columns[kind]![column] = sums(this.bytes, it, this.events[kind]!.length));
  }

  /** A number of an event, by its place in the columns of the kind. */
  field(event: number, column: number): number {
    return this.column(this.kind[event]!, column)?.[this.place[event]!] ?? 0;
  }

  name(event: number): string {
    return this.schema[this.kind[event]!]!.name;
  }

  is(event: number, kind: string): boolean {
    return this.kind[event] === this.kinds.get(kind);
  }

  /** The word that a number stands for, or the number. */
  word(event: number, column: number): string {
    const words = this.schema[this.kind[event]!]!.columns[column]?.[1];
    const value = this.field(event, column);
    return words?.[value] ?? String(value);
  }

  /** The first event at or after a time. */
  first(at: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at[middle]! < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Where so many numbers end. */
function skipped(bytes: Uint8Array, begin: number, count: number): number {
  let at = begin;
  for (let left = count; left > 0; at++) if (bytes[at]! < 0x80) left--;
  return at;
}

/** So many numbers, each below 2^53. */
function varints(bytes: Uint8Array, begin: number, count: number): Float64Array {
  const out = new Float64Array(count);
  let at = begin;
  for (let i = 0; i < count; i++) {
    let byte = bytes[at++]!;
    let value = byte & 0x7f;
    for (let scale = 128; byte >= 0x80; scale *= 128) {
      byte = bytes[at++]!;
      value += (byte & 0x7f) * scale;
    }
    out[i] = value;
  }
  return out;
}

/** Sums differences of 64 bits, exactly: a column may hold a hash here and a small number there. */
function sums(bytes: Uint8Array, begin: number, count: number): Float64Array {
  const column = new Float64Array(count);
  let at = begin;
  let low = 0;
  let high = 0;
  for (let i = 0; i < count; i++) {
    let byte = bytes[at++]!;
    let l = byte & 0x7f;
    let h = 0;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = bytes[at++]!;
      const part = byte & 0x7f;
      if (shift < 32) l |= part << shift;
      if (shift > 25) h |= shift < 32 ? part >>> (32 - shift) : part << (shift - 32);
    }
    // The zigzag: the lowest bit is the sign.
    const sign = -(l & 1);
    l = ((l >>> 1) | (h << 31)) ^ sign;
    h = (h >>> 1) ^ sign;
    const sum = (low >>> 0) + (l >>> 0);
    low = sum | 0;
    high = (high + h + (sum > 0xffffffff ? 1 : 0)) | 0;
    column[i] = high * 4294967296 + (low >>> 0);
  }
  return column;
}
