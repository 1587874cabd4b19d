//! Keys and values: cheap to clone, readable in text formats, compact in binary ones.

use ::bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Bytes);

        impl $name {
            /// The bytes themselves.
            #[must_use]
            pub fn as_slice(&self) -> &[u8] {
                &self.0
            }

            /// How many bytes.
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether there are none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Bytes::copy_from_slice(text.as_bytes()))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Bytes::from(text))
            }
        }

        impl From<Vec<u8>> for $name {
            fn from(bytes: Vec<u8>) -> Self {
                Self(Bytes::from(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt_bytes(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt_bytes(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_bytes(&self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(TextVisitor).map(Self)
                } else {
                    deserializer.deserialize_bytes(BytesVisitor).map(Self)
                }
            }
        }
    };
}

byte_string! {
    /// A key of the store. Never empty in a request that names one.
    Key
}
byte_string! {
    /// A value of the store. May be empty.
    Value
}

/// Printable ASCII without the backslash stands for itself, any other byte is `\xNN`. One to one, so text formats
/// lose nothing.
fn fmt_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for &byte in bytes {
        if (0x20..0x7f).contains(&byte) && byte != b'\\' {
            write!(f, "{}", char::from(byte))?;
        } else {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// The inverse of [`fmt_bytes`]: `None` where a backslash does not start `\xNN`.
fn parse_bytes(text: &str) -> Option<Bytes> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'\\' {
            let [b'x', high, low, tail @ ..] = rest else { return None };
            rest = tail;
            let digit = |c: u8| char::from(c).to_digit(16);
            let byte = digit(*high)? * 16 + digit(*low)?;
            bytes.push(u8::try_from(byte).ok()?);
        } else {
            bytes.push(*first);
        }
    }
    Some(Bytes::from(bytes))
}

fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (0x20..0x7f).contains(byte) && *byte != b'\\')
}

fn serialize_bytes<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    if !serializer.is_human_readable() {
        return serializer.serialize_bytes(bytes);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if is_plain(bytes) => serializer.serialize_str(text),
        _ => serializer.serialize_str(&Key(bytes.clone()).to_string()),
    }
}

struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, with \\xNN for bytes that are not printable ASCII")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        parse_bytes(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

struct BytesVisitor;

impl de::Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_text_and_binary() {
        let all = Value::from((0..=255).collect::<Vec<u8>>());
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), all);
        let binary = postcard::to_allocvec(&all).unwrap();
        assert_eq!(postcard::from_bytes::<Value>(&binary).unwrap(), all);
        assert_eq!(parse_bytes(&all.to_string()).unwrap(), all.0);
    }

    #[test]
    fn a_stray_backslash_is_refused() {
        assert!(serde_json::from_str::<Key>(r#""a\\q""#).is_err());
        assert!(serde_json::from_str::<Key>(r#""a\\x4""#).is_err());
    }
}
