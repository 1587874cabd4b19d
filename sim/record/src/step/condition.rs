//! Conditions of transactions, relative to what the client saw last: `mod k3 =`.

use std::fmt;
use whitewater_api::{Key, request::Relation};

/// What must hold: something about a key, or about all keys with a prefix, against what this client saw of it last. A key
/// that it has not seen counts as absent; of a prefix, the first key that it has seen counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What is compared.
    pub aspect: Aspect,
    /// Of which key.
    pub key: Key,
    /// Of all keys that begin with it: `k*`.
    pub is_prefix: bool,
    /// How what is there relates to what was seen.
    pub relation: Relation,
}

/// What there is to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// `value`
    Value,
    /// `version`
    Version,
    /// `create`: the revision that created the key.
    Create,
    /// `mod`: the revision that last wrote it.
    Mod,
    /// `lease`
    Lease,
}

/// Words and what they stand for.
const ASPECTS: [(&str, Aspect); 5] = [
    ("value", Aspect::Value),
    ("version", Aspect::Version),
    ("create", Aspect::Create),
    ("mod", Aspect::Mod),
    ("lease", Aspect::Lease),
];
const RELATIONS: [(&str, Relation); 4] = [
    ("=", Relation::Equal),
    ("!=", Relation::NotEqual),
    ("<", Relation::Less),
    (">", Relation::Greater),
];

impl Condition {
    /// Reads `mod k3 =` or `version k* >`.
    pub(super) fn parse([aspect, key, relation]: [&str; 3]) -> Result<Self, &'static str> {
        let aspect = ASPECTS.iter().find(|(word, _)| *word == aspect);
        let (_, aspect) = aspect.ok_or("value, version, create, mod or lease")?;
        let relation = RELATIONS.iter().find(|(word, _)| *word == relation);
        let (_, relation) = relation.ok_or("=, !=, < or >")?;
        let (key, is_prefix) = match key.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (key, false),
        };
        Ok(Self { aspect: *aspect, key: key.into(), is_prefix, relation: *relation })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aspect = ASPECTS.iter().find(|(_, aspect)| *aspect == self.aspect);
        let relation = RELATIONS.iter().find(|(_, relation)| *relation == self.relation);
        let [aspect, relation] =
            [aspect.map(|a| a.0), relation.map(|r| r.0)].map(Option::unwrap_or_default);
        let star = if self.is_prefix { "*" } else { "" };
        write!(f, "{aspect} {}{star} {relation}", self.key)
    }
}
