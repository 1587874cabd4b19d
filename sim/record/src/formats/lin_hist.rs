//! `lin-hist/1`: JSON lines, a header and then one operation a line, in any order.
//!
//! ```text
//! {"format":"lin-hist/1","kind":"reg"}
//! {"p":1,"f":"put","k":"x","v":1,"t0":129,"t1":2241}
//! {"p":5,"f":"get","k":"x","t0":300,"t1":null}
//! ```
//!
//! `p` process, `f` what was asked, `k` key, `v` value, `t0` and `t1` invocation and return in any unit; `t1` null or
//! left out: never answered. A get shows in `out` what it saw, and without it that the key was absent. A cas has `from`
//! (null: the key must be absent; left out: the value 0, as Go's encoder does) and `ok`. Keys and values are numbers or
//! strings. An `id` may be left out; if there is one, no other operation has it. The kind `etcd` has revisions, ranges and transactions too, and is a [`History`](crate::History).

mod etcd;

use super::{Recorded, object::list, pairing::Names};
use crate::{
    PlainAction, PlainHistory, PlainOperation, SimTime,
    lines::{Lines, Malformed, parse_json},
};
use serde::{Deserialize, Deserializer, de};
use std::{collections::BTreeMap, fmt, io::BufRead};
use whitewater_api::{Key, Value};

/// The first line. What else it says is about the generator.
#[derive(Deserialize)]
struct Header {
    format: String,
    kind: String,
    /// How many lines follow.
    ops: Option<usize>,
    /// How many keys there are; those of kind etcd are numbers below it.
    keys: Option<u64>,
    /// What every key holds at the start.
    initial: Option<Scalar>,
}

/// One operation.
#[derive(Deserialize)]
struct Row {
    id: Option<Scalar>,
    p: u32,
    f: Verb,
    k: Option<Scalar>,
    kend: Option<Scalar>,
    v: Option<Scalar>,
    /// Null: the key must be absent.
    #[serde(default = "zero", deserialize_with = "nullable")]
    from: Option<Scalar>,
    out: Option<Scalar>,
    t0: u64,
    t1: Option<u64>,
    ok: Option<bool>,
    rev: Option<u64>,
    #[serde(default, deserialize_with = "list")]
    res: Vec<etcd::Answer>,
    #[serde(default, deserialize_with = "list")]
    cmp: Vec<etcd::Test>,
    #[serde(default, deserialize_with = "list")]
    then: Vec<etcd::Branch>,
    #[serde(default, rename = "else", deserialize_with = "list")]
    otherwise: Vec<etcd::Branch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Put,
    Get,
    Cas,
    Append,
    #[serde(alias = "delete")]
    Del,
    Range,
    Txn,
}

/// A key or a value: a number or a string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Scalar(String);

const FORMAT: &str = "lin-hist/1";

pub(super) fn read(lines: &mut Lines<impl BufRead>) -> Result<Recorded, Malformed> {
    let Some((line, text)) = lines.next_full()? else {
        return Err(Malformed::new(1, 1, "the file is empty: expected a header"));
    };
    let header: Header = parse_json(line, text)?;
    if header.format != FORMAT {
        let reason = format!("the format is `{}`, expected `{FORMAT}`", header.format);
        return Err(Malformed::at(line, text, "\"format\"", reason));
    }
    match header.kind.as_str() {
        "reg" | "kv" => plain(lines, header).map(Recorded::Plain),
        "etcd" => etcd::read(lines, &header).map(Recorded::Etcd),
        other => {
            let reason = format!("the kind is `{other}`, expected reg, kv or etcd");
            Err(Malformed::at(line, text, "\"kind\"", reason))
        }
    }
}

