//! Every bound of the crate.

use serde::{Deserialize, Serialize};
use whitewater_record::{Fault, Plan, PlannedFault, Span};

/// How much work a judge may do before it gives up, and what it may take for granted. Giving up is `Undecided`, never a
/// pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Configurations that the black-box judge may visit in one history.
    pub configurations_max: u64,
    /// Bytes that it may hold at a time, roughly.
    #[serde(default = "bytes_max")]
    pub bytes_max: u64,
    /// Replayed revisions, of all attempts together, that the white-box judge may spend on guessing who made the
    /// revisions that nobody acknowledged. The first pass over the history is free.
    pub replays_max: u64,
    /// Configurations that the judge of registers and independent keys may visit for one key.
    #[serde(default = "plain_configurations_max")]
    pub plain_configurations_max: u64,
    /// Bytes that it may hold at a time for one key.
    #[serde(default = "plain_bytes_max")]
    pub plain_bytes_max: u64,
    /// What clocks and elections may do to leases.
    pub lease: LeaseBound,
    /// A member that was heard from so long ago, or later, certainly counts as connected. Only where nobody but clients
    /// changes who votes.
    #[serde(default)]
    pub contact: Option<Span>,
    /// How long tokens are good, where that is known.
    #[serde(default)]
    pub tokens: Option<TokenBound>,
}

/// How long a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBound {
    /// Tokens say themselves as of which revision they were given, so every change of users, roles and permissions ends them.
    pub signed: bool,
    /// A simple token is certainly over when it was not shown for so long, a signed one so long after it was given; nothing where
    /// nobody knows: each member has a clock of its own for simple ones, which begins when it learns of the token, and faults
    /// keep members from learning.
    pub ttl: Option<Span>,
}

impl TokenBound {
    /// What a plan says of tokens.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let signed = plan.cluster.tuning.signed_tokens;
        let is_calm = plan.faults.is_empty() && plan.network.loss_ppm == 0;
        let ttl = Span::seconds(plan.cluster.tuning.token_ttl_s.min(1_000_000));
        let drift = u64::from(LeaseBound::of(plan).drift_ppm);
        // A signed token's time is that of the host, which has drifted since its start.
        let drifted = (ttl.0 + plan.duration.0).saturating_mul(2 * drift) / 1_000_000;
        let ttl = Span(ttl.0 + drifted) + TOKEN_SLACK;
        Self { signed, ttl: (signed || is_calm).then_some(ttl) }
    }
}

/// How far the end of a lease may lie from the time that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseBound {
    /// By how much a node's clock may run too fast or too slow, in parts per million.
    pub drift_ppm: u32,
    /// How much longer than granted a lease may have to live: a new leader adds an election timeout, and spreads the
    /// ends of many leases (etcd, `lease/lessor.go`, `Promote`).
    pub extension: Span,
    /// How long after its time a lease must have ended at the latest, whoever led. Each election begins the time anew, and
    /// nobody ends leases while there is no leader; so it depends on how long a run suffers faults, and no clock bounds it.
    pub slack: Span,
    /// The same, if one leader was in office from the renewal to the question, as their terms tell. Then its clock
    /// alone counts, and how long its writes may be held up.
    #[serde(default = "steady")]
    pub steady: Span,
}

impl LeaseBound {
    /// Clocks off by a fifth, as far as the catalogue of scenarios goes; a minute; five minutes; two.
    pub const USUAL: Self = Self {
        drift_ppm: 200_000,
        extension: Span::seconds(60),
        slack: Span::seconds(300),
        steady: steady(),
    };
}

