//! What makes two failures the same one, whatever the seed, the nodes and the numbers.

use crate::{Outcome, Violation};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The signature of a failure: class, code and first-bad site.
///
/// Two failures with one signature are taken to be the same bug: campaigns count them together, and a plan is shrunk as
/// long as its signature stays. It names no node, no moment and no value, because all of them change on the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    /// Who objected, and when.
    pub class: FailureClass,
    /// The code of the violation that came first, such as `election-safety`; `linearizability` for both of its judges.
    pub code: String,
    /// The place of the first bad thing within the code: the anomaly of a judge (`stale-read`), the line of a panic, or
    /// the words of the sentence without its values.
    pub site: String,
}

/// Who objected to a run, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// An invariant, inside the run.
    Invariant,
    /// The program itself, by a panic.
    Panic,
    /// The end of the run: the cluster did not recover.
    Liveness,
    /// A judge of the history, after the run.
    History,
    /// The process that played the run: it died, or did not end.
    Process,
}

/// The code of the world for a panic inside a run.
const PANIC: &str = "panic";
/// The code of the world for a cluster that does not recover.
const LIVENESS: &str = "liveness";
/// The judges that decide linearizability, each in its way.
const JUDGES_OF_LINEARIZABILITY: [&str; 2] = ["linearizable", "revision-order"];
/// The code that they share here.
const LINEARIZABILITY: &str = "linearizability";
/// How the codes for the end of a worker process begin.
const WORKER: &str = "worker-";

impl FailureClass {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invariant => "invariant",
            Self::Panic => "panic",
            Self::Liveness => "liveness",
            Self::History => "history",
            Self::Process => "process",
        }
    }
}

impl Signature {
    /// The signature of a failed run: of its first violation.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        outcome.violations.first().map(Self::of_violation)
    }

    /// The signature of one broken promise.
    pub fn of_violation(violation: &Violation) -> Self {
        let Violation { code, sentence, .. } = violation;
        let (class, site) = if code == PANIC {
            (FailureClass::Panic, place(sentence).map_or_else(|| shape(sentence), str::to_owned))
        } else if code == LIVENESS {
            // "not recovered by 28.5s: members differ; n1@4 ..."
            let missing = sentence.split_once(": ").map_or(sentence.as_str(), |(_, rest)| rest);
            (FailureClass::Liveness, shape(missing))
        } else if code.starts_with(WORKER) {
            (FailureClass::Process, shape(sentence))
        } else if violation.event.is_none() {
            return Self::of_judgement(code, sentence);
        } else {
            (FailureClass::Invariant, shape(sentence))
        };
        Self { class, code: code.clone(), site }
    }

    /// Two judges decide linearizability, and whoever is first withholds the other. Which part of an answer is wrong is a
    /// matter of which operation sees it first. Neither makes another failure.
    fn of_judgement(judge: &str, sentence: &str) -> Self {
        let anomaly = sentence.split_once(": ").map_or(sentence, |(first, _)| first);
        let is_twofold = JUDGES_OF_LINEARIZABILITY.contains(&judge);
        let code = if is_twofold { LINEARIZABILITY } else { judge };
        let site =
            if is_twofold && anomaly.starts_with("wrong-") { "wrong-answer" } else { anomaly };
        Self { class: FailureClass::History, code: code.to_owned(), site: site.to_owned() }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.site)
    }
}

/// `... (store.rs:120)`: the place of a panic.
fn place(sentence: &str) -> Option<&str> {
    let place = sentence.strip_suffix(')')?.rsplit_once('(')?.1;
    place.contains(':').then_some(place)
}

/// The words of a sentence up to its first `;` or `:`, with everything that is a value as `#`: whatever holds a digit, and
/// the words that stand where there is none.
fn shape(sentence: &str) -> String {
    let end = sentence.find([';', ':', '{', '(']).unwrap_or(sentence.len());
    let mut words: Vec<&str> = Vec::new();
    for word in sentence[..end].split_whitespace() {
        let is_value = word.contains(|c: char| c.is_ascii_digit())
            || ["None", "nobody", "nothing"].contains(&word.trim_end_matches(','));
        // A list of values is one value: how long it is depends on the size of the cluster.
        if !is_value {
            words.push(word);
        } else if words.last() != Some(&"#") {
            words.push("#");
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimTime;

    fn signature(code: &str, event: Option<u64>, sentence: &str) -> Signature {
        Signature::of_violation(&Violation {
            code: code.to_owned(),
            at: SimTime(1),
            event,
            node: None,
            sentence: sentence.to_owned(),
        })
    }

    #[test]
    fn values_do_not_tell_failures_apart_and_words_do() {
        for (code, event, one, other, site) in [
            (
                "promise",
                Some(7),
                "n1 grants n2 its vote in term 3; its disk has term 2, vote None",
                "n4 grants n5 its vote in term 9; its disk has term 8, vote Some(n1)",
                "# grants # its vote in term #",
            ),
            (
                "leader-completeness",
                Some(7),
                "the leader of term 3 has nothing on its disk where 62@2 is committed; its log ends at 2",
                "the leader of term 4 has 5@3 on its disk where 5@2 is committed; its log ends at 9",
                "the leader of term # has # on its disk where # is committed",
            ),
            (
                "liveness",
                Some(7),
                "not recovered by 28.5s: members differ; n1@4 Follower applied 26",
                "not recovered by 9s: members differ; n3@9 Leader applied 2",
                "members differ",
            ),
            (
                "panic",
                Some(7),
                "disk full asked twice: 3 (replica/src/wal.rs:120)",
                "disk full asked twice: 4 (replica/src/wal.rs:120)",
                "replica/src/wal.rs:120",
            ),
            (
                "linearizable",
                None,
                "stale-read: p1#3 get k0 returned r4",
                "stale-read: p2#9 list k returned r1, r2",
                "stale-read",
            ),
        ] {
            assert_eq!(signature(code, event, one), signature(code, event, other));
            assert_eq!(signature(code, event, one).site, site);
        }
        let wrong =
            |judge: &str, anomaly: &str| signature(judge, None, &format!("{anomaly}: p1 saw r4"));
        assert_eq!(wrong("linearizable", "wrong-version"), wrong("revision-order", "wrong-read"));
        assert_ne!(wrong("linearizable", "wrong-read"), wrong("linearizable", "stale-read"));
        assert_ne!(wrong("watch", "wrong-read"), wrong("linearizable", "wrong-read"));
        let went_back = |what: &str| signature("monotone", Some(1), what);
        assert_ne!(
            went_back("the term went back from 3 to 2"),
            went_back("the commit index went back from 3 to 2")
        );
        assert_ne!(
            signature("liveness", Some(1), "not recovered by 9s: members differ; n1"),
            signature("liveness", Some(1), "not recovered by 9s: 2 leaders; n1")
        );
    }

    #[test]
    fn the_class_says_who_objected() {
        for (code, event, class) in [
            ("promise", Some(1), FailureClass::Invariant),
            ("panic", Some(1), FailureClass::Panic),
            ("liveness", Some(1), FailureClass::Liveness),
            ("revision-order", None, FailureClass::History),
            ("worker-died", None, FailureClass::Process),
        ] {
            assert_eq!(signature(code, event, "something is wrong").class, class, "{code}");
        }
    }
}
