//! Questions to a trace: `role(n2)=leader, term(n2)>=9`, `kind=apply, index=40`.
//!
//! A question is a list of terms, all of which must hold after an event. `NAME(nK)` looks at a node: `role`, `life`,
//! `term`, `leader`, `vote`, `last`, `commit`, `applied`, `snapshot`, `writing`. A bare name looks at the event itself:
//! `kind`, `node`, `event`, or any of its numbers by the name that [`RowKind::columns`](whitewater_record::RowKind)
//! gives it.

use crate::picture::Picture;
use std::{fmt, str::FromStr};
use thiserror::Error;
use whitewater_record::{Row, RowKind, trace::ROLES};

/// A question that each event answers with yes or no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    name: String,
    /// The node that is looked at; [`None`] for the event itself.
    node: Option<u64>,
    relation: Relation,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Longer ones first, because they begin like the shorter ones.
const RELATIONS: [(&str, Relation); 6] = [
    ("!=", Relation::NotEqual),
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("=", Relation::Equal),
    ("<", Relation::Less),
    (">", Relation::Greater),
];

const NODE_NAMES: [&str; 10] =
    ["role", "life", "term", "leader", "vote", "last", "commit", "applied", "snapshot", "writing"];

/// A text is not a question.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{term}` is not a condition: {reason}")]
pub struct QueryError {
    term: String,
    reason: String,
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let terms = text.split(',').map(|term| parse(term.trim())).collect::<Result<_, _>>()?;
        Ok(Self { terms })
    }
}

fn parse(text: &str) -> Result<Term, QueryError> {
    let fail = |reason: &str| QueryError { term: text.to_owned(), reason: reason.to_owned() };
    let place = text.find(['=', '!', '<', '>']);
    let place = place.ok_or_else(|| fail("expected a name, one of = != < <= > >=, and a value"))?;
    let (left, right) = text.split_at(place);
    let relation = RELATIONS.iter().find(|(sign, _)| right.starts_with(sign));
    let (sign, relation) = relation.ok_or_else(|| fail("expected one of = != < <= > >="))?;
    let value = right[sign.len()..].trim();
    if value.is_empty() {
        return Err(fail("the value is missing"));
    }
    let left = left.trim();
    let (name, node) = match left.strip_suffix(')').and_then(|left| left.split_once('(')) {
        None => (left, None),
        Some((name, node)) => {
            let id = node.trim().strip_prefix('n').and_then(|id| id.parse().ok());
            (name, Some(id.ok_or_else(|| fail("expected a node in brackets, as in role(n2)"))?))
        }
    };
    let has_column = |kind: &RowKind| kind.columns().iter().any(|it| it.name == name);
    let is_known = if node.is_some() {
        NODE_NAMES.contains(&name)
    } else {
        ["kind", "node", "event"].contains(&name) || RowKind::ALL.iter().any(has_column)
    };
    if !is_known {
        let of_node = NODE_NAMES.join(", ");
        return Err(fail(&format!(
            "unknown name `{name}`: of a node, {of_node}, as in role(n2)=leader; of an event, kind, node, event or one \
             of its numbers"
        )));
    }
    Ok(Term { name: name.to_owned(), node, relation: *relation, value: value.to_owned() })
}

impl Query {
    /// Whether it holds after an event, with the picture that includes it.
    #[must_use]
    pub fn holds(&self, picture: &Picture, row: &Row) -> bool {
        self.terms.iter().all(|term| term.holds(picture, row))
    }

    /// The first event of a trace after which it holds.
    #[must_use]
    pub fn first(&self, rows: &[Row]) -> Option<u64> {
        let mut picture = Picture::default();
        (0..).zip(rows).find_map(|(event, row)| {
            picture.take(row);
            self.holds(&picture, row).then_some(event)
        })
    }
}

impl Term {
    fn holds(&self, picture: &Picture, row: &Row) -> bool {
        match self.node {
            Some(node) => self.holds_of_node(picture, node),
            None => self.holds_of_event(picture, row),
        }
    }

