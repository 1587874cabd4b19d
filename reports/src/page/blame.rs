//! The first bad moment: the event from which on something did not hold that must hold for the promise to be kept, up to
//! the event at which a check objected. It is found in the trace, by a condition for each class of failure; where no
//! condition is known, it is the event that brought the objection about.

use super::scene::{Scene, WatchName, id};
use std::collections::BTreeMap;
use whitewater_api::LeaseId;
use whitewater_record::{Operation, Row, RowKind, SimTime, trace::MESSAGES};

/// A moment, and what is said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The event.
    pub(crate) event: u64,
    /// Its time.
    pub(crate) at: SimTime,
    /// What does not hold any more, such as `FreshReads(n1)`.
    pub(crate) condition: String,
    /// What happened.
    pub(crate) text: String,
    /// The node that it is about, if that is not where it happened.
    pub(crate) about: Option<u64>,
}

/// The first bad moment, which comes before the objection. [`None`] if the trace does not tell.
pub(super) fn first_bad(scene: &Scene<'_>) -> Option<Moment> {
    let by_class = match scene.violation.code.as_str() {
        "promise" | "vote-once" => promised(scene),
        "boot-promise" | "recovery" => lost(scene),
        "watch" | "mirror" => untold(scene).or_else(|| mistold(scene)),
        "liveness" => waiting(scene),
        "election-safety" => second_vote(scene),
        "leader-completeness" => lacking(scene),
        "read-freshness" | "linearizable" | "revision-order" | "durability" | "serializable"
        | "monotone" | "lock" | "auth" | "hash" | "space" | "members" => answered(scene),
        "lease" => ended(scene).or_else(|| answered(scene)),
        "stalled-leader" => unwritten(scene),
        "compaction" => brought_about(scene).or_else(|| applied(scene)),
        _ => None,
    };
    by_class.or_else(|| brought_about(scene)).filter(|moment| moment.event < scene.detected)
}

fn moment(scene: &Scene<'_>, event: u64, condition: String, text: String) -> Moment {
    Moment { event, at: scene.at(event), condition, text, about: None }
}

/// What a node promises is not on its disk: since it came to be in its memory.
fn promised(scene: &Scene<'_>) -> Option<Moment> {
    let node = scene.violation.node?.0;
    let row = scene.row(scene.detected)?;
    let [_, _, kind, term, index, _] = row.fields;
    let kind = usize::try_from(kind).ok().and_then(|place| MESSAGES.get(place)).copied();
    let is_vote = kind.is_some_and(|kind| kind.contains("vote"));
    let condition = format!("DiskHoldsPromise(n{node})");
    if row.kind == RowKind::Send && !is_vote {
        let event = scene.last_before(scene.detected, |row| {
            row.kind == RowKind::Append
                && row.node == node
                && (row.fields[0]..=row.fields[1]).contains(&index)
        });
        if let Some(event) = event {
            let told = scene.tell(event);
            let text = format!("{told}: from here on entry {index} is in its memory");
            return Some(moment(scene, event, condition, text));
        }
    }
    let event = scene.last_before(scene.detected, |row| {
        row.kind == RowKind::Vote && row.node == node && (!is_vote || row.fields[0] == term)
    })?;
    let text = format!("{}: from here on its vote is in its memory", scene.tell(event));
    Some(moment(scene, event, condition, text))
}

/// What a node had promised is gone: since its last crash.
fn lost(scene: &Scene<'_>) -> Option<Moment> {
    let node = scene.violation.node?.0;
    let event = scene.last_before(scene.detected, |row| {
        row.node == node && matches!(row.kind, RowKind::Crash | RowKind::Stop)
    })?;
    Some(moment(scene, event, format!("KeepsPromises(n{node})"), scene.tell(event)))
}

/// A leader cannot write and leads on: since it asked for the write that is not done.
fn unwritten(scene: &Scene<'_>) -> Option<Moment> {
    let node = scene.violation.node?.0;
    let event =
        scene.last_before(scene.detected, |row| row.kind == RowKind::Submit && row.node == node)?;
    let text = format!("{}: from here on its log waits for the disk", scene.tell(event));
    Some(moment(scene, event, format!("GivesWay(n{node})"), text))
}

/// What is compacted is too young: since the last of it was applied there.
fn applied(scene: &Scene<'_>) -> Option<Moment> {
    let node = scene.violation.node?.0;
    let event =
        scene.last_before(scene.detected, |row| row.kind == RowKind::Apply && row.node == node)?;
    Some(moment(scene, event, format!("KeepsPeriod(n{node})"), scene.tell(event)))
}

