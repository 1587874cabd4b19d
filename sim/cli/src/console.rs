//! The two streams: the result on stdout, everything else on stderr.

use crate::{args::ColorChoice, exit::CliError};
use std::{
    env,
    io::{self, IsTerminal, Write},
};

/// Where results and remarks go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    /// The result is for machines.
    pub(crate) json: bool,
    /// The result may be colored.
    pub(crate) color: bool,
}

impl Console {
    /// Color only on a terminal, and not where `NO_COLOR` is set (no-color.org), unless it was asked for.
    pub(crate) fn new(color: ColorChoice, json: bool) -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let color = match color {
            ColorChoice::Auto => !unwanted && io::stdout().is_terminal(),
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        Self { json, color }
    }

    /// A part of the result.
    #[expect(clippy::unused_self, reason = "only who was given the console may write")]
    pub(crate) fn result(self, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(CliError::writing_result)
    }

    /// A line of the result.
    pub(crate) fn line(self, text: &str) -> Result<(), CliError> {
        self.result(&format!("{text}\n"))
    }

    /// A remark. It is lost if nobody listens.
    #[expect(clippy::print_stderr, clippy::unused_self, reason = "stderr is where remarks go")]
    pub(crate) fn remark(self, text: &str) {
        eprintln!("{text}");
    }

    /// Why the command could not do what was asked.
    pub(crate) fn complain(self, text: &str) {
        self.remark(&format!("error: {text}"));
    }
}
