//! The nemesis: does one thing to one member, and in half of the cases strikes others meanwhile; once in a while it kills all of
//! them. At most one disk is lost or damaged at a time, and all that was struck has come back before the next thing is done: a majority
//! that holds everything may be away for some seconds, and never for good.

use super::{
    blow::{Blow, Companion, Deed},
    clients, damage,
    faults::{BLOWS, Deck, Fault, Situation},
    ledger::Ledger,
    members::{Member, Members},
    newcomers,
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

/// The same where clients change the members: nobody is added before most of the others have been connected for 5 s.
const CALM: (u64, u64) = (500, 9000);
const LENGTH: (u64, u64) = (100, 4000);

/// When a companion strikes after the fault that it accompanies has begun, in milliseconds, at the latest.
const DELAY_MAX: u64 = 1500;

/// How many companions a fault has.
const COMPANIONS: [usize; 6] = [0, 0, 0, 1, 1, 2];

/// A member whose files were damaged may take so long to be whole again.
const REPAIR: Duration = Duration::from_mins(1);

/// Why the nemesis ends.
pub(super) enum Trouble {
    /// It could not do what it wanted to.
    Failed(CliError),
    /// The cluster has not made good what was done to it.
    Objection(String),
}

impl Trouble {
    fn of_panic() -> Self {
        Self::Failed(CliError::Internal("a thread of the nemesis panicked".to_owned()))
    }
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
        has_operators: newcomers::are_in(plan),
        ledger: Ledger::default(),
    };
    loop {
        let (least, most) = if nemesis.has_operators { CALM } else { REST };
        let pause = nemesis.draws.between(least, most);
        stage.rest(pause);
        nemesis.ledger.end_last_loss(stage.now());
        if stage.faults_are_over() || nemesis.ledger.has_objection() {
            return Ok(nemesis.ledger);
        }
        if let Some(objection) = members.newcomers().tend()? {
            nemesis.ledger.object(objection);
            return Ok(nemesis.ledger);
        }
        match members.all_run().map_err(Trouble::Objection).and_then(|()| nemesis.next()) {
            Ok(()) => stage.owe_faults(nemesis.deck.owes()),
            Err(Trouble::Failed(error)) => return Err(error),
            Err(Trouble::Objection(objection)) => nemesis.ledger.object(objection),
        }
    }
}

/// What came of a companion, if it struck.
type Followed = Result<Option<Deed>, Trouble>;

struct Nemesis<'a> {
    stage: &'a Stage,
    members: &'a Members,
    deck: &'a mut Deck,
    draws: Stream,
    operator: Operator<'a>,
    /// Clients may be asked who they are.
    has_users: bool,
    /// Clients change who is a member.
    has_operators: bool,
    ledger: Ledger,
}

