//! `whitewater bisect`: the commit with which a plan began to fail.
//!
//! `git bisect` chooses the commits, in a checkout of its own, so that nothing in the folder of the caller moves. At each
//! commit the command is built and the plan is replayed. A commit that does not build, that cannot play the plan, or at
//! which it fails in another way says nothing, and is skipped.

use crate::{
    args::BisectArgs,
    console::Console,
    exit::{CliError, Exit},
    job, source,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use whitewater_record::{Signature, Violation};

/// What the plan does at a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Does {
    /// It passes.
    Passes,
    /// It fails.
    Fails(Signature),
    /// It cannot be said, and why.
    Unknown(String),
}

/// The checkout in which commits are built.
struct Checkout<'a> {
    args: &'a BisectArgs,
    /// Hashes.
    good: String,
    bad: String,
    plan: PathBuf,
    folder: PathBuf,
    console: Console,
    tried: Vec<Tried>,
}

/// One commit.
#[derive(Clone, Debug, Serialize)]
struct Tried {
    commit: String,
    does: Does,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Verdict {
    signature: Signature,
    /// The commit with which it began; several, if those between could not be tried.
    first: Vec<String>,
    tried: Vec<Tried>,
}

/// The part of a replay's result that is looked at.
#[derive(Deserialize)]
struct Replayed {
    violations: Vec<Violation>,
}

/// The verb.
pub(crate) fn verb(args: &BisectArgs, console: Console) -> Result<Exit, CliError> {
    source::read(&args.plan)?;
    let plan = absolute(&args.plan)?;
    // By hash: names such as HEAD mean something else in the checkout.
    let (good, bad) = (commit(&args.good)?, commit(&args.bad)?);
    fs::create_dir_all(&args.checkout)
        .map_err(CliError::io(args.checkout.display().to_string()))?;
    let folder = absolute(&args.checkout)?;
    let mut checkout = Checkout { args, good, bad, plan, folder, console, tried: Vec::new() };
    checkout.open()?;
    let verdict = checkout.search();
    let closed = checkout.close();
    let verdict = verdict?;
    closed?;
    verdict.show(console)?;
    Ok(if verdict.first.len() == 1 { Exit::Ok } else { Exit::Inconclusive })
}

impl Checkout<'_> {
    fn open(&self) -> Result<(), CliError> {
        if self.folder.join(".git").exists() {
            git(&self.folder, &["checkout", "--quiet", "--detach", &self.bad])?;
        } else {
            let folder = self.folder.display().to_string();
            let add = ["worktree", "add", "--quiet", "--detach", &folder, &self.bad];
            git(Path::new("."), &add)?;
        }
        Ok(())
    }

    /// The checkout and what was built in it stay for the next time; only the search is over.
    fn close(&self) -> Result<(), CliError> {
        git(&self.folder, &["bisect", "reset", "HEAD"]).map(drop)
    }

    fn search(&mut self) -> Result<Verdict, CliError> {
        let (good, bad) = (self.good.clone(), self.bad.clone());
        let signature = match self.at(&bad)? {
            Does::Fails(signature) => signature,
            Does::Passes => return Err(CliError::Usage(format!("the plan passes at {bad}"))),
            Does::Unknown(why) => return Err(CliError::Usage(format!("{bad}: {why}"))),
        };
        match self.at(&good)? {
            Does::Passes => {}
            Does::Fails(_) => {
                let hint = "name an older commit with --good";
                return Err(CliError::Usage(format!("the plan fails at {good} already: {hint}")));
            }
            Does::Unknown(why) => return Err(CliError::Usage(format!("{good}: {why}"))),
        }
        git(&self.folder, &["bisect", "start"])?;
        git(&self.folder, &["bisect", "bad", &bad])?;
        let mut said = git(&self.folder, &["bisect", "good", &good])?;
        loop {
            let first = suspects(&said);
            if !first.is_empty() {
                return Ok(Verdict { signature, first, tried: std::mem::take(&mut self.tried) });
            }
            let word = match self.here()? {
                Does::Passes => "good",
                Does::Fails(other) if other == signature => "bad",
                Does::Fails(_) | Does::Unknown(_) => "skip",
            };
            // When only skipped commits are left, git says so with an exit code of its own.
            said = text(&run(&self.folder, &["bisect", word])?);
        }
    }

    fn at(&mut self, commit: &str) -> Result<Does, CliError> {
        git(&self.folder, &["checkout", "--quiet", "--detach", commit])?;
        self.here()
    }

