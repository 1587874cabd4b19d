//! The black-box judge and the white-box judge answer one question by different means. Where both answer, they must
//! agree; if they do not, one of them is wrong, and that is a failure of its own.
//!
//! What the white box accepts, an order that agrees with the revisions and explains every answer, the black box accepts
//! as well: its own question is the same one with less to go by. So there are two contradictions. The black box finds
//! no order, though there is one; or it cannot follow the very order that convinced the white box. The reverse is none:
//! a revision that is wrong in itself, or a wrong refusal because of a compaction, only the white box can see.
//!
//! Evaluations: one if both answered. Discriminating: one unless the white box objected to what only it can see.

use crate::{
    case::Case,
    linearizable::BlackBox,
    ruling::{Anomaly, Judgement, Ruling},
};
use whitewater_record::Checked;

/// The name of the judge.
pub(crate) const JUDGE: &str = "agreement";

const CODE: &str = "judges-disagree";

/// Compares two judgements.
pub(crate) fn judge(case: &Case, black_box: &BlackBox, white: &Judgement) -> Judgement {
    let black = &black_box.judgement;
    let mut checked = Checked { evaluations: 1, discriminating: 1 };
    let ruling = match (&black.ruling, &white.ruling) {
        (Ruling::Broken(anomaly), Ruling::Holds) => Ruling::Broken(Anomaly {
            code: CODE.to_owned(),
            sentence: format!(
                "{} accepts the history, {} objects: {}",
                white.judge, black.judge, anomaly.sentence
            ),
            ..anomaly.clone()
        }),
        (Ruling::Holds | Ruling::Undecided(_), Ruling::Holds) => match &black_box.refusal {
            None => Ruling::Holds,
            Some(refusal) => {
                let who = case.operation(refusal.operation);
                let sentence = format!(
                    "{} accepts an order in which, to {}, {who} {}",
                    white.judge, black.judge, refusal.reason
                );
                case.broken(CODE, sentence, &[refusal.operation])
            }
        },
        (Ruling::Broken(_), Ruling::Broken(_)) => Ruling::Holds,
        (Ruling::Holds, Ruling::Broken(_)) => {
            checked.discriminating = 0;
            Ruling::Holds
        }
        (Ruling::Undecided(_) | Ruling::NotApplicable(_) | Ruling::Withheld(_), _)
        | (_, Ruling::Undecided(_) | Ruling::NotApplicable(_) | Ruling::Withheld(_)) => {
            checked = Checked::default();
            Ruling::NotApplicable("not both judges gave an answer".to_owned())
        }
    };
    Judgement { judge: JUDGE, ruling, checked }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linearizable::Refusal;
    use whitewater_api::{Completion, Error, NodeId, Request, RequestId, request::PutRequest};
    use whitewater_record::{History, Operation, SimTime};

    fn agreement(black: Ruling, refusal: Option<Refusal>, white: Ruling) -> Ruling {
        let operation = Operation {
            id: RequestId::default(),
            node: NodeId(1),
            invoked: SimTime(1),
            completed: SimTime(2),
            request: Request::Put(PutRequest::new("k", "v")),
            completion: Completion::Info(Error::TimedOut),
            witness: None,
        };
        let history = History { operations: vec![operation], ..History::default() };
        let judgement = |judge, ruling| Judgement { judge, ruling, checked: Checked::default() };
        let black = BlackBox { judgement: judgement("black", black), refusal };
        judge(&Case::new(&history), &black, &judgement("white", white)).ruling
    }

    fn broken() -> Ruling {
        let sentence = "p3 read v1".to_owned();
        Ruling::Broken(Anomaly::new("stale-read", sentence, Vec::new(), SimTime(9)))
    }

    #[test]
    fn what_the_white_box_accepts_the_black_box_must_accept() {
        let disagrees = |ruling: Ruling| ruling.anomaly().is_some_and(|a| a.code == CODE);
        assert!(disagrees(agreement(broken(), None, Ruling::Holds)));
        assert_eq!(agreement(Ruling::Holds, None, Ruling::Holds), Ruling::Holds);
        let refusal = || Some(Refusal { operation: 0, reason: "comes twice", is_open: false });
        assert!(disagrees(agreement(Ruling::Holds, refusal(), Ruling::Holds)));
        assert_eq!(agreement(Ruling::Holds, refusal(), broken()), Ruling::Holds);
        assert_eq!(agreement(broken(), None, broken()), Ruling::Holds);
    }

    #[test]
    fn what_only_revisions_show_is_no_disagreement() {
        assert_eq!(agreement(Ruling::Holds, None, broken()), Ruling::Holds);
    }

    #[test]
    fn what_was_not_decided_is_not_compared() {
        let undecided = || Ruling::Undecided("the budget is spent".into());
        for ruling in
            [agreement(undecided(), None, broken()), agreement(broken(), None, undecided())]
        {
            assert!(matches!(ruling, Ruling::NotApplicable(_)), "{ruling:?}");
        }
    }
}
