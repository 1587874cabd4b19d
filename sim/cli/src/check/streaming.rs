//! Judges a history of etcd's requests while it is read, by revisions alone, in memory bounded by what is open.

use std::{collections::BTreeMap, io::BufRead};
use whitewater_api::{Completion, Error, RequestId, Response};
use whitewater_checkers::{Budget, Judgement, Stream};
use whitewater_record::{Operations, SimTime};

/// Who ended, and how.
type End = (RequestId, Completion<Response, Error>);

/// Operations that are judged together, at least.
const WINDOW: usize = 10_000;

/// How many operations there were, and what the judges say; or what is wrong with the file.
pub(super) fn judge(
    operations: Operations<impl BufRead>,
) -> Result<(usize, Vec<Judgement>), String> {
    let mut stream = Stream::new(Budget::default(), WINDOW);
    let mut count = 0;
    // By the moment of the end, and in the order of invocation.
    let mut open: BTreeMap<(SimTime, usize), End> = BTreeMap::new();
    for operation in operations {
        let operation = operation.map_err(|error| error.to_string())?;
        let (id, invoked) = (operation.id, operation.invoked);
        if operation.completed < invoked {
            return Err(format!("operation {count}: {id} was completed before it was invoked"));
        }
        // What is invoked at the moment of an end overlaps it.
        while let Some(first) = open.first_entry().filter(|first| first.key().0 < invoked) {
            let ((at, _), (id, completion)) = first.remove_entry();
            stream.complete(id, at, completion);
        }
        stream.invoke(id, invoked, operation.request);
        open.insert((operation.completed, count), (id, operation.completion));
        count += 1;
    }
    for ((at, _), (id, completion)) in open {
        stream.complete(id, at, completion);
    }
    Ok((count, stream.finish().into()))
}
