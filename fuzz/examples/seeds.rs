//! Writes the first inputs of every target below a folder: files and messages of a replica that lives for a moment, and what
//! the repository has of plans, scenarios and histories.
//!
//! ```sh
//! cargo run --manifest-path fuzz/Cargo.toml --no-default-features --example seeds -- fuzz/corpus
//! ```

use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    fs,
    path::{Path, PathBuf},
};
use whitewater_api::{
    Caller, ClusterId, DiskImage, DiskOp, FileName, Incarnation, LeaseId, LeaseRequest, Monotonic,
    NodeId, Process, Request, RequestId, Tuning,
    request::{CompactRequest, PutRequest}, release::Release,
};
use whitewater_mutation::Mutations;
use whitewater_record::Trace;
use whitewater_replica::{Asked, Boot, Config, EtcdExport, Input, Output, Replica, Security, seal, wire};

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = std::env::args().nth(1).ok_or("where to? Name a folder")?;
    let seeds = Seeds(PathBuf::from(corpus));
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no parent")?;
    seeds.copy("scenario", &repository.join("scenarios/catalog"), "toml")?;
    for folder in ["scenarios/mutants", "scenarios/regressions"] {
        seeds.copy("plan", &repository.join(folder), "toml")?;
    }
    seeds.copy("history", &repository.join("sim/cli/tests/histories"), "")?;
    let trace = Trace::of(Vec::new());
    let mut packed = Vec::new();
    trace.pack(&mut packed)?;
    seeds.write("trace", "empty", &packed)?;
    // One that gets its way, and one that calls for another and so has messages.
    Life::new(&[1]).live(&seeds)?;
    let mut alone = Life::new(&[1, 2]);
    (0..5).for_each(|_| alone.settle());
    alone.write_down_messages(&seeds)
}

/// The folder of folders.
struct Seeds(PathBuf);

impl Seeds {
    fn write(&self, target: &str, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)?;
        Ok(())
    }

    /// All files of a folder with this ending, if any is named, that are small enough to play with.
    fn copy(&self, target: &str, from: &Path, ending: &str) -> Result<(), Box<dyn Error>> {
        for entry in fs::read_dir(from)? {
            let path = entry?.path();
            let is_wanted = path.extension().is_some_and(|found| ending.is_empty() || found == ending);
            if is_wanted && path.is_file() && fs::metadata(&path)?.len() < 20_000 {
                let name = path.file_name().ok_or("a file has a name")?.to_string_lossy().into_owned();
                self.write(target, &name, &fs::read(&path)?)?;
            }
        }
        Ok(())
    }
}

/// A replica alone with its disk.
struct Life {
    replica: Replica,
    disk: BTreeMap<FileName, Vec<u8>>,
    inputs: VecDeque<Input>,
    outputs: Vec<Output>,
    messages: Vec<Vec<u8>>,
    asked: u32,
}

impl Life {
    fn new(members: &[u64]) -> Self {
        let members = members.iter().copied().map(NodeId).collect();
        let config = Config {
            node: NodeId(1),
            cluster: ClusterId(7),
            peers: BTreeMap::new(),
            boot: Boot::Bootstrap { members },
            seed: 1,
            tuning: Tuning {
                snapshot_log_bytes: 1 << 12,
                segment_bytes: 1 << 14,
                ..Tuning::default()
            },
            security: Security::default(),
            release: Release::Newest,
            mutations: Mutations::none(),
        };
        let mut outputs = Vec::new();
        let opened =
            Replica::open(config, Incarnation(9), Monotonic(0), DiskImage::new(), &mut outputs);
        Self {
            replica: opened.expect("an empty disk is no obstacle"),
            disk: BTreeMap::new(),
            inputs: VecDeque::new(),
            outputs,
            messages: Vec::new(),
            asked: 0,
        }
    }

    fn live(&mut self, seeds: &Seeds) -> Result<(), Box<dyn Error>> {
        self.settle();
        for round in 0..60_u64 {
            let lease = LeaseId(i64::try_from(round % 5)? + 1);
            self.ask(Request::Lease(LeaseRequest::Grant { lease, ttl: 60 }));
            let value = format!("v{round}").repeat(20);
            let put = PutRequest::new(format!("k{}", round % 7), value);
            self.ask(Request::Put(PutRequest { lease, ..put }));
            if round % 20 == 19 {
                let revision = self.replica.status().revision;
                self.ask(Request::Compact(CompactRequest { revision, physical: true }));
            }
        }
        self.write_down(seeds)
    }

    fn ask(&mut self, request: Request) {
        let id = RequestId { process: Process(1), sequence: self.asked };
        self.asked += 1;
        let caller = Caller::Nobody;
        let asked = Asked { id, caller, request: Box::new(request) };
        self.inputs.push_back(Input::Requests(vec![asked]));
        self.settle();
    }

