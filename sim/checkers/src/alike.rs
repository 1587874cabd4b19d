//! Transactions of unknown outcome that can stand for each other.

use crate::case::{Condition, Step, Txn};
use whitewater_api::request::CompareTarget;

/// What a transaction asks and does, as numbers: equal for two that find the same and change the same, wherever they
/// take effect. Nobody tells what they saw, so that what they read is left out. What they put is left out as well unless
/// `with_values`: of one whose values nobody saw it makes no difference.
///
/// [`None`] if it cannot be said in so few words.
pub(crate) fn signature(txn: &Txn, with_values: bool) -> Option<Vec<u64>> {
    let mut words = Vec::new();
    write(txn, with_values, &mut words)?;
    Some(words)
}

fn write(txn: &Txn, with_values: bool, words: &mut Vec<u64>) -> Option<()> {
    words.push(txn.compares.len() as u64);
    txn.compares.iter().for_each(|condition| compare(condition, words));
    for branch in [&txn.success, &txn.failure] {
        // The length is known when all are written.
        let start = words.len();
        words.push(0);
        for step in branch {
            self::step(step, with_values, words)?;
        }
        words[start] = (words.len() - start) as u64;
    }
    Some(())
}

fn compare(condition: &Condition, words: &mut Vec<u64>) {
    let (target, number) = match condition.target {
        CompareTarget::Version(version) => (0, *version),
        CompareTarget::Create(revision) => (1, revision.0),
        CompareTarget::Mod(revision) => (2, revision.0),
        CompareTarget::Value(_) => (3, u64::from(condition.value)),
        CompareTarget::Lease(lease) => (4, lease.0.cast_unsigned()),
    };
    let relation = condition.relation as u64;
    let keys = [condition.keys.low, condition.keys.high].map(u64::from);
    words.extend([u64::from(condition.is_single), relation, target, number]);
    words.extend(keys);
}

fn step(step: &Step, with_values: bool, words: &mut Vec<u64>) -> Option<()> {
    match step {
        Step::Put(put) if put.is_plain => {
            let value = if with_values { u64::from(put.value) } else { 0 };
            words.extend([1, u64::from(put.key), value]);
        }
        Step::Delete(delete) => {
            words.extend([2, u64::from(delete.keys.low), u64::from(delete.keys.high)]);
        }
        Step::Txn(txn) => {
            words.push(3);
            write(txn, with_values, words)?;
        }
        Step::Range(_) => {}
        Step::Put(_) | Step::Revoke(_) | Step::Compact(_) | Step::Other => return None,
    }
    Some(())
}
