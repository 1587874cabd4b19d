//! Charts as inline SVG. Colours come from the style sheet; nothing is told by colour alone.

use std::fmt::Write as _;

/// Width of a bar that stands for the maximum, in pixels.
const BAR: u64 = 160;
/// Size of a trend, in pixels.
const WIDTH: u64 = 640;
const HEIGHT: u64 = 120;
/// Room around it.
const PAD: u64 = 10;

/// One point of a trend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// How high.
    pub value: u64,
    /// What is said when the pointer rests on it.
    pub label: String,
    /// It is drawn as a square, not as a dot.
    pub is_bad: bool,
}

/// A bar in three layers, each within the one before: asked for, done, seen.
#[must_use]
pub fn layers(values: [u64; 3], max: u64) -> String {
    let mut svg = format!(
        "<svg class=\"bar\" width=\"{BAR}\" height=\"12\" viewBox=\"0 0 {BAR} 12\" aria-hidden=\"true\">"
    );
    for (layer, value) in values.into_iter().enumerate() {
        let (top, height) = (2 * layer, 12 - 4 * layer);
        let width = scaled(value, max, BAR);
        write!(svg, "<rect class=\"l{layer}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>")
            .expect("a string takes everything");
    }
    svg.push_str("</svg>");
    svg
}

/// A line over campaigns, the oldest first, from zero to the maximum. `name` says what it shows.
#[must_use]
pub fn trend(name: &str, points: &[Point]) -> String {
    let max = points.iter().map(|point| point.value).max().unwrap_or(0).max(1);
    let last = u64::try_from(points.len().saturating_sub(1)).unwrap_or(u64::MAX);
    let (inner, tall) = (WIDTH - 2 * PAD, HEIGHT - 2 * PAD);
    let place = |(at, point): (u64, &Point)| {
        let x = PAD + if last == 0 { inner / 2 } else { scaled(at, last, inner) };
        (x, HEIGHT - PAD - scaled(point.value, max, tall))
    };
    let mut svg = format!(
        "<svg class=\"trend\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(name)
    );
    let base = HEIGHT - PAD;
    let end = WIDTH - PAD;
    write!(svg, "<path class=\"axis\" d=\"M{PAD} {base}H{end}\"/><polyline points=\"")
        .expect("a string takes everything");
    for (x, y) in (0..).zip(points).map(place) {
        write!(svg, "{x},{y} ").expect("a string takes everything");
    }
    svg.push_str("\"/>");
    for (at, point) in (0..).zip(points) {
        let (x, y) = place((at, point));
        let title = escape(&point.label);
        if point.is_bad {
            let (left, top) = (x.saturating_sub(4), y.saturating_sub(4));
            write!(
                svg,
                "<rect class=\"bad\" x=\"{left}\" y=\"{top}\" width=\"8\" height=\"8\"><title>{title}</title></rect>"
            )
        } else {
            write!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\"><title>{title}</title></circle>")
        }
        .expect("a string takes everything");
    }
    svg.push_str("</svg>");
    svg
}

/// `value` of `max` as so many of `length`.
fn scaled(value: u64, max: u64, length: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(length) / u128::from(max.max(1));
    u64::try_from(scaled).unwrap_or(length).min(length)
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_point_is_at_the_top_and_zero_on_the_axis() {
        let point = |value, is_bad| Point { value, label: "<b>".into(), is_bad };
        let svg = trend("speed", &[point(0, false), point(50, false), point(100, true)]);
        assert!(svg.contains("points=\"10,110 320,60 630,10 \""), "{svg}");
        assert!(svg.contains("<rect class=\"bad\" x=\"626\" y=\"6\""), "{svg}");
        assert!(svg.contains("<title>&lt;b&gt;</title>"), "{svg}");
        assert!(trend("none", &[]).contains("points=\"\""));
    }

    #[test]
    fn layers_are_in_proportion() {
        let svg = layers([100, 50, 0], 200);
        assert!(svg.contains("y=\"0\" width=\"80\""), "{svg}");
        assert!(svg.contains("y=\"2\" width=\"40\""), "{svg}");
        assert!(svg.contains("y=\"4\" width=\"0\""), "{svg}");
    }
}
