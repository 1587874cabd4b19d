use super::{
    browser::{Browser, Flow, Key, Run, Shown},
    help, screen,
    screen::Paint,
};
use crate::engine::{self, Finished};
use ratatui::{Terminal, backend::TestBackend, style::Color};
use std::{env, fs, path::Path};
use whitewater_api::NodeId;
use whitewater_record::{History, Outcome, Plan, Row, RowKind, Seed, SimTime, Verdict, Violation};
use whitewater_reports::page::Moments;

/// Three nodes, two elections and a cut, told in few events.
struct Sample {
    rows: Vec<Row>,
    plan: Plan,
    outcome: Outcome,
    history: History,
    moments: Moments,
}

const PLAN: &str = r#"
version = 1
scenario = "sample"
seed = "7"
duration = "3s"
timeout = "500ms"
[cluster]
nodes = 3
[[client]]
home = 1
operations = ["@1s put k0 v1"]
[[fault]]
at = "200ms"
lasts = "1s"
kind = "partition"
shape = { isolate = { node = 1 } }
"#;

fn sample() -> Sample {
    let row = |micros: u64, kind, node, cause, numbers: &[u64]| {
        Row::new(SimTime(micros * 1_000), kind, node, cause, numbers)
    };
    let rows = vec![
        row(0, RowKind::Boot, 1, None, &[1, 0, 0]),
        row(0, RowKind::Boot, 2, None, &[1, 0, 0]),
        row(0, RowKind::Boot, 3, None, &[1, 0, 0]),
        row(110_000, RowKind::Timer, 1, None, &[]),
        row(110_000, RowKind::Role, 1, Some(3), &[2, 2, 0]),
        row(110_000, RowKind::Vote, 1, Some(3), &[2, 1]),
        row(112_000, RowKind::Send, 1, Some(3), &[1, 2, 8, 2, 0, 0]),
        row(113_500, RowKind::Deliver, 2, Some(6), &[1, 1, 0]),
        row(113_500, RowKind::Vote, 2, Some(7), &[2, 1]),
        row(115_000, RowKind::Role, 1, Some(7), &[3, 2, 1]),
        row(116_000, RowKind::Invoke, 1, None, &[1, 1, 77]),
        row(117_000, RowKind::Append, 1, Some(10), &[1, 2, 2, 0]),
        row(117_000, RowKind::Submit, 1, Some(10), &[1, 2, 88, 1, 0]),
        row(118_000, RowKind::DiskDone, 1, Some(12), &[1, 1]),
        row(119_000, RowKind::Commit, 1, Some(13), &[2, 2]),
        row(119_000, RowKind::Apply, 1, Some(13), &[2, 2, 5, 1, 1, 2]),
        row(200_000, RowKind::FaultOn, 0, None, &[0, 1]),
        row(200_000, RowKind::Cut, 0, Some(16), &[0, 1, 2]),
        row(200_000, RowKind::Cut, 0, Some(16), &[0, 1, 3]),
        row(415_000, RowKind::Role, 2, None, &[2, 3, 0]),
        row(418_000, RowKind::Role, 2, Some(19), &[3, 3, 2]),
        row(419_000, RowKind::Complete, 1, Some(15), &[1, 1, 0, 2]),
        row(900_000, RowKind::Snapshot, 2, None, &[2, 2, 0]),
        row(1_200_000, RowKind::FaultOff, 0, None, &[0, 1]),
        row(1_300_000, RowKind::End, 0, None, &[24]),
    ];
    let plan = Plan::from_toml("sample", PLAN).unwrap();
    let mut outcome = engine::without_result(&plan, "election-safety", String::new());
    outcome.verdict = Verdict::Failed;
    outcome.violations = vec![Violation {
        code: "election-safety".into(),
        at: SimTime(418_000_000),
        event: Some(20),
        node: Some(NodeId(2)),
        sentence: "n1 and n2 both lead".into(),
    }];
    let moments = Moments {
        bad: Some((8, "VotesOnce(n2): n2 votes for n1 in term 2".into())),
        detected: Some((20, "election-safety: n1 and n2 both lead".into())),
    };
    Sample { rows, plan, outcome, history: History::default(), moments }
}

impl Sample {
    fn browser(&self) -> Browser<'_> {
        let Self { rows, plan, outcome, history, moments } = self;
        Browser::new(Run { rows, plan, outcome, history, moments })
    }
}

