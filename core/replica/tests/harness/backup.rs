//! The verbs about backups.
//!
//! | verb | what happens |
//! |---|---|
//! | `backup n1` | begins a backup: asks for its first part |
//! | `backup-next n1`, `backup-again n1` | asks for the next part; for the last one once more |
//! | `backup-whole n1` | a backup from the beginning to the end |
//! | `backup-damage BYTE` | changes one byte of what was taken |
//! | `restore nodes=3 [bump=100] [compacted=yes] [cluster=2] [dies=4]` | starts a new cluster from what was taken; the old one is gone; each new member loses power after so many operations of its first write |

use crate::harness::cluster::Cluster;
use whitewater_api::{
    Body, Error, MaintenanceRequest, MaintenanceResponse, NodeId, Request, Response,
};

/// The backup that a script takes.
#[derive(Clone, Default)]
pub(crate) struct Taken {
    number: u64,
    /// The part to ask for next.
    next: u64,
    /// What came so far.
    pub(crate) bytes: Vec<u8>,
    /// Whether that is all.
    is_whole: bool,
}

impl Taken {
    fn take(&mut self, part: u64, result: &Result<Response, Error>) {
        if let Ok(response) = result
            && let Body::Maintenance(MaintenanceResponse::Backup { backup, bytes, remaining }) =
                &response.body
        {
            self.number = *backup;
            if part == self.next {
                self.bytes.extend_from_slice(bytes.as_slice());
                self.next += 1;
            }
            self.is_whole = *remaining == 0;
        }
    }
}

impl Cluster {
    /// Plays one of the verbs.
    pub(crate) fn back_up(&mut self, verb: &str, node: NodeId) {
        if verb == "backup" || verb == "backup-whole" {
            self.taken = Taken::default();
            self.ask_for_part(node, 0);
        }
        match verb {
            "backup-next" => self.ask_for_part(node, self.taken.next),
            "backup-again" => self.ask_for_part(node, self.taken.next - 1),
            "backup-whole" => {
                while !self.taken.is_whole {
                    self.ask_for_part(node, self.taken.next);
                }
            }
            _ => {}
        }
    }

    fn ask_for_part(&mut self, node: NodeId, part: u64) {
        let backup = self.taken.number;
        let request = Request::Maintenance(MaintenanceRequest::Backup { backup, part });
        let id = self.ask(node, 1, request);
        if let Some(result) = self.replies.get(&id) {
            self.taken.take(part, result);
        }
    }
}
