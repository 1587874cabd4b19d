//! A crew: worker processes that answer a set of lines, all of them at once, in the order of the lines.

use crate::{
    exit::CliError,
    pool::{Recruiter, Reply},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

/// A worker dies with the thread that started it, so threads and workers live as long as the crew.
pub(crate) struct Crew {
    lines: Sender<(usize, String)>,
    replies: Receiver<(usize, Result<Reply, CliError>)>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// So many workers, which are started when there is something to do.
    pub(crate) fn new(recruiter: &Recruiter, workers: usize) -> Self {
        let (lines, queue) = channel();
        let (sender, replies) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let member = |_| {
            let (recruiter, queue, sender) =
                (recruiter.clone(), Arc::clone(&queue), sender.clone());
            thread::spawn(move || work(&recruiter, &queue, &sender))
        };
        Self { lines, replies, threads: (0..workers).map(member).collect() }
    }

    /// What is answered to each of these lines.
    pub(crate) fn ask(&self, lines: Vec<String>) -> Result<Vec<Reply>, CliError> {
        let mut replies: Vec<Option<Reply>> = lines.iter().map(|_| None).collect();
        let count = lines.len();
        let gone = || CliError::Internal("a thread that drives a worker has panicked".to_owned());
        for line in lines.into_iter().enumerate() {
            self.lines.send(line).map_err(|_| gone())?;
        }
        for _ in 0..count {
            let (place, reply) = self.replies.recv().map_err(|_| gone())?;
            replies[place] = Some(reply?);
        }
        Ok(replies.into_iter().flatten().collect())
    }

    /// Tells the workers that there is no more to do, and waits for their end.
    pub(crate) fn dismiss(self) {
        drop(self.lines);
        for thread in self.threads {
            // It would have been noticed by whoever asked.
            drop(thread.join());
        }
    }
}

fn work(
    recruiter: &Recruiter,
    queue: &Mutex<Receiver<(usize, String)>>,
    replies: &Sender<(usize, Result<Reply, CliError>)>,
) {
    let mut worker = None;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((place, line)) = next else { break };
        if replies.send((place, recruiter.ask(&mut worker, &line))).is_err() {
            break;
        }
    }
    if let Some(worker) = worker {
        worker.dismiss();
    }
}
