//! Judges of client histories, with their own model. They share no code with the store that they judge.
//!
//! ```text
//!                    +-> assumptions: is the record sound?
//!  History --case--> +-> revision order: white box, replay ----+-> agreement
//!                    |        |`-> serializable reads          |
//!                    |        `-> witness: an order            |
//!                    |             v                           |
//!                    +-> linearizable: black box, search ------+
//!                    +-> durability, monotone: narrow, with short sentences
//!                    `-> chronicle: what answers and watches tell of each revision
//!                         `-> watch, mirror, lease, lock; auth, hash, space and members by themselves
//! ```
//!
//! A history in which the cluster was started over from a backup is cut into its [`epochs`] before all that.
//!
//! Open [`ruling`] first: it is what a judge says. Then [`judge`], and one file for each judge. [`judge_by_revisions`]
//! leaves the search out, [`stream`] judges a history while it comes in, and [`counterexample`] and
//! [`grounds`] explain one that is wrong.
//!
//! ```
//! use whitewater_checkers::{Budget, Ruling, judge};
//! use whitewater_record::History;
//!
//! let judgements = judge(&History::default(), &Budget::default());
//! assert!(judgements.iter().all(|judgement| !matches!(judgement.ruling, Ruling::Broken(_))));
//! ```

#![forbid(unsafe_code)]

mod agreement;
mod alike;
mod assumptions;
mod auth;
mod bounds;
mod case;
mod chronicle;
pub mod counterexample;
mod cover;
mod deed;
mod describe;
mod doubt;
mod durability;
mod ends;
mod epochs;
pub mod grounds;
mod hash;
mod intern;
mod keyring;
mod lease;
pub mod limits;
mod linearizable;
mod live;
mod lock;
mod members;
pub mod minimize;
mod mirror;
mod model;
mod monotone;
mod names;
mod nearly;
mod order;
pub mod plain;
mod recorded;
mod revision_order;
pub mod ruling;
mod serializable;
mod space;
pub mod stream;
mod timeline;
mod watch;
mod witness;
mod writers;

pub use crate::{
    doubt::{Doubt, Window},
    limits::{Budget, LeaseBound, TokenBound},
    ruling::{Anomaly, Judgement, Ruling},
    stream::Stream,
};

use crate::{
    case::Case, chronicle::Chronicle, keyring::Keyring, timeline::Timeline, writers::Writers,
};
use whitewater_record::{Checked, History};

/// The names of all judges, in the order of their judgements.
pub const JUDGES: [&str; 15] = [
    assumptions::JUDGE,
    linearizable::JUDGE,
    revision_order::JUDGE,
    agreement::JUDGE,
    durability::JUDGE,
    serializable::JUDGE,
    monotone::JUDGE,
    watch::JUDGE,
    mirror::JUDGE,
    lease::JUDGE,
    lock::JUDGE,
    auth::JUDGE,
    hash::JUDGE,
    space::JUDGE,
    members::JUDGE,
];

/// Runs all judges on a history. One judgement each, in the order of [`JUDGES`].
///
/// If the record is unsound, the others are withheld. If the history is not linearizable, there is no order of the
/// writes to hold serializable reads against, and that judgement is withheld. Durability and monotony are narrower than
/// linearizability and need no order; they are always given, because their sentences are the shorter ones. So are those
/// about watches, mirrors, leases and locks, which rest on what was acknowledged and told, whatever the order.
#[must_use]
pub fn judge(history: &History, budget: &Budget) -> Vec<Judgement> {
    judge_spread(history, budget, &one_by_one)
}

/// Does some work for all numbers below the first argument, in any order, some at a time if it pleases. This crate has no
/// threads; who has some may lend them.
pub type Spread<'s> = &'s dyn Fn(usize, &(dyn Fn(usize) + Sync));

/// A [`Spread`] for one thread.
pub fn one_by_one(count: usize, work: &(dyn Fn(usize) + Sync)) {
    (0..count).for_each(work);
}

/// Like [`judge`]. The components of keys that no transaction joins are searched as `spread` spreads them; what is found
/// is the same.
#[must_use]
pub fn judge_spread(history: &History, budget: &Budget, spread: Spread<'_>) -> Vec<Judgement> {
    epochs::judge(history, |part| judge_part(part, budget, spread))
}

