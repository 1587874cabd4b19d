//! The command as a person or a script meets it: arguments in, two streams and an exit code out.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn whitewater(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_whitewater")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&path).unwrap();
    path
}

fn file(name: &str, text: &str) -> String {
    let path = folder("files").join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_wrong_command_line_says_what_is_wrong_and_exits_2() {
    for (arguments, expected) in [
        (&["run", "--sed", "1"][..], "--seed"),
        (&["run", "--seed", "12z"], "`12z`|'12z'|0x"),
        (&["run", "nope", "--seed", "1"], "`nope` is not a scenario: give a file"),
        (&["run", "no/such/file.toml", "--seed", "1"], "no/such/file.toml: "),
        (&["run", "--seed", "1", "--nodes", "9"], "cluster.nodes: 9 is not between 1 and 7"),
        (&["run", "--seed", "1", "--mutation", "x"], "`x` is not a mutation; `whitewater zoo"),
        (&["run", "--seeds", "2", "-j", "0"], "-j 0: expected 1 to"),
        (&["run", "--time", "soon"], "ns, us, ms, s, m or h"),
        (&["replay"], "PLAN.toml"),
        (&["replay", "--scenario", "swarm"], "--seed"),
        (&["replay", "no/such/plan.toml"], "no/such/plan.toml: "),
        (&["shrink"], "PLAN.toml"),
        (&["shrink", "no/such/plan.toml"], "no/such/plan.toml: "),
        (&["shrink", "no/such/plan.toml", "--scenario", "swarm", "--seed", "1"], "--scenario"),
        (&["check"], "FILE"),
        (&["check", "no/such/history.jsonl"], "no/such/history.jsonl: "),
        (&["frobnicate"], "frobnicate"),
    ] {
        let output = whitewater(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        let text = stderr(&output);
        assert!(expected.split('|').any(|word| text.contains(word)), "{arguments:?}: {text}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[test]
fn a_scenario_or_plan_that_cannot_be_read_names_the_place() {
    let scenario = file("broken-scenario.toml", "version = 1\nname = \"x\"\nnodes = \"many\"\n");
    let output = whitewater(&["run", &scenario, "--seed", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(&format!("{scenario}:3:")), "{}", stderr(&output));
    let plan = file("broken-plan.toml", "version = 1\nscenario = 5\n");
    let output = whitewater(&["replay", &plan]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(&format!("{plan}:2:12: ")), "{}", stderr(&output));
}

#[test]
fn a_broken_history_names_file_line_and_column() {
    let header = "{\"format\":\"whitewater-history/1\",\"operations\":2}\n";
    for (name, text, place) in [
        ("empty.jsonl", String::new(), ":1:1: "),
        ("foreign.jsonl", header.replace("/1", "/9"), ":1:1: "),
        ("syntax.jsonl", format!("{header}{{\"id\":?\n"), ":2:7: "),
        ("field.jsonl", format!("{header}{{\"x\":1}}\n"), ":2:7: "),
        ("truncated.jsonl", header.to_owned(), ":2:1: "),
    ] {
        let path = file(name, &text);
        let output = whitewater(&["check", &path]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        let text = stderr(&output);
        assert!(text.contains(&format!("error: {path}{place}")), "{name}: {text}");
    }
}

#[test]
fn a_history_without_operations_is_never_a_pass() {
    let path = file("none.jsonl", "{\"format\":\"whitewater-history/1\",\"operations\":0}\n");
    let output = whitewater(&["check", &path]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

#[test]
fn a_campaign_that_ran_nothing_exits_4() {
    let out = folder("nothing");
    let output = whitewater(&["run", "--seeds", "0", "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stdout(&output).starts_with("NOTHING RAN swarm"), "{}", stdout(&output));
    assert!(fs::read_to_string(out.join("junit.xml")).unwrap().contains("nothing-ran"));
    assert_eq!(whitewater(&["doctor", "--seeds", "0"]).status.code(), Some(4));
}

#[test]
fn the_catalogue_and_the_zoo_are_listed() {
    let output = whitewater(&["scenarios"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).starts_with("swarm\n  "), "{}", stdout(&output));
    assert!(stdout(&output).contains("\nquiet\n  "));
    let output = whitewater(&["zoo", "--list"]);
    assert_eq!(output.status.code(), Some(0));
    let first = "reply-before-persist\n  Votes and acknowledgements leave before";
    assert!(stdout(&output).starts_with(first), "{}", stdout(&output));
    for line in stdout(&whitewater(&["zoo", "--list", "--json"])).lines() {
        let animal: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(animal["name"].is_string() && animal["source"].is_string(), "{line}");
    }
}

#[test]
fn a_plan_is_printed_as_it_is_read() {
    let output = whitewater(&["plan", "swarm", "--seed", "0x11"]);
    assert_eq!(output.status.code(), Some(0));
    let plan = whitewater_record::Plan::from_toml("stdout", &stdout(&output)).unwrap();
    assert_eq!(plan.seed, whitewater_record::Seed(17));
    assert_eq!(plan.to_toml(), stdout(&output));
    assert_eq!(stdout(&whitewater(&["plan", "swarm", "--seed", "17"])), stdout(&output));
}

#[test]
fn sim_a_campaign_does_not_depend_on_the_number_of_workers() {
    let out = folder("workers");
    let lines = |jobs| {
        let out = out.to_str().unwrap();
        let output = whitewater(&[
            "run",
            "swarm",
            "--seeds",
            "8",
            "--duration",
            "10s",
            "--json",
            "-j",
            jobs,
            "--out",
            out,
        ]);
        let text = stdout(&output);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 11, "a header, 8 seeds, totals and a footer: {output:?}");
        let (footer, rest) = lines.split_last().unwrap();
        assert!(footer.contains("\"kind\":\"footer\""), "{footer}");
        (output.status.code(), rest.to_vec())
    };
    let (one, two) = (lines("1"), lines("2"));
    assert_eq!(one.0, two.0);
    for (one, two) in one.1.iter().zip(&two.1) {
        assert_eq!(one, two);
    }
}

#[test]
fn sim_the_doctor_finds_every_byte_equal() {
    let output = whitewater(&["doctor", "--seeds", "2", "--duration", "10s"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).ends_with("every byte is equal\n"), "{}", stdout(&output));
}

#[test]
fn sim_a_replayed_plan_gives_the_run_of_its_seed() {
    let plan = whitewater(&["plan", "quiet", "--seed", "5", "--duration", "5s"]);
    let path = file("quiet-5.toml", &stdout(&plan));
    let from_plan = whitewater(&["replay", &path, "--json"]);
    let from_seed =
        whitewater(&["replay", "--scenario", "quiet", "--seed", "5", "--duration", "5s", "--json"]);
    assert_eq!(stdout(&from_plan), stdout(&from_seed));
    let trace = whitewater(&["replay", &path, "--trace", "-"]);
    assert!(stdout(&trace).starts_with("{\"format\":\"whitewater-trace/2\""), "{trace:?}");
    assert!(stderr(&trace).contains("quiet seed 5"), "{}", stderr(&trace));
}

#[test]
fn sim_the_printed_line_replays_the_failure_when_it_is_pasted() {
    let out = folder("pasted");
    let mutation = "reply-before-persist";
    let output = whitewater(&[
        "run",
        "swarm",
        "--seed",
        "1",
        "--mutation",
        mutation,
        "--no-shrink",
        "--out",
        out.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = stdout(&output);
    let line = shown.lines().find_map(|line| line.strip_prefix("replay: ")).unwrap();
    let trace = out.join("again.wwt");
    let pasted = format!("{line} --trace '{}'", trace.display());
    let again = Command::new("sh").args(["-c", &pasted]).output().unwrap();
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    let kept = out.join("swarm-1-reply-before-persist").join("trace.wwt");
    assert!(fs::read(kept).unwrap() == fs::read(trace).unwrap(), "the traces differ");
}

#[test]
fn sim_a_failure_of_an_earlier_campaign_is_no_news() {
    let out = folder("news");
    // Of an earlier run of this test.
    fs::remove_dir_all(&out).unwrap();
    let campaign = |out: &Path, more: &[&str]| {
        let mut arguments = vec!["run", "swarm", "--seeds", "2", "--no-shrink", "--out"];
        arguments.push(out.to_str().unwrap());
        arguments.extend(["--mutation", "reply-before-persist"]);
        arguments.extend(more);
        let output = whitewater(&arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        stderr(&output)
    };
    let first = campaign(&out, &[]);
    assert!(first.contains("new failure: seed ") && !first.contains("known failure"), "{first}");
    let again = campaign(&out, &[]);
    assert!(again.contains("known failure: seed ") && !again.contains("new failure"), "{again}");
    assert!(again.contains("(the same seeds): 0 new, "), "{again}");
    let results = out.join("campaign.jsonl");
    let known = campaign(&folder("news-elsewhere"), &["--known", results.to_str().unwrap()]);
    assert!(known.contains("known failure: seed ") && !known.contains("new failure"), "{known}");
}

#[test]
fn sim_a_replay_shows_lanes_and_answers_questions() {
    let plan = format!("{}/../../scenarios/mutants/local-read.toml", env!("CARGO_MANIFEST_DIR"));
    let shown = |arguments: &[&str]| {
        let output = whitewater(&[&["replay", plan.as_str()], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    // Without being asked: how the failure came about.
    let story = shown(&[]);
    let heading = story.lines().next().unwrap();
    let words: Vec<&str> = heading.split_whitespace().collect();
    assert_eq!(words, ["t", "event", "n1", "n2", "n3"]);
    let place = |part: &str| {
        story.find(part).unwrap_or_else(|| panic!("no `{part}` in the story:\n{story}"))
    };
    assert!(place("n2 leads term 2") < place("n1 leads term 3"));
    assert!(place("n1 leads term 3") < place("is cut: {n1}|{n2,n3}"));
    assert!(place("is cut: {n1}|{n2,n3}") < place("n3 leads term 4"));
    assert!(place("n3 leads term 4") < place("\n! "));

    let until = shown(&["--until", "role(n3)=leader", "--lanes", "all", "--dump", "n3"]);
    let (events, state) = until.split_once("\n\n").unwrap();
    assert!(events.lines().last().unwrap().ends_with("n3 leads term 4"), "{events}");
    assert!(state.contains("role      leader, term 4"), "{state}");

    let followed = shown(&["--follow", "p1#0"]);
    assert!(followed.contains("p1#0 asks n1") && !followed.contains("p1#1 asks"), "{followed}");

    for wrong in [["--until", "rule(n1)=x"], ["--until", "term(n1)=99"], ["--follow", "k99"]] {
        let output = whitewater(&[&["replay", plan.as_str()], &wrong[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
        assert!(stderr(&output).contains(wrong[1]), "{}", stderr(&output));
    }
}

#[test]
fn sim_find_names_the_first_seed_in_which_something_happens() {
    let find = |condition: &str, seeds: &str| {
        whitewater(&["find", "quiet", "--duration", "5s", "--where", condition, "--seeds", seeds])
    };
    let output = find("kind=role, role=leader, term>=2", "3");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("seed 1, event ") && text.contains(" leads term 2"), "{text}");
    assert!(text.contains("--scenario quiet --seed 1 --duration 5s --until "), "{text}");
    let never = find("kind=crash", "2");
    assert_eq!(never.status.code(), Some(6), "{}", stdout(&never));
    assert_eq!(find("kind=crash", "0").status.code(), Some(4));
    assert_eq!(find("kind?crash", "1").status.code(), Some(2));
}

#[test]
fn sim_the_zoo_says_who_finds_which_bug_whatever_the_number_of_workers() {
    let matrix = |jobs: &str| {
        let output = whitewater(&[
            "zoo",
            "--mutation",
            "reply-before-persist",
            "--mutation",
            "vote-not-persisted",
            "--seeds",
            "4",
            "--finds",
            "2",
            "-j",
            jobs,
            "--json",
            "--out",
            folder(&format!("zoo-{jobs}")).to_str().unwrap(),
        ]);
        let text = stdout(&output);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let footer = lines.pop().unwrap();
        assert!(footer.contains("\"kind\":\"footer\""), "{footer}");
        (output.status.code(), lines)
    };
    let (exit, lines) = matrix("1");
    assert_eq!(exit, Some(0), "{lines:?}");
    let bug: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(bug["mutation"], "reply-before-persist");
    assert_eq!(bug["finds"][0]["code"], "promise");
    assert_eq!(matrix("2"), (exit, lines));

    let output = whitewater(&["zoo", "--mutation", "reply-before-breakfast"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("reply-before-breakfast"), "{}", stderr(&output));
}

#[test]
fn sim_an_interrupted_campaign_goes_on_where_it_stopped() {
    let out = folder("resumed");
    let run = |seeds: &str, more: &[&str]| {
        let words = ["run", "quiet", "--seeds", seeds, "--duration", "3s", "--out"];
        whitewater(&[&words[..], &[out.to_str().unwrap()], more].concat())
    };
    let results = out.join("campaign.jsonl");
    let totals = || fs::read_to_string(&results).unwrap().lines().nth(7).unwrap().to_owned();
    let whole = run("6", &["--no-regressions"]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let expected = totals();
    assert!(expected.starts_with("{\"kind\":\"totals\""), "{expected}");

    // In the middle of the fourth seed's line, as when the power goes.
    let text = fs::read_to_string(&results).unwrap();
    let cut: usize = text.lines().take(4).map(|line| line.len() + 1).sum();
    fs::write(&results, &text[..cut + 100]).unwrap();
    let resumed = run("6", &["--resume"]);
    assert_eq!(resumed.status.code(), Some(0), "{resumed:?}");
    assert!(stderr(&resumed).contains("going on after 3 seeds"), "{}", stderr(&resumed));
    // Pinned plans are not replayed once more.
    assert_eq!(totals(), expected);

    let other = run("7", &["--resume"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(stderr(&other).contains("another campaign"), "{}", stderr(&other));
    // What another build has written is not summed up with what this one plays.
    let text = fs::read_to_string(&results).unwrap();
    let hash = text.lines().nth(6).unwrap().split("\"trace_hash\":").nth(1).unwrap();
    let hash = hash.split(',').next().unwrap();
    fs::write(&results, text.replace(hash, "1")).unwrap();
    let foreign = run("6", &["--resume"]);
    assert_eq!(foreign.status.code(), Some(2));
    assert!(stderr(&foreign).contains("another build"), "{}", stderr(&foreign));
}

#[test]
fn sim_shards_play_the_seeds_of_the_whole_once_each() {
    let seeds = |more: &[&str], out: &str| -> Vec<String> {
        let out = folder(out);
        let words = ["run", "quiet", "--seeds", "5", "--duration", "2s", "--json", "--out"];
        let rest = ["--no-regressions"];
        let output = whitewater(&[&words[..], &[out.to_str().unwrap()], &rest, more].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let is_seed = |line: &&str| line.starts_with("{\"kind\":\"seed\"");
        stdout(&output).lines().filter(is_seed).map(str::to_owned).collect()
    };
    let parts = [seeds(&["--shard", "1/2"], "part-1"), seeds(&["--shard", "2/2"], "part-2")];
    assert_eq!(parts.each_ref().map(Vec::len), [2, 3]);
    assert_eq!(parts.concat(), seeds(&[], "parts"));
    let store = folder("shards-store");
    fs::remove_dir_all(&store).unwrap();
    let to = store.to_str().unwrap();
    for (shard, out) in [("1/3", "sent-1"), ("3/3", "sent-3")] {
        seeds(&["--shard", shard, "--to", to], out);
    }
    let out = folder("shards-whole");
    let merge = || whitewater(&["report", "merge", to, "--out", out.to_str().unwrap()]);
    let output = merge();
    assert_eq!(output.status.code(), Some(3), "a part is lost: {output:?}");
    assert!(stdout(&output).contains("\nmissing: seeds "), "{}", stdout(&output));
    seeds(&["--shard", "2/3", "--to", to], "sent-2");
    let output = merge();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("merged: 3 parts"), "{}", stdout(&output));
    let totals = |folder: &Path| {
        let text = fs::read_to_string(folder.join("campaign.jsonl")).unwrap();
        text.lines().find(|line| line.contains("\"kind\":\"totals\"")).unwrap().to_owned()
    };
    seeds(&[], "unsent");
    assert_eq!(totals(&out), totals(&folder("unsent")), "the whole, whoever ran which part");
    let output = whitewater(&["report", "merge", "nowhere://x", "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");

    let output = whitewater(&["run", "quiet", "--time", "1s", "--shard", "1/2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--shard needs --seeds"), "{}", stderr(&output));
}
