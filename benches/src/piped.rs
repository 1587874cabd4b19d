//! Histories of any length for a command that judges what it reads: through a pipe, so that none lies on a disk.

use crate::{
    traffic::{Event, Shape, Traffic},
    usage,
};
use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, BufWriter, Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use whitewater_api::{Completion, Error, NodeId, RequestId};
use whitewater_record::{Operation, Seed};

/// Lets `command check --stream -` judge a history: its CPU time, and the first line that it prints.
pub fn judge(command: &Path, shape: Shape) -> io::Result<(Duration, String)> {
    let before = usage::children_cpu();
    let mut child = Command::new(command)
        .args(["check", "--stream", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let input = child.stdin.take().expect("it was asked for");
    write(BufWriter::with_capacity(1 << 20, input), shape)?;
    let mut said = String::new();
    child.stdout.take().expect("it was asked for").read_to_string(&mut said)?;
    child.wait()?;
    let cpu = usage::children_cpu().saturating_sub(before);
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    Ok((cpu, lines.join("; ")))
}

/// Writes the history of seed 1 as JSON lines in the order of invocation. What is kept is what stands behind an operation
/// that is not over.
pub fn write(mut out: impl Write, shape: Shape) -> io::Result<()> {
    writeln!(out, "{{\"format\":\"whitewater-history/1\",\"operations\":{}}}", shape.operations)?;
    let mut waiting: VecDeque<(Operation, bool)> = VecDeque::new();
    let mut places: BTreeMap<RequestId, u64> = BTreeMap::new();
    let mut written = 0;
    for event in Traffic::new(Seed(1), shape) {
        match event {
            Event::Invoked(id, invoked, request) => {
                places.insert(id, written + waiting.len() as u64);
                let operation = Operation {
                    id,
                    node: NodeId(1),
                    invoked,
                    completed: invoked,
                    request,
                    completion: Completion::Info(Error::TimedOut),
                    witness: None,
                };
                waiting.push_back((operation, false));
            }
            Event::Completed(id, completed, completion) => {
                let place = places.remove(&id).expect("what ends was begun") - written;
                let place = usize::try_from(place).expect("few operations wait");
                let (operation, is_over) = &mut waiting[place];
                (operation.completed, operation.completion) = (completed, completion);
                *is_over = true;
            }
        }
        while let Some((operation, _)) = waiting.pop_front_if(|(_, is_over)| *is_over) {
            serde_json::to_writer(&mut out, &operation)?;
            out.write_all(b"\n")?;
            written += 1;
        }
    }
    for (operation, _) in waiting {
        serde_json::to_writer(&mut out, &operation)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_record::History;

    #[test]
    fn what_is_written_is_the_history_itself() {
        let shape = Shape { operations: 3_000, ..Shape::default() };
        let mut bytes = Vec::new();
        write(&mut bytes, shape).unwrap();
        let read = History::read("piped", bytes.as_slice()).unwrap();
        assert_eq!(read, Traffic::history(Seed(1), shape));
    }
}
