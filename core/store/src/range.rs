//! Reading ranges (etcd, `server/etcdserver/txn/range.go`).

use crate::{history::Version, store::Store};
use std::{cmp::Ordering, ops::Bound};
use whitewater_api::{
    End, Error, Key, KeyRange, KeyValue, Revision,
    request::{RangeRequest, Sort, SortTarget},
    response::RangeResponse,
};

/// Beyond every revision: a read there sees all writes, those of the running transaction too.
const NEWEST: Revision = Revision(u64::MAX);

impl Store {
    /// Reads a range. Refuses revisions below `floor` and such as do not exist yet; one that is being made by the
    /// running transaction does not.
    pub(crate) fn range(
        &self,
        request: &RangeRequest,
        floor: Revision,
    ) -> Result<RangeResponse, Error> {
        let at = match request.revision {
            Revision::LATEST => NEWEST,
            revision if revision > self.revision => {
                return Err(Error::FutureRevision { current: self.revision });
            }
            revision if revision < floor => {
                return Err(Error::Compacted { compacted: self.compacted });
            }
            revision => revision,
        };
        if request.range.end == End::Single {
            return Ok(self.get(request, at));
        }
        Ok(match request.sort {
            None | Some(Sort { target: SortTarget::Key, descending: false }) => {
                self.scan(request, at)
            }
            Some(sort) => self.scan_sorted(request, sort, at),
        })
    }

    /// The keys of a range that were there at `at`, in order.
    pub(crate) fn present<'a>(
        &'a self,
        range: &KeyRange,
        at: Revision,
    ) -> impl Iterator<Item = (&'a Key, &'a Version)> + use<'a> {
        let found = bounds(range).map(|bounds| self.keys.range::<Key, _>(bounds));
        found.into_iter().flatten().filter_map(move |(key, history)| Some((key, history.at(at)?)))
    }

    /// One key.
    fn get(&self, request: &RangeRequest, at: Revision) -> RangeResponse {
        let mut response = RangeResponse::default();
        let Some((key, history)) = self.keys.get_key_value(&request.range.start) else {
            return response;
        };
        let Some(version) = history.at(at) else { return response };
        response.count = 1;
        if !request.count_only && is_wanted(request, version) {
            response.kvs.push(show(request, key, version));
        }
        response
    }

    /// A range in key order: what lies beyond the limit is only counted.
    fn scan(&self, request: &RangeRequest, at: Revision) -> RangeResponse {
        let mut response = RangeResponse::default();
        if request.count_only {
            response.count = self.count(&request.range, at);
            return response;
        }
        let limit = Some(request.limit).filter(|limit| *limit > 0);
        for (key, version) in self.present(&request.range, at) {
            response.count += 1;
            if !is_wanted(request, version) {
                continue;
            }
            if limit.is_some_and(|limit| response.kvs.len() as u64 == limit) {
                response.more = true;
                response.count = self.count(&request.range, at);
                break;
            }
            response.kvs.push(show(request, key, version));
        }
        response
    }

    /// A range in another order: the limit applies after filters and sort. Ties stay in key order.
    fn scan_sorted(&self, request: &RangeRequest, sort: Sort, at: Revision) -> RangeResponse {
        let mut response = RangeResponse::default();
        let mut found = Vec::new();
        for (key, version) in self.present(&request.range, at) {
            response.count += 1;
            if !request.count_only && is_wanted(request, version) {
                found.push((key, version));
            }
        }
        found.sort_by(|one, other| {
            let order = compare(sort.target, *one, *other);
            if sort.descending { order.reverse() } else { order }
        });
        if let Ok(limit) = usize::try_from(request.limit)
            && limit > 0
            && limit < found.len()
        {
            response.more = true;
            found.truncate(limit);
        }
        response.kvs =
            found.into_iter().map(|(key, version)| show(request, key, version)).collect();
        response
    }
}

/// The range as bounds of the map; `None` where it is empty, which the map does not take.
pub(crate) fn bounds(range: &KeyRange) -> Option<(Bound<&Key>, Bound<&Key>)> {
    let start = Bound::Included(&range.start);
    match &range.end {
        End::Single => Some((start, start)),
        End::Before(_) if range.is_empty() => None,
        End::Before(end) => Some((start, Bound::Excluded(end))),
        End::Unbounded => Some((start, Bound::Unbounded)),
    }
}

/// Whether the revision filters let a version pass. They do not change the count.
fn is_wanted(request: &RangeRequest, version: &Version) -> bool {
    let at_least = |revision: Revision, min: Revision| revision >= min;
    let at_most = |revision: Revision, max: Revision| max == Revision(0) || revision <= max;
    at_least(version.modified, request.min_mod_revision)
        && at_most(version.modified, request.max_mod_revision)
        && at_least(version.created, request.min_create_revision)
        && at_most(version.created, request.max_create_revision)
}

fn show(request: &RangeRequest, key: &Key, version: &Version) -> KeyValue {
    if request.keys_only { version.key_only(key) } else { version.key_value(key) }
}

fn compare(target: SortTarget, one: (&Key, &Version), other: (&Key, &Version)) -> Ordering {
    match target {
        SortTarget::Key => one.0.cmp(other.0),
        SortTarget::Version => one.1.version.cmp(&other.1.version),
        SortTarget::Create => one.1.created.cmp(&other.1.created),
        SortTarget::Mod => one.1.modified.cmp(&other.1.modified),
        SortTarget::Value => one.1.value.cmp(&other.1.value),
    }
}
