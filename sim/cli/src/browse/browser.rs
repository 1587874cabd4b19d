//! What the keys do: where one stands in a run and what one looks at. It knows of no terminal.

use super::film::Film;
use crate::view::{self, Until};
use std::collections::BTreeMap;
use whitewater_record::{History, Outcome, Plan, Row, RowKind, SimTime, Violation};
use whitewater_reports::{Picture, Query, lanes, page::Moments, sentence};

/// A small step in time.
const STEP: SimTime = SimTime(10_000_000);
/// A large one.
const STRIDE: SimTime = SimTime(1_000_000_000);
/// Places to which one can go back.
const BACK_MAX: usize = 64;

/// A key, whatever terminal it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Tab,
    Enter,
    Backspace,
    Escape,
    Interrupt,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Stay,
    Quit,
}

/// Which events are in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Story,
    All,
    /// The life of an operation, index or key.
    Followed(String),
}

/// What the line at the bottom asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    Search,
    Follow,
    Go,
}

/// What is browsed.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) rows: &'a [Row],
    pub(super) plan: &'a Plan,
    pub(super) outcome: &'a Outcome,
    pub(super) history: &'a History,
    pub(super) moments: &'a Moments,
}

/// Where one stands, and what one looks at.
pub(super) struct Browser<'a> {
    pub(super) run: Run<'a>,
    pub(super) film: Film<'a>,
    /// What was objected to at which event.
    pub(super) objections: BTreeMap<u64, &'a Violation>,
    pub(super) shown: Shown,
    /// The events in the list, sorted; never empty.
    pub(super) events: Vec<u64>,
    /// The one that is looked at, by its place in the list.
    pub(super) cursor: usize,
    /// Lines of the list on the screen.
    pub(super) page: usize,
    /// What is being typed.
    pub(super) prompt: Option<(Prompt, String)>,
    pub(super) help: bool,
    /// Where there is room for one of them only: the cluster instead of the event.
    pub(super) cluster: bool,
    /// What the last key has to say.
    pub(super) message: String,
    found: Vec<u64>,
    back: Vec<u64>,
}

impl<'a> Browser<'a> {
    /// Stands at the first bad moment, else at the objection, else at the beginning. There must be a row.
    pub(super) fn new(run: Run<'a>) -> Self {
        let objections = run.outcome.violations.iter();
        let objections = objections.filter_map(|it| Some((it.event?, it))).collect();
        let mut browser = Self {
            run,
            film: Film::new(run.rows),
            objections,
            shown: Shown::Story,
            events: Vec::new(),
            cursor: 0,
            page: 1,
            prompt: None,
            help: false,
            cluster: false,
            message: String::new(),
            found: Vec::new(),
            back: Vec::new(),
        };
        browser.show(Shown::Story, browser.story());
        let moments = [run.moments.bad.as_ref(), run.moments.detected.as_ref()];
        if let Some((event, _)) = moments.into_iter().flatten().next() {
            browser.show_around(*event);
        }
        browser
    }

    /// The event that is looked at.
    pub(super) fn event(&self) -> u64 {
        self.events[self.cursor]
    }

    /// An event in a sentence.
    pub(super) fn tell(&self, event: u64, picture: &Picture) -> String {
        sentence::sentence(self.film.row(event), picture, self.run.plan).replace('\n', " ")
    }

    /// One key.
    pub(super) fn press(&mut self, key: Key) -> Flow {
        self.message.clear();
        if self.help && key != Key::Interrupt {
            self.help = false;
            return Flow::Stay;
        }
        match self.prompt.take() {
            Some((prompt, text)) if key != Key::Interrupt => self.type_in(prompt, text, key),
            Some(_) | None => return self.command(key),
        }
        Flow::Stay
    }

    fn command(&mut self, key: Key) -> Flow {
        match key {
            Key::Char('q') | Key::Interrupt => return Flow::Quit,
            Key::Char('?' | 'h') => self.help = true,
            Key::Down | Key::Char('j') => self.step(1),
            Key::Up | Key::Char('k') => self.step(-1),
            Key::PageDown | Key::Char(' ') => self.step(self.page.cast_signed()),
            Key::PageUp => self.step(-self.page.cast_signed()),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.events.len() - 1,
            Key::Right => self.later(STEP),
            Key::Left => self.earlier(STEP),
            Key::Char('>') => self.later(STRIDE),
            Key::Char('<') => self.earlier(STRIDE),
            Key::Char('t') => self.next("a later term", &self.terms()),
            Key::Char('T') => self.previous("an earlier term", &self.terms()),
            Key::Char('x') => self.next("a later fault", &self.faults()),
            Key::Char('X') => self.previous("an earlier fault", &self.faults()),
            Key::Char('n') => self.next("a later match", &self.found.clone()),
            Key::Char('N') => self.previous("an earlier match", &self.found.clone()),
            Key::Char('b') => self.mark(self.run.moments.bad.as_ref()),
            Key::Char('d') => self.mark(self.run.moments.detected.as_ref()),
            Key::Char('c') => self.cause(),
            Key::Char('e') => self.effect(),
            Key::Char('u') | Key::Backspace => self.go_back(),
            Key::Char('s') => self.toggle_story(),
            Key::Char('/') => self.prompt = Some((Prompt::Search, String::new())),
            Key::Char('f') => self.prompt = Some((Prompt::Follow, String::new())),
            Key::Char('g' | ':') => self.prompt = Some((Prompt::Go, String::new())),
            Key::Enter => self.follow_this(),
            Key::Escape => self.unfollow(),
            Key::Tab => self.cluster = !self.cluster,
            Key::Char(_) => "? lists the keys".clone_into(&mut self.message),
        }
        Flow::Stay
    }

