//! `whitewater check`: judges recorded histories, ours or from elsewhere.
//!
//! ```text
//!  FILE.. --source--> bytes --inflate--> text --formats--> history --judging--> judgements --verdict--> lines
//! ```

mod inflate;
mod judging;
mod progress;
mod source;
mod streaming;
mod verdict;

use self::{
    judging::Effort,
    progress::Bar,
    source::{Source, Unread},
    streaming::Streamed,
    verdict::Verdict,
};
use crate::{
    args::{CheckArgs, Model},
    console::Console,
    exit::{CliError, Exit},
    limits,
};
use std::time::{Duration, Instant};
use whitewater_record::{Format, PlainAction, Recorded};

/// The verb. The exit code is that of the worst history.
pub(crate) fn check(args: &CheckArgs, console: Console) -> Result<Exit, CliError> {
    if args.jobs.is_some_and(|jobs| !(1..=limits::WORKERS_MAX).contains(&jobs)) {
        let text = format!("-j: expected 1 to {} threads", limits::WORKERS_MAX);
        return Err(CliError::Usage(text));
    }
    let (mut sources, mut worst) = (Vec::new(), None);
    for path in &args.files {
        match source::sources(path) {
            Ok(found) => sources.extend(found),
            Err(error) => {
                console.complain(&error);
                worst = Some(Exit::Usage);
            }
        }
    }
    if args.report.is_some() && sources.len() > 1 {
        let n = sources.len();
        return Err(CliError::Usage(format!("--report: a page is about one history, not {n}")));
    }
    let bar = Bar::new(sources.iter().map(Source::bytes).sum());
    for (place, source) in sources.iter().enumerate() {
        let prefix = format!("{}/{} {}", place + 1, sources.len(), source.name);
        if let Some(exit) = one(args, source, &prefix, &bar, console)? {
            let is_worse = worst.is_none_or(|worst| severity(exit) > severity(worst));
            worst = if is_worse { Some(exit) } else { worst };
        }
    }
    bar.finish();
    let Some(worst) = worst else {
        console.complain("there is no history in what was named");
        return Ok(Exit::NothingRan);
    };
    Ok(worst)
}

/// Reads and judges one history. Nothing, if it turned out to be none.
fn one(
    args: &CheckArgs,
    source: &Source,
    prefix: &str,
    bar: &Bar,
    console: Console,
) -> Result<Option<Exit>, CliError> {
    if args.stream {
        return streamed(args, source, prefix, bar, console).map(Some);
    }
    if args.may_stream()
        && source.has_bytes(args.stream_from)
        && let Some(exit) = large(source, prefix, bar, console)?
    {
        return Ok(Some(exit));
    }
    bar.say(format!("{prefix}: reading"));
    let refuse = |text: &str| {
        bar.aside(|| console.complain(text));
        Ok(Some(Exit::Usage))
    };
    let (format, mut recorded) = match source.read(args.format, bar) {
        Ok(read) => read,
        Err(Unread::Malformed(text)) => return refuse(&text),
        Err(Unread::Foreign(why)) => {
            bar.aside(|| console.remark(&format!("passed over {}: {why}", source.name)));
            return Ok(None);
        }
    };
    if let (Some(initial), Recorded::Plain(history)) = (&args.initial, &mut recorded) {
        history.initial = Some(initial.clone().into());
    }
    let model = match model(&recorded, args) {
        Ok(model) => model,
        Err(reason) => return refuse(&format!("{}: {reason}", source.name)),
    };
    let effort = Effort {
        threads: args.jobs.unwrap_or_else(judging::cores),
        deadline: args.timeout.map(|time| Instant::now() + Duration::from_nanos(time.0)),
        bytes: args.memory,
    };
    bar.say(format!("{prefix}: judging"));
    let say = |done, of| bar.say(format!("{prefix}: judging, {done} of {of} keys"));
    let (recorded, judgements) = judging::judge(recorded, &effort, &say);
    let (name, operations) = (source.name.as_str(), recorded.len());
    let recorded = Some(&*recorded);
    let verdict = Verdict { name, format, model, operations, recorded, judgements };
    let exit = bar.aside(|| verdict.print(console))?;
    if let (Some(file), Exit::Violated) = (&args.report, exit) {
        verdict.report(file, args.redact)?;
    }
    Ok(Some(exit))
}