impl LeaseBound {
    /// What a plan does to clocks and elections. Each clock runs as wrong as the worst of its profile, and all of its drifts
    /// at once. A lease that a new leader finds gets an election timeout on top, and answers are in whole seconds. A leader
    /// that stays in office ends a lease on its own time, unless faults hold its writes up, which they can do as long as
    /// they last. Without faults and lost messages nobody but the first leader is elected; how many elections there are
    /// otherwise the plan does not say, and then it is the usual.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let profiles = plan.cluster.clocks.iter().map(|clock| clock.drift_ppm.unsigned_abs());
        let drifts = plan.faults.iter().map(|planned| {
            if let Fault::DriftClock { ppm, .. } = &planned.fault { ppm.unsigned_abs() } else { 0 }
        });
        let drift_ppm = drifts.fold(profiles.max().unwrap_or(0), u32::saturating_add);
        let tuning = &plan.cluster.tuning;
        let election = Span::millis(tuning.election_ms());
        let is_calm = plan.faults.is_empty() && plan.network.loss_ppm == 0;
        let lasting = plan.faults.iter().fold(Span(0), |all, planned| all + planned.lasts);
        let steady = election + election + election + COMMIT + lasting;
        let slack = if is_calm { steady } else { Self::USUAL.slack };
        Self { drift_ppm, extension: election + Span::seconds(1), slack, steady }
    }
}

impl Default for LeaseBound {
    /// [`Self::USUAL`]
    fn default() -> Self {
        Self::USUAL
    }
}

/// Times of tokens are in whole seconds, on both sides; and every member has learned of a token by then.
const TOKEN_SLACK: Span = Span::seconds(3);

/// Until the end of a lease that is due is in the log everywhere.
const COMMIT: Span = Span::seconds(5);

/// Default of [`Budget::plain_configurations_max`]: some tens of seconds.
pub const PLAIN_CONFIGURATIONS_MAX: u64 = 50_000_000;

/// Default of [`Budget::plain_bytes_max`].
pub const PLAIN_BYTES_MAX: u64 = 1 << 30;

/// Default of [`Budget::configurations_max`]: about a second. It is only spent where no order of the revisions proves the
/// history right, which is rare. Of 120 hostile histories without
/// that proof 115 are decided at a tenth of it.
pub const CONFIGURATIONS_MAX: u64 = 200_000;

/// Default of [`Budget::bytes_max`].
pub const BYTES_MAX: u64 = 1 << 30;

/// Default of [`Budget::replays_max`]: about a second.
pub const REPLAYS_MAX: u64 = 2_000_000;

/// With one contradiction for so many operations, states that lead to one are remembered: to see which of them are the same,
/// the history is gone through once more.
pub(crate) const OPERATIONS_PER_CONTRADICTION: usize = 16;

/// Of more keys whose state hangs on guesses none is remembered.
pub(crate) const FAILED_KEYS_MAX: usize = 64;

/// What is remembered of states, in words of eight bytes.
pub(crate) const FAILED_WORDS_MAX: usize = 1 << 25;

/// Operations that are judged, in all parts together, to find a small one that fails: some seconds.
pub const CHECKED_MAX: u64 = 5_000_000;

/// The same, where each part is searched.
pub const SEARCHED_MAX: u64 = CHECKED_MAX / 100;

/// Operations, rows and beliefs that are shown as the grounds of an objection. More explain nothing.
pub const GROUNDS_MAX: usize = 200;

/// A window of a [`Stream`](crate::Stream) grows to so many times its size while it waits for an explanation.
pub const WINDOWS_MAX: usize = 4;

/// How wide the black-box search is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beam {
    /// Configurations kept after an event.
    pub(crate) frontier: usize,
    /// Configurations visited on the way from one of them to the next event.
    pub(crate) steps: u64,
    /// Operations of unknown outcome are tried where nothing asks for them.
    pub(crate) has_optional_rivals: bool,
    /// How far to go back to begin with this width, in events.
    pub(crate) back_events: usize,
}

/// From narrow to complete. The last one must leave nothing out, and start at the start.
pub(crate) const BEAMS: [Beam; 6] = [
    Beam { frontier: 8, steps: 64, has_optional_rivals: false, back_events: 0 },
    Beam { frontier: 8, steps: 128, has_optional_rivals: true, back_events: 32 },
    Beam { frontier: 64, steps: 1024, has_optional_rivals: true, back_events: 64 },
    Beam { frontier: 512, steps: 8192, has_optional_rivals: true, back_events: 128 },
    Beam { frontier: 512, steps: 8192, has_optional_rivals: true, back_events: 1024 },
    Beam {
        frontier: usize::MAX,
        steps: u64::MAX,
        has_optional_rivals: true,
        back_events: usize::MAX,
    },
];

