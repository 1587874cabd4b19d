//! Sums over histories of one kind, and how they are shown.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
    time::Duration,
};
use whitewater_benches::recorded;

/// One history: what the judges and the rival say of it, and what it took.
pub(crate) struct Row<'a> {
    pub(crate) path: &'a Path,
    /// By the judges, by the rival.
    pub(crate) is_right: [Option<bool>; 2],
    pub(crate) ours: Duration,
    pub(crate) theirs: Duration,
    /// What the judges take with the reason.
    pub(crate) explained: Duration,
    /// What Porcupine itself took, where that is known.
    pub(crate) porcupine: Option<Duration>,
}

/// A history on which the judges take so much of the rival's time is named.
const SLOWER: f64 = 1.2;

/// Histories of one kind.
#[derive(Debug, Default)]
struct Family {
    histories: u32,
    /// Not decided: by the judges, by the rival.
    undecided: [u32; 2],
    /// CPU time of the judges and the rival, on what the rival decides.
    both: [Duration; 2],
    /// The same of the judges with the reasons.
    explained: Duration,
    /// CPU time of the judges on the rest.
    alone: Duration,
    /// Of what the rival decides: the smallest advantage, and where.
    least: Option<(f64, String)>,
    /// What Porcupine itself took, where that is known.
    porcupine: Option<Duration>,
}

/// All of them by name.
#[derive(Debug, Default)]
pub(crate) struct Families {
    by_name: BTreeMap<String, Family>,
    /// Histories on which the two do not agree.
    disagreements: Vec<String>,
    /// Histories on which the judges are slower, and by how much.
    slower: Vec<(f64, String)>,
}

impl Families {
    /// Adds a history.
    pub(crate) fn add(&mut self, row: &Row<'_>) {
        let name = recorded::name(row.path);
        let [ours, theirs] = row.is_right;
        if ours.is_some() && theirs.is_some() && ours != theirs {
            self.disagreements.push(name.clone());
        }
        let family = self.by_name.entry(family(row.path)).or_default();
        family.histories += 1;
        family.undecided[0] += u32::from(ours.is_none());
        family.undecided[1] += u32::from(theirs.is_none());
        if let Some(time) = row.porcupine {
            *family.porcupine.get_or_insert_default() += time;
        }
        if theirs.is_none() {
            family.alone += row.ours;
            return;
        }
        family.both[0] += row.ours;
        family.both[1] += row.theirs;
        family.explained += row.explained;
        let advantage = ratio(row.theirs, row.ours);
        if advantage * SLOWER < 1.0 {
            self.slower.push((advantage, name.clone()));
        }
        if family.least.as_ref().is_none_or(|(least, _)| advantage < *least) {
            family.least = Some((advantage, name));
        }
    }

    /// The table.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "CPU ms of whitewater and of Porcupine's algorithm (published form, in Rust) on what both decide\n\
             {:26} {:>5} {:>10} {:>12} {:>9} {:>9} {:>12} {:>11} {:>10} {:>10}  least advantage at",
            "family",
            "files",
            "ours",
            "rival",
            "ratio",
            "least",
            "with reasons",
            "undecided",
            "ours alone",
            "porcupine"
        )?;
        let mut all = Family::default();
        for (name, family) in &self.by_name {
            family.write(name, out)?;
            all.join(family);
        }
        all.write("all", out)?;
        writeln!(out, "undecided: by whitewater / by the rival within its limits")?;
        writeln!(out, "slower than {SLOWER} times the rival: {}", self.slower.len())?;
        for (advantage, name) in &self.slower {
            writeln!(out, "  {advantage:.2} {name}")?;
        }
        for name in &self.disagreements {
            writeln!(out, "THE TWO DO NOT AGREE ON {name}")?;
        }
        Ok(())
    }
}

impl Family {
    fn write(&self, name: &str, out: &mut impl Write) -> io::Result<()> {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let [ours, theirs] = self.both.map(millis);
        let (least, place) = self.least.as_ref().map_or((0.0, ""), |(least, at)| (*least, at));
        let undecided = format!("{} / {}", self.undecided[0], self.undecided[1]);
        let porcupine = self.porcupine.map(|time| format!("{:.1}", millis(time)));
        writeln!(
            out,
            "{name:26} {:>5} {ours:>10.3} {theirs:>12.3} {:>9.1} {least:>9.2} {:>12.3} {undecided:>11} {:>10.3} {:>10}  {place}",
            self.histories,
            ratio(self.both[1], self.both[0]),
            millis(self.explained),
            millis(self.alone),
            porcupine.unwrap_or_default(),
        )
    }

    fn join(&mut self, other: &Self) {
        self.histories += other.histories;
        self.alone += other.alone;
        self.explained += other.explained;
        for side in 0..2 {
            self.undecided[side] += other.undecided[side];
            self.both[side] += other.both[side];
        }
        if let Some((least, place)) = &other.least
            && self.least.as_ref().is_none_or(|(known, _)| least < known)
        {
            self.least = Some((*least, place.clone()));
        }
    }
}

/// Generated histories are of the family that their names begin with; others of their folder.
fn family(path: &Path) -> String {
    let name = recorded::name(path);
    let folder = path.parent().map(recorded::name).unwrap_or_default();
    if !name.contains(".jsonl") {
        return folder;
    }
    let words: Vec<&str> = name.split('_').take(2).collect();
    words.join("_")
}

/// What Porcupine took for a history, if a table beside it says so: file, .., CPU in milliseconds, memory.
pub(crate) fn porcupine(path: &Path) -> io::Result<Option<Duration>> {
    let table = path.with_file_name("porcupine.csv");
    if !table.exists() {
        return Ok(None);
    }
    let (text, name) = (fs::read_to_string(table)?, recorded::name(path));
    let row = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let mut row = row.filter(|row| row.first() == Some(&name.as_str()));
    let millis = row.next().and_then(|row| row.get(4)?.parse::<f64>().ok());
    Ok(millis.map(|millis| Duration::from_secs_f64(millis / 1e3)))
}

fn ratio(whole: Duration, part: Duration) -> f64 {
    whole.as_secs_f64() / part.as_secs_f64().max(1e-9)
}
