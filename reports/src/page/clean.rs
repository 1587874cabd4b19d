//! What may be shown of keys and values: not more than a person reads, nothing that turns text around, and no value at all
//! if it is redacted.

use super::Page;
use std::{collections::BTreeMap, fmt::Write};
use whitewater_api::{
    Body, Completion, KeyValue, Request, Value,
    request::{CompareTarget, TxnOp, TxnRequest},
    response::TxnOpResponse,
    watch::WatchBody,
};
use whitewater_record::{Mixer, PlainAction, WatchMessage};

/// Characters of a text that are shown.
const SHOWN_MAX: usize = 400;
/// Characters of a plan that are shown.
const PLAN_MAX: usize = 400_000;

/// Makes texts fit to be shown.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    /// By value, as it is printed: what stands there instead. Longer ones first.
    hidden: Vec<(String, String)>,
}

impl Cleaner {
    pub(super) fn new(page: &Page<'_>) -> Self {
        if !page.redact {
            return Self::default();
        }
        let mut values = Values::default();
        for operation in &page.history.operations {
            values.request(&operation.request);
            if let Completion::Ok(response) = &operation.completion {
                values.body(&response.body);
            }
        }
        for row in &page.history.watches {
            if let WatchMessage::Received(response) = &row.message
                && let WatchBody::Events { events, .. } = &response.body
            {
                let kvs = events.iter().flat_map(|event| [Some(&event.kv), event.prev_kv.as_ref()]);
                kvs.flatten().for_each(|kv| values.kv(kv));
            }
        }
        for operation in page.plain.iter().flat_map(|plain| &plain.operations) {
            match &operation.action {
                PlainAction::Read(value) => value.iter().for_each(|value| values.add(value)),
                PlainAction::Write(value) | PlainAction::Append(value) => values.add(value),
                PlainAction::Delete => {}
                PlainAction::Cas { from, to, .. } => {
                    from.iter().chain([to]).for_each(|value| values.add(value));
                }
            }
        }
        let mut hidden: Vec<(String, String)> = values.known.into_iter().collect();
        hidden.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self { hidden }
    }

    /// A text of bounded length.
    pub(super) fn text(&self, text: &str) -> String {
        self.cut(text, SHOWN_MAX)
    }

    /// A long text, such as a plan.
    pub(super) fn whole(&self, text: &str) -> String {
        self.cut(text, PLAN_MAX)
    }

    fn cut(&self, text: &str, max: usize) -> String {
        let hidden = self.hide(text);
        let text = hidden.as_deref().unwrap_or(text);
        let mut shown = String::new();
        for (place, c) in text.char_indices() {
            if place >= max {
                let left = text.len() - place;
                write!(shown, "\u{2026} ({left} more bytes)").expect("a string takes everything");
                break;
            }
            if turns_around(c) {
                write!(shown, "\\u{{{:x}}}", u32::from(c)).expect("a string takes everything");
            } else {
                shown.push(c);
            }
        }
        shown
    }

    /// The text with a hash for each value that stands in it as a word; [`None`] if none does.
    fn hide(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        let mut is_new_word = true;
        let mut is_changed = false;
        while let Some(c) = rest.chars().next() {
            let ends = |tail: &str| tail.chars().next().is_none_or(|c| !is_wordy(c));
            let found = is_new_word.then(|| {
                self.hidden.iter().find(|(value, _)| rest.strip_prefix(value).is_some_and(ends))
            });
            if let Some((value, instead)) = found.flatten() {
                out.push_str(instead);
                rest = &rest[value.len()..];
                is_changed = true;
                continue;
            }
            is_new_word = !is_wordy(c);
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
        is_changed.then_some(out)
    }
}

fn is_wordy(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '#'
}

/// Marks that change the direction of what follows, and controls other than the end of a line.
fn turns_around(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || (c.is_control() && c != '\n')
}

/// All values of a run, as they are printed.
#[derive(Debug, Default)]
struct Values {
    known: BTreeMap<String, String>,
}

impl Values {
    fn add(&mut self, value: &Value) {
        if value.is_empty() {
            return;
        }
        let mut mixer = Mixer::default();
        for chunk in value.as_slice().chunks(7) {
            mixer.add(chunk.iter().fold(1, |word, byte| word << 8 | u64::from(*byte)));
        }
        self.known.insert(value.to_string(), format!("#{:08x}", mixer.finish() >> 32));
    }

    fn kv(&mut self, kv: &KeyValue) {
        self.add(&kv.value);
    }

    fn request(&mut self, request: &Request) {
        match request {
            Request::Put(put) => self.add(&put.value),
            Request::Txn(txn) => self.operations(txn),
            Request::Range(_)
            | Request::DeleteRange(_)
            | Request::Compact(_)
            | Request::Lease(_)
            | Request::Maintenance(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Auth(_)
            | Request::Cluster(_) => {}
        }
    }

    fn operations(&mut self, txn: &TxnRequest) {
        for compare in &txn.compares {
            if let CompareTarget::Value(value) = &compare.target {
                self.add(value);
            }
        }
        for operation in txn.success.iter().chain(&txn.failure) {
            match operation {
                TxnOp::Put(put) => self.add(&put.value),
                TxnOp::Txn(txn) => self.operations(txn),
                TxnOp::Range(_) | TxnOp::DeleteRange(_) => {}
            }
        }
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Put(put) => put.prev_kv.iter().for_each(|kv| self.kv(kv)),
            Body::Range(range) => range.kvs.iter().for_each(|kv| self.kv(kv)),
            Body::DeleteRange(delete) => delete.prev_kvs.iter().for_each(|kv| self.kv(kv)),
            Body::Txn(txn) => self.responses(&txn.responses),
            Body::Compact
            | Body::Lease(_)
            | Body::Maintenance(_)
            | Body::Member(_)
            | Body::MoveLeader
            | Body::Auth(_)
            | Body::Cluster(_) => {}
        }
    }

    fn responses(&mut self, responses: &[TxnOpResponse]) {
        for response in responses {
            match response {
                TxnOpResponse::Put(put) => put.prev_kv.iter().for_each(|kv| self.kv(kv)),
                TxnOpResponse::Range(range) => range.kvs.iter().for_each(|kv| self.kv(kv)),
                TxnOpResponse::DeleteRange(delete) => {
                    delete.prev_kvs.iter().for_each(|kv| self.kv(kv));
                }
                TxnOpResponse::Txn(txn) => self.responses(&txn.responses),
            }
        }
    }
}
