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

/** Events as columns. Numbers of 64 bits are signed here; those beyond 2^53 lose their last digits. */
export class Trace {
  readonly length: number;
  readonly kind: Uint8Array;
  readonly at: Float64Array;
  readonly node: Uint8Array;
  /** The event that brought it about; -1 for none. */
  readonly cause: Int32Array;
  /** The place of an event among those of its kind. */
  private readonly place: Int32Array;
  /** By kind: by column: by place. */
  private readonly columns: Float64Array[][] = [];
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
    this.cursor = end + 1;
    const n = (this.length = this.varint());
    this.kind = bytes.subarray(this.cursor, (this.cursor += n));
    this.at = new Float64Array(n);
    for (let i = 0, at = 0; i < n; i++) this.at[i] = at += this.varint();
    this.node = bytes.subarray(this.cursor, (this.cursor += n));
    this.cause = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const back = this.varint();
      this.cause[i] = back === 0 ? -1 : i - back;
    }
    this.place = new Int32Array(n);
    const counts = new Int32Array(schema.length);
    for (let i = 0; i < n; i++) this.place[i] = counts[this.kind[i]!]!++;
    for (let kind = 0; kind < schema.length; kind++) {
      const columns = schema[kind]!.columns.map(() => {
        const column = new Float64Array(counts[kind]!);
        this.sum(column);
        return column;
      });
      this.columns.push(columns);
    }
  }

  private cursor: number;

  private varint(): number {
    let byte = this.bytes[this.cursor++]!;
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 128;
    do {
      byte = this.bytes[this.cursor++]!;
      value += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte >= 0x80);
    return value;
  }

  /** Sums differences of 64 bits, exactly: a column may hold a hash here and a small number there. */
  private sum(column: Float64Array): void {
    const { bytes } = this;
    let at = this.cursor;
    let [low, high] = [0, 0];
    for (let i = 0; i < column.length; i++) {
      let byte = bytes[at++]!;
      let [l, h] = [byte & 0x7f, 0];
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
    this.cursor = at;
  }

  /** A number of an event, by its place in the columns of the kind. */
  field(event: number, column: number): number {
    return this.columns[this.kind[event]!]![column]?.[this.place[event]!] ?? 0;
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