/// A read is answered by a node that lacks what somebody had been told of: since that was told. Any other answer that
/// cannot be right: since it left.
fn answered(scene: &Scene<'_>) -> Option<Moment> {
    let operation = *scene.operations.first()?;
    let reply = scene.event_of(id(operation), RowKind::Reply);
    let (node, until) = match reply.and_then(|event| Some((scene.row(event)?.node, event))) {
        Some(reply) => reply,
        None => (scene.violation.node?.0, scene.detected),
    };
    if operation.request.is_read()
        && let Some((event, own)) = stale_since(scene, node, until)
        && event < scene.detected
    {
        let text = format!("{}; n{node} has applied no more than r{own}", scene.tell(event));
        let condition = format!("FreshReads(n{node})");
        return Some(Moment { about: Some(node), ..moment(scene, event, condition, text) });
    }
    let event = reply?;
    let text = format!("{}: the answer leaves", scene.tell(event));
    Some(moment(scene, event, format!("RightAnswer({})", operation.id), text))
}

/// Since when a node lacks a revision that a client had been told of, up to an event; and what it has.
fn stale_since(scene: &Scene<'_>, node: u64, until: u64) -> Option<(u64, u64)> {
    let mut knowledge = Knowledge::default();
    let mut since = None;
    for (event, row) in (0..).zip(scene.rows).take_while(|(event, _)| *event <= until) {
        knowledge.take(row, node);
        if knowledge.told <= knowledge.own {
            since = None;
        } else if since.is_none() {
            since = Some((event, knowledge.own));
        }
    }
    since
}

/// What clients were told of, and what a node has applied.
#[derive(Debug, Default)]
struct Knowledge {
    /// The newest revision in an answer.
    told: u64,
    /// The newest revision that the node has.
    own: u64,
    /// The revisions that entries made, by index.
    made: BTreeMap<u64, u64>,
}

impl Knowledge {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others tell of no revision")]
    fn take(&mut self, row: &Row, node: u64) {
        let [index, _, third, revision, ..] = row.fields;
        let up_to = |made: &BTreeMap<u64, u64>, index: u64| {
            made.range(..=index).next_back().map_or(0, |(_, revision)| *revision)
        };
        match row.kind {
            RowKind::Complete if third == 0 => self.told = self.told.max(revision),
            RowKind::Apply => {
                if row.fields[5] > 0 {
                    self.made.insert(index, row.fields[5]);
                }
                if row.node == node {
                    self.own = self.own.max(row.fields[5]);
                }
            }
            RowKind::Boot if row.node == node => self.own = up_to(&self.made, third),
            RowKind::Snapshot if row.node == node && third == 1 => {
                self.own = self.own.max(up_to(&self.made, index));
            }
            _ => {}
        }
    }
}

/// A lease ended too early: since a replica let it end.
fn ended(scene: &Scene<'_>) -> Option<Moment> {
    let sentence = &scene.violation.sentence;
    if !sentence.starts_with("early-expiry") {
        return None;
    }
    let event = scene.last_before(scene.detected, |row| {
        let name = LeaseId(row.fields[0].cast_signed()).to_string();
        row.kind == RowKind::Lease && sentence.contains(&name)
    })?;
    let name = LeaseId(scene.row(event)?.fields[0].cast_signed());
    Some(moment(scene, event, format!("Lives({name})"), scene.tell(event)))
}

/// A watch was not told rightly of a revision: since the node at its other end had it.
fn untold(scene: &Scene<'_>) -> Option<Moment> {
    let revision = scene.operations.iter().find_map(|operation| made(operation))?;
    let applies = |row: &Row, node: Option<u64>| {
        row.kind == RowKind::Apply
            && row.fields[5] == revision
            && node.is_none_or(|node| row.node == node)
    };
    let node = scene.row(scene.detected).map(|row| row.node);
    let event = scene
        .last_before(scene.detected, |row| applies(row, node))
        .or_else(|| scene.last_before(scene.detected, |row| applies(row, None)))?;
    let name = scene.watch().map_or_else(String::new, |WatchName { process, stream, watch }| {
        watch.map_or_else(
            || format!("p{process}/{stream}"),
            |watch| format!("p{process}/{stream} w{watch}"),
        )
    });
    let told = scene.watch().is_some_and(|watch| scene.is_told(watch, revision));
    let never = if told { "" } else { "; no message tells of it" };
    let text = format!("{}{never}", scene.tell(event));
    Some(moment(scene, event, format!("Told({name}, r{revision})"), text))
}

