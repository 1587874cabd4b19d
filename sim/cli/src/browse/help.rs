//! The keys, for people.

use ratatui::{
    layout::Rect,
    text::Line,
    widgets::{Block, Borders, Paragraph},
};

/// What stands at the bottom while there is nothing to say.
pub(super) const SHORT: &str = "? help  q quit  j k step  \u{2190} \u{2192} 10 ms  t term  x fault  b first bad moment  / search  f follow  s story";

/// Keys, and what they do.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("j k, down up", "the next event of the list, the one before"),
    ("space, page keys", "a screen of them"),
    ("home end", "the first one, the last one"),
    ("right left", "10 ms on, 10 ms back"),
    ("> <", "one second on, one second back"),
    ("t T", "the next term, the one before"),
    ("x X", "the next fault, the one before"),
    ("b d", "the first bad moment, the objection"),
    ("c e", "the cause of the event, its first effect"),
    ("/", "search: kind=append, term>=3, role(n2)=leader, or words"),
    ("n N", "the next match, the one before"),
    ("f", "follow an operation (p1#3), a log index (41) or a key (k0)"),
    ("enter escape", "follow what the event is about; follow nothing"),
    ("s", "the story only, or everything"),
    ("g", "go to an event (15204), a time (3.5s) or a condition"),
    ("u", "back to where you jumped from"),
    ("tab", "the event or the cluster, where there is room for one"),
    ("q", "quit"),
];

/// How to read a line of the list.
const SIGNS: &[&str] = &[
    "L9 leads term 9 · C candidate · p asks whether it could win · f follows",
    "z in front: stands still · -- down · underlined: where it happened",
    "! objected to · * first bad moment · > the event that is looked at",
];

/// A page of help.
pub(super) fn page(area: Rect) -> Paragraph<'static> {
    let is_narrow = area.width < 70;
    let key = |(key, what): &(&str, &str)| {
        if is_narrow { format!(" {key}: {what}") } else { format!("  {key:<18} {what}") }
    };
    let keys = KEYS.iter().map(key);
    let signs = SIGNS.iter().map(|sign| format!("  {sign}"));
    let lines: Vec<Line<'_>> = keys.chain([String::new()]).chain(signs).map(Line::from).collect();
    Paragraph::new(lines).block(Block::new().borders(Borders::TOP).title(" help, any key closes "))
}
