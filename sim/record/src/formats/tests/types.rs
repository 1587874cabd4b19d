//! Another type at each field of each format: either the format says that it will do, or the place is named.

use super::{Format, Recorded, read};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};

/// Of `lin-hist/1`, both kinds.
const LIN_HIST: &str = r#"{"format":"lin-hist/1","kind":"etcd","ops":4,"keys":4}
{"p":1,"f":"put","k":0,"v":1,"t0":1,"t1":9,"rev":2}
{"p":2,"f":"range","k":0,"kend":4,"t0":10,"t1":12,"rev":2,"res":[{"kvs":[{"k":0,"v":1,"mod":2,"ver":1}]}]}
{"p":1,"f":"txn","t0":20,"t1":29,"rev":3,"cmp":[{"k":0,"mod":2}],"then":[{"f":"put","k":0,"v":2}],"else":[{"f":"get","k":0}],"ok":true,"res":[{}]}
{"p":3,"f":"put","k":1,"v":3,"t0":21,"t1":null}
"#;
const REGISTER: &str = r#"{"format":"lin-hist/1","kind":"reg","ops":3,"initial":0}
{"p":1,"f":"put","k":0,"v":1,"t0":1,"t1":9}
{"p":2,"f":"cas","k":0,"from":1,"v":2,"ok":true,"t0":10,"t1":12}
{"p":1,"f":"get","k":0,"out":2,"t0":20,"t1":29}
"#;

/// A history that the command is tested with.
fn stored(name: &str) -> String {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/histories");
    fs::read_to_string(home.join(name)).unwrap()
}

