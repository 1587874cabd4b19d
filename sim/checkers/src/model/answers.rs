//! Answers to ranges, held against the store.

use super::{Cell, Mismatch, Model};
use crate::case::{Keys, Range, SeenKv};
use std::cmp::Ordering;
use whitewater_api::request::{Sort, SortTarget};

impl Model<'_> {
    pub(super) fn range(&self, range: &Range, revision: u64) -> Result<(), Mismatch> {
        let (Some(answer), request) = (&range.answer, range.request) else { return Ok(()) };
        let at = match range.past {
            0 => revision,
            wanted if wanted > revision => return Err(Mismatch::Future { wanted }),
            past => past,
        };
        let count = self.count(range.keys, at);
        if request.count_only {
            expect_length(answer.kvs.len() as u64, 0)?;
            return expect_totals(answer.count, answer.more, count, false);
        }
        let filters = [
            request.min_mod_revision,
            request.max_mod_revision,
            request.min_create_revision,
            request.max_create_revision,
        ];
        let has_filter = filters.iter().any(|bound| bound.0 != 0);
        if request.sort.is_some() || request.keys_only || has_filter {
            return self.range_with_options(range, at, count);
        }
        let is_cut = request.limit != 0 && request.limit < count;
        let mut present = self.present(range.keys, at);
        for saw in &answer.kvs {
            match present.next() {
                Some((key, cell)) => self.expect_kv(key, Some(*saw), Some(cell))?,
                None => return Err(self.unexpected(range.keys, at, saw)),
            }
        }
        let due = if is_cut { request.limit } else { count };
        if (answer.kvs.len() as u64) < due
            && let Some((key, cell)) = present.next()
        {
            return Err(Mismatch::Kv { key, saw: None, is: Some(cell) });
        }
        expect_length(answer.kvs.len() as u64, due)?;
        expect_totals(answer.count, answer.more, count, is_cut)
    }

    /// All that is there has been shown, and then comes `saw`.
    fn unexpected(&self, keys: Keys, at: u64, saw: &SeenKv) -> Mismatch {
        match self.at(saw.key, at) {
            Some(_) if keys.contains(saw.key) => {
                Mismatch::Order { first: saw.key, second: saw.key }
            }
            Some(_) => Mismatch::Stranger { saw: *saw },
            None => Mismatch::Kv { key: saw.key, saw: Some(*saw), is: None },
        }
    }

    /// etcd: filter, sort, limit; then leave values out. The count is of the range, whatever the filters say.
    ///
    /// Keys that are equal in what they are sorted by may come in any order, as far as etcd promises.
    fn range_with_options(&self, range: &Range, at: u64, count: u64) -> Result<(), Mismatch> {
        let (Some(answer), request) = (&range.answer, range.request) else { return Ok(()) };
        let within = |n: u64, low: u64, high: u64| low <= n && (high == 0 || n <= high);
        let is_wanted = |cell: &Cell| {
            within(cell.modified, request.min_mod_revision.0, request.max_mod_revision.0)
                && within(cell.create, request.min_create_revision.0, request.max_create_revision.0)
        };
        let mut kvs: Vec<(u32, Cell)> =
            self.present(range.keys, at).filter(|(_, cell)| is_wanted(cell)).collect();
        let sort = request.sort.unwrap_or(Sort { target: SortTarget::Key, descending: false });
        if request.sort.is_some() {
            kvs.sort_by(|a, b| self.order(sort, a, b));
        }
        let matching = kvs.len() as u64;
        let is_cut = request.limit != 0 && matching > request.limit;
        for (saw, due) in answer.kvs.iter().zip(&kvs) {
            let Some(cell) = self.at(saw.key, at).copied() else {
                return Err(Mismatch::Kv { key: saw.key, saw: Some(*saw), is: None });
            };
            if !range.keys.contains(saw.key) || !is_wanted(&cell) {
                return Err(Mismatch::Stranger { saw: *saw });
            }
            let is_left_out = request.keys_only && self.values[saw.value as usize].is_empty();
            let value = if is_left_out { cell.value } else { saw.value };
            self.expect_kv(saw.key, Some(SeenKv { value, ..*saw }), Some(cell))?;
            if request.sort.is_none() && saw.key != due.0 {
                return Err(Mismatch::Kv { key: due.0, saw: Some(*saw), is: Some(due.1) });
            }
            if self.order(sort, &(saw.key, cell), due).is_ne() {
                return Err(Mismatch::Order { first: due.0, second: saw.key });
            }
        }
        let mut shown: Vec<u32> = answer.kvs.iter().map(|saw| saw.key).collect();
        shown.sort_unstable();
        if let Some(twice) = shown.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Mismatch::Order { first: twice[0], second: twice[1] });
        }
        let due = if is_cut { request.limit } else { matching };
        expect_length(answer.kvs.len() as u64, due)?;
        expect_totals(answer.count, answer.more, count, is_cut)
    }

    fn order(&self, sort: Sort, a: &(u32, Cell), b: &(u32, Cell)) -> Ordering {
        let ordering = match sort.target {
            SortTarget::Key => a.0.cmp(&b.0),
            SortTarget::Version => a.1.version.cmp(&b.1.version),
            SortTarget::Create => a.1.create.cmp(&b.1.create),
            SortTarget::Mod => a.1.modified.cmp(&b.1.modified),
            SortTarget::Value => {
                self.values[a.1.value as usize].cmp(self.values[b.1.value as usize])
            }
        };
        if sort.descending { ordering.reverse() } else { ordering }
    }

    pub(super) fn expect_kv(
        &self,
        key: u32,
        saw: Option<SeenKv>,
        is: Option<Cell>,
    ) -> Result<(), Mismatch> {
        let told = self.recorded;
        let is_same = match (&saw, &is) {
            (None, None) => true,
            (Some(saw), Some(is)) => {
                saw.key == key
                    && saw.value == is.value
                    && (saw.create == is.create || !told.create)
                    && (saw.modified == is.modified || !told.modified)
                    && (saw.version == is.version || !told.version)
                    && (saw.lease == is.lease || !told.lease)
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        if is_same { Ok(()) } else { Err(Mismatch::Kv { key, saw, is }) }
    }
}

pub(super) fn expect_length(saw: u64, is: u64) -> Result<(), Mismatch> {
    if saw == is { Ok(()) } else { Err(Mismatch::Length { saw, is }) }
}

fn expect_totals(count: u64, more: bool, is: u64, is_cut: bool) -> Result<(), Mismatch> {
    if count != is {
        return Err(Mismatch::Count { saw: count, is });
    }
    if more != is_cut {
        return Err(Mismatch::More { saw: more });
    }
    Ok(())
}
