//! `whitewater explain`: what a failing plan hangs on (see `anatomy`), and what a code means.

use crate::{
    anatomy,
    args::ExplainArgs,
    console::Console,
    exit::{CliError, Exit},
    job,
};
use std::path::Path;
use whitewater_reports::explain::{self, Lesson};

/// The verb.
pub(crate) fn explain(args: &ExplainArgs, console: Console) -> Result<Exit, CliError> {
    let Some(code) = &args.what else {
        for lesson in explain::ALL {
            show(lesson, console)?;
        }
        return Ok(Exit::Ok);
    };
    if Path::new(code).extension().is_some_and(|ending| ending == "toml") {
        return anatomy::verb(Path::new(code), args, console);
    }
    // A signature begins with its code, and is what people have at hand.
    let name = code.split(':').next().unwrap_or_default().trim();
    let lesson = explain::find(name).ok_or_else(|| {
        let names: Vec<&str> = explain::ALL.iter().map(|lesson| lesson.code).collect();
        let names = names.join(", ");
        CliError::Usage(format!(
            "`{code}` is neither a plan, PLAN.toml, nor a code; there are {names}"
        ))
    })?;
    show(lesson, console)?;
    Ok(Exit::Ok)
}

fn show(lesson: &Lesson, console: Console) -> Result<(), CliError> {
    if console.json {
        return console.line(&job::line(lesson)?);
    }
    let Lesson { code, promise, source, look } = lesson;
    console
        .result(&format!("{code}\n  promise: {promise}\n  source:  {source}\n  look at: {look}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{WORKER_DIED, WORKER_STUCK};

    #[test]
    fn every_judge_and_every_end_of_a_worker_is_explained() {
        for code in whitewater_checkers::JUDGES.into_iter().chain([WORKER_DIED, WORKER_STUCK]) {
            assert!(explain::find(code).is_some(), "{code} is not explained");
        }
    }
}
