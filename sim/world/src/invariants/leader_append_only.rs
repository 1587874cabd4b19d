//! Leader append-only: a leader never overwrites or deletes entries of its log. Raft figure 3.

use whitewater_api::{Index, Term};
use whitewater_replica::{Role, Status};

/// An entry became durable where the log had reached `last`.
pub(crate) fn check(index: Index, term: Term, last: Index, status: &Status) -> Option<String> {
    let overwrites = status.role == Role::Leader && status.term == term && index <= last;
    overwrites.then(|| {
        format!("as leader of term {term} it overwrote its entry {index}, last was {last}")
    })
}
