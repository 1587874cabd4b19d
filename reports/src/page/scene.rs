//! A failed run, ready to be asked: which event objected, which operations are the evidence, what an event means.

use super::{Page, answer, blame::Moment, classes};
use crate::{lanes, picture::Picture, sentence};
use std::collections::BTreeMap;
use whitewater_api::Completion;
use whitewater_record::{
    Operation, Plan, Row, RowKind, SimTime, Violation, WatchMessage, WatchRow, trace::MESSAGES,
};

/// Characters of a word in a line.
const WORD_MAX: usize = 32;

/// A run, and what was objected to first.
pub(super) struct Scene<'a> {
    pub(super) rows: &'a [Row],
    pub(super) violation: &'a Violation,
    /// The event at which the objection was made.
    pub(super) detected: u64,
    /// Operations that the objection is about, the one that cannot be explained first.
    pub(super) operations: Vec<&'a Operation>,
    plan: &'a Plan,
    all: &'a [Operation],
    watches: &'a [WatchRow],
    by_id: BTreeMap<(u64, u64), &'a Operation>,
}

/// A stream of watches that a sentence names: `p2/1 w1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WatchName {
    pub(super) process: u64,
    pub(super) stream: u64,
    /// [`None`] if the sentence is about the stream.
    pub(super) watch: Option<u64>,
}

pub(super) fn id(operation: &Operation) -> (u64, u64) {
    (u64::from(operation.id.process.0), u64::from(operation.id.sequence))
}

impl<'a> Scene<'a> {
    /// [`None`] without events or without an objection.
    pub(super) fn new(page: &Page<'a>) -> Option<Self> {
        let rows = page.trace.rows();
        let violation = page.outcome.violations.first()?;
        let plan = page.plan.filter(|_| !rows.is_empty())?;
        let all = &page.history.operations;
        let by_id: BTreeMap<(u64, u64), &Operation> = all.iter().map(|it| (id(it), it)).collect();
        let mut operations: Vec<&Operation> =
            page.evidence.operations.iter().filter_map(|place| all.get(*place)).collect();
        // An invariant has no evidence beside its sentence.
        let named = named_operations(&violation.sentence);
        operations.extend(named.iter().filter_map(|id| by_id.get(id).copied()));
        let watches = page.history.watches.as_slice();
        let mut scene =
            Self { rows, violation, detected: 0, operations, plan, all, watches, by_id };
        scene.distinct();
        scene.detected = scene.find_detection();
        Some(scene)
    }

    fn distinct(&mut self) {
        let mut seen = std::collections::BTreeSet::new();
        self.operations.retain(|operation| seen.insert(id(operation)));
    }

    fn find_detection(&self) -> u64 {
        let last = self.rows.len() as u64 - 1;
        if let Some(event) = self.violation.event {
            return event.min(last);
        }
        let at = self.violation.at;
        let name = self.watch();
        let of_watch = |row: &Row| {
            row.at == at
                && row.kind == RowKind::Watch
                && name.is_none_or(|name| row.fields[0] == name.process)
        };
        let of_operation = |row: &Row| {
            row.at == at
                && row.kind == RowKind::Complete
                && self.operations.first().is_none_or(|it| id(it) == (row.fields[0], row.fields[1]))
        };
        self.position(of_watch)
            .or_else(|| self.position(of_operation))
            .or_else(|| self.rows.iter().rposition(|row| row.at <= at).map(|place| place as u64))
            .unwrap_or(last)
    }

    fn position(&self, is: impl Fn(&Row) -> bool) -> Option<u64> {
        self.rows.iter().position(is).map(|place| place as u64)
    }

