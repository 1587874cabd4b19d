//! What stands beside the list, or below it: the event in full, and the cluster after it.

use super::{browser::Browser, screen::Paint};
use ratatui::{
    style::{Modifier, Style},
    text::{Line, Span},
};
use whitewater_record::trace::ROLES;
use whitewater_reports::{
    number::count,
    picture::{NodePicture, Picture},
    sentence,
};

/// Effects that are told one by one.
const EFFECTS_MAX: usize = 4;

/// The event: its kind and numbers by name, its cause, its effects, and what was objected to.
pub(super) fn event(browser: &Browser<'_>, paint: Paint) -> Vec<Line<'static>> {
    let event = browser.event();
    let row = browser.film.row(event);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = Vec::new();
    let moments = browser.run.moments;
    if let Some((_, text)) = moments.bad.as_ref().filter(|(bad, _)| *bad == event) {
        lines.push(Line::styled(format!("* first bad moment: {text}"), paint.alarm()));
    }
    if let Some(it) = browser.objections.get(&event) {
        let text = format!("! {}: {}", it.code, it.sentence.replace('\n', " "));
        lines.push(Line::styled(text, paint.alarm()));
    } else if let Some((_, text)) = moments.detected.as_ref().filter(|(at, _)| *at == event) {
        lines.push(Line::styled(format!("! objected to here: {text}"), paint.alarm()));
    }
    let whole = browser.tell(event, &browser.film.at(event));
    lines.push(Line::styled(format!("{} · {whole}", row.kind.name()), bold));
    let numbers = row.kind.columns().iter().zip(row.fields).map(|(column, number)| {
        let word = column.word(number).filter(|word| !word.is_empty());
        word.map_or_else(
            || format!("{} {number}", column.name),
            |word| format!("{} {word}", column.name),
        )
    });
    let numbers: Vec<String> = numbers.collect();
    if !numbers.is_empty() {
        lines.push(Line::from(numbers.join(" · ")));
    }
    lines.push(match row.cause {
        Some(cause) => Line::from(format!("cause   {}", tell(browser, cause))),
        None => Line::from("cause   the plan or a timer"),
    });
    let effects = browser.film.effects(event);
    let more = effects.len().saturating_sub(EFFECTS_MAX);
    if effects.len() == 0 {
        lines.push(Line::from("effect  nothing comes of it"));
    }
    for (place, effect) in effects.take(EFFECTS_MAX).enumerate() {
        let word = if place == 0 { "effect" } else { "" };
        lines.push(Line::from(format!("{word:<8}{}", tell(browser, effect))));
    }
    if more > 0 {
        lines.push(Line::from(format!("        and {more} more")));
    }
    lines
}

fn tell(browser: &Browser<'_>, event: u64) -> String {
    format!("{event} {}", browser.tell(event, &browser.film.at(event)))
}

/// The cluster: a node a line. What the event changed is bold.
pub(super) fn cluster(browser: &Browser<'_>, paint: Paint) -> Vec<Line<'static>> {
    let event = browser.event();
    let after = browser.film.at(event);
    let before = event.checked_sub(1).map(|event| browser.film.at(event)).unwrap_or_default();
    let heading = "     life   role          term  led vote   commit applied log        disk";
    let mut lines = vec![Line::styled(heading, Modifier::BOLD)];
    for (id, node) in &after.nodes {
        let old = before.nodes.get(id).map(cells);
        let changed =
            |place: usize| old.as_ref().is_none_or(|old| old[place] != cells(node)[place]);
        let mut spans = vec![Span::raw(format!("{:<5}", format!("n{id}")))];
        for (place, (cell, width)) in cells(node).into_iter().zip(WIDTHS).enumerate() {
            let style = if changed(place) { Modifier::BOLD } else { Modifier::empty() };
            spans.push(Span::styled(format!("{cell:<width$}"), style));
        }
        lines.push(Line::from(spans));
    }
    lines.extend(weather(browser, &after, paint));
    lines
}

const WIDTHS: [usize; 9] = [7, 14, 6, 4, 7, 7, 8, 11, 4];

fn cells(node: &NodePicture) -> [String; 9] {
    let role = usize::try_from(node.role).ok().and_then(|place| ROLES.get(place));
    let name = |id: u64| if id == 0 { "-".to_owned() } else { format!("n{id}") };
    let log = match (node.snapshot, node.last) {
        (snapshot, last) if last > snapshot => format!("{}..{last}", snapshot + 1),
        (0, _) => "-".to_owned(),
        (snapshot, _) => format!("after {snapshot}"),
    };
    [
        node.life.name().to_owned(),
        (*role.unwrap_or(&"?")).to_owned(),
        node.term.to_string(),
        name(node.leader),
        node.vote.map_or_else(|| "-".to_owned(), |(whom, term)| format!("n{whom}@{term}")),
        node.commit.to_string(),
        node.applied.to_string(),
        log,
        node.writing.len().to_string(),
    ]
}

/// Faults that hold, sides that do not reach each other, and members where they are not all nodes.
fn weather(browser: &Browser<'_>, picture: &Picture, paint: Paint) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if !picture.cuts.is_empty() {
        lines.push(Line::styled(format!("cut      {}", sentence::sides(picture)), paint.alarm()));
    }
    let name = |fault: &u64| {
        let planned = usize::try_from(*fault).ok().and_then(|it| browser.run.plan.faults.get(it));
        planned.map_or("?", |planned| planned.fault.name())
    };
    let faults: Vec<&str> = picture.faults.iter().map(name).collect();
    if !faults.is_empty() {
        let number = count(faults.len() as u64, "fault");
        lines.push(Line::from(format!("{number}: {}", faults.join(", "))));
    }
    let members = picture.nodes.values().max_by_key(|node| node.applied).map(|node| node.members);
    if let Some([voters, outgoing, learners]) = members.filter(|[voters, ..]| *voters > 0) {
        let mut text = format!("members  {}", sentence::set(voters));
        for (word, mask) in [("leaving", outgoing), ("learning", learners)] {
            if mask > 0 {
                text = format!("{text}, {word} {}", sentence::set(mask));
            }
        }
        lines.push(Line::from(text));
    }
    lines
}
