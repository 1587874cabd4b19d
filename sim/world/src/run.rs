//! A whole run: draw, safety phase, liveness phase, verdict.

use crate::{
    agenda::Due,
    host,
    import::Import,
    play::{Options, Run},
    stage,
    tally::Code,
    world::{Act, Shared, World},
};
use madsim::{runtime::Handle, runtime::NodeHandle, time::TimeHandle};
use std::{sync::Arc, time::Duration};
use whitewater_api::NodeId;
use whitewater_record::{Outcome, Plan, RowKind, SimTime, Trace, Verdict};

/// Plays a plan inside a madsim runtime.
pub(crate) async fn run(
    plan: Arc<Plan>,
    import: Option<Import>,
    options: Options,
    salvage: Arc<std::sync::Mutex<Option<Shared>>>,
) {
    let until = options.until.unwrap_or(SimTime::NEVER);
    let trace = if options.keep_trace { Trace::kept() } else { Trace::hashed() };
    let shared = Shared::new(World::new(&plan, import, until, trace));
    *salvage.lock().expect("nobody else holds it yet") = Some(shared.clone());
    draw(&mut shared.lock(), &plan);
    let mut theatre = Theatre::new(shared.clone());
    // Both phases: what is due at the end of the first one begins the second.
    loop {
        let act = shared.lock().advance();
        match act {
            Act::Spawn(node) => theatre.spawn(node).await,
            Act::Kill(node) => theatre.kill(node).await,
            Act::End => break,
        }
    }
    theatre.close().await;
}

/// Puts all that the plan says on the agenda.
fn draw(world: &mut World, plan: &Plan) {
    for node in 1..=plan.cluster.nodes {
        world.start(NodeId(node));
    }
    world.plan_faults();
    world.start_clients();
    world.start_watchers();
    world.plan_fork();
    world.later(SimTime::ZERO + plan.duration, Due::Heal);
}

/// The record of a run that has ended, by itself or by a panic of the world, which is a violation too.
pub(crate) fn finish(shared: &Shared, panic: Option<String>) -> Run {
    let mut guard = shared.lock();
    let world = &mut *guard;
    if let Some(sentence) = panic {
        world.observer.tally.violate(Code::Panic, None, sentence);
    }
    world.close_history();
    world.cause = None;
    for (code, node, event) in world.observer.tally.firsts() {
        world.row(RowKind::Violation, node, &[code, event]);
    }
    let events = world.trace.events();
    world.row(RowKind::End, 0, &[events]);
    let (faults, victims) = world.fault_counts();
    world.note_network();
    let coverage = world.states.finish();
    let history = std::mem::take(&mut world.history);
    let trace = std::mem::take(&mut world.trace);
    let tally = world.observer.take_tally();
    let reached = tally.reached();
    let (checks, violations, sometimes) = tally.finish();
    let doubts = std::mem::take(&mut world.doubts);
    let verdict = match (violations.is_empty(), doubts.is_empty()) {
        (false, _) => Verdict::Failed,
        (true, false) => Verdict::Inconclusive,
        (true, true) => Verdict::Passed,
    };
    let outcome = Outcome {
        scenario: world.plan.scenario.clone(),
        seed: world.plan.seed,
        verdict,
        violations,
        doubts,
        trace_hash: trace.hash(),
        events: trace.events(),
        simulated: world.now.since(SimTime::ZERO),
        operations: history.outcomes(),
        messages: world.messages,
        faults,
        victims,
        checks,
        sometimes,
        coverage,
    };
    let began = world.clients.iter_mut().map(|client| std::mem::take(&mut client.began));
    Run { outcome, history, trace, began: began.collect(), reached }
}

/// madsim's side: its nodes, its clock.
struct Theatre {
    shared: Shared,
    handle: Handle,
    time: TimeHandle,
    /// By node, from 1.
    nodes: Vec<Option<NodeHandle>>,
}

impl Theatre {
    fn new(shared: Shared) -> Self {
        Self { shared, handle: Handle::current(), time: TimeHandle::current(), nodes: Vec::new() }
    }

    /// Moves madsim's clock to ours, which is the one that counts. It runs a little ahead: every task switch costs it
    /// some nanoseconds.
    fn tell_time(&self) {
        let now = Duration::from_nanos(self.shared.lock().now.0);
        let elapsed = self.time.elapsed();
        if let Some(behind) = now.checked_sub(elapsed).filter(|behind| !behind.is_zero()) {
            self.time.advance(behind);
        }
    }

    /// Starts a process, and waits until it can be stepped.
    async fn spawn(&mut self, node: NodeId) {
        self.tell_time();
        self.shared.lock().stage.take(node);
        let place = usize::try_from(node.0).expect("ids are below 64");
        if self.nodes.len() <= place {
            self.nodes.resize_with(place + 1, || None);
        }
        let home = self.nodes[place].get_or_insert_with(|| self.handle.create_node().build());
        // Its end is seen from its place on the stage.
        drop(home.spawn(host::live(self.shared.clone(), node)));
        stage::opened(&self.shared, node).await;
    }

    /// Kills a process, waits until its task is dropped, and makes its madsim node fit for the next one.
    async fn kill(&mut self, node: NodeId) {
        let place = usize::try_from(node.0).expect("ids are below 64");
        let Some(home) = self.nodes.get_mut(place).and_then(Option::as_mut) else { return };
        self.handle.kill(home.id());
        stage::gone(&self.shared, node).await;
        self.handle.restart(home.id());
        *home = self.handle.get_node(home.id()).expect("it was created");
    }

    /// Kills all nodes: a task that lives on keeps its whole runtime in memory.
    async fn close(&mut self) {
        for place in 1..self.nodes.len() {
            let node = NodeId(u64::try_from(place).expect("ids are below 64"));
            self.kill(node).await;
        }
    }
}
