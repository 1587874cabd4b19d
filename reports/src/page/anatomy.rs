//! What a failure hangs on: which items of its plan it needs, and from which moment on nothing else can come of it.

use super::{Page, clean::Cleaner, moment};
use serde::Serialize;
use whitewater_record::SimTime;

/// Items of one kind that are shown if the failure needs them, and if it does not.
const SHOWN_MAX: [usize; 2] = [20, 4];

/// What `whitewater explain PLAN` finds out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anatomy {
    /// The items of the plan.
    pub items: Vec<Item>,
    /// Moments of the run, in order.
    pub points: Vec<Point>,
    /// From here on all futures that were played fail in the same way.
    pub no_return: Option<SimTime>,
    /// Whether everything was played that should have been.
    pub is_whole: bool,
}

/// An item of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub what: String,
    /// What becomes of the failure without it, such as `passes without`.
    pub without: &'static str,
    /// The failure does not happen without it.
    pub is_needed: bool,
}

/// A moment from which a run was played into several futures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When.
    pub at: SimTime,
    /// Futures that were played.
    pub played: u64,
    /// Those that failed in the same way.
    pub fails: u64,
}

/// The same as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// `3 of 61 items are needed`
    needed: String,
    /// By what becomes of the failure: the items, and how many more there are.
    groups: Vec<Group>,
    points: Vec<Share>,
    decided: String,
    is_whole: bool,
}

#[derive(Debug, Serialize)]
struct Group {
    without: &'static str,
    items: Vec<String>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct Share {
    at: String,
    fails: u64,
    played: u64,
    percent: u64,
}

impl Shown {
    pub(super) fn new(anatomy: &Anatomy, page: &Page<'_>, cleaner: &Cleaner) -> Self {
        let Anatomy { items, points, no_return, is_whole } = anatomy;
        let needed = items.iter().filter(|it| it.is_needed).count();
        let mut groups: Vec<Group> = Vec::new();
        // What is needed comes first. Values stand in items in many forms, so that none is shown where they are hidden.
        for it in
            items.iter().filter(|it| it.is_needed).chain(items.iter().filter(|it| !it.is_needed))
        {
            let place = groups.iter().position(|group| group.without == it.without);
            let place = place.unwrap_or_else(|| {
                groups.push(Group { without: it.without, items: Vec::new(), more: 0 });
                groups.len() - 1
            });
            let group = &mut groups[place];
            if group.items.len() < SHOWN_MAX[usize::from(!it.is_needed)] && !page.redact {
                group.items.push(cleaner.text(&it.what));
            } else {
                group.more += 1;
            }
        }
        let share = |it: &Point| Share {
            at: moment(it.at),
            fails: it.fails,
            played: it.played,
            percent: it.fails * 100 / it.played.max(1),
        };
        Self {
            needed: format!("{needed} of {} items are needed", items.len()),
            groups,
            points: points.iter().map(share).collect(),
            decided: match no_return {
                Some(at) => format!("No return from {} on, as far as was played.", moment(*at)),
                None => "Never before it is seen: luck decides to the end.".to_owned(),
            },
            is_whole: *is_whole,
        }
    }
}