    fn type_in(&mut self, prompt: Prompt, mut text: String, key: Key) {
        match key {
            Key::Enter => return self.ask(prompt, text.trim()),
            Key::Escape => return,
            Key::Backspace => {
                if text.pop().is_none() {
                    return;
                }
            }
            Key::Char(character) => text.push(character),
            Key::Up
            | Key::Down
            | Key::Left
            | Key::Right
            | Key::PageUp
            | Key::PageDown
            | Key::Home
            | Key::End
            | Key::Tab
            | Key::Interrupt => {}
        }
        self.prompt = Some((prompt, text));
    }

    fn ask(&mut self, prompt: Prompt, text: &str) {
        match prompt {
            Prompt::Follow if text.is_empty() => self.follow_this(),
            _ if text.is_empty() => {}
            Prompt::Follow => self.follow(text),
            Prompt::Search => self.search(text),
            Prompt::Go => self.go(text),
        }
    }

    fn step(&mut self, by: isize) {
        self.cursor = self.cursor.saturating_add_signed(by).min(self.events.len() - 1);
    }

    fn later(&mut self, by: SimTime) {
        let at = self.film.row(self.event()).at.0.saturating_add(by.0);
        let place = self.events.partition_point(|event| self.film.row(*event).at.0 < at);
        self.cursor = place.min(self.events.len() - 1);
    }

    fn earlier(&mut self, by: SimTime) {
        let at = self.film.row(self.event()).at.0.saturating_sub(by.0);
        let place = self.events.partition_point(|event| self.film.row(*event).at.0 <= at);
        self.cursor = place.saturating_sub(1);
    }

    fn next(&mut self, what: &str, events: &[u64]) {
        let here = self.event();
        self.jump(what, events.iter().find(|event| **event > here).copied());
    }

    fn previous(&mut self, what: &str, events: &[u64]) {
        let here = self.event();
        self.jump(what, events.iter().rfind(|event| **event < here).copied());
    }

    fn jump(&mut self, what: &str, event: Option<u64>) {
        match event {
            Some(event) => {
                self.remember();
                self.show_around(event);
            }
            None => self.message = format!("there is not {what}"),
        }
    }

    fn mark(&mut self, mark: Option<&(u64, String)>) {
        self.jump("such a moment in this run", mark.map(|(event, _)| *event));
        if let Some((_, text)) = mark {
            self.message.clone_from(text);
        }
    }

    fn cause(&mut self) {
        let cause = self.film.row(self.event()).cause;
        self.jump("a cause: the plan or a timer began this", cause);
    }

    fn effect(&mut self) {
        let effect = self.film.effects(self.event()).next();
        self.jump("an effect of this", effect);
    }

    fn remember(&mut self) {
        if self.back.len() == BACK_MAX {
            self.back.remove(0);
        }
        self.back.push(self.event());
    }

    fn go_back(&mut self) {
        match self.back.pop() {
            Some(event) => self.show_around(event),
            None => "there is nothing to go back to".clone_into(&mut self.message),
        }
    }

    /// Stands at an event. If it is not in the list, the list is of everything from now on.
    fn show_around(&mut self, event: u64) {
        if self.events.binary_search(&event).is_err() {
            self.show(Shown::All, self.everything());
        }
        self.cursor = self.nearest(event);
    }

    /// The place of the last event in the list up to this one.
    fn nearest(&self, event: u64) -> usize {
        self.events.partition_point(|it| *it <= event).saturating_sub(1)
    }

    /// Another list, at about the same event.
    fn show(&mut self, shown: Shown, events: Vec<u64>) {
        let here = self.events.get(self.cursor).copied().unwrap_or_default();
        (self.shown, self.events) = (shown, events);
        self.cursor = self.nearest(here);
    }

    fn toggle_story(&mut self) {
        if self.shown == Shown::Story {
            self.show(Shown::All, self.everything());
        } else {
            self.show(Shown::Story, self.story());
        }
    }

