//! What `whitewater replay` shows of a trace: how far, which events, which nodes.

use crate::{args::ReplayArgs, engine::Finished, exit::CliError};
use clap::ValueEnum;
use std::{fmt::Write, str::FromStr};
use whitewater_api::{NodeId, RequestId};
use whitewater_record::{History, Operation, Plan, Row, SimTime, Verdict, trace::ROLES};
use whitewater_reports::{
    Picture, Query,
    lanes::{self, Shown},
    sentence,
};

/// Lines of the story that are shown of a failure, unless more are asked for.
const STORY_LINES: usize = 24;

/// Where to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// At a time.
    Time(SimTime),
    /// At an event, by its number.
    Event(u64),
    /// Where this holds for the first time.
    Condition(Query),
}

/// Which events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LanesArg {
    /// Leadership, faults, configuration, and what was objected to.
    Story,
    /// Everything.
    All,
    /// Nothing.
    None,
}

/// A node as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeArg(pub(crate) NodeId);

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(event) = text.parse() {
            return Ok(Self::Event(event));
        }
        if let Ok(time) = text.parse() {
            return Ok(Self::Time(time));
        }
        text.parse().map(Self::Condition).map_err(|error| {
            format!("expected a time (3.5s), an event (15204) or a condition: {error}")
        })
    }
}

impl FromStr for NodeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = text.strip_prefix('n').unwrap_or(text).parse();
        id.map(|id| Self(NodeId(id))).map_err(|_| "expected a node, such as n1".to_owned())
    }
}

/// The text for a run whose trace was kept. Empty if there is nothing to show.
pub(crate) fn text(
    args: &ReplayArgs,
    plan: &Plan,
    finished: &Finished,
) -> Result<String, CliError> {
    let rows = finished.trace.rows();
    let last = last(args.until.as_ref(), rows)?;
    let mut text = String::new();
    if let Some(followed) = &args.follow {
        let events = follow(followed, rows, &finished.history)?;
        let shown = Shown::Only(events);
        text += &lanes::lanes(rows, plan, &finished.outcome, &shown, last);
    } else {
        let shown = match args.lanes {
            Some(LanesArg::All) => Some(Shown::All),
            Some(LanesArg::Story) => Some(Shown::Story),
            Some(LanesArg::None) => None,
            None => (finished.outcome.verdict == Verdict::Failed).then_some(Shown::Story),
        };
        if let Some(shown) = shown {
            let all = lanes::lanes(rows, plan, &finished.outcome, &shown, last);
            text += &if args.lanes.is_none() { end_of(&all) } else { all };
        }
    }
    for node in &args.dump {
        text += &dump(*node, rows, last)?;
    }
    Ok(text)
}

/// The last event to look at.
fn last(until: Option<&Until>, rows: &[Row]) -> Result<u64, CliError> {
    let end = u64::try_from(rows.len().saturating_sub(1)).unwrap_or(u64::MAX);
    match until {
        // The run itself was stopped there.
        None | Some(Until::Time(_)) => Ok(end),
        Some(Until::Event(event)) if *event > end => {
            Err(CliError::Usage(format!("--until {event}: the last event is {end}")))
        }
        Some(Until::Event(event)) => Ok(*event),
        Some(Until::Condition(query)) => query.first(rows).ok_or_else(|| {
            CliError::Usage(format!("--until {query}: that never holds in the {end} events"))
        }),
    }
}

/// The heading and the last lines.
fn end_of(all: &str) -> String {
    let lines: Vec<&str> = all.lines().collect();
    let Some((heading, lines)) = lines.split_first() else { return String::new() };
    let skipped = lines.len().saturating_sub(STORY_LINES);
    let mut text = format!("{heading}\n");
    if skipped > 0 {
        writeln!(text, "  ... {skipped} lines before these; --lanes story shows them")
            .expect("a string takes everything");
    }
    for line in &lines[skipped..] {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The events in the life of an operation, an index, or all operations on a key.
pub(crate) fn follow(what: &str, rows: &[Row], history: &History) -> Result<Vec<u64>, CliError> {
    let numbers = |id: RequestId| (u64::from(id.process.0), u64::from(id.sequence));
    if let Ok(index) = what.parse::<u64>() {
        return Ok(lanes::follow(rows, &[], Some(index)));
    }
    let operations: Vec<(u64, u64)> = if let Some(id) = operation(what) {
        vec![id]
    } else {
        let of_key = history.operations.iter().filter(|it| touches(it, what));
        of_key.map(|operation| numbers(operation.id)).collect()
    };
    let is_known = |id: &(u64, u64)| history.operations.iter().any(|it| numbers(it.id) == *id);
    if !operations.iter().any(is_known) {
        return Err(CliError::Usage(format!(
            "--follow {what}: no operation, log index or key of this run; expected p7#3, 41 or k3"
        )));
    }
    Ok(lanes::follow(rows, &operations, None))
}

/// `p7#3`
fn operation(text: &str) -> Option<(u64, u64)> {
    let (process, sequence) = text.strip_prefix('p')?.split_once('#')?;
    Some((process.parse().ok()?, sequence.parse().ok()?))
}

/// Whether a request names the key as a word of its text form.
fn touches(operation: &Operation, key: &str) -> bool {
    let text = operation.request.to_string();
    text.split(|c: char| " ()[]{},;=<>@".contains(c)).any(|word| word == key)
}

/// What a node looks like after an event.
fn dump(node: NodeArg, rows: &[Row], last: u64) -> Result<String, CliError> {
    let mut picture = Picture::default();
    let count = usize::try_from(last).map_or(usize::MAX, |last| last.saturating_add(1));
    rows.iter().take(count).for_each(|row| picture.take(row));
    let NodeArg(id) = node;
    let known = picture.nodes.get(&id.0);
    let it = known.ok_or_else(|| CliError::Usage(format!("--dump {id}: there is no such node")))?;
    let role = usize::try_from(it.role).ok().and_then(|place| ROLES.get(place)).unwrap_or(&"?");
    let vote = it.vote.map_or_else(
        || "nobody".to_owned(),
        |(candidate, term)| format!("n{candidate} in term {term}"),
    );
    let leader = if it.leader == 0 { "nobody".to_owned() } else { format!("n{}", it.leader) };
    let [voters, outgoing, learners] = it.members.map(sentence::set);
    Ok(format!(
        "\n{id} at {}, event {last}\n  life      {}\n  role      {role}, term {}\n  leader    {leader}\n  voted for \
         {vote}\n  log       last {}, commit {}, applied {}, snapshot {}\n  members   voters {voters}, outgoing \
         {outgoing}, learners {learners}\n  disk      {} batches under way\n",
        picture.at,
        it.life.name(),
        it.term,
        it.last,
        it.commit,
        it.applied,
        it.snapshot,
        it.writing.len(),
    ))
}
