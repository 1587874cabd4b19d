//! Numbers for people. Integers throughout: a report has the same bytes on every machine.

/// With commas between the thousands.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `n / d` with so many decimals, cut off; a dash if there is nothing to divide by.
pub fn ratio(n: u128, d: u128, decimals: u32) -> String {
    if d == 0 {
        return "-".to_owned();
    }
    let scale = 10_u128.pow(decimals);
    let scaled = n * scale / d;
    let whole = u64::try_from(scaled / scale).map_or_else(|_| "a lot".to_owned(), grouped);
    if decimals == 0 {
        return whole;
    }
    let width = usize::try_from(decimals).unwrap_or(0);
    format!("{whole}.{:0width$}", scaled % scale)
}

/// `1 seed`, `2 seeds`, `1,000 seeds`.
pub fn count(n: u64, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(n))
}

/// A length of simulated time in the units of people: `1 h 40 min`, `3 days 2 h`, `12.3 s`.
pub fn duration(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", ratio(u128::from(nanos), 1_000_000_000, 1)),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{} {hours} h", count(days, "day")),
    }
}

/// Bytes as MiB.
pub fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", ratio(u128::from(bytes), 1 << 20, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(ratio(1, 3, 2), "0.33");
        assert_eq!(ratio(10_000, 4, 1), "2,500.0");
        assert_eq!(ratio(1, 0, 1), "-");
        assert_eq!(count(1, "seed"), "1 seed");
        assert_eq!(duration(12_340_000_000), "12.3 s");
        assert_eq!(duration(6_000_000_000_000), "1 h 40 min");
        assert_eq!(duration(90_000_000_000), "1 min 30 s");
        assert_eq!(duration(266_400_000_000_000), "3 days 2 h");
    }
}
