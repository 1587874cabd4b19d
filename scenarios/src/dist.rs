//! Distributions: what a scenario writes where a plan has a value.
//!
//! ```toml
//! nodes  = 3                 # always this
//! nodes  = "1..7"            # anything in between, both ends included
//! nodes  = [3, 3, 5]         # one of these; what is named twice is twice as likely
//! length = "20ms..20s"       # a length of time
//! ```

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IntoDeserializer, SeqAccess, Visitor},
};
use std::{fmt, marker::PhantomData};
use whitewater_record::{Span, Stream};

/// A distribution over whole numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dist {
    /// One of these. Never empty.
    OneOf(Vec<u64>),
    /// Something between these, both included. The first is the smaller one.
    Between(u64, u64),
}

/// A distribution over plain numbers. Suffixes `KiB`, `MiB` and `GiB` are understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers(pub Dist);

/// A distribution over lengths of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans(pub Dist);

/// One of several words or flags. What is named twice is twice as likely. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOf<T>(pub Vec<T>);

/// A chance, in a hundred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Percent(u32);

impl Dist {
    /// Draws, with every number of a range as likely as any other.
    pub fn flat(&self, stream: &mut Stream) -> u64 {
        match self {
            Self::OneOf(items) => *stream.pick(items),
            Self::Between(low, high) => stream.between(*low, *high),
        }
    }

    /// Draws, with every order of magnitude of a range as likely as any other. A range from 0 starts at 1.
    pub fn wide(&self, stream: &mut Stream) -> u64 {
        match self {
            Self::OneOf(items) => *stream.pick(items),
            Self::Between(low, high) => {
                let (low, high) = ((*low).max(1), (*high).max(1));
                antilog(stream.between(log(low), log(high))).clamp(low, high)
            }
        }
    }

    /// The smallest number that can come out.
    pub fn low(&self) -> u64 {
        match self {
            Self::OneOf(items) => items.iter().copied().min().unwrap_or(0),
            Self::Between(low, _) => *low,
        }
    }

    /// The largest number that can come out.
    pub fn high(&self) -> u64 {
        match self {
            Self::OneOf(items) => items.iter().copied().max().unwrap_or(0),
            Self::Between(_, high) => *high,
        }
    }
}

impl Numbers {
    /// Always this number.
    pub fn fixed(n: u64) -> Self {
        Self(Dist::OneOf(vec![n]))
    }

    /// Draws a number that also fits 32 bits: a rate in a million, at most a million.
    pub fn ppm(&self, stream: &mut Stream) -> u32 {
        u32::try_from(self.0.wide(stream).min(1_000_000)).expect("a million fits 32 bits")
    }
}

impl Spans {
    /// Always this length.
    pub fn fixed(span: Span) -> Self {
        Self(Dist::OneOf(vec![span.0]))
    }

    /// Draws a length; of a range, every order of magnitude is equally likely. Three leading digits are kept, so that
    /// plans are short and readable.
    pub fn wide(&self, stream: &mut Stream) -> Span {
        Span(rounded(self.0.wide(stream)).max(self.0.low()))
    }
}

impl<T: Copy> OneOf<T> {
    /// Draws.
    pub fn draw(&self, stream: &mut Stream) -> T {
        *stream.pick(&self.0)
    }
}

impl Percent {
    /// Whether the chance comes true.
    pub fn draw(self, stream: &mut Stream) -> bool {
        stream.chance(self.0 * 10_000)
    }

    /// This share of `whole`.
    pub fn of(self, whole: u64) -> u64 {
        whole / 100 * u64::from(self.0) + whole % 100 * u64::from(self.0) / 100
    }
}

impl TryFrom<u32> for Percent {
    type Error = String;

    fn try_from(percent: u32) -> Result<Self, String> {
        if percent <= 100 { Ok(Self(percent)) } else { Err(format!("{percent} is not 0 to 100")) }
    }
}

fn rounded(n: u64) -> u64 {
    let unit = 10_u64.pow(n.checked_ilog10().unwrap_or(0).saturating_sub(2));
    n / unit * unit
}

/// The binary logarithm, 16 bits after the point, linear between powers of two: exact on every machine, and
/// [`antilog`] is its inverse up to rounding.
fn log(x: u64) -> u64 {
    let power = x.ilog2();
    let fraction = (u128::from(x) << 16 >> power) - (1 << 16);
    (u64::from(power) << 16) + u64::try_from(fraction).expect("less than one")
}

