//! What the clients do with leases.

use crate::{
    dist::{Numbers, Percent},
    error::Complaint,
    scenario::within,
    weights::Weights,
};
use serde::Deserialize;
use whitewater_api::{Key, LeaseId, Value};
use whitewater_record::{LeaseChoice, LeaseStep, Seed, Stream};

/// Steps about leases take the place of other ones, and are drawn from streams of their own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leases {
    /// How many of a hundred operations are about leases. Drawn once a run.
    pub percent: Numbers,
    /// For how long leases are asked for, in seconds.
    pub ttl: Numbers,
    /// Chance, in a hundred, that a client picks the id.
    #[serde(default)]
    pub given_percent: Percent,
    /// Chance, in a hundred, that an id that a client picks is one that it has picked before, which may be in use.
    #[serde(default)]
    pub again_percent: Percent,
    /// Chance, in a hundred, that a client means the lease that it saw last, which may be anybody's, and not its own.
    #[serde(default)]
    pub seen_percent: Percent,
    /// How often each step comes, as weights.
    pub mix: LeaseMix,
}

/// Weights of the steps. See [`LeaseStep`] for what each does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeaseMix {
    /// Weight of `lease-grant`.
    pub grant: u32,
    /// Weight of `lease-put`.
    pub put: u32,
    /// Weight of `lease-keep-alive`.
    pub keep_alive: u32,
    /// Weight of `lease-revoke`.
    pub revoke: u32,
    /// Weight of `lease-time-to-live`.
    pub time_to_live: u32,
    /// Weight of `lease-list`.
    pub list: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Grant,
    Put,
    KeepAlive,
    Revoke,
    TimeToLive,
    List,
}

impl Leases {
    pub(crate) fn check(&self) -> Result<(), Complaint> {
        within("workload.leases.percent", &self.percent, 0, 100)?;
        within("workload.leases.ttl", &self.ttl, 1, 9_000_000_000)?;
        if self.mix == LeaseMix::default() {
            let reason = "all weights are 0, expected at least one more";
            return Err(Complaint::new("workload.leases.mix", reason));
        }
        Ok(())
    }

    /// What a client does with leases; nothing if nobody does anything in this run.
    pub(crate) fn holder(&self, seed: Seed, client: u64) -> Option<Holder<'_>> {
        let share = self.percent.0.flat(&mut seed.stream("plan/leases", 0));
        let mix = &self.mix;
        let weights = Weights::new([
            (Kind::Grant, mix.grant),
            (Kind::Put, mix.put),
            (Kind::KeepAlive, mix.keep_alive),
            (Kind::Revoke, mix.revoke),
            (Kind::TimeToLive, mix.time_to_live),
            (Kind::List, mix.list),
        ]);
        let stream = seed.stream("plan/leases", client);
        let share = u32::try_from(share).expect("at most a hundred") * 10_000;
        let (count, picked) = (0, Vec::new());
        (share > 0).then_some(Holder {
            leases: self,
            weights,
            stream,
            share,
            client,
            count,
            picked,
        })
    }
}

/// What one client does with leases.
pub(crate) struct Holder<'a> {
    leases: &'a Leases,
    weights: Weights<Kind, 6>,
    stream: Stream,
    /// Of its operations, in a million.
    share: u32,
    client: u64,
    /// How many ids it has picked, and values it has written.
    count: i64,
    picked: Vec<LeaseId>,
}

impl Holder<'_> {
    /// What the next operation is instead, if it is about leases.
    pub(crate) fn step(&mut self, keys: &[Key], hot: Percent) -> Option<LeaseStep> {
        self.stream.chance(self.share).then(|| match self.weights.draw(&mut self.stream) {
            Kind::Grant => self.grant(),
            Kind::Put => {
                let lease = self.choice();
                let is_hot = hot.draw(&mut self.stream);
                let key = if is_hot { &keys[0] } else { self.stream.pick(keys) }.clone();
                LeaseStep::Put(lease, key, self.value())
            }
            Kind::KeepAlive => LeaseStep::KeepAlive(self.choice()),
            Kind::Revoke => LeaseStep::Revoke(self.choice()),
            Kind::TimeToLive => LeaseStep::TimeToLive(self.choice()),
            Kind::List => LeaseStep::List,
        })
    }

    fn grant(&mut self) -> LeaseStep {
        let ttl = self.leases.ttl.0.wide(&mut self.stream);
        let ttl = i64::try_from(ttl).expect("the longest fits 63 bits");
        let is_given = self.leases.given_percent.draw(&mut self.stream);
        let lease = if is_given { self.id() } else { LeaseId::NONE };
        LeaseStep::Grant { ttl, lease }
    }

    /// An id that nobody else picks, and seldom one of before: that lease cannot be told from the former one.
    fn id(&mut self) -> LeaseId {
        let again = self.leases.again_percent;
        if again != Percent::default() && !self.picked.is_empty() && again.draw(&mut self.stream) {
            return *self.stream.pick(&self.picked);
        }
        self.count += 1;
        let id = i64::try_from(self.client).expect("clients are few") * 1_000_000 + self.count;
        self.picked.push(LeaseId(id));
        LeaseId(id)
    }

    fn choice(&mut self) -> LeaseChoice {
        let is_seen = self.leases.seen_percent.draw(&mut self.stream);
        if is_seen { LeaseChoice::Seen } else { LeaseChoice::Mine }
    }

    /// A value that no other operation of the run writes.
    fn value(&mut self) -> Value {
        self.count += 1;
        Value::from(format!("l{}_{}", self.client, self.count))
    }
}
