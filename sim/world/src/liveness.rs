//! The liveness phase: all is healed, and within a bound the cluster must elect, serve, converge, and have answered whatever
//! it was asked. If it does not, the verdict says who waited for what.

use crate::{
    admin::root,
    agenda::Due,
    asking::{Answer, Asker},
    client::{Pending, completion},
    limits,
    machine::{Life, Machine},
    tally::Code,
    world::{PhaseOfRun, World},
};
use whitewater_api::{
    Alarm, AlarmAction, Body, Completion, Error, KeyRange, MaintenanceRequest, MaintenanceResponse,
    NodeId, Request, RequestId, Response, Revision, Tuning, auth,
    request::{CompactRequest, PutRequest, RangeRequest},
};
use whitewater_record::{MaintenanceStep, PlannedOperation, SimTime, Span, Step};
use whitewater_replica::{Phase, Role};

/// How far the recovery has come.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    deadline: SimTime,
    /// What is still to be done, the next one last.
    probes: Vec<Probe>,
    /// Whether the probes were written down.
    is_planned: bool,
    pending: Option<(Pending, Probe)>,
    /// What is missing, in words.
    missing: String,
}

/// Something that must succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// A write, asked of this node and done by whom it points to.
    Write { node: NodeId, ask: NodeId },
    /// A linearizable read by this very node.
    Read { node: NodeId },
    /// A linearizable read of everything.
    ReadAll { ask: NodeId },
    /// What is refused for want of room: an alarm says so to everybody.
    Alarms { ask: NodeId },
    /// Room for what is refused for want of it: forgets what was.
    Compact { ask: NodeId },
    /// The same: gives back what is not used.
    Defragment { node: NodeId },
    /// The same: puts the alarm down that this member may have raised.
    Disarm { node: NodeId, ask: NodeId },
}

impl Recovery {
    /// The newest revision that anybody had been told of when the probe was asked.
    pub(crate) fn floor(&self, id: RequestId) -> Option<Revision> {
        self.pending
            .as_ref()
            .filter(|(pending, _)| pending.wire == id)
            .map(|(pending, _)| pending.floor)
    }
}

impl World {
    /// The liveness phase begins.
    pub(crate) fn start_recovery(&mut self) {
        let tuning = &self.plan.cluster.tuning;
        let timeout_max = Span::millis(2 * tuning.election_ms());
        let started = u64::try_from(self.machines.started().len()).expect("nodes are few");
        let bound = Span(timeout_max.0 * limits::RECOVERY_ELECTIONS)
            + limits::RECOVERY_ALLOWANCE
            + Span(limits::RECOVERY_PER_NODE.0 * started)
            + self.plan.timeout
            + self.import.as_ref().map_or(Span(0), |it| it.allowance(&self.plan.disk));
        self.recovery.deadline = self.now + bound;
        self.later(self.now, Due::Look);
    }

    /// Looks at the cluster.
    pub(crate) fn on_look(&mut self) {
        if self.phase != PhaseOfRun::Liveness {
            return;
        }
        let missing = self
            .unsettled()
            .or_else(|| self.unserved())
            .or_else(|| self.unequal())
            .or_else(|| self.unanswered())
            .or_else(|| self.littered())
            .or_else(|| self.unheard())
            .or_else(|| self.unaudited());
        let is_late = self.now >= self.recovery.deadline;
        if missing.is_none() || is_late {
            let bound = self.recovery.deadline;
            let wrong = missing.map(|missing| format!("not recovered by {bound}: {missing}"));
            self.observer.tally.check(Code::Liveness, None, true, wrong);
            self.phase = PhaseOfRun::Over;
            return;
        }
        self.later(self.now + limits::LOOK_EVERY, Due::Look);
    }

    /// Members of the newest configuration whose process may run.
    fn live(&self) -> Vec<NodeId> {
        let members = self.observer.members().everybody();
        let lives =
            |node: &NodeId| !matches!(self.machines.get(*node).life, Life::Absent | Life::Retired);
        members.into_iter().filter(lives).collect()
    }

