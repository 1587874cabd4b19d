//! `whitewater search`: ways of choosing what to play next, compared by how soon they find each deliberate bug.
//!
//! Plans are chosen and counted by generations of a fixed size, so what is found depends on the policies alone, whatever the
//! number of workers. CPU time is all that is not the same in two runs.

mod aimed;
mod forks;
mod novelty;
mod plain;
mod policy;
mod priorities;
mod rarity;

use crate::{
    args::{OverrideArgs, SearchArgs},
    artefacts, campaign,
    console::Console,
    crew::Crew,
    engine,
    exit::{CliError, Exit},
    interrupt::Interrupt,
    job::{self, Job, Sighting, Work},
    pool::{self, Reply},
    shrink, zoo,
};
use clap::ValueEnum;
use policy::{Deck, Policy};
use std::{collections::BTreeMap, fs, io::Write as _, time::Duration};
use whitewater_mutation::Mutation;
use whitewater_record::{Plan, Verdict};
use whitewater_reports::policies::{Comparison, Search};

/// The policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum PolicyName {
    /// Each seed as the scenario draws it.
    Swarm,
    /// Each seed with every class of faults.
    Uniform,
    /// Faults moved to rare moments, and to the leader or whoever receives a snapshot.
    Aimed,
    /// Plans that led to new abstract states, changed a little.
    Novelty,
    /// Nodes slower in an order that changes at a few moments, in place of other weather (PCT).
    Priorities,
    /// Other futures of the rarest moments of each seed.
    Forks,
}

/// Plans that are chosen before anything is learnt of the first of them.
const GENERATION: u64 = 8;

/// The verb.
pub(crate) fn search(args: &SearchArgs, console: Console) -> Result<Exit, CliError> {
    if args.plans == 0 {
        console.line("NOTHING RAN search: no plans")?;
        return Ok(Exit::NothingRan);
    }
    let mutations = zoo::wanted(&args.mutations)?;
    let mut policies = args.policies.clone();
    if policies.is_empty() {
        policies = PolicyName::value_variants().to_vec();
    }
    fs::create_dir_all(&args.out).map_err(CliError::io(args.out.display().to_string()))?;
    let lab = Lab::open(args, console)?;
    let mut searches = Vec::new();
    for mutation in mutations {
        for policy in &policies {
            if !lab.interrupt.is_set() {
                searches.push(lab.search(*policy, mutation)?);
            }
        }
    }
    let was_interrupted = lab.interrupt.is_set();
    lab.crew.dismiss();
    let comparison = Comparison {
        scenario: Job::new(&args.scenario, &OverrideArgs::default(), args.seed)?.scenario()?.name,
        first_seed: args.seed,
        plans_max: args.plans,
        finds_wanted: args.finds,
        searches,
    };
    publish(&comparison, args, console)?;
    Ok(if was_interrupted {
        Exit::Interrupted
    } else if comparison.alarms() > 0 {
        Exit::Violated
    } else {
        Exit::Ok
    })
}

fn publish(comparison: &Comparison, args: &SearchArgs, console: Console) -> Result<(), CliError> {
    let (text, lines) = (comparison.text(), comparison.lines());
    artefacts::write(&args.out.join("search.txt"), |out| out.write_all(text.as_bytes()))?;
    artefacts::write(&args.out.join("search.jsonl"), |out| {
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    })?;
    if console.json {
        return lines.iter().try_for_each(|line| console.line(line));
    }
    console.result(&text)
}

/// Workers that play whatever plan they are given.
struct Lab<'a> {
    args: &'a SearchArgs,
    console: Console,
    interrupt: Interrupt,
    crew: Crew,
}

impl<'a> Lab<'a> {
    fn open(args: &'a SearchArgs, console: Console) -> Result<Self, CliError> {
        let patience = Duration::from_nanos(args.patience.0);
        let recruiter = pool::recruiter(None, Work::Sightings.line()?, patience)?;
        let crew = Crew::new(&recruiter, shrink::workers(args.jobs)?);
        Ok(Self { args, console, interrupt: Interrupt::listen(console)?, crew })
    }

