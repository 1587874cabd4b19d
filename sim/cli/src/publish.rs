//! What a campaign leaves behind for people and for machines, and `whitewater report`.

use crate::{
    args::ReportArgs,
    artefacts,
    console::Console,
    exit::{CliError, Exit},
    job,
};
use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    path::Path,
    time::{Duration, UNIX_EPOCH},
};
use whitewater_reports::{
    CampaignResult, Comparison, Entry, github, html, junit, ledger, lines, prometheus, text,
};

/// All campaigns of a folder, one line each.
const LEDGER: &str = "campaigns.jsonl";

/// Writes every form of a campaign into the folder of results, and adds it to the ledger.
pub(crate) fn write_all(
    out: &Path,
    result: &CampaignResult,
    console: Console,
) -> Result<(), CliError> {
    let mut entries = read_ledger(&out.join(LEDGER), console)?;
    let before = ledger::before(&entries, result);
    let against = before.map(|entry| Comparison::new(&entry.result, result));
    let against = against.as_ref();
    if let Some(sentence) = against.and_then(|it| it.sentences().into_iter().next()) {
        console.remark(&sentence);
    }
    put(&out.join("summary.txt"), &text::summary(result, false))?;
    put(&out.join("junit.xml"), &junit::junit(result))?;
    put(&out.join("summary.md"), &github::summary(result, against))?;
    put(&out.join("annotations.txt"), &github::annotations(result))?;
    write_metrics(&out.join("metrics.prom"), result)?;
    put(&out.join("campaign.html"), &html::campaign::page(result, against, ""))?;

    let number = entries.last().map_or(1, |entry| entry.number + 1);
    let pages = out.join("campaigns");
    fs::create_dir_all(&pages).map_err(CliError::io(pages.display().to_string()))?;
    let page = html::campaign::page(result, against, "../");
    put(&out.join(html::index::file(number)), &page)?;
    entries.push(Entry { number, result: result.clone() });
    append(&out.join(LEDGER), entries.last().expect("it was just pushed"))?;
    put(&out.join("index.html"), &html::index::page(&entries))
}

/// The verb.
pub(crate) fn report(args: &ReportArgs, console: Console) -> Result<Exit, CliError> {
    let result = read(&args.results)?;
    let earlier = args.against.as_deref().map(read).transpose()?;
    let against = earlier.map(|earlier| Comparison::new(&earlier, &result));
    let beside = args.results.with_file_name("campaign.html");
    let page = html::campaign::page(&result, against.as_ref(), "");
    let file = args.output.as_deref().unwrap_or(&beside);
    put(file, &page)?;
    let gates = against.as_ref().map(|it| it.gates(args.slower)).unwrap_or_default();
    if console.json {
        #[derive(serde::Serialize)]
        struct Line<'a> {
            ruling: whitewater_reports::Ruling,
            against: Option<&'a Comparison>,
            gates: &'a [String],
        }
        let line = Line { ruling: result.ruling(), against: against.as_ref(), gates: &gates };
        console.line(&job::line(&line)?)?;
    } else {
        console.result(&text::summary(&result, console.color))?;
        let sentences = against.as_ref().map(Comparison::sentences).unwrap_or_default();
        for sentence in sentences {
            console.line(&sentence)?;
        }
        for gate in &gates {
            console.line(&format!("gate: {gate}"))?;
        }
        console.line(&format!("report: {}", file.display()))?;
    }
    // Against an earlier campaign, what counts is whether this one is worse: known failures are known.
    Ok(match (&against, gates.is_empty()) {
        (None, _) => result.ruling().into(),
        (Some(_), true) => Exit::Ok,
        (Some(_), false) => Exit::GateFailed,
    })
}

fn read(path: &Path) -> Result<CampaignResult, CliError> {
    let name = path.display().to_string();
    let text =
        fs::read_to_string(path).map_err(|error| CliError::Usage(format!("{name}: {error}")))?;
    lines::read(&name, &text).map_err(|error| CliError::Usage(error.to_string()))
}

/// The signatures of failures that are no news: of the campaigns before in the folder of results, and of another one.
pub(crate) fn known(
    out: &Path,
    other: Option<&Path>,
    console: Console,
) -> Result<BTreeSet<String>, CliError> {
    let entries = read_ledger(&out.join(LEDGER), console)?;
    let mut results: Vec<CampaignResult> = entries.into_iter().map(|entry| entry.result).collect();
    results.extend(other.map(read).transpose()?);
    Ok(results.into_iter().flat_map(|result| result.totals.signatures.into_keys()).collect())
}

fn read_ledger(path: &Path, console: Console) -> Result<Vec<Entry>, CliError> {
    let name = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text.map_err(CliError::io(name.clone()))?,
    };
    let (entries, errors) = ledger::read(&name, &text);
    for error in errors {
        console.remark(&error.to_string());
    }
    Ok(entries)
}

fn append(path: &Path, entry: &Entry) -> Result<(), CliError> {
    let line = ledger::line(entry);
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| writeln!(file, "{line}"))
        .map_err(CliError::io(path.display().to_string()))
}

fn put(path: &Path, text: &str) -> Result<(), CliError> {
    artefacts::write(path, |out| out.write_all(text.as_bytes()))
}

/// The collector may look at any moment, so the file is replaced at once.
fn write_metrics(path: &Path, result: &CampaignResult) -> Result<(), CliError> {
    let temporary = path.with_extension("prom.tmp");
    put(&temporary, &prometheus::metrics(result, now()))?;
    fs::rename(&temporary, path).map_err(CliError::io(path.display().to_string()))
}

#[expect(clippy::disallowed_types, reason = "an alert asks how long ago a campaign last passed")]
fn now() -> Duration {
    std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
