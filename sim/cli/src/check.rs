//! `whitewater check`: judges recorded histories, ours or from elsewhere.

use crate::{
    args::CheckArgs,
    console::Console,
    engine,
    exit::{CliError, Exit},
};
use serde::Serialize;
use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};
use whitewater_checkers::{Judgement, Ruling};
use whitewater_record::{Checked, History};

/// A judgement for machines.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    operations: usize,
    judge: &'a str,
    ruling: &'a Ruling,
    checked: Checked,
}

/// The verb. The exit code is that of the worst file.
pub(crate) fn check(args: &CheckArgs, console: Console) -> Result<Exit, CliError> {
    let mut worst = Exit::Ok;
    for path in &args.files {
        let name = path.display().to_string();
        let exit = match read(&name, path) {
            Ok(history) => judge(&name, &history, console)?,
            Err(error) => {
                console.complain(&error);
                Exit::Usage
            }
        };
        worst = if severity(exit) > severity(worst) { exit } else { worst };
    }
    Ok(worst)
}

fn read(name: &str, path: &Path) -> Result<History, String> {
    let history = if path == Path::new("-") {
        History::read("stdin", io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
        History::read(name, BufReader::new(file))
    };
    history.map_err(|error| error.to_string())
}

fn judge(name: &str, history: &History, console: Console) -> Result<Exit, CliError> {
    let operations = history.operations.len();
    let judgements = engine::judgements(history);
    let exit = if operations == 0 { Exit::NothingRan } else { exit_of(&judgements) };
    if console.json {
        for Judgement { judge, ruling, checked } in &judgements {
            let line = Line { file: name, operations, judge, ruling, checked: *checked };
            let text = serde_json::to_string(&line).map_err(|error| {
                CliError::Internal(format!("a judgement has no JSON form: {error}"))
            })?;
            console.line(&text)?;
        }
        return Ok(exit);
    }
    let word = match exit {
        Exit::Ok => "PASS",
        Exit::Violated => "FAIL",
        Exit::NothingRan => "NOTHING RAN",
        Exit::Inconclusive
        | Exit::Usage
        | Exit::Nondeterminism
        | Exit::GateFailed
        | Exit::Internal
        | Exit::Interrupted => "INCONCLUSIVE",
    };
    console.line(&format!("{word} {name}: {operations} operations"))?;
    judgements.iter().try_for_each(|judgement| console.line(&sentence(judgement)))?;
    Ok(exit)
}

fn sentence(judgement: &Judgement) -> String {
    let Judgement { judge, ruling, checked } = judgement;
    match ruling {
        Ruling::Holds => {
            let (n, d) = (checked.evaluations, checked.discriminating);
            format!("  {judge}: holds ({n} evaluations, {d} discriminating)")
        }
        Ruling::Broken(anomaly) => {
            let operations: Vec<String> = anomaly.operations.iter().map(usize::to_string).collect();
            format!(
                "  {judge}: broken, {}: {}\n    at {}, operations {}",
                anomaly.code,
                anomaly.sentence,
                anomaly.at,
                operations.join(", ")
            )
        }
        Ruling::Undecided(reason) => format!("  {judge}: undecided: {reason}"),
        Ruling::NotApplicable(reason) => format!("  {judge}: not applicable: {reason}"),
        Ruling::Withheld(reason) => format!("  {judge}: withheld: {reason}"),
    }
}

fn exit_of(judgements: &[Judgement]) -> Exit {
    let any = |is: fn(&Ruling) -> bool| judgements.iter().any(|judgement| is(&judgement.ruling));
    if any(|ruling| matches!(ruling, Ruling::Broken(_))) {
        Exit::Violated
    } else if any(|ruling| matches!(ruling, Ruling::Undecided(_)))
        || !any(|ruling| matches!(ruling, Ruling::Holds))
    {
        Exit::Inconclusive
    } else {
        Exit::Ok
    }
}

/// The order in which one file's end outweighs another's.
const fn severity(exit: Exit) -> u8 {
    match exit {
        Exit::Ok => 0,
        Exit::Inconclusive => 1,
        Exit::NothingRan => 2,
        Exit::Violated => 3,
        Exit::Usage
        | Exit::Nondeterminism
        | Exit::GateFailed
        | Exit::Internal
        | Exit::Interrupted => 4,
    }
}
