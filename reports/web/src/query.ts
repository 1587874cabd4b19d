// Questions to events: `kind=apply node=2 index>=40`, or words that must stand in the sentence. And whose life is followed.
import type { Model } from "./model";
import { tell } from "./tell";

type Test = (event: number) => boolean;
const RELATION = /^([a-z_-]+)(!=|<=|>=|=|<|>)(.+)$/;

/** What an event must fulfil; all terms must hold. */
export function query(model: Model, text: string): Test | undefined {
  const terms = text.split(/[\s,]+/).filter((term) => term !== "");
  if (terms.length === 0) return undefined;
  const tests = terms.map((term) => parse(model, term.toLowerCase()));
  return (event) => tests.every((test) => test(event));
}

function parse(model: Model, term: string): Test {
  const { trace } = model;
  const [, name, relation, value] = RELATION.exec(term) ?? [];
  if (name === undefined || relation === undefined || value === undefined) {
    return (e) => tell(model, e).toLowerCase().includes(term) || trace.name(e) === term;
  }
  if (name === "kind") {
    const kinds = trace.schema.map((kind) => compare(kind.name, relation, value));
    return (e) => kinds[trace.kind[e]!]!;
  }
  const number = Number(value.replace(/^[npr](?=\d)/, ""));
  if (name === "node") return (e) => holds(trace.node[e]!, relation, number);
  if (name === "event") return (e) => holds(e, relation, number);
  if (name === "t") return (e) => holds(trace.at[e]! / 1e9, relation, number);
  const places = trace.schema.map((kind) => kind.columns.findIndex(([column]) => column === name));
  return (e) => {
    const place = places[trace.kind[e]!]!;
    if (place < 0) return false;
    const words = trace.schema[trace.kind[e]!]!.columns[place]![1];
    const field = trace.field(e, place);
    return words.length > 0 ? compare(words[field] ?? "", relation, value) : holds(field, relation, number);
  };
}

function compare(left: string, relation: string, right: string): boolean {
  return relation === "!=" ? left !== right : left === right;
}

function holds(left: number, relation: string, right: number): boolean {
  switch (relation) {
    case "=":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    default:
      return left >= right;
  }
}

/** The events in the life of an operation (p1#3), a log index (41), a term (t3) or a key (k0). */
export function follow(model: Model, what: string): Uint8Array | undefined {
  const wanted = what.trim();
  if (wanted === "") return undefined;
  const { trace } = model;
  const out = new Uint8Array(trace.length);
  const term = /^t(\d+)$/.exec(wanted);
  if (term) {
    const number = Number(term[1]);
    const places = trace.schema.map((kind) => kind.columns.findIndex(([column]) => column === "term"));
    for (let e = 0; e < trace.length; e++) {
      const place = places[trace.kind[e]!]!;
      if (place >= 0 && trace.field(e, place) === number) out[e] = 1;
    }
    return out;
  }
  const operations = new Set<string>();
  const indexes = new Set<number>();
  const id = /^p(\d+)#(\d+)$/.exec(wanted);
  if (/^\d+$/.test(wanted)) indexes.add(Number(wanted));
  else if (id) operations.add(`${id[1]}#${id[2]}`);
  else for (const [name, it] of model.operations) if (it.keys.includes(wanted)) operations.add(name);
  for (const [index, operation] of model.entries) if (operations.has(operation)) indexes.add(index);
  const covers = (first: number, last: number) => {
    for (const index of indexes) if (index >= first && index <= last) return true;
    return false;
  };
  const messages = new Set<number>();
  for (let e = 0; e < trace.length; e++) {
    const [a, b] = [trace.field(e, 0), trace.field(e, 1)];
    switch (trace.name(e)) {
      case "invoke":
      case "receive":
      case "reply":
      case "read":
      case "complete":
        if (operations.has(`${a}#${b}`)) out[e] = 1;
        break;
      case "apply":
      case "snapshot":
        if (indexes.has(a)) out[e] = 1;
        break;
      case "append":
        if (covers(a, b)) out[e] = 1;
        break;
      case "send":
        if (trace.word(e, 2) === "append" && covers(trace.field(e, 4) + 1, trace.field(e, 4) + trace.field(e, 5))) {
          messages.add(a);
          out[e] = 1;
        }
        break;
      case "deliver":
      case "drop":
        if (messages.has(a)) out[e] = 1;
        break;
      case "violation":
        out[e] = 1;
        break;
    }
  }
  return out;
}
