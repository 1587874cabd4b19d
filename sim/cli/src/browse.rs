//! `whitewater replay --browse`: a run in the terminal, to step through.
//!
//! ```text
//!  terminal --Key--> Browser::press --> Browser --screen::draw--> terminal
//!                       `--> Film: the cluster at any event
//! ```
//!
//! Open [`browser`] first: it decides what every key does, and knows of no terminal.

mod browser;
mod film;
mod help;
mod panes;
mod screen;
#[cfg(test)]
pub(crate) mod tests;

use self::{
    browser::{Browser, Flow, Key, Run},
    screen::Paint,
};
use crate::{engine::Finished, exit::CliError, view::Until};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use std::io::{self, IsTerminal};
use whitewater_record::Plan;
use whitewater_reports::page::Moments;

/// Where to begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    /// At this moment.
    pub(crate) until: Option<&'a Until>,
    /// With the life of this only.
    pub(crate) follow: Option<&'a str>,
    /// In color.
    pub(crate) color: bool,
}

/// Complains where there is no terminal.
pub(crate) fn needs_terminal() -> Result<(), CliError> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return Ok(());
    }
    let what = "--browse needs a terminal for input and output; `--lanes all` prints the events";
    Err(CliError::Usage(what.to_owned()))
}

/// Until somebody quits.
pub(crate) fn browse(
    plan: &Plan,
    finished: &Finished,
    moments: &Moments,
    start: Start<'_>,
) -> Result<(), CliError> {
    let rows = finished.trace.rows();
    if rows.is_empty() {
        return Err(CliError::Usage("--browse: this run has no events".to_owned()));
    }
    let (outcome, history) = (&finished.outcome, &finished.history);
    let mut browser = Browser::new(Run { rows, plan, outcome, history, moments });
    if let Some(what) = start.follow {
        browser.follow(what);
    }
    if let Some(until) = start.until {
        browser.go_to(until);
    }
    let mut terminal = ratatui::try_init().map_err(CliError::io("taking the terminal"))?;
    let ended = turn(&mut terminal, &mut browser, Paint { color: start.color });
    ratatui::try_restore().map_err(CliError::io("giving the terminal back"))?;
    ended.map_err(CliError::io("the terminal"))
}

fn turn(terminal: &mut DefaultTerminal, browser: &mut Browser<'_>, paint: Paint) -> io::Result<()> {
    loop {
        terminal.draw(|frame| screen::draw(frame, browser, paint))?;
        // Whatever else a terminal tells, such as its size, is a reason to draw again.
        if let Event::Key(pressed) = event::read()?
            && let Some(key) = key(pressed)
            && browser.press(key) == Flow::Quit
        {
            return Ok(());
        }
    }
}

/// The key that was pressed, if it is one of ours.
#[expect(clippy::wildcard_enum_match_arm, reason = "terminals have many more keys")]
fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let is_control = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(match event.code {
        KeyCode::Char('c') if is_control => Key::Interrupt,
        KeyCode::Char('f') if is_control => Key::PageDown,
        KeyCode::Char('b') if is_control => Key::PageUp,
        KeyCode::Char(_) if is_control => return None,
        KeyCode::Char(character) => Key::Char(character),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Tab => Key::Tab,
        KeyCode::Enter => Key::Enter,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    })
}