impl Nemesis<'_> {
    /// Draws a fault and its companions, and plays them to their ends.
    fn next(&mut self) -> Result<(), Trouble> {
        let count = self.members.len();
        let drawn = self.draw_place(count);
        let leader = self.members.leader();
        let at_leader = self.draws.chance(500_000);
        let victim = if at_leader { leader.unwrap_or(drawn) } else { drawn };
        let situation = Situation {
            members: count,
            leader,
            victim,
            repair_themselves: self.members.repair_themselves(),
            has_users: self.has_users,
            has_operators: self.has_operators,
        };
        let next = self.deck.next(&mut self.draws, |fault| situation.allows(fault));
        let length = self.draws.between(LENGTH.0, LENGTH.1);
        let Some(fault) = next else { return Ok(()) };
        let is_leader = leader == Some(victim);
        let blow = Blow { fault, member: self.members.at(victim), is_leader, length };
        let companions = self.companions(&situation, &blow);
        self.ledger.begin(fault.name(), is_leader);
        let from = self.stage.now();
        if fault == Fault::Kill && is_leader && companions.is_empty() {
            self.ledger.lose_leader(from);
        }
        let (is_seen, others) = self.play_all(&blow, &companions, &situation);
        let deed = Deed { from, to: self.stage.now(), is_seen: is_seen? };
        self.ledger.end(fault.name(), deed.is_seen);
        for (companion, other) in companions.iter().zip(others) {
            let Some(other) = other? else { continue };
            let name = companion.blow.fault.name();
            self.ledger.begin(name, companion.blow.is_leader);
            self.ledger.end(name, other.is_seen);
            self.ledger.overlap(&deed, &other);
        }
        Ok(())
    }

    /// Plays a fault and its companions at once. What came of it, and of them.
    fn play_all(
        &mut self,
        blow: &Blow,
        companions: &[Companion],
        situation: &Situation,
    ) -> (Result<bool, Trouble>, Vec<Followed>) {
        let (stage, members) = (self.stage, self.members);
        thread::scope(|scope| {
            let others: Vec<_> = companions
                .iter()
                .map(|companion| scope.spawn(move || companion.follow(stage, members)))
                .collect();
            let is_seen = self.play(blow, situation);
            let joined = others.into_iter().map(thread::ScopedJoinHandle::join);
            (is_seen, joined.map(|other| other.unwrap_or(Err(Trouble::of_panic()))).collect())
        })
    }

    fn draw_place(&mut self, count: usize) -> usize {
        let last = u64::try_from(count - 1).expect("members are few");
        usize::try_from(self.draws.between(0, last)).expect("members are few")
    }

    /// Blows at other members while this one falls.
    fn companions(&mut self, situation: &Situation, blow: &Blow) -> Vec<Companion> {
        let count = *self.draws.pick(&COMPANIONS);
        let mut places: Vec<usize> = (0..situation.members).collect();
        places.retain(|place| !situation.is_hit(blow.fault, *place));
        let mut companions = Vec::new();
        while companions.len() < count && !places.is_empty() {
            let drawn = self.draw_place(places.len());
            let place = places.swap_remove(drawn);
            let fault = *self.draws.pick(&BLOWS);
            let (member, is_leader) = (self.members.at(place), situation.leader == Some(place));
            let latest = if blow.fault.is_blow() { blow.length } else { DELAY_MAX };
            let delay = self.draws.between(0, latest.min(DELAY_MAX));
            let length = self.draws.between(LENGTH.0, LENGTH.1);
            companions.push(Companion { blow: Blow { fault, member, is_leader, length }, delay });
        }
        companions
    }

    /// Plays a fault to its end. Whether it was seen to have had its effect.
    fn play(&mut self, blow: &Blow, situation: &Situation) -> Result<bool, Trouble> {
        let Blow { fault, member, length, .. } = blow;
        let Situation { leader, victim, .. } = *situation;
        match fault {
            Fault::Kill | Fault::Terminate | Fault::Pause | Fault::Cut(_) | Fault::FullDisk => {
                blow.strike(self.stage, self.members)
            }
            Fault::KillAll => Ok(self.kill_all(*length)?),
            Fault::Damage => self.damage(member),
            Fault::MoveLeader => {
                let leader = leader.expect("without one it does not fit");
                Ok(self.operator.move_leader(leader, member.node))
            }
            Fault::Backup => Ok(self.operator.back_up(member)),
            Fault::NoSpace => self.alarm(member, *length),
            Fault::Replace => self.operator.replace(victim, false, None),
            Fault::ReplaceUnderFire => {
                let other = self.members.at(situation.next(victim));
                self.operator.replace(victim, false, Some(&other))
            }
            Fault::Lose => self.operator.replace(victim, true, None),
        }
    }

    fn kill_all(&self, length: u64) -> Result<bool, CliError> {
        let all = self.members.all();
        all.iter().try_for_each(|member| member.own().process.kill())?;
        self.stage.rest(length);
        all.iter().try_for_each(|member| member.own().process.start())?;
        Ok(true)
    }

    /// While the alarm is raised nothing is added anywhere. One that stays would end everything.
    fn alarm(&mut self, member: &Member, length: u64) -> Result<bool, Trouble> {
        let is_raised = self.operator.alarm(AlarmAction::Activate, member.node);
        self.stage.rest(length);
        if !self.operator.alarm(AlarmAction::Deactivate, member.node) {
            let text = format!("the alarm of {} is not put down", member.node);
            return Err(Trouble::Objection(text));
        }
        Ok(is_raised)
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
}
