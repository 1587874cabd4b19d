//! Every group of etcdctl's commands against this server, and against a real etcd, which must print the same.
//!
//! Looks for `etcdctl` and `etcd` in the folder `ETCD_BIN`, where they have to be, as in CI (`make etcd` puts them there), else on the path;
//! says so and passes where there is none.

use crate::common::Server;
use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;
use whitewater_server::loopback;

/// What is said, what etcdctl is given on stdin, and how many lines are read before it is killed, if it does not end itself.
struct Say(&'static [&'static str], &'static str, Option<usize>);

const fn say(words: &'static [&'static str]) -> Say {
    Say(words, "", None)
}

const KEYS: &[Say] = &[
    say(&["put", "foo", "bar"]),
    say(&["put", "foo", "bar2", "--prev-kv"]),
    say(&["get", "foo", "-w", "json"]),
    say(&["get", "foo", "--rev=2"]),
    say(&["put", "foo1", "x"]),
    say(&["put", "zoo", "y"]),
    say(&["get", "foo", "--prefix", "--sort-by=MODIFY", "--order=DESCEND"]),
    say(&["get", "foo", "zoo", "--limit=1", "-w", "json"]),
    say(&["get", "", "--from-key", "--keys-only"]),
    say(&["get", "foo", "--prefix", "--count-only", "-w", "fields"]),
    say(&["put", "zoo", "--ignore-value", "--lease=1234abcd"]),
    say(&["put", "none", "--ignore-value"]),
    Say(&["put", "stdin"], "from a pipe", None),
    Say(&["txn"], "mod(\"foo\") = \"3\"\n\nput foo bar3\nget foo\n\nput foo no\n\n", None),
    Say(&["txn", "-w", "json"], "value(\"foo\") = \"no\"\n\n\n\nget zoo\ndel zoo\n\n", None),
    Say(&["txn"], "ver(\"none\") = \"0\"\n\nput a 1\nput a 2\n\n\n", None),
    say(&["del", "foo", "--prefix", "--prev-kv"]),
    say(&["del", "none"]),
    Say(&["watch", "foo", "--rev=2", "--prefix", "--prev-kv"], "", Some(12)),
    say(&["endpoint", "hashkv"]),
    say(&["compaction", "4"]),
    say(&["compaction", "4"]),
    say(&["compaction", "400"]),
    say(&["get", "foo", "--rev=3"]),
    say(&["get", "foo", "--rev=300"]),
    say(&["endpoint", "hashkv"]),
];

const LEASES: &[Say] = &[
    say(&["lease", "grant", "100", "-w", "fields"]),
    say(&["lease", "list", "-w", "fields"]),
    say(&["lease", "timetolive", "1234abcd"]),
    say(&["lease", "keep-alive", "--once", "1234abcd"]),
    say(&["lease", "revoke", "1234abcd"]),
    say(&["lease", "grant", "9000000001"]),
    say(&["lock", "l", "--ttl=60", "echo", "held"]),
];

const OPERATORS: &[Say] = &[
    say(&["member", "list"]),
    say(&["member", "list", "-w", "fields"]),
    say(&["member", "remove", "7"]),
    say(&["member", "promote", "7"]),
    say(&["member", "update", "7", "--peer-urls=http://127.0.0.1:1"]),
    say(&["alarm", "list"]),
    say(&["alarm", "disarm"]),
    say(&["defrag"]),
    say(&["move-leader", "7"]),
];

const USERS: &[Say] = &[
    say(&["auth", "status"]),
    say(&["auth", "enable"]),
    say(&["user", "add", "root:secret"]),
    say(&["user", "add", "root:secret"]),
    say(&["user", "add", "nobody", "--no-password"]),
    say(&["role", "add", "root"]),
    say(&["user", "grant-role", "root", "root"]),
    say(&["role", "add", "reader"]),
    say(&["role", "grant-permission", "reader", "read", "k", "--prefix=true"]),
    say(&["role", "grant-permission", "reader", "readwrite", "own"]),
    say(&["role", "get", "reader"]),
    say(&["user", "add", "alice:pw"]),
    say(&["user", "grant-role", "alice", "reader"]),
    say(&["user", "grant-role", "alice", "none"]),
    say(&["user", "get", "alice"]),
    say(&["user", "list"]),
    say(&["role", "list"]),
    say(&["auth", "enable"]),
    say(&["put", "own", "v"]),
    say(&["put", "own", "v", "--user=alice:pw"]),
    say(&["put", "k1", "v", "--user=alice:pw"]),
    say(&["get", "k", "--prefix", "--user=alice:pw"]),
    say(&["get", "own", "--user=alice:wrong"]),
    say(&["member", "list", "--user=alice:pw", "-w", "fields"]),
    say(&["user", "list", "--user=alice:pw"]),
    say(&["user", "get", "alice", "--user=alice:pw"]),
    say(&["role", "revoke-permission", "reader", "own", "--user=root:secret"]),
    say(&["put", "own", "v", "--user=alice:pw"]),
    say(&["user", "revoke-role", "alice", "reader", "--user=root:secret"]),
    say(&["user", "delete", "alice", "--user=root:secret"]),
    say(&["role", "delete", "reader", "--user=root:secret"]),
    say(&["auth", "status", "--user=root:secret"]),
    say(&["auth", "disable", "--user=root:secret"]),
    say(&["auth", "status"]),
];

