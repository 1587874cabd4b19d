use super::*;
use crate::{Operation, PlainAction, SimTime};
use proptest::{collection, prelude::*, sample};
use std::fmt::Write as _;
use whitewater_api::{Body, Completion, KeyValue};

/// A history in each format, all of them whole.
pub(super) const SAMPLES: [(Format, &str); 6] = [
    (Format::Whitewater, "{\"format\":\"whitewater-history/1\",\"operations\":0}\n"),
    (
        Format::LinHist,
        "{\"format\":\"lin-hist/1\",\"kind\":\"kv\"}\n\
         {\"p\":0,\"f\":\"put\",\"k\":\"x\",\"v\":1,\"t0\":5,\"t1\":9}\n",
    ),
    (
        Format::JepsenLog,
        "INFO  jepsen.util - 0\t:invoke\t:write\t3\nINFO  jepsen.util - 0\t:ok\t:write\t3\n",
    ),
    (
        Format::JepsenEdn,
        "[{:index 0, :time 5, :process 0, :type :invoke, :f :cas, :value [7 [1 2]]}\n\
         {:index 1, :time 9, :process 0, :type :ok, :f :cas, :value [7 [1 2]]}]\n",
    ),
    (
        Format::PorcupineKv,
        "{:process 0, :type :invoke, :f :get, :key \"1\", :value nil}\n\
         {:process 0, :type :ok, :f :get, :key \"1\", :value \"\"}\n",
    ),
    (
        Format::EtcdRobustness,
        "{\"ClientId\":1,\"Input\":{\"Type\":\"range\",\"Range\":{\"Start\":\"a\",\"End\":\"\",\"Limit\":0,\
         \"Revision\":0}},\"Call\":5,\"Output\":{\"Range\":{\"KVs\":[],\"Count\":0},\"Revision\":1,\"Error\":\"\"},\
         \"Return\":9}\n",
    ),
];

fn plain(text: &str) -> PlainHistory {
    match read("test", None, text.as_bytes()) {
        Ok((_, Recorded::Plain(history))) => history,
        other => panic!("{other:?}"),
    }
}

fn etcd(text: &str) -> History {
    match read("test", None, text.as_bytes()) {
        Ok((_, Recorded::Etcd(history))) => history,
        other => panic!("{other:?}"),
    }
}

/// Each operation with its times, a line each.
fn told(history: &PlainHistory) -> String {
    let mut text = String::new();
    for operation in &history.operations {
        let SimTime(invoked) = operation.invoked;
        let completed = operation.completed.map_or_else(String::new, |t| t.0.to_string());
        writeln!(text, "{invoked}..{completed} {operation} @{}", operation.line).unwrap();
    }
    text
}

