//! `JUnit` XML, for CI: suite = scenario, case = check, and one case for each failing signature and gate.
//!
//! Written by hand: four elements do not justify a dependency. No times, no host name, no timestamp. `docs/junit.xsd` says
//! what CI systems accept; `make formats` holds real files against it.

use crate::{CampaignResult, Failure, Ruling};
use std::fmt::Write;

#[derive(Default)]
struct Suite {
    cases: String,
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
}

/// The whole file.
pub fn junit(result: &CampaignResult) -> String {
    let class = format!("whitewater.{}", result.campaign.scenario);
    let mut suite = Suite::default();
    for (check, checked) in &result.totals.checks {
        if result.totals.codes.contains_key(check) {
            continue;
        }
        let idle = checked.evaluations == 0;
        suite.skipped += u64::from(idle);
        let body = if idle { "<skipped message=\"never evaluated\"/>" } else { "" };
        suite.case(&class, check, body);
    }
    for failure in &result.failures {
        suite.failures += 1;
        let name = failure.signature.to_string();
        suite.case(&class, &name, &failure_element(failure));
    }
    for gate in result.gates() {
        suite.failures += 1;
        let body = format!("<failure type=\"gate\" message=\"{}\"/>", escape(&gate.to_string()));
        suite.case(&class, "gate", &body);
    }
    for (seed, doubt) in &result.totals.doubts {
        suite.error(&class, "inconclusive", &format!("seed {seed}: {doubt}"));
    }
    for difference in &result.nondeterminism {
        suite.error(&class, "nondeterminism", difference);
    }
    if result.ruling() == Ruling::NothingRan {
        suite.error(&class, "nothing-ran", "no seed was run");
    }
    let Suite { cases, tests, failures, errors, skipped } = suite;
    let name = escape(&result.campaign.scenario);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"whitewater\">\n  <testsuite name=\"{name}\" \
         tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n{cases}  \
         </testsuite>\n</testsuites>\n"
    )
}

impl Suite {
    fn case(&mut self, class: &str, name: &str, body: &str) {
        self.tests += 1;
        let (class, name) = (escape(class), escape(name));
        write!(self.cases, "    <testcase classname=\"{class}\" name=\"{name}\"")
            .and_then(|()| match body {
                "" => writeln!(self.cases, "/>"),
                _ => writeln!(self.cases, ">\n      {body}\n    </testcase>"),
            })
            .expect("a string takes all that is written to it");
    }

    fn error(&mut self, class: &str, name: &str, message: &str) {
        self.errors += 1;
        let body = format!("<error type=\"{name}\" message=\"{}\"/>", escape(message));
        self.case(class, name, &body);
    }
}

fn failure_element(failure: &Failure) -> String {
    let violation = &failure.violation;
    let event = violation.event.map_or_else(String::new, |event| format!(", event {event}"));
    format!(
        "<failure type=\"{}\" message=\"{}\">seed {}, at {}{event}\n{}</failure>",
        escape(&violation.code),
        escape(&violation.sentence),
        failure.seed,
        violation.at,
        escape(&failure.repro),
    )
}

/// Keys and values are hostile input: markup is escaped, and what XML 1.0 cannot hold is replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Campaign;
    use whitewater_record::{Checked, Seed, Signature, SimTime, Violation};

    #[test]
    fn a_failing_signature_is_a_case_of_its_own_and_markup_is_escaped() {
        let mut result =
            CampaignResult::new(Campaign { scenario: "swarm".into(), ..Campaign::default() });
        result.totals.seeds = 2;
        result.totals.failed = 1;
        result.totals.checks.insert("vote-once".into(), Checked::default());
        result.totals.codes.insert("linearizable".into(), 1);
        let violation = Violation {
            code: "linearizable".into(),
            at: SimTime(5),
            event: None,
            node: None,
            sentence: "stale-read: p3 read <v\u{1}> & \"more\"".into(),
        };
        result.failures.push(Failure {
            seed: Seed(7),
            signature: Signature::of_violation(&violation),
            violation,
            folder: None,
            repro: "whitewater replay plan.toml".into(),
            shrunk: None,
        });
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"whitewater\">
  <testsuite name=\"swarm\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"1\">
    <testcase classname=\"whitewater.swarm\" name=\"vote-once\">
      <skipped message=\"never evaluated\"/>
    </testcase>
    <testcase classname=\"whitewater.swarm\" name=\"linearizability: stale-read\">
      <failure type=\"linearizable\" message=\"stale-read: p3 read &lt;v\u{fffd}&gt; &amp; &quot;more&quot;\">seed 7, at 5ns
whitewater replay plan.toml</failure>
    </testcase>
  </testsuite>
</testsuites>
";
        assert_eq!(junit(&result), expected);
    }
}
