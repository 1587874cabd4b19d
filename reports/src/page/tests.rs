use super::*;
use std::collections::BTreeMap;
use whitewater_api::{
    Body, ClusterId, Completion, Header, NodeId, Process, Request, RequestId, Response, Revision,
    Term, request::PutRequest, response::PutResponse,
};
use whitewater_record::{
    FaultCount, Operation, Row, RowKind, Seed, Span, Violation, trace::MESSAGES,
};

const HOSTILE: &str = "</script><img/src=x/onerror=alert(1)>";

fn outcome(violations: Vec<Violation>, doubts: Vec<String>) -> Outcome {
    let verdict = if violations.is_empty() { Verdict::Inconclusive } else { Verdict::Failed };
    Outcome {
        scenario: "swarm".into(),
        seed: Seed(1),
        verdict,
        violations,
        doubts,
        trace_hash: 7,
        events: 5,
        simulated: Span(9),
        operations: [1, 0, 0],
        messages: 1,
        faults: BTreeMap::<String, FaultCount>::new(),
        checks: BTreeMap::new(),
        sometimes: BTreeMap::new(),
        victims: BTreeMap::new(),
        coverage: whitewater_record::Coverage::default(),
    }
}

fn put(sequence: u32, value: &str, revision: u64) -> Operation {
    let header = Header {
        cluster: ClusterId(1),
        node: NodeId(1),
        term: Term(2),
        revision: Revision(revision),
    };
    Operation {
        id: RequestId { process: Process(1), sequence },
        node: NodeId(1),
        invoked: SimTime(10),
        completed: SimTime(20),
        request: Request::Put(PutRequest::new("k0", value)),
        completion: Completion::Ok(Response { header, body: Body::Put(PutResponse::default()) }),
        witness: None,
    }
}

fn plan() -> Plan {
    let text = "version = 1\nscenario = \"swarm\"\nseed = \"1\"\nduration = \"4s\"\ntimeout = \"1s\"\n[cluster]\nnodes = 3\n";
    Plan::from_toml("plan", text).unwrap()
}

fn violation(code: &str, event: Option<u64>, sentence: &str) -> Violation {
    let node = event.map(|_| NodeId(2));
    Violation { code: code.into(), at: SimTime(50), event, node, sentence: sentence.into() }
}

fn page(outcome: &Outcome, history: &History, trace: &Trace, redact: bool) -> String {
    html(&Page {
        outcome,
        plan: Some(&plan()),
        history,
        plain: None,
        trace,
        evidence: &Evidence::default(),
        repro: "whitewater replay plan.toml",
        plays: Plays { of: 2, same: 2 },
        shrunk: None,
        other: None,
        anatomy: None,
        redact,
    })
}

/// A follower takes an entry, and acknowledges it before its disk has it.
fn early_acknowledgement() -> Trace {
    let mut trace = Trace::kept();
    let code = |word: &str| MESSAGES.iter().position(|it| *it == word).unwrap() as u64;
    let mut add = |at, kind, node, cause, numbers: &[u64]| {
        trace.add(Row::new(SimTime(at), kind, node, cause, numbers));
    };
    add(10, RowKind::Role, 1, None, &[3, 2, 1]);
    add(20, RowKind::Send, 1, None, &[1, 2, code("append"), 2, 4, 1]);
    add(30, RowKind::Deliver, 2, Some(1), &[1, 1, 0]);
    add(30, RowKind::Append, 2, Some(2), &[5, 5, 2, 0]);
    add(50, RowKind::Send, 2, Some(2), &[2, 1, code("append-ok"), 2, 5, 0]);
    trace
}

#[test]
fn the_first_bad_moment_comes_before_the_objection_and_is_told_in_the_story() {
    let sentence = "n2 acknowledges entries up to 5 in term 2; its disk has term 2, last 4";
    let outcome = outcome(vec![violation("promise", Some(4), sentence)], Vec::new());
    let text = page(&outcome, &History::default(), &early_acknowledgement(), false);
    assert!(text.contains("DiskHoldsPromise(n2)"), "{text}");
    assert!(text.contains("first false at <a class=\"event\" href=\"#event-3\""), "{text}");
    assert!(text.contains("n2 log 5..5@2: from here on entry 5 is in its memory"), "{text}");
    assert!(text.contains("n2 takes from n1: append 5..5, term 2"), "{text}");
    assert!(text.contains("<title>FAIL promise \u{b7} swarm seed 1</title>"));
    let lines = text.matches("<li class=\"").count();
    assert!((3..=7).contains(&lines), "{lines} lines");
}

#[test]
fn hostile_keys_and_values_are_text() {
    let sentence = format!("n2 says {HOSTILE} and \u{202e}turns around");
    let outcome = outcome(vec![violation("promise", Some(4), &sentence)], Vec::new());
    let operations = vec![put(0, HOSTILE, 2), put(1, &"x".repeat(1 << 20), 3)];
    let history = History { operations, ..History::default() };
    let text = page(&outcome, &history, &early_acknowledgement(), false);
    assert!(!text.contains("<img"), "markup in a value is markup in the page");
    assert!(text.contains("&lt;&#x2f;script&gt;"), "{text}");
    assert!(text.contains("\\u{202e}turns"), "a mark that turns text around is shown as one");
    assert!(text.len() < 200_000, "a value of 1 MB makes a page of {} bytes", text.len());
    assert_eq!(text.matches("</script").count(), 3);
}

#[test]
fn values_can_be_hidden() {
    let sentence = "p1#0 (put k0 secret-9, at r2) was acknowledged";
    let outcome = outcome(vec![violation("durability", None, sentence)], Vec::new());
    let history = History { operations: vec![put(0, "secret-9", 2)], ..History::default() };
    let trace = early_acknowledgement();
    assert!(page(&outcome, &history, &trace, false).contains("secret-9"));
    let text = page(&outcome, &history, &trace, true);
    assert!(!text.contains("secret-9") && text.contains("put k0 #"), "{text}");
}

#[test]
fn what_is_undecided_is_not_red() {
    let outcome = outcome(Vec::new(), vec!["linearizable: the budget is spent".into()]);
    let text = page(&outcome, &History::default(), &Trace::hashed(), false);
    assert!(text.contains("<body class=\"doubt\">") && text.contains("INCONCLUSIVE"), "{text}");
    assert!(!text.contains("class=\"word\">FAIL"));
}

#[test]
fn a_page_is_a_function_of_what_it_shows_and_asks_nobody() {
    let outcome = outcome(vec![violation("panic", Some(4), "no (a.rs:1)")], Vec::new());
    let trace = early_acknowledgement();
    let text = page(&outcome, &History::default(), &trace, false);
    assert_eq!(text, page(&outcome, &History::default(), &trace, false));
    assert!(text.contains("default-src 'none'"));
    for word in ["src=\"http", "href=\"http", "@import", "url("] {
        assert!(!text.contains(word), "{word}");
    }
}
