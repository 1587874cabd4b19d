//! A member's process: started, killed, stopped and let go on.

use super::failed;
use crate::exit::CliError;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

/// A member whose process is ours.
pub(super) struct Process {
    binary: PathBuf,
    flags: Vec<String>,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// One that is not started yet. What it says goes behind what is in `log`.
    pub(super) fn new(binary: PathBuf, flags: Vec<String>, log: PathBuf) -> Self {
        Self { binary, flags, log, child: Mutex::new(None) }
    }

    pub(super) fn start(&self) -> Result<(), CliError> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|error| failed(&self.log, &error))?;
        let child = Command::new(&self.binary)
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| failed(&self.binary, &error))?;
        *self.child() = Some(child);
        Ok(())
    }

    /// Its number, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// kill -9
    pub(super) fn kill(&self) -> Result<(), CliError> {
        self.signal(Signal::SIGKILL)?;
        if let Some(mut child) = self.child().take() {
            child.wait().map_err(|error| CliError::Internal(format!("wait: {error}")))?;
        }
        Ok(())
    }

    /// Asks it to end, and waits. Whether it has ended in time.
    pub(super) fn terminate(&self, patience: Duration) -> Result<bool, CliError> {
        self.signal(Signal::SIGTERM)?;
        Ok(self.ends_within(patience))
    }

    /// Whether it ends by itself within this time.
    pub(super) fn ends_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let mut child = self.child();
            let has_ended =
                child.as_mut().is_none_or(|child| matches!(child.try_wait(), Ok(Some(_))));
            if has_ended {
                *child = None;
                return true;
            }
            drop(child);
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(super::TICK);
        }
    }

    /// From now on the system refuses whatever it writes to a file, as one that is full does (setrlimit(2), `RLIMIT_FSIZE`).
    pub(super) fn fill_disk(&self) -> Result<(), CliError> {
        let Some(id) = self.id() else { return Ok(()) };
        let mut command = Command::new("prlimit");
        let status = command.args([format!("--pid={id}"), "--fsize=0".to_owned()]).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(CliError::Internal(format!("prlimit of a member: {status}"))),
            Err(error) => Err(CliError::Usage(format!("prlimit (of util-linux): {error}"))),
        }
    }

    /// Where what it says goes.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// How often it has said this since its first start.
    pub(super) fn has_said(&self, words: &str) -> Result<usize, CliError> {
        let log = fs::read(&self.log).map_err(|error| failed(&self.log, &error))?;
        Ok(String::from_utf8_lossy(&log).matches(words).count())
    }

    /// Whether that is in the last line that it has said.
    pub(super) fn has_said_last(&self, words: &str) -> Result<bool, CliError> {
        let log = fs::read(&self.log).map_err(|error| failed(&self.log, &error))?;
        Ok(String::from_utf8_lossy(&log).lines().last().is_some_and(|line| line.contains(words)))
    }

    pub(super) fn pause(&self) -> Result<(), CliError> {
        self.signal(Signal::SIGSTOP)
    }

    pub(super) fn resume(&self) -> Result<(), CliError> {
        self.signal(Signal::SIGCONT)
    }

    /// It must still be there: nobody else ends it.
    fn signal(&self, signal: Signal) -> Result<(), CliError> {
        let mut child = self.child();
        let Some(child) = child.as_mut() else { return Ok(()) };
        if let Ok(Some(status)) = child.try_wait() {
            let log = self.log.display();
            return Err(CliError::Internal(format!("a member ended by itself ({status}): {log}")));
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id is positive"));
        kill(pid, signal).map_err(|error| CliError::Internal(format!("{signal}: {error}")))
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().expect("nobody panics with it")
    }
}

impl Process {
    /// Ends it for good.
    pub(super) fn end(&self) {
        if let Some(mut child) = self.child().take() {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