fn error(format: Option<Format>, text: &str) -> String {
    read("h", format, text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn each_format_is_recognized_and_has_a_name() {
    for (format, text) in SAMPLES {
        let (found, recorded) = read("test", None, text.as_bytes()).unwrap();
        assert_eq!(found, format);
        assert_eq!(recorded.len(), usize::from(format != Format::Whitewater), "{format}");
        assert_eq!(recorded.is_empty(), format == Format::Whitewater);
        assert_eq!(format.name().parse::<Format>(), Ok(format));
    }
    let error = "csv".parse::<Format>().unwrap_err().to_string();
    assert!(Format::ALL.iter().all(|format| error.contains(format.name())), "{error}");
    for other in ["file,ops\n", "{\"a\":1}", "{:a 1}", "[1 2]", "(defn f [])", "hello\n"] {
        assert_eq!(Format::detect(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn a_register_of_lin_hist() {
    let history = plain(
        "{\"format\":\"lin-hist/1\",\"kind\":\"reg\",\"ops\":9,\"initial\":0}\n\
         {\"p\":1,\"f\":\"put\",\"k\":0,\"v\":1,\"t0\":20,\"t1\":30,\"rev\":7}\n\
         {\"p\":2,\"f\":\"get\",\"k\":0,\"t0\":10,\"t1\":40,\"out\":1}\n\
         {\"p\":3,\"f\":\"get\",\"k\":0,\"t0\":11,\"t1\":12}\n\
         \n\
         {\"p\":3,\"f\":\"get\",\"k\":0,\"t0\":13,\"t1\":null}\n\
         {\"p\":4,\"f\":\"cas\",\"k\":0,\"from\":1,\"v\":2,\"t0\":50,\"t1\":60,\"ok\":false}\n\
         {\"p\":5,\"f\":\"cas\",\"k\":0,\"from\":null,\"v\":2,\"t0\":51,\"t1\":null}\n\
         {\"p\":5,\"f\":\"append\",\"k\":0,\"v\":\"z\",\"t0\":70}\n\
         {\"p\":3,\"f\":\"del\",\"k\":\"0\",\"t0\":80,\"t1\":80}\n\
         {\"p\":1,\"f\":\"cas\",\"k\":0,\"v\":2,\"t0\":90,\"t1\":91,\"ok\":true}\n",
    );
    assert_eq!(history.initial, Some("0".into()));
    let expected = "10..40 p2 get 0 -> 1 @3\n\
                    11..12 p3 get 0 -> nothing @4\n\
                    20..30 p1 put 0 1 @2\n\
                    50..60 p4 cas 0 1 2 -> not equal @7\n\
                    51.. p5 cas 0 nothing 2 -> no answer @8\n\
                    70.. p6 append 0 z -> no answer @9\n\
                    80..80 p7 delete 0 @10\n\
                    90..91 p1 cas 0 0 2 @11\n";
    assert_eq!(told(&history), expected, "p5 and p3 went on after an unknown outcome");
}

#[test]
fn a_log_of_jepsen() {
    let history = plain(
        "2026-01-02 10:00:00 INFO  jepsen.core - Relax\n\
         INFO  jepsen.util - 0\t:invoke\t:read\tnil\n\
         INFO  jepsen.util - 1\t:invoke\t:write\t4\n\
         INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n\
         INFO  jepsen.util - 0\t:ok\t:read\tnil\n\
         INFO  jepsen.util - 2\t:invoke\t:cas\t[4 1]\n\
         INFO  jepsen.util - 1\t:info\t:write\t:timed-out\n\
         INFO  jepsen.util - 2\t:fail\t:cas\t[4 1]\n\
         INFO  jepsen.util - 2\t:invoke\t:cas\t[nil 1]\n\
         INFO  jepsen.util - 0\t:invoke\t:write\t9\n\
         INFO  jepsen.util - 2\t:ok\t:cas\t[nil 1]\n\
         INFO  jepsen.util - 0\t:fail\t:write\t9\n\
         INFO  jepsen.util - 6\t:invoke\t:read\tnil\n\
         INFO  jepsen.util - 6\t:fail\t:read\t:timed-out\n\
         INFO  jepsen.util - 2\t:invoke\t:read\tnil\n",
    );
    let expected = "1..3 p0 get register -> nothing @2\n\
                    2.. p1 put register 4 -> no answer @3\n\
                    4..6 p2 cas register 4 1 -> not equal @6\n\
                    7..9 p2 cas register nothing 1 @9\n";
    assert_eq!(told(&history), expected);
}

#[test]
fn a_history_of_jepsen_with_independent_keys() {
    let history = plain(
        "[{:index 0, :time 100, :type :invoke, :process 0, :f :write, :value [7 3]}\n\
         #jepsen.history.Op{:index 1, :time 150, :type :info, :process :nemesis, :f :kill, :value {:n1 :killed}}\n\
         {:index 2, :time 200, :type :invoke, :process 1, :f :read, :value [8 nil], :node \"n1\"}\n\
         {:index 3, :time 300, :type :ok, :process 0, :f :write, :value [7 3]}\n\
         {:index 4, :time 400, :type :ok, :process 1, :f :read, :value [8 nil]}\n\
         {:index 5, :time 500, :type :invoke, :process 0, :f :cas, :value [7 [3 4]]}\n\
         {:index 6, :time 600, :type :fail, :process 0, :f :cas, :value [7 [3 4]], :error :not-leader}\n\
         {:index 7, :time 700, :type :invoke, :process 0, :f :cas, :value [7 [5 6]]}\n\
         {:index 8, :time 800, :type :fail, :process 0, :f :cas, :value [7 [5 6]], :error nil}]\n",
    );
    let expected = "100..300 p0 put 7 3 @1\n\
                    200..400 p1 get 8 -> nothing @3\n\
                    700..800 p0 cas 7 5 6 -> not equal @8\n";
    assert_eq!(told(&history), expected, "a cas that failed for a reason did not compare");
}

#[test]
fn a_history_of_keys_of_porcupine() {
    let history = plain(
        "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x 0 0 y\"}\n\
         {:process 1, :type :invoke, :f :put, :key \"0\", :value \"\"}\n\
         {:process 0, :type :ok, :f :append, :key \"0\", :value \"x 0 0 y\"}\n\
         {:process 1, :type :ok, :f :put, :key \"0\", :value \"\"}\n\
         {:process 0, :type :invoke, :f :get, :key \"0\", :value nil}\n\
         {:process 1, :type :invoke, :f :append, :key \"0\", :value \"\"}\n\
         {:process 0, :type :ok, :f :get, :key \"0\", :value \"\"}\n\
         {:process 2, :type :invoke, :f :get, :key \"0\", :value nil}\n\
         {:process 2, :type :ok, :f :get, :key \"0\", :value \"x 0 0 y\"}\n",
    );
    let expected = "1..3 p0 append 0 x 0 0 y @1\n\
                    2..4 p1 delete 0 @2\n\
                    5..7 p0 get 0 -> nothing @5\n\
                    8..9 p2 get 0 -> x 0 0 y @8\n";
    assert_eq!(told(&history), expected);
}

/// The operations with what they saw, a line each.
fn asked(history: &History) -> String {
    let mut text = String::new();
    for Operation { id, invoked, completed, request, completion, witness, .. } in
        &history.operations
    {
        write!(text, "{}..{} {id} {request}", invoked.0, completed.0).unwrap();
        match completion {
            Completion::Ok(response) => {
                write!(text, " -> {}", response.header.revision).unwrap();
                saw(&mut text, &response.body);
            }
            Completion::Fail(error) | Completion::Info(error) => {
                write!(text, " -> {error}").unwrap();
            }
        }
        if let Some(revision) = witness {
            write!(text, " witness {revision}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn saw(text: &mut String, body: &Body) {
    let mut kvs = |kvs: &[KeyValue]| {
        for KeyValue { key, value, mod_revision, version, .. } in kvs {
            write!(text, " {key}={value}@{mod_revision}").unwrap();
            if *version != 0 {
                write!(text, "v{version}").unwrap();
            }
        }
    };
    match body {
        Body::Range(range) => {
            kvs(&range.kvs);
            write!(text, " count {}{}", range.count, if range.more { " more" } else { "" })
                .unwrap();
        }
        Body::Txn(txn) => {
            for response in &txn.responses {
                if let whitewater_api::response::TxnOpResponse::Range(range) = response {
                    kvs(&range.kvs);
                }
            }
            write!(text, " {} of {}", txn.succeeded, txn.responses.len()).unwrap();
        }
        Body::DeleteRange(delete) => write!(text, " deleted {}", delete.deleted).unwrap(),
        Body::Put(_)
        | Body::Compact
        | Body::Lease(_)
        | Body::Member(_)
        | Body::MoveLeader
        | Body::Maintenance(_)
        | Body::Auth(_)
        | Body::Cluster(_) => {}
    }
}

#[test]
fn an_etcd_of_lin_hist() {
    let history = etcd(
        "{\"format\":\"lin-hist/1\",\"kind\":\"etcd\",\"keys\":12,\"ops\":7}\n\
         {\"id\":0,\"p\":1,\"f\":\"put\",\"k\":3,\"v\":1,\"t0\":10,\"t1\":20,\"rev\":2}\n\
         {\"id\":1,\"p\":2,\"f\":\"range\",\"k\":2,\"kend\":10,\"t0\":11,\"t1\":21,\"rev\":2,\
         \"res\":[{\"kvs\":[{\"k\":3,\"v\":1,\"mod\":2,\"ver\":1}]}]}\n\
         {\"id\":2,\"p\":3,\"f\":\"txn\",\"k\":3,\"cmp\":[{\"k\":3,\"mod\":9}],\"then\":[{\"f\":\"put\",\"k\":3,\
         \"v\":5}],\"else\":[{\"f\":\"get\",\"k\":3}],\"t0\":12,\"t1\":22,\"ok\":false,\"rev\":2,\
         \"res\":[{\"kvs\":[{\"k\":3,\"v\":1,\"mod\":2,\"ver\":1}]}]}\n\
         {\"id\":3,\"p\":4,\"f\":\"put\",\"k\":11,\"v\":2,\"t0\":13,\"t1\":null}\n\
         {\"id\":4,\"p\":4,\"f\":\"get\",\"k\":11,\"t0\":23,\"t1\":24,\"rev\":2,\"res\":[{}]}\n\
         {\"id\":5,\"p\":5,\"f\":\"get\",\"k\":11,\"t0\":23,\"t1\":null}\n\
         {\"id\":6,\"p\":6,\"f\":\"del\",\"k\":3,\"t0\":25,\"t1\":26,\"rev\":3,\"res\":[{\"del\":1}]}\n",
    );
    let expected = "10..20 p1#0 put 03 1 -> r2\n\
                    11..21 p2#0 get [02,10) -> r2 03=1@r2v1 count 1\n\
                    12..22 p3#0 txn if mod(03)=r9 then {put 03 5} else {get 03} -> r2 03=1@r2v1 false of 1\n\
                    13..26 p4#0 put 11 2 -> etcdserver: request timed out\n\
                    23..24 p7#0 get 11 -> r2 count 0\n\
                    25..26 p6#0 delete 03 -> r3 deleted 1\n";
    assert_eq!(asked(&history), expected);
}

/// A line of `operations.json`, in the shape of one version of the tests or another.
fn robust(client: &str, input: &str, call: i64, output: &str, returned: i64) -> String {
    format!(
        "{{{client},\"Input\":{{{input},\"Defragment\":null}},\"Call\":{call},\"Output\":{{{output}}},\"Return\":{returned}}}\n"
    )
}

const PUT: &str = "\"Type\":\"txn\",\"Range\":null,\"Txn\":{\"Conditions\":null,\"OperationsOnSuccess\":[{\"Type\":\
                   \"put-operation\",\"Range\":{\"Start\":\"\",\"End\":\"\",\"Limit\":0},\"Put\":{\"Key\":\"a\",\"Value\":\
                   {\"Value\":\"16\",\"Hash\":0},\"LeaseID\":0},\"Delete\":{\"Key\":\"\"}}],\"OperationsOnFailure\":null}";
const SWAP: &str = "\"Type\":\"txn\",\"Txn\":{\"Conditions\":[{\"Key\":\"a\",\"ExpectedRevision\":4},{\"Key\":\"b\",\
                    \"ExpectedRevision\":0,\"ExpectedVersion\":2}],\"OperationsOnSuccess\":[{\"Type\":\
                    \"delete-operation\",\"Delete\":{\"Key\":\"a\"}}],\"OperationsOnFailure\":[{\"Type\":\
                    \"range-operation\",\"Range\":{\"Start\":\"a\",\"End\":\"\",\"Limit\":0}}]}";
const LIST: &str =
    "\"Type\":\"range\",\"Range\":{\"Start\":\"a\",\"End\":\"c\",\"Limit\":1,\"Revision\":0}";

#[test]
fn operations_of_etcds_robustness_tests() {
    let (old, new) = ("\"ClientId\":4", "\"ClientID\":5");
    let done = "\"Txn\":{\"Failure\":false,\"Results\":[{\"KVs\":null,\"Count\":0,\"Deleted\":0}]},\"Revision\":2";
    let text = [
        robust(old, PUT, 10, done, 20),
        robust(
            old,
            LIST,
            30,
            "\"Range\":{\"KVs\":[{\"Key\":\"a\",\"Value\":{\"Value\":\"16\"},\"ModRevision\":2}],\"Count\":2},\"Revision\":3,\"PartialResponse\":false,\"Error\":\"\"",
            40,
        ),
        robust(
            new,
            SWAP,
            11,
            "\"Txn\":{\"Failure\":true,\"Results\":[{\"KVs\":[{\"Key\":\"a\",\"Value\":{\"Value\":\"16\"},\"ModRevision\":2,\"Version\":1}],\"Count\":1}]},\"Revision\":3",
            41,
        ),
        robust(new, PUT, 50, "\"Error\":\"context deadline exceeded\"", -1),
        robust(new, LIST, 60, "\"Error\":\"unavailable\"", 61),
        robust(
            "\"ClientID\":8",
            SWAP,
            70,
            "\"Persisted\":true,\"PersistedRevision\":7,\"Error\":\"\"",
            0,
        ),
        robust(
            "\"ClientID\":9",
            "\"Type\":\"compact\",\"Compact\":{\"Revision\":2}",
            71,
            "\"Compact\":{},\"Revision\":-1",
            72,
        ),
        robust(
            "\"ClientID\":9",
            "\"Type\":\"compact\",\"Compact\":{\"Revision\":2}",
            73,
            "\"ClientError\":\"mvcc: required revision has been compacted\"",
            74,
        ),
        robust("\"ClientID\":9", "\"Type\":\"defragment\"", 75, "\"Revision\":-1", 76),
        robust(
            "\"ClientID\":9",
            "\"Type\":\"leaseGrant\",\"LeaseGrant\":{\"LeaseID\":12}",
            77,
            "\"LeaseGrant\":{\"LeaseID\":0},\"Revision\":7",
            78,
        ),
        robust(
            "\"ClientID\":9",
            "\"Type\":\"leaseRevoke\",\"LeaseRevoke\":{\"LeaseID\":12}",
            79,
            "\"LeaseRevoke\":{},\"Revision\":7",
            80,
        ),
    ];
    let expected = "10..20 p4#0 put a 16 -> r2\n\
                    11..41 p5#0 txn if mod(a)=r4 & version(b)=2 then {delete a} else {get a} -> r3 a=16@r2v1 false of 1\n\
                    30..40 p4#1 get [a,c) -> r3 a=16@r2 count 2 more\n\
                    50..50 p5#1 put a 16 -> etcdserver: request timed out\n\
                    70..70 p8#0 txn if mod(a)=r4 & version(b)=2 then {delete a} else {get a} -> etcdserver: request \
                    timed out witness r7\n\
                    71..72 p9#0 compact r2 -> r0\n\
                    77..78 p9#1 lease-grant l12 7200s -> r7\n\
                    79..80 p9#2 lease-revoke l12 -> r7\n";
    assert_eq!(asked(&etcd(&text.concat())), expected);
}

#[test]
fn clients_of_the_robustness_tests_are_put_together() {
    let done = "\"Txn\":{\"Results\":[{}]},\"Revision\":2";
    let client = |client: &str, call| etcd(&robust(client, PUT, call, done, call + 5));
    let merged = merge(vec![client("\"ClientID\":1", 20), client("\"ClientID\":2", 10)]);
    assert_eq!(asked(&merged), "10..15 p2#0 put a 16 -> r2\n20..25 p1#0 put a 16 -> r2\n");
    let merged = merge(vec![client("\"ClientID\":1", 20), client("\"ClientID\":1", 21)]);
    assert_eq!(asked(&merged), "20..25 p1#0 put a 16 -> r2\n21..26 p3#0 put a 16 -> r2\n");
}

/// Each text is refused with these words, which say the place once.
fn refused(format: Option<Format>, cases: &[(String, &str)]) {
    for (text, expected) in cases {
        let found = error(format, text);
        assert!(found.contains(expected), "{text}\n  {found}\n  {expected}");
        assert!(!found.contains(" at line "), "{found}");
    }
}

#[test]
fn a_format_that_is_not_known_is_named() {
    refused(
        None,
        &[
            (String::new(), "h:1:1: the file is empty"),
            (" \n".to_owned(), "h:1:1: the file is empty"),
            ("a,b\n".to_owned(), "h:1:1: the format is not known: expected a header of"),
        ],
    );
    let lin_hist = Some(Format::LinHist);
    refused(lin_hist, &[("\n".to_owned(), "h:1:1: the file is empty: expected a header")]);
}

#[test]
fn what_is_wrong_with_lin_hist_is_named_with_its_place() {
    let lin = |rest: &str| format!("{{\"format\":\"lin-hist/1\",\"kind\":\"reg\"}}\n{rest}\n");
    let row = |rest: &str| lin(&format!("{{\"p\":1,\"f\":{rest}}}"));
    refused(
        None,
        &[
            (lin("").replace("/1", "/2"), "h:1:2: the format is `lin-hist/2`"),
            (lin("").replace("reg", "queue"), "h:1:24: the kind is `queue`"),
            (lin("{\"p\":1,\"f\":\"put\""), "h:2:16: EOF while parsing an object: the line was cut off"),
            (
                lin("{\"id\":7,\"p\":1,\"f\":\"get\",\"k\":1,\"t0\":1}\n{\"id\":7,\"p\":2,\"f\":\"get\",\"k\":1,\"t0\":1}"),
                "h:3:2: line 2 has the same id 7",
            ),
            (
                lin("{\"id\":0,\"p\":1,\"f\":\"get\",\"k\":1,\"t0\":1}\n{\"id\":0,\"p\":2,\"f\":\"get\",\"k\":1,\"t0\":1}")
                    .replace("reg", "etcd"),
                "h:3:2: line 2 has the same id 0",
            ),
            (row("\"push\""), "h:2:17: unknown variant `push`, expected one of"),
            (row("\"put\",\"k\":1,\"t0\":1,\"t1\":2"), "h:2:8: the operation has no `v`"),
            (row("\"put\",\"k\":1.5,\"t0\":1"), "h:2:24: invalid type: floating point"),
            (row("\"get\",\"k\":1,\"t0\":3,\"t1\":2"), "h:2:31: the operation returns before"),
            (row("\"cas\",\"k\":1,\"v\":1,\"t0\":3,\"t1\":4"), "h:2:8: the operation has no `ok`"),
            (row("\"txn\",\"k\":1,\"t0\":3,\"t1\":4"), "h:2:8: expected put, get, cas"),
            (
                lin("").replace('}', ",\"ops\":3}"),
                "h:2:1: the header promises 3 rows, the file has 0: it was cut off",
            ),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_log_is_named_with_its_place() {
    let log = |rest: &str| format!("INFO  jepsen.util - 0\t:invoke\t:write\t3\n{rest}\n");
    let row = |rest: &str| log(&format!("INFO  jepsen.util - {rest}"));
    refused(
        None,
        &[
            (row("0\t:inv"), "h:2:27: expected a tab and the operation"),
            (row("0\t:done\t:write\t3"), "h:2:23: expected :invoke, :ok, :fail or :info"),
            (row("0\t:ok\t:push\t3"), "h:2:27: expected :read, :write, :cas"),
            (row("x\t:ok\t:write\t3"), "h:2:21: expected the number of a process"),
            (row("1\t:ok\t:write\t3"), "h:2:1: process 1 completes an operation that it did not"),
            (
                row("0\t:ok\t:read\t3"),
                "h:2:1: the completion does not fit what process 0 invoked in line 1",
            ),
            (row("1\t:invoke\t:cas\t[1 2"), "h:2:40: "),
            (row("1\t:invoke\t:cas\t4"), "h:2:36: expected the values `[from to]`"),
            (log("0 :invoke :read nil"), "h:2:20: expected a tab and the type"),
        ],
    );
}

#[test]
fn what_is_wrong_with_edn_is_named_with_its_place() {
    let edn = |rest: &str| format!("{{:process 0 :type :invoke :f :write :value 3}}\n{rest}\n");
    let invoke = |rest: &str| edn(&format!("{{:process 1 :type :invoke :f {rest}}}"));
    refused(
        None,
        &[
            (
                edn("{:process 1 :type :ok"),
                "h:3:1: the text ends before the `}` that closes what begins at 2:1",
            ),
            (edn("{:process 1 :f :read}"), "h:2:1: the map has no :type"),
            (edn("{:process 1.5 :type :ok :f :read}"), "h:2:11: expected the number of a process"),
            (edn("{:process 1 :type :ok :f :txn}"), "h:2:26: expected :read, :write, :cas"),
            (edn("  7"), "h:2:3: expected a map"),
            (invoke(":write :value {}"), "h:2:44: expected a number, a string or nil"),
            (invoke(":cas :value [1 nil]"), "h:2:45: a cas must write a value"),
            (invoke(":read :time :now"), "h:2:42: expected a time in nanoseconds"),
            (
                edn("{:process 0 :type :ok :f :write :key \"1\"}"),
                "h:2:1: the completion does not fit",
            ),
        ],
    );
}

#[test]
fn what_is_wrong_with_operations_of_etcds_tests_is_named_with_its_place() {
    let robust = |input: &str, output: &str| robust("\"ClientId\":1", input, 5, output, 9);
    refused(
        None,
        &[
            (robust("\"Type\":\"watch\"", ""), "h:1:24: expected the type range, txn"),
            (robust(LIST, "\"Revision\":3"), "h:1:122: an answer without `Range`"),
            (
                robust(PUT, "\"Revision\":3").replace("put-op", "pop-op"),
                "expected range-, put- or delete-operation",
            ),
            (robust(LIST, "\"Range\":{\"KVs\":null}"), "an answer without a revision"),
            (
                robust(LIST, "").replace("\"Call\":5", "\"Call\":-5"),
                "process and call must not be negative",
            ),
            (
                robust(LIST, "\"Range\":{},\"Revision\":1").replace(":9}", ":3}"),
                "the operation returns before it is called",
            ),
        ],
    );
}

/// A compressed file that was cut off.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

#[test]
fn bytes_that_are_no_text_and_a_file_that_breaks_off_are_named() {
    let mut bytes = SAMPLES[1].1.as_bytes().to_vec();
    bytes.extend(b"{\"p\":\xff}\n");
    let error = read("h", None, bytes.as_slice()).unwrap_err();
    assert_eq!((error.line, error.column), (3, 6), "{error}");
    let error = read("h", None, b"{:process 0 :type :ok :f :read\n \xff}".as_slice()).unwrap_err();
    assert_eq!((error.line, error.column), (2, 2), "{error}");
    for (format, text) in SAMPLES {
        let input = std::io::BufReader::new(text.as_bytes().chain(Broken));
        let error = read("h", Some(format), input).unwrap_err();
        assert!(error.reason.contains("it was cut off"), "{format}: {error}");
        assert_eq!(error.line, text.lines().count() + 1, "{format}: {error}");
    }
}

#[test]
fn a_file_that_was_cut_off_within_a_line_is_refused_there() {
    for (format, text) in SAMPLES {
        // Of an empty file nothing can be judged, and the command says so.
        for at in 1..text.len() {
            let part = &text[..at];
            let last = part.lines().last().unwrap_or_default();
            if text.lines().any(|line| line == last) {
                continue;
            }
            let whole = |text: &str| read("h", Some(format), text.as_bytes());
            let before = &part[..part.rfind('\n').map_or(0, |end| end + 1)];
            if format == Format::JepsenLog && whole(part) == whole(before) {
                // What is no event is passed over there, half a line as well.
                continue;
            }
            let error =
                whole(part).expect_err(&format!("{format}, {at} of {}: {part}", text.len()));
            let lines = part.lines().count().max(1);
            assert!((1..=lines).contains(&error.line), "{format}, {at}: {error}");
        }
    }
    let number =
        "INFO  jepsen.util - 0\t:invoke\t:write\t34\nINFO  jepsen.util - 0\t:ok\t:write\t3";
    let error = read("h", Some(Format::JepsenLog), number.as_bytes()).unwrap_err();
    assert_eq!((error.line, error.column), (2, 35), "{error}");
}

#[test]
fn a_read_history_equals_the_one_that_was_written() {
    let mut bytes = Vec::new();
    let history = etcd(SAMPLES[5].1);
    history.write(&mut bytes).unwrap();
    assert_eq!(etcd(str::from_utf8(&bytes).unwrap()), history);
}

#[test]
fn a_line_without_end_is_refused() {
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    let error = read("h", Some(Format::LinHist), endless).unwrap_err();
    assert!(error.reason.contains("the line is longer than"), "{error}");
}

/// Pieces of all formats, so that random texts get further than to the first byte.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    "#",
    "\"",
    "\\",
    ":process ",
    ":type ",
    ":invoke ",
    ":ok ",
    ":f ",
    ":read ",
    ":value ",
    "1 ",
    "nil ",
    "\t",
    "\n",
    ";",
    "\\u12",
    "#_",
    "{\"format\":\"lin-hist/1\",\"kind\":\"reg\"}\n",
    "INFO jepsen.util - 0",
];

/// If it is refused, then at a place that the file has.
fn placed(
    read: Result<(Format, Recorded), HistoryError>,
    bytes: usize,
) -> Result<(), TestCaseError> {
    if let Err(error) = read {
        prop_assert!(error.line >= 1 && error.line <= bytes + 2, "{error}");
        prop_assert!(error.column >= 1 && error.column <= bytes + 2, "{error}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in collection::vec(any::<u8>(), 0..200)) {
        for format in Format::ALL.map(Some).into_iter().chain([None]) {
            placed(read("h", format, bytes.as_slice()), bytes.len())?;
        }
    }

    #[test]
    fn arbitrary_pieces_never_panic(pieces in collection::vec(sample::select(&PIECES[..]), 0..60)) {
        let text = pieces.concat();
        for format in Format::ALL.map(Some).into_iter().chain([None]) {
            placed(read("h", format, text.as_bytes()), text.len())?;
        }
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(
        sample in 0..SAMPLES.len(), at in 0_usize..600, byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let (format, text) = SAMPLES[sample];
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        for format in [Some(format), None] {
            placed(read("h", format, bytes.as_slice()), bytes.len())?;
        }
    }

    #[test]
    fn operations_are_in_the_order_of_invocation_whatever_the_order_of_lines(
        times in collection::vec((0_u64..50, 0_u64..50), 1..20),
    ) {
        let mut text = "{\"format\":\"lin-hist/1\",\"kind\":\"kv\"}\n".to_owned();
        for (process, (invoked, length)) in times.iter().enumerate() {
            let returned = invoked + length;
            writeln!(text, "{{\"p\":{process},\"f\":\"get\",\"k\":0,\"t0\":{invoked},\"t1\":{returned}}}").unwrap();
        }
        let history = plain(&text);
        prop_assert_eq!(history.operations.len(), times.len());
        prop_assert!(history.operations.is_sorted_by_key(|operation| operation.invoked));
        for operation in &history.operations {
            let (invoked, length) = times[operation.process.0 as usize];
            prop_assert_eq!(operation.invoked, SimTime(invoked));
            prop_assert_eq!(operation.completed, Some(SimTime(invoked + length)));
            prop_assert_eq!(&operation.action, &PlainAction::Read(None));
            prop_assert_eq!(operation.line, operation.process.0 as usize + 2);
        }
    }
}

mod types;
