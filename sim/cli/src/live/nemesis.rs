//! The nemesis: torments one member at a time, so that a majority is always there; once in a while it kills all of them.

use super::{
    clients, damage,
    faults::{Deck, Fault, Situation},
    ledger::Ledger,
    members::{Member, Members},
    operator::Operator,
    stage::Stage,
};
use crate::exit::CliError;
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use whitewater_api::AlarmAction;
use whitewater_record::{Plan, seed::Stream};

/// How long a cluster has between two faults, and how long they last, in milliseconds.
const REST: (u64, u64) = (500, 2500);
const LENGTH: (u64, u64) = (100, 4000);

/// A member that is asked to end may take so long.
const PEACE: Duration = Duration::from_secs(15);

/// A member whose files were damaged may take so long to be whole again.
const REPAIR: Duration = Duration::from_mins(1);

/// Why the nemesis ends.
pub(super) enum Trouble {
    /// It could not do what it wanted to.
    Failed(CliError),
    /// The cluster has not made good what was done to it.
    Objection(String),
}

impl From<CliError> for Trouble {
    fn from(error: CliError) -> Self {
        Self::Failed(error)
    }
}

/// Torments until the faults are over, and heals.
pub(super) fn torment(
    stage: &Stage,
    members: &Members,
    plan: &Plan,
    deck: &mut Deck,
) -> Result<Ledger, CliError> {
    let root = clients::root_login(plan);
    let mut nemesis = Nemesis {
        stage,
        members,
        deck,
        draws: plan.seed.stream("live nemesis", 0),
        operator: Operator::new(stage, members, root),
        has_users: root.is_some(),
        ledger: Ledger::default(),
    };
    loop {
        let pause = nemesis.draws.between(REST.0, REST.1);
        nemesis.rest(pause);
        nemesis.ledger.end_last_loss(stage.now());
        if stage.faults_are_over() || nemesis.ledger.has_objection() {
            return Ok(nemesis.ledger);
        }
        match members.all_run().map_err(Trouble::Objection).and_then(|()| nemesis.next()) {
            Ok(()) => stage.owe_faults(nemesis.deck.owes()),
            Err(Trouble::Failed(error)) => return Err(error),
            Err(Trouble::Objection(objection)) => nemesis.ledger.object(objection),
        }
    }
}

struct Nemesis<'a> {
    stage: &'a Stage,
    members: &'a Members,
    deck: &'a mut Deck,
    draws: Stream,
    operator: Operator<'a>,
    /// Clients may be asked who they are.
    has_users: bool,
    ledger: Ledger,
}

