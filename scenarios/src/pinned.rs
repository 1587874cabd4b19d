//! The pinned plans: small ones that show deliberate bugs, and those in which the core once failed by itself.

/// Name and text of the plans of deliberate bugs, in the order of names.
const MUTANTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/mutants.rs"));

/// Name and text of the plans of fixed bugs, in the order of names.
const REGRESSIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/regressions.rs"));

/// How the first line of the plan of a deliberate bug begins. The codes of the checks that may object first follow.
const KILLS: &str = "# Kills: ";

/// A pinned plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The name of the bug.
    pub name: &'static str,
    /// The plan as TOML, with the story of it in comments.
    pub text: &'static str,
}

/// A small plan for each deliberate bug that has one.
pub fn mutants() -> impl Iterator<Item = Pinned> {
    MUTANTS.iter().map(|(name, text)| Pinned { name, text })
}

/// A plan for each bug of the core that was found and fixed. All of them pass.
pub fn regressions() -> impl Iterator<Item = Pinned> {
    REGRESSIONS.iter().map(|(name, text)| Pinned { name, text })
}

impl Pinned {
    /// The codes of the checks of which one is expected to object first, if it is a deliberate bug.
    pub fn killers(self) -> impl Iterator<Item = &'static str> {
        let first = self.text.lines().next().and_then(|line| line.strip_prefix(KILLS));
        first.into_iter().flat_map(|codes| codes.split(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_there_and_those_of_deliberate_bugs_name_their_killers() {
        assert!(regressions().count() >= 3);
        assert!(mutants().count() > 40);
        for mutant in mutants() {
            assert!(mutant.killers().count() > 0, "{}: no line `{KILLS}<codes>`", mutant.name);
        }
    }
}
