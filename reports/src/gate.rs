//! Gates: what a campaign must have seen before its silence means anything (shared design, "nothing green by accident").

use crate::{Campaign, Ruling, Totals};
use serde::Serialize;
use std::fmt;
use whitewater_record::{FaultCount, moment};

/// A kind of fault that was carried out so often must have been witnessed once.
pub const APPLIED_MIN: u64 = 20;

/// A campaign over so many seeds must have evaluated every check once.
pub const SEEDS_MIN: u64 = 20;

/// One seed of so many may have drawn faults none of which was seen to matter. The mildest scenario has one of 250.
pub const IDLE_ONE_IN: u64 = 20;

/// A gate that a campaign did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// A kind of fault was carried out often and never had an effect.
    Unwitnessed {
        /// The kind.
        fault: String,
        /// How often it was carried out.
        applied: u64,
    },
    /// Faults were asked for, and none was carried out.
    NoFault {
        /// How many were asked for.
        requested: u64,
    },
    /// In too many seeds none of the faults was seen to matter.
    Idle {
        /// In how many.
        seeds: u64,
        /// Of how many.
        of: u64,
    },
    /// Rare moments were never reached.
    Unreached {
        /// Their names.
        moments: Vec<String>,
    },
    /// A check was never evaluated.
    Unchecked {
        /// The check.
        check: String,
    },
}

impl Gate {
    /// What a campaign is that does not pass this gate.
    pub const fn ruling(&self) -> Ruling {
        match self {
            Self::Unwitnessed { .. } | Self::NoFault { .. } | Self::Idle { .. } => {
                Ruling::Inconclusive
            }
            Self::Unchecked { .. } | Self::Unreached { .. } => Ruling::GateFailed,
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwitnessed { fault, applied } => write!(
                f,
                "fault `{fault}` was applied {applied} times and never witnessed: it may do nothing"
            ),
            Self::NoFault { requested } => {
                write!(f, "{requested} faults were requested and none was applied")
            }
            Self::Idle { seeds, of } => {
                write!(f, "none of the faults was seen to matter in {seeds} of {of} seeds")
            }
            Self::Unreached { moments } => {
                write!(f, "rare moments were never reached: {}", moments.join(", "))
            }
            Self::Unchecked { check } => {
                write!(f, "check `{check}` was never evaluated: its silence means nothing")
            }
        }
    }
}

/// A campaign of the default scenario over so many seeds must have reached every rare moment that is not
/// seldom. The rarest of these are met in one of 140 seeds: so many miss one in fewer than one of a thousand campaigns.
pub const MOMENT_SEEDS_MIN: u64 = 1_000;

/// The rare moments that no seed has reached.
pub(crate) fn unreached(totals: &Totals) -> impl Iterator<Item = &'static str> {
    moment::names().filter(|name| !totals.sometimes.contains_key(*name))
}

/// The gate on rare moments, which only a campaign of everything can be asked to pass.
pub fn unreached_gate(campaign: &Campaign, totals: &Totals) -> Option<Gate> {
    let is_everything = campaign.scenario == "swarm"
        && campaign.overrides.is_empty()
        && campaign.mutations.is_empty();
    let is_demanded = |name: &&str| !moment::SELDOM.contains(name);
    let moments: Vec<String> = unreached(totals).filter(is_demanded).map(str::to_owned).collect();
    (is_everything && totals.seeds >= MOMENT_SEEDS_MIN && !moments.is_empty())
        .then_some(Gate::Unreached { moments })
}