    fn holds_of_node(&self, picture: &Picture, id: u64) -> bool {
        let Some(node) = picture.nodes.get(&id) else { return false };
        match self.name.as_str() {
            "role" => self.word(usize::try_from(node.role).ok().and_then(|it| ROLES.get(it))),
            "life" => self.word(Some(&node.life.name())),
            "leader" => self.node(node.leader),
            "vote" => node.vote.is_some_and(|(candidate, _)| self.node(candidate)),
            "term" => self.number(node.term),
            "last" => self.number(node.last),
            "commit" => self.number(node.commit),
            "applied" => self.number(node.applied),
            "snapshot" => self.number(node.snapshot),
            "writing" => self.number(u64::try_from(node.writing.len()).unwrap_or(u64::MAX)),
            _ => false,
        }
    }

    fn holds_of_event(&self, picture: &Picture, row: &Row) -> bool {
        match self.name.as_str() {
            "kind" => self.word(Some(&row.kind.name())),
            "node" => self.node(row.node),
            "event" => picture.event.is_some_and(|event| self.number(event)),
            name => {
                let place = row.kind.columns().iter().position(|column| column.name == name);
                place.is_some_and(|place| {
                    let (column, number) = (row.kind.columns()[place], row.fields[place]);
                    match column.word(number) {
                        Some(word) => self.word(Some(&word)),
                        None => self.number(number),
                    }
                })
            }
        }
    }

    fn word(&self, word: Option<&&str>) -> bool {
        word.is_some_and(|word| match self.relation {
            Relation::Equal => *word == self.value,
            Relation::NotEqual => *word != self.value,
            Relation::Less | Relation::AtMost | Relation::Greater | Relation::AtLeast => false,
        })
    }

    /// A node's id may be written with its n.
    fn node(&self, id: u64) -> bool {
        self.compare(id, self.value.strip_prefix('n').unwrap_or(&self.value))
    }

    fn number(&self, number: u64) -> bool {
        self.compare(number, &self.value)
    }

    fn compare(&self, number: u64, value: &str) -> bool {
        value.parse().is_ok_and(|value: u64| match self.relation {
            Relation::Equal => number == value,
            Relation::NotEqual => number != value,
            Relation::Less => number < value,
            Relation::AtMost => number <= value,
            Relation::Greater => number > value,
            Relation::AtLeast => number >= value,
        })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, term) in self.terms.iter().enumerate() {
            let sign = RELATIONS.iter().find(|(_, relation)| *relation == term.relation);
            let sign = sign.map_or("", |(sign, _)| sign);
            let node = term.node.map_or_else(String::new, |node| format!("(n{node})"));
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{}{node}{sign}{}", term.name, term.value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_record::SimTime;

    fn rows() -> Vec<Row> {
        let row =
            |at: u64, kind, node, numbers: &[u64]| Row::new(SimTime(at), kind, node, None, numbers);
        vec![
            row(0, RowKind::Boot, 1, &[1, 0, 0]),
            row(0, RowKind::Boot, 2, &[1, 0, 0]),
            row(5, RowKind::Role, 2, &[3, 9, 2]),
            row(6, RowKind::Apply, 2, &[40, 9, 7, 3, 1, 12]),
            row(7, RowKind::Crash, 2, &[1, 1, 0]),
        ]
    }

    #[test]
    fn a_question_finds_its_first_event() {
        for (text, expected) in [
            ("role(n2)=leader", Some(2)),
            ("role(n2)=leader, term(n2)>=10", None),
            ("kind=apply, index=40, process=3", Some(3)),
            ("life(n2)=down", Some(4)),
            ("leader(n2)=n2", Some(2)),
            ("applied(n2)>39", Some(3)),
            ("event=1", Some(1)),
            ("node!=n1", Some(1)),
        ] {
            let query: Query = text.parse().unwrap();
            assert_eq!(query.to_string(), text);
            assert_eq!(query.first(&rows()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_question_is_named() {
        for (text, part) in [
            ("", "expected a name"),
            ("role(n2)", "expected a name"),
            ("role(2)=leader", "expected a node"),
            ("rule(n2)=leader", "unknown name `rule`"),
            ("colour=red", "unknown name `colour`"),
            ("kind=", "the value is missing"),
            ("kind=apply,", "expected a name"),
        ] {
            let error = text.parse::<Query>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