    /// Builds what is checked out, and replays the plan with it.
    fn here(&mut self) -> Result<Does, CliError> {
        let commit = git(&self.folder, &["log", "-1", "--format=%h %s"])?.trim().to_owned();
        let does = self.build_and_replay()?;
        let word = match &does {
            Does::Passes => "passes".to_owned(),
            Does::Fails(signature) => format!("fails: {signature}"),
            Does::Unknown(why) => format!("skipped: {why}"),
        };
        self.console.remark(&format!("{commit}: {word}"));
        self.tried.push(Tried { commit, does: does.clone() });
        Ok(does)
    }

    fn build_and_replay(&self) -> Result<Does, CliError> {
        let build = &self.args.build;
        let built = Command::new("sh")
            .args(["-c", build])
            .current_dir(&self.folder)
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .map_err(CliError::io(build.clone()))?;
        if !built.status.success() {
            return Ok(Does::Unknown(format!("`{build}` failed: {}", last_line(&built.stderr))));
        }
        let binary = self.folder.join(&self.args.binary);
        let played = Command::new(&binary)
            .arg("replay")
            .arg(&self.plan)
            .arg("--json")
            .current_dir(&self.folder)
            .output()
            .map_err(CliError::io(binary.display().to_string()))?;
        Ok(match played.status.code() {
            Some(0) => Does::Passes,
            Some(1) => match serde_json::from_slice::<Replayed>(&played.stdout) {
                Ok(Replayed { violations }) if !violations.is_empty() => {
                    Does::Fails(Signature::of_violation(&violations[0]))
                }
                Ok(_) | Err(_) => Does::Unknown("its result cannot be read".to_owned()),
            },
            Some(_) | None => {
                Does::Unknown(format!("{}: {}", played.status, last_line(&played.stderr)))
            }
        })
    }
}

impl Verdict {
    fn show(&self, console: Console) -> Result<(), CliError> {
        if console.json {
            return console.line(&job::line(self)?);
        }
        let Self { signature, first, tried } = self;
        let tried = whitewater_reports::number::count(tried.len() as u64, "commit");
        match first.as_slice() {
            [one] => console
                .result(&format!("BISECTED {signature}\n  began with {one}\n  {tried} tried\n")),
            several => {
                let several = several.join("\n  ");
                console.result(&format!(
                    "UNDECIDED {signature}\n  it began with one of these, of which some could not be tried:\n  {several}\n"
                ))
            }
        }
    }
}

/// The commits that git names when it has found the first bad one, or cannot tell it from those that were skipped.
fn suspects(said: &str) -> Vec<String> {
    let hash = |line: &str| {
        let word = line.split_whitespace().next().unwrap_or_default();
        (word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then(|| word.to_owned())
    };
    if let Some(line) = said.lines().find(|line| line.ends_with("is the first bad commit")) {
        return hash(line).into_iter().collect();
    }
    let open = said.lines().skip_while(|line| !line.contains("first bad commit could be any of"));
    open.skip(1).filter_map(hash).collect()
}

/// The hash of a commit of the repository here.
fn commit(name: &str) -> Result<String, CliError> {
    let object = format!("{name}^{{commit}}");
    let hash = git(Path::new("."), &["rev-parse", "--verify", "--quiet", &object]);
    hash.map(|hash| hash.trim().to_owned())
        .map_err(|_| CliError::Usage(format!("{name} is no commit of the repository here")))
}

fn run(folder: &Path, arguments: &[&str]) -> Result<Output, CliError> {
    let name = || format!("git {}", arguments.join(" "));
    Command::new("git").arg("-C").arg(folder).args(arguments).output().map_err(CliError::io(name()))
}

/// What git says, if it does what it is told.
fn git(folder: &Path, arguments: &[&str]) -> Result<String, CliError> {
    let output = run(folder, arguments)?;
    if output.status.success() {
        return Ok(text(&output));
    }
    let why = last_line(&output.stderr);
    Err(CliError::Usage(format!("git {}: {why}", arguments.join(" "))))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing was said").to_owned()
}

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    path.canonicalize().map_err(CliError::io(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_names_the_first_bad_commit_or_those_that_it_could_be() {
        let (one, other) = ("a".repeat(40), "b".repeat(40));
        assert_eq!(suspects(&format!("{one} is the first bad commit\ncommit {one}\n")), [&*one]);
        let said = format!(
            "There are only 'skip'ped commits left to test.\nThe first bad commit could be any of:\n{one}\n{other}\n\
             We cannot bisect more!\n"
        );
        assert_eq!(suspects(&said), [one, other]);
        assert_eq!(
            suspects("Bisecting: 3 revisions left to test after this (roughly 2 steps)\n"),
            [""; 0]
        );
    }
}
