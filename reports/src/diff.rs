//! How two runs differ: the first event that is not the same, and then, as everything after it is another one, what
//! people look for: who led in which term, what stands at which index, how each operation ended.

use crate::{
    number::{count, grouped},
    picture::Picture,
    sentence::{sentence, set},
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Display, fmt::Write as _};
use whitewater_record::{Plan, Row, RowKind};

/// Lines of each table in the text form.
pub const LINES_MAX: usize = 12;
/// Events that both have, before the first that differs.
const CONTEXT: u64 = 3;
const LEADER: u64 = 3;

/// One side.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Its events.
    pub rows: &'a [Row],
    /// The plan that was played.
    pub plan: &'a Plan,
}

/// How two runs differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// No event differs.
    pub same: bool,
    /// Events of both.
    pub events: [u64; 2],
    /// The first event that is not the same, if there is one.
    pub first: Option<First>,
    /// Leaders by term.
    pub terms: Vec<Pair>,
    /// Entries by index: their term, and the hash of the store after them.
    pub entries: Vec<Pair>,
    /// Ends of operations.
    pub operations: Vec<Pair>,
    /// When faults began, and whom they hit.
    pub faults: Vec<Pair>,
}

/// The first event that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct First {
    /// Its number.
    pub event: u64,
    /// Both as sentences, with their times; nothing where a run has ended.
    pub sides: [Option<String>; 2],
    /// The last events before it, which both have.
    pub before: Vec<String>,
}

/// Something that both runs may have, and in which they differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// What: `term 9`, `index 41`, `p7#3`.
    pub what: String,
    /// How it is on both sides; nothing where it is not there.
    pub sides: [Option<String>; 2],
}

/// Compares two runs.
#[must_use]
pub fn diff(a: Side<'_>, b: Side<'_>) -> Diff {
    let place = a.rows.iter().zip(b.rows).position(|(a, b)| a != b);
    let shorter = a.rows.len().min(b.rows.len());
    let place = place.or((a.rows.len() != b.rows.len()).then_some(shorter));
    let length = |side: Side<'_>| u64::try_from(side.rows.len()).unwrap_or(u64::MAX);
    let (facts_a, facts_b) = (Facts::of(a), Facts::of(b));
    Diff {
        same: place.is_none(),
        events: [length(a), length(b)],
        first: place.map(|place| first(a, b, place)),
        terms: pairs(&facts_a.terms, &facts_b.terms),
        entries: pairs(&facts_a.entries, &facts_b.entries),
        operations: pairs(&facts_a.operations, &facts_b.operations),
        faults: pairs(&facts_a.faults, &facts_b.faults),
    }
}

fn first(a: Side<'_>, b: Side<'_>, place: usize) -> First {
    let event = u64::try_from(place).unwrap_or(u64::MAX);
    let told = |side: Side<'_>| {
        let mut picture = Picture::default();
        let rows = side.rows.iter().take(place + 1);
        rows.map(|row| {
            picture.take(row);
            // Only the last ones are told: a sentence costs more than a picture.
            let is_near = picture.event.is_some_and(|it| it + CONTEXT >= event);
            is_near.then(|| format!("{} {}", row.at, sentence(row, &picture, side.plan)))
        })
        .collect::<Vec<_>>()
    };
    let (told_a, told_b) = (told(a), told(b));
    let at = |told: &[Option<String>]| told.get(place).cloned().flatten();
    let before = told_a.iter().take(place).flatten().cloned().collect();
    First { event, sides: [at(&told_a), at(&told_b)], before }
}

/// What does not move when a run is a little longer or shorter.
#[derive(Default)]
struct Facts {
    terms: BTreeMap<Word<u64>, String>,
    entries: BTreeMap<Word<u64>, String>,
    operations: BTreeMap<Word<(u64, u64)>, String>,
    faults: BTreeMap<Word<u64>, String>,
}

/// A key that is ordered as a number and shown as a word.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Word<K>(K, String);