pub(crate) fn binary(name: &str) -> Option<PathBuf> {
    let Some(folder) = env::var_os("ETCD_BIN") else {
        let path = env::var_os("PATH")?;
        return env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    };
    let path = PathBuf::from(folder).join(name);
    assert!(path.is_file(), "ETCD_BIN names a folder without {name}: {}", path.display());
    Some(path)
}

/// A real etcd's process.
pub(crate) struct Etcd {
    child: Child,
    pub(crate) url: String,
    _directory: TempDir,
}

impl Etcd {
    pub(crate) fn start(binary: &PathBuf, more: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let client = loopback::next();
        let (url, peer) = (format!("http://{client}"), format!("http://{}", loopback::next()));
        let mut child = Command::new(binary)
            .arg(format!("--data-dir={}", directory.path().display()))
            .arg(format!("--listen-client-urls={url}"))
            .arg(format!("--advertise-client-urls={url}"))
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"))
            .arg(format!("--initial-cluster=default={peer}"))
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let is_ready = |line: &String| line.contains("ready to serve client requests");
        assert!(log.by_ref().map_while(Result::ok).any(|line| is_ready(&line)), "etcd starts");
        std::thread::spawn(move || log.count());
        drop(TcpStream::connect(client).unwrap());
        Self { child, url, _directory: directory }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What etcdctl prints, without what differs between two clusters.
fn etcdctl(binary: &PathBuf, url: &str, Say(words, input, lines): &Say) -> String {
    let mut child = Command::new(binary)
        .args(["--endpoints", url, "--command-timeout=20s"])
        .args(*words)
        .env_remove("ETCDCTL_API")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may have ended already.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let text = if let Some(count) = lines {
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines: Vec<String> = out.take(*count).map(Result::unwrap).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        lines.join("\n")
    } else {
        let output = child.wait_with_output().unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        format!("{out}{err}exit {}", output.status.code().unwrap())
    };
    common_words(&text.replace(url, "URL"))
}

/// Replaces ids, terms and times.
fn common_words(text: &str) -> String {
    // Runs of sixteen hexadecimal digits, and numbers of more than fifteen digits, are ids.
    let mut words = String::new();
    let mut run = String::new();
    let end = |run: &mut String, words: &mut String| {
        let is_hex = run.len() >= 15 && run.chars().all(|c| c.is_ascii_hexdigit());
        words.push_str(if is_hex { "ID" } else { run });
        run.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            run.push(c);
        } else {
            end(&mut run, &mut words);
            words.push(c);
        }
    }
    end(&mut run, &mut words);
    let lines = words.lines().filter(|line| !line.contains("retrying of unary invoker failed"));
    let lines = lines.map(|line| {
        let line = line.split("\"raft_term\":").collect::<Vec<_>>();
        let cut = |part: &str| part.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
        let (first, rest) = line.split_first().unwrap_or((&"", &[]));
        rest.iter()
            .fold((*first).to_owned(), |line, part| format!("{line}\"raft_term\":T{}", cut(part)))
    });
    let lines = lines.filter(|line| !line.starts_with("\"RaftTerm\""));
    lines
        .filter(|line| {
            !line.contains("PeerURL") && !line.contains("ClientURL") && !line.contains("http://")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Says the same to both, and compares what comes back.
fn compare(script: &[&[Say]]) {
    let Some(ctl) = binary("etcdctl") else {
        eprintln!("skipped: no etcdctl in ETCD_BIN or on the path");
        return;
    };
    let directory = TempDir::new().unwrap();
    let ours = Server::alone(directory.path());
    let theirs = binary("etcd").map(|etcd| Etcd::start(&etcd, &[]));
    if theirs.is_none() {
        eprintln!("nothing to compare with: no etcd in ETCD_BIN or on the path");
    }
    let mut differences = Vec::new();
    for said in script.iter().copied().flatten() {
        let Say(words, ..) = said;
        let here = etcdctl(&ctl, &ours.url, said);
        assert!(
            !here.contains("unknown service") && !here.contains("Unimplemented"),
            "{words:?}: {here}"
        );
        let Some(theirs) = &theirs else { continue };
        let there = etcdctl(&ctl, &theirs.url, said);
        if here != there {
            differences.push(format!("{words:?}\n--- ours\n{here}\n--- etcd\n{there}\n"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn keys_and_watches_are_as_etcdctl_knows_them() {
    compare(&[KEYS]);
}

#[test]
fn leases_locks_and_operators_are_as_etcdctl_knows_them() {
    compare(&[LEASES, OPERATORS]);
}

#[test]
fn users_and_roles_are_as_etcdctl_knows_them() {
    compare(&[USERS]);
}
