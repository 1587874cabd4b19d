//! The browser of a run in a real terminal: a pseudo one, at whose other end this test sits.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use nix::{
    poll::{PollFd, PollFlags, poll},
    pty::{OpenptyResult, Winsize, openpty},
    sys::termios::{LocalFlags, tcgetattr},
};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::AsFd,
    path::Path,
    process::{Command, Stdio},
};

/// What a step may take on a busy machine.
const PATIENCE_MS: u16 = 60_000;

fn mutant() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/mutants");
    path.join("local-read.toml").display().to_string()
}

fn whitewater() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whitewater"));
    command.args(["replay", &mutant(), "--browse"]).env("TERM", "xterm-256color");
    command
}

/// The other end of the terminal, with what is to be seen there.
struct Screen {
    end: File,
    seen: vt100::Parser,
}

impl Screen {
    fn type_in(&mut self, keys: &[u8]) {
        self.end.write_all(keys).unwrap();
    }

    /// Looks until some words are to be seen. Returns all that is to be seen then.
    fn until(&mut self, words: &str) -> String {
        let mut bytes = [0; 4_096];
        loop {
            let shown = self.seen.screen().contents();
            if shown.contains(words) {
                return shown;
            }
            let mut ready = [PollFd::new(self.end.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut ready, PATIENCE_MS), Ok(1), "no {words} comes to:\n{shown}");
            let count = self.end.read(&mut bytes).unwrap();
            self.seen.process(&bytes[..count]);
        }
    }

    fn colors(&self) -> bool {
        let (rows, columns) = self.seen.screen().size();
        let mut cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        cells.any(|(row, column)| {
            let cell = self.seen.screen().cell(row, column).unwrap();
            cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
        })
    }
}

#[test]
fn it_starts_steps_and_quits_and_gives_the_terminal_back() {
    let (ws_row, ws_col) = (24, 110);
    let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
    let before = tcgetattr(&slave).unwrap();
    assert!(before.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO));
    let end = || Stdio::from(slave.try_clone().unwrap());
    let mut command = whitewater();
    command.env("NO_COLOR", "1").stdin(end()).stdout(end()).stderr(end());
    let mut child = command.spawn().unwrap();
    let seen = vt100::Parser::new(ws_row, ws_col, 0);
    let mut screen = Screen { end: File::from(master), seen };

    let first = screen.until("? help  q quit");
    assert!(first.contains("FAIL read-freshness"), "{first}");
    assert!(first.contains("* first bad moment: FreshReads(n1)"), "{first}");
    assert!(screen.seen.screen().alternate_screen());
    assert!(!screen.colors(), "a color in spite of NO_COLOR");
    let raw = tcgetattr(&slave).unwrap();
    assert!(!raw.local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO));

    screen.type_in(b"g0\r");
    screen.until("event 0 of");
    screen.type_in(b"j");
    screen.until("event 1 of");
    screen.type_in(b"/kind=role, role=leader\r");
    screen.until("matches of kind=role, role=leader");
    screen.type_in(b"?");
    screen.until("any key closes");
    screen.type_in(b" q");
    // Back to the usual screen, and the outcome on it.
    screen.until("two leaders at once");
    assert!(!screen.seen.screen().alternate_screen());
    assert_eq!(child.wait().unwrap().code(), Some(1), "the verdict");
    assert_eq!(tcgetattr(&slave).unwrap(), before, "the terminal is as it was");
}

#[test]
fn without_a_terminal_it_says_so_at_once() {
    let output = whitewater().stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("--browse needs a terminal"), "{complaint}");
    assert!(output.stdout.is_empty());
}
