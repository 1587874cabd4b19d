//! What a failing plan hangs on: which of its items it needs, and from which moment on nothing else can come of it.
//!
//! *Necessity*: the plan is played without each of its items. *Inevitability*: the run is forked at moments before the
//! failure, and each fork is played into several futures, in which the plan stays and luck is thrown anew. The share of
//! futures that fail in the same way says how much was decided by then.

use crate::{
    args::ExplainArgs,
    artefacts,
    console::Console,
    engine,
    exit::{CliError, Exit},
    interrupt::Interrupt,
    job::{self, Work},
    lab::{Budget, Lab, Sight},
    limits,
    pool::{self, Worker},
    progress::Ticker,
    report,
    shrink::{self, Case},
    source,
};
use serde::Serialize;
use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};
use whitewater_record::{FailureClass, Fork, Plan, Signature, SimTime, Span, Violation};
use whitewater_reports::{Plays, number, page};
use whitewater_shrink::{Items, Removal, removals};

/// Moments are rounded to one of these many nanoseconds, the largest that leaves them apart.
const GRAINS: [u64; 5] = [100_000_000, 10_000_000, 1_000_000, 100_000, 1_000];

/// Items of one kind that are listed for people; `--json` has all.
const SHOWN_MAX: usize = 20;

/// What was found out.
#[derive(Debug, Serialize)]
struct Anatomy {
    signature: Signature,
    violation: Violation,
    /// Sizes of the plan, in words.
    items: String,
    necessity: Vec<Item>,
    inevitability: Vec<Point>,
    /// The earliest moment from which on all futures that were played fail in the same way.
    no_return: Option<SimTime>,
    story: Vec<Told>,
    /// Whether everything was played that should have been.
    is_whole: bool,
    replay: String,
}

/// A line of the story.
#[derive(Debug, Serialize)]
struct Told {
    event: u64,
    at: SimTime,
    text: String,
}

/// An item of the plan, and what becomes of the failure without it.
#[derive(Debug, Serialize)]
struct Item {
    item: String,
    /// Nothing if the time was over.
    without: Option<Sight>,
}

/// A moment of the run.
#[derive(Debug, Serialize)]
struct Point {
    at: SimTime,
    /// Futures from there on that were played.
    played: u64,
    /// Those that fail in the same way.
    fails: u64,
}

/// Explains a plan.
pub(crate) fn verb(file: &Path, args: &ExplainArgs, console: Console) -> Result<Exit, CliError> {
    let name = file.display();
    let plan = source::read(file)?;
    if plan.fork.is_some() {
        let hint = "take the fork out, or explain the plan that it was made of";
        return Err(CliError::Usage(format!("{name}: the plan is a fork already: {hint}")));
    }
    let interrupt = Interrupt::listen(console)?;
    let started = Instant::now();
    let until = |part: u64| Some(started + Duration::from_nanos(args.time.0 / 2 * part));
    let budget = Budget { deadline: until(1), runs: None, interrupt: interrupt.clone() };
    let patience = limits::SHRINK_PATIENCE.parse::<Span>().expect("the constant is a time");
    let patience = Duration::from_nanos(patience.0);
    let recruiter = pool::recruiter(None, Work::Plans.line()?, patience)?;
    let mut worker = None;
    let case = Case::of(&plan, &recruiter, &mut worker)?;
    worker.into_iter().for_each(Worker::dismiss);
    let Some(case) = case else {
        return Err(CliError::Usage(format!("{name} does not fail: there is nothing to explain")));
    };
    let Case { signature, violation, has_twin, .. } = case;
    let workers = shrink::workers(args.jobs)?;
    let mut lab = Lab::new(&recruiter, workers, budget, signature.clone(), violation.at, has_twin);
    let mut ticker = Ticker::new("explaining", console);
    // Half of the time each: a plan that was not shrunk has hundreds of items.
    let inevitability = inevitability(&plan, violation.at, args, &mut lab, &mut ticker)?;
    lab.extend(until(2));
    let necessity = necessity(&plan, &mut lab, &mut ticker)?;
    ticker.finish();
    lab.leave()?;
    let replay = artefacts::replay_line(file);
    let mut anatomy = Anatomy {
        items: Items::of(&plan).to_string(),
        no_return: no_return(&inevitability),
        story: Vec::new(),
        is_whole: necessity.iter().all(|item| item.without.is_some())
            && inevitability.iter().all(|point| point.played == args.futures),
        signature,
        violation,
        necessity,
        inevitability,
        replay,
    };
    // Of what ends its process there is no run to tell of.
    if anatomy.signature.class == FailureClass::Process {
        if args.report.is_some() {
            return Err(CliError::Usage(format!(
                "{name} ends its process: there is no run to show"
            )));
        }
    } else {
        anatomy.show(&plan, args.report.as_deref())?;
    }
    if console.json {
        console.line(&job::line(&anatomy)?)?;
    } else {
        console.result(&anatomy.text())?;
    }
    Ok(match (anatomy.is_whole, interrupt.is_set()) {
        (true, _) => Exit::Ok,
        (false, true) => Exit::Interrupted,
        (false, false) => Exit::Inconclusive,
    })
}

