//! The report of one failure: a single HTML file that opens from disk, offline.
//!
//! ```text
//!  outcome, trace, history --Scene--+--> blame: the first bad moment --+
//!                                   +--> story: at most seven lines ---+--> page.html: readable without scripts
//!                                   `--> data: gzip, base64 -----------+--> viewer.js draws it
//! ```
//!
//! Open [`blame`] first, then [`story`]. Keys and values are hostile input: what the template writes is escaped, what the
//! script reads is base64, and the script writes text only. A content policy forbids every request.

mod anatomy;
mod answer;
pub(crate) mod blame;
mod classes;
mod clean;
mod data;
mod holding;
mod scene;
mod story;

#[cfg(test)]
mod tests;

pub use anatomy::{Anatomy, Item, Point};
pub use classes::{Class, Promise, promise};

use crate::{
    diff::Side,
    number::{count, grouped},
};
use blame::Moment;
use clean::Cleaner;
use minijinja::{AutoEscape, Environment, context};
use scene::Scene;
use serde::Serialize;
use story::Line;
use whitewater_record::{History, Outcome, PlainHistory, Plan, SimTime, Trace, Verdict};

/// The style of all pages.
pub const STYLE: &str = include_str!("../web/style.css");
/// The viewer: `make web` builds it from `reports/web`.
pub const SCRIPT: &str = include_str!("../web/dist/viewer.js");
/// Plans up to so many bytes are readable without scripts; longer ones are compressed.
const PLAN_MAX: usize = 32 << 10;
const TEMPLATE: &str = include_str!("page/page.html");

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What came out.
    pub outcome: &'a Outcome,
    /// What was played; nothing for a history from elsewhere.
    pub plan: Option<&'a Plan>,
    /// What clients saw.
    pub history: &'a History,
    /// What clients saw of a store without revisions, instead.
    pub plain: Option<&'a PlainHistory>,
    /// The events, kept. Empty if there are none.
    pub trace: &'a Trace,
    /// Why the history is wrong, if a judge of histories objected.
    pub evidence: &'a Evidence,
    /// The line that plays it again.
    pub repro: &'a str,
    /// How often it was played, and how often that gave the same trace.
    pub plays: Plays,
    /// What the plan is left of, if it was shrunk.
    pub shrunk: Option<Minimised<'a>>,
    /// Another run to be compared with, such as the nearest one that passes.
    pub other: Option<Other<'a>>,
    /// What the failure hangs on, if it was found out.
    pub anatomy: Option<&'a Anatomy>,
    /// Show hashes instead of values.
    pub redact: bool,
}

/// Another run, beside the one that the page is about.
#[derive(Clone, Copy, Debug)]
pub struct Other<'a> {
    /// What it is, such as `without fault partition of n1 at 2s for 1s`.
    pub name: &'a str,
    /// Its events and its plan.
    pub side: Side<'a>,
}

/// How small a plan was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minimised<'a> {
    /// What the first plan held.
    pub before: &'a str,
    /// What is left.
    pub after: &'a str,
    /// Whether removing any one item ends the failure, in a sentence.
    pub proof: &'a str,
}

/// How often a run was played.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq)]
pub struct Plays {
    /// In all.
    pub of: u64,
    /// With the same trace and outcome.
    pub same: u64,
}

/// Why a history is wrong, as far as its judge says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Positions of operations in the history, the one that cannot be explained first.
    pub operations: Vec<usize>,
    /// A part of the history that cannot be, by positions, and from which nothing can be left out.
    pub core: Vec<usize>,
    /// The one of the part that has no place.
    pub unplaced: Option<usize>,
    /// For each place of it, why not.
    pub placements: Vec<Placement>,
}

/// A place between two revisions, and what forbids it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// Behind this revision; 0 for the beginning.
    pub after: u64,
    /// Before this revision; 0 for the end.
    pub before: u64,
    /// Why not.
    pub forbidden: String,
}

