//! Events of Jepsen and of Porcupine's histories of keys: EDN maps, one a line or in one vector, or a log.
//!
//! ```text
//! {:index 0, :time 29, :process 3, :type :invoke, :f :cas, :value [1 2]}     Jepsen's history.edn
//! {:process 9, :type :ok, :f :get, :key "1", :value "x 9 0 y"}               Porcupine's KV histories
//! INFO  jepsen.util - 3<tab>:invoke<tab>:cas<tab>[1 2]                       Jepsen's log
//! ```

use super::{
    edn::{Edn, Form, Reader},
    end,
    pairing::{Argument, Event, Kind, Pairing, Verb},
};
use crate::{
    PlainHistory,
    lines::{Lines, Malformed, NOT_TEXT, unreadable},
};
use std::io::BufRead;
use whitewater_api::{Key, Value};

/// The one key of a register.
const REGISTER: &str = "register";

/// Who is not a client.
const NEMESIS: &str = "nemesis";

/// What stands for a process.
const PROCESS_EXPECTED: &str = "expected the number of a process, or :nemesis";

/// The logger that Jepsen writes operations with.
const LOGGER: &str = "jepsen.util";

/// Levels of other lines of a log, which are passed over.
const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// Reads maps in EDN.
pub(super) fn read_edn(
    mut input: impl BufRead,
    empty_is_absent: bool,
) -> Result<PlainHistory, Malformed> {
    let mut bytes = Vec::new();
    let read = input.read_to_end(&mut bytes);
    if let Err(error) = read {
        let (line, column) = end(&bytes);
        return Err(unreadable(line, column, &error));
    }
    let text = str::from_utf8(&bytes).map_err(|error| {
        let (line, column) = end(&bytes[..error.valid_up_to()]);
        Malformed::new(line, column + 1, NOT_TEXT)
    })?;
    let mut reader = Reader::new(text);
    let mut pairing = Pairing::new(empty_is_absent);
    while let Some(value) = reader.next()? {
        let Form::Map(pairs) = &value.form else {
            return Err(reader.object(value.at, "expected a map with :process, :type and :f"));
        };
        if let Some(event) = event(&mut reader, value.at, pairs)? {
            pairing.event(event)?;
        }
    }
    pairing.finish()
}

/// Reads a log.
pub(super) fn read_log(input: impl BufRead) -> Result<PlainHistory, Malformed> {
    let mut lines = Lines::new(input);
    let mut pairing = Pairing::new(false);
    while let Some((line, text)) = lines.next_full()? {
        let end = text.len() + 1;
        let Some(event) = log_event(line, text)? else { continue };
        // A part of a number is a number.
        if !lines.has_end() {
            return Err(Malformed::new(line, end, "the line has no end: the file was cut off"));
        }
        pairing.event(event)?;
    }
    pairing.finish()
}

