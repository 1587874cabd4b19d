//! Errors of scenario files: where, which field, what is wrong, what was expected.

use std::fmt::Write;
use thiserror::Error;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use whitewater_record::{PlanError, plan::syntax_error};

/// A scenario that cannot be planned.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// The text is not a scenario.
    #[error("{place}: {field}{}{reason}", if field.is_empty() { "" } else { ": " })]
    File {
        /// File, line and column.
        place: String,
        /// The path of the field, such as `fault[2].length`; empty if the text is not even TOML.
        field: String,
        /// What is wrong there, and what was expected.
        reason: String,
    },
    /// No scenario of the catalogue has this name.
    #[error("`{name}` is not a scenario; the catalogue has {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
}

/// A field with a value that means nothing. [`ScenarioError::File`] without its place.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) field: String,
    pub(crate) reason: String,
}

impl Complaint {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// Adds the place, by looking the field up in the text.
    pub(crate) fn at(self, name: &str, text: &str) -> ScenarioError {
        let offset = DeTable::parse(text)
            .map_or(0, |table| offset_of(table.get_ref(), &self.field).unwrap_or(0));
        let place = format!("{name}:{}", line_and_column(text, offset));
        ScenarioError::File { place, field: self.field, reason: self.reason }
    }
}

/// Turns an error of the TOML reader into one that names the field too.
pub(crate) fn unreadable(name: &str, text: &str, error: &toml::de::Error) -> ScenarioError {
    let (place, reason) = match syntax_error(name, text, error) {
        PlanError::Syntax { place, reason } => (place, reason),
        PlanError::Field { field, reason } => (format!("{name}: {field}"), reason),
    };
    let mut field = String::new();
    if let (Ok(table), Some(span)) = (DeTable::parse(text), error.span()) {
        path_to(table.get_ref(), span.start, &mut field);
    }
    ScenarioError::File { place, field, reason }
}

/// Appends the path of the field whose key or value covers `offset`. An inner table may lie outside of the span of
/// its parent (`[a]` far from `[a.b]`), so every branch is tried.
fn path_to(table: &DeTable<'_>, offset: usize, path: &mut String) -> bool {
    table.iter().any(|(key, value)| {
        let length = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key.get_ref());
        let found = inside(value, offset, path) || key.span().contains(&offset);
        if !found {
            path.truncate(length);
        }
        found
    })
}

fn inside(value: &Spanned<DeValue<'_>>, offset: usize, path: &mut String) -> bool {
    let deeper = match value.get_ref() {
        DeValue::Table(table) => path_to(table, offset, path),
        DeValue::Array(items) => items.iter().enumerate().any(|(i, item)| {
            let length = path.len();
            write!(path, "[{i}]").expect("a string takes everything");
            let found = inside(item, offset, path);
            if !found {
                path.truncate(length);
            }
            found
        }),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => false,
    };
    deeper || value.span().contains(&offset)
}

/// Where the field at `path` starts, or the nearest thing around it that is there.
fn offset_of(table: &DeTable<'_>, path: &str) -> Option<usize> {
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, index) = match head.split_once('[') {
        Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
        None => (head, None),
    };
    let (key, mut value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    let mut start = key.span().start;
    if let (Some(index), Some(items)) = (index, value.get_ref().as_array()) {
        value = items.get(index)?;
        start = value.span().start;
    }
    match value.get_ref().as_table() {
        Some(inner) if !rest.is_empty() => Some(offset_of(inner, rest).unwrap_or(start)),
        _ => Some(start),
    }
}

fn line_and_column(text: &str, offset: usize) -> String {
    let before = &text[..offset.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("{line}:{column}")
}