impl Facts {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are no facts of this kind")]
    fn of(side: Side<'_>) -> Self {
        let mut facts = Self::default();
        let mut leaders: BTreeMap<u64, u64> = BTreeMap::new();
        for row in side.rows {
            let [a, b, c, d, ..] = row.fields;
            match row.kind {
                RowKind::Role if a == LEADER => *leaders.entry(b).or_default() |= 1 << row.node,
                RowKind::Apply => {
                    let key = Word(a, format!("index {a}"));
                    facts.entries.entry(key).or_insert_with(|| format!("{a}@{b} chain {c:016x}"));
                }
                RowKind::Invoke => {
                    let key = Word((a, b), format!("p{a}#{b}"));
                    facts.operations.insert(key, format!("asked n{}, not ended", row.node));
                }
                RowKind::Complete => {
                    let word = row.kind.columns()[2].word(c).unwrap_or("?");
                    let made = if d > 0 { format!(" at r{d}") } else { String::new() };
                    let key = Word((a, b), format!("p{a}#{b}"));
                    facts.operations.insert(key, format!("{word}{made}"));
                }
                RowKind::FaultOn => {
                    let name = side.plan.faults.get(usize::try_from(a).unwrap_or(usize::MAX));
                    let name = name.map_or("fault", |planned| planned.fault.name());
                    let victim = if b > 0 { format!(" on n{b}") } else { String::new() };
                    let key = Word(a, format!("fault {a}"));
                    facts.faults.insert(key, format!("{name}{victim} at {}", row.at));
                }
                _ => {}
            }
        }
        let leaders = leaders.into_iter();
        facts.terms =
            leaders.map(|(term, mask)| (Word(term, format!("term {term}")), set(mask))).collect();
        facts
    }
}

fn pairs<K: Ord + Clone>(
    a: &BTreeMap<Word<K>, String>,
    b: &BTreeMap<Word<K>, String>,
) -> Vec<Pair> {
    let mut keys: Vec<&Word<K>> = a.keys().chain(b.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter(|key| a.get(key) != b.get(key))
        .map(|key| Pair { what: key.1.clone(), sides: [a.get(key).cloned(), b.get(key).cloned()] })
        .collect()
}

/// For people. `names` of the two sides.
#[must_use]
pub fn text(diff: &Diff, names: [&str; 2]) -> String {
    let [a, b] = diff.events;
    let Some(first) = &diff.first else {
        return format!("the same: {} in both\n", count(a, "event"));
    };
    let mut text = String::new();
    let width = names[0].chars().count().max(names[1].chars().count());
    line(&mut text, format_args!("first difference: event {}", grouped(first.event)));
    for shared in &first.before {
        line(&mut text, format_args!("  {:<width$}  {shared}", "both"));
    }
    for (name, side) in names.into_iter().zip(&first.sides) {
        let side = side.as_deref().unwrap_or("(the run has ended)");
        line(&mut text, format_args!("  {name:<width$}  {side}"));
    }
    line(&mut text, format_args!("events: {} and {}", grouped(a), grouped(b)));
    for (what, pairs) in [
        ("faults", &diff.faults),
        ("leaders", &diff.terms),
        ("entries", &diff.entries),
        ("operations", &diff.operations),
    ] {
        table(&mut text, what, pairs, names);
    }
    text
}

fn table(text: &mut String, what: &str, pairs: &[Pair], names: [&str; 2]) {
    let differ = u64::try_from(pairs.len()).unwrap_or(u64::MAX);
    if pairs.is_empty() {
        return line(text, format_args!("{what}: the same"));
    }
    line(text, format_args!("{what}: {} differ", grouped(differ)));
    let shown = &pairs[..pairs.len().min(LINES_MAX)];
    let cell = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|pair| vec![pair.what.clone(), cell(&pair.sides[0]), cell(&pair.sides[1])])
        .collect();
    text.push_str(&crate::table::render_left(&["", names[0], names[1]], &rows));
    if pairs.len() > shown.len() {
        line(text, format_args!("  ... and {} more", pairs.len() - shown.len()));
    }
}

fn line(text: &mut String, line: impl Display) {
    writeln!(text, "{line}").expect("a string takes everything");
}