fn plain(lines: &mut Lines<impl BufRead>, header: Header) -> Result<PlainHistory, Malformed> {
    let (mut rows, mut actions, mut ids) = (Vec::new(), Vec::new(), Ids::default());
    while let Some((line, text)) = lines.next_full()? {
        let row: Row = parse_json(line, text)?;
        ids.note(&row, line, text)?;
        timely(&row, line, text)?;
        actions.push(action(&row, line, text)?);
        rows.push((line, row));
    }
    whole(header.ops, rows.len())?;
    let mut names = Names::new(rows.iter().map(|(_, row)| row.p));
    let mut both: Vec<_> = rows.into_iter().zip(actions).collect();
    both.sort_by_key(|((_, row), _)| row.t0);
    let mut operations = Vec::with_capacity(both.len());
    for ((line, row), action) in both {
        let process = names.now(row.p);
        if row.t1.is_none() {
            names.retire(row.p);
        }
        let (invoked, completed) = (SimTime(row.t0), row.t1.map(SimTime));
        if let (Some(action), Some(Scalar(key))) = (action, row.k) {
            let key = Key::from(key);
            operations.push(PlainOperation { process, key, invoked, completed, action, line });
        }
    }
    Ok(PlainHistory { initial: header.initial.map(Scalar::value), operations })
}

/// By id: the line in which it stands.
#[derive(Default)]
struct Ids(BTreeMap<Scalar, usize>);

impl Ids {
    /// An operation that is there twice would be judged as two.
    fn note(&mut self, row: &Row, line: usize, text: &str) -> Result<(), Malformed> {
        let Some(id) = &row.id else { return Ok(()) };
        match self.0.insert(id.clone(), line) {
            None => Ok(()),
            Some(first) => {
                let reason = format!("line {first} has the same id {}", id.0);
                Err(Malformed::at(line, text, "\"id\"", reason))
            }
        }
    }
}

/// What the operation says about its key; nothing for a read that nobody answered.
fn action(row: &Row, line: usize, text: &str) -> Result<Option<PlainAction>, Malformed> {
    needed(row.k.as_ref(), "k", line, text)?;
    let value = || needed(row.v.as_ref(), "v", line, text).map(|value| value.clone().value());
    let is_answered = row.t1.is_some();
    Ok(match row.f {
        Verb::Get => is_answered.then(|| PlainAction::Read(row.out.clone().map(Scalar::value))),
        Verb::Put => Some(PlainAction::Write(value()?)),
        Verb::Append => Some(PlainAction::Append(value()?)),
        Verb::Del => Some(PlainAction::Delete),
        Verb::Cas => {
            let (from, to) = (row.from.clone().map(Scalar::value), value()?);
            let swapped =
                if is_answered { Some(*needed(row.ok.as_ref(), "ok", line, text)?) } else { None };
            Some(PlainAction::Cas { from, to, swapped })
        }
        Verb::Range | Verb::Txn => {
            let reason = "expected put, get, cas, append or del: ranges and transactions are of the kind etcd";
            return Err(Malformed::at(line, text, "\"f\"", reason));
        }
    })
}

fn needed<'a, T>(
    field: Option<&'a T>,
    name: &str,
    line: usize,
    text: &str,
) -> Result<&'a T, Malformed> {
    field
        .ok_or_else(|| Malformed::at(line, text, "\"f\"", format!("the operation has no `{name}`")))
}

fn timely(row: &Row, line: usize, text: &str) -> Result<(), Malformed> {
    if row.t1.is_none_or(|returned| row.t0 <= returned) {
        return Ok(());
    }
    Err(Malformed::at(line, text, "\"t1\"", "the operation returns before it is invoked"))
}

fn whole(promised: Option<usize>, found: usize) -> Result<(), Malformed> {
    match promised {
        Some(promised) if promised != found => Err(Malformed::cut_off(promised, found)),
        Some(_) | None => Ok(()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature that serde asks for")]
fn zero() -> Option<Scalar> {
    Some(Scalar("0".to_owned()))
}

/// With a default of its own, a field is not null by being left out.
fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Scalar>, D::Error> {
    Option::deserialize(deserializer)
}

impl Scalar {
    fn value(self) -> Value {
        Value::from(self.0)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl de::Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or a string")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar(number.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar(text.to_owned()))
    }
}
