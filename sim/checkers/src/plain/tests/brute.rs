//! The definition, tried out: every order of every choice of unknown operations. For a dozen operations at most.

use whitewater_api::Value;
use whitewater_record::{PlainAction, PlainHistory, PlainOperation};

/// What the key holds.
struct Held(Option<Vec<u8>>);

/// Whether the history, of one key, is linearizable.
pub(super) fn is_linearizable(history: &PlainHistory) -> bool {
    let initial = history.initial.as_ref().map(|value| value.as_slice().to_vec());
    let left: Vec<&PlainOperation> = history.operations.iter().collect();
    extend(&left, initial.as_deref())
}

fn extend(left: &[&PlainOperation], state: Option<&[u8]>) -> bool {
    if left.iter().all(|operation| operation.completed.is_none()) {
        return true;
    }
    (0..left.len()).any(|next| {
        let is_minimal =
            left.iter().all(|other| other.completed.is_none_or(|end| end >= left[next].invoked));
        if !is_minimal {
            return false;
        }
        let Some(Held(after)) = apply(left[next], state) else { return false };
        let mut rest = left.to_vec();
        rest.remove(next);
        extend(&rest, after.as_deref())
    })
}

/// The state after an operation, if it can see what it saw.
fn apply(operation: &PlainOperation, state: Option<&[u8]>) -> Option<Held> {
    let same = || Held(state.map(<[u8]>::to_vec));
    match &operation.action {
        PlainAction::Read(seen) => {
            let is_right =
                operation.completed.is_none() || seen.as_ref().map(Value::as_slice) == state;
            is_right.then(same)
        }
        PlainAction::Write(value) => Some(Held(Some(value.as_slice().to_vec()))),
        PlainAction::Append(value) => {
            Some(Held(Some([state.unwrap_or_default(), value.as_slice()].concat())))
        }
        PlainAction::Delete => Some(Held(None)),
        PlainAction::Cas { from, to, swapped } => {
            let is_equal = from.as_ref().map(Value::as_slice) == state;
            match swapped {
                Some(said) if *said != is_equal => None,
                Some(_) | None if is_equal => Some(Held(Some(to.as_slice().to_vec()))),
                Some(_) | None => Some(same()),
            }
        }
    }
}