    /// Looks for one bug by one policy.
    fn search(&self, name: PolicyName, mutation: Mutation) -> Result<Search, CliError> {
        let overrides =
            OverrideArgs { mutations: vec![mutation.name().to_owned()], ..OverrideArgs::default() };
        let job = Job::new(&self.args.scenario, &overrides, self.args.seed)?;
        let mut policy = build(name, Deck::new(job, self.args.seed)?);
        let mut search = Search::new(name.name(), mutation.name());
        while search.plans < self.args.plans
            && search.finds < self.args.finds
            && !self.interrupt.is_set()
        {
            let places = search.plans..search.plans + GENERATION;
            let plans: Vec<Plan> =
                places.map(|place| policy.plan(place)).collect::<Result<_, _>>()?;
            let sightings = self.play(&plans)?;
            for (plan, sighting) in plans.iter().zip(&sightings) {
                policy.learn(plan, sighting);
                if search.finds < self.args.finds {
                    self.count(&mut search, plan, sighting)?;
                }
            }
        }
        let Search { plans, finds, .. } = search;
        self.console.remark(&format!(
            "{}, {}: found {finds} times in {plans} plans",
            mutation.name(),
            name.name()
        ));
        Ok(search)
    }

    fn count(&self, search: &mut Search, plan: &Plan, sighting: &Sighting) -> Result<(), CliError> {
        search.plans += 1;
        search.cpu_us += sighting.cpu_us;
        if sighting.outcome.verdict != Verdict::Failed {
            return Ok(());
        }
        // A find only if it is the bug's doing.
        let twin = Plan { mutations: Vec::new(), ..plan.clone() };
        let [twin] = &self.play(&[twin])?[..] else { unreachable!("one for one") };
        if twin.outcome.verdict == Verdict::Failed {
            search.alarms += 1;
        } else {
            search.finds += 1;
        }
        Ok(())
    }

    fn play(&self, plans: &[Plan]) -> Result<Vec<Sighting>, CliError> {
        let lines = plans.iter().map(job::line).collect::<Result<Vec<String>, CliError>>()?;
        let replies = self.crew.ask(lines)?;
        plans.iter().zip(replies).map(|(plan, reply)| sighting(plan, reply)).collect()
    }
}

fn sighting(plan: &Plan, reply: Reply) -> Result<Sighting, CliError> {
    let (code, sentence) = match reply {
        Reply::Line(line) => {
            return serde_json::from_str(&line).map_err(|error| {
                CliError::Internal(format!("a worker said `{line}`, expected a sighting: {error}"))
            });
        }
        Reply::Died(how) => (campaign::WORKER_DIED, format!("the process that ran it died {how}")),
        Reply::Stuck => (campaign::WORKER_STUCK, "no end in time".to_owned()),
    };
    let outcome = engine::without_result(plan, code, sentence);
    Ok(Sighting { outcome, reached: BTreeMap::new(), cpu_us: 0 })
}

fn build(name: PolicyName, deck: Deck) -> Box<dyn Policy> {
    match name {
        PolicyName::Swarm => Box::new(plain::Plain::swarm(deck)),
        PolicyName::Uniform => Box::new(plain::Plain::uniform(deck)),
        PolicyName::Aimed => Box::new(aimed::Aimed::new(deck)),
        PolicyName::Novelty => Box::new(novelty::Novelty::new(deck)),
        PolicyName::Priorities => Box::new(priorities::Priorities::new(deck)),
        PolicyName::Forks => Box::new(forks::Forks::new(deck)),
    }
}

impl PolicyName {
    /// As on the command line.
    const fn name(self) -> &'static str {
        match self {
            Self::Swarm => "swarm",
            Self::Uniform => "uniform",
            Self::Aimed => "aimed",
            Self::Novelty => "novelty",
            Self::Priorities => "priorities",
            Self::Forks => "forks",
        }
    }
}
