//! Rolling upgrades and downgrades: processes that come back as another release, on the disk of the one before.

use crate::{lifecycle::Hold, machine::Life, world::World};
use whitewater_api::{NodeId, release::Release};

impl World {
    /// The process is stopped, to come back as another release. Whether there was one.
    pub(crate) fn change_release(&mut self, fault: usize, node: NodeId, to: Release) -> bool {
        let machine = self.machines.get_mut(node);
        if machine.release == to || matches!(machine.life, Life::Absent | Life::Retired) {
            return false;
        }
        machine.release = to;
        machine.upgrade = Some(fault);
        self.hold(node, Hold::Fault(fault));
        self.crash(node, false);
        true
    }

    /// A process has read its disk, and goes on there in its own form.
    pub(crate) fn note_release(&mut self, node: NodeId) {
        let machine = self.machines.get_mut(node);
        let release = machine.release;
        let writes_newest = release == Release::Newest;
        machine.has_newest |= writes_newest;
        let before = machine.written_by.replace(release);
        let upgrade = machine.upgrade.take();
        if before.is_some_and(|before| (before == Release::Newest) != writes_newest) {
            self.observer.tally.sometimes("log goes on in another form");
        }
        if before.is_some_and(|before| before != release)
            && let Some(fault) = upgrade
        {
            self.nemesis.witness(fault);
        }
    }

    /// Whether the log of a node may hold what the previous release cannot read, which runs there.
    pub(crate) fn is_newer(&self, node: NodeId) -> bool {
        let machine = self.machines.get(node);
        machine.release == Release::Previous && machine.has_newest
    }

    /// The previous release refuses a log in the newest form, as it must. Its operator reads why, and starts the release that
    /// can read it and writes the older form.
    pub(crate) fn on_newer_log(&mut self, node: NodeId) {
        self.machines.get_mut(node).release = Release::Compatible;
        self.refuse(node, 4);
        self.observer.tally.sometimes("newer log refused");
        self.wait_for_supervisor(node);
    }
}
