//! A table of words and numbers, aligned with spaces, so that it pastes into an issue.

/// Rows of equal length; all columns are aligned left.
pub(crate) fn render_left(head: &[&str], rows: &[Vec<String>]) -> String {
    aligned(head, rows, false)
}

/// Rows of equal length; the first column is aligned left, the others right.
pub(crate) fn render(head: &[&str], rows: &[Vec<String>]) -> String {
    aligned(head, rows, true)
}

fn aligned(head: &[&str], rows: &[Vec<String>], to_the_right: bool) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = line(&widths, head.iter().copied(), to_the_right);
    for row in rows {
        text.push_str(&line(&widths, row.iter().map(String::as_str), to_the_right));
    }
    text
}

fn line<'a>(widths: &[usize], cells: impl Iterator<Item = &'a str>, to_the_right: bool) -> String {
    let cells = widths.iter().zip(cells).enumerate().map(|(i, (width, cell))| match i {
        0 => format!("  {cell:<width$}"),
        _ if to_the_right => format!("  {cell:>width$}"),
        _ => format!("  {cell:<width$}"),
    });
    format!("{}\n", cells.collect::<String>().trim_end())
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_aligned() {
        let rows =
            [vec!["crash".to_owned(), "12".to_owned()], vec!["x".to_owned(), "1".to_owned()]];
        assert_eq!(super::render(&["kind", "n"], &rows), "  kind    n\n  crash  12\n  x       1\n");
    }
}
