//! `whitewater check` on everybody's histories.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use whitewater_api::{
    Body, Completion, Error, Header, LeaseId, LeaseRequest, LeaseResponse, Process, Request,
    RequestId, Response, Revision,
};
use whitewater_record::{Format, History, Recorded, SimTime, formats};

fn histories() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("check").join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    fs::create_dir_all(&path).unwrap();
    path
}

/// Runs `check` in a folder.
fn check(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_whitewater");
    let output = Command::new(program).arg("check").args(arguments).current_dir(folder).output();
    told(&output.unwrap())
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The same, with the bytes of a history on stdin.
fn pipe(bytes: &[u8], arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_whitewater"))
        .args(["check", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    told(&child.wait_with_output().unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// Name, operations, format and model, for each format a good history and a bad one.
const HISTORIES: [(&str, usize, &str, &str, bool); 10] = [
    ("jepsen.log", 5, "jepsen-log", "register", true),
    ("jepsen-bad.log", 6, "jepsen-log", "register", false),
    ("jepsen.edn", 3, "jepsen-edn", "kv", true),
    ("jepsen-bad.edn", 3, "jepsen-edn", "kv", false),
    ("porcupine.txt", 4, "porcupine-kv", "kv", true),
    ("porcupine-bad.txt", 4, "porcupine-kv", "kv", false),
    ("etcd.jsonl", 4, "lin-hist", "etcd", true),
    ("etcd-bad.jsonl", 4, "lin-hist", "etcd", false),
    ("etcd", 4, "etcd-robustness", "etcd", true),
    ("etcd-bad", 4, "etcd-robustness", "etcd", false),
];

#[test]
fn each_format_is_detected_and_judged() {
    for (name, operations, format, model, is_good) in HISTORIES {
        let (code, stdout, stderr) = check(&histories(), &[name]);
        let (word, exit) = if is_good { ("PASS", 0) } else { ("FAIL", 1) };
        assert_eq!(code, Some(exit), "{name}: {stdout}{stderr}");
        let first = format!("{word} {name}: {operations} operations ({format}, {model})\n");
        assert!(stdout.starts_with(&first), "{stdout}");
        assert_eq!(stdout.contains(": broken, "), !is_good, "{stdout}");
        assert_eq!(stderr, "", "no bar without a terminal");
    }
}

#[test]
fn compressed_or_from_stdin_a_history_is_the_same() {
    for (name, _, format, _, is_good) in HISTORIES {
        let path = histories().join(name);
        if path.is_dir() {
            continue;
        }
        let bytes = fs::read(path).unwrap();
        let exit = Some(i32::from(!is_good));
        let plain = pipe(&bytes, &[]);
        assert_eq!(plain.0, exit, "{plain:?}");
        for wrapped in [gzip(&bytes), zstd(&bytes)] {
            assert_eq!(pipe(&wrapped, &["-j", "3"]), plain, "{name}");
            assert_eq!(pipe(&wrapped, &["--format", format, "--timeout", "60"]).0, exit, "{name}");
        }
    }
}

#[test]
fn a_history_that_we_wrote_is_judged_as_the_one_that_was_read() {
    let name = histories().join("etcd.jsonl");
    let read = formats::read("etcd", None, fs::read(name).unwrap().as_slice()).unwrap();
    let (Format::LinHist, Recorded::Etcd(history)) = read else { panic!("{read:?}") };
    let mut bytes = Vec::new();
    history.write(&mut bytes).unwrap();
    let (code, stdout, _) = pipe(&bytes, &[]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("PASS stdin: 4 operations (whitewater, etcd)\n"), "{stdout}");
    let (code, stdout, _) = pipe(&bytes, &["--stream"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.starts_with("PASS stdin: 4 operations (whitewater, etcd)\n"), "{stdout}");
    let end = bytes.len() - 2;
    let (code, _, stderr) = pipe(&bytes[..end], &["--stream"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("stdin:5:") && stderr.contains("EOF"), "{stderr}");
    let last = bytes[..end].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let (code, _, stderr) = pipe(&bytes[..last], &["--stream"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("promises 4 rows, the file has 3"), "{stderr}");
    let (code, _, stderr) = check(&histories(), &["etcd.jsonl", "--stream"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("etcd.jsonl:1:"), "{stderr}");
}

#[test]
fn the_evidence_is_named_by_its_lines() {
    let (_, stdout, _) = check(&histories(), &["jepsen-bad.log"]);
    assert!(stdout.contains("\n    jepsen-bad.log:13: p1 get register -> 1\n"), "{stdout}");
    let (_, stdout, _) = check(&histories(), &["jepsen-bad.log", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(line["lines"][0], 13, "{line}");
    assert_eq!(line["file"], "jepsen-bad.log");
    assert!(line["ruling"]["broken"]["code"].is_string(), "{line}");
    assert_eq!(line["counterexample"]["is_minimal"], true, "{line}");
    assert_eq!(line["counterexample"]["core"].as_array().unwrap().len(), 4, "{line}");
    let (_, stdout, _) = check(&histories(), &["etcd-bad"]);
    assert!(stdout.contains("\n    operation 3: p2#1 get a\n"), "{stdout}");
    assert!(stdout.contains("\n  2 operations that cannot all be right:\n"), "{stdout}");
}

#[test]
fn a_folder_stands_for_its_histories_and_the_worst_counts() {
    let home = folder("mixed");
    fs::copy(histories().join("jepsen.edn"), home.join("1.edn")).unwrap();
    fs::write(home.join("2.csv"), "file,ops\n").unwrap();
    let (code, stdout, stderr) = check(&home, &["."]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert_eq!(stdout.matches("PASS ").count(), 1, "{stdout}");
    assert_eq!(stderr, "passed over ./2.csv: not a history\n");
    fs::write(home.join("3.log.gz"), gzip(&fs::read(histories().join("jepsen-bad.log")).unwrap()))
        .unwrap();
    let (code, stdout, _) = check(&home, &["."]);
    assert_eq!(code, Some(1), "{stdout}");
    // Named, it must be a history.
    let (code, stdout, stderr) = check(&home, &[".", "2.csv"]);
    assert_eq!(code, Some(2), "{stdout}");
    assert!(stderr.contains("error: 2.csv:1:1: the format is not known"), "{stderr}");
    assert!(stdout.contains("FAIL ./3.log.gz: 6 operations"), "the others are judged: {stdout}");
    fs::create_dir(home.join("more")).unwrap();
    let (_, _, stderr) = check(&home, &["."]);
    let passed = "passed over ./more: a folder; name it to judge the histories in it\n";
    assert!(stderr.ends_with(passed), "{stderr}");
    let (code, _, stderr) = check(&folder("empty"), &["."]);
    assert_eq!(
        (code, stderr.as_str()),
        (Some(4), "error: there is no history in what was named\n")
    );
}

#[test]
fn a_file_that_was_cut_off_or_damaged_is_named_with_the_place() {
    let home = folder("damaged");
    let log = fs::read(histories().join("jepsen.log")).unwrap();
    let etcd = fs::read(histories().join("etcd/client-1/operations.json")).unwrap();
    let rows = fs::read(histories().join("etcd.jsonl")).unwrap();
    let rows = rows.split_inclusive(|byte| *byte == b'\n').take(4).collect::<Vec<_>>().concat();
    let compressed = gzip(&log);
    for (name, bytes, place) in [
        ("cut.log", &log[..log.len() - 8], ":12:26: expected a tab and the operation"),
        ("cut.json", &etcd[..300], ":1:300: EOF while parsing"),
        ("cut.jsonl", &rows, ":5:1: the header promises 4 rows, the file has 3"),
        (
            "cut.log.gz",
            &compressed[..compressed.len() - 10],
            ": the file ends too early: it was cut off",
        ),
        ("none.log", b"", ":1:1: the file is empty"),
    ] {
        fs::write(home.join(name), bytes).unwrap();
        let (code, stdout, stderr) = check(&home, &[name]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{name}: {stderr}");
        assert!(stderr.starts_with(&format!("error: {name}:")), "{stderr}");
        assert!(stderr.contains(place), "{name}: {stderr}");
    }
}

/// In each format a line is spoilt, with the place of what is wrong: plain, in gzip, in zstd, in a file and on stdin.
#[test]
fn a_malformed_line_is_named_in_every_format_however_it_is_wrapped() {
    let home = folder("malformed");
    let read = |name: &str| fs::read_to_string(histories().join(name)).unwrap();
    let read_etcd = formats::read("etcd", None, read("etcd.jsonl").as_bytes()).unwrap();
    let (_, Recorded::Etcd(history)) = read_etcd else { panic!("it is one of etcd") };
    let mut ours = Vec::new();
    history.write(&mut ours).unwrap();
    let ours = String::from_utf8(ours).unwrap();
    let rows = read("etcd.jsonl");
    let twice = "{\"id\":1,\"p\":1,\"f\":\"get\",\"k\":1,\"t0\":1}\n".repeat(2);
    let twice = format!("{{\"format\":\"lin-hist/1\",\"kind\":\"reg\"}}\n{twice}");
    for (name, text, place) in [
        ("a.log", read("jepsen.log").replacen(":ok\t:read", ":fine\t:read", 1), ":6:23: expected"),
        ("b.edn", read("jepsen.edn").replacen(":f :read", ":f :look", 1), ":3:55: expected"),
        ("c.txt", read("porcupine.txt").replacen(":f :get", ":g :get", 1), ":5:1: the map has no"),
        ("d.jsonl", rows.replacen("\"t0\":", "\"t0\":-", 2), ":2:"),
        ("e.jsonl", twice, ":3:2: line 2 has the same id"),
        (
            "f.json",
            read("etcd/client-1/operations.json").replacen("txn", "tx", 1),
            ":1:24: expected",
        ),
        ("g.jsonl", ours.replacen("\"invoked\"", "\"asked\"", 1), ":2:"),
    ] {
        for (ending, bytes) in [
            ("", text.as_bytes().to_vec()),
            (".gz", gzip(text.as_bytes())),
            (".zst", zstd(text.as_bytes())),
        ] {
            let file = format!("{name}{ending}");
            fs::write(home.join(&file), &bytes).unwrap();
            let (code, stdout, stderr) = check(&home, &[&file]);
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{file}: {stderr}");
            assert!(stderr.starts_with(&format!("error: {file}{place}")), "{place}: {stderr}");
            let piped = pipe(&bytes, &[]);
            assert_eq!(piped.2, stderr.replacen(&file, "stdin", 1), "{file}");
        }
    }
}

/// The place is that of the text, wherever the compressed bytes end.
#[test]
fn where_a_compressed_history_was_cut_off_is_said_by_line() {
    let rows =
        (0..400).map(|i| format!("{{\"p\":1,\"f\":\"get\",\"k\":1,\"t0\":{i},\"t1\":{i}}}\n"));
    let text =
        std::iter::once("{\"format\":\"lin-hist/1\",\"kind\":\"reg\"}\n".to_owned()).chain(rows);
    let text: String = text.collect();
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    for wrapped in [gzip(text.as_bytes()), [zstd(first), zstd(second)].concat()] {
        let (code, _, stderr) = pipe(&wrapped[..wrapped.len() - 9], &[]);
        assert_eq!(code, Some(2), "{stderr}");
        let place = stderr.strip_prefix("error: stdin:").unwrap();
        let line: usize = place.split(':').next().unwrap().parse().unwrap();
        assert!(line > 1, "{stderr}");
        assert!(stderr.ends_with(": the file ends too early: it was cut off\n"), "{stderr}");
    }
}

#[test]
fn a_compressed_history_that_was_cut_off_is_never_judged() {
    for (name, ..) in HISTORIES {
        let path = histories().join(name);
        if path.is_dir() {
            continue;
        }
        let bytes = fs::read(path).unwrap();
        for wrapped in [gzip(&bytes), zstd(&bytes)] {
            for end in [wrapped.len() / 2, wrapped.len() - 1] {
                let (code, stdout, stderr) = pipe(&wrapped[..end], &[]);
                assert_eq!((code, stdout.as_str()), (Some(2), ""), "{name}, {end}: {stderr}");
                assert!(stderr.starts_with("error: stdin:"), "{name}, {end}: {stderr}");
            }
        }
    }
}

#[test]
fn a_large_history_is_judged_while_it_is_read_if_that_is_the_whole_truth() {
    let home = folder("large");
    let name = histories().join("etcd.jsonl");
    let read = formats::read("etcd", None, fs::read(name).unwrap().as_slice()).unwrap();
    let (_, Recorded::Etcd(mut history)) = read else { panic!("{read:?}") };
    let judged = |history: &History| {
        let mut bytes = Vec::new();
        history.write(&mut bytes).unwrap();
        fs::write(home.join("h.jsonl.gz"), gzip(&bytes)).unwrap();
        check(&home, &["h.jsonl.gz", "--stream-from", "1"])
    };
    let (code, stdout, stderr) = judged(&history);
    assert_eq!((code, stdout.lines().count()), (Some(0), 3), "{stdout}");
    assert_eq!(stderr, "h.jsonl.gz: large, so judged while it was read\n");
    let mut grant = history.operations[0].clone();
    grant.id.process.0 = 99;
    grant.request = Request::Lease(LeaseRequest::Grant { lease: LeaseId(5), ttl: 60 });
    grant.completion = Completion::Info(Error::TimedOut);
    history.operations.push(grant);
    history.operations.sort_by_key(|operation| operation.invoked);
    let (code, stdout, stderr) = judged(&history);
    let lines = 1 + whitewater_checkers::JUDGES.len();
    assert_eq!((code, stdout.lines().count()), (Some(0), lines), "{stdout}");
    assert_eq!(stderr, "h.jsonl.gz: judged anew as a whole, for there are leases\n");
}

#[test]
fn a_model_or_format_that_does_not_fit_is_refused() {
    for (arguments, expected) in [
        (&["jepsen.edn", "--model", "register"][..], "jepsen.edn: the history has 2 keys"),
        (&["jepsen.log", "--model", "etcd"], "jepsen.log: the history has no revisions"),
        (&["etcd.jsonl", "--model", "kv"], "etcd.jsonl: the history is one of etcd"),
        (&["etcd.jsonl", "--initial", "0"], "begins with an empty store"),
        (&["jepsen.log", "--format", "jepsen-edn"], "jepsen.log:1:1: expected a map"),
        (&["jepsen.log", "--format", "csv"], "porcupine-kv"),
        (&["jepsen.log", "--timeout", "soon"], "ns, us, ms, s, m or h"),
        (&["jepsen.log", "--memory", "4T"], "512M or 4G"),
        (&["jepsen.log", "-j", "0"], "-j: expected 1 to"),
    ] {
        let (code, stdout, stderr) = check(&histories(), arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    let (code, ..) = check(&histories(), &["jepsen.log", "--model", "kv"]);
    assert_eq!(code, Some(0), "a register is a store of one key");
}

#[test]
fn an_objection_of_a_judge_of_leases_is_shown_with_its_grounds() {
    let home = folder("grounds");
    let name = histories().join("etcd.jsonl");
    let read = formats::read("etcd", None, fs::read(name).unwrap().as_slice()).unwrap();
    let (_, Recorded::Etcd(mut history)) = read else { panic!("{read:?}") };
    let last = history.operations.last().unwrap().clone();
    let lease = LeaseId(5);
    let mut add = |sequence: u32, request: LeaseRequest, told: LeaseResponse| {
        let mut operation = last.clone();
        operation.id = RequestId { process: Process(99), sequence };
        operation.invoked = SimTime(last.completed.0 + 1_000 * u64::from(sequence) + 1_000);
        operation.completed = SimTime(operation.invoked.0 + 500);
        operation.request = Request::Lease(request);
        let header = Header { revision: Revision(1_000_000), ..Header::default() };
        operation.completion = Completion::Ok(Response { header, body: Body::Lease(told) });
        history.operations.push(operation);
    };
    add(0, LeaseRequest::Grant { lease, ttl: 60 }, LeaseResponse::Grant { lease, ttl: 60 });
    add(1, LeaseRequest::KeepAlive(lease), LeaseResponse::KeepAlive { lease, ttl: 60 });
    let gone = LeaseResponse::TimeToLive { lease, ttl: -1, granted: 0, keys: Vec::new() };
    add(2, LeaseRequest::TimeToLive { lease, keys: false }, gone);
    let mut bytes = Vec::new();
    history.write(&mut bytes).unwrap();
    fs::write(home.join("h.jsonl"), bytes).unwrap();
    let (code, stdout, stderr) = check(&home, &["h.jsonl"]);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(stdout.contains("  lease: broken, early-expiry: p99#2"), "{stdout}");
    assert!(stdout.contains("facts that cannot all be right:"), "{stdout}");
    let (code, stdout, _) = check(&home, &["h.jsonl", "--json"]);
    assert_eq!(code, Some(1), "{stdout}");
    let judged =
        stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let lines: Vec<serde_json::Value> = judged.filter(|line| line["judge"] == "lease").collect();
    let grounds = &lines[0]["grounds"];
    assert_eq!(grounds["is_minimal"], true, "{grounds}");
    let operations = grounds["operations"].as_array().unwrap();
    let is_of_lease = |it: &serde_json::Value| it["text"].as_str().unwrap().starts_with("p99#");
    assert!((2..=3).contains(&operations.len()) && operations.iter().all(is_of_lease), "{grounds}");
}

#[test]
fn what_was_there_at_the_start_may_be_seen() {
    let log = "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO  jepsen.util - 0\t:ok\t:read\t7\n";
    assert_eq!(pipe(log.as_bytes(), &[]).0, Some(1));
    assert_eq!(pipe(log.as_bytes(), &["--initial", "7"]).0, Some(0));
}

#[test]
fn what_is_not_decided_in_time_is_inconclusive() {
    let (code, stdout, _) = check(&histories(), &["etcd.jsonl", "--timeout", "0"]);
    assert_eq!(code, Some(3), "{stdout}");
    assert!(stdout.starts_with("INCONCLUSIVE etcd.jsonl: 4 operations"), "{stdout}");
}

#[test]
fn what_is_not_decided_is_named_as_a_window() {
    // A swap from each of five values to each other, all at once: they lead back to the first, whatever their order. But
    // then another one is read.
    let mut lines = vec![
        r#"{"format":"lin-hist/1","kind":"kv"}"#.to_owned(),
        r#"{"p":1,"f":"put","k":"x","v":0,"t0":0,"t1":1}"#.to_owned(),
    ];
    let pairs = (0..25).map(|i| (i / 5, i % 5)).filter(|(from, to)| from != to);
    lines.extend((2..).zip(pairs).map(|(p, (from, to))| {
        let cas = format!(r#""f":"cas","k":"x","from":{from},"v":{to},"ok":true"#);
        format!(r#"{{"p":{p},{cas},"t0":10,"t1":20}}"#)
    }));
    lines.push(r#"{"p":1,"f":"get","k":"x","out":1,"t0":30,"t1":31}"#.to_owned());
    let history = lines.join("\n");
    let (code, stdout, _) = pipe(history.as_bytes(), &["--memory", "100K"]);
    assert_eq!(code, Some(3), "{stdout}");
    assert!(stdout.starts_with("INCONCLUSIVE stdin: 22 operations"), "{stdout}");
    assert!(stdout.contains("undecided: the memory ran out on key x, between"), "{stdout}");
    assert!(stdout.contains("    stdin:23: p1 get x"), "{stdout}");
    let (code, stdout, _) = pipe(history.as_bytes(), &["--memory", "100K", "--json"]);
    assert_eq!(code, Some(3), "{stdout}");
    let line: serde_json::Value = serde_json::from_str(stdout.trim_end()).unwrap();
    let window = &line["ruling"]["undecided"]["window"];
    assert_eq!((&window["key"], &window["from"]), (&"x".into(), &"10ns".into()), "{line}");
    assert_eq!(line["lines"][1], 23, "{line}");
}

/// What the page shows: files, commands and what they print.
struct Page {
    files: Vec<(String, String)>,
    /// Command, what it prints, exit code.
    sessions: Vec<(String, String, i32)>,
}

fn page() -> Page {
    let text = fs::read_to_string(root().join("docs/check.md")).unwrap();
    let mut page = Page { files: Vec::new(), sessions: Vec::new() };
    for block in text.split("\n```").skip(1).step_by(2) {
        let (head, body) = block.split_once('\n').unwrap();
        match head.split_once(' ') {
            Some((_, name)) => page.files.push((name.to_owned(), format!("{body}\n"))),
            None => {
                for session in body.split("$ ").skip(1) {
                    let (command, rest) = session.split_once('\n').unwrap();
                    let (output, code) = rest.rsplit_once("[exit ").unwrap();
                    let code = code.trim_end().strip_suffix(']').unwrap().parse().unwrap();
                    page.sessions.push((command.to_owned(), output.to_owned(), code));
                }
            }
        }
    }
    page
}

#[test]
fn the_page_shows_what_happens() {
    let home = folder("page");
    let Page { files, sessions } = page();
    assert_eq!((files.len(), sessions.len()), (3, 6));
    for (name, text) in files {
        fs::write(home.join(name), text).unwrap();
    }
    let program = Path::new(env!("CARGO_BIN_EXE_whitewater")).parent().unwrap();
    for (command, expected, code) in sessions {
        let script = format!("PATH='{}':$PATH; {{ {command}; }} 2>&1", program.display());
        let output = Command::new("sh").args(["-c", &script]).current_dir(&home).output().unwrap();
        let (found, stdout, _) = told(&output);
        assert_eq!(stdout, expected, "{command}");
        assert_eq!(found, Some(code), "{command}");
    }
}

/// The histories that lie beside the workspace, if they do: families of registers and of etcd, Jepsen's, Porcupine's.
#[test]
fn the_histories_beside_the_workspace_are_judged_as_their_headers_say() {
    let home = root().join("../shared/histories");
    if !home.is_dir() {
        println!("skipped: there is no {}", home.display());
        return;
    }
    let porcupine = fs::read_to_string(home.join("jepsen-etcd/porcupine.csv")).unwrap();
    for (part, format, files) in [
        ("jepsen-etcd", "jepsen-log", 51),
        ("kv", "porcupine-kv", 4),
        ("generated", "lin-hist", 116),
    ] {
        let (code, stdout, stderr) = check(&home.join(part), &[".", "--json", "--timeout", "120"]);
        assert_eq!(code, Some(1), "some are bad: {stderr}");
        let mut verdicts: BTreeMap<String, (usize, bool)> = BTreeMap::new();
        for line in stdout.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["format"], format, "{line}");
            let file = line["file"].as_str().unwrap().trim_start_matches("./").to_owned();
            let operations = usize::try_from(line["operations"].as_u64().unwrap()).unwrap();
            let verdict = verdicts.entry(file).or_insert((operations, true));
            verdict.1 &= line["ruling"].get("broken").is_none();
            let is_exact =
                ["linearizable", "revision-order"].contains(&line["judge"].as_str().unwrap());
            let is_etcd = line["model"] == "etcd";
            let undecided = line["ruling"].get("undecided").is_some();
            assert!(!undecided || (is_exact && is_etcd), "{line}");
        }
        assert_eq!(verdicts.len(), files, "{part}: {stderr}");
        for (file, (operations, holds)) in verdicts {
            let expected = match part {
                "jepsen-etcd" => {
                    let row = porcupine.lines().find(|row| row.starts_with(&file)).unwrap();
                    Some(row.split(',').nth(3).unwrap() == "Ok")
                }
                "kv" => Some(file.ends_with("-ok.txt")),
                _ => expected_of(&home.join(part).join(&file), operations),
            };
            assert!(operations > 20, "{file}: {operations}");
            assert!(expected.is_none_or(|expected| expected == holds), "{file}: holds: {holds}");
        }
    }
}

/// What the header says: nothing if its author does not know. Reads that nobody answered are not in the history.
fn expected_of(path: &Path, operations: usize) -> Option<bool> {
    let mut line = String::new();
    let file = BufReader::new(fs::File::open(path).unwrap());
    BufReader::new(MultiGzDecoder::new(file)).read_line(&mut line).unwrap();
    let header: serde_json::Value = serde_json::from_str(&line).unwrap();
    let promised = usize::try_from(header["ops"].as_u64().unwrap()).unwrap();
    assert!(operations <= promised && operations * 10 >= promised * 9, "{line}: {operations}");
    match header["expect"].as_str().unwrap() {
        "ok" => Some(true),
        "bad" => Some(false),
        _ => None,
    }
}
