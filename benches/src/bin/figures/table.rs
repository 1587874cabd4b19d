//! How figures are shown.

use serde::Serialize;
use std::io::{self, Write};

/// One row of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: String,
    /// What it should be.
    pub(crate) reach: Reach,
    /// What it is.
    pub(crate) measured: f64,
    /// What both numbers count.
    pub(crate) unit: &'static str,
    /// What else there is to say.
    pub(crate) notes: Vec<String>,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reach {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// It stands there to compare another one with.
    Any,
}

impl Reach {
    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {least}"),
            Self::AtMost(most) => format!("<= {most}"),
            Self::Any => String::new(),
        }
    }

    fn verdict(self, measured: f64) -> &'static str {
        let is_reached = match self {
            Self::AtLeast(least) => measured >= least,
            Self::AtMost(most) => measured <= most,
            Self::Any => return "",
        };
        if is_reached { "reached" } else { "MISSED" }
    }
}

/// Writes the table, and below it the notes of each row.
pub(crate) fn write(figures: &[Figure], out: &mut impl Write) -> io::Result<()> {
    let width = figures.iter().map(|figure| figure.what.len()).max().unwrap_or(0);
    writeln!(out, "{:width$}  {:>9}  {:>9}  {:7}  unit", "what", "reach", "measured", "")?;
    for Figure { what, reach, measured, unit, notes: _ } in figures {
        let (text, verdict) = (reach.text(), reach.verdict(*measured));
        writeln!(out, "{what:width$}  {text:>9}  {measured:>9.1}  {verdict:7}  {unit}")?;
    }
    for figure in figures.iter().filter(|figure| !figure.notes.is_empty()) {
        writeln!(out, "\n{}", figure.what)?;
        for note in &figure.notes {
            writeln!(out, "  {note}")?;
        }
    }
    Ok(())
}
