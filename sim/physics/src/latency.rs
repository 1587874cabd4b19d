//! Draws of delays (N1): a floor, an exponential part, and now and then a long tail.

use whitewater_record::{Latency, Span, Stream};

/// One delay.
pub(crate) fn draw(latency: &Latency, stream: &mut Stream) -> Span {
    let usual = latency.min + Span(stream.exponential(latency.mean.0));
    if stream.chance(latency.tail_ppm) {
        usual + Span(stream.exponential(latency.tail.0))
    } else {
        usual
    }
}
