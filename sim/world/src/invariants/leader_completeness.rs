//! Leader completeness: an entry committed in a term is in the logs of the leaders of all higher terms. Raft figure 3,
//! 5.4. A leader that is late, of a term below the one in which an entry was committed, need not have it.

use crate::observer::{ghost::Commits, ledger::Ledger};
use whitewater_api::Term;

/// A node became leader. What is wrong with that, and whether anything could have been.
pub(crate) fn check(commits: &Commits, ledger: &Ledger, term: Term) -> (Option<String>, bool) {
    let Some(index) = commits.before(term) else { return (None, false) };
    let last = ledger.last();
    let holds = match commits.at(index) {
        Some(entry) => ledger.holds(index, entry.term),
        None => index <= last,
    };
    let wrong = (!holds).then(|| {
        let committed = commits.at(index).map_or_else(String::new, |entry| format!("@{}", entry.term));
        let own = ledger.term_at(index).map_or_else(|| "nothing".to_owned(), |own| format!("{index}@{own}"));
        format!("the leader of term {term} has {own} on its disk where {index}{committed} is committed; its log ends at {last}")
    });
    (wrong, true)
}
