//! What stands in `operations.json`, under Go's names. Fields came and went; what an older or newer file lacks is empty.

use crate::formats::object::{list, object, optional};
use serde::Deserialize;
use whitewater_api::Value;

/// Values of at least so many bytes are hashed before they are written down.
const HASHED_BYTES_MIN: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Row {
    #[serde(rename = "ClientId", alias = "ClientID")]
    pub(super) client: i64,
    #[serde(deserialize_with = "object")]
    pub(super) input: Input,
    pub(super) call: i64,
    #[serde(deserialize_with = "object")]
    pub(super) output: Output,
    #[serde(rename = "Return")]
    pub(super) returned: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    #[serde(rename = "Type")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "optional")]
    pub(super) lease_grant: Option<Lease>,
    #[serde(default, deserialize_with = "optional")]
    pub(super) lease_revoke: Option<Lease>,
    #[serde(default, deserialize_with = "optional")]
    pub(super) range: Option<Range>,
    #[serde(default, deserialize_with = "optional")]
    pub(super) txn: Option<Txn>,
    #[serde(default, deserialize_with = "optional")]
    pub(super) compact: Option<Compact>,
}

#[derive(Deserialize)]
pub(super) struct Lease {
    #[serde(rename = "LeaseID")]
    pub(super) id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Compact {
    pub(super) revision: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Range {
    pub(super) start: String,
    pub(super) end: String,
    pub(super) limit: i64,
    pub(super) revision: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Txn {
    #[serde(rename = "Conditions", deserialize_with = "list")]
    pub(super) conditions: Vec<Condition>,
    #[serde(rename = "OperationsOnSuccess", deserialize_with = "list")]
    pub(super) on_success: Vec<OpInput>,
    #[serde(rename = "OperationsOnFailure", deserialize_with = "list")]
    pub(super) on_failure: Vec<OpInput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Condition {
    pub(super) key: String,
    #[serde(default)]
    pub(super) expected_revision: i64,
    #[serde(default)]
    pub(super) expected_version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OpInput {
    #[serde(rename = "Type")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "object")]
    pub(super) range: Range,
    #[serde(default, deserialize_with = "object")]
    pub(super) put: Put,
    #[serde(default, deserialize_with = "object")]
    pub(super) delete: Delete,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Put {
    #[serde(rename = "Key")]
    pub(super) key: String,
    #[serde(rename = "Value", deserialize_with = "object")]
    pub(super) value: Hashed,
    #[serde(rename = "LeaseID")]
    pub(super) lease: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Delete {
    pub(super) key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    #[serde(default, deserialize_with = "optional")]
    pub(super) txn: Option<TxnOutput>,
    #[serde(default, deserialize_with = "optional")]
    pub(super) range: Option<RangeOutput>,
    #[serde(default)]
    pub(super) client_error: String,
    #[serde(default)]
    pub(super) revision: i64,
    #[serde(default, alias = "PartialResponse")]
    pub(super) persisted: bool,
    #[serde(default)]
    pub(super) persisted_revision: i64,
    #[serde(default)]
    pub(super) error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TxnOutput {
    #[serde(default)]
    pub(super) failure: bool,
    #[serde(default, deserialize_with = "list")]
    pub(super) results: Vec<OpOutput>,
}

#[derive(Deserialize)]
pub(super) struct RangeOutput {
    #[serde(rename = "KVs", default, deserialize_with = "list")]
    pub(super) kvs: Vec<Kv>,
    #[serde(rename = "Count", default)]
    pub(super) count: i64,
}

#[derive(Deserialize)]
pub(super) struct OpOutput {
    #[serde(rename = "KVs", default, deserialize_with = "list")]
    pub(super) kvs: Vec<Kv>,
    #[serde(rename = "Count", default)]
    pub(super) count: i64,
    #[serde(rename = "Deleted", default)]
    deleted: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Kv {
    pub(super) key: String,
    #[serde(default, deserialize_with = "object")]
    pub(super) value: Hashed,
    #[serde(default)]
    pub(super) mod_revision: i64,
    #[serde(default)]
    pub(super) version: i64,
}

/// A value, or only its FNV-1a hash if it is long.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Hashed {
    value: String,
    hash: u32,
}

impl OpOutput {
    pub(super) fn deleted(&self) -> u64 {
        u64::try_from(self.deleted).unwrap_or(0)
    }
}

impl Hashed {
    /// The value, or its hash in a form that is too long to be a value. Some versions of the tests forgot to hash what
    /// transactions write; it is done here.
    pub(super) fn value(&self) -> Value {
        let hash = match (self.hash, self.value.len()) {
            (0, HASHED_BYTES_MIN..) => fnv1a(self.value.as_bytes()),
            (0, _) => return Value::from(self.value.as_str()),
            (hash, _) => hash,
        };
        Value::from(format!("long value, FNV-1a {hash:08x}"))
    }
}

/// 32 bits (Fowler, Noll and Vo).
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_its_hash_wherever_it_stands() {
        // The published value for this string (draft-eastlake-fnv).
        assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
        let long = "abcdefghijklmnopqrst";
        let plain = Hashed { value: long.to_owned(), hash: 0 };
        let hashed = Hashed { value: String::new(), hash: fnv1a(long.as_bytes()) };
        assert_eq!(plain.value(), hashed.value());
        assert_eq!(Hashed { value: "short".to_owned(), hash: 0 }.value(), "short".into());
        assert_eq!(Hashed::default().value(), "".into());
    }
}
