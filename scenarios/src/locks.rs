//! What the clients do with locks.

use crate::{
    dist::{Numbers, Percent},
    error::Complaint,
    scenario::within,
    weights::Weights,
};
use serde::Deserialize;
use whitewater_api::{Key, Value};
use whitewater_record::{LockStep, Seed, Stream};

/// Steps about locks take the place of other ones, and are drawn from streams of their own. Contenders hang on leases, so
/// the clients have to do something with leases, too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locks {
    /// How many of a hundred operations are about locks. Drawn once a run.
    pub percent: Numbers,
    /// How many locks there are, named `m0`, `m1` and so on.
    pub count: Numbers,
    /// How often each step comes, as weights.
    pub mix: LockMix,
    /// How many of a hundred of them are `lock-observe` instead.
    #[serde(default)]
    pub observe_percent: Percent,
}

/// Weights of the steps. See [`LockStep`] for what each does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LockMix {
    /// Weight of `lock-join`.
    pub join: u32,
    /// Weight of `lock-look`.
    pub look: u32,
    /// Weight of `lock-write`.
    pub write: u32,
    /// Weight of `lock-proclaim`.
    pub proclaim: u32,
    /// Weight of `lock-leave`.
    pub leave: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Join,
    Look,
    Write,
    Proclaim,
    Leave,
}

impl Locks {
    pub(crate) fn check(&self) -> Result<(), Complaint> {
        within("workload.locks.percent", &self.percent, 0, 100)?;
        within("workload.locks.count", &self.count, 1, 100)?;
        if self.mix == LockMix::default() {
            let reason = "all weights are 0, expected at least one more";
            return Err(Complaint::new("workload.locks.mix", reason));
        }
        Ok(())
    }

    /// What a client does with locks; nothing if nobody does anything in this run.
    pub(crate) fn contender(&self, seed: Seed, client: u64) -> Option<Contender> {
        let mut habits = seed.stream("plan/locks", 0);
        let share = self.percent.0.flat(&mut habits);
        let locks = self.count.0.flat(&mut habits);
        let mix = &self.mix;
        let weights = Weights::new([
            (Kind::Join, mix.join),
            (Kind::Look, mix.look),
            (Kind::Write, mix.write),
            (Kind::Proclaim, mix.proclaim),
            (Kind::Leave, mix.leave),
        ]);
        let stream = seed.stream("plan/locks", client);
        let share = u32::try_from(share).expect("at most a hundred") * 10_000;
        let (observes, watching) = (self.observe_percent, seed.stream("plan/observe", client));
        (share > 0).then_some(Contender {
            weights,
            stream,
            share,
            locks,
            client,
            values: 0,
            observes,
            watching,
        })
    }
}

/// What one client does with locks.
pub(crate) struct Contender {
    weights: Weights<Kind, 5>,
    stream: Stream,
    /// Of its operations, in a million.
    share: u32,
    locks: u64,
    client: u64,
    values: u64,
    observes: Percent,
    /// Apart from `stream`, so that who observes changes nothing else.
    watching: Stream,
}

impl Contender {
    /// What the next operation is instead, if it is about locks.
    pub(crate) fn step(&mut self, keys: &[Key]) -> Option<LockStep> {
        if !self.stream.chance(self.share) {
            return None;
        }
        let lock = Key::from(format!("m{}", self.stream.below(self.locks)));
        let step = match self.weights.draw(&mut self.stream) {
            Kind::Join => LockStep::Join(lock.clone(), self.value()),
            Kind::Look => LockStep::Look(lock.clone()),
            Kind::Write => {
                let key = self.stream.pick(keys).clone();
                LockStep::Write(lock.clone(), key, self.value())
            }
            Kind::Proclaim => LockStep::Proclaim(lock.clone(), self.value()),
            Kind::Leave => LockStep::Leave(lock.clone()),
        };
        let observes = self.observes.draw(&mut self.watching);
        Some(if observes { LockStep::Observe(lock) } else { step })
    }

    /// A value that no other operation of the run writes.
    fn value(&mut self) -> Value {
        self.values += 1;
        Value::from(format!("m{}_{}", self.client, self.values))
    }
}
