//! The pinned plans: for each deliberate bug that has one, a small plan that shows it.

/// Name and text of each, in the order of names.
const MUTANTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/mutants.rs"));

/// How the first line of a pinned plan begins. The codes of the checks that may object first follow.
const KILLS: &str = "# Kills: ";

/// A pinned plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The name of the bug.
    pub name: &'static str,
    /// The plan as TOML, with the story of it in comments.
    pub text: &'static str,
}

/// Every pinned plan.
pub fn mutants() -> impl Iterator<Item = Mutant> {
    MUTANTS.iter().map(|(name, text)| Mutant { name, text })
}

impl Mutant {
    /// The codes of the checks of which one is expected to object first.
    pub fn killers(self) -> impl Iterator<Item = &'static str> {
        let first = self.text.lines().next().and_then(|line| line.strip_prefix(KILLS));
        first.into_iter().flat_map(|codes| codes.split(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pinned_plan_names_its_killers() {
        assert!(mutants().count() > 40);
        for mutant in mutants() {
            assert!(mutant.killers().count() > 0, "{}: no line `{KILLS}<codes>`", mutant.name);
        }
    }
}
