//! A blow: what is done to one member for a while, after which it goes on with what its disk holds.

use super::{faults::Fault, members::Member, members::Members, nemesis::Trouble, stage::Stage};
use std::{sync::Arc, time::Duration};
use whitewater_record::SimTime;

/// A member that is asked to end may take so long.
const PEACE: Duration = Duration::from_secs(15);

/// A member that could not write is away so long, in milliseconds.
const AWAY: u64 = 500;

/// A blow at one member.
pub(super) struct Blow {
    pub(super) fault: Fault,
    pub(super) member: Arc<Member>,
    pub(super) is_leader: bool,
    /// In milliseconds.
    pub(super) length: u64,
}

/// A blow that falls while something else is done to another member.
pub(super) struct Companion {
    pub(super) blow: Blow,
    /// After the other one began, in milliseconds.
    pub(super) delay: u64,
}

/// What came of something that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) from: SimTime,
    pub(super) to: SimTime,
    /// It was seen to have had its effect.
    pub(super) is_seen: bool,
}

impl Deed {
    /// Whether there was a moment at which both were under way.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.from.max(other.from) < self.to.min(other.to)
    }
}

impl Blow {
    /// Strikes, waits and heals. Whether it was seen to have had its effect.
    pub(super) fn strike(&self, stage: &Stage, members: &Members) -> Result<bool, Trouble> {
        let process = &self.member.own().process;
        let is_seen = match self.fault {
            Fault::Kill => {
                process.kill()?;
                stage.rest(self.length);
                process.start()?;
                true
            }
            Fault::Terminate => {
                if !process.terminate(PEACE)? {
                    let text = format!("{} does not end when it is asked to", self.member.node);
                    return Err(Trouble::Objection(text));
                }
                stage.rest(self.length);
                process.start()?;
                true
            }
            Fault::Pause => {
                process.pause()?;
                stage.rest(self.length);
                process.resume()?;
                true
            }
            Fault::Cut(cut) => {
                members.wires().cut(self.member.node, cut);
                stage.rest(self.length);
                members.wires().heal(self.member.node) > 0
            }
            // Who has nothing to write does not meet it.
            Fault::FullDisk => {
                process.fill_disk()?;
                let has_met = process.ends_within(Duration::from_millis(self.length));
                process.end();
                stage.rest(AWAY);
                process.start()?;
                has_met
            }
            Fault::KillAll
            | Fault::Damage
            | Fault::MoveLeader
            | Fault::Backup
            | Fault::NoSpace
            | Fault::Replace
            | Fault::ReplaceUnderFire
            | Fault::Lose => unreachable!("{} is no blow", self.fault.name()),
        };
        Ok(is_seen)
    }
}

impl Companion {
    /// Waits for its moment, and strikes. Nothing, if the faults are over by then.
    pub(super) fn follow(&self, stage: &Stage, members: &Members) -> Result<Option<Deed>, Trouble> {
        stage.rest(self.delay);
        if stage.faults_are_over() {
            return Ok(None);
        }
        let from = stage.now();
        let is_seen = self.blow.strike(stage, members)?;
        Ok(Some(Deed { from, to: stage.now(), is_seen }))
    }
}
