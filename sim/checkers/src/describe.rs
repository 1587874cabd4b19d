//! Sentences about operations, for people.

use crate::{
    case::{Case, SeenKv, Status, Step},
    model::{Cell, Mismatch},
    ruling::{Anomaly, Ruling},
};
use whitewater_api::{LeaseId, Revision};

impl Case<'_> {
    /// An anomaly; the first operation is the one that cannot be explained.
    pub(crate) fn broken(&self, code: &str, sentence: String, operations: &[u32]) -> Ruling {
        let is_recorded = |op: &usize| *op < self.history.operations.len();
        let operations = operations.iter().map(|op| *op as usize);
        let operations: Vec<usize> = operations.filter(is_recorded).collect();
        let first = operations.first().map(|op| &self.history.operations[*op]);
        let at = first.map(|operation| operation.completed).unwrap_or_default();
        Ruling::Broken(Anomaly::new(code, sentence, operations, at))
    }

    /// The revision that an operation made by the record's own witness; 0 if there is none.
    pub(crate) fn witness(&self, operation: u32) -> u64 {
        let told = self.history.operations.get(operation as usize);
        told.and_then(|told| told.witness).map_or(0, |revision| revision.0)
    }

    /// Such as `p3#4 (get k17, 3.4s to 3.512s, at r812)`.
    pub(crate) fn operation(&self, operation: u32) -> String {
        let op = &self.operations[operation as usize];
        let Some(told) = self.history.operations.get(operation as usize) else {
            let Step::Revoke(revoke) = &*op.step else { return "nobody".to_owned() };
            return format!("the end of {}", LeaseId(revoke.lease));
        };
        let (id, request, invoked) = (told.id, &told.request, told.invoked);
        match op.status {
            Status::Known => format!(
                "{id} ({request}, {invoked} to {}, at {})",
                told.completed,
                Revision(op.revision)
            ),
            Status::Unknown => format!("{id} ({request}, from {invoked}, outcome unknown)"),
            Status::Refused => {
                format!("{id} ({request}, {invoked} to {}, refused)", told.completed)
            }
        }
    }

    /// Such as `k17 = v2041 (mod r812, version 3, create r7)`.
    pub(crate) fn seen(&self, seen: &SeenKv) -> String {
        self.content(seen.key, seen.value, [seen.modified, seen.version, seen.create])
    }

    /// Numbers that were not recorded are left out.
    fn content(&self, key: u32, value: u32, numbers: [u64; 3]) -> String {
        let [modified, version, create] = numbers;
        let words = [(" mod r", modified), (" version ", version), (" create r", create)];
        let told = words.iter().filter(|(_, number)| *number != 0);
        let told: Vec<String> = told.map(|(word, number)| format!("{word}{number}")).collect();
        let (key, value) = (&self.keys[key as usize], self.value(value));
        if told.is_empty() {
            return format!("{key} = {value}");
        }
        format!("{key} = {value} ({})", told.join(",").trim_start())
    }

    fn cell(&self, key: u32, cell: Option<&Cell>) -> String {
        match cell {
            Some(cell) => self.content(key, cell.value, [cell.modified, cell.version, cell.create]),
            None => format!("{} absent", self.keys[key as usize]),
        }
    }

    /// What of a key is wrong.
    fn kv_code(&self, key: u32, saw: Option<&SeenKv>, is: Option<&Cell>) -> &'static str {
        let (saw, is) = match (saw, is) {
            (Some(saw), Some(is)) if saw.key == key => (saw, is),
            (Some(_), Some(_)) | (None, None) => return "wrong-read",
            (Some(_), None) => return "phantom-key",
            (None, Some(_)) => return "missing-key",
        };
        let told = self.recorded;
        let is_other = [
            saw.value != is.value,
            told.modified && saw.modified != is.modified,
            told.create && saw.create != is.create,
            told.version && saw.version != is.version,
        ];
        match is_other {
            [true, false, false, false] => "wrong-value",
            [false, true, false, false] => "wrong-mod",
            [false, false, true, false] => "wrong-create",
            [false, false, false, true] => "wrong-version",
            [false, false, false, false] => "wrong-lease",
            _ => "wrong-read",
        }
    }

    /// What an answer says, and what it should say; the code that goes with it.
    pub(crate) fn mismatch(&self, mismatch: &Mismatch) -> (&'static str, String) {
        match mismatch {
            Mismatch::Kv { key, saw, is } => {
                let code = self.kv_code(*key, saw.as_ref(), is.as_ref());
                let saw = match saw {
                    Some(saw) => self.seen(saw),
                    None => format!("{} absent", self.keys[*key as usize]),
                };
                (code, format!("saw {saw}, but there was {}", self.cell(*key, is.as_ref())))
            }
            Mismatch::Order { first, second } if first == second => {
                let key = &self.keys[*first as usize];
                ("wrong-read", format!("shows {key} more than once"))
            }
            Mismatch::Order { first, second } => {
                let [first, second] = [first, second].map(|key| &self.keys[*key as usize]);
                ("wrong-order", format!("shows {second} where {first} was due"))
            }
            Mismatch::Stranger { saw } => {
                let saw = self.seen(saw);
                ("wrong-read", format!("shows {saw}, which it did not ask for"))
            }
            Mismatch::Future { wanted } => {
                let wanted = Revision(*wanted);
                ("future-read", format!("read {wanted}, which did not exist,"))
            }
            Mismatch::Count { saw, is } => {
                ("wrong-count", format!("counted {saw} keys, but there were {is}"))
            }
            Mismatch::Deleted { saw, is } => {
                ("wrong-count", format!("deleted {saw} keys, but there were {is}"))
            }
            Mismatch::Length { saw, is } => {
                ("wrong-read", format!("returned {saw} keys, but {is} were due"))
            }
            Mismatch::More { saw: true } => {
                ("wrong-more", "says that there are more keys, but there are none".to_owned())
            }
            Mismatch::More { saw: false } => {
                ("wrong-more", "says that there are no more keys, but there are".to_owned())
            }
            Mismatch::Branch { saw: true } => {
                ("wrong-branch", "succeeded, but its compares do not hold".to_owned())
            }
            Mismatch::Branch { saw: false } => {
                ("wrong-branch", "failed, but its compares hold".to_owned())
            }
            Mismatch::Lease { lease, ended: 0 } => (
                "attached-to-nothing",
                format!("names {}, which was granted only later", LeaseId(*lease)),
            ),
            Mismatch::Lease { lease, ended } => (
                "attached-after-end",
                format!("names {}, which had ended at {}", LeaseId(*lease), Revision(*ended)),
            ),
            Mismatch::Granted { lease } => (
                "granted-twice",
                format!("granted {}, which was there all the time", LeaseId(*lease)),
            ),
            Mismatch::Effect { changed: true } => {
                ("wrong-effect", "made a revision, but could not change anything".to_owned())
            }
            Mismatch::Effect { changed: false } => {
                ("wrong-effect", "made no revision, but changed something".to_owned())
            }
        }
    }
}
