//! Ctrl-C: once finishes what runs and summarises, twice stops.

use crate::{
    console::Console,
    exit::{CliError, Exit},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether the person has had enough.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen(console: Console) -> Result<Self, CliError> {
        let interrupt = Self::default();
        let seen = interrupt.clone();
        ctrlc::set_handler(move || {
            if seen.0.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            console.remark("interrupted: finishing the seeds that run; once more to stop at once");
        })
        .map_err(|error| CliError::Internal(format!("cannot listen to Ctrl-C: {error}")))?;
        Ok(interrupt)
    }

    /// Whether Ctrl-C was pressed.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
