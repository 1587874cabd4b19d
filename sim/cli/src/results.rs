//! The results of a campaign as they come: one line a seed, appended at once, so that an interruption loses nothing and a
//! later run goes on where this one stopped.

use crate::exit::CliError;
use serde::Deserialize;
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use whitewater_record::{Outcome, Seed};

/// The file of results in the folder of a campaign.
pub(crate) const RESULTS: &str = "campaign.jsonl";

/// An open file of results.
#[derive(Debug)]
pub(crate) struct Results {
    path: PathBuf,
    file: File,
}

/// A line of one seed, as `whitewater_reports::lines::seed` writes it.
#[derive(Deserialize)]
struct SeedLine {
    kind: String,
    #[serde(flatten)]
    outcome: Outcome,
}

impl Results {
    /// Begins anew.
    pub(crate) fn create(folder: &Path, header: &str) -> Result<Self, CliError> {
        let path = folder.join(RESULTS);
        let file = File::create(&path).map_err(CliError::io(path.display().to_string()))?;
        let mut results = Self { path, file };
        results.append(header)?;
        Ok(results)
    }

    /// Goes on with what is there: the outcomes of the seeds from `first` on without a hole. What follows them, such as half
    /// a line, or the totals of a shorter campaign, is cut off. Begins anew if there is nothing.
    pub(crate) fn resume(
        folder: &Path,
        header: &str,
        first: Seed,
    ) -> Result<(Self, Vec<Outcome>), CliError> {
        let path = folder.join(RESULTS);
        if !path.exists() {
            return Ok((Self::create(folder, header)?, Vec::new()));
        }
        let broken = || CliError::io(path.display().to_string());
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(broken())?;
        let mut lines = BufReader::new(&file);
        let mut line = Vec::new();
        let mut kept = lines.read_until(b'\n', &mut line).map_err(broken())?;
        if line.strip_suffix(b"\n") != Some(header.as_bytes()) {
            return Err(CliError::Usage(format!(
                "{}: holds another campaign than the one to be resumed; give the same arguments as then, another --out, \
                 or no --resume",
                path.display()
            )));
        }
        let mut outcomes = Vec::new();
        loop {
            line.clear();
            let bytes = lines.read_until(b'\n', &mut line).map_err(broken())?;
            let due = Seed(first.0.wrapping_add(u64::try_from(outcomes.len()).unwrap_or(u64::MAX)));
            match outcome(&line) {
                Some(outcome) if outcome.seed == due => outcomes.push(outcome),
                Some(_) | None => break,
            }
            kept += bytes;
        }
        let end = u64::try_from(kept).unwrap_or(u64::MAX);
        file.set_len(end).map_err(broken())?;
        file.seek(SeekFrom::Start(end)).map_err(broken())?;
        Ok((Self { path, file }, outcomes))
    }

    /// One more line. It is with the operating system when this returns.
    pub(crate) fn append(&mut self, line: &str) -> Result<(), CliError> {
        let whole = format!("{line}\n");
        self.file
            .write_all(whole.as_bytes())
            .map_err(CliError::io(format!("writing {}", self.path.display())))
    }
}

/// The outcome on a line, if it is a whole line of a seed.
fn outcome(line: &[u8]) -> Option<Outcome> {
    let line = line.strip_suffix(b"\n")?;
    let SeedLine { kind, outcome } = serde_json::from_slice(line).ok()?;
    (kind == "seed").then_some(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, env, fs};
    use whitewater_record::{Span, Verdict};
    use whitewater_reports::lines;

    fn seed(n: u64) -> Outcome {
        Outcome {
            scenario: "quiet".into(),
            seed: Seed(n),
            verdict: Verdict::Passed,
            violations: Vec::new(),
            doubts: Vec::new(),
            trace_hash: n,
            events: 1,
            simulated: Span(1),
            operations: [1, 0, 0],
            messages: 1,
            faults: BTreeMap::new(),
            checks: BTreeMap::new(),
            sometimes: BTreeMap::new(),
            victims: BTreeMap::new(),
            coverage: whitewater_record::Coverage::default(),
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("whitewater-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn whole_lines_are_kept_and_half_a_line_is_cut_off() {
        let folder = folder("results");
        let mut results = Results::create(&folder, "{}").unwrap();
        for n in [5, 6, 7] {
            results.append(&lines::seed(&seed(n))).unwrap();
        }
        let whole = fs::read(folder.join(RESULTS)).unwrap();
        let half = lines::seed(&seed(8));
        results.append(&half).unwrap();
        drop(results);
        for cut in [1, 2, half.len() / 2, half.len() + 1] {
            let file = OpenOptions::new().write(true).open(folder.join(RESULTS)).unwrap();
            file.set_len(u64::try_from(whole.len() + half.len() + 1 - cut).unwrap()).unwrap();
            let (mut again, outcomes) = Results::resume(&folder, "{}", Seed(5)).unwrap();
            assert_eq!(outcomes, [seed(5), seed(6), seed(7)], "{cut} bytes are missing");
            assert!(fs::read(folder.join(RESULTS)).unwrap() == whole);
            again.append(&half).unwrap();
        }
        let (_, outcomes) = Results::resume(&folder, "{}", Seed(5)).unwrap();
        assert_eq!(outcomes.len(), 4);
        // A hole ends what can be kept, and so do totals.
        let (_, outcomes) = Results::resume(&folder, "{}", Seed(4)).unwrap();
        assert_eq!(outcomes, []);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn another_campaign_is_not_resumed_and_nothing_of_it_is_lost() {
        let folder = folder("other");
        Results::create(&folder, "{\"seeds\":1}").unwrap();
        let error = Results::resume(&folder, "{\"seeds\":2}", Seed(1)).unwrap_err().to_string();
        assert!(error.contains("another campaign"), "{error}");
        assert_eq!(fs::read_to_string(folder.join(RESULTS)).unwrap(), "{\"seeds\":1}\n");
        fs::remove_dir_all(folder).unwrap();
    }
}