    pub(super) fn row(&self, event: u64) -> Option<&'a Row> {
        usize::try_from(event).ok().and_then(|event| self.rows.get(event))
    }

    pub(super) fn at(&self, event: u64) -> SimTime {
        self.row(event).map(|row| row.at).unwrap_or_default()
    }

    /// The last event before this one of which something is so.
    pub(super) fn last_before(&self, event: u64, is: impl Fn(&Row) -> bool) -> Option<u64> {
        let end = usize::try_from(event).unwrap_or(usize::MAX).min(self.rows.len());
        self.rows[..end].iter().rposition(is).map(|place| place as u64)
    }

    /// The events that brought this one about, the nearest first.
    pub(super) fn causes(&self, event: u64) -> impl Iterator<Item = u64> + '_ {
        let cause = |event: &u64| self.row(*event).and_then(|row| row.cause);
        std::iter::successors(cause(&event), move |event| cause(event))
    }

    /// Of an operation, the last event of a kind up to the objection.
    pub(super) fn event_of(&self, operation: (u64, u64), kind: RowKind) -> Option<u64> {
        let end = self.detected + 1;
        self.last_before(end, |row| row.kind == kind && (row.fields[0], row.fields[1]) == operation)
    }

    /// Positions in the history of the operations that it is about, and of the one of the first bad moment.
    pub(super) fn positions(&self, bad: Option<&Moment>) -> Vec<usize> {
        let of_bad = bad
            .and_then(|bad| self.row(bad.event))
            .filter(|row| matches!(row.kind, RowKind::Invoke | RowKind::Reply | RowKind::Complete));
        let ids = self.operations.iter().map(|it| id(it));
        let ids = ids.chain(of_bad.map(|row| (row.fields[0], row.fields[1])));
        ids.filter_map(|wanted| self.all.iter().position(|it| id(it) == wanted)).collect()
    }

    /// The watch that the sentence names.
    pub(super) fn watch(&self) -> Option<WatchName> {
        named_watch(&self.violation.sentence)
    }

    /// What the failure is about, in a few words.
    pub(super) fn subject(&self) -> String {
        match self.operations.first() {
            Some(operation) => {
                let keys = answer::keys(&operation.request);
                if keys.is_empty() { operation.id.to_string() } else { keys.join(", ") }
            }
            None => self.violation.node.map_or_else(String::new, |node| node.to_string()),
        }
    }

    /// The moment of the objection.
    pub(super) fn detection(&self, code: &str) -> Moment {
        let sentence = classes::plain_words(&self.violation.sentence);
        Moment {
            event: self.detected,
            at: self.violation.at,
            condition: code.to_owned(),
            text: classes::halves(&sentence).0.to_owned(),
            about: None,
        }
    }

    /// `p1#38 get k0`
    pub(super) fn operation(&self, process: u64, sequence: u64) -> String {
        match self.by_id.get(&(process, sequence)) {
            Some(operation) => {
                format!("{} {}", operation.id, elided(&operation.request.to_string()))
            }
            None => format!("p{process}#{sequence}"),
        }
    }

    /// An event in a sentence.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others read as in the terminal")]
    pub(super) fn tell(&self, event: u64) -> String {
        let Some(row) = self.row(event) else { return String::new() };
        let [a, b, c, revision, ..] = row.fields;
        let node = row.node;
        match row.kind {
            RowKind::Invoke => format!("{} is asked of n{node}", self.operation(a, b)),
            RowKind::Receive => format!("n{node} gets {}", self.operation(a, b)),
            RowKind::Reply if c == 1 => format!("n{node} answers {}", self.operation(a, b)),
            RowKind::Reply => format!("n{node} refuses {}", self.operation(a, b)),
            RowKind::Complete => self.completion(a, b, c, revision),
            RowKind::Apply if revision > 0 => {
                let operation = self.operation(revision, row.fields[4]);
                format!("n{node} applies {operation}, which makes r{}", row.fields[5])
            }
            RowKind::Deliver => match self.sent(a, event) {
                Some(message) => format!("n{node} takes from n{b}: {message}"),
                None => self.plain(event, row),
            },
            RowKind::Drop => match self.sent(a, event) {
                Some(message) => {
                    let why = row.kind.columns()[2].word(c).unwrap_or("?").replace('-', " ");
                    format!("{message}, from n{node} to n{b} is lost: {why}")
                }
                None => self.plain(event, row),
            },
            RowKind::Watch => self.watched(row).unwrap_or_else(|| self.plain(event, row)),
            RowKind::Commit => format!("n{node} commits {a}"),
            RowKind::FaultOn => self.fault(event, row),
            _ => self.plain(event, row),
        }
    }

    fn completion(&self, process: u64, sequence: u64, outcome: u64, revision: u64) -> String {
        let operation = self.operation(process, sequence);
        let known = self.by_id.get(&(process, sequence));
        match (outcome, known) {
            (0, Some(it)) if it.request.is_read() => {
                format!("{operation} returns at r{revision}: {}", answer::answer(&it.completion))
            }
            (0, _) => format!("{operation} is acknowledged at r{revision}"),
            (1, _) => format!("{operation} is refused"),
            _ => format!("{operation} ends without an answer"),
        }
    }

    /// What a member said on a stream of watches.
    fn watched(&self, row: &Row) -> Option<String> {
        let [process, stream, ..] = row.fields;
        let message = self.watches.iter().find(|it| {
            it.at == row.at && u64::from(it.process.0) == process && u64::from(it.stream) == stream
        })?;
        let who = format!("p{process}/{stream} at {}", message.node);
        Some(match &message.message {
            WatchMessage::Sent(request) => format!("{who} asks: {request}"),
            WatchMessage::Received(response) => {
                format!("{who} is told: {}", answer::told(response))
            }
            WatchMessage::Broken => format!("{who}: the stream breaks"),
            WatchMessage::As(user) => format!("{who}: the stream is opened as {user}"),
        })
    }

    /// Whether any message of a watch tells of a revision.
    pub(super) fn is_told(&self, name: WatchName, revision: u64) -> bool {
        self.watches.iter().any(|it| {
            let WatchMessage::Received(response) = &it.message else { return false };
            u64::from(it.process.0) == name.process
                && u64::from(it.stream) == name.stream
                && name.watch.is_none_or(|watch| response.watch.to_string() == format!("w{watch}"))
                && answer::revisions(response).contains(&revision)
        })
    }

    /// Whether a row is about a part of a snapshot for a node.
    pub(super) fn is_part_for(row: &Row, node: u64) -> bool {
        let word = MESSAGES.iter().position(|it| *it == "snapshot-part").map(|it| it as u64);
        row.kind == RowKind::Send && row.fields[1] == node && Some(row.fields[2]) == word
    }

    /// What a message says that arrives at an event.
    fn sent(&self, message: u64, event: u64) -> Option<String> {
        let sent =
            self.last_before(event, |row| row.kind == RowKind::Send && row.fields[0] == message)?;
        let row = self.row(sent)?;
        let [_, _, _, term, index, more] = row.fields;
        let word = row.kind.columns()[2].word(row.fields[2])?;
        Some(sentence::message(word, term, index, more))
    }

    /// A fault with what it does to whom; a partition with its sides.
    fn fault(&self, event: u64, row: &Row) -> String {
        let [number, victim, ..] = row.fields;
        let planned = usize::try_from(number).ok().and_then(|place| self.plan.faults.get(place));
        let name = planned.map_or("fault", |planned| planned.fault.name()).replace('_', " ");
        let mut end = event + 1;
        while self.row(end).is_some_and(|row| row.kind == RowKind::Cut) {
            end += 1;
        }
        let until = planned.map_or_else(String::new, |planned| {
            format!(", until {}", super::moment(planned.end()))
        });
        if end > event + 1 {
            let sides = sentence::sides(&self.picture(end - 1));
            return format!("the network is cut: {sides}{until}");
        }
        let on = if victim == 0 { String::new() } else { format!(" on n{victim}") };
        format!("fault: {name}{on}{until}")
    }

    /// Whether a fault looked for its victim and found nobody.
    pub(super) fn is_idle(&self, fault_on: u64) -> bool {
        let Some(row) = self.row(fault_on) else { return true };
        let planned = usize::try_from(row.fields[0]).ok().and_then(|it| self.plan.faults.get(it));
        row.fields[1] == 0 && planned.is_some_and(|planned| planned.fault.victim().is_some())
    }

    fn plain(&self, event: u64, row: &Row) -> String {
        // Only a cut looks at the picture.
        let picture =
            if row.kind == RowKind::Cut { self.picture(event) } else { Picture::default() };
        sentence::sentence(row, &picture, self.plan)
    }

    /// The cluster after an event.
    pub(super) fn picture(&self, event: u64) -> Picture {
        let mut picture = Picture::default();
        let count = usize::try_from(event).map_or(usize::MAX, |event| event.saturating_add(1));
        self.rows.iter().take(count).for_each(|row| picture.take(row));
        picture
    }

    /// Whether a fault of the plan holds after an event.
    pub(super) fn holds_at(&self, fault_on: u64, event: u64) -> bool {
        let Some(row) = self.row(fault_on) else { return false };
        let end = usize::try_from(event).map_or(usize::MAX, |event| event.saturating_add(1));
        let start = usize::try_from(fault_on).unwrap_or(usize::MAX);
        let between = self.rows.get(start..end.min(self.rows.len())).unwrap_or_default();
        let ends = |it: &Row| {
            it.kind == RowKind::Heal
                || (it.kind == RowKind::FaultOff && it.fields[0] == row.fields[0])
        };
        !between.iter().any(ends)
    }

    /// Nodes that the objection is about.
    pub(super) fn nodes(&self) -> Vec<u64> {
        let mut nodes: Vec<u64> = self.violation.node.iter().map(|node| node.0).collect();
        nodes.extend(self.operations.first().map(|operation| operation.node.0));
        nodes
    }

    /// The revision that an operation made or saw, as far as its client knows.
    pub(super) fn revision(operation: &Operation) -> Option<u64> {
        match &operation.completion {
            Completion::Ok(response) => Some(response.header.revision.0),
            Completion::Fail(_) | Completion::Info(_) => operation.witness.map(|it| it.0),
        }
    }

    /// The life of an event's row is a part of the story by itself.
    pub(super) fn is_story(row: &Row) -> bool {
        lanes::is_story(row, None)
    }
}

