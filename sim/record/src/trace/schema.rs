//! What a trace's numbers mean, as data: written into every packed trace, and as a page for people.

use super::RowKind;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    kind: String,
    columns: Vec<Named>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    words: Vec<String>,
}

/// Why the schema of a trace is not one that this build can read.
pub(super) enum Mismatch {
    /// It is no schema.
    Unreadable,
    /// It has something that this build does not know; the text names it.
    Unknown(String),
}

/// The schema of this build as one line of JSON.
pub(super) fn line() -> String {
    let kinds: Vec<Kind> = RowKind::ALL
        .iter()
        .map(|kind| Kind {
            kind: kind.name().to_owned(),
            columns: kind
                .columns()
                .iter()
                .map(|column| Named {
                    name: column.name.to_owned(),
                    words: column.words.iter().map(|&word| word.to_owned()).collect(),
                })
                .collect(),
        })
        .collect();
    let json = serde_json::to_string(&kinds).expect("plain data has a JSON form");
    format!("{json}\n")
}

/// How many columns each kind of a trace with this schema has. Its lists must be the beginnings of ours, for they only
/// ever grow at the end.
pub(super) fn widths(line: &[u8]) -> Result<Vec<usize>, Mismatch> {
    let kinds: Vec<Kind> = serde_json::from_slice(line).map_err(|_| Mismatch::Unreadable)?;
    let mut ours = RowKind::ALL.iter();
    kinds.iter().map(|theirs| width(theirs, ours.next().copied())).collect()
}

fn width(theirs: &Kind, ours: Option<RowKind>) -> Result<usize, Mismatch> {
    let kind = &theirs.kind;
    let Some(ours) = ours.filter(|ours| ours.name() == kind) else {
        return Err(Mismatch::Unknown(format!("the kind of event `{kind}` is not known here")));
    };
    let mut columns = ours.columns().iter();
    for named in &theirs.columns {
        let name = &named.name;
        let Some(column) = columns.next().filter(|column| column.name == name) else {
            return Err(Mismatch::Unknown(format!("the column `{name}` of `{kind}` is not known")));
        };
        let mut words = column.words.iter();
        if let Some(word) = named.words.iter().find(|word| words.next() != Some(&word.as_str())) {
            let what = format!("the word `{word}` of column `{name}` of `{kind}` is not known");
            return Err(Mismatch::Unknown(what));
        }
    }
    Ok(theirs.columns.len())
}

/// The table of `docs/trace.md`: each kind with its columns, words and meaning.
pub fn markdown() -> String {
    let mut text = String::from("| event | numbers | meaning |\n|---|---|---|\n");
    for kind in RowKind::ALL {
        let columns: Vec<String> = kind
            .columns()
            .iter()
            .map(|column| match column.words {
                [] => format!("`{}`", column.name),
                words => {
                    let words: Vec<&str> =
                        words.iter().map(|word| if word.is_empty() { "-" } else { word }).collect();
                    format!("`{}` ({})", column.name, words.join(", "))
                }
            })
            .collect();
        writeln!(text, "| `{}` | {} | {} |", kind.name(), columns.join(", "), kind.meaning())
            .expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_has_the_name_of_something_that_every_event_has() {
        for kind in RowKind::ALL {
            let mut names = vec!["event", "at", "node", "kind", "cause"];
            for column in kind.columns() {
                assert!(!names.contains(&column.name), "{}: {}", kind.name(), column.name);
                names.push(column.name);
            }
        }
    }
}