/// No write is to blame: since the message on the same stream that does not go with the one that was objected to. That is
/// the first one that said that all was told up to a revision that comes only now, else the last one that told anything.
fn mistold(scene: &Scene<'_>) -> Option<Moment> {
    let WatchName { process, stream, .. } = scene.watch()?;
    let revision = scene.row(scene.detected)?.fields[4];
    let says = |row: &Row, word: &str| {
        row.kind == RowKind::Watch
            && (row.fields[0], row.fields[1]) == (process, stream)
            && row.kind.columns()[2].word(row.fields[2]) == Some(word)
    };
    let before = || (0..scene.detected).zip(scene.rows);
    let ahead = before()
        .find(|(_, row)| says(row, "progress") && row.fields[4] >= revision)
        .map(|(event, _)| event);
    if let Some(event) = ahead {
        let text = format!("{}; r{revision} comes only later", scene.tell(event));
        let condition = format!("AllTold(p{process}/{stream}, r{revision})");
        return Some(moment(scene, event, condition, text));
    }
    let event = scene.last_before(scene.detected, |row| says(row, "events"))?;
    let text = format!("{}: the next message does not go with it", scene.tell(event));
    Some(moment(scene, event, format!("Continues(p{process}/{stream})"), text))
}

fn made(operation: &Operation) -> Option<u64> {
    Scene::revision(operation).filter(|_| !operation.request.is_read())
}

/// Who waits for what: a node that lacks what is committed, since it lacks it; the cluster without a leader, since the last
/// one stopped leading; else the probe that is not answered, since it was asked.
fn waiting(scene: &Scene<'_>) -> Option<Moment> {
    let picture = scene.picture(scene.detected);
    let most = picture.nodes.values().map(|node| node.commit).max()?;
    let behind = picture.nodes.iter().filter(|(_, node)| node.applied < most);
    if let Some((node, it)) = behind.min_by_key(|(id, node)| (node.applied, **id)) {
        let (node, has) = (*node, it.applied);
        let event = scene.rows.iter().position(|row| {
            row.kind == RowKind::Commit && row.node != node && row.fields[0] > has
        })? as u64;
        let text = format!("{}; n{node} has applied {has} at the end", scene.tell(event));
        let condition = format!("CaughtUp(n{node})");
        return Some(Moment { about: Some(node), ..moment(scene, event, condition, text) });
    }
    if !picture.nodes.values().any(|node| node.role == 3) {
        let event = scene
            .last_before(scene.detected, |row| row.kind == RowKind::Role && row.fields[0] == 3)?;
        let node = scene.row(event)?.node;
        let ended = scene.rows.iter().enumerate().find(|(place, row)| {
            *place as u64 > event
                && row.node == node
                && matches!(row.kind, RowKind::Role | RowKind::Crash | RowKind::Stop)
        })?;
        let event = ended.0 as u64;
        let text = format!("{}: the last leader is gone", scene.tell(event));
        return Some(moment(scene, event, "Led".to_owned(), text));
    }
    let asked = scene.last_before(scene.detected, |row| row.kind == RowKind::Invoke)?;
    Some(moment(scene, asked, "Served".to_owned(), scene.tell(asked)))
}

/// Two leaders in a term: since the first node that helped both.
fn second_vote(scene: &Scene<'_>) -> Option<Moment> {
    let term = scene.row(scene.detected)?.fields[1];
    let mut votes: BTreeMap<u64, u64> = BTreeMap::new();
    for (event, row) in (0..scene.detected).zip(scene.rows) {
        if row.kind != RowKind::Vote || row.fields[0] != term {
            continue;
        }
        let first = *votes.entry(row.node).or_insert(row.fields[1]);
        if first != row.fields[1] {
            let text = format!("{}, having voted for n{first} in it", scene.tell(event));
            return Some(moment(scene, event, format!("VotesOnce(n{})", row.node), text));
        }
    }
    None
}

/// A leader lacks what is committed: since it was committed elsewhere.
fn lacking(scene: &Scene<'_>) -> Option<Moment> {
    let node = scene.violation.node?.0;
    let last = scene.picture(scene.detected).nodes.get(&node)?.last;
    let event =
        scene.rows.iter().position(|row| {
            row.kind == RowKind::Commit && row.node != node && row.fields[0] > last
        })? as u64;
    let text = format!("{}; the log of n{node} ends at {last} when it leads", scene.tell(event));
    Some(moment(scene, event, format!("HasCommitted(n{node})"), text))
}

/// What brought the objection about: the nearest cause at another node, else the first of its causes.
fn brought_about(scene: &Scene<'_>) -> Option<Moment> {
    let causes: Vec<u64> = scene.causes(scene.detected).collect();
    let event = *causes.first()?;
    let text = format!("{}: what follows from it is objected to", scene.tell(event));
    Some(moment(scene, event, "StepIsRight".to_owned(), text))
}
