//! The operations of the clients.

use crate::{
    auth::Actor,
    leases::Holder,
    locks::Contender,
    operators::Operator,
    planner::Size,
    scenario::{Mix, Workload},
    weights::Weights,
};
use std::fmt::Write;
use whitewater_api::{Key, NodeId, Value, request::Relation};
use whitewater_record::{
    Aspect, AuthStep, ClientPlan, Condition, MaintenanceStep, OptionStep, PlannedOperation, Seed,
    Span, Step, Stream, When,
};

/// Draws the operations of all clients, each from streams of its own. `taken` is the highest id of a member that others
/// than the clients add.
pub(crate) fn draw(workload: &Workload, seed: Seed, size: &Size, taken: u64) -> Vec<ClientPlan> {
    let keys: Vec<Key> = (0..size.keys).map(|i| format!("k{i}").into()).collect();
    let all = Key::from("k");
    let mix = weights(&workload.mix);
    let operators = workload.operators.as_ref();
    (1..=size.clients)
        .map(|client| {
            let mut habits = seed.stream("plan/client", client);
            let home = NodeId(habits.between(1, size.nodes));
            let follows_hints = !workload.stays_percent.draw(&mut habits);
            let text = format!("v{client}_");
            let mut worker = Worker {
                stream: seed.stream("plan/ops", client),
                thoughts: seed.stream("plan/think", client),
                workload,
                mix: &mix,
                actor: workload.permissions.as_ref().map(|all| all.actor(seed, client)),
                holder: workload.leases.as_ref().and_then(|leases| leases.holder(seed, client)),
                contender: workload.locks.as_ref().and_then(|locks| locks.contender(seed, client)),
                operator: operators.and_then(|all| all.operator(seed, client, taken)),
                keys: &keys,
                all: &all,
                values: 0,
                prefix: text.len(),
                text,
            };
            let think = workload.think_percent.of(size.duration.0) / size.operations.max(1);
            let (mut operations, mut follows_hints) = (Vec::new(), follows_hints);
            if let Some(actor) = &mut worker.actor {
                operations = actor.beginning(&keys);
                follows_hints |= actor.is_administrator();
            }
            operations.extend((0..size.operations).map(|_| worker.operation(think)));
            operations.truncate(usize::try_from(size.operations).unwrap_or(usize::MAX));
            ClientPlan { home, follows_hints, operations }
        })
        .collect()
}

#[derive(Clone, Copy)]
enum Kind {
    Put,
    Get,
    StaleGet,
    List,
    Delete,
    DeleteAll,
    Swap,
    Create,
    Both,
    PutPast,
    Nest,
    ByVersion,
    Options,
    Compact,
    Remove,
    Append,
    Conditional,
    Add,
    Turn,
    CompactTurned,
    Defragment,
    HashKv,
    Status,
    AlarmList,
    AlarmRaise,
    AlarmDisarm,
    NestedPut,
}

const KINDS: usize = 27;

fn weights(mix: &Mix) -> Weights<Kind, KINDS> {
    Weights::new([
        (Kind::Put, mix.put),
        (Kind::Get, mix.get),
        (Kind::StaleGet, mix.stale_get),
        (Kind::List, mix.list),
        (Kind::Delete, mix.delete),
        (Kind::DeleteAll, mix.delete_all),
        (Kind::Swap, mix.swap),
        (Kind::Create, mix.create),
        (Kind::Both, mix.both),
        (Kind::PutPast, mix.put_past),
        (Kind::Nest, mix.nest),
        (Kind::ByVersion, mix.by_version),
        (Kind::Options, mix.options),
        (Kind::Compact, mix.compact),
        (Kind::Remove, mix.remove),
        (Kind::Append, mix.append),
        (Kind::Conditional, mix.conditional),
        (Kind::Add, mix.add),
        (Kind::Turn, mix.turn),
        (Kind::CompactTurned, mix.compact_turned),
        (Kind::Defragment, mix.defragment),
        (Kind::HashKv, mix.hash_kv),
        (Kind::Status, mix.status),
        (Kind::AlarmList, mix.alarm_list),
        (Kind::AlarmRaise, mix.alarm_raise),
        (Kind::AlarmDisarm, mix.alarm_disarm),
        (Kind::NestedPut, mix.nested_put),
    ])
}

/// How many revisions a compaction leaves, and one less than a read of the past goes back: all but the newest state, some, many.
const KEEPS: [u64; 4] = [0, 3, 20, 100];

/// Equality is what clients ask for most.
const ASPECTS: [Aspect; 6] =
    [Aspect::Value, Aspect::Version, Aspect::Create, Aspect::Mod, Aspect::Mod, Aspect::Lease];
const RELATIONS: [Relation; 6] = [
    Relation::Equal,
    Relation::Equal,
    Relation::Equal,
    Relation::NotEqual,
    Relation::Less,
    Relation::Greater,
];

struct Worker<'a> {
    stream: Stream,
    /// Apart from `stream`, so that another pace does not change what is done.
    thoughts: Stream,
    workload: &'a Workload,
    mix: &'a Weights<Kind, KINDS>,
    actor: Option<Actor>,
    holder: Option<Holder<'a>>,
    contender: Option<Contender>,
    operator: Option<Operator>,
    keys: &'a [Key],
    /// The prefix of all keys.
    all: &'a Key,
    values: u64,
    /// A value under construction: the part that all values of this client begin with, and what was added last.
    text: String,
    prefix: usize,
}

