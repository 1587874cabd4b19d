//! `whitewater find`: the first seed in which something happens.

use crate::{
    args::FindArgs,
    artefacts,
    console::Console,
    engine,
    exit::{CliError, Exit},
    job::Job,
};
use serde::Serialize;
use whitewater_record::{Seed, SimTime};
use whitewater_reports::{Picture, sentence::sentence};

/// What was found, for machines.
#[derive(Serialize)]
struct Found<'a> {
    seed: Seed,
    event: u64,
    at: SimTime,
    sentence: &'a str,
}

/// The verb. That nothing was found is exit code 6, so that a script can tell it from a find.
pub(crate) fn find(args: &FindArgs, console: Console) -> Result<Exit, CliError> {
    let job = Job::new(&args.scenario, &args.overrides, args.seed)?;
    let scenario = job.scenario()?;
    if args.seeds == 0 {
        console.line("NOTHING RAN find: no seeds")?;
        return Ok(Exit::NothingRan);
    }
    for place in 0..args.seeds {
        let seed = Seed(args.seed.0.wrapping_add(place));
        let plan = job.plan(&scenario, seed)?;
        let finished = engine::run(&plan, true, None)?;
        let rows = finished.trace.rows();
        let Some(event) = args.condition.first(rows) else { continue };
        let count = usize::try_from(event).map_or(usize::MAX, |event| event + 1);
        let mut picture = Picture::default();
        rows.iter().take(count).for_each(|row| picture.take(row));
        let row = &rows[count - 1];
        let what = sentence(row, &picture, &plan);
        if console.json {
            let found = Found { seed, event, at: row.at, sentence: &what };
            let text = serde_json::to_string(&found)
                .map_err(|error| CliError::Internal(format!("a find has no JSON form: {error}")))?;
            console.line(&text)?;
        } else {
            let (scenario, overrides) = (&args.scenario, args.overrides.words());
            console.line(&format!("seed {seed}, event {event} at {}: {what}", row.at))?;
            console.line(&format!(
                "replay: {} replay --scenario {scenario} --seed {seed}{overrides} --until {event} --lanes story",
                artefacts::called()
            ))?;
        }
        return Ok(Exit::Ok);
    }
    console.line(&format!("`{}` holds in none of {} seeds", args.condition, args.seeds))?;
    Ok(Exit::GateFailed)
}
