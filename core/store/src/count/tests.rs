use super::*;
use whitewater_api::{
    Request,
    request::{CompactRequest, DeleteRangeRequest, PutRequest, RangeRequest, TxnOp, TxnRequest},
};
use whitewater_mutation::Mutations;

/// Numbers without a pattern, always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn key(&mut self) -> Key {
        Key::from(format!("k{:05}", self.below(6_000)).as_str())
    }

    fn range(&mut self) -> KeyRange {
        let start = self.key();
        match self.below(4) {
            0 => KeyRange { start, end: End::Single },
            1 => KeyRange { start, end: End::Unbounded },
            _ => KeyRange { start, end: End::Before(self.key()) },
        }
    }
}

/// One request out of many kinds. Ranges of deletes are short, so that there is something to count.
fn request(dice: &mut Dice, store: &Store) -> Request {
    let put = |dice: &mut Dice| PutRequest { key: dice.key(), ..PutRequest::new("", "v") };
    match dice.below(40) {
        0..=5 => {
            let start = dice.key();
            let end = Key::from(format!("{start}0").as_str());
            let range = KeyRange { start, end: End::Before(end) };
            Request::DeleteRange(DeleteRangeRequest { range, prev_kv: false })
        }
        6 => {
            let range = KeyRange { end: End::Before(dice.key()), start: dice.key() };
            let is_short = store.count(&range, store.revision()).unwrap() < 300;
            let end = if is_short { range.end } else { End::Single };
            let range = KeyRange { end, ..range };
            Request::DeleteRange(DeleteRangeRequest { range, prev_kv: false })
        }
        7 => {
            // It fails at its last operation, and everything is taken back.
            let missing = PutRequest { ignore_value: true, ..PutRequest::new("none", "") };
            let range = KeyRange { start: dice.key(), end: End::Single };
            let delete = TxnOp::DeleteRange(DeleteRangeRequest { range, prev_kv: false });
            let success = vec![TxnOp::Put(put(dice)), delete, TxnOp::Put(missing)];
            Request::Txn(TxnRequest { success, ..TxnRequest::default() })
        }
        8 if dice.below(20) == 0 => {
            let back = 1 + dice.below(2_000);
            let revision = Revision(store.revision().0.saturating_sub(back).max(1));
            Request::Compact(CompactRequest { revision, physical: false })
        }
        _ => Request::Put(put(dice)),
    }
}

#[test]
fn a_count_is_what_a_look_at_every_key_gives_now_and_in_the_past() {
    let mut dice = Dice(7);
    let mut store = Store::new(Mutations::none());
    let mut most = 0;
    for step in 0..40_000 {
        let request = request(&mut dice, &store);
        // Some are refused: they must leave the count as it was, too.
        let _outcome = store.apply(&request);
        if dice.below(4) == 0 {
            store.scrub(8);
        }
        most = most.max(store.stretches.by_first.len());
        if step % 40 != 0 {
            continue;
        }
        let keys = dice.range();
        let back = dice.below(6_000);
        let past = store.revision().0.saturating_sub(back).max(store.compacted().0);
        for at in [Revision(u64::MAX), store.revision(), Revision(past)] {
            let counted = store.present(&keys, at).count() as u64;
            let told = store.count(&keys, at);
            assert_eq!(told.unwrap_or(counted), counted, "step {step}: {keys} at {at}");
            assert!(told.is_some() || at < store.revision(), "step {step}: {keys} at {at}");
        }
        if step % 4_000 == 0 {
            store.check_invariants();
        }
    }
    assert!(most > 4, "{most} stretches: nothing was cut");
    assert!(Stretches::of(&store.keys).are_sound(&store.keys));
}

#[test]
fn a_store_that_loses_its_keys_loses_its_stretches() {
    let mut store = Store::new(Mutations::none());
    for number in 0..5_000 {
        let put = PutRequest::new(format!("k{number:05}").as_str(), "v");
        store.apply(&Request::Put(put)).unwrap();
    }
    let all = KeyRange { start: Key::from("k"), end: End::Unbounded };
    assert_eq!(store.count(&all, store.revision()), Some(5_000));
    assert!(store.stretches.by_first.len() >= 5_000 / STRETCH_KEYS_MAX);
    let delete = DeleteRangeRequest { range: all.clone(), prev_kv: false };
    store.apply(&Request::DeleteRange(delete)).unwrap();
    assert_eq!(store.count(&all, store.revision()), Some(0));
    let before = Revision(store.revision().0 - 1);
    let past =
        RangeRequest { revision: before, count_only: true, ..RangeRequest::new(all.clone()) };
    assert_eq!(store.range(&past, Revision(0)).unwrap().count, 5_000);
    store.apply(&Request::Put(PutRequest::new("other", "v"))).unwrap();
    let revision = store.revision();
    store.apply(&Request::Compact(CompactRequest { revision, physical: false })).unwrap();
    while store.scrub(1_000) {}
    assert_eq!(store.count(&all, revision), Some(1));
    assert_eq!(store.stretches.by_first.len(), 1);
    store.check_invariants();
}
