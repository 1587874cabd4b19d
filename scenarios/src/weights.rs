//! One of several things, each as often as its weight says.

use whitewater_record::Stream;

/// Things with the running sums of their weights.
pub(crate) struct Weights<T, const N: usize>([(T, u64); N]);

impl<T: Copy, const N: usize> Weights<T, N> {
    /// Of these, at least one weight is not zero.
    pub(crate) fn new(weights: [(T, u32); N]) -> Self {
        let mut sum = 0;
        Self(weights.map(|(thing, weight)| {
            sum += u64::from(weight);
            (thing, sum)
        }))
    }

    /// Draws one.
    pub(crate) fn draw(&self, stream: &mut Stream) -> T {
        let sum = self.0.last().map_or(0, |(_, sum)| *sum);
        let point = stream.below(sum);
        let drawn = self.0.iter().find(|(_, sum)| point < *sum);
        drawn.expect("the point lies below the last sum").0
    }
}
