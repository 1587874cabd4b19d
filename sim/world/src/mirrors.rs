//! Watchers that keep mirrors: they list what they are going to watch, watch from the next revision on, and list anew when
//! a compaction has overtaken them, as the reflectors of Kubernetes do.

use crate::{
    agenda::Due,
    asking::{Answer, Asker},
    client::completion,
    watchers::Watcher,
    world::World,
};
use std::collections::VecDeque;
use whitewater_api::{
    Body, Caller, Completion, Error, Key, KeyRange, Request, RequestId, Response, Revision,
    request::RangeRequest, response::RangeResponse,
};

/// What a watcher has yet to list, and the page that it waits for.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// Watches, by place, that wait for their lists.
    wanted: VecDeque<usize>,
    page: Option<Page>,
    /// The number of the next request.
    pub(crate) sequence: u32,
}

#[derive(Clone, Copy, Debug)]
struct Page {
    /// For which watch.
    place: usize,
    id: RequestId,
    /// Its place in the history.
    operation: usize,
    /// The newest revision that anybody had been told of when it was asked for.
    floor: Revision,
    /// The revision that the list is read at; none before its first page has come.
    at: Revision,
}

impl Lists {
    /// The newest revision that anybody had been told of when this was asked for.
    pub(crate) fn floor(&self, id: RequestId) -> Option<Revision> {
        self.page.filter(|page| page.id == id).map(|page| page.floor)
    }
}

impl World {
    /// A watch of a mirror is to begin: first comes its list.
    pub(crate) fn want_list(&mut self, index: usize, place: usize) {
        self.watchers[index].lists.wanted.push_back(place);
        self.list_next(index);
    }

    /// Asks for the first page of the next list, unless another one is under way.
    fn list_next(&mut self, index: usize) {
        let lists = &mut self.watchers[index].lists;
        if lists.page.is_none()
            && let Some(place) = lists.wanted.pop_front()
        {
            let range = self.plan.watchers[index].watches[place].0.range.clone();
            self.ask_for_page(index, place, range, Revision::LATEST);
        }
    }

    fn ask_for_page(&mut self, index: usize, place: usize, range: KeyRange, at: Revision) {
        let limit = self.plan.watchers[index].lists.unwrap_or(0);
        let request =
            Request::Range(RangeRequest { limit, revision: at, ..RangeRequest::new(range) });
        let watcher = &mut self.watchers[index];
        let id = RequestId { process: watcher.process, sequence: watcher.lists.sequence };
        watcher.lists.sequence += 1;
        let node = watcher.node;
        let operation = self.invoke(id, node, None, request.clone());
        let page = Page { place, id, operation, floor: self.acked, at };
        self.watchers[index].lists.page = Some(page);
        self.later(self.now + self.plan.timeout, Due::Timeout { id });
        self.ask(id, node, Caller::Nobody, request);
    }

    /// A page, a refusal, or nothing in time.
    pub(crate) fn on_watcher_answer(
        &mut self,
        index: usize,
        id: RequestId,
        answer: Option<Answer>,
    ) {
        let Err(answer) = self.on_token_answer(index, id, answer) else { return };
        let lists = &mut self.watchers[index].lists;
        let Some(page) = lists.page.take_if(|page| page.id == id) else { return };
        let completion = completion(answer, self.mutations);
        self.complete(page.operation, completion.clone());
        match completion {
            Completion::Ok(response) => self.on_page(index, page, &response),
            Completion::Fail(Error::Compacted { .. }) => {
                self.observer.tally.sometimes("list overtaken by compaction");
                self.want_list(index, page.place);
            }
            Completion::Fail(_) => self.break_stream(index),
            Completion::Info(_) => {
                self.break_stream(index);
                self.retire_watcher(index);
            }
        }
    }

    fn on_page(&mut self, index: usize, page: Page, response: &Response) {
        let Body::Range(found) = &response.body else { return };
        let at = if page.at == Revision::LATEST { response.header.revision } else { page.at };
        if let Some(start) = next_page(found) {
            let end = self.plan.watchers[index].watches[page.place].0.range.end.clone();
            self.observer.tally.sometimes("list in several pages");
            return self.ask_for_page(index, page.place, KeyRange { start, end }, at);
        }
        self.begin_mirror(index, page.place, at);
        self.list_next(index);
    }

    /// The stream is gone, and with it all lists for its watches. A page that is still awaited will never count.
    pub(crate) fn forget_lists(&mut self, index: usize) {
        let lists = &mut self.watchers[index].lists;
        lists.wanted.clear();
        if let Some(page) = lists.page.take() {
            self.complete(page.operation, Completion::Info(Error::TimedOut));
            self.retire_watcher(index);
        }
    }

    /// After an unknown outcome another process goes on, with streams of its own.
    pub(crate) fn retire_watcher(&mut self, index: usize) {
        let process = self.processes.spawn(Asker::Watcher(index));
        let Watcher { process: old, streams, lists, .. } = &mut self.watchers[index];
        (*old, *streams, lists.sequence) = (process, 0, 0);
    }
}

/// Where the next page of a list begins, if there is one: right behind the last key.
pub fn next_page(found: &RangeResponse) -> Option<Key> {
    let last = found.kvs.last().filter(|_| found.more)?;
    Some(Key::from([last.key.as_slice(), &[0]].concat()))
}