    /// Until nothing more comes of it, and a second of ticks.
    fn settle(&mut self) {
        self.perform();
        let until = self.replica.next_wake().after(1_000_000_000);
        loop {
            let (now, input) = match self.inputs.pop_front() {
                Some(input) => (Monotonic(0).max(self.replica.next_wake()), input),
                None if self.replica.next_wake() < until => (self.replica.next_wake(), Input::Tick),
                None => return,
            };
            self.replica.step(now, input, &mut self.outputs);
            self.perform();
        }
    }

    fn perform(&mut self) {
        for output in std::mem::take(&mut self.outputs) {
            match output {
                Output::Disk { write, ops } => {
                    ops.into_iter().for_each(|op| self.carry_out(op));
                    self.inputs.push_back(Input::DiskDone { write, result: Ok(()) });
                }
                Output::Send(envelope) => {
                    let mut bytes = Vec::new();
                    envelope.body.encode(wire::VERSION, &mut bytes);
                    self.messages.push(bytes);
                }
                _ => {}
            }
        }
    }

    fn carry_out(&mut self, op: DiskOp) {
        match op {
            DiskOp::Create { file } => drop(self.disk.insert(file, Vec::new())),
            DiskOp::SetLength { file, length } => {
                let length = usize::try_from(length).expect("files are small");
                self.disk.entry(file).or_default().resize(length, 0);
            }
            DiskOp::Write { file, offset, bytes } => {
                let file = self.disk.entry(file).or_default();
                let start = usize::try_from(offset).expect("files are small");
                let end = start + bytes.len();
                file.resize(file.len().max(end), 0);
                file[start..end].copy_from_slice(&bytes);
            }
            DiskOp::Rename { from, to } => {
                if let Some(bytes) = self.disk.remove(&from) {
                    self.disk.insert(to, bytes);
                }
            }
            DiskOp::Remove { file } => drop(self.disk.remove(&file)),
            DiskOp::Sync { .. } | DiskOp::SyncDirectory => {}
        }
    }

    fn write_down(&self, seeds: &Seeds) -> Result<(), Box<dyn Error>> {
        for (name, bytes) in &self.disk {
            let name = &name.0;
            if name.starts_with("wal-") {
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                let end = end.next_multiple_of(8).min(bytes.len()).min(usize::from(u16::MAX));
                let mut seed = u16::try_from(end)?.to_le_bytes().to_vec();
                seed.extend_from_slice(&bytes[..end]);
                seeds.write("wal", name, &seed)?;
            } else if name.starts_with("snapshot-") {
                seeds.write("parts", name, &parts(bytes))?;
                let mut backup = bytes.clone();
                seal(&mut backup);
                seeds.write("backup", name, &backup)?;
                let mut sealed = Vec::new();
                let mut export = EtcdExport::default();
                export.push(&backup.clone().into())?;
                export.finish()?.write(&mut sealed)?;
                seeds.write("backup", "etcd", &sealed)?;
                seeds.write("bolt", "etcd", &sealed[..sealed.len() - 32])?;
            } else {
                seeds.write("identity", name, bytes)?;
            }
        }
        for (number, (path, json)) in JSON.iter().enumerate() {
            let seed = [&[*path][..], json.as_bytes()].concat();
            seeds.write("gateway", &number.to_string(), &seed)?;
        }
        Ok(())
    }

    fn write_down_messages(&self, seeds: &Seeds) -> Result<(), Box<dyn Error>> {
        for (number, message) in self.messages.iter().enumerate() {
            seeds.write("peer_message", &number.to_string(), message)?;
            let frame = [&[3][..], message].concat();
            seeds.write("frame", &number.to_string(), &frame)?;
        }
        Ok(())
    }
}

/// Requests as the gateway takes them, with the number of their path.
const JSON: [(u8, &str); 5] = [
    (0, r#"{"key":"Zm9v","range_end":"Zm9w","limit":"5","sort_order":"DESCEND","sortTarget":2}"#),
    (1, r#"{"key":"Zm9v","value":"YmFy","lease":"7","prevKv":true}"#),
    (
        3,
        r#"{"compare":[{"result":"EQUAL","target":"VALUE","key":"Zm9v","value":"YmFy"}],"success":[{"requestPut":{"key":"Zm9v"}},{"request_txn":{"failure":[{"requestRange":{"key":"AA=="}}]}}]}"#,
    ),
    (5, r#"{"create_request":{"key":"Zm9v","filters":["NOPUT"],"start_revision":"3"}}"#),
    (6, r#"{"TTL":"60","ID":0}"#),
];

/// The parts of a snapshot's file, each with its length before it, as the target takes them.
fn parts(file: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), Bytes::copy_from_slice(file).slice(8..));
    while rest.len() > 9 {
        let length = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let payload = rest.slice(9..9 + length);
        if let (2, Ok(length)) = (rest[4], u16::try_from(length)) {
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&payload);
        }
        rest = rest.slice(9 + length..);
    }
    out
}
