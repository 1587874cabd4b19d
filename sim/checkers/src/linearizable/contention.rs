//! Where an order had to be chosen at all.

use super::problem::{Move, Problem};

/// Operations at whose return another one was open that may write what they touch.
pub(super) fn contended(problem: &Problem) -> u64 {
    let mut contended = 0;
    let mut writers: Vec<u32> = Vec::new();
    for component in &problem.components {
        writers.clear();
        for event in &component.events {
            let info = &problem.ops[event.operation as usize];
            // It answers nothing about keys.
            if matches!(info.moves, Move::Grant { .. }) {
                continue;
            }
            if !event.is_return {
                if info.is_write {
                    writers.push(event.operation);
                }
                continue;
            }
            // The youngest first: it is the likeliest to still be there.
            contended += u64::from(writers.iter().rev().any(|other| {
                let writer = &problem.ops[*other as usize];
                *other != event.operation
                    && (writer.writes_meet(&info.reads) || writer.writes_meet(&info.writes))
            }));
            if info.is_write {
                writers.retain(|open| *open != event.operation);
            }
        }
    }
    contended
}
