//! How far `whitewater check` is: a bar on stderr, if that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal, Read},
    time::Duration,
};

/// Between two pictures of a bar on which nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// The bar: bytes of all files, and what is being done.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(bytes: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let template = "{spinner} [{bar:30}] {bytes}/{total_bytes} {elapsed} {wide_msg}";
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.expect("the template is a constant that was tried"));
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// The same bytes, counted.
    pub(super) fn counting<R: Read>(&self, input: R) -> impl Read + use<R> {
        self.0.wrap_read(input)
    }

    pub(super) fn say(&self, text: String) {
        self.0.set_message(text);
    }

    /// Prints with the bar out of the way.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