fn antilog(level: u64) -> u64 {
    let mantissa = u128::from((1 << 16) + (level & 0xffff));
    u64::try_from(mantissa << (level >> 16) >> 16).unwrap_or(u64::MAX)
}

/// Reads one number, a range `a..b`, or a list of numbers.
#[derive(Clone, Copy)]
struct Reader {
    parse: fn(&str) -> Option<u64>,
    bare: bool,
    one: &'static str,
    expected: &'static str,
}

const NUMBERS: Reader = Reader {
    parse: parse_number,
    bare: true,
    one: "a number such as 3 or \"64KiB\"",
    expected: "a number such as 3 or \"64KiB\", a range such as \"1..7\", or a list of numbers",
};

const SPANS: Reader = Reader {
    parse: parse_span,
    bare: false,
    one: "a length of time such as \"1.5ms\"",
    expected: "a length of time such as \"1.5ms\", a range such as \"20ms..20s\", or a list of lengths",
};

fn parse_number(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn parse_span(text: &str) -> Option<u64> {
    text.parse().ok().map(|Span(nanos)| nanos)
}

impl Reader {
    fn atom<E: Error>(self, text: &str) -> Result<u64, E> {
        (self.parse)(text.trim()).ok_or_else(|| {
            E::custom(format!("`{text}` is not {}, expected {}", self.one, self.expected))
        })
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Dist;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Dist, E> {
        match u64::try_from(n) {
            Ok(n) if self.bare => Ok(Dist::OneOf(vec![n])),
            _ => Err(E::custom(format!("`{n}` is not {}, expected {}", self.one, self.expected))),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Dist, E> {
        let Some((low, high)) = text.split_once("..") else {
            return self.atom(text).map(|n| Dist::OneOf(vec![n]));
        };
        let (low, high) = (self.atom(low)?, self.atom(high)?);
        if low > high {
            return Err(E::custom(format!(
                "the range `{text}` is empty: write the smaller end first"
            )));
        }
        Ok(Dist::Between(low, high))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Dist, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            match item {
                Dist::OneOf(item) if item.len() == 1 => items.extend(item),
                Dist::OneOf(_) | Dist::Between(..) => {
                    return Err(A::Error::custom(format!(
                        "in a list, each item must be {}",
                        self.one
                    )));
                }
            }
        }
        if items.is_empty() {
            return Err(A::Error::custom(format!("the list is empty, expected {}", self.expected)));
        }
        Ok(Dist::OneOf(items))
    }
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Dist;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Dist, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        NUMBERS.deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Spans {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SPANS.deserialize(deserializer).map(Self)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOfVisitor(PhantomData))
    }
}

/// A single item stands for a list of one.
struct OneOfVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOfVisitor<T> {
    type Value = OneOf<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one item or a list of items")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<OneOf<T>, E> {
        T::deserialize(flag.into_deserializer()).map(|item| OneOf(vec![item]))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<OneOf<T>, E> {
        T::deserialize(word.into_deserializer()).map(|item| OneOf(vec![item]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOf<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        if items.is_empty() {
            return Err(A::Error::custom("the list is empty, expected at least one item"));
        }
        Ok(OneOf(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_record::Seed;

    #[test]
    fn a_wide_draw_spreads_over_the_orders_of_magnitude() {
        let dist = Dist::Between(20, 20_000);
        let mut stream = Seed(3).stream("test", 0);
        let mut counts = [0_u32; 3];
        for _ in 0..3_000 {
            let n = dist.wide(&mut stream);
            assert!((20..=20_000).contains(&n), "{n}");
            counts[usize::from(n >= 200) + usize::from(n >= 2_000)] += 1;
        }
        assert!(counts.iter().all(|n| (850..1_150).contains(n)), "{counts:?}");
    }

    #[test]
    fn the_logarithm_is_undone_by_its_inverse() {
        for x in [1, 2, 3, 1_000, 65_535, 1 << 40] {
            let back = antilog(log(x));
            assert!(back <= x && x - back <= x >> 15, "{x} came back as {back}");
        }
        assert_eq!(antilog(log(u64::MAX)).ilog2(), 63);
    }

    #[test]
    fn a_share_of_a_large_number_is_exact() {
        assert_eq!(Percent(45).of(60_000_000_000), 27_000_000_000);
        assert_eq!(Percent(50).of(199), 99);
    }
}
