//! Sums over histories of one kind, and how they are shown.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
    time::Duration,
};
use whitewater_benches::recorded;

/// Histories of one kind.
#[derive(Debug, Default)]
struct Family {
    histories: u32,
    /// Not decided: by the judges, by the rival.
    undecided: [u32; 2],
    /// CPU time of the judges and the rival, on what the rival decides.
    both: [Duration; 2],
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
}

impl Families {
    /// Adds a history: whether it is right, by each of the two, and what each took.
    pub(crate) fn add(
        &mut self,
        path: &Path,
        [ours, theirs]: [Option<bool>; 2],
        times: [Duration; 2],
        porcupine: Option<Duration>,
    ) {
        let name = recorded::name(path);
        if ours.is_some() && theirs.is_some() && ours != theirs {
            self.disagreements.push(name.clone());
        }
        let family = self.by_name.entry(family(path)).or_default();
        family.histories += 1;
        family.undecided[0] += u32::from(ours.is_none());
        family.undecided[1] += u32::from(theirs.is_none());
        if let Some(time) = porcupine {
            *family.porcupine.get_or_insert_default() += time;
        }
        if theirs.is_none() {
            family.alone += times[0];
            return;
        }
        family.both[0] += times[0];
        family.both[1] += times[1];
        let advantage = ratio(times[1], times[0]);
        if family.least.as_ref().is_none_or(|(least, _)| advantage < *least) {
            family.least = Some((advantage, name));
        }
    }

    /// The table.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "CPU ms of whitewater and of Porcupine's algorithm (published form, in Rust) on what both decide\n\
             {:26} {:>5} {:>10} {:>12} {:>9} {:>9} {:>11} {:>10} {:>10}  least advantage at",
            "family",
            "files",
            "ours",
            "rival",
            "ratio",
            "least",
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
            "{name:26} {:>5} {ours:>10.3} {theirs:>12.3} {:>9.1} {least:>9.2} {undecided:>11} {:>10.3} {:>10}  {place}",
            self.histories,
            ratio(self.both[1], self.both[0]),
            millis(self.alone),
            porcupine.unwrap_or_default(),
        )
    }

    fn join(&mut self, other: &Self) {
        self.histories += other.histories;
        self.alone += other.alone;
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