/// Judges one history while it is read.
fn streamed(
    args: &CheckArgs,
    source: &Source,
    prefix: &str,
    bar: &Bar,
    console: Console,
) -> Result<Exit, CliError> {
    bar.say(format!("{prefix}: reading and judging"));
    let is_other = args.format.is_some_and(|format| format != Format::Whitewater)
        || args.model.is_some_and(|model| model != Model::Etcd);
    let judged = if is_other {
        Err(format!("{}: only histories of whitewater are judged as a stream", source.name))
    } else {
        source.operations(bar).and_then(streaming::judge)
    };
    match judged {
        Ok(judged) => print_streamed(source, judged, bar, console),
        Err(text) => {
            bar.aside(|| console.complain(&text));
            Ok(Exit::Usage)
        }
    }
}

/// Judges one large history while it is read, if that is the whole truth.
fn large(
    source: &Source,
    prefix: &str,
    bar: &Bar,
    console: Console,
) -> Result<Option<Exit>, CliError> {
    // What is wrong with the file, or that it is of another kind, turns out when it is read as a whole.
    let Ok(operations) = source.operations(bar) else { return Ok(None) };
    if operations.rows_behind() > 0 {
        return Ok(None);
    }
    bar.say(format!("{prefix}: reading and judging"));
    let Ok(judged) = streaming::judge(operations) else { return Ok(None) };
    let name = &source.name;
    if let Some(rest) = judged.rest {
        bar.aside(|| console.remark(&format!("{name}: judged anew as a whole, for {rest}")));
        return Ok(None);
    }
    bar.aside(|| console.remark(&format!("{name}: large, so judged while it was read")));
    print_streamed(source, judged, bar, console).map(Some)
}

fn print_streamed(
    source: &Source,
    judged: Streamed,
    bar: &Bar,
    console: Console,
) -> Result<Exit, CliError> {
    let Streamed { operations, judgements, rest: _ } = judged;
    let (format, model, recorded) = (Format::Whitewater, Model::Etcd, None);
    let name = source.name.as_str();
    let verdict = Verdict { name, format, model, operations, recorded, judgements };
    bar.aside(|| verdict.print(console))
}

/// The model of a history, which must be the one that was asked for.
fn model(recorded: &Recorded, args: &CheckArgs) -> Result<Model, String> {
    let keys = match recorded {
        Recorded::Etcd(_) => None,
        Recorded::Plain(history) => {
            let mut keys: Vec<_> =
                history.operations.iter().map(|operation| &operation.key).collect();
            keys.sort_unstable();
            keys.dedup();
            Some(keys.len())
        }
    };
    let appends = match recorded {
        Recorded::Etcd(_) => false,
        Recorded::Plain(history) => history
            .operations
            .iter()
            .any(|operation| matches!(operation.action, PlainAction::Append(_))),
    };
    match (args.model, keys) {
        (Some(Model::Etcd), Some(_)) => {
            Err("the history has no revisions and cannot be judged as one of etcd".to_owned())
        }
        (Some(model @ (Model::Register | Model::Kv)), None) => Err(format!(
            "the history is one of etcd and cannot be judged as one of a {}",
            model.name()
        )),
        (Some(Model::Register), Some(keys @ 2..)) => {
            Err(format!("the history has {keys} keys: it is not one of a register"))
        }
        (Some(Model::Register), Some(_)) if appends => {
            Err("the history has appends: it is not one of a register".to_owned())
        }
        (None, None) if args.initial.is_some() => {
            Err("a history of etcd begins with an empty store: --initial is for registers"
                .to_owned())
        }
        (Some(model), _) => Ok(model),
        (None, None) => Ok(Model::Etcd),
        (None, Some(0 | 1)) if !appends => Ok(Model::Register),
        (None, Some(_)) => Ok(Model::Kv),
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
