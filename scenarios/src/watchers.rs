//! The clients that watch.

use crate::{
    auth::Permissions,
    dist::{Numbers, Percent, Spans},
    error::Complaint,
    planner::Size,
    scenario::within,
};
use serde::Deserialize;
use whitewater_api::{KeyRange, NodeId, watch::WatchCreate};
use whitewater_record::{PlannedWatch, Seed, Span, Stream, WatcherPlan};

/// What the watchers are like. See [`WatcherPlan`] for what each setting does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watchers {
    /// How many watchers.
    pub count: Numbers,
    /// Watches of each.
    pub watches: Numbers,
    /// Messages that may be on their way to one.
    pub window: Numbers,
    /// How long one takes over a message.
    pub pace: Spans,
    /// How often one asks how far it has come; zero for never.
    pub asks: Spans,
    /// How often one leaves for another node; zero for never.
    pub moves: Spans,
    /// How often one cancels a watch and opens it anew; zero for never. Not said: nobody does.
    pub cancels: Option<Spans>,
    /// Chance, in a hundred, that one is a user, where there are users.
    #[serde(default)]
    pub users_percent: Percent,
    /// How many keys a page of a list has that one watches from; 0 for all at once. Not said: none keeps a mirror.
    pub lists: Option<Numbers>,
}

impl Watchers {
    pub(crate) fn check(&self) -> Result<(), Complaint> {
        within("watchers.count", &self.count, 0, 100)?;
        within("watchers.watches", &self.watches, 1, 100)?;
        within("watchers.window", &self.window, 1, 10_000)
    }

    /// Draws the watchers, each from a stream of its own. The first watch of the first one leaves nothing out, so that
    /// there is always somebody who hears of everything.
    pub(crate) fn draw(
        &self,
        seed: Seed,
        size: &Size,
        permissions: Option<&Permissions>,
    ) -> Vec<WatcherPlan> {
        let count = self.count.0.flat(&mut seed.stream("plan/watchers", 0));
        let watcher = |number| {
            let mut stream = seed.stream("plan/watcher", number);
            let home = NodeId(stream.between(1, size.nodes));
            let count = self.watches.0.flat(&mut stream);
            let mut watches: Vec<PlannedWatch> =
                (0..count).map(|_| watch(&mut stream, size.keys)).collect();
            if number == 1 {
                watches[0] = PlannedWatch::prefix("k");
                watches[0].0.prev_kv = true;
            }
            let plan = WatcherPlan {
                home,
                watches,
                starts: Span(stream.below(size.duration.0 / 4) / 1_000_000 * 1_000_000),
                window: self.window.0.wide(&mut stream),
                pace: self.pace.wide(&mut stream),
                asks: self.asks.wide(&mut stream),
                moves: self.moves.wide(&mut stream),
                require_leader: stream.chance(250_000),
                lists: self.lists.as_ref().map(|page| page.0.wide(&mut stream)),
                user: None,
                cancels: self.cancels.as_ref().map_or(Span(0), |often| often.wide(&mut stream)),
            };
            match permissions {
                Some(permissions) => self.as_user(plan, seed, number, size, permissions),
                None => plan,
            }
        };
        (1..=count).map(watcher).collect()
    }

    /// The watcher as a user, perhaps: one watch, often of more than is permitted.
    fn as_user(
        &self,
        plan: WatcherPlan,
        seed: Seed,
        number: u64,
        size: &Size,
        permissions: &Permissions,
    ) -> WatcherPlan {
        let mut stream = seed.stream("plan/watcher/user", number);
        if !self.users_percent.draw(&mut stream) {
            return plan;
        }
        let user = stream.between(1, permissions.count(seed));
        let key = format!("k{}", stream.below(size.keys));
        let range = if stream.chance(400_000) {
            KeyRange::from_key(key)
        } else {
            KeyRange::prefix(if stream.chance(300_000) { "k".to_owned() } else { key })
        };
        let watches = vec![PlannedWatch(WatchCreate::new(range))];
        let user = Some((format!("u{user}"), format!("p{user}")));
        WatcherPlan { watches, lists: None, user, ..plan }
    }
}

/// A watch of all keys half of the time, else of one key, which is also the prefix of longer ones.
fn watch(stream: &mut Stream, keys: u64) -> PlannedWatch {
    let prefix =
        if stream.chance(500_000) { "k".to_owned() } else { format!("k{}", stream.below(keys)) };
    let mut watch = PlannedWatch::prefix(prefix);
    watch.0.prev_kv = stream.chance(500_000);
    watch.0.progress = stream.chance(500_000);
    watch.0.fragment = stream.chance(250_000);
    watch.0.no_put = stream.chance(100_000);
    watch.0.no_delete = !watch.0.no_put && stream.chance(100_000);
    watch
}
