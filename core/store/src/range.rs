//! Reading ranges (etcd, `server/etcdserver/txn/range.go`).

use crate::{
    history::Version,
    scan::{RangeScan, is_wanted, show},
    store::Store,
};
use std::ops::Bound;
use whitewater_api::{
    End, Error, Key, KeyRange, Revision, request::RangeRequest, response::RangeResponse,
};

impl Store {
    /// Reads a range at once. Refuses as [`RangeScan::new`] does.
    pub(crate) fn range(
        &self,
        request: &RangeRequest,
        floor: Revision,
    ) -> Result<RangeResponse, Error> {
        if request.range.end == End::Single {
            return Ok(self.get(request, self.moment(request.revision, floor)?));
        }
        let mut scan = RangeScan::new(self, request, floor)?;
        Ok(scan.step(self, &mut usize::MAX.clone()).expect("it looks at everything"))
    }

    /// The revision that a read at `revision` is of. Refuses what lies below `floor` and what does not exist yet; what the running
    /// transaction makes does not, but the newest is read with all that it has written.
    pub(crate) fn moment(&self, revision: Revision, floor: Revision) -> Result<Revision, Error> {
        match revision {
            Revision::LATEST => Ok(self.newest()),
            revision if revision > self.revision => {
                Err(Error::FutureRevision { current: self.revision })
            }
            revision if revision < floor => Err(Error::Compacted { compacted: self.compacted }),
            revision => Ok(revision),
        }
    }

    /// The newest revision; the one in the making, where a transaction under way has written.
    pub(crate) fn newest(&self) -> Revision {
        if self.journal.pending > 0 { self.revision.next() } else { self.revision }
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

    /// One key, as most reads ask for: it is looked up.
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
