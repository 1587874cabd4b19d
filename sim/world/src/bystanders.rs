//! The keys that a run has begun with, by a backup from elsewhere: nobody can have touched them, so at the end they are read and
//! must be what they were, revisions and all. That all members hold the same is checked anyway.

use crate::{
    admin::root,
    agenda::Due,
    asking::{Answer, Asker},
    limits,
    tally::Code,
    world::World,
};
use whitewater_api::{Body, KeyRange, KeyValue, NodeId, Request, RequestId, request::RangeRequest};

/// How far they were read.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pending: Option<RequestId>,
    /// How many of the ranges outside of the namespace were read.
    done: usize,
}

impl World {
    /// Whether the keys from elsewhere were all read; asks for the next range.
    pub(crate) fn unaudited(&mut self) -> Option<String> {
        let range = self.next_to_audit()?;
        if self.audit.pending.is_none() {
            let process = self.processes.spawn(Asker::Auditor);
            let id = RequestId { process, sequence: 0 };
            self.audit.pending = Some(id);
            self.later(self.now + limits::ADMIN_TIMEOUT, Due::Timeout { id });
            let node = self.machines.leader().unwrap_or(NodeId(1));
            self.ask_as_it_is(id, node, root(), Request::Range(RangeRequest::new(range.clone())));
        }
        Some(format!("nobody has read {range}, which the cluster began with"))
    }

    fn next_to_audit(&self) -> Option<KeyRange> {
        let [below, above] = self.import.as_ref()?.namespace().outside();
        [below, above].into_iter().nth(self.audit.done)
    }

    /// A range of them, a refusal, or nothing in time: then it is asked for once more.
    pub(crate) fn on_audited(&mut self, id: RequestId, answer: Option<&Answer>) {
        if self.audit.pending.take_if(|pending| *pending == id).is_none() {
            return;
        }
        let Some(Answer::Reply(Ok(response))) = answer else { return };
        let Body::Range(found) = &response.body else { return };
        let (Some(import), Some(range)) = (self.import.clone(), self.next_to_audit()) else {
            return;
        };
        let expected: Vec<&KeyValue> = import.range(&range).collect();
        let wrong = difference(&expected, &found.kvs);
        let node = Some(response.header.node);
        self.observer.tally.check(Code::Bystanders, node, !expected.is_empty(), wrong);
        self.audit.done += 1;
    }
}

/// The first key that is not what it was.
fn difference(expected: &[&KeyValue], found: &[KeyValue]) -> Option<String> {
    let place = expected.iter().zip(found).position(|(was, is)| *was != is);
    let place = place
        .or_else(|| (expected.len() != found.len()).then(|| expected.len().min(found.len())))?;
    let was = expected.get(place).map_or_else(|| "nothing".to_owned(), |kv| tell(kv));
    let is = found.get(place).map_or_else(|| "nothing".to_owned(), tell);
    let (before, after) = (expected.len(), found.len());
    Some(format!(
        "nobody has touched what the cluster began with, and in the place of {was} is {is} ({before} keys became {after})"
    ))
}

fn tell(kv: &KeyValue) -> String {
    let KeyValue { key, value, create_revision, mod_revision, version, lease } = kv;
    let bytes = value.len();
    format!(
        "{key} of {bytes} bytes, create {create_revision}, mod {mod_revision}, version {version}, {lease}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_api::{Key, Revision};

    #[test]
    fn what_is_gone_new_or_another_is_named() {
        let kv = |key: &str, modified: u64| KeyValue {
            key: Key::from(key),
            mod_revision: Revision(modified),
            ..KeyValue::default()
        };
        let (a, b, c) = (kv("a", 2), kv("b", 3), kv("c", 4));
        let expected = [&a, &b];
        let said = |found: &[KeyValue]| difference(&expected, found).unwrap_or_default();
        assert_eq!(said(&[a.clone(), b.clone()]), "");
        let gone = said(std::slice::from_ref(&a));
        assert!(gone.contains("place of b of 0 bytes") && gone.contains("is nothing"), "{gone}");
        let new = said(&[a.clone(), b.clone(), c]);
        assert!(new.contains("place of nothing is c"), "{new}");
        let other = said(&[a.clone(), kv("b", 9)]);
        assert!(other.contains("mod r3") && other.contains("mod r9"), "{other}");
    }
}
