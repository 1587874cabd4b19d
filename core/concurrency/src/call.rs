//! One call of a service, from its beginning to its end.

use crate::{contender::Contender, observer::Observer, single::Single};
use whitewater_api::{
    Error, Request, Response, WatchResponse,
    concurrency::{ServiceError, ServiceRequest, ServiceResponse},
    watch::WatchCreate,
};
use whitewater_mutation::Mutations;

/// What the host shall do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask this, in the name of the caller, and say how that ended by [`Call::on_answer`]. What was refused without effect
    /// because the node does not lead may be asked elsewhere first.
    Ask(Request),
    /// Open this watch, in the name of the caller, at any member; hand over what it says by [`Call::on_watch`], and that
    /// it broke by [`Call::on_watch_lost`]. It ends with the next [`Step::Ask`], [`Step::Watch`] or [`Step::Done`].
    Watch(WatchCreate),
    /// Tell this to the caller, and go on.
    Tell(ServiceResponse),
    /// Tell this to the caller. The call is over.
    Done(Result<ServiceResponse, ServiceError>),
}

/// A call that is under way.
#[derive(Clone, Debug)]
pub struct Call {
    kind: Kind,
    is_over: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Contender(Contender),
    Observer(Observer),
    Single(Single),
}

impl Call {
    /// Begins a call.
    pub fn begin(request: ServiceRequest, mutations: Mutations) -> (Self, Vec<Step>) {
        let (kind, steps) = match request {
            ServiceRequest::Lock { name, lease } => {
                let (contender, steps) = Contender::lock(name, lease, mutations);
                (Kind::Contender(contender), steps)
            }
            ServiceRequest::Campaign { name, lease, value } => {
                let (contender, steps) = Contender::campaign(name, lease, value, mutations);
                (Kind::Contender(contender), steps)
            }
            ServiceRequest::Observe { name } => {
                let (observer, steps) = Observer::begin(name, mutations);
                (Kind::Observer(observer), steps)
            }
            ServiceRequest::Unlock { .. }
            | ServiceRequest::Proclaim { .. }
            | ServiceRequest::Leader { .. }
            | ServiceRequest::Resign { .. } => {
                let (single, steps) = Single::begin(request, mutations);
                (Kind::Single(single), steps)
            }
        };
        let mut call = Self { kind, is_over: false };
        call.notice_end(&steps);
        (call, steps)
    }

    /// The last [`Step::Ask`] has ended so.
    pub fn on_answer(&mut self, answer: Result<&Response, Error>) -> Vec<Step> {
        self.go_on(|kind| match kind {
            Kind::Contender(contender) => contender.on_answer(answer),
            Kind::Observer(observer) => observer.on_answer(answer),
            Kind::Single(single) => vec![Step::Done(single.on_answer(answer))],
        })
    }

    /// The watch that is open says this.
    pub fn on_watch(&mut self, message: &WatchResponse) -> Vec<Step> {
        self.go_on(|kind| match kind {
            Kind::Contender(contender) => contender.on_watch(message),
            Kind::Observer(observer) => observer.on_watch(message),
            Kind::Single(_) => Vec::new(),
        })
    }

    /// The watch that was open broke.
    pub fn on_watch_lost(&mut self) -> Vec<Step> {
        self.go_on(|kind| match kind {
            Kind::Contender(contender) => contender.on_watch_lost(),
            Kind::Observer(observer) => observer.on_watch_lost(),
            Kind::Single(_) => Vec::new(),
        })
    }

    /// The caller does not want to wait any longer. A contender takes its key back first; an answer that is on its way is
    /// still to be handed over.
    pub fn cancel(&mut self) -> Vec<Step> {
        self.go_on(|kind| match kind {
            Kind::Contender(contender) => contender.cancel(),
            Kind::Observer(_) | Kind::Single(_) => vec![Step::Done(Err(ServiceError::Canceled))],
        })
    }

    /// Whether nothing more comes.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    fn go_on(&mut self, advance: impl FnOnce(&mut Kind) -> Vec<Step>) -> Vec<Step> {
        if self.is_over {
            return Vec::new(); // Something that was on its way when the call ended.
        }
        let steps = advance(&mut self.kind);
        self.notice_end(&steps);
        steps
    }

    fn notice_end(&mut self, steps: &[Step]) {
        self.is_over |= matches!(steps.last(), Some(Step::Done(_)));
    }
}
