//! Fewer watchers, fewer watches, and plainer ones.

use whitewater_record::{Plan, PlannedWatch, Span, WatcherPlan};

/// Watches of all watchers.
pub(crate) fn watches(plan: &Plan) -> usize {
    plan.watchers.iter().map(|watcher| watcher.watches.len()).sum()
}

/// How much there is to understand about the watchers and their watches: what is not as usual.
pub(crate) fn rank(plan: &Plan) -> usize {
    plan.watchers.iter().map(watcher_rank).sum()
}

fn watcher_rank(watcher: &WatcherPlan) -> usize {
    let habits = HABITS.iter().filter(|habit| {
        let mut plain = watcher.clone();
        habit(&mut plain);
        plain != *watcher
    });
    // Wishes are words behind the prefix.
    let words = |watch: &PlannedWatch| watch.to_string().split_whitespace().count();
    habits.count() + watcher.watches.iter().map(words).sum::<usize>()
}

/// The plan without each of its watchers.
pub(crate) fn without_each(plan: &Plan) -> Vec<Plan> {
    let without = |place: usize| {
        let mut less = plan.clone();
        less.watchers.remove(place);
        less
    };
    (0..plan.watchers.len()).map(without).collect()
}

/// What a watcher does beside watching, each taken away.
const HABITS: [fn(&mut WatcherPlan); 8] = [
    |watcher| watcher.starts = Span(0),
    |watcher| watcher.window = WatcherPlan::default().window,
    |watcher| watcher.pace = Span(0),
    |watcher| watcher.asks = Span(0),
    |watcher| watcher.moves = Span(0),
    |watcher| watcher.cancels = Span(0),
    |watcher| watcher.require_leader = false,
    |watcher| watcher.lists = None,
];

/// The plan with fewer watches, and with plainer watchers.
pub(crate) fn simplified(plan: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    for (place, watcher) in plan.watchers.iter().enumerate() {
        let with = |change: &dyn Fn(&mut WatcherPlan)| {
            let mut less = plan.clone();
            change(&mut less.watchers[place]);
            less
        };
        all.extend((0..watcher.watches.len()).filter(|_| watcher.watches.len() > 1).map(|watch| {
            with(&|watcher| {
                watcher.watches.remove(watch);
            })
        }));
        all.push(with(&|watcher| HABITS.iter().for_each(|habit| habit(watcher))));
        all.extend(HABITS.iter().map(|habit| with(habit)));
        for (watch, planned) in watcher.watches.iter().enumerate() {
            all.extend(
                plainer(planned)
                    .into_iter()
                    .map(|plain| with(&|watcher| watcher.watches[watch] = plain.clone())),
            );
        }
    }
    all
}

/// The watch without each of its wishes: they are the words behind the prefix.
fn plainer(watch: &PlannedWatch) -> Vec<PlannedWatch> {
    let line = watch.to_string();
    let words: Vec<&str> = line.split_whitespace().collect();
    let without = |gone: usize| {
        let kept = words.iter().enumerate().filter(|(place, _)| *place != gone);
        kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ").parse().ok()
    };
    (1..words.len()).filter_map(without).collect()
}