/// This part of the budget is kept for the last of [`BEAMS`].
pub(crate) const RESERVE: u64 = 4;

/// Wrong rows of streams after which the rest is not read.
pub(crate) const OBJECTIONS_MAX: usize = 64;

/// Events between two places to go back to.
pub(crate) const CHECKPOINT_EVENTS: usize = 16;

/// Visits that the depth-first engine of the plain judge gets: so many in any case, and so many for each event.
pub(crate) const PLAIN_VISITS_MIN: u64 = 2_000;
/// See [`PLAIN_VISITS_MIN`].
pub(crate) const PLAIN_VISITS_PER_EVENT: u64 = 4;

/// So many ways to say who made the revisions of which no answer tells are searched one by one.
pub(crate) const WAYS_MAX: usize = 256;

/// Widths at which the plain judge tries a frontier before it tries the whole.
pub(crate) const PLAIN_BEAMS: [usize; 2] = [16, 256];

/// Configurations that a stream keeps for one key. Beyond that it can still see that a history is good.
pub(crate) const STREAM_WIDTH: usize = 1 << 14;

/// Values of one key among which a stream looks for those that are gone.
pub(crate) const STREAM_VALUES_MIN: usize = 1 << 8;

impl Budget {
    /// The usual one, for the history of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            lease: LeaseBound::of(plan),
            contact: contact(plan),
            tokens: Some(TokenBound::of(plan)),
            ..Self::default()
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            configurations_max: CONFIGURATIONS_MAX,
            bytes_max: BYTES_MAX,
            replays_max: REPLAYS_MAX,
            plain_configurations_max: PLAIN_CONFIGURATIONS_MAX,
            plain_bytes_max: PLAIN_BYTES_MAX,
            lease: LeaseBound::default(),
            contact: None,
            tokens: None,
        }
    }
}

/// Half an election timeout: the other half is for clocks that run too fast.
fn contact(plan: &Plan) -> Option<Span> {
    let changes_members = |planned: &PlannedFault| {
        matches!(
            planned.fault,
            Fault::Member { .. }
                | Fault::ReplaceMember { .. }
                | Fault::WipeDisk { .. }
                | Fault::DamageDisk { .. }
                | Fault::Restore { .. }
        )
    };
    let tuning = &plan.cluster.tuning;
    let is_known = tuning.health_ms == 0 && !plan.faults.iter().any(changes_members);
    is_known.then(|| Span::millis(tuning.election_ms() / 2))
}

const fn steady() -> Span {
    Span::seconds(120)
}

const fn plain_configurations_max() -> u64 {
    PLAIN_CONFIGURATIONS_MAX
}

const fn bytes_max() -> u64 {
    BYTES_MAX
}

const fn plain_bytes_max() -> u64 {
    PLAIN_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_record::{SimTime, Victim};

    #[test]
    fn leases_are_held_to_what_the_plan_does() {
        let text = "version = 1\nscenario = \"lease_holders\"\nseed = \"1\"\nduration = \"30s\"\ntimeout = \"1s\"\n\
                    network = \"calm\"\ndisk = \"calm\"\n[cluster]\nnodes = 3\n";
        let mut plan = Plan::from_toml("plan", text).expect("it is a plan");
        let calm = LeaseBound::of(&plan);
        assert_eq!((calm.drift_ppm, calm.extension), (0, Span::seconds(2)));
        assert_eq!((calm.slack, calm.steady), (Span::seconds(8), Span::seconds(8)));
        plan.network.loss_ppm = 1;
        assert_eq!(LeaseBound::of(&plan).slack, LeaseBound::USUAL.slack);
        plan.network.loss_ppm = 0;
        let fault = Fault::DriftClock { victim: Victim::Leader, ppm: -500 };
        plan.faults = vec![PlannedFault { at: SimTime(0), lasts: Span::seconds(1), fault }];
        let drifting = LeaseBound::of(&plan);
        assert_eq!(drifting.drift_ppm, 500);
        assert_eq!(drifting.slack, LeaseBound::USUAL.slack);
        assert_eq!(drifting.steady, Span::seconds(9));
    }
}