impl Worker<'_> {
    fn operation(&mut self, think: u64) -> PlannedOperation {
        let after = Span(self.thoughts.exponential(think) / 1_000 * 1_000);
        let step = match self.mix.draw(&mut self.stream) {
            Kind::Put => Step::Put(self.key(), self.value()),
            Kind::Get => Step::Get(self.key()),
            Kind::StaleGet => Step::StaleGet(self.key()),
            Kind::List => Step::List(self.prefix(), self.limit()),
            Kind::Delete => Step::Delete(self.key()),
            Kind::DeleteAll => Step::DeleteAll(self.prefix()),
            Kind::Swap => Step::Swap(self.key(), self.value()),
            Kind::Create => Step::Create(self.key(), self.value()),
            Kind::Both => self.both(),
            Kind::PutPast => Step::PutPast(self.key(), self.value(), *self.stream.pick(&KEEPS) + 1),
            Kind::Nest => Step::Nest(self.key(), self.value()),
            Kind::ByVersion => Step::ByVersion(self.prefix(), self.limit()),
            Kind::Options => Step::Option(self.option()),
            Kind::Compact => Step::Compact(*self.stream.pick(&KEEPS)),
            Kind::Remove => Step::Remove(self.key()),
            Kind::Append => Step::Append(self.key(), self.value()),
            Kind::Conditional => Step::If(self.condition(), self.key(), self.value()),
            Kind::Add => {
                let element = self.value();
                Step::Create(Key::from(format!("{}{element}", self.all)), element)
            }
            Kind::Turn => Step::Turn(self.value()),
            Kind::CompactTurned => Step::CompactTurned,
            Kind::Defragment => Step::Maintain(MaintenanceStep::Defragment),
            Kind::HashKv => Step::Maintain(MaintenanceStep::HashKv(*self.stream.pick(&KEEPS))),
            Kind::Status => Step::Maintain(MaintenanceStep::Status),
            Kind::AlarmList => Step::Maintain(MaintenanceStep::Alarms),
            Kind::AlarmRaise => Step::Maintain(MaintenanceStep::Raise(self.member())),
            Kind::AlarmDisarm => Step::Maintain(MaintenanceStep::Disarm(self.member())),
            Kind::NestedPut => Step::Auth(AuthStep::Sneak(self.key(), self.value())),
        };
        let (keys, hot) = (self.keys, self.workload.hot_percent);
        let about_leases = self.holder.as_mut().and_then(|holder| holder.step(keys, hot));
        let about_locks = self.contender.as_mut().and_then(|contender| contender.step(keys));
        let about_auth = self.actor.as_mut().and_then(|actor| actor.step(keys));
        let about_members = self.operator.as_mut().and_then(Operator::step).map(Step::Cluster);
        let instead = about_locks.map(Step::Lock).or(about_leases.map(Step::Lease)).or(about_auth);
        let step = about_members.or(instead).unwrap_or(step);
        PlannedOperation { when: When::After(after), step }
    }

    fn option(&mut self) -> OptionStep {
        let back = *self.stream.pick(&KEEPS);
        match self.stream.below(6) {
            0 => OptionStep::Touch(self.key()),
            1 => OptionStep::Rewrite(self.key(), self.value()),
            2 => OptionStep::Take(self.key()),
            3 => OptionStep::Count(self.prefix()),
            4 => OptionStep::Recent(self.prefix(), back),
            _ => OptionStep::Past(self.prefix(), back),
        }
    }

    fn key(&mut self) -> Key {
        if self.workload.hot_percent.draw(&mut self.stream) {
            return self.keys[0].clone();
        }
        self.stream.pick(self.keys).clone()
    }

    /// One of the first three members: an alarm for nobody that there is counts, too.
    fn member(&mut self) -> NodeId {
        NodeId(self.stream.between(1, 3))
    }

    /// All keys one time in four; else one key, which is also the prefix of longer ones.
    fn prefix(&mut self) -> Key {
        if self.stream.chance(250_000) { self.all.clone() } else { self.key() }
    }

    /// Any aspect and relation; of one key four times in five.
    fn condition(&mut self) -> Condition {
        let aspect = *self.stream.pick(&ASPECTS);
        let relation = *self.stream.pick(&RELATIONS);
        let is_prefix = self.stream.chance(200_000);
        let key = if is_prefix { self.prefix() } else { self.key() };
        Condition { aspect, key, is_prefix, relation }
    }

    /// No limit half of the time.
    fn limit(&mut self) -> u64 {
        if self.stream.chance(500_000) { 0 } else { self.stream.between(1, 3) }
    }

    /// Two different keys: a transaction may not write one twice. With only one key there is no such transaction.
    fn both(&mut self) -> Step {
        let count = u64::try_from(self.keys.len()).expect("a length fits 64 bits");
        if count < 2 {
            return Step::Swap(self.key(), self.value());
        }
        let first = self.stream.below(count);
        let second = (first + self.stream.between(1, count - 1)) % count;
        let key = |i: u64| self.keys[usize::try_from(i).expect("below a length")].clone();
        Step::Both(key(first), key(second), self.value())
    }

    /// A value that no other operation of the run writes, so that a read says which write it saw.
    fn value(&mut self) -> Value {
        self.values += 1;
        self.text.truncate(self.prefix);
        write!(self.text, "{}", self.values).expect("a string takes everything");
        if let Some(bytes) = &self.workload.value_bytes {
            let length = usize::try_from(bytes.0.wide(&mut self.stream)).expect("at most a MiB");
            let missing = length.saturating_sub(self.text.len());
            self.text.extend(std::iter::repeat_n('.', missing));
        }
        Value::from(self.text.as_str())
    }
}
