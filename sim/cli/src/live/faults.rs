//! The faults, and which of them comes next.

use super::wires::Cut;
use crate::exit::CliError;
use std::collections::VecDeque;
use whitewater_record::seed::Stream;

/// What the nemesis does, the more often the more often it stands here.
const FAULTS: [Fault; 18] = [
    Fault::Kill,
    Fault::Kill,
    Fault::KillAll,
    Fault::Terminate,
    Fault::Pause,
    Fault::Pause,
    Fault::Cut(Cut::Both),
    Fault::Cut(Cut::Both),
    Fault::Cut(Cut::From),
    Fault::FullDisk,
    Fault::Damage,
    Fault::Damage,
    Fault::MoveLeader,
    Fault::Backup,
    Fault::NoSpace,
    Fault::Replace,
    Fault::ReplaceUnderFire,
    Fault::Lose,
];

/// What is done to others meanwhile: after all of these they go on with what their disks hold.
pub(super) const BLOWS: [Fault; 8] = [
    Fault::Kill,
    Fault::Kill,
    Fault::Pause,
    Fault::Pause,
    Fault::Cut(Cut::Both),
    Fault::Cut(Cut::From),
    Fault::Terminate,
    Fault::FullDisk,
];

/// What is done to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// `kill -9`, and started again.
    Kill,
    /// The same for all at once, as when the power of a rack fails.
    KillAll,
    /// SIGTERM, and started again.
    Terminate,
    /// SIGSTOP, and SIGCONT.
    Pause,
    /// Its connections to the others stand still.
    Cut(Cut),
    /// The system refuses what it writes; started again.
    FullDisk,
    /// `kill -9`, some bits of its files are turned, and started again.
    Damage,
    /// An operator moves the leadership to it.
    MoveLeader,
    /// An operator takes a backup of it.
    Backup,
    /// An operator says that it has no space left, and later that it has.
    NoSpace,
    /// An operator adds a member and removes it.
    Replace,
    /// The same, and another one is killed while the new one catches up.
    ReplaceUnderFire,
    /// `kill -9`, its disk is gone, and an operator removes it and adds another one.
    Lose,
}

/// Which fault comes next.
pub(super) struct Deck {
    /// In turn, over all rounds; none to draw whichever.
    named: VecDeque<Fault>,
    /// So many of them, the first ones, were never played.
    fresh: usize,
    /// As many may be left of these when the round ends.
    left: usize,
}

impl Deck {
    /// Of the faults with these names; of all, if there are none.
    pub(super) fn of(names: &[String]) -> Result<Self, CliError> {
        let named = names.iter().map(|name| Fault::named(name));
        let named: VecDeque<Fault> = named.collect::<Result<_, _>>()?;
        Ok(Self { fresh: named.len(), left: 0, named })
    }

    /// A round begins, which owes its share of what was never played: there are `rounds` with it to play all.
    pub(super) const fn begin_round(&mut self, rounds: usize) {
        self.left = self.fresh - self.fresh.div_ceil(rounds);
    }

    /// Whether the round has not played its share yet.
    pub(super) const fn owes(&self) -> bool {
        self.fresh > self.left
    }

    /// The next one, if it can be now. One that cannot keeps its turn, and comes after the next one that can.
    pub(super) fn next(
        &mut self,
        draws: &mut Stream,
        fits: impl Fn(Fault) -> bool,
    ) -> Option<Fault> {
        if self.named.is_empty() {
            return Some(*draws.pick(&FAULTS)).filter(|fault| fits(*fault));
        }
        let place = self.named.iter().position(|fault| fits(*fault))?;
        let fault = self.named.remove(place)?;
        self.named.push_back(fault);
        self.fresh -= usize::from(place < self.fresh);
        Some(fault)
    }
}

/// What decides which faults can be.
pub(super) struct Situation {
    pub(super) members: usize,
    /// The place of who leads.
    pub(super) leader: Option<usize>,
    /// The place of whom it would hit.
    pub(super) victim: usize,
    pub(super) repair_themselves: bool,
    /// Clients may be asked who they are.
    pub(super) has_users: bool,
    /// Clients change who is a member.
    pub(super) has_operators: bool,
}

impl Situation {
    /// The place after this one.
    pub(super) const fn next(&self, place: usize) -> usize {
        (place + 1) % self.members
    }

