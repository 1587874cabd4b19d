//! What no state could accept, refused before it reaches the log (etcd, `server/etcdserver/api/v3rpc/key.go`).

use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{
    End, Error, Key, KeyRange, LEASE_TTL_MAX, LeaseId, LeaseRequest, Request,
    request::{PutRequest, TxnOp, TxnRequest},
};

/// Whether a request is well formed.
pub(crate) fn request(request: &Request, txn_ops_max: u64) -> Result<(), Error> {
    match request {
        Request::Put(put) => check_put(put),
        Request::Range(range) => check_key(&range.range.start),
        Request::DeleteRange(delete) => check_key(&delete.range.start),
        Request::Txn(txn) => {
            check_txn(txn, txn_ops_max)?;
            // After the limit on operations, so that the work is bounded.
            writes(&txn.success)?;
            writes(&txn.failure)?;
            Ok(())
        }
        Request::Lease(LeaseRequest::Grant { ttl, .. }) if *ttl > LEASE_TTL_MAX => {
            Err(Error::LeaseTtlTooLarge)
        }
        Request::Compact(_)
        | Request::Lease(_)
        | Request::Member(_)
        | Request::MoveLeader(_)
        | Request::Maintenance(_)
        | Request::Auth(_)
        | Request::Cluster(_) => Ok(()),
    }
}

fn check_key(key: &Key) -> Result<(), Error> {
    if key.is_empty() { Err(Error::EmptyKey) } else { Ok(()) }
}

fn check_put(put: &PutRequest) -> Result<(), Error> {
    check_key(&put.key)?;
    if put.ignore_value && !put.value.is_empty() {
        return Err(Error::ValueProvided);
    }
    if put.ignore_lease && put.lease != LeaseId::NONE {
        return Err(Error::LeaseProvided);
    }
    Ok(())
}

/// The compares and either branch may have `ops_max` entries each; what the longest of them uses is not there for the
/// transactions inside.
fn check_txn(txn: &TxnRequest, ops_max: u64) -> Result<(), Error> {
    let ops = txn.compares.len().max(txn.success.len()).max(txn.failure.len()) as u64;
    let nested_ops_max = ops_max.checked_sub(ops).ok_or(Error::TooManyOps)?;
    for compare in &txn.compares {
        check_key(&compare.range.start)?;
    }
    for op in txn.success.iter().chain(&txn.failure) {
        match op {
            TxnOp::Put(put) => check_put(put)?,
            TxnOp::Range(range) => check_key(&range.range.start)?,
            TxnOp::DeleteRange(delete) => check_key(&delete.range.start)?,
            TxnOp::Txn(nested) => check_txn(nested, nested_ops_max)?,
        }
    }
    Ok(())
}

/// What a list of operations may write.
#[derive(Default)]
struct Writes<'a> {
    puts: BTreeSet<&'a Key>,
    deletes: Deletes<'a>,
}

/// Collects what `ops` may write; an error where a key is put twice, or put and deleted. The two branches of a nested
/// transaction exclude each other, so both may put a key. As in etcd, a put inside a nested transaction is not held
/// against a delete inside a later one.
fn writes(ops: &[TxnOp]) -> Result<Writes<'_>, Error> {
    let mut all = Writes::default();
    for op in ops {
        if let TxnOp::DeleteRange(delete) = op {
            all.deletes.insert(&delete.range);
        }
    }
    for op in ops {
        if let TxnOp::Txn(nested) = op {
            let success = writes(&nested.success)?;
            let failure = writes(&nested.failure)?;
            for key in &success.puts {
                all.put(key)?;
            }
            for key in &failure.puts {
                if !success.puts.contains(key) {
                    all.put(key)?;
                }
            }
            all.deletes.merge(success.deletes);
            all.deletes.merge(failure.deletes);
        }
    }
    for op in ops {
        if let TxnOp::Put(put) = op {
            all.put(&put.key)?;
        }
    }
    Ok(all)
}

impl<'a> Writes<'a> {
    fn put(&mut self, key: &'a Key) -> Result<(), Error> {
        if self.deletes.contains(key) || !self.puts.insert(key) {
            return Err(Error::DuplicateKey);
        }
        Ok(())
    }
}

/// A union of ranges.
#[derive(Default)]
struct Deletes<'a> {
    keys: BTreeSet<&'a Key>,
    /// From start to end (`None`: no end). Invariant: none is empty, and no two touch.
    spans: BTreeMap<&'a Key, Option<&'a Key>>,
}

impl<'a> Deletes<'a> {
    fn insert(&mut self, range: &'a KeyRange) {
        match &range.end {
            End::Single => {
                self.keys.insert(&range.start);
            }
            End::Before(_) if range.is_empty() => {}
            End::Before(end) => self.insert_span(&range.start, Some(end)),
            End::Unbounded => self.insert_span(&range.start, None),
        }
    }

    fn insert_span(&mut self, mut start: &'a Key, mut end: Option<&'a Key>) {
        let is_behind = |end: Option<&Key>, key: &Key| end.is_some_and(|end| end < key);
        if let Some((&before, &reach)) = self.spans.range::<&Key, _>(..=start).next_back()
            && !is_behind(reach, start)
        {
            start = before;
            end = later(end, reach);
        }
        while let Some((&next, &reach)) = self.spans.range::<&Key, _>(start..).next()
            && !is_behind(end, next)
        {
            self.spans.remove(next);
            end = later(end, reach);
        }
        self.spans.insert(start, end);
    }

    fn merge(&mut self, other: Self) {
        self.keys.extend(other.keys);
        for (start, end) in other.spans {
            self.insert_span(start, end);
        }
    }

    fn contains(&self, key: &Key) -> bool {
        let span = self.spans.range::<&Key, _>(..=key).next_back();
        let in_span = span.is_some_and(|(_, end)| end.is_none_or(|end| key < end));
        in_span || self.keys.contains(key)
    }
}

/// The later of two ends.
fn later<'a>(one: Option<&'a Key>, other: Option<&'a Key>) -> Option<&'a Key> {
    one.zip(other).map(|(one, other)| one.max(other))
}

#[cfg(test)]
mod tests;