/// One map. Nothing, if it is not a client's.
fn event(reader: &mut Reader, at: usize, pairs: &[(Edn, Edn)]) -> Result<Option<Event>, Malformed> {
    let find = |name: &str| {
        let is_it = |(key, _): &&(Edn, Edn)| key.form == Form::Keyword(name);
        pairs.iter().find(is_it).map(|(_, value)| value)
    };
    let mut need =
        |name: &str| find(name).ok_or_else(|| reader.object(at, format!("the map has no :{name}")));
    let (process, kind, verb) = (need("process")?, need("type")?, need("f")?);
    let process = match &process.form {
        // The nemesis is not a client.
        Form::Keyword(NEMESIS) => return Ok(None),
        Form::Word(word) => number(word),
        Form::Nil
        | Form::Text(_)
        | Form::Keyword(_)
        | Form::Sequence(_)
        | Form::Set
        | Form::Map(_) => None,
    }
    .ok_or_else(|| reader.object(process.at, PROCESS_EXPECTED))?;
    let word = |value: &Edn| match &value.form {
        Form::Keyword(word) => (*word).to_owned(),
        Form::Text(word) => word.clone().into_owned(),
        Form::Nil | Form::Word(_) | Form::Sequence(_) | Form::Set | Form::Map(_) => String::new(),
    };
    let kind = kind_of(&word(kind)).map_err(|expected| reader.object(kind.at, expected))?;
    let verb = verb_of(&word(verb)).map_err(|expected| reader.object(verb.at, expected))?;
    let time = match find("time").map(|time| (time.at, &time.form)) {
        None | Some((_, Form::Nil)) => None,
        Some((_, Form::Word(word))) if number::<u64>(word).is_some() => number(word),
        Some((at, _)) => return Err(reader.object(at, "expected a time in nanoseconds")),
    };
    let nil = Edn { at, form: Form::Nil };
    let value = find("value").unwrap_or(&nil);
    let named = find("key").map(|key| scalar(key).map(Option::unwrap_or_default));
    let named = named.transpose().map_err(|(at, expected)| reader.object(at, expected))?;
    let what = argument(kind, verb, named.map(|key| Key(key.0)), value);
    let (key, argument) = what.map_err(|(at, expected)| reader.object(at, expected))?;
    let (line, column) = reader.place(at);
    let has_error = find("error").is_some_and(|error| error.form != Form::Nil);
    Ok(Some(Event { line, column, process, kind, verb, key, argument, time, has_error }))
}

/// One line of a log. Nothing, if it is from elsewhere in Jepsen, or not a client's.
fn log_event(line: usize, text: &str) -> Result<Option<Event>, Malformed> {
    let mut fields = text.splitn(4, '\t');
    let head = fields.next().unwrap_or_default();
    let is_operation = head.contains(LOGGER) || text.contains("\t:");
    if !is_operation && head.split_whitespace().any(|word| LEVELS.contains(&word)) {
        return Ok(None);
    }
    let mut column = head.len() + 1;
    let mut next = |what: &str| {
        let found = fields.next().map(|field| (field, column + 1));
        column += found.map_or(0, |(field, _)| field.len() + 1);
        let missing = || {
            format!(
                "expected a tab and {what}: an operation of a log is PROCESS, :TYPE, :OP and VALUE"
            )
        };
        found.ok_or_else(|| Malformed::new(line, column, missing()))
    };
    let (kind, kind_at) = next("the type")?;
    let (verb, verb_at) = next("the operation")?;
    let (value, value_at) = next("the value")?;
    let process = head.rsplit(' ').next().unwrap_or_default();
    let process_at = head.len() - process.len() + 1;
    if process.strip_prefix(':') == Some(NEMESIS) {
        return Ok(None);
    }
    let process =
        number(process).ok_or_else(|| Malformed::new(line, process_at, PROCESS_EXPECTED))?;
    let keyword = |field: &str| field.trim().trim_start_matches(':').to_owned();
    let kind = kind_of(&keyword(kind)).map_err(|text| Malformed::new(line, kind_at, text))?;
    let verb = verb_of(&keyword(verb)).map_err(|text| Malformed::new(line, verb_at, text))?;
    // A log writes each value on its line, so that the places of the reader need only be moved.
    let place = |at: usize, reason: &str| Malformed::new(line, value_at + at, reason);
    // Jepsen puts a reason behind the value, after another tab.
    let (value, reason) = value.split_once('\t').unwrap_or((value, ""));
    // In a list, because the reader enters a sequence that is the outermost value.
    let listed = format!("([{value}])");
    let mut reader = Reader::new(&listed);
    let moved = |error: Malformed| {
        place((error.column - 1).saturating_sub(2).min(value.len()), &error.reason)
    };
    let Some(Edn { form: Form::Sequence(values), .. }) = reader.next().map_err(moved)? else {
        return Err(place(0, "expected a value"));
    };
    let [value] = &values[..] else { return Err(place(0, "expected one value")) };
    let what = argument(kind, verb, None, value);
    let (key, argument) = what.map_err(|(at, expected)| place(at.saturating_sub(2), &expected))?;
    let has_error = !reason.trim().is_empty();
    let (column, time) = (1, None);
    Ok(Some(Event { line, column, process, kind, verb, key, argument, time, has_error }))
}