impl Nemesis<'_> {
    /// Draws a fault, and plays it to its end.
    fn next(&mut self) -> Result<(), Trouble> {
        let count = u64::try_from(self.members.len()).expect("members are few");
        let drawn = usize::try_from(self.draws.between(0, count - 1)).expect("members are few");
        let leader = self.members.leader();
        let at_leader = self.draws.chance(500_000);
        let victim = if at_leader { leader.unwrap_or(drawn) } else { drawn };
        let situation = Situation {
            members: count,
            leader,
            victim,
            repair_themselves: self.members.repair_themselves(),
            has_users: self.has_users,
        };
        let next = self.deck.next(&mut self.draws, |fault| situation.allows(fault));
        let length = self.draws.between(LENGTH.0, LENGTH.1);
        let Some(fault) = next else { return Ok(()) };
        self.ledger.begin(fault.name(), leader == Some(victim));
        let member = self.members.at(victim);
        let is_seen = match fault {
            Fault::Kill => {
                member.own().process.kill()?;
                if leader == Some(victim) {
                    self.ledger.lose_leader(self.stage.now());
                }
                self.come_back(&member, length)?
            }
            Fault::KillAll => self.kill_all(length)?,
            Fault::Terminate => self.terminate(&member, length)?,
            Fault::Pause => {
                member.own().process.pause()?;
                self.rest(length);
                member.own().process.resume()?;
                true
            }
            Fault::Cut(cut) => {
                self.members.wires().cut(member.own().wire, cut);
                self.rest(length);
                self.members.wires().heal() > 0
            }
            Fault::FullDisk => self.fill_disk(&member, length)?,
            Fault::Damage => self.damage(&member)?,
            Fault::MoveLeader => {
                let leader = leader.expect("without one it does not fit");
                self.operator.move_leader(leader, member.node)
            }
            Fault::Backup => self.operator.back_up(&member),
            Fault::NoSpace => self.alarm(&member, length)?,
            Fault::Replace => self.operator.replace(victim, false, None)?,
            Fault::ReplaceUnderFire => {
                let other = self.members.at((victim + 1) % self.members.len());
                self.operator.replace(victim, false, Some(&other))?
            }
            Fault::Lose => self.operator.replace(victim, true, None)?,
        };
        if is_seen {
            self.ledger.saw(fault.name());
        }
        Ok(())
    }

    /// It is away for a while.
    fn come_back(&self, member: &Member, length: u64) -> Result<bool, CliError> {
        self.rest(length);
        member.own().process.start()?;
        Ok(true)
    }

    fn kill_all(&self, length: u64) -> Result<bool, CliError> {
        let all = self.members.all();
        all.iter().try_for_each(|member| member.own().process.kill())?;
        self.rest(length);
        all.iter().try_for_each(|member| member.own().process.start())?;
        Ok(true)
    }

    fn terminate(&self, member: &Member, length: u64) -> Result<bool, Trouble> {
        if !member.own().process.terminate(PEACE)? {
            let node = member.node;
            return Err(Trouble::Objection(format!("{node} does not end when it is asked to")));
        }
        Ok(self.come_back(member, length)?)
    }

    /// While the alarm is raised nothing is added anywhere. One that stays would end everything.
    fn alarm(&mut self, member: &Member, length: u64) -> Result<bool, Trouble> {
        let is_raised = self.operator.alarm(AlarmAction::Activate, member.node);
        self.rest(length);
        if !self.operator.alarm(AlarmAction::Deactivate, member.node) {
            let text = format!("the alarm of {} is not put down", member.node);
            return Err(Trouble::Objection(text));
        }
        Ok(is_raised)
    }

    /// Whether it has met it: who has nothing to write does not.
    fn fill_disk(&self, member: &Member, length: u64) -> Result<bool, CliError> {
        let process = &member.own().process;
        process.fill_disk()?;
        let has_met = process.ends_within(Duration::from_millis(length));
        process.end();
        self.come_back(member, REST.0)?;
        Ok(has_met)
    }

    /// Whether it has noticed: nobody reads what is behind the last record, or in front of the newest snapshot.
    fn damage(&mut self, member: &Arc<Member>) -> Result<bool, Trouble> {
        let process = &member.own().process;
        let before = process.has_said(damage::NOTICED)?;
        process.kill()?;
        damage::turn_bits(&member.own().data, &mut self.draws)?;
        process.start()?;
        let deadline = Instant::now() + REPAIR;
        while !self.is_whole(member) {
            let node = member.node;
            if process.ends_within(Duration::ZERO) {
                let text = format!("{node} ended by itself after its files were damaged");
                return Err(Trouble::Objection(text));
            }
            if Instant::now() > deadline {
                let text = format!("{node} is not repaired within {}s", REPAIR.as_secs());
                return Err(Trouble::Objection(text));
            }
            thread::sleep(super::TICK);
        }
        Ok(process.has_said(damage::NOTICED)? > before)
    }

    /// It votes, and has applied what the others had when they were asked.
    fn is_whole(&self, member: &Arc<Member>) -> bool {
        let all = self.members.all();
        let others = all.iter().filter(|other| other.node != member.node);
        let applied = others.filter_map(|other| Some(other.status()?.status.applied)).max();
        let own = member.status().map(|seat| seat.status);
        own.is_some_and(|own| {
            !own.is_learner && own.leader.is_some() && Some(own.applied) >= applied
        })
    }

    /// Waits so long, or until the faults are over.
    fn rest(&self, milliseconds: u64) {
        let until = Instant::now() + Duration::from_millis(milliseconds);
        while Instant::now() < until && !self.stage.faults_are_over() {
            thread::sleep(super::TICK);
        }
    }
}
