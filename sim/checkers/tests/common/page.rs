//! `docs/corruptions.md`, which lists what the judges reject, held against what the tests play.

/// The part that has this title, with all rows that it must have.
pub(crate) fn assert_listed<'a>(
    title: &str,
    kinds: impl Iterator<Item = (&'a str, &'a [&'a str])>,
) {
    let row = |(name, codes): (&str, &[&str])| {
        let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
        format!("| {name} | {} |\n", codes.join(" "))
    };
    let rows: String = kinds.map(row).collect();
    let part = format!("\n## {title}\n\n| corruption | codes |\n|---|---|\n{rows}");
    let page = include_str!("../../../../docs/corruptions.md");
    let is_there = page.contains(&format!("{part}\n##")) || page.ends_with(&part);
    assert!(is_there, "docs/corruptions.md should have\n{part}");
}
