//! Panics inside a run: caught, worded, and kept off the caller's screen.

use std::{
    any::Any,
    panic,
    sync::{Mutex, Once, PoisonError},
    thread::ThreadId,
};

/// The name of the threads that runs live on.
pub(crate) const THREAD: &str = "whitewater-run";

/// Where runs panicked, until the run fetches it.
static PLACES: Mutex<Vec<(ThreadId, String)>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

/// From now on a panic on a thread of this name is noted instead of printed. Other threads are as before.
pub(crate) fn silence() {
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let thread = current();
            if thread.name() != Some(THREAD) {
                previous(info);
                return;
            }
            let place = info.location().map_or_else(String::new, |place| {
                format!("{}:{}", tail(place.file()), place.line())
            });
            let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
            places.push((thread.id(), place));
        }));
    });
}

/// What the panic said, and where, for the thread that panicked.
pub(crate) fn sentence(thread: ThreadId, payload: &(dyn Any + Send)) -> String {
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    let found = places.iter().position(|(id, _)| *id == thread);
    match found.map(|at| places.swap_remove(at).1) {
        Some(place) if !place.is_empty() => format!("{message} ({place})"),
        Some(_) | None => message.to_owned(),
    }
}

/// The thread that asks.
#[expect(clippy::disallowed_methods, reason = "tells runs' panics apart; no id reaches a record")]
pub(crate) fn current() -> std::thread::Thread {
    std::thread::current()
}

/// The path below the folder of the sources, or below the registry's: the same on every machine.
fn tail(path: &str) -> &str {
    let start =
        path.rfind("/src/").map_or(0, |at| path[..at].rfind('/').map_or(0, |slash| slash + 1));
    &path[start..]
}