    fn machines_of(&self, nodes: &[NodeId]) -> impl Iterator<Item = &Machine> {
        nodes.iter().map(|node| self.machines.get(*node))
    }

    /// Whether there is one leader, and everybody follows it.
    fn unsettled(&self) -> Option<String> {
        let live = self.live();
        let inactive =
            self.machines_of(&live).find(|m| m.life != Life::Up || m.status.phase != Phase::Active);
        if let Some(machine) = inactive {
            return Some(format!(
                "{} is {:?}, {:?}",
                machine.node, machine.life, machine.status.phase
            ));
        }
        let leaders: Vec<&Machine> =
            self.machines_of(&live).filter(|m| m.status.role == Role::Leader).collect();
        let [leader] = leaders[..] else {
            return Some(format!("{} leaders; {}", leaders.len(), self.describe(&live)));
        };
        let follows = |m: &&Machine| {
            (m.status.term, m.status.leader) == (leader.status.term, Some(leader.node))
        };
        let stray = self.machines_of(&live).find(|m| !follows(m));
        stray.map(|stray| {
            format!("{} does not follow {}; {}", stray.node, leader.node, self.describe(&live))
        })
    }

    /// Whether all probes are done; asks for the next one.
    fn unserved(&mut self) -> Option<String> {
        if !self.recovery.is_planned {
            self.recovery.is_planned = true;
            let live = self.live();
            let ask = self.machines.leader().unwrap_or(NodeId(1));
            let voters = self.observer.members().voters.clone();
            let writers = live.iter().copied().filter(|node| voters.contains(node));
            let writes = writers.map(|node| Probe::Write { node, ask: node });
            let reads = live.iter().copied().map(|node| Probe::Read { node });
            let mut probes: Vec<Probe> = writes.chain(reads).collect();
            probes.push(Probe::ReadAll { ask });
            probes.reverse();
            self.recovery.probes = probes;
        }
        if self.recovery.pending.is_none()
            && let Some(probe) = self.recovery.probes.pop()
        {
            self.probe(probe);
        }
        let (_, probe) = self.recovery.pending.as_ref()?;
        let node = match probe {
            Probe::Write { ask, .. }
            | Probe::ReadAll { ask }
            | Probe::Alarms { ask }
            | Probe::Compact { ask }
            | Probe::Disarm { ask, .. } => *ask,
            Probe::Read { node } | Probe::Defragment { node } => *node,
        };
        let live = self.live();
        Some(format!(
            "{probe:?} waits for {node} ({}); {}",
            self.recovery.missing,
            self.describe(&live)
        ))
    }

    fn probe(&mut self, probe: Probe) {
        let process = self.processes.spawn(Asker::Probe);
        let id = RequestId { process, sequence: 0 };
        let (node, request) = match probe {
            Probe::Write { node, ask } => {
                let put = PutRequest::new(format!("probe-{node}"), format!("{process}"));
                (ask, Request::Put(put))
            }
            Probe::Read { node } => {
                let range = KeyRange::single(format!("probe-{node}"));
                (node, Request::Range(RangeRequest::new(range)))
            }
            // etcd's way to say everything: from the lowest key on.
            Probe::ReadAll { ask } => {
                (ask, Request::Range(RangeRequest::new(KeyRange::from_key(vec![0]))))
            }
            Probe::Alarms { ask } => {
                let (action, alarm) = (AlarmAction::Get, Some(Alarm::NoSpace));
                let get = MaintenanceRequest::Alarm { action, member: NodeId(0), alarm };
                (ask, Request::Maintenance(get))
            }
            Probe::Compact { ask } => {
                let compact = CompactRequest { revision: self.acked, physical: true };
                (ask, Request::Compact(compact))
            }
            Probe::Defragment { node } => {
                (node, Request::Maintenance(MaintenanceRequest::Defragment))
            }
            Probe::Disarm { node, ask } => {
                let (action, alarm) = (AlarmAction::Deactivate, Some(Alarm::NoSpace));
                let disarm = MaintenanceRequest::Alarm { action, member: node, alarm };
                (ask, Request::Maintenance(disarm))
            }
        };
        let user = (auth::ROOT.to_owned(), None);
        let operation = self.invoke(id, node, Some(user), request.clone());
        let pending = Pending { wire: id, operation, floor: self.acked, resends: 0 };
        self.recovery.pending = Some((pending, probe));
        self.later(self.now + limits::ADMIN_TIMEOUT, Due::Timeout { id });
        self.ask(id, node, root(), request);
    }