    /// Whether a fault would be at this place.
    pub(super) fn is_hit(&self, fault: Fault, place: usize) -> bool {
        let is_beside = fault == Fault::ReplaceUnderFire && place == self.next(self.victim);
        fault == Fault::KillAll || place == self.victim || is_beside
    }

    /// Whether a fault can be, and leaves a majority that holds everything.
    pub(super) fn allows(&self, fault: Fault) -> bool {
        match fault {
            // One at a time may learn: somebody whom clients add is in the way, for as long as they like.
            Fault::Damage | Fault::Lose | Fault::Replace | Fault::ReplaceUnderFire
                if self.has_operators =>
            {
                false
            }
            Fault::Damage => self.members > 2 && self.repair_themselves,
            Fault::Lose | Fault::ReplaceUnderFire => self.members > 2,
            Fault::MoveLeader => self.leader.is_some_and(|leader| leader != self.victim),
            Fault::Backup => !self.has_users,
            Fault::Kill
            | Fault::KillAll
            | Fault::Terminate
            | Fault::Pause
            | Fault::Cut(_)
            | Fault::FullDisk
            | Fault::NoSpace
            | Fault::Replace => true,
        }
    }
}

impl Fault {
    /// By its name on the command line.
    fn named(name: &str) -> Result<Self, CliError> {
        let known = FAULTS.iter().find(|fault| fault.flag() == name);
        known.copied().ok_or_else(|| {
            let mut names = FAULTS.map(Self::flag).to_vec();
            names.dedup();
            CliError::Usage(format!("no fault is called {name}: there are {}", names.join(", ")))
        })
    }

    fn flag(self) -> String {
        self.name().replace(' ', "-")
    }

    /// Whether it is over by itself after a while.
    pub(super) fn is_blow(self) -> bool {
        BLOWS.contains(&self)
    }

    /// What the line of a round calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::KillAll => "kill all",
            Self::Terminate => "terminate",
            Self::Pause => "pause",
            Self::Cut(Cut::Both) => "cut",
            Self::Cut(Cut::From) => "one-way cut",
            Self::FullDisk => "full disk",
            Self::Damage => "damage",
            Self::MoveLeader => "move leader",
            Self::Backup => "backup",
            Self::NoSpace => "no space",
            Self::Replace => "replace",
            Self::ReplaceUnderFire => "replace under fire",
            Self::Lose => "lose disk",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_record::Seed;

    #[test]
    fn named_faults_come_in_turn_and_one_that_does_not_fit_keeps_its_turn() {
        let names = ["kill", "backup", "one-way-cut"].map(str::to_owned);
        let (mut deck, mut draws) = (Deck::of(&names).unwrap(), Seed(1).stream("deck", 0));
        deck.begin_round(1);
        let mut next = |fits: fn(Fault) -> bool| (deck.next(&mut draws, fits), deck.owes());
        assert_eq!(next(|_| true), (Some(Fault::Kill), true));
        assert_eq!(next(|fault| fault != Fault::Backup), (Some(Fault::Cut(Cut::From)), true));
        assert_eq!(next(|fault| fault == Fault::Kill), (Some(Fault::Kill), true));
        assert_eq!(next(|_| false), (None, true));
        assert_eq!(next(|_| true), (Some(Fault::Backup), false), "now all were played");
        assert_eq!(next(|_| true), (Some(Fault::Cut(Cut::From)), false));
    }

    #[test]
    fn every_round_plays_its_share_of_what_was_never_played() {
        let names = ["kill", "pause", "cut"].map(str::to_owned);
        let (mut deck, mut draws) = (Deck::of(&names).unwrap(), Seed(1).stream("deck", 0));
        let mut shares = Vec::new();
        for rounds in [2, 1, 1] {
            deck.begin_round(rounds);
            let mut share = 0;
            while deck.owes() {
                deck.next(&mut draws, |_| true);
                share += 1;
            }
            shares.push(share);
        }
        assert_eq!(shares, [2, 1, 0]);
    }

    #[test]
    fn a_fault_that_nobody_knows_is_refused_and_all_others_are_known() {
        let Err(CliError::Usage(text)) = Deck::of(&["flood".to_owned()]).map(|_| ()) else {
            panic!("it is not refused")
        };
        assert!(text.ends_with("replace, replace-under-fire, lose-disk"), "{text}");
        let names = FAULTS.map(Fault::flag);
        assert_eq!(Deck::of(&names).unwrap().named, FAULTS);
    }
}