/// What comes of the plan without each of its items. Where there are several ways to be without one, the failure counts
/// as one that does not need the item if any of them fails.
fn necessity(plan: &Plan, lab: &mut Lab, ticker: &mut Ticker) -> Result<Vec<Item>, CliError> {
    let removals: Vec<Removal> = removals(plan).collect();
    let ways: Vec<Plan> = removals.iter().flat_map(|it| playable(&it.plans).cloned()).collect();
    let mut sights = lab.each(&ways, ticker)?.into_iter();
    let items = removals.into_iter().map(|removal| {
        let ways = playable(&removal.plans).count();
        let sights: Option<Vec<Sight>> = sights.by_ref().take(ways).collect();
        Item { item: removal.item, without: sights.and_then(|sights| sights.into_iter().min()) }
    });
    Ok(items.collect())
}

fn playable(plans: &[Plan]) -> impl Iterator<Item = &Plan> {
    plans.iter().filter(|plan| plan.check().is_ok())
}

/// The share of futures that fail, at moments from the beginning to the failure.
fn inevitability(
    plan: &Plan,
    failure: SimTime,
    args: &ExplainArgs,
    lab: &mut Lab,
    ticker: &mut Ticker,
) -> Result<Vec<Point>, CliError> {
    let last = failure.0.min(plan.duration.0);
    let steps = (args.points - 1).max(1);
    let grain = GRAINS.into_iter().find(|grain| last / steps >= 10 * grain).unwrap_or(1);
    let moment = |point: u64| {
        let at = u128::from(last) * u128::from(point) / u128::from(steps);
        let at = u64::try_from(at).expect("a part of a moment is an earlier one");
        SimTime(at / grain * grain)
    };
    let future = |at, salt| Plan { fork: Some(Fork { at, salt }), ..plan.clone() };
    let mut points = Vec::new();
    // Backwards: what is near the failure says most, should the time be over.
    for at in (0..args.points).rev().map(moment) {
        let futures: Vec<Plan> = (1..=args.futures).map(|salt| future(at, salt)).collect();
        let sights = lab.each(&futures, ticker)?;
        let count = |is: fn(&Sight) -> bool| {
            let n = sights.iter().flatten().filter(|sight| is(sight)).count();
            u64::try_from(n).expect("a length fits 64 bits")
        };
        let fails = count(|sight| *sight == Sight::Fails);
        points.push(Point { at, played: count(|_| true), fails });
    }
    points.reverse();
    Ok(points)
}

/// The first of the points from which on all futures fail.
fn no_return(points: &[Point]) -> Option<SimTime> {
    let decided = points.iter().rev().take_while(|it| it.played > 0 && it.fails == it.played);
    decided.last().map(|point| point.at)
}

