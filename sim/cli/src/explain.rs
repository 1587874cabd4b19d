//! `whitewater explain`: what a code means.

use crate::{
    args::ExplainArgs,
    console::Console,
    exit::{CliError, Exit},
    job,
};
use whitewater_reports::explain::{self, Lesson};

/// The verb.
pub(crate) fn explain(args: &ExplainArgs, console: Console) -> Result<Exit, CliError> {
    let Some(code) = &args.code else {
        for lesson in explain::ALL {
            show(lesson, console)?;
        }
        return Ok(Exit::Ok);
    };
    // A signature begins with its code, and is what people have at hand.
    let name = code.split(':').next().unwrap_or_default().trim();
    let lesson = explain::find(name).ok_or_else(|| {
        let names: Vec<&str> = explain::ALL.iter().map(|lesson| lesson.code).collect();
        CliError::Usage(format!("`{code}` is not a code; there are {}", names.join(", ")))
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