    fn unfollow(&mut self) {
        if matches!(self.shown, Shown::Followed(_)) {
            self.show(Shown::All, self.everything());
        }
    }

    /// Shows only the life of an operation, index or key.
    pub(super) fn follow(&mut self, what: &str) {
        match view::follow(what, self.run.rows, self.run.history) {
            Ok(events) if events.is_empty() => {
                self.message = format!("nothing happens to {what} in this run");
            }
            Ok(events) => self.show(Shown::Followed(what.to_owned()), events),
            Err(error) => self.message = error.to_string(),
        }
    }

    fn follow_this(&mut self) {
        match subject(self.film.row(self.event())) {
            Some(what) => self.follow(&what),
            None => {
                "this event is about no operation and no index; f asks for one"
                    .clone_into(&mut self.message);
            }
        }
    }

    fn search(&mut self, text: &str) {
        let query = text.parse::<Query>();
        let words = text.to_lowercase();
        let mut picture = Picture::default();
        self.found = (0..)
            .zip(self.run.rows)
            .filter_map(|(event, row)| {
                picture.take(row);
                let is_found = match &query {
                    Ok(query) => query.holds(&picture, row),
                    Err(_) => self.tell(event, &picture).to_lowercase().contains(&words),
                };
                is_found.then_some(event)
            })
            .collect();
        let here = self.event();
        let place = self.found.partition_point(|event| *event < here);
        match self.found.get(place).or(self.found.last()).copied() {
            Some(event) => {
                self.jump("", Some(event));
                self.message = format!("{} of {text}", matches(self.found.len()));
            }
            None => self.message = format!("no match of {text}"),
        }
    }

    fn go(&mut self, text: &str) {
        match text.parse::<Until>() {
            Ok(until) => self.go_to(&until),
            Err(error) => self.message = error,
        }
    }

    /// Stands where `--until` says.
    pub(super) fn go_to(&mut self, until: &Until) {
        match until {
            Until::Event(event) => {
                let event = (*event <= self.film.last()).then_some(*event);
                self.jump(&format!("such an event; the last is {}", self.film.last()), event);
            }
            Until::Time(time) => {
                let place = self.run.rows.partition_point(|row| row.at <= *time);
                self.jump("an event so early", place.checked_sub(1).map(|place| place as u64));
            }
            Until::Condition(query) => {
                self.jump(&format!("a moment with {query}"), query.first(self.run.rows));
            }
        }
    }

    fn everything(&self) -> Vec<u64> {
        (0..=self.film.last()).collect()
    }

    /// The events of the story, and those that were objected to; the first event if there is nothing to tell.
    fn story(&self) -> Vec<u64> {
        let mut story = lanes::story(self.run.rows);
        story.extend(self.objections.keys().filter(|event| **event <= self.film.last()));
        story.sort_unstable();
        story.dedup();
        if story.is_empty() { vec![0] } else { story }
    }

    /// Where the highest term rises.
    fn terms(&self) -> Vec<u64> {
        let mut highest = 0;
        let rises = |row: &Row| {
            let rises = row.kind == RowKind::Role && row.fields[1] > highest;
            highest = if rises { row.fields[1] } else { highest };
            rises
        };
        self.where_(rises)
    }

    /// Where faults begin: those of the plan, and replicas that stop by themselves.
    fn faults(&self) -> Vec<u64> {
        self.where_(|row| matches!(row.kind, RowKind::FaultOn | RowKind::Stop | RowKind::Refuse))
    }

    fn where_(&self, mut is: impl FnMut(&Row) -> bool) -> Vec<u64> {
        (0..).zip(self.run.rows).filter(|(_, row)| is(row)).map(|(event, _)| event).collect()
    }

    /// How many matches of the last search there are.
    #[cfg(test)]
    pub(super) fn found(&self) -> usize {
        self.found.len()
    }

    /// The row that is looked at.
    #[cfg(test)]
    pub(super) fn row(&self) -> &Row {
        self.film.row(self.event())
    }
}

fn matches(count: usize) -> String {
    if count == 1 { "1 match".to_owned() } else { format!("{count} matches") }
}

/// The operation or the log index that a row is about, as `--follow` takes it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are about neither")]
fn subject(row: &Row) -> Option<String> {
    let [a, b, ..] = row.fields;
    match row.kind {
        RowKind::Invoke | RowKind::Receive | RowKind::Reply | RowKind::Read | RowKind::Complete => {
            Some(format!("p{a}#{b}"))
        }
        RowKind::Apply if row.fields[3] > 0 => {
            Some(format!("p{}#{}", row.fields[3], row.fields[4]))
        }
        RowKind::Apply | RowKind::Commit | RowKind::Snapshot => Some(a.to_string()),
        RowKind::Append => Some(b.to_string()),
        _ => None,
    }
}