impl Anatomy {
    /// Plays it once more, with its trace, for its story and its page.
    fn show(&mut self, plan: &Plan, report: Option<&Path>) -> Result<(), CliError> {
        let finished = engine::run(plan, true, None)?;
        let (found, plays) = (self.found(), Plays { of: 1, same: 1 });
        let (repro, anatomy) = (self.replay.as_str(), Some(&found));
        let (shrunk, other, redact) = (None, None, false);
        let means = report::Means { plan, repro, plays, shrunk, other, anatomy, redact };
        if let Some(file) = report {
            means.write(file, &finished)?;
        }
        let lines = means.story(&finished).into_iter();
        self.story = lines.map(|(event, at, text)| Told { event, at, text }).collect();
        Ok(())
    }

    /// The same for the page.
    fn found(&self) -> page::Anatomy {
        let item = |it: &Item| page::Item {
            what: it.item.clone(),
            without: sight_words(it.without),
            is_needed: it.is_needed(),
        };
        let point = |it: &Point| page::Point { at: it.at, played: it.played, fails: it.fails };
        page::Anatomy {
            items: self.necessity.iter().map(item).collect(),
            points: self.inevitability.iter().map(point).collect(),
            no_return: self.no_return,
            is_whole: self.is_whole,
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| writeln!(text, "{line}").expect("a string takes all");
        let sentence = self.violation.sentence.lines().next().unwrap_or_default();
        line(format!("EXPLAINED {}", self.signature));
        line(format!("  it says, at {}: {sentence}", self.violation.at));
        line(format!("  plan: {}", self.items));
        let needed = self.necessity.iter().filter(|item| item.is_needed()).count();
        line(format!(
            "\nneeded: {needed} of {}",
            number::count(self.necessity.len() as u64, "item")
        ));
        for sight in [
            Some(Sight::Passes),
            Some(Sight::FailsOtherwise),
            Some(Sight::Undecided),
            Some(Sight::Fails),
            None,
        ] {
            let of_kind = || self.necessity.iter().filter(|item| item.without == sight);
            for Item { item, .. } in of_kind().take(SHOWN_MAX) {
                line(format!("  {:<26}{item}", sight_words(sight)));
            }
            if let Some(more) = of_kind().count().checked_sub(SHOWN_MAX + 1) {
                line(format!("  {:<26}and {} more", sight_words(sight), more + 1));
            }
        }
        line("\ndecided: futures from there on that fail in the same way".to_owned());
        for point in &self.inevitability {
            line(point.text());
        }
        line(match self.no_return {
            Some(at) => format!("  no return from {at} on, as far as was played"),
            None => "  never before it is seen: luck decides to the end".to_owned(),
        });
        line("\nstory:".to_owned());
        for Told { event, at, text } in &self.story {
            line(format!("  event {event:<8} {:>13}  {text}", at.to_string()));
        }
        if !self.is_whole {
            line("\nnot whole: the time was over; `--time` sets it".to_owned());
        }
        line(format!("\nreplay: {}", self.replay));
        text
    }
}

impl Item {
    fn is_needed(&self) -> bool {
        self.without.is_some_and(|sight| sight != Sight::Fails)
    }
}

impl Point {
    fn text(&self) -> String {
        let Self { at, played, fails } = self;
        let (fails, played) = (u128::from(*fails), u128::from(*played));
        let bar = "#".repeat(usize::try_from(fails * 20 / played.max(1)).unwrap_or_default());
        format!("  {:>12}  {fails:>3} of {played:<3} {bar}", at.to_string())
    }
}

const fn sight_words(sight: Option<Sight>) -> &'static str {
    match sight {
        None => "not played",
        Some(Sight::Fails) => "fails without",
        Some(Sight::FailsOtherwise) => "fails otherwise without",
        Some(Sight::Undecided) => "undecided without",
        Some(Sight::Passes) => "passes without",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_return_once_all_futures_fail() {
        let point = |at, fails| Point { at: SimTime(at), played: 4, fails };
        let curve = [point(0, 1), point(1, 4), point(2, 3), point(3, 4), point(4, 4)];
        assert_eq!(no_return(&curve), Some(SimTime(3)));
        assert_eq!(no_return(&curve[..3]), None);
        assert_eq!(no_return(&[Point { at: SimTime(0), played: 0, fails: 0 }]), None);
        assert_eq!(point(2, 3).text(), "           2ns    3 of 4   ###############");
    }
}