    /// An answer, or none in time.
    pub(crate) fn on_probe_answer(&mut self, id: RequestId, answer: Option<Answer>) {
        let pending = self.recovery.pending.take_if(|(pending, _)| pending.wire == id);
        let Some((pending, probe)) = pending else { return };
        let completion = completion(answer, self.mutations);
        let again = self.after_probe(probe, &completion);
        if let Completion::Fail(error) | Completion::Info(error) = &completion {
            self.recovery.missing = error.to_string();
        }
        let wants_room = matches!(probe, Probe::Write { .. })
            && matches!(completion, Completion::Fail(Error::NoSpace))
            && self.has_alarms();
        let is_raised = matches!(probe, Probe::Alarms { .. }) && tells_an_alarm(&completion);
        self.complete(pending.operation, completion);
        self.recovery.probes.extend(again);
        // Until the alarm is raised the write is asked for anew: another member would still do it.
        if wants_room {
            let ask = self.machines.leader().unwrap_or(NodeId(1));
            self.recovery.probes.push(Probe::Alarms { ask });
        }
        if is_raised {
            self.make_room();
        }
        if again.is_none() {
            // The next one need not wait for the next look.
            self.unserved();
        }
    }

    /// Whether alarms for want of space belong to the plan. A disk that is full refuses in the same words.
    fn has_alarms(&self) -> bool {
        let raises =
            |it: &PlannedOperation| matches!(it.step, Step::Maintain(MaintenanceStep::Raise(_)));
        self.plan.cluster.tuning.quota_bytes != Tuning::default().quota_bytes
            || self.plan.clients.iter().any(|client| client.operations.iter().any(raises))
    }

    /// What an operator does about it: compacts, defragments every member, puts the alarms down.
    fn make_room(&mut self) {
        let ask = self.machines.leader().unwrap_or(NodeId(1));
        let disarms = self.machines.started().into_iter().map(|node| Probe::Disarm { node, ask });
        let defragments = self.live().into_iter().map(|node| Probe::Defragment { node });
        self.recovery.probes.extend(disarms.chain(defragments));
        self.recovery.probes.push(Probe::Compact { ask });
    }

    /// What must be asked again after this.
    fn after_probe(&self, probe: Probe, completion: &Completion<Response, Error>) -> Option<Probe> {
        let leader = self.machines.leader();
        // A member that was removed since the probes were written down owes nobody a read.
        let is_owed = match probe {
            Probe::Read { node } | Probe::Defragment { node } => self.live().contains(&node),
            Probe::Write { .. }
            | Probe::ReadAll { .. }
            | Probe::Alarms { .. }
            | Probe::Compact { .. }
            | Probe::Disarm { .. } => true,
        };
        match completion {
            Completion::Ok(_) => None,
            // Learners do not serve linearizable reads.
            Completion::Fail(Error::Learner) if matches!(probe, Probe::Read { .. }) => None,
            Completion::Fail(_) | Completion::Info(_) if !is_owed => None,
            Completion::Fail(Error::Compacted { .. }) if matches!(probe, Probe::Compact { .. }) => {
                None
            }
            Completion::Fail(_) | Completion::Info(_) => {
                let hint = match completion {
                    Completion::Fail(Error::NotLeader { hint }) => *hint,
                    Completion::Ok(_) | Completion::Fail(_) | Completion::Info(_) => leader,
                };
                Some(match probe {
                    Probe::Write { node, ask } => Probe::Write { node, ask: hint.unwrap_or(ask) },
                    Probe::Read { .. } | Probe::Defragment { .. } => probe,
                    Probe::Alarms { ask } => Probe::Alarms { ask: hint.unwrap_or(ask) },
                    Probe::Compact { ask } => Probe::Compact { ask: hint.unwrap_or(ask) },
                    Probe::Disarm { node, ask } => Probe::Disarm { node, ask: hint.unwrap_or(ask) },
                    Probe::ReadAll { ask } => Probe::ReadAll { ask: leader.unwrap_or(ask) },
                })
            }
        }
    }

