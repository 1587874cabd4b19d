//! The verbs that only show: `plan`, `zoo --list`, `scenarios`.

use crate::{
    args::PlanArgs,
    console::Console,
    exit::{CliError, Exit},
    job::Job,
};
use serde::Serialize;
use whitewater_mutation::Mutation;
use whitewater_scenarios::Scenario;

/// Prints the plan of a seed.
pub(crate) fn plan(args: &PlanArgs, console: Console) -> Result<Exit, CliError> {
    let job = Job::new(&args.scenario, &args.overrides, args.seed)?;
    let plan = job.plan(&job.scenario()?, args.seed)?;
    if console.json {
        console.line(&json(&plan)?)?;
    } else {
        console.result(&plan.to_toml())?;
    }
    Ok(Exit::Ok)
}

/// Lists the mutations with story and source.
pub(crate) fn zoo(console: Console) -> Result<Exit, CliError> {
    #[derive(Serialize)]
    struct Animal {
        name: &'static str,
        story: &'static str,
        source: &'static str,
    }
    for mutation in Mutation::ALL {
        let (name, story, source) = (mutation.name(), mutation.story(), mutation.source());
        if console.json {
            console.line(&json(&Animal { name, story, source })?)?;
        } else {
            console.line(&format!("{name}\n  {story}\n  seen in: {source}"))?;
        }
    }
    Ok(Exit::Ok)
}

/// Lists the scenarios with their summaries; the first is the default.
pub(crate) fn scenarios(console: Console) -> Result<Exit, CliError> {
    #[derive(Serialize)]
    struct Entry<'a> {
        name: &'a str,
        summary: &'a str,
    }
    for (name, text) in whitewater_scenarios::catalog() {
        let file = format!("scenarios/catalog/{name}.toml");
        let Scenario { summary, .. } = Scenario::parse(&file, text)
            .map_err(|error| CliError::Internal(format!("the catalogue is broken: {error}")))?;
        if console.json {
            console.line(&json(&Entry { name, summary: &summary })?)?;
        } else {
            console.line(&format!("{name}\n  {summary}"))?;
        }
    }
    Ok(Exit::Ok)
}

fn json(item: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string(item)
        .map_err(|error| CliError::Internal(format!("the result has no JSON form: {error}")))
}