/// A request with long words cut short, so that a line stays one.
fn elided(request: &str) -> String {
    let word = |word: &str| match word.char_indices().nth(WORD_MAX) {
        Some((end, _)) => format!("{}\u{2026} ({} B)", &word[..end], word.len()),
        None => word.to_owned(),
    };
    request.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The operations that a sentence names: `p1#38`.
fn named_operations(sentence: &str) -> Vec<(u64, u64)> {
    words(sentence)
        .filter_map(|word| {
            let (process, sequence) = word.strip_prefix('p')?.split_once('#')?;
            Some((process.parse().ok()?, sequence.parse().ok()?))
        })
        .collect()
}

/// The first watch that a sentence names: `p2/1 w1`.
fn named_watch(sentence: &str) -> Option<WatchName> {
    let mut words = words(sentence).peekable();
    while let Some(word) = words.next() {
        let Some((process, stream)) = word.strip_prefix('p').and_then(|it| it.split_once('/'))
        else {
            continue;
        };
        let (Ok(process), Ok(stream)) = (process.parse(), stream.parse()) else { continue };
        let watch = words.peek().and_then(|word| word.strip_prefix('w')?.parse().ok());
        return Some(WatchName { process, stream, watch });
    }
    None
}

fn words(sentence: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || "(),;:.".contains(c);
    sentence.split(ends).filter(|word| !word.is_empty())
}