/// The gates that these sums do not pass. Where no fault was asked for, a check may have had nothing to look at.
pub fn failed(totals: &Totals) -> Vec<Gate> {
    let FaultCount { requested, applied, .. } = totals.faults.values().sum();
    let mut gates = Vec::new();
    if requested == 0 {
        return gates;
    }
    if requested >= APPLIED_MIN && applied == 0 {
        gates.push(Gate::NoFault { requested });
    }
    if totals.idle > totals.seeds / IDLE_ONE_IN {
        gates.push(Gate::Idle { seeds: totals.idle, of: totals.seeds });
    }
    for (fault, count) in &totals.faults {
        if count.applied >= APPLIED_MIN && count.witnessed == 0 {
            gates.push(Gate::Unwitnessed { fault: fault.clone(), applied: count.applied });
        }
    }
    for (check, checked) in &totals.checks {
        if totals.seeds >= SEEDS_MIN && checked.evaluations == 0 {
            gates.push(Gate::Unchecked { check: check.clone() });
        }
    }
    gates
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_record::Checked;

    fn totals(applied: u64, witnessed: u64, evaluations: u64) -> Totals {
        let mut totals = Totals { seeds: 100, ..Totals::default() };
        totals.faults.insert("crash".into(), FaultCount { requested: 100, applied, witnessed });
        totals
            .checks
            .insert("vote-once".into(), Checked { evaluations, discriminating: evaluations });
        totals
    }

    #[test]
    fn faults_without_a_witness_are_inconclusive_and_idle_checks_fail_the_gate() {
        assert_eq!(failed(&totals(100, 1, 1)), []);
        let gates = failed(&totals(100, 0, 1));
        assert_eq!(gates, [Gate::Unwitnessed { fault: "crash".into(), applied: 100 }]);
        assert_eq!(gates[0].ruling(), Ruling::Inconclusive);
        let gates = failed(&totals(100, 1, 0));
        assert_eq!(gates, [Gate::Unchecked { check: "vote-once".into() }]);
        assert_eq!(gates[0].ruling(), Ruling::GateFailed);
        assert_eq!(failed(&totals(0, 0, 1)), [Gate::NoFault { requested: 100 }]);
    }

    #[test]
    fn a_long_campaign_of_everything_must_reach_every_rare_moment() {
        let campaign = Campaign { scenario: "swarm".into(), ..Campaign::default() };
        let mut totals = Totals { seeds: MOMENT_SEEDS_MIN, ..Totals::default() };
        totals.sometimes = moment::names().map(|name| (name.to_owned(), 1)).collect();
        assert_eq!(unreached_gate(&campaign, &totals), None);
        totals.sometimes.remove("leader crashed");
        let gate = unreached_gate(&campaign, &totals).expect("one is missing");
        assert_eq!(gate, Gate::Unreached { moments: vec!["leader crashed".to_owned()] });
        assert_eq!(gate.ruling(), Ruling::GateFailed);
        let short = Totals { seeds: MOMENT_SEEDS_MIN - 1, ..totals.clone() };
        assert_eq!(unreached_gate(&campaign, &short), None);
        let mutant = Campaign { mutations: vec!["local-read".into()], ..campaign };
        assert_eq!(unreached_gate(&mutant, &totals), None);
    }

    #[test]
    fn a_few_idle_seeds_are_chance_and_many_leave_a_campaign_undecided() {
        let idle = |idle, seeds| failed(&Totals { seeds, idle, ..totals(100, 1, 1) });
        assert_eq!(idle(4, 1_000), []);
        assert_eq!(idle(1, 20), []);
        assert_eq!(idle(1, 19), [Gate::Idle { seeds: 1, of: 19 }]);
        assert_eq!(idle(51, 1_000), [Gate::Idle { seeds: 51, of: 1_000 }]);
        assert_eq!(idle(1, 1)[0].ruling(), Ruling::Inconclusive);
    }

    #[test]
    fn a_scenario_without_faults_and_a_short_campaign_pass_no_gate_by_force() {
        let mut quiet = totals(0, 0, 0);
        quiet.faults.clear();
        assert_eq!(failed(&quiet), []);
        assert_eq!(failed(&Totals { seeds: 3, ..totals(3, 0, 0) }), []);
    }
}
