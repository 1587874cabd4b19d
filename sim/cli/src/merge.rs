//! Campaigns on many machines: each part sends its results to a store, and `whitewater report merge` joins them.

use crate::{
    args::MergeArgs,
    artefacts,
    console::Console,
    depot::Depot,
    exit::{CliError, Exit},
    job, publish,
    results::RESULTS,
};
use serde::Serialize;
use std::{fs, io::Write as _, path::Path};
use whitewater_record::Seed;
use whitewater_reports::{
    CampaignResult, Ruling, number,
    shards::{self, Merged, Shard},
    text,
};

/// Sends the results in `out` to a store, and what was kept of failures.
pub(crate) fn send(depot: &Depot, out: &Path, result: &CampaignResult) -> Result<(), CliError> {
    for failure in &result.failures {
        let Some(folder) = failure.folder.as_deref().map(Path::new) else { continue };
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let files = fs::read_dir(folder).map_err(CliError::io(folder.display().to_string()))?;
        for file in files {
            let path = file.map_err(CliError::io(folder.display().to_string()))?.path();
            if let (Some(name), Some(file), true) = (&name, path.file_name(), path.is_file()) {
                let key = format!("failures/{name}/{}", file.to_string_lossy());
                depot.put(&key, read(&path)?)?;
            }
        }
    }
    // Last, because a part that is there is one whose failures are there.
    let first = result.campaign.first_seed;
    depot.put(&format!("{first}.jsonl"), read(&out.join(RESULTS))?)
}

/// The verb.
pub(crate) fn verb(args: &MergeArgs, console: Console) -> Result<Exit, CliError> {
    let usage = |error: &dyn std::error::Error| CliError::Usage(format!("{}: {error}", args.place));
    let mut parts = Vec::new();
    for (name, text) in Depot::open(&args.place)?.read_all(".jsonl")? {
        match Shard::read(&name, &text).map_err(|error| usage(&error))? {
            Some(shard) => parts.push(shard),
            None => console.remark(&format!("{name}: not even its first line was written")),
        }
    }
    let merged = shards::merge(&parts).map_err(|error| usage(&error))?;
    fs::create_dir_all(&args.out).map_err(CliError::io(args.out.display().to_string()))?;
    let results = shards::text(&merged);
    artefacts::write(&args.out.join(RESULTS), |out| out.write_all(results.as_bytes()))?;
    publish::write_all(&args.out, &merged.result, console)?;
    show(&merged, parts.len(), console)?;
    Ok(merged.result.ruling().into())
}

fn show(merged: &Merged, parts: usize, console: Console) -> Result<(), CliError> {
    let Merged { result, missing, doubled, cut_off, outcomes: _ } = merged;
    if console.json {
        #[derive(Serialize)]
        struct Line<'a> {
            ruling: Ruling,
            parts: usize,
            seeds: u64,
            missing: &'a [(Seed, Seed)],
            doubled: u64,
            cut_off: &'a [String],
        }
        let (ruling, seeds) = (result.ruling(), result.totals.seeds);
        return console.line(&job::line(&Line {
            ruling,
            parts,
            seeds,
            missing,
            doubled: *doubled,
            cut_off,
        })?);
    }
    console.result(&text::summary(result, console.color))?;
    console.line(&format!("merged: {}", number::count(parts as u64, "part")))?;
    for name in cut_off {
        console.line(&format!("cut off: {name}; the seeds that it has count"))?;
    }
    if *doubled > 0 {
        console.line(&format!("doubled: {}; each counts once", number::count(*doubled, "seed")))?;
    }
    for (first, last) in missing {
        console.line(&format!("missing: seeds {first} to {last}"))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(path).map_err(CliError::io(path.display().to_string()))
}