    /// Whether all members hold the same, and clients are done.
    fn unequal(&self) -> Option<String> {
        let live = self.live();
        let first = &self.machines_of(&live).next()?.status;
        let same = |m: &Machine| (m.status.applied, m.status.chain) == (first.applied, first.chain);
        let settled =
            |m: &Machine| !m.status.is_joint && !m.status.receives_snapshot && !m.status.transfers;
        let all = self.machines_of(&live).all(|m| same(m) && settled(m));
        if !all || first.is_joint {
            return Some(format!("members differ; {}", self.describe(&live)));
        }
        let stranger = self.machines_of(&live).find(|m| m.status.lacks_disk);
        if let Some(stranger) = stranger {
            return Some(format!("nobody has put the disk of {} into the log", stranger.node));
        }
        let waiting = self.clients.iter().find_map(|client| client.pending);
        waiting.map(|pending| format!("{} has no outcome", pending.wire))
    }

    /// Whether somebody still owes an answer. Whoever asked may have given up long ago: that a request was dropped shows
    /// nowhere else, for to clients it is one that took too long.
    fn unanswered(&self) -> Option<String> {
        let live = self.live();
        let (node, id) = self
            .machines_of(&live)
            .find_map(|machine| Some((machine.node, machine.serving.first()?)))?;
        Some(format!("{node} has not answered {id}; {}", self.describe(&live)))
    }

    /// Whether somebody keeps what nobody needs: beside its newest snapshot an older one, or the beginning of one that never
    /// became whole. It would fill the disk in years, and nobody would know by what.
    fn littered(&self) -> Option<String> {
        self.live().into_iter().find_map(|node| {
            let names = self.machines.get(node).disk.names().map(|name| name.0.as_str());
            let (begun, whole): (Vec<&str>, Vec<&str>) = names
                .filter(|name| name.starts_with("snapshot-"))
                .partition(|name| name.to_ascii_lowercase().ends_with(".tmp"));
            let litters = !begun.is_empty() || whole.len() > 1;
            litters.then(|| format!("{node} keeps {}", [whole, begun].concat().join(", ")))
        })
    }

    fn describe(&self, nodes: &[NodeId]) -> String {
        let words = nodes.iter().map(|node| {
            let machine = self.machines.get(*node);
            let status = &machine.status;
            let mut words = format!(
                "{node}@{} {:?} applied {} commit {} last {}",
                status.term, status.role, status.applied, status.commit, status.last
            );
            for (is_so, word) in [
                (machine.life != Life::Up, " down"),
                (status.is_joint, " joint"),
                (status.receives_snapshot, " receives a snapshot"),
            ] {
                words.push_str(if is_so { word } else { "" });
            }
            words
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// Whether somebody says that there is no room.
fn tells_an_alarm(completion: &Completion<Response, Error>) -> bool {
    let Completion::Ok(response) = completion else { return false };
    let Body::Maintenance(MaintenanceResponse::Alarm(alarms)) = &response.body else {
        return false;
    };
    !alarms.is_empty()
}