/// The whole file.
#[must_use]
pub fn html(page: &Page<'_>) -> String {
    let cleaner = Cleaner::new(page);
    let scene = Scene::new(page);
    let bad = scene.as_ref().and_then(blame::first_bad);
    let story = scene.as_ref().map(|scene| story::story(scene, bad.as_ref())).unwrap_or_default();
    let head = Head::new(page, &cleaner, scene.as_ref(), bad.as_ref());
    let story: Vec<ShownLine> = story.iter().map(|line| ShownLine::new(line, &cleaner)).collect();
    let named = scene.as_ref().map(|scene| scene.positions(bad.as_ref())).unwrap_or_default();
    // A plan holds values in steps of many kinds.
    let plan = page.plan.filter(|_| !page.redact);
    let plan = plan.map(|plan| cleaner.whole(&plan.to_toml())).unwrap_or_default();
    let shown = data::Shown { head: &head, story: &story, named, plan: &plan };
    let data = data::pack(page, &cleaner, shown);
    let plan = if plan.len() > PLAN_MAX { "" } else { &plan };
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("page.html", TEMPLATE).expect("the template is tested");
    let template = environment.get_template("page.html").expect("it was just added");
    template
        .render(context! {
            head, story, plan,
            anatomy => page.anatomy.map(|it| anatomy::Shown::new(it, page, &cleaner)),
            style => STYLE,
            script => SCRIPT,
            data => data.json,
            trace => data.trace,
        })
        .expect("the template is tested, and names only what it is given")
}

/// The moments of a failed run that matter most, by event, each with what is to be said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// The first bad moment, if the trace tells.
    pub bad: Option<(u64, String)>,
    /// Where a check objected.
    pub detected: Option<(u64, String)>,
}

/// The moments of a failed run that matter most; none of a run that did not fail.
#[must_use]
pub fn moments(page: &Page<'_>) -> Moments {
    let Some(scene) = Scene::new(page) else { return Moments::default() };
    let tell = |moment: Moment| (moment.event, format!("{}: {}", moment.condition, moment.text));
    Moments {
        bad: blame::first_bad(&scene).map(tell),
        detected: Some(tell(scene.detection(&scene.violation.code))),
    }
}

/// The story of a failed run, a sentence for each event that it tells of.
#[must_use]
pub fn storyline(page: &Page<'_>) -> Vec<(u64, SimTime, String)> {
    let Some(scene) = Scene::new(page) else { return Vec::new() };
    let cleaner = Cleaner::new(page);
    let lines = story::story(&scene, blame::first_bad(&scene).as_ref()).into_iter();
    lines.map(|line| (line.event, line.at, cleaner.text(&line.text))).collect()
}