/// The name of a type, as JSON and EDN have them.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "fraction",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The paths of all values within a value.
fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    if !path.is_empty() {
        found.push(path.to_owned());
    }
    match value {
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                paths(item, &format!("{path}/{place}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                paths(field, &format!("{path}/{name}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The path without positions in arrays.
fn field(path: &str) -> String {
    let names = path.split('/').filter(|name| name.parse::<u32>().is_err());
    names.collect::<Vec<_>>().join("/")
}

/// Reads `text`, of which line `line` was changed; whether it was accepted. If not, the error must name the file, a line
/// from there on, and a column in it.
fn is_accepted(format: Format, text: &str, line: usize, what: &str) -> bool {
    let Err(error) = read("h", Some(format), text.as_bytes()) else { return true };
    assert_eq!(error.name, "h", "{format}, {what}: {error}");
    let lines: Vec<&str> = text.lines().collect();
    let is_later = error.line > line && error.line <= lines.len() + 1;
    assert!(error.line == line || is_later, "{format}, {what}: line {line} is wrong: {error}");
    let length = lines.get(error.line - 1).map_or(0, |line| line.len());
    assert!((1..=length + 1).contains(&error.column), "{format}, {what}: {error}");
    assert!(!error.reason.is_empty(), "{format}, {what}");
    false
}

/// All fields of a JSON format, with what they accept instead of what stands there, as `field: type`.
fn json_matrix(format: Format, text: &str) -> (usize, BTreeSet<String>) {
    let others =
        [json!(null), json!(true), json!(-7), json!(1.5), json!("word"), json!([]), json!({})];
    let (mut tried, mut accepted) = (0, BTreeSet::new());
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let whole: Value = serde_json::from_str(line).unwrap();
        let mut all = Vec::new();
        paths(&whole, "", &mut all);
        for path in all {
            for other in &others {
                let mut changed = whole.clone();
                let place = changed.pointer_mut(&path).unwrap();
                if kind(place) == kind(other) {
                    continue;
                }
                *place = other.clone();
                let mut text: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
                text[number] = changed.to_string();
                let text = text.join("\n") + "\n";
                let what = format!("{}: {}", field(&path), kind(other));
                tried += 1;
                if is_accepted(format, &text, number + 1, &what) {
                    accepted.insert(what);
                }
            }
        }
    }
    (tried, accepted)
}

/// The same for words that stand between separators: `is_value` says of each which field it is, if it is one.
fn word_matrix(
    format: Format,
    text: &str,
    separators: &[char],
    field: impl Fn(&[&str], usize) -> Option<String>,
) -> (usize, BTreeSet<String>) {
    let others = [
        ("nil", "null"),
        ("true", "bool"),
        ("1.5", "fraction"),
        ("\"w\"", "string"),
        (":w", "word"),
        ("[]", "array"),
        ("{}", "object"),
    ];
    let (mut tried, mut accepted) = (0, BTreeSet::new());
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split_inclusive(separators).collect();
        for place in 0..words.len() {
            let Some(name) = field(&words, place) else { continue };
            let word = words[place].trim_end_matches(separators);
            for (other, kind) in others {
                if word == other {
                    continue;
                }
                let changed = words[place].replacen(word, other, 1);
                let mut line: Vec<&str> = words.clone();
                line[place] = &changed;
                let line = line.concat();
                let mut all = lines.clone();
                all[number] = &line;
                let what = format!("{name}: {kind}");
                tried += 1;
                if is_accepted(format, &(all.join("\n") + "\n"), number + 1, &what) {
                    accepted.insert(what);
                }
            }
        }
    }
    (tried, accepted)
}

/// What is accepted is what the formats say, word for word.
fn assert_accepted((tried, accepted): (usize, BTreeSet<String>), least: usize, expected: &[&str]) {
    assert!(tried >= least, "{tried} changes were tried only");
    let expected: BTreeSet<String> = expected.iter().map(|it| (*it).to_owned()).collect();
    let more: Vec<&String> = accepted.difference(&expected).collect();
    let less: Vec<&String> = expected.difference(&accepted).collect();
    assert!(more.is_empty() && less.is_empty(), "accepted too: {more:#?}, not: {less:#?}");
}

/// Fields that accept other types, each with these.
fn fields(accepted: &[(&str, &[&str])]) -> Vec<String> {
    let kinds = |(field, kinds): &(&str, &[&str])| {
        kinds.iter().map(|kind| format!("{field}: {kind}")).collect::<Vec<_>>()
    };
    accepted.iter().flat_map(kinds).collect()
}

fn assert_fields(matrix: (usize, BTreeSet<String>), least: usize, accepted: &[(&str, &[&str])]) {
    let expected = fields(accepted);
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_accepted(matrix, least, &expected);
}

/// Keys and values may be strings, what may be left out null.
#[test]
fn another_type_is_refused_in_registers_of_lin_hist() {
    assert_fields(
        json_matrix(Format::LinHist, REGISTER),
        90,
        &[
            ("/from", &["null", "string"]),
            ("/initial", &["null", "string"]),
            ("/k", &["string"]),
            ("/ops", &["null"]),
            ("/out", &["null", "string"]),
            ("/t1", &["null"]),
            ("/v", &["string"]),
        ],
    );
}

#[test]
fn another_type_is_refused_in_etcd_of_lin_hist() {
    assert_fields(
        json_matrix(Format::LinHist, LIN_HIST),
        200,
        &[
            ("/cmp", &["null"]),
            ("/cmp/k", &["string"]),
            ("/else", &["null"]),
            ("/else/k", &["string"]),
            ("/k", &["string"]),
            ("/kend", &["string"]),
            ("/keys", &["null"]),
            ("/ops", &["null"]),
            ("/res", &["null"]),
            ("/res/kvs", &["null"]),
            ("/res/kvs/k", &["string"]),
            ("/res/kvs/v", &["string"]),
            ("/t1", &["null"]),
            ("/then", &["null"]),
            ("/then/k", &["string"]),
            ("/then/v", &["string"]),
            ("/v", &["string"]),
        ],
    );
}

/// An array may stand for an object all of whose fields may be left out: it is read by derived code, and only written so.
#[test]
fn another_type_is_refused_in_histories_of_whitewater() {
    let Ok((_, Recorded::Etcd(history))) = read("h", None, LIN_HIST.as_bytes()) else { panic!() };
    let mut bytes = Vec::new();
    history.write(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_fields(
        json_matrix(Format::Whitewater, &text),
        200,
        &[
            ("/completion/ok/body/put", &["array"]),
            ("/completion/ok/body/txn/responses/put", &["array"]),
            ("/request/txn", &["array"]),
        ],
    );
}

/// Go writes what is not there as null. What is not read may be anything.
#[test]
fn another_type_is_refused_in_operations_of_etcds_tests() {
    let text = stored("etcd/client-1/operations.json");
    let all = ["array", "bool", "fraction", "number", "object", "string"];
    let all_and_null = ["array", "bool", "fraction", "null", "number", "object", "string"];
    assert_fields(
        json_matrix(Format::EtcdRobustness, &text),
        100,
        &[
            ("/Input/Defragment", &all_and_null),
            ("/Input/Range", &["object"]),
            ("/Input/Txn", &["object"]),
            ("/Input/Txn/Conditions", &["array", "null"]),
            ("/Input/Txn/OperationsOnFailure", &["array", "null"]),
            ("/Input/Txn/OperationsOnSuccess", &["null"]),
            ("/Output/Defragment", &all_and_null),
            ("/Output/LeaseGrant", &all),
            ("/Output/LeaseRevoke", &all),
            ("/Output/Range", &["object"]),
            ("/Output/Txn", &["object"]),
            ("/Output/Txn/Results", &["null"]),
            ("/Output/Txn/Results/KVs", &["array"]),
        ],
    );
}

/// The name before a value in a map, and of a value for which operation it is. What the nemesis does is not looked at.
fn after_name(words: &[&str], place: usize) -> Option<String> {
    let bare = |word: &str| word.trim_matches(['{', ',', ' ', '[', '}', ']']).to_owned();
    let value = |name: &str| {
        let at = words.iter().position(|word| bare(word) == name)?;
        words.get(at + 1).map(|word| bare(word))
    };
    let name = bare(words.get(place.checked_sub(1)?)?);
    let is_name = [":process", ":type", ":f", ":value", ":key", ":time", ":index"];
    if !is_name.contains(&name.as_str()) || value(":process")? == ":nemesis" {
        return None;
    }
    Some(if name == ":value" {
        format!("{name} of {} {}", value(":type")?, value(":f")?)
    } else {
        name
    })
}

/// What is not read may be anything, and a map without a time stands where it stands.
#[test]
fn another_type_is_refused_in_jepsens_edn() {
    let text = stored("jepsen.edn");
    let matrix = word_matrix(Format::JepsenEdn, &text, &[' ', ',', '}'], after_name);
    let index = ["array", "bool", "fraction", "null", "object", "string", "word"];
    assert_fields(matrix, 50, &[(":index", &index), (":time", &["null"])]);
}

#[test]
fn another_type_is_refused_in_porcupines_maps() {
    let text = stored("porcupine.txt");
    let matrix = word_matrix(Format::PorcupineKv, &text, &[' ', ',', '}'], after_name);
    let any = ["array", "bool", "fraction", "null", "object", "string", "word"];
    let scalar = ["bool", "fraction", "string", "word"];
    assert_fields(
        matrix,
        50,
        &[
            (":value of :invoke :append", &scalar),
            (":value of :invoke :get", &["array", "bool", "fraction", "object", "string", "word"]),
            (":value of :ok :append", &any),
            (":value of :ok :get", &["bool", "fraction", "null", "string", "word"]),
        ],
    );
}

#[test]
fn another_type_is_refused_in_jepsens_log() {
    let column = |words: &[&str], place: usize| {
        let [head, kind, verb, _] = words else { return None };
        if head.contains(":nemesis") {
            return None;
        }
        match place {
            1 => Some("type".to_owned()),
            2 => Some("f".to_owned()),
            3 => Some(format!("value of {} {}", kind.trim(), verb.trim())),
            _ => None,
        }
    };
    let matrix = word_matrix(Format::JepsenLog, &stored("jepsen.log"), &['\t'], column);
    let any = ["array", "bool", "fraction", "null", "object", "string", "word"];
    // What was asked counts, and what a read saw. Whatever can be compared is a value; nothing is written by a nil.
    let scalar = ["bool", "fraction", "null", "string", "word"];
    assert_fields(
        matrix,
        50,
        &[
            ("value of :fail :cas", &any),
            ("value of :info :cas", &any),
            ("value of :invoke :read", &["array", "bool", "fraction", "object", "string", "word"]),
            ("value of :invoke :write", &scalar),
            ("value of :ok :read", &scalar),
            ("value of :ok :write", &any),
        ],
    );
    for process in ["nil", "true", "1.5", "\"w\"", ":w", "[]", "{}", "-1"] {
        let text = format!("INFO  jepsen.util - {process}\t:invoke\t:read\tnil\n");
        assert!(!is_accepted(Format::JepsenLog, &text, 1, process), "{process}");
    }
}
