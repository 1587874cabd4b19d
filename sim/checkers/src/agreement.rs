//! The black-box judge and the white-box judge answer one question by different means. Where both answer, they must
//! agree; if they do not, one of them is wrong, and that is a failure of its own.
//!
//! Evaluations: one if both answered. Discriminating: the same.

use crate::{
    linearizable::BlackBox,
    ruling::{Anomaly, Judgement, Ruling},
};
use whitewater_record::{Checked, SimTime};

/// The name of the judge.
pub(crate) const JUDGE: &str = "agreement";

/// Compares two judgements.
pub(crate) fn judge(black_box: &BlackBox, white: &Judgement) -> Judgement {
    let black = &black_box.judgement;
    let ruling = match (&black.ruling, &white.ruling) {
        (Ruling::Holds, Ruling::Broken(_)) if black_box.partial.is_some() => {
            let parts = black_box.partial.unwrap_or_default();
            Ruling::NotApplicable(format!("the black-box judge leaves out {parts}"))
        }
        (Ruling::Holds, Ruling::Holds) | (Ruling::Broken(_), Ruling::Broken(_)) => Ruling::Holds,
        (Ruling::Holds, Ruling::Broken(anomaly)) => disagreement(anomaly, white, black),
        (Ruling::Broken(anomaly), Ruling::Holds) => disagreement(anomaly, black, white),
        (Ruling::Undecided(_) | Ruling::NotApplicable(_) | Ruling::Withheld(_), _)
        | (_, Ruling::Undecided(_) | Ruling::NotApplicable(_) | Ruling::Withheld(_)) => {
            Ruling::NotApplicable("not both judges gave an answer".to_owned())
        }
    };
    let both = u64::from(!matches!(ruling, Ruling::NotApplicable(_)));
    Judgement { judge: JUDGE, ruling, checked: Checked { evaluations: both, discriminating: both } }
}

fn disagreement(anomaly: &Anomaly, objects: &Judgement, accepts: &Judgement) -> Ruling {
    let at: SimTime = anomaly.at;
    Ruling::Broken(Anomaly {
        code: "judges-disagree".to_owned(),
        sentence: format!(
            "{} accepts the history, {} objects: {}",
            accepts.judge, objects.judge, anomaly.sentence
        ),
        operations: anomaly.operations.clone(),
        at,
    })
}
