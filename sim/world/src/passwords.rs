//! What nodes do with passwords, which takes them a while.

use crate::{agenda::Due, limits, world::World};
use std::collections::BTreeMap;
use whitewater_api::{NodeId, RequestId};
use whitewater_record::Span;
use whitewater_replica::{PasswordDone, PasswordWork};

/// Which passwords fit which hashes, as far as anybody has asked. bcrypt is a pure function that is slow on purpose, and most
/// work with passwords is that of few users who log in again: to compare each pair once changes nothing but the time it takes.
#[derive(Default)]
pub(crate) struct Passwords {
    /// By hash and password.
    compared: BTreeMap<(String, String), PasswordDone>,
}

impl Passwords {
    fn work(&mut self, work: &PasswordWork) -> PasswordDone {
        let PasswordWork::Compare { password, hash } = work else { return work.run() };
        let pair = (hash.clone(), password.reveal().to_owned());
        self.compared.entry(pair).or_insert_with(|| work.run()).clone()
    }
}

impl World {
    /// Another thread of the process takes its time over a password.
    pub(crate) fn work_on_password(&mut self, node: NodeId, id: RequestId, work: &PasswordWork) {
        let machine = self.machines.get_mut(node);
        let took = machine.passwords.between(limits::PASSWORD_NANOS.0, limits::PASSWORD_NANOS.1);
        let epoch = machine.epoch;
        let done = self.passwords.work(work);
        self.later(self.now + Span(took), Due::PasswordDone { node, epoch, id, done });
    }
}
