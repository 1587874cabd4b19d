//! How the command ends.

use std::io;
use thiserror::Error;
use whitewater_record::Verdict;
use whitewater_reports::Ruling;

/// The exit codes, which are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: everything holds.
    Ok,
    /// 1: a promise was broken.
    Violated,
    /// 2: the command line or a file that it names is wrong.
    Usage,
    /// 3: it could not be decided. Never a pass.
    Inconclusive,
    /// 4: nothing ran.
    NothingRan,
    /// 5: the same plan gave two different runs.
    Nondeterminism,
    /// 6: a gate of the campaign failed.
    GateFailed,
    /// 70: a bug in the command, or the machine refused.
    Internal,
    /// 130: interrupted.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Violated => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::NothingRan => 4,
            Self::Nondeterminism => 5,
            Self::GateFailed => 6,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Ok,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Failed => Self::Violated,
        }
    }
}

impl From<Ruling> for Exit {
    fn from(ruling: Ruling) -> Self {
        match ruling {
            Ruling::Passed => Self::Ok,
            Ruling::Inconclusive => Self::Inconclusive,
            Ruling::GateFailed => Self::GateFailed,
            Ruling::Violated => Self::Violated,
            Ruling::NothingRan => Self::NothingRan,
            Ruling::Nondeterministic => Self::Nondeterminism,
        }
    }
}

/// Why the command could not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// The command line or a file that it names is wrong. The text names the place and what to do.
    #[error("{0}")]
    Usage(String),
    /// A file or a process cannot be had.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A bug.
    #[error("{0}")]
    Internal(String),
    /// Whoever read the result has gone.
    #[error("nobody reads the result any more")]
    NobodyReads,
}

impl CliError {
    /// An error of input and output, with what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The result cannot be written to stdout.
    pub(crate) fn writing_result(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            return Self::NobodyReads;
        }
        Self::Io { what: "writing to stdout".to_owned(), source }
    }

    /// How the command ends with this.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Io { .. } | Self::Internal(_) => Exit::Internal,
            Self::NobodyReads => Exit::Interrupted,
        }
    }
}