fn kind_of(word: &str) -> Result<Kind, String> {
    Ok(match word {
        "invoke" => Kind::Invoke,
        "ok" => Kind::Ok,
        "fail" => Kind::Fail,
        "info" => Kind::Info,
        _ => return Err("expected :invoke, :ok, :fail or :info".to_owned()),
    })
}

fn verb_of(word: &str) -> Result<Verb, String> {
    Ok(match word {
        "read" | "get" => Verb::Read,
        "write" | "put" => Verb::Write,
        "append" => Verb::Append,
        "delete" => Verb::Delete,
        "cas" => Verb::Cas,
        _ => {
            return Err(
                "expected :read, :write, :cas, :get, :put, :append or :delete: histories of registers and of keys \
                 can be judged"
                    .to_owned(),
            );
        }
    })
}

type Expected = (usize, String);

/// Key and argument. Without a key of its own, a value that is a pair begins with one (`jepsen.independent`).
fn argument(
    kind: Kind,
    verb: Verb,
    named: Option<Key>,
    value: &Edn,
) -> Result<(Option<Key>, Argument), Expected> {
    let tells = match kind {
        Kind::Invoke => true,
        Kind::Ok => verb == Verb::Read,
        // Jepsen writes the reason here, or repeats what was asked.
        Kind::Fail | Kind::Info => false,
    };
    if !tells {
        return Ok((named, Argument::Nothing));
    }
    let pair = match &value.form {
        Form::Sequence(values) => <&[Edn; 2]>::try_from(&values[..]).ok(),
        Form::Nil | Form::Text(_) | Form::Keyword(_) | Form::Word(_) | Form::Set | Form::Map(_) => {
            None
        }
    };
    let is_keyed = match (verb, pair) {
        (Verb::Cas, Some([_, second])) => matches!(second.form, Form::Sequence(_)),
        (Verb::Read | Verb::Write | Verb::Append | Verb::Delete, pair) => pair.is_some(),
        (Verb::Cas, None) => false,
    };
    let (key, value) = match (named, pair) {
        (None, Some([key, value])) if is_keyed => (Key(scalar(key)?.unwrap_or_default().0), value),
        (named, _) => (named.unwrap_or_else(|| REGISTER.into()), value),
    };
    let argument = match verb {
        Verb::Read if kind == Kind::Invoke => Argument::Nothing,
        Verb::Delete => Argument::Nothing,
        Verb::Read | Verb::Write | Verb::Append => Argument::One(scalar(value)?),
        Verb::Cas => match &value.form {
            Form::Sequence(values) if values.len() == 2 => {
                let (from, to) = (scalar(&values[0])?, scalar(&values[1])?);
                if to.is_none() {
                    return Err((values[1].at, "a cas must write a value".to_owned()));
                }
                Argument::Two(from, to)
            }
            Form::Nil
            | Form::Text(_)
            | Form::Keyword(_)
            | Form::Word(_)
            | Form::Sequence(_)
            | Form::Set
            | Form::Map(_) => return Err((value.at, "expected the values `[from to]`".to_owned())),
        },
    };
    Ok((Some(key), argument))
}

/// A value that can be compared; nothing for nil.
fn scalar(value: &Edn) -> Result<Option<Value>, Expected> {
    match &value.form {
        Form::Nil => Ok(None),
        Form::Text(text) => Ok(Some(Value::from(&**text))),
        Form::Keyword(word) => Ok(Some(Value::from(format!(":{word}")))),
        Form::Word(word) => Ok(Some(Value::from(*word))),
        Form::Sequence(_) | Form::Set | Form::Map(_) => {
            Err((value.at, "expected a number, a string or nil".to_owned()))
        }
    }
}

fn number<N: std::str::FromStr>(word: &str) -> Option<N> {
    word.parse().ok()
}