/// What stands above the story.
#[derive(Debug, Serialize)]
struct Head {
    word: &'static str,
    tone: &'static str,
    class: &'static str,
    code: String,
    broken: &'static str,
    promise: &'static str,
    source: &'static str,
    subject: String,
    sentence: String,
    detail: String,
    trust: Vec<(&'static str, String)>,
    bad: Option<ShownMoment>,
    detected: Option<ShownMoment>,
    others: Vec<(String, String, String)>,
    repro: String,
    title: String,
}

/// A moment as it is shown.
#[derive(Clone, Debug, Serialize)]
struct ShownMoment {
    event: u64,
    at: String,
    condition: String,
    text: String,
    lead: String,
}

/// A line of the story as it is shown.
#[derive(Clone, Debug, Serialize)]
struct ShownLine {
    event: u64,
    at: String,
    text: String,
    mark: &'static str,
}

impl ShownLine {
    fn new(line: &Line, cleaner: &Cleaner) -> Self {
        Self {
            event: line.event,
            at: moment(line.at),
            text: cleaner.text(&line.text),
            mark: line.mark.name(),
        }
    }
}

impl Head {
    fn new(
        page: &Page<'_>,
        cleaner: &Cleaner,
        scene: Option<&Scene<'_>>,
        bad: Option<&Moment>,
    ) -> Self {
        let outcome = page.outcome;
        let first = outcome.violations.first();
        let (nothing, unbroken) = match outcome.verdict {
            Verdict::Passed => (outcome.scenario.as_str(), classes::UNBROKEN),
            Verdict::Inconclusive | Verdict::Failed => ("undecided", classes::UNDECIDED),
        };
        let code = first.map_or(nothing, |violation| violation.code.as_str());
        let Promise { class, broken, statement: promise, source } =
            first.map_or(unbroken, classes::of_violation);
        let (word, tone) = match outcome.verdict {
            Verdict::Failed => ("FAIL", "fail"),
            Verdict::Inconclusive => ("INCONCLUSIVE", "doubt"),
            Verdict::Passed => ("PASS", "pass"),
        };
        let sentence = first.map_or_else(
            || outcome.doubts.join("; "),
            |violation| classes::plain_words(&violation.sentence),
        );
        let (sentence, detail) = classes::halves(&sentence);
        let subject = scene.map_or_else(String::new, Scene::subject);
        let detected = scene.map(|scene| scene.detection(code));
        Self {
            word,
            tone,
            class: class.name(),
            code: code.to_owned(),
            broken,
            promise,
            source,
            subject: cleaner.text(&subject),
            sentence: cleaner.text(sentence),
            detail: cleaner.text(detail),
            trust: trust(page),
            bad: bad.map(|bad| ShownMoment::of_bad(bad, detected.as_ref(), cleaner)),
            detected: detected.map(|it| ShownMoment {
                event: it.event,
                at: moment(it.at),
                condition: it.condition,
                text: cleaner.text(&it.text),
                lead: String::new(),
            }),
            others: others(outcome, cleaner),
            repro: page.repro.to_owned(),
            title: format!("{word} {code} · {} seed {}", outcome.scenario, outcome.seed),
        }
    }
}

impl ShownMoment {
    fn of_bad(bad: &Moment, detected: Option<&Moment>, cleaner: &Cleaner) -> Self {
        let lead = detected.map_or_else(String::new, |it| {
            let span = it.at.since(bad.at);
            let events = count(it.event.saturating_sub(bad.event), "event");
            if span.0 == 0 {
                format!("{events} before the check objected, at the same moment")
            } else {
                format!("{} ({events}) before the check objected", short(span.0))
            }
        });
        Self {
            event: bad.event,
            at: moment(bad.at),
            condition: bad.condition.clone(),
            text: cleaner.text(&bad.text),
            lead,
        }
    }
}

/// What else was objected to, and what was left open.
fn others(outcome: &Outcome, cleaner: &Cleaner) -> Vec<(String, String, String)> {
    let violations = outcome.violations.iter().skip(1);
    let violations = violations.map(|it| {
        let sentence = cleaner.text(&classes::plain_words(&it.sentence));
        (it.code.clone(), moment(it.at), sentence)
    });
    let doubts = outcome.doubts.iter();
    let doubts = doubts.map(|doubt| ("undecided".to_owned(), String::new(), cleaner.text(doubt)));
    violations.chain(doubts).collect()
}

/// Why to believe it: how often it was played, what exactly, how small it is.
fn trust(page: &Page<'_>) -> Vec<(&'static str, String)> {
    let outcome = page.outcome;
    let mut trust = Vec::new();
    let Plays { of, same } = page.plays;
    if of > 1 {
        trust.push(("same", format!("on {same} of {}", count(of, "play"))));
    }
    // Of a process that died nobody has the trace.
    if of > 0 && outcome.events > 0 {
        trust.push(("trace", format!("{:016x}", outcome.trace_hash)));
    }
    let what = if page.plan.is_some() {
        format!("{}, seed {}", outcome.scenario, outcome.seed)
    } else {
        outcome.scenario.clone()
    };
    trust.push(("run", what));
    trust.push(("build", format!("whitewater {}", env!("CARGO_PKG_VERSION"))));
    if let Some(plan) = page.plan.filter(|plan| !plan.mutations.is_empty()) {
        trust.push(("planted bug", plan.mutations.join(", ")));
    }
    if let Some(Minimised { before, after, proof }) = page.shrunk {
        trust.push(("shrunk", format!("{before} \u{2192} {after}; {proof}")));
    }
    let operations: u64 = outcome.operations.iter().sum();
    let events = match outcome.events {
        0 => String::new(),
        events => format!("{} events, ", grouped(events)),
    };
    trust.push(("size", format!("{events}{}", count(operations, "operation"))));
    trust
}

/// A moment for people, to the microsecond.
pub(crate) fn moment(at: SimTime) -> String {
    let micros = at.0 / 1_000;
    format!("{}.{:06} s", micros / 1_000_000, micros % 1_000_000)
}

/// A length of time for people, to three digits.
pub(crate) fn short(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{} \u{b5}s", nanos / 1_000),
        1_000_000..1_000_000_000 => {
            format!("{}.{:02} ms", nanos / 1_000_000, nanos / 10_000 % 100)
        }
        _ => format!("{}.{:02} s", nanos / 1_000_000_000, nanos / 10_000_000 % 100),
    }
}
