//! Worker processes: each takes a seed or a plan on its stdin and answers with a line on its stdout.
//!
//! A worker that dies, says nothing for too long or talks nonsense ends its seed, not the campaign: the seed has a
//! verdict, and another worker is started for the next one.

use crate::{exit::CliError, limits};
use std::{
    collections::VecDeque,
    ffi::OsString,
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How to start a worker, and how long to wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Recruiter {
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// The first line that it is told.
    pub(crate) job: String,
    /// How long a seed may take.
    pub(crate) patience: Duration,
}

/// What became of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The worker's line.
    Line(String),
    /// The worker died, and of what.
    Died(String),
    /// The worker did not answer in time and was killed.
    Stuck,
}

/// One worker process.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    last_words: Option<JoinHandle<VecDeque<String>>>,
}

impl Recruiter {
    /// Starts a worker. It has a process group of its own, so that Ctrl-C on the terminal does not reach it.
    pub(crate) fn start(&self) -> Result<Worker, CliError> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env(limits::GIVE_BACK_AFTER.0, limits::GIVE_BACK_AFTER.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(CliError::io(format!("starting a worker, {}", self.program.display())))?;
        let mut stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            for line in lines {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let last_words = Some(thread::spawn(move || last_lines(stderr)));
        // A worker that is already dead is noticed at its first seed.
        if stdin.as_mut().is_some_and(|pipe| writeln!(pipe, "{}", self.job).is_err()) {
            stdin = None;
        }
        Ok(Worker { child, stdin, lines, last_words })
    }

    /// Has `worker` do what one line says, starting one if there is none; leaves none behind if it did not survive. A
    /// worker dies with the thread that started it.
    pub(crate) fn ask(&self, worker: &mut Option<Worker>, line: &str) -> Result<Reply, CliError> {
        let mut busy = match worker.take() {
            Some(idle) => idle,
            None => self.start()?,
        };
        if let Some(pipe) = &mut busy.stdin
            && writeln!(pipe, "{line}").and_then(|()| pipe.flush()).is_err()
        {
            busy.stdin = None;
        }
        match busy.lines.recv_timeout(self.patience) {
            Ok(line) => {
                *worker = Some(busy);
                Ok(Reply::Line(line))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(Reply::Died(busy.bury())),
            Err(RecvTimeoutError::Timeout) => {
                busy.kill();
                Ok(Reply::Stuck)
            }
        }
    }
}

impl Worker {
    /// Tells the worker that there is no more to do, and waits for its end.
    pub(crate) fn dismiss(mut self) {
        self.stdin = None;
        self.reap();
    }

    /// Ends a worker that cannot be trusted to end by itself.
    pub(crate) fn kill(mut self) {
        self.stdin = None;
        if self.child.kill().is_ok() {
            self.reap();
        }
    }

    /// Of what a worker died whose stdout has ended.
    fn bury(mut self) -> String {
        self.stdin = None;
        let how = self.reap().map_or_else(|| "for no known reason".to_owned(), how_it_ended);
        let words =
            self.last_words.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let word = words.iter().rev().find(|line| !line.is_empty() && !line.starts_with("note:"));
        word.map_or_else(|| how.clone(), |word| format!("{how}: {word}"))
    }

    fn reap(&mut self) -> Option<ExitStatus> {
        self.child.wait().ok()
    }
}

fn how_it_ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("by signal {signal}"),
        (None, Some(code)) => format!("with exit code {code}"),
        (None, None) => "for no known reason".to_owned(),
    }
}

fn last_lines(stream: impl Read) -> VecDeque<String> {
    let mut last = VecDeque::with_capacity(limits::LAST_WORDS_MAX);
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if last.len() == limits::LAST_WORDS_MAX {
            last.pop_front();
        }
        last.push_back(line);
    }
    last
}

/// Starts workers of this very program, or of another build of it.
pub(crate) fn recruiter(
    program: Option<&Path>,
    job: String,
    patience: Duration,
) -> Result<Recruiter, CliError> {
    let program = match program {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().map_err(CliError::io("finding this program's own file"))?,
    };
    Ok(Recruiter { program, arguments: vec!["worker".into()], job, patience })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: Duration = Duration::from_mins(1);

    /// A worker that is a line of shell: `$seed` is the seed.
    fn shell(body: &str, patience: Duration) -> Recruiter {
        let script = format!("read job; while read seed; do {body}; done");
        Recruiter {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            job: "{}".into(),
            patience,
        }
    }

    #[test]
    fn a_worker_answers_seed_after_seed() {
        let recruiter = shell("echo done $seed", PATIENT);
        let mut worker = None;
        for seed in [3, 4] {
            let reply = recruiter.ask(&mut worker, &seed.to_string()).unwrap();
            assert_eq!(reply, Reply::Line(format!("done {seed}")));
        }
        worker.unwrap().dismiss();
    }

    #[test]
    fn a_worker_that_dies_is_replaced_and_its_last_words_are_kept() {
        let recruiter =
            shell("[ $seed = 7 ] && echo out of ideas >&2 && kill -ABRT $$; echo done", PATIENT);
        let mut worker = None;
        assert_eq!(
            recruiter.ask(&mut worker, "7").unwrap(),
            Reply::Died("by signal 6: out of ideas".into())
        );
        assert!(worker.is_none());
        assert_eq!(recruiter.ask(&mut worker, "8").unwrap(), Reply::Line("done".into()));
        worker.unwrap().dismiss();
    }

    #[test]
    fn a_worker_that_hangs_is_killed() {
        let recruiter = shell("sleep 60", Duration::from_millis(50));
        let mut worker = None;
        assert_eq!(recruiter.ask(&mut worker, "1").unwrap(), Reply::Stuck);
        assert!(worker.is_none());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let recruiter = Recruiter { program: "/no/such/worker".into(), ..shell("", PATIENT) };
        let error = recruiter.ask(&mut None, "1").unwrap_err();
        assert!(error.to_string().contains("/no/such/worker"), "{error}");
    }
}