/// All judges on a history without epochs, or one of its epochs.
fn judge_part(history: &History, budget: &Budget, spread: Spread<'_>) -> Vec<Judgement> {
    let case = Case::new(history);
    let writers = Writers::new(&case);
    let record = assumptions::judge(&case, &writers);
    if record.ruling != Ruling::Holds {
        let others = JUDGES[1..].iter().map(|judge| withheld(judge, UNSOUND));
        return std::iter::once(record).chain(others).collect();
    }
    let timeline = Timeline::new(&case, &writers, budget);
    let witness = timeline.as_ref().ok().map(|timeline| witness::witness(&case, timeline));
    let black = linearizable::judge(&case, &writers, budget, witness.as_deref(), spread);
    let is_broken = black.judgement.ruling.anomaly().is_some();
    let [white, serializable] = by_revisions(&case, timeline.as_ref(), is_broken);
    let agreement = agreement::judge(&case, &black, &white);
    let black = black.judgement;
    let durability = durability::judge(&case, &writers);
    let monotone = monotone::judge(&case);
    let mut judgements = vec![record, black, white, agreement, durability, serializable, monotone];
    judgements.extend(beyond(&case, timeline.as_ref().ok(), budget));
    judgements
}

/// Runs the judges that take time in proportion to the history, n log n: all but the black box, which searches, and the
/// agreement with it; and those of watches, mirrors, leases and locks. In the order of [`JUDGES`].
#[must_use]
pub fn judge_by_revisions(history: &History, budget: &Budget) -> Vec<Judgement> {
    epochs::judge(history, |part| judge_part_by_revisions(part, budget))
}

fn judge_part_by_revisions(history: &History, budget: &Budget) -> Vec<Judgement> {
    let case = Case::new(history);
    let writers = Writers::new(&case);
    let record = assumptions::judge(&case, &writers);
    if record.ruling != Ruling::Holds {
        let names =
            [revision_order::JUDGE, durability::JUDGE, serializable::JUDGE, monotone::JUDGE];
        let others = names.into_iter().map(|judge| withheld(judge, UNSOUND));
        return std::iter::once(record).chain(others).collect();
    }
    let timeline = Timeline::new(&case, &writers, budget);
    let [white, serializable] = by_revisions(&case, timeline.as_ref(), false);
    let durability = durability::judge(&case, &writers);
    let monotone = monotone::judge(&case);
    vec![record, white, durability, serializable, monotone]
}

const UNSOUND: &str = "the record is unsound";

/// The judgements that rest on the timeline.
fn by_revisions(
    case: &Case,
    timeline: Result<&Timeline, &Ruling>,
    is_broken: bool,
) -> [Judgement; 2] {
    let white = revision_order::judge(case, timeline);
    let is_broken = is_broken || white.ruling.anomaly().is_some();
    let serializable = match timeline {
        Ok(timeline) if !is_broken => serializable::judge(case, timeline),
        Ok(_) => withheld(serializable::JUDGE, "the history is not linearizable"),
        Err(_) => withheld(serializable::JUDGE, "the order of the writes is not known"),
    };
    [white, serializable]
}

/// What is promised beyond the answers to single operations.
fn beyond(case: &Case, timeline: Option<&Timeline>, budget: &Budget) -> [Judgement; 8] {
    let keys = Keyring::new(case.history);
    let streams = watch::reader::read(case, &keys);
    let chronicle = Chronicle::new(case, &keys, &streams);
    let lives = lease::lives(case, budget);
    [
        watch::judge(case, &keys, &streams, &chronicle),
        mirror::judge(case, &keys, &streams),
        lease::judge(case, &keys, &streams, &chronicle, &lives),
        lock::judge(case, &keys, &chronicle, &lives),
        auth::judge(case, budget),
        hash::judge(case, timeline),
        space::judge(case),
        members::judge(case, budget),
    ]
}

/// The black-box judge alone, with nothing to go by but its own search: for histories whose revisions are broken or
/// absent, and to hold the search against the other judges.
#[must_use]
pub fn search(history: &History, budget: &Budget) -> Judgement {
    let case = Case::new(history);
    let writers = Writers::new(&case);
    linearizable::judge(&case, &writers, budget, None, &one_by_one).judgement
}

/// The order of the operations that their revisions give, as positions in the history, or what stands against it.
/// Serializable reads and operations without an effect of their own are not in it.
pub fn witness(history: &History, budget: &Budget) -> Result<Vec<usize>, Ruling> {
    let case = Case::new(history);
    let writers = Writers::new(&case);
    let timeline = Timeline::new(&case, &writers, budget)?;
    Ok(witness::witness(&case, &timeline).into_iter().map(|op| op as usize).collect())
}

/// Whether an order of operations, as positions in the history, proves to the black-box judge that the history is
/// linearizable. If it does not, that says nothing about the history.
pub fn verify(history: &History, order: &[usize]) -> Result<(), Ruling> {
    let case = Case::new(history);
    let writers = Writers::new(&case);
    let order: Vec<u32> = order.iter().map(|op| u32::try_from(*op).unwrap_or(u32::MAX)).collect();
    linearizable::verify(&case, &writers, &order)
}

fn withheld(judge: &'static str, reason: &str) -> Judgement {
    let ruling = Ruling::Withheld(reason.to_owned());
    Judgement { judge, ruling, checked: Checked::default() }
}