/// Looks at a run here and there, and returns the last screen.
pub(crate) fn walk(plan: &Plan, finished: &Finished, moments: &Moments) -> String {
    let (rows, outcome, history) = (finished.trace.rows(), &finished.outcome, &finished.history);
    let mut browser = Browser::new(Run { rows, plan, outcome, history, moments });
    type_in(&mut browser, "sbdtxcetxsu/kind=end\n");
    for key in [Key::Home, Key::PageDown, Key::Right, Key::Tab, Key::End] {
        assert_eq!(browser.press(key), Flow::Stay);
        screen(&mut browser, 140, 40);
    }
    screen(&mut browser, 140, 40).to_string()
}

fn type_in(browser: &mut Browser<'_>, keys: &str) {
    for key in keys.chars() {
        let key = if key == '\n' { Key::Enter } else { Key::Char(key) };
        assert_eq!(browser.press(key), Flow::Stay);
    }
}

fn screen(browser: &mut Browser<'_>, width: u16, height: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(frame, browser, Paint { color: true })).unwrap();
    terminal.backend().clone()
}

/// Compares with a file beside this one; `UPDATE_GOLDENFILES=1` writes it.
fn golden(name: &str, browser: &mut Browser<'_>, (width, height): (u16, u16)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/browse/golden").join(name);
    let shown = screen(browser, width, height).to_string();
    // The backend puts every line in quotes, for the sake of its end.
    let lines: Vec<&str> = shown.lines().map(|line| line.trim_matches('"').trim_end()).collect();
    let shown = lines.join("\n") + "\n";
    if env::var_os("UPDATE_GOLDENFILES").is_some() {
        fs::write(&path, &shown).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expected, "{}; `make golden` writes it anew", path.display());
}

#[test]
fn a_wide_screen_shows_the_event_and_the_cluster_below_the_lanes() {
    golden("wide.txt", &mut sample().browser(), (140, 26));
}

#[test]
fn a_narrower_screen_shows_the_event_or_the_cluster_below_the_lanes() {
    let sample = sample();
    let mut browser = sample.browser();
    type_in(&mut browser, "x");
    golden("event.txt", &mut browser, (100, 24));
    browser.press(Key::Tab);
    golden("cluster.txt", &mut browser, (100, 24));
}

#[test]
fn a_small_screen_shows_the_lanes_alone() {
    let sample = sample();
    let mut browser = sample.browser();
    golden("small.txt", &mut browser, (48, 12));
    assert!(screen(&mut browser, 10, 3).to_string().contains("too small"));
}

#[test]
fn help_lists_every_key_until_the_next_one() {
    let sample = sample();
    let mut browser = sample.browser();
    type_in(&mut browser, "?");
    golden("help.txt", &mut browser, (100, 26));
    type_in(&mut browser, "x");
    assert!(!browser.help);
    assert_eq!(browser.event(), 8, "the key that closes the help does nothing else");
    for (keys, _) in help::KEYS.iter().filter(|(keys, _)| !keys.contains(',')) {
        for key in keys.split(' ').filter(|key| key.chars().count() == 1) {
            let mut fresh = sample.browser();
            fresh.press(Key::Char(key.chars().next().unwrap()));
            assert_ne!(fresh.message, "? lists the keys", "{key} does nothing");
        }
    }
}

#[test]
fn nothing_is_colored_that_must_not_be() {
    let sample = sample();
    let mut browser = sample.browser();
    let mut terminal = Terminal::new(TestBackend::new(140, 26)).unwrap();
    terminal.draw(|frame| screen::draw(frame, &mut browser, Paint { color: false })).unwrap();
    let cells = terminal.backend().buffer().content();
    assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    let colored = screen(&mut browser, 140, 26);
    assert!(colored.buffer().content().iter().any(|cell| cell.fg == Color::Red));
}

#[test]
fn it_begins_at_the_first_bad_moment_and_jumps_between_the_moments() {
    let sample = sample();
    let mut browser = sample.browser();
    assert_eq!(browser.event(), 8);
    type_in(&mut browser, "d");
    assert_eq!(
        (browser.event(), browser.message.as_str()),
        (20, "election-safety: n1 and n2 both lead")
    );
    type_in(&mut browser, "b");
    assert_eq!(browser.event(), 8);
    type_in(&mut browser, "u");
    assert_eq!(browser.event(), 20, "back to where it was");
}

