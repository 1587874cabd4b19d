//! Simulated time: nanoseconds since the start of a run.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{
    fmt,
    ops::{Add, Sub},
    str::FromStr,
};

/// A moment of true time in a run, in nanoseconds since its start. No node can see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub u64);

/// A length of time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl SimTime {
    /// The start of a run.
    pub const ZERO: Self = Self(0);

    /// Later than anything.
    pub const NEVER: Self = Self(u64::MAX);

    /// The length from `earlier` to this moment, nothing if it lies behind.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// So many microseconds.
    pub const fn micros(n: u64) -> Self {
        Self(n * 1_000)
    }

    /// So many milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(n * 1_000_000)
    }

    /// So many seconds.
    pub const fn seconds(n: u64) -> Self {
        Self(n * 1_000_000_000)
    }
}

impl Add<Span> for SimTime {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for SimTime {
    type Output = Span;

    fn sub(self, earlier: Self) -> Span {
        Span(self.0.checked_sub(earlier.0).expect("simulated time runs forward"))
    }
}

const UNITS: [(&str, u64); 4] = [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];

/// Exact and short: the largest unit that is not larger than the number, with as many decimals as it takes.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) =
            UNITS.iter().rev().find(|(_, size)| self.0 >= *size).unwrap_or(&UNITS[0]);
        let (whole, rest) = (self.0 / size, self.0 % size);
        if rest == 0 {
            return write!(f, "{whole}{unit}");
        }
        let width = size.ilog10() as usize;
        let decimals = format!("{rest:0width$}");
        write!(f, "{whole}.{}{unit}", decimals.trim_end_matches('0'))
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Span(self.0).fmt(f)
    }
}

/// `text` is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time: write a number and ns, us, ms, s, m or h, as in 1.5ms")]
pub struct SpanError(String);

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        parse_span(text).ok_or_else(|| SpanError(text.to_owned()))
    }
}

/// Units that are read and never written: what people say of a campaign.
const LONG_UNITS: [(&str, u64); 2] = [("m", 60_000_000_000), ("h", 3_600_000_000_000)];

fn parse_span(text: &str) -> Option<Span> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (_, size) =
        UNITS.iter().chain(&LONG_UNITS).find(|(unit, _)| *unit == &text[digits.len()..])?;
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let mut nanos = whole.parse::<u64>().ok()?.checked_mul(*size)?;
    let mut place = *size;
    for digit in decimals.chars() {
        place /= 10;
        nanos = nanos.checked_add(u64::from(digit.to_digit(10)?) * place)?;
    }
    Some(Span(nanos))
}

impl FromStr for SimTime {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        text.parse().map(|Span(nanos)| Self(nanos))
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

as_text!(SimTime);
as_text!(Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_exact_and_short() {
        for (nanos, text) in
            [(0, "0ns"), (1_500, "1.5us"), (3_512_000_007, "3.512000007s"), (250_000_000, "250ms")]
        {
            assert_eq!(Span(nanos).to_string(), text);
            assert_eq!(text.parse::<Span>().unwrap(), Span(nanos));
        }
        assert_eq!("10m".parse::<Span>().unwrap(), Span::seconds(600));
        assert_eq!("1.5h".parse::<Span>().unwrap(), Span::seconds(5_400));
        for bad in ["", "5", "ms", "1.5.2s", "-1s", "1d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
