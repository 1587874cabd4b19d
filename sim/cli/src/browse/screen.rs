//! How the browser looks: the list of events with a lane a node, the event, the cluster, and a line for words.
//!
//! A wide terminal has the event and the cluster below the list, a narrower one has one of them, and a small one the
//! list alone. Color is never alone: roles are letters, marks are signs, the cursor is reversed.

use super::{
    browser::{Browser, Prompt, Shown},
    help, panes,
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph, Wrap},
};
use whitewater_record::Verdict;
use whitewater_reports::{
    lanes,
    number::grouped,
    picture::{Life, NodePicture, Picture},
};

/// From so many columns on there is room for both panes.
const WIDE: u16 = 132;
/// Columns of the cluster.
const CLUSTER_COLUMNS: u16 = 74;
/// From so many columns on there is room for numbers of events.
const NUMBERED: u16 = 64;
/// From so many rows on there is room for a pane below the list.
const TALL: u16 = 18;
/// Rows of the panes below the list.
const PANE_ROWS: u16 = 10;
/// Fewer rows or columns show nothing.
const LEAST: (u16, u16) = (20, 4);

/// What may be colored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub(super) color: bool,
}

impl Paint {
    pub(super) fn color(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// What is wrong.
    pub(super) fn alarm(self) -> Style {
        self.color(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn role(self, node: &NodePicture) -> Style {
        match (node.life, node.role) {
            (Life::Down | Life::Paused, _) => Style::new().add_modifier(Modifier::DIM),
            (Life::Up, 3) => self.color(Color::Green).add_modifier(Modifier::BOLD),
            (Life::Up, 1 | 2) => self.color(Color::Yellow),
            (Life::Up, _) => Style::new(),
        }
    }
}

/// Draws everything. The browser learns how many lines of the list there are.
pub(super) fn draw(frame: &mut Frame<'_>, browser: &mut Browser<'_>, paint: Paint) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        frame.render_widget(Paragraph::new("too small"), area);
        return;
    }
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
            .areas(area);
    frame.render_widget(title(browser, paint), top);
    if browser.help {
        frame.render_widget(help::page(middle), middle);
    } else if area.height >= TALL {
        let parts = [Constraint::Min(1), Constraint::Length(PANE_ROWS)];
        let [list, below] = Layout::vertical(parts).areas(middle);
        draw_list(frame, list, browser, paint);
        draw_panes(frame, below, browser, paint);
    } else {
        draw_list(frame, middle, browser, paint);
    }
    draw_bottom(frame, bottom, browser, paint);
}

/// The event and the cluster, or one of them.
fn draw_panes(frame: &mut Frame<'_>, area: Rect, browser: &Browser<'_>, paint: Paint) {
    let block = |name| Block::new().borders(Borders::TOP).title(name);
    let event = || {
        let lines = Paragraph::new(panes::event(browser, paint)).wrap(Wrap { trim: false });
        lines.block(block(" event "))
    };
    let cluster = || Paragraph::new(panes::cluster(browser, paint)).block(block(" cluster "));
    if area.width >= WIDE {
        let halves = [Constraint::Min(1), Constraint::Length(CLUSTER_COLUMNS)];
        let [left, right] = Layout::horizontal(halves).areas(area);
        frame.render_widget(event(), left);
        frame.render_widget(cluster(), right);
    } else if browser.cluster {
        frame.render_widget(cluster(), area);
    } else {
        frame.render_widget(event(), area);
    }
}

fn title(browser: &Browser<'_>, paint: Paint) -> Line<'static> {
    let outcome = browser.run.outcome;
    let code = outcome.violations.first().map_or("", |it| it.code.as_str());
    let (word, style) = match outcome.verdict {
        Verdict::Failed => (format!("FAIL {code}"), paint.alarm()),
        Verdict::Inconclusive => {
            ("INCONCLUSIVE".to_owned(), paint.color(Color::Yellow).add_modifier(Modifier::BOLD))
        }
        Verdict::Passed => {
            ("PASS".to_owned(), paint.color(Color::Green).add_modifier(Modifier::BOLD))
        }
    };
    let shown = match &browser.shown {
        Shown::Story => "the story".to_owned(),
        Shown::All => "everything".to_owned(),
        Shown::Followed(what) => format!("following {what}"),
    };
    let place = format!(
        " · event {} of {} · {shown}, {} of {} · {} seed {}",
        grouped(browser.event()),
        grouped(browser.film.last()),
        grouped(browser.cursor as u64 + 1),
        grouped(browser.events.len() as u64),
        outcome.scenario,
        outcome.seed,
    );
    Line::from(vec![Span::styled(word, style), Span::raw(place)])
}

/// The first row is the heading of the lanes; the cursor stays near the middle.
fn draw_list(frame: &mut Frame<'_>, area: Rect, browser: &mut Browser<'_>, paint: Paint) {
    let rows = usize::from(area.height.saturating_sub(1)).max(1);
    browser.page = rows;
    let last = browser.events.len().saturating_sub(rows);
    let first = browser.cursor.saturating_sub(rows / 2).min(last);
    let nodes = lanes::nodes(browser.run.rows);
    let is_numbered = area.width >= NUMBERED;
    let mut lines = vec![heading(&nodes, is_numbered)];
    for place in (first..browser.events.len()).take(rows) {
        let event = browser.events[place];
        let picture = browser.film.at(event);
        let mut line = lane(browser, event, &picture, (&nodes, is_numbered, paint));
        if place == browser.cursor {
            line = line.patch_style(Style::new().add_modifier(Modifier::REVERSED));
        }
        lines.push(line);
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn heading(nodes: &[u64], is_numbered: bool) -> Line<'static> {
    let event = if is_numbered { format!(" {:>8}", "event") } else { String::new() };
    let nodes: Vec<String> = nodes.iter().map(|id| format!("{:<5}", format!("n{id}"))).collect();
    let nodes = nodes.join(" ");
    let style = Style::new().add_modifier(Modifier::BOLD);
    Line::styled(format!("   {:<11}{event}  {nodes}", "t"), style)
}

/// An event: marks, time, number, the nodes after it, and what happened.
fn lane(
    browser: &Browser<'_>,
    event: u64,
    picture: &Picture,
    (nodes, is_numbered, paint): (&[u64], bool, Paint),
) -> Line<'static> {
    let row = browser.film.row(event);
    let objection = browser.objections.get(&event);
    let is_bad = browser.run.moments.bad.as_ref().is_some_and(|(bad, _)| *bad == event);
    let is_objected =
        browser.run.moments.detected.as_ref().is_some_and(|(detected, _)| *detected == event);
    let mark = match (objection.is_some() || is_objected, is_bad) {
        (true, _) => '!',
        (false, true) => '*',
        (false, false) => ' ',
    };
    let cursor = if event == browser.event() { '>' } else { ' ' };
    let style = if mark == ' ' { Style::new() } else { paint.alarm() };
    let micros = row.at.0 / 1_000;
    let time = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let number = if is_numbered { format!(" {event:>8}") } else { String::new() };
    let mut spans = vec![Span::styled(format!("{cursor}{mark} {time:<11}{number} "), style)];
    for id in nodes {
        let node = picture.nodes.get(id);
        let cell = node.map_or_else(String::new, lanes::cell);
        // The node at which it happened stands out.
        let here = if row.node == *id { Modifier::UNDERLINED } else { Modifier::empty() };
        let style = node.map_or_else(Style::new, |node| paint.role(node));
        let gap = 5_usize.saturating_sub(cell.chars().count());
        spans.push(Span::raw(" "));
        spans.push(Span::styled(cell, style.add_modifier(here)));
        spans.push(Span::raw(" ".repeat(gap)));
    }
    spans.push(Span::styled(
        match objection {
            Some(it) => format!(" {}: {}", it.code, it.sentence.replace('\n', " ")),
            None => format!(" {}", browser.tell(event, picture)),
        },
        style,
    ));
    Line::from(spans)
}

fn draw_bottom(frame: &mut Frame<'_>, area: Rect, browser: &Browser<'_>, paint: Paint) {
    let line = match &browser.prompt {
        Some((prompt, text)) => {
            let what = match prompt {
                Prompt::Search => "/",
                Prompt::Follow => "follow p1#3, 41 or k0: ",
                Prompt::Go => "go to 15204, 3.5s or role(n2)=leader: ",
            };
            let line = format!("{what}{text}");
            let column = u16::try_from(line.chars().count()).unwrap_or(u16::MAX);
            let end = area.right().saturating_sub(1);
            frame.set_cursor_position((area.x.saturating_add(column).min(end), area.y));
            Line::from(line)
        }
        None if browser.message.is_empty() => Line::styled(help::SHORT, paint.color(Color::Cyan)),
        None => Line::styled(browser.message.replace('\n', " "), Modifier::BOLD),
    };
    frame.render_widget(line, area);
}