#[test]
fn steps_go_by_event_time_term_and_fault() {
    let sample = sample();
    let mut browser = sample.browser();
    for (keys, event) in [
        ("j", 9),
        ("kk", 7),
        ("t", 19),
        ("T", 4),
        ("x", 16),
        ("X", 16),
        ("c", 16),
        ("e", 17),
        ("c", 16),
        ("g8\n", 8),
        ("c", 7),
        ("c", 6),
        ("e", 7),
        ("g415ms\n", 19),
        ("grole(n1)=leader\n", 9),
    ] {
        type_in(&mut browser, keys);
        assert_eq!(browser.event(), event, "{keys}: {}", browser.message);
    }
    browser.press(Key::Home);
    for (key, event) in [
        (Key::Right, 3),
        (Key::Right, 16),
        (Key::Left, 15),
        (Key::Char('>'), 23),
        (Key::Char('<'), 18),
        (Key::End, 24),
        (Key::Down, 24),
        (Key::PageUp, 23),
    ] {
        browser.press(key);
        assert_eq!(browser.event(), event, "{key:?}");
    }
}

#[test]
fn a_search_is_a_question_or_words() {
    let sample = sample();
    let mut browser = sample.browser();
    type_in(&mut browser, "/kind=role, node=2\n");
    assert_eq!((browser.event(), browser.found(), browser.row().kind), (19, 2, RowKind::Role));
    type_in(&mut browser, "n");
    assert_eq!(browser.event(), 20);
    type_in(&mut browser, "n");
    assert_eq!((browser.event(), browser.message.as_str()), (20, "there is not a later match"));
    type_in(&mut browser, "/VOTES for\n");
    assert_eq!((browser.found(), browser.event()), (2, 8));
    type_in(&mut browser, "/no such words\n");
    assert_eq!(browser.message, "no match of no such words");
    type_in(&mut browser, "/kin");
    browser.press(Key::Escape);
    assert!(browser.prompt.is_none(), "an escape leaves the line");
}

#[test]
fn an_index_is_followed_until_an_escape() {
    let sample = sample();
    let mut browser = sample.browser();
    type_in(&mut browser, "f2\n");
    assert_eq!(browser.shown, Shown::Followed("2".into()));
    assert_eq!(browser.events, [11, 15, 22]);
    browser.press(Key::Escape);
    assert_eq!(browser.events.len(), sample.rows.len());
    type_in(&mut browser, "g14\n\n");
    assert_eq!(browser.shown, Shown::Followed("2".into()), "what the event is about");
    type_in(&mut browser, "fnobody\n");
    assert!(browser.message.contains("no operation, log index or key"), "{}", browser.message);
}

#[test]
fn the_story_is_a_part_of_everything() {
    let sample = sample();
    let mut browser = sample.browser();
    assert_eq!(browser.shown, Shown::All, "the first bad moment is not of the story");
    type_in(&mut browser, "s");
    assert_eq!((&browser.shown, browser.event()), (&Shown::Story, 4), "the nearest before");
    assert_eq!(browser.events, [0, 1, 2, 4, 9, 16, 18, 19, 20, 23, 24]);
}

#[test]
fn only_q_and_an_interrupt_quit() {
    let sample = sample();
    let mut browser = sample.browser();
    type_in(&mut browser, "/q\n");
    assert_eq!(browser.press(Key::Char('q')), Flow::Quit);
    type_in(&mut browser, "?");
    assert_eq!(browser.press(Key::Interrupt), Flow::Quit, "whatever is open");
}

/// Any keys in any order, at any size: the cursor stays inside, and everything can be drawn.
#[test]
fn sim_no_keys_lead_astray_in_a_real_run() {
    const KEYS: &[Key] = &[
        Key::Up,
        Key::Down,
        Key::Left,
        Key::Right,
        Key::PageUp,
        Key::PageDown,
        Key::Home,
        Key::End,
        Key::Tab,
        Key::Enter,
        Key::Backspace,
        Key::Escape,
    ];
    let plan =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/mutants/local-read.toml");
    let plan = Plan::from_toml("local-read", &fs::read_to_string(plan).unwrap()).unwrap();
    let finished = engine::run(&plan, true, None).unwrap();
    let (rows, outcome, history) = (finished.trace.rows(), &finished.outcome, &finished.history);
    let moments = Moments::default();
    let mut browser = Browser::new(Run { rows, plan: &plan, outcome, history, moments: &moments });
    let mut dice = Seed(1).stream("keys", 0);
    let letters: Vec<char> = "jk><tTxXbdce/nNfgsu?h12p#k0=,".chars().collect();
    for _ in 0..600 {
        let key =
            if dice.below(3) == 0 { *dice.pick(KEYS) } else { Key::Char(*dice.pick(&letters)) };
        assert_eq!(browser.press(key), Flow::Stay);
        assert!(browser.cursor < browser.events.len(), "{key:?}");
        let size = [(140, 30), (90, 24), (40, 9)][usize::try_from(dice.below(3)).unwrap()];
        screen(&mut browser, size.0, size.1);
    }
}
